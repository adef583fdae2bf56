/* `zok top`: which runtime is meant, and how it is shown. */
#include "tools/top.h"

#include "tools/command.h"
#include "tools/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH_OF_A_PIPE = 160 };

static struct top_list list;
static struct top_source source;
static struct top_figures figures;
static struct top_look before, now;

static const char *take_pid(void *arg, const char *text)
{
	struct top_options *options = arg;
	char *end;
	unsigned long long pid;

	errno = 0;
	pid = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || pid == 0 || pid > INT32_MAX)
		return "the number of a process";
	options->pid = pid;
	return NULL;
}

static const char *take_interval(void *arg, const char *text)
{
	struct top_options *options = arg;
	char *end;
	double seconds = strtod(text, &end);

	if (*text < '0' || *text > '9' || *end || !(seconds >= 0.05 && seconds <= 3600))
		return "seconds, from 0.05 to 3600";
	options->interval_s = seconds;
	return NULL;
}

static int refuse(const char *what, const char *why)
{
	fprintf(stderr, "zok top: %.80s: %s\n", what, why);
	return ZOK_EXIT_USAGE;
}

/* Returns the exit code where there is nothing more to do, else -1. */
static int read_options(struct top_options *options, int argc, char **argv)
{
	const char *folder = getenv("ZOK_EXPORT");
	bool wants_help = false;
	const struct zok_option rows[] = {
		{"--pid", "PID", "the runtime of this process, where several run", .take = take_pid, .arg = options},
		{"--interval", "S", "seconds between two looks, 0.05 to 3600 (default 1)", .take = take_interval, .arg = options},
		{"--once", NULL, "prints one table and ends", .flag = &options->is_once},
		{"--json", NULL, "with --once: for programs", .flag = &options->is_json},
		{"--list", NULL, "prints which runtimes there are", .flag = &options->is_list},
		{"--help", NULL, "this", .flag = &wants_help},
		{NULL},
	};
	int read;

	*options = (struct top_options){.interval_s = 1, .folder = folder && *folder == '/' ? folder : ZOK_EXPORT_FOLDER};
	read = zok_options_parse("zok top", rows, argc, argv);
	if (read < 0)
		return ZOK_EXIT_USAGE;
	if (wants_help) {
		printf("usage: zok top [OPTIONS]\n\n");
		zok_options_print(stdout, rows);
		printf("\nexit code: 0, 1 no such runtime, 2 wrong usage\n");
		return ZOK_EXIT_OK;
	}
	if (read < argc)
		return refuse(argv[read], "takes options only; zok top --help lists them");
	if (options->is_json && !options->is_once)
		return refuse("--json", "goes with --once");
	return -1;
}

/* ---- Which runtime ---- */

static void say_none(const struct top_options *options)
{
	fprintf(stderr,
		"zok top: no runtime to be seen in %.200s: a program shows up while its zok_run() runs, unless it sets no_export or "
		"ZOK_EXPORT=off",
		options->folder);
	if (list.hidden_count > 0)
		fprintf(stderr, "; %u of other users, which only they and root may watch", list.hidden_count);
	if (list.refused[0])
		fprintf(stderr, "; %s", list.refused);
	fputc('\n', stderr);
}

/* Why a process is not among those that were found. */
static void say_not_there(const struct top_options *options)
{
	unsigned long long pid = options->pid;
	char path[64];
	struct stat status;

	snprintf(path, sizeof path, "/proc/%llu", pid);
	if (stat(path, &status) < 0)
		fprintf(stderr, "zok top: --pid %llu: there is no such process\n", pid);
	else if (geteuid() != 0 && status.st_uid != geteuid())
		fprintf(stderr, "zok top: --pid %llu: is of user %u: only that user and root may watch it\n", pid, (unsigned)status.st_uid);
	else if (list.refused[0])
		fprintf(stderr, "zok top: --pid %llu: shows no runtime; %s\n", pid, list.refused);
	else
		fprintf(stderr, "zok top: --pid %llu: shows no runtime in %.160s: it runs none, or with no_export or another ZOK_EXPORT\n",
			pid, options->folder);
}

/* The index of the one that is meant; -1: none, and why was said; -2: the user has to choose. */
static int choose(const struct top_options *options)
{
	for (unsigned i = 0; i < list.count; i++)
		if (options->pid && list.found[i].pid == options->pid)
			return (int)i;
	if (options->pid) {
		say_not_there(options);
		return -1;
	}
	if (list.count == 0) {
		say_none(options);
		return -1;
	}
	return list.count == 1 ? 0 : -2;
}

/* ---- Once ---- */

static int width_of_output(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 24)
		return size.ws_col;
	return WIDTH_OF_A_PIPE;
}

static void sleep_s(double seconds)
{
	struct timespec time = {.tv_sec = (time_t)seconds, .tv_nsec = (long)(fmod(seconds, 1) * 1e9)};

	while (nanosleep(&time, &time) < 0 && errno == EINTR)
		;
}

static int print_once(const struct top_options *options, const struct top_found *found)
{
	char why[TOP_TEXT_SIZE];
	int rc = top_source_open(&source, options->folder, found->name, why);

	if (rc < 0) {
		fprintf(stderr, "zok top: %s/%s %s\n", options->folder, found->name, why);
		return ZOK_EXIT_FAILED;
	}
	rc = top_source_look(&source, &before);
	if (rc == 0) {
		sleep_s(options->interval_s);
		rc = top_source_look(&source, &now);
	}
	if (rc < 0) {
		fprintf(stderr, "zok top: %s (pid %llu) has ended\n", found->program, (unsigned long long)found->pid);
		top_source_close(&source);
		return ZOK_EXIT_FAILED;
	}
	top_figures_make(&figures, &before, &now, &source.header);
	if (options->is_json)
		top_print_json(stdout, &source, &figures);
	else
		top_print_text(stdout, &source, &figures, width_of_output());
	top_source_close(&source);
	if (fflush(stdout) == 0)
		return ZOK_EXIT_OK;
	fprintf(stderr, "zok top: standard output: %s\n", strerror(errno));
	return ZOK_EXIT_FAILED;
}

static int refuse_to_guess(void)
{
	fprintf(stderr, "zok top: %u runtimes run: say which with --pid:", list.count);
	for (unsigned i = 0; i < list.count; i++)
		fprintf(stderr, " %llu (%s)", (unsigned long long)list.found[i].pid, list.found[i].program);
	fputc('\n', stderr);
	return ZOK_EXIT_USAGE;
}

int zok_command_top(int argc, char **argv)
{
	struct top_options options;
	int rc, chosen;

	rc = read_options(&options, argc, argv);
	if (rc >= 0)
		return rc;
	rc = top_find(options.folder, &list);
	if (rc < 0) {
		fprintf(stderr, "zok top: %s: %s\n", options.folder, strerror(-rc));
		return ZOK_EXIT_FAILED;
	}
	chosen = choose(&options);
	if (chosen == -1)
		return ZOK_EXIT_FAILED;
	if (options.is_list) {
		top_print_list(stdout, &list);
		return ZOK_EXIT_OK;
	}
	if (!options.is_once)
		return top_view(&options, &list, &source, chosen);
	return chosen < 0 ? refuse_to_guess() : print_once(&options, &list.found[chosen]);
}
