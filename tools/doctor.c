/* `zok doctor`: looks over the machine, says what costs a gateway its tail, and mends what is safe to mend. */
#include "tools/doctor.h"

#include "numa/select.h"
#include "tools/command.h"
#include "tools/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Exit codes above those of every command: by the worst that was found and not mended. */
enum { EXIT_WARNING = 3, EXIT_FAILURE_FOUND = 4 };

struct check {
	const char *name;
	doctor_check_fn look;
	const char *about;
};

static const struct check checks[] = {
	{"io_uring", doctor_check_uring, "whether it is to be had, and each feature, tried on a live ring"},
	{"sqpoll", doctor_check_sqpoll, "whether the kernel gives a thread that polls for submissions"},
	{"spin", doctor_check_spin, "what a core in the mode spin waits with"},
	{"cgroup", doctor_check_cgroup, "a quota that throttles the cores"},
	{"steal", doctor_check_steal, "processor time that the hypervisor gave to others"},
	{"clock", doctor_check_clock, "what the kernel keeps time by"},
	{"governor", doctor_check_governor, "frequency scaling"},
	{"idle-states", doctor_check_idle_states, "how long a processor takes to wake"},
	{"smt", doctor_check_smt, "siblings on one physical core"},
	{"isolation", doctor_check_isolation, "isolcpus and nohz_full"},
	{"irqs", doctor_check_irqs, "devices that interrupt the cores"},
	{"mitigations", doctor_check_mitigations, "what system calls cost more for"},
	{"nmi-watchdog", doctor_check_watchdog, "the hard lockup detector"},
	{"thp", doctor_check_thp, "transparent huge pages, and their defragmentation"},
	{"node-memory", doctor_check_node_memory, "whether a page can be placed on each node, tried"},
	{"huge-pages", doctor_check_huge_pages, "huge pages of 2 MiB and 1 GiB of each node, tried"},
	{"swap", doctor_check_swap, "swap space"},
	{"numa-balancing", doctor_check_numa_balancing, "pages that the kernel moves between nodes"},
	{"ksm", doctor_check_ksm, "pages that the kernel merges"},
	{"memlock", doctor_check_memlock, "how much memory may be locked"},
	{"files", doctor_check_files, "how many descriptors there may be"},
	{"backlog", doctor_check_backlog, "how many clients may be about to connect"},
	{"perf-events", doctor_check_perf, "what reports of stalls can show, tried"},
	{"realtime", doctor_check_realtime, "real-time priority, tried"},
	{"dpdk", doctor_check_dpdk, "what a port past the kernel would need"},
};

enum { CHECK_COUNT = sizeof checks / sizeof *checks };

struct doctor_options {
	bool is_json, shows_all, lists, fixes, wants_help;
	const char *only, *cores, *root, *undo;
};

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "zok doctor: %s: %s\n", what, why);
	return ZOK_EXIT_FAILED;
}

static int refuse(const char *what, const char *why)
{
	fail(what, why);
	return ZOK_EXIT_USAGE;
}

static void print_list(void)
{
	for (int i = 0; i < CHECK_COUNT; i++)
		printf("%-16s %s\n", checks[i].name, checks[i].about);
}

/* Whether a list of names has this one; NULL has all. */
static bool is_listed(const char *list, const char *name)
{
	size_t length = strlen(name);

	if (!list)
		return true;
	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
		if (strncmp(list, name, length) == 0 && (list[length] == ',' || list[length] == '\0'))
			return true;
	return false;
}

/* The first name of the list that no check has; NULL: all are there. */
static const char *unknown_name(const char *list)
{
	static char name[64];

	while (list) {
		size_t length = strcspn(list, ",");
		bool is_known = false;

		snprintf(name, sizeof name, "%.*s", (int)length, list);
		for (int i = 0; i < CHECK_COUNT; i++)
			is_known |= strcmp(checks[i].name, name) == 0;
		if (!is_known)
			return name;
		list = list[length] == ',' ? list + length + 1 : NULL;
	}
	return NULL;
}

/* The CPUs of the core list; where another root is looked at, those that it says are online. */
static int choose_cpus(struct doctor *doctor, const char *list)
{
	struct zok__core_set set;
	char error[ZOK__CORES_ERROR_SIZE];
	int rc;

	if (doctor->root[0]) {
		doctor_read(doctor, doctor->cpu_list, sizeof doctor->cpu_list, "/sys/devices/system/cpu/online");
		if (list)
			snprintf(doctor->cpu_list, sizeof doctor->cpu_list, "%s", list);
		if (zok__bitset_parse(doctor->cpu_list, &doctor->cpus) < 0 || zok__bitset_is_empty(&doctor->cpus))
			return refuse("--root", "has no /sys/devices/system/cpu/online that lists CPUs");
		return 0;
	}
	rc = zok__cores_select(list, &set, error, sizeof error);
	if (rc < 0) {
		fprintf(stderr, "zok doctor: %s\n", error);
		return rc == -EINVAL ? ZOK_EXIT_USAGE : ZOK_EXIT_FAILED;
	}
	for (size_t i = 0; i < set.count; i++)
		zok__bitset_add(&doctor->cpus, set.place[i].cpu);
	zok__bitset_format(&doctor->cpus, doctor->cpu_list, sizeof doctor->cpu_list);
	zok__core_set_release(&set);
	return 0;
}

/* Not on a terminal that is not ours, and never into JSON. */
static int fix(struct doctor *doctor, const struct doctor_options *options)
{
	char path[PATH_MAX];
	int failed = doctor_fix(doctor, options->undo, path, sizeof path);

	if (failed < 0)
		return fail(path, strerror(-failed));
	for (size_t i = 0; i < doctor->change_count; i++)
		if (doctor->change[i].error < 0)
			fprintf(stderr, "zok doctor: %s: %s\n", doctor->change[i].path, strerror(-doctor->change[i].error));
	fprintf(stderr,
		path[0] ? "zok doctor: %zu changes, %d refused; to undo them: sh %s\n"
			: "zok doctor: there is nothing that is safe to mend\n",
		doctor->change_count, failed, path);
	return 0;
}

static int exit_code(const struct doctor *doctor)
{
	switch (doctor_worst(doctor)) {
	case DOCTOR_WARNING: return EXIT_WARNING;
	case DOCTOR_FAILURE: return EXIT_FAILURE_FOUND;
	default: return ZOK_EXIT_OK;
	}
}

static int examine(struct doctor *doctor, const struct doctor_options *options)
{
	int rc = choose_cpus(doctor, options->cores);

	if (rc != 0)
		return rc;
	for (int i = 0; i < CHECK_COUNT; i++)
		if (is_listed(options->only, checks[i].name))
			checks[i].look(doctor);
	if (!doctor->has_memory)
		return fail("memory", "not enough for what was found");
	if (options->fixes)
		rc = fix(doctor, options);
	if (rc != 0)
		return rc;
	if (options->is_json)
		doctor_print_json(stdout, doctor);
	else
		doctor_print(stdout, doctor, options->shows_all);
	return fflush(stdout) != 0 ? fail("standard output", strerror(errno)) : exit_code(doctor);
}

static int run(const struct doctor_options *options)
{
	struct doctor doctor = {.root = options->root ? options->root : "", .has_memory = true};
	const char *unknown = unknown_name(options->only);
	int rc;

	if (unknown)
		return refuse(unknown, "is no check; zok doctor --list names them");
	if (options->undo && !options->fixes)
		return refuse("--undo", "goes with --fix, which writes that script");
	if (options->fixes && strpbrk(doctor.root, "'\n"))
		return refuse("--root", "holds a quote or a newline, which cannot stand in the script that --fix writes");
	rc = examine(&doctor, options);
	doctor_finish(&doctor);
	return rc;
}

int zok_command_doctor(int argc, char **argv)
{
	struct doctor_options o = {0};
	const struct zok_option table[] = {
		{"--cores", "LIST", "the cores that a gateway has or will have (all); zok topo --explain tells what a list gives",
		 .text = &o.cores},
		{"--only", "NAMES", "these checks, with commas between them", .text = &o.only},
		{"--all", NULL, "also what is well", .flag = &o.shows_all},
		{"--json", NULL, "for programs", .flag = &o.is_json},
		{"--fix", NULL, "make the changes that are safe at any time, and write a script that undoes them", .flag = &o.fixes},
		{"--undo", "FILE", "that script's name (zok-doctor-undo-TIME.sh); it must not be there yet", .text = &o.undo},
		{"--list", NULL, "the checks", .flag = &o.lists},
		{"--root", "FOLDER", "read /proc and /sys below it: another machine's, or a test's", .text = &o.root},
		{"--help", NULL, "this", .flag = &o.wants_help},
		{NULL},
	};
	int at = zok_options_parse("zok doctor", table, argc, argv);

	if (at < 0)
		return ZOK_EXIT_USAGE;
	if (o.wants_help) {
		printf("usage: zok doctor [OPTIONS]\n\n");
		zok_options_print(stdout, table);
		printf("\nexit codes: 0 nothing worse than a note, 3 a warning, 4 a failure (what was mended does not count), 1 the doctor "
		       "failed, 2 usage\n");
		return ZOK_EXIT_OK;
	}
	if (at < argc)
		return refuse(argv[at], "takes no arguments; checks are named by --only");
	if (o.lists) {
		print_list();
		return ZOK_EXIT_OK;
	}
	return run(&o);
}
