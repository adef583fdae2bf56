/*
 * `zok doctor`: what of this machine costs a gateway its tail. Each check looks, and says what it saw, why that matters, the command that mends it, whether
 * it needs a reboot, and how to undo it.
 *
 *   doctor.c         the command;  doctor_print.c  text and JSON;  doctor_fix.c  what --fix writes, and the script that undoes it
 *   doctor_find.c    findings, and the files that checks read
 *   doctor_cpu.c     frequency, idle states, SMT, isolation, mitigations, clock
 *   doctor_memory.c  transparent huge pages, swap, balancing, limits on locked memory
 *   doctor_try.c     what is tried: a page of each node, huge pages, perf events, real-time priority
 *   doctor_irq.c     interrupts on the cores
 *   doctor_share.c   who else has a claim on the processors: cgroup, hypervisor; limits of the process
 *   doctor_uring.c   io_uring, tried on a live ring
 *   doctor_dpdk.c    what a DPDK port would need
 */
#ifndef TOOLS_DOCTOR_H
#define TOOLS_DOCTOR_H

#include "numa/bitset.h"

#include <stdio.h>

enum doctor_severity {
	DOCTOR_OK,
	DOCTOR_UNKNOWN, /* could not be looked at */
	DOCTOR_NOTE,	/* costs nothing for sure, or cannot be otherwise here */
	DOCTOR_WARNING, /* costs tail latency */
	DOCTOR_FAILURE, /* costs milliseconds, or keeps the runtime from working as it could */
};

enum { DOCTOR_SAW_SIZE = 320, DOCTOR_PATH_SIZE = 192 };

/* A list of CPUs, and a command with two of them. */
enum { DOCTOR_VALUE_SIZE = 512, DOCTOR_COMMAND_SIZE = 2 * DOCTOR_VALUE_SIZE + 256 };

/* A file of /proc or /sys that --fix writes. */
struct doctor_change {
	size_t finding; /* its index */
	char path[DOCTOR_PATH_SIZE];
	char value[DOCTOR_VALUE_SIZE], before[DOCTOR_VALUE_SIZE];
	int error; /* 0 or a negative errno, once it was tried */
};

struct doctor_finding {
	const char *check; /* its name; static */
	enum doctor_severity severity;
	bool needs_reboot;
	bool is_fixed;	   /* by --fix, in this run */
	bool has_left_out; /* some change of it is not --fix's to make */
	char saw[DOCTOR_SAW_SIZE];
	const char *why;		/* static; "" where all is well */
	char mend[DOCTOR_COMMAND_SIZE]; /* "" : nothing to be done */
	char undo[DOCTOR_COMMAND_SIZE];
};

struct doctor {
	const char *root;		  /* where /proc and /sys are: "" but in tests */
	struct zok__bitset cpus;	  /* whose cores are asked about */
	char cpu_list[DOCTOR_VALUE_SIZE]; /* the same as text */
	bool has_memory;		  /* false: some finding or change was lost for want of it */
	struct doctor_finding *finding;	  /* owned */
	size_t finding_count;
	struct doctor_change *change; /* owned */
	size_t change_count;
};

/* ---- doctor_find.c ---- */

/* Adds what a check saw. The finding is valid until the next is added. Never NULL: without memory a scratch one is given and has_memory falls. */
struct doctor_finding *doctor_add(struct doctor *doctor, const char *check, enum doctor_severity severity, const char *format, ...)
	ZOK_PRINTF(4, 5);

void doctor_mend(struct doctor_finding *finding, const char *format, ...) ZOK_PRINTF(2, 3);
void doctor_undo(struct doctor_finding *finding, const char *format, ...) ZOK_PRINTF(2, 3);

/*
 * The last finding can be mended by writing `value` into a file that holds `before`; safe to do at any time, and to undo. What does not fit, or cannot
 * stand between quotes in the script that undoes it, is left to the operator and the finding's mend line.
 */
void doctor_change(struct doctor *doctor, const char *value, const char *before, const char *path_format, ...) ZOK_PRINTF(4, 5);

/* The first line of a file below the root, without its end. Returns its length or a negative errno, and then text is "". */
int doctor_read(const struct doctor *doctor, char *text, size_t size, const char *format, ...) ZOK_PRINTF(4, 5);

/* A whole file, NUL-terminated, owned by the caller: NULL when it cannot be read. Files of /proc have no size. */
char *doctor_read_all(const struct doctor *doctor, const char *path);

/* A number in a file; -1 when there is none. */
long doctor_read_number(const struct doctor *doctor, const char *format, ...) ZOK_PRINTF(2, 3);

/* The word in [brackets] of a file such as transparent_hugepage/enabled. */
bool doctor_read_choice(const struct doctor *doctor, char *text, size_t size, const char *path);

enum doctor_severity doctor_worst(const struct doctor *doctor);
const char *doctor_severity_name(enum doctor_severity severity);
void doctor_finish(struct doctor *doctor);

/* ---- The checks. Each adds at least one finding of its own name. ---- */

typedef void (*doctor_check_fn)(struct doctor *doctor);

void doctor_check_governor(struct doctor *doctor);
void doctor_check_idle_states(struct doctor *doctor);
void doctor_check_smt(struct doctor *doctor);
void doctor_check_isolation(struct doctor *doctor);
void doctor_check_mitigations(struct doctor *doctor);
void doctor_check_clock(struct doctor *doctor);
void doctor_check_watchdog(struct doctor *doctor);

void doctor_check_thp(struct doctor *doctor);
void doctor_check_swap(struct doctor *doctor);
void doctor_check_numa_balancing(struct doctor *doctor);
void doctor_check_ksm(struct doctor *doctor);
void doctor_check_memlock(struct doctor *doctor);

void doctor_check_irqs(struct doctor *doctor);

void doctor_check_cgroup(struct doctor *doctor);
void doctor_check_steal(struct doctor *doctor);
void doctor_check_files(struct doctor *doctor);
void doctor_check_backlog(struct doctor *doctor);

void doctor_check_node_memory(struct doctor *doctor);
void doctor_check_huge_pages(struct doctor *doctor);
void doctor_check_perf(struct doctor *doctor);
void doctor_check_realtime(struct doctor *doctor);

void doctor_check_uring(struct doctor *doctor);
void doctor_check_sqpoll(struct doctor *doctor);
void doctor_check_spin(struct doctor *doctor);

void doctor_check_dpdk(struct doctor *doctor);

/* ---- doctor_print.c ---- */

/* `shows_all`: also what is well. */
void doctor_print(FILE *out, const struct doctor *doctor, bool shows_all);
void doctor_print_json(FILE *out, const struct doctor *doctor);

/* ---- doctor_fix.c ---- */

/*
 * Writes the undo script first, then every change; a finding all of whose changes went is fixed. Returns how many changes failed, or a negative errno when
 * the script could not be written: then nothing was changed. `path` gets the script's name; no script and "" when there is nothing to change.
 */
int doctor_fix(struct doctor *doctor, const char *undo_path, char *path, size_t path_size);

#endif
