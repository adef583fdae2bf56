/* The `zok` command: finds the subcommand in a table and hands over. A tool is added by a row here and a file of its own. */
#include "tools/command.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{"doctor", "what of this machine costs a gateway its tail, and how to mend it", zok_command_doctor},
	{"perf", "measure the tail latency of a server, show and compare what was measured", zok_command_perf},
	{"pin", "run a program on the cores and memory asked for, and read back what came of it", zok_command_pin},
	{"topo", "show what the machine is, and what a core list gives on it", zok_command_topo},
	{"top", "watch the cores of a running runtime, live", zok_command_top},
};

enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *out)
{
	fprintf(out, "usage: zok COMMAND [ARGUMENTS]\n\n");
	for (int i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "  %-10s %s\n", "help", "this list; zok help COMMAND tells more");
	fprintf(out, "\nzok --version prints the version.\n");
}

static const struct command *find(const char *name)
{
	for (int i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int refuse(const char *name)
{
	fprintf(stderr, "zok: there is no command '%s'; zok help lists them\n", name);
	return ZOK_EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct command *command;
	char option[] = "--help";
	char *arguments[] = {argv[0], option, NULL};

	if (argc < 2) {
		print_help(stdout);
		return ZOK_EXIT_OK;
	}
	command = find(argv[1]);
	if (!command)
		return refuse(argv[1]);
	arguments[0] = argv[1];
	return command->run(2, arguments);
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2) {
		print_help(stderr);
		return ZOK_EXIT_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help(argc - 1, argv + 1);
	if (strcmp(argv[1], "--version") == 0) {
		printf("zok %s\n", ZOK_VERSION);
		return ZOK_EXIT_OK;
	}
	command = find(argv[1]);
	return command ? command->run(argc - 1, argv + 1) : refuse(argv[1]);
}
