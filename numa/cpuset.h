/* Which CPUs, and how much of their time, the kernel really lets this process have. */
#ifndef ZOK_NUMA_CPUSET_H
#define ZOK_NUMA_CPUSET_H

#include "numa/bitset.h"

struct zok__allowance {
	struct zok__bitset cpus;
	uint64_t quota_cpu_milli; /* CPU time a second, 1500 for one and a half CPUs, of the tightest cgroup above us; 0: no quota */
};

/* The calling thread's affinity mask, on machines of any size. Returns 0 or what sched_getaffinity() said. */
ZOK_NODISCARD int zok__affinity_read(struct zok__bitset *out);

/*
 * `affinity` less what the cgroup's cpuset does not grant, with the isolated CPUs that only the boot took out of the mask, and the cgroup's quota of
 * CPU time. `root` is "" but in tests, which put a tree of their own there. A cgroup file that is missing or cannot be read limits
 * nothing: the kernel applies the cpuset to the affinity mask by itself, so this is a second look that catches a mask read before the
 * cpuset shrank. -ENOMEM.
 */
ZOK_NODISCARD int zok__allowance_read(const char *root, const struct zok__bitset *affinity, struct zok__allowance *out);

#endif
