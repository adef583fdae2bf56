/* What the machine is, and what it did during a run: the conditions under which the figures hold. Reads /proc and /sys; what cannot be read is "". */
#ifndef PERF_MACHINE_H
#define PERF_MACHINE_H

#include "zokio/base.h"

struct perf_machine {
	char host[64], kernel[128], cpu_model[128], governor[32], clocksource[32];
	char cpus_allowed[128]; /* the process's affinity, as a list */
	char cpus_pinned[128];	/* the generator's, as a list; "" when it was not pinned */
	unsigned cpu_count;	/* processors online */
	double load_average;	/* over the last minute, when the run began */

	/* Over the run. */
	double steal_fraction;	       /* of the time of the processors that the generator may use, taken by the hypervisor; 0 to 1 */
	uint64_t involuntary_switches; /* of the generator's threads */
	uint64_t voluntary_switches;
	uint64_t wait_ns; /* for how long its threads could run and did not: another had their processor */
	uint64_t cpu_ns;  /* what they used */
	uint64_t wall_ns; /* for how long they ran, added up; what wait_ns and cpu_ns are fractions of */
};

/* A reading of the counters that perf_machine_end subtracts. */
struct perf_machine_sample {
	uint64_t steal_ticks, total_ticks;
};

/* A thread's own counters, read by itself. */
struct perf_thread_sample {
	uint64_t involuntary_switches, voluntary_switches;
	uint64_t wait_ns, cpu_ns, wall_ns;
};

/* Fills what does not change, and takes the first reading; `cpus` are those that the generator is pinned to, none for all. */
void perf_machine_begin(struct perf_machine *machine, struct perf_machine_sample *sample, const int *cpus, size_t cpu_count);
void perf_machine_end(struct perf_machine *machine, const struct perf_machine_sample *sample, const int *cpus, size_t cpu_count);

/* Reads the calling thread's counters; the difference of two readings is added to the machine's sums. */
void perf_thread_sample_take(struct perf_thread_sample *sample);
void perf_machine_add_thread(struct perf_machine *machine, const struct perf_thread_sample *before, const struct perf_thread_sample *after);

/*
 * Parses a list such as "1,3-5" into `cpus`, with room for `room`. Returns how many, or -EINVAL: not a list, too many, or one of them is not
 * among those that this process may use, and then `why` says which and what would do.
 */
ZOK_NODISCARD int perf_cpu_list_parse(const char *text, int *cpus, size_t room, char *why, size_t why_size);

/* The processors that this process may use, as a list such as "0-3,6". */
void perf_cpu_list_allowed(char *text, size_t size);

#endif
