/* What only a try tells: whether this process may place memory, take huge pages, open perf events and have real-time priority. */
#include "tools/doctor.h"

#include "numa/file.h"
#include "numa/memory_calls.h"
#include "numa/node.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 5.14. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static bool is_refusal(int rc)
{
	return rc == -EPERM || rc == -EACCES || rc == -ENOSYS;
}

/* ---- Pages of a node ---- */

/* One page that must lie on `node`: 0, or what said no. -ENODATA: it was placed, and lies elsewhere. */
static int place(void *memory, size_t size, int node, const char **who)
{
	const struct zok__memory_calls *calls = &zok__memory_calls;
	struct zok__bitset only = {{0}};
	int rc, found = -1;

	zok__bitset_add(&only, node);
	*who = "mbind";
	rc = calls->bind(memory, size, MPOL_BIND, &only);
	if (rc < 0)
		return rc;
	*who = "madvise";
	rc = calls->advise(memory, size, MADV_POPULATE_WRITE);
	/* A kernel before 5.14 knows none. A normal page may be touched; a huge one would be SIGBUS where there is none. */
	if (rc == -EINVAL && size == (size_t)sysconf(_SC_PAGESIZE))
		*(volatile char *)memory = 0;
	else if (rc < 0)
		return rc;
	*who = "move_pages";
	rc = calls->where(&memory, &found, 1);
	return rc < 0 ? rc : found < 0 ? found : found == node ? 0 : -ENODATA;
}

static int try_page(size_t size, int flags, int node, const char **who)
{
	void *memory;
	int rc;

	*who = "mmap";
	rc = zok__memory_calls.map(size, flags, &memory);
	if (rc < 0)
		return rc;
	rc = place(memory, size, node, who);
	munmap(memory, size);
	return rc;
}

static unsigned count_of(const struct zok__bitset *set)
{
	unsigned count = 0;

	for (int i = -1; (i = zok__bitset_next(set, i)) >= 0;)
		count++;
	return count;
}

static void node_memory_refused(struct doctor *doctor, bool has_choice, int node, const char *who, int rc)
{
	/* With one node there is nowhere else for a page to come from. */
	struct doctor_finding *finding =
		doctor_add(doctor, "node-memory", has_choice ? DOCTOR_WARNING : DOCTOR_NOTE, "a page for node %d: %s: %s%s", node, who,
			   rc == -ENODATA ? "it lies elsewhere" : strerror(-rc), has_choice ? "" : " (the only node)");

	finding->why =
		"a core's memory then comes from whichever node touches it first: each access to another node's costs half as much again "
		"or double, and the option memory=\"strict\" is refused";
	if (is_refusal(rc)) {
		doctor_mend(
			finding,
			"let the seccomp filter pass mbind and move_pages (docker run --cap-add=SYS_NICE; SystemCallFilter=@resources in a "
			"systemd unit)");
		doctor_undo(finding, "the filter that was");
	} else {
		doctor_mend(finding, "free memory on node %d (zok topo shows it), or let the cpuset have it (cpuset.mems)", node);
	}
}

void doctor_check_node_memory(struct doctor *doctor)
{
	size_t page_size = (size_t)sysconf(_SC_PAGESIZE);
	struct zok__bitset nodes;
	const char *who;
	char list[64];

	if (zok__nodes_usable("", &nodes) < 0 || zok__bitset_is_empty(&nodes)) {
		doctor_add(doctor, "node-memory", DOCTOR_UNKNOWN, "the kernel does not tell its nodes");
		return;
	}
	for (int node = -1; (node = zok__bitset_next(&nodes, node)) >= 0;) {
		int rc = try_page(page_size, 0, node, &who);

		if (rc < 0) {
			node_memory_refused(doctor, count_of(&nodes) > 1, node, who, rc);
			return;
		}
	}
	zok__bitset_format(&nodes, list, sizeof list);
	doctor_add(doctor, "node-memory", DOCTOR_OK, "a page asked for on %s %s lay there (mbind, read back by move_pages)",
		   count_of(&nodes) > 1 ? "each of nodes" : "node", list);
}

/* ---- Huge pages ---- */

#define HUGE_2M ((size_t)2 << 20)

static const struct huge {
	const char *check, *name;
	unsigned kib;
	int flags;
} huge_2m = {"huge-pages", "2 MiB", 2048, MAP_HUGETLB | (21 << MAP_HUGE_SHIFT)},
  huge_1g = {"huge-pages-1g", "1 GiB", 1048576, MAP_HUGETLB | (30 << MAP_HUGE_SHIFT)};

/* What the nodes have, as the kernel tells and as was tried. */
struct huge_look {
	char text[DOCTOR_SAW_SIZE - 80];
	size_t used;
	long reserved, free;
	int got_count;	  /* nodes where one was had */
	int refused_node; /* the first that has free ones and gave none; -1 */
	int refused;	  /* why */
	const char *refused_by;
	bool is_known; /* the kernel has pages of this size */
};

static ZOK_PRINTF(2, 3) void tell(struct huge_look *look, const char *format, ...)
{
	va_list args;
	int more;

	if (look->used >= sizeof look->text)
		return;
	va_start(args, format);
	more = vsnprintf(look->text + look->used, sizeof look->text - look->used, format, args);
	va_end(args);
	look->used += more > 0 ? (size_t)more : 0;
}

/*
 * A page of 2 MiB is taken, read back and given back. One of 1 GiB is only mapped, which sets it aside: to touch it would be to clear it, a third
 * of a second of the memory's whole bandwidth under whatever else runs here.
 */
static int try_huge(const struct huge *huge, int node, const char **who)
{
	void *memory;
	int rc;

	if (huge == &huge_2m)
		return try_page(HUGE_2M, huge->flags, node, who);
	*who = "mmap";
	rc = zok__memory_calls.map((size_t)huge->kib << 10, huge->flags, &memory);
	if (rc == 0)
		munmap(memory, (size_t)huge->kib << 10);
	return rc;
}

/* Not just short: mmap answers ENOMEM where others have spoken for the free ones, a fault fails where the cgroup may have no more. */
static bool is_forbidden(int rc, const char *who, long free)
{
	return is_refusal(rc) || (free > 0 && strcmp(who, "madvise") == 0);
}

static void look_at_node(struct doctor *doctor, const struct huge *huge, int node, struct huge_look *look)
{
	const char *const folder = "/sys/devices/system/node/node%d/hugepages/hugepages-%ukB/%s";
	long reserved = doctor_read_number(doctor, folder, node, huge->kib, "nr_hugepages");
	long free = doctor_read_number(doctor, folder, node, huge->kib, "free_hugepages");
	const char *who;
	int rc;

	if (reserved < 0)
		return;
	look->is_known = true;
	look->reserved += reserved;
	look->free += free > 0 ? free : 0;
	tell(look, "%snode %d: %ld", look->used ? ", " : "", node, reserved);
	/* Another machine's files say nothing of what this one gives. And nobody needs pages of 1 GiB that are not set aside. */
	if (doctor->root[0] || (reserved == 0 && huge == &huge_1g))
		return;
	rc = try_huge(huge, node, &who);
	if (reserved > 0 || rc == 0)
		tell(look, " (%ld free, %s)", free, rc == 0 ? "one was had" : "none was to be had");
	look->got_count += rc == 0;
	if (rc == 0 || look->refused_node >= 0 || !is_forbidden(rc, who, free))
		return;
	look->refused_node = node;
	look->refused = rc;
	look->refused_by = who;
}

static const char *const why_huge =
	"a core's memory then lies on pages of 4 KiB, or on what the kernel happens to have, and each first touch of a "
	"page walks the tables";

static void huge_refused(struct doctor *doctor, const struct huge *huge, const struct huge_look *look)
{
	struct doctor_finding *finding = doctor_add(doctor, huge->check, DOCTOR_WARNING, "of %s on %s; on node %d %s: %s", huge->name,
						    look->text, look->refused_node, look->refused_by, strerror(-look->refused));

	finding->why = why_huge;
	if (is_refusal(look->refused)) {
		doctor_mend(finding, "let the seccomp filter pass mmap with MAP_HUGETLB, mbind, madvise and move_pages");
		doctor_undo(finding, "the filter that was");
	} else {
		doctor_mend(finding, "raise hugetlb.%s.max of the cgroup (docker: --cgroup-parent with one that has it)",
			    huge == &huge_2m ? "2MB" : "1GB");
		doctor_undo(finding, "write the limit that was");
	}
}

static void huge_missing(struct doctor *doctor, const struct huge *huge, const struct huge_look *look)
{
	const char *file = "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages";
	struct doctor_finding *finding;

	if (huge == &huge_1g) {
		doctor_add(doctor, huge->check, DOCTOR_OK,
			   look->is_known ? "of 1 GiB none is reserved: those of 2 MiB serve" : "the kernel has none");
		return;
	}
	finding = doctor_add(doctor, huge->check, DOCTOR_NOTE, look->reserved > 0 ? "of 2 MiB none is free (%s)" : "none is reserved (%s)",
			     look->is_known ? look->text : "the kernel shows none");
	finding->why = why_huge;
	doctor_mend(finding, "echo %ld > %s (32 a core of that node)", look->reserved + 64, file);
	doctor_undo(finding, "echo %ld > %s", look->reserved, file);
}

static void check_huge(struct doctor *doctor, const struct huge *huge, const struct zok__bitset *nodes)
{
	struct huge_look look = {.refused_node = -1};

	for (int node = -1; (node = zok__bitset_next(nodes, node)) >= 0;)
		look_at_node(doctor, huge, node, &look);
	if (look.refused_node >= 0)
		huge_refused(doctor, huge, &look);
	else if (look.got_count > 0 || (doctor->root[0] && look.reserved > 0))
		doctor_add(doctor, huge->check, DOCTOR_OK, "of %s on %s", huge->name, look.text);
	else
		huge_missing(doctor, huge, &look);
}

void doctor_check_huge_pages(struct doctor *doctor)
{
	struct zok__bitset nodes;
	char list[128];

	if (doctor_read(doctor, list, sizeof list, "/sys/devices/system/node/online") <= 0 || zok__bitset_parse(list, &nodes) < 0) {
		doctor_add(doctor, "huge-pages", DOCTOR_UNKNOWN, "the kernel does not tell its nodes");
		return;
	}
	check_huge(doctor, &huge_2m, &nodes);
	check_huge(doctor, &huge_1g, &nodes);
}

/* ---- Perf events ---- */

/* As the stall detector opens it (runtime/stall_trigger.c): the thread's CPU time, with or without the kernel's call chain. 0 or a negative errno. */
static int try_perf(bool has_kernel)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = 10 * ZOK_MS,
		.sample_type = PERF_SAMPLE_CALLCHAIN,
		.exclude_kernel = !has_kernel,
		.exclude_callchain_kernel = !has_kernel,
		.exclude_callchain_user = has_kernel,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static void perf_refused(struct doctor *doctor, long paranoid, const char *what, int rc)
{
	struct doctor_finding *finding = doctor_add(doctor, "perf-events", DOCTOR_NOTE, "%s; perf_event_paranoid is %ld", what, paranoid);

	finding->why = "reports of stalls then lack the kernel's part of the call chain (stall_detector=\"perf\" goes on with the timer)";
	/* The sysctl says EACCES; a filter, or a kernel without, says something else. */
	if (rc == -EACCES) {
		doctor_mend(finding, "sysctl -w kernel.perf_event_paranoid=1, or CAP_PERFMON for the program");
		doctor_undo(finding, "sysctl -w kernel.perf_event_paranoid=%ld", paranoid);
	} else if (is_refusal(rc)) {
		doctor_mend(finding,
			    "let the seccomp filter pass perf_event_open (docker run --cap-add=PERFMON; SystemCallFilter=perf_event_open "
			    "in a systemd unit)%s",
			    rc == -ENOSYS ? ", or a kernel with CONFIG_PERF_EVENTS" : "");
		doctor_undo(finding, "the filter that was");
	}
}

void doctor_check_perf(struct doctor *doctor)
{
	long paranoid = doctor_read_number(doctor, "/proc/sys/kernel/perf_event_paranoid");
	int with_kernel, without;
	char what[120];

	if (doctor->root[0]) {
		if (paranoid <= 1)
			doctor_add(doctor, "perf-events", paranoid == -1 ? DOCTOR_UNKNOWN : DOCTOR_OK, "perf_event_paranoid is %ld",
				   paranoid);
		else
			perf_refused(doctor, paranoid, "only for the privileged", -EACCES);
		return;
	}
	with_kernel = try_perf(true);
	if (with_kernel == 0) {
		doctor_add(doctor, "perf-events", DOCTOR_OK, "one was opened, with the kernel's call chain; perf_event_paranoid is %ld",
			   paranoid);
		return;
	}
	without = try_perf(false);
	snprintf(what, sizeof what, "perf_event_open: %s%s", strerror(-with_kernel),
		 without == 0 ? "; without the kernel's call chain it opens" : "");
	perf_refused(doctor, paranoid, what, with_kernel);
}

/* ---- Real-time priority ---- */

/* Asked for this thread, and given back: to become an ordinary one is always allowed. 0 or a negative errno. */
static int try_realtime(void)
{
	struct sched_param before;
	int policy = sched_getscheduler(0);

	if (policy < 0 || sched_getparam(0, &before) < 0)
		return -errno;
	if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1}) < 0)
		return -errno;
	return sched_setscheduler(0, policy, &before) < 0 ? -errno : 0;
}

/* CAP_SYS_NICE, by its number in <linux/capability.h>. */
static bool has_sys_nice(void)
{
	char text[4096];
	const char *line = zok__file_read(text, sizeof text, "", "/proc/self/status") < 0 ? NULL : strstr(text, "\nCapEff:");

	return line && (strtoull(line + sizeof "\nCapEff:" - 1, NULL, 16) >> 23 & 1);
}

static void realtime_refused(struct doctor *doctor, int rc, const struct rlimit *limit)
{
	struct doctor_finding *finding =
		doctor_add(doctor, "realtime", DOCTOR_NOTE, "SCHED_FIFO: %s; RLIMIT_RTPRIO is %llu, %s CAP_SYS_NICE", strerror(-rc),
			   (unsigned long long)limit->rlim_cur, has_sys_nice() ? "with" : "without");

	finding->why =
		"the option realtime_priority is then not obeyed: a core competes with every other thread on its processor as an equal; "
		"where the processor is isolated there is none, and nothing is needed";
	if (limit->rlim_cur == 0 && !has_sys_nice()) {
		doctor_mend(finding,
			    "ulimit -r 1 (LimitRTPRIO=1 in a systemd unit, docker run --ulimit rtprio=1), or CAP_SYS_NICE; or isolate "
			    "the cores");
		doctor_undo(finding, "ulimit -r 0");
	} else {
		doctor_mend(finding, "let the seccomp filter pass sched_setscheduler; in a cgroup v1 give the group real-time time "
				     "(cpu.rt_runtime_us); or isolate the cores");
		doctor_undo(finding, "the filter, or the value, that was");
	}
}

void doctor_check_realtime(struct doctor *doctor)
{
	struct rlimit limit = {0};
	long runtime_us = doctor_read_number(doctor, "/proc/sys/kernel/sched_rt_runtime_us");
	long period_us = doctor_read_number(doctor, "/proc/sys/kernel/sched_rt_period_us");
	int rc = try_realtime();

	if (rc < 0) {
		getrlimit(RLIMIT_RTPRIO, &limit);
		realtime_refused(doctor, rc, &limit);
	} else if (runtime_us >= 0 && period_us > runtime_us) {
		doctor_add(doctor, "realtime", DOCTOR_OK,
			   "SCHED_FIFO was had when tried; what spins in it stands still for %ld of each %ld ms "
			   "(sched_rt_runtime_us)",
			   (period_us - runtime_us) / 1000, period_us / 1000);
	} else {
		doctor_add(doctor, "realtime", DOCTOR_OK, "SCHED_FIFO was had when tried");
	}
}
