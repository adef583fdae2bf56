#include "numa/bind.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "numa/cpuset.h"

/*
 * The system call and not hwloc_set_cpubind(): hwloc numbers CPUs as Linux does and makes the same call, but would need its topology
 * to be kept for it.
 */
static int set_affinity(const struct zok__bitset *set)
{
	return sched_setaffinity(0, sizeof *set, (const cpu_set_t *)(const void *)set) < 0 ? -errno : 0;
}

int zok__bind_thread(int cpu)
{
	struct zok__bitset want = {{0}}, got;
	int rc;

	zok__bitset_add(&want, cpu);
	rc = set_affinity(&want);
	if (rc == 0)
		rc = zok__affinity_read(&got);
	if (rc < 0)
		return rc;
	return memcmp(&want, &got, sizeof want) == 0 ? 0 : -ENOTSUP;
}
