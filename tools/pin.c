/* `zok pin`: runs a program, or takes one that runs, to the cores and the memory that are asked for, and reads back what came of it. */
#include "tools/pin.h"

#include "tools/command.h"
#include "tools/options.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct pin_options {
	const char *cores, *memory;
	const char *rule[PIN_RULES_MAX];
	size_t rule_count;
	uint64_t verify_ns;
	pid_t pid;
	bool is_quiet, is_json, only_checks, wants_help;
};

static int refuse(const char *what, const char *why)
{
	fprintf(stderr, "zok pin: %s: %s\n", what, why);
	return ZOK_EXIT_USAGE;
}

/* ---- options ---- */

static const char *take_rule(void *arg, const char *text)
{
	struct pin_options *options = arg;
	const char *equals = strchr(text, '=');

	if (equals == NULL || equals == text || equals[1] == '\0' || (size_t)(equals - text) >= sizeof((struct pin_rule *)NULL)->pattern)
		return "'PATTERN=LIST': a glob for thread names, and a core list";
	if (options->rule_count == PIN_RULES_MAX)
		return "at most 32 of these";
	options->rule[options->rule_count++] = text;
	return NULL;
}

static const char *take_pid(void *arg, const char *text)
{
	struct pin_options *options = arg;
	char *end;
	long pid = strtol(text, &end, 10);

	if (*end != '\0' || pid <= 0 || pid > 1 << 22)
		return "the number of a process";
	options->pid = (pid_t)pid;
	return NULL;
}

static const char *take_verify(void *arg, const char *text)
{
	struct pin_options *options = arg;
	char *end;
	double seconds = strtod(text, &end);

	if (*end != '\0' || !(seconds >= 0 && seconds <= 3600))
		return "seconds, from 0 to 3600";
	options->verify_ns = (uint64_t)(seconds * 1e9);
	return NULL;
}

/* ---- what is asked ---- */

static int select_cores(const char *option, const char *list, struct zok__core_set *out)
{
	char error[ZOK__CORES_ERROR_SIZE];
	int rc = zok__cores_select(list, out, error, sizeof error);

	if (rc == 0)
		return ZOK_EXIT_OK;
	fprintf(stderr, "zok pin: %s: %s\n", option, error);
	return rc == -EINVAL ? ZOK_EXIT_USAGE : ZOK_EXIT_FAILED;
}

static int read_rule(struct pin *pin, const char *text)
{
	struct pin_rule *rule = &pin->rule[pin->rule_count];
	const char *equals = strchr(text, '=');
	int rc;

	memcpy(rule->pattern, text, (size_t)(equals - text));
	rc = select_cores("--threads", equals + 1, &rule->cores);
	pin->rule_count += rc == ZOK_EXIT_OK;
	return rc;
}

static int read_policy(struct pin *pin, const char *text)
{
	bool one_node = zok__bitset_next(&pin->nodes, zok__bitset_next(&pin->nodes, -1)) < 0;

	if (text == NULL) {
		pin->policy = pin->cores.count > 0 && one_node ? PIN_MEMORY_PREFERRED : PIN_MEMORY_DEFAULT;
		return ZOK_EXIT_OK;
	}
	for (enum pin_policy policy = PIN_MEMORY_PREFERRED; policy <= PIN_MEMORY_LOCAL; policy++)
		if (strcmp(text, pin_policy_name(policy)) == 0)
			pin->policy = policy;
	if (pin->policy == PIN_MEMORY_DEFAULT)
		return refuse("--memory", "takes preferred, strict, interleave or local");
	if (pin->policy != PIN_MEMORY_LOCAL && pin->cores.count == 0)
		return refuse("--memory", "needs --cores: the memory is that of the cores' nodes; local does without");
	return ZOK_EXIT_OK;
}

static int read_wishes(struct pin *pin, const struct pin_options *options)
{
	int rc = options->cores != NULL ? select_cores("--cores", options->cores, &pin->cores) : ZOK_EXIT_OK;

	for (size_t i = 0; rc == ZOK_EXIT_OK && i < pin->cores.count; i++) {
		zok__bitset_add(&pin->want, pin->cores.place[i].cpu);
		zok__bitset_add(&pin->nodes, pin->cores.place[i].node);
	}
	for (size_t i = 0; rc == ZOK_EXIT_OK && i < options->rule_count; i++)
		rc = read_rule(pin, options->rule[i]);
	return rc == ZOK_EXIT_OK ? read_policy(pin, options->memory) : rc;
}

/* ---- a process that runs ---- */

static void move_memory(struct pin *pin)
{
	static char note[128];
	long rc = pin_memory_move(pin->pid, &pin->nodes);

	if (rc < 0)
		snprintf(note, sizeof note, "migrate_pages(2): %s", strerror((int)-rc));
	else if (rc > 0)
		snprintf(note, sizeof note, "%ld pages could not be moved", rc);
	if (rc != 0)
		pin->policy_note = note;
}

static int check_pid_options(const struct pin *pin, const struct pin_options *options)
{
	if (options->memory != NULL && (pin->policy == PIN_MEMORY_INTERLEAVE || pin->policy == PIN_MEMORY_LOCAL))
		return refuse("--memory", "a process that runs keeps its own policy; preferred and strict move its pages");
	if (kill(options->pid, 0) < 0 && errno == ESRCH)
		return refuse("--pid", "there is no such process");
	return ZOK_EXIT_OK;
}

/* Twice at least: a thread that is born during the first look may have inherited the old place. */
static int look_until_settled(struct pin *pin)
{
	size_t before;
	int rc, tries = 0;

	do {
		before = pin->thread_count;
		rc = pin_threads_look(pin);
	} while (rc == 0 && !pin->only_looks && ++tries < 8 && (tries < 2 || pin->thread_count != before));
	return rc;
}

static int take_process(struct pin *pin, const struct pin_options *options)
{
	int rc = check_pid_options(pin, options);

	if (rc != ZOK_EXIT_OK)
		return rc;
	pin->pid = options->pid;
	pin->sets_threads = true;
	rc = look_until_settled(pin);
	if (rc < 0) {
		fprintf(stderr, "zok pin: --pid %d: %s\n", (int)pin->pid, strerror(-rc));
		return ZOK_EXIT_FAILED;
	}
	if (options->memory == NULL)
		pin->policy = PIN_MEMORY_DEFAULT;
	else if (!pin->only_looks)
		move_memory(pin);
	pin_memory_count(pin->pid, &pin->nodes, &pin->pages);
	if (!options->is_quiet)
		(options->is_json ? pin_report_json : pin_report_text)(pin, stdout);
	return pin_is_as_asked(pin) ? ZOK_EXIT_OK : ZOK_EXIT_FAILED;
}

/* ---- the command ---- */

static void print_plan(const struct pin *pin)
{
	char cores[256], nodes[64];

	zok__bitset_format(&pin->want, cores, sizeof cores);
	zok__bitset_format(&pin->nodes, nodes, sizeof nodes);
	printf("zok pin: would run on CPU %s, memory %s, node %s\n", pin->cores.count > 0 ? cores : "any", pin_policy_name(pin->policy),
	       nodes);
	for (size_t i = 0; i < pin->rule_count; i++) {
		printf("zok pin: threads '%s' on CPU", pin->rule[i].pattern);
		for (size_t k = 0; k < pin->rule[i].cores.count; k++)
			printf(" %d", pin->rule[i].cores.place[k].cpu);
		putchar('\n');
	}
}

static int run(const struct pin_options *options, char **argv)
{
	void (*report)(const struct pin *, FILE *) = options->is_quiet ? NULL : options->is_json ? pin_report_json : pin_report_text;
	struct pin *pin = calloc(1, sizeof *pin);
	int rc;

	if (pin == NULL)
		return fprintf(stderr, "zok pin: out of memory\n"), ZOK_EXIT_FAILED;
	pin->only_looks = options->only_checks;
	rc = read_wishes(pin, options);
	if (rc == ZOK_EXIT_OK && options->pid > 0)
		rc = take_process(pin, options);
	else if (rc == ZOK_EXIT_OK && options->only_checks)
		print_plan(pin);
	else if (rc == ZOK_EXIT_OK)
		rc = pin_run(pin, argv, options->verify_ns, report, stderr);
	zok__core_set_release(&pin->cores);
	for (size_t i = 0; i < pin->rule_count; i++)
		zok__core_set_release(&pin->rule[i].cores);
	free(pin->thread);
	free(pin);
	return rc;
}

static int check_command(const struct pin_options *o, bool has_program)
{
	if (o->pid > 0 && has_program)
		return refuse("--pid", "not with a program to run: one or the other");
	if (o->pid == 0 && !has_program && !o->only_checks)
		return refuse("what to run is missing", "zok pin [OPTIONS] -- PROGRAM [ARGUMENTS], or --pid PID");
	if (o->cores == NULL && o->rule_count == 0 && o->memory == NULL)
		return refuse("what to pin is missing", "give --cores LIST, --threads 'PATTERN=LIST' or --memory POLICY");
	return ZOK_EXIT_OK;
}

int zok_command_pin(int argc, char **argv)
{
	struct pin_options o = {.verify_ns = 1 * ZOK_S};
	const struct zok_option table[] = {
		{"--cores", "LIST", "where its threads run; zok topo --explain LIST shows it", .text = &o.cores},
		{"--threads", "'PATTERN=LIST'", "threads whose name matches go one by one to the list's cores; repeatable",
		 .take = take_rule, .arg = &o},
		{"--memory", "POLICY", "preferred, strict or interleave on the cores' nodes, or local", .text = &o.memory},
		{"--pid", "PID", "a process that runs, in place of a program", .take = take_pid, .arg = &o},
		{"--check", NULL, "change nothing: say what would be done, or whether the process is so", .flag = &o.only_checks},
		{"--verify-seconds", "N", "read back and report so long after the start; default 1", .take = take_verify, .arg = &o},
		{"--json", NULL, "the report for programs", .flag = &o.is_json},
		{"--quiet", NULL, "no report", .flag = &o.is_quiet},
		{"--help", NULL, "this", .flag = &o.wants_help},
		{NULL},
	};
	int at = zok_options_parse("zok pin", table, argc, argv), rc;

	if (at < 0)
		return ZOK_EXIT_USAGE;
	if (o.wants_help) {
		printf("usage: zok pin [OPTIONS] -- PROGRAM [ARGUMENTS]\n       zok pin [OPTIONS] --pid PID\n\n");
		zok_options_print(stdout, table);
		return ZOK_EXIT_OK;
	}
	rc = check_command(&o, at < argc);
	return rc == ZOK_EXIT_OK ? run(&o, argv + at) : rc;
}
