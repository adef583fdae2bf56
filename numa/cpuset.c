#include "numa/cpuset.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "numa/cgroup.h"
#include "numa/file.h"

_Static_assert(sizeof(struct zok__bitset) == CPU_ALLOC_SIZE(ZOK__BITSET_MAX), "a set is a cpu_set_t of the largest size");

int zok__affinity_read(struct zok__bitset *out)
{
	struct zok__bitset set = {{0}};

	if (sched_getaffinity(0, sizeof set, (cpu_set_t *)(void *)&set) < 0)
		return -errno;
	*out = set;
	return 0;
}

static int read_effective(const char *root, const struct zok__cgroup *group, struct zok__bitset *out)
{
	int rc;

	if (group->version == 2)
		return zok__file_read_set(out, root, "%s/cpuset.cpus.effective", group->path);
	rc = zok__file_read_set(out, root, "%s/cpuset.effective_cpus", group->path);
	return rc == -ENOENT ? zok__file_read_set(out, root, "%s/cpuset.cpus", group->path) : rc;
}

/* Version 2 has the file only where the controller is enabled; the nearest group above that has it decides for those below. */
static int read_cpuset(const char *root, struct zok__bitset *out)
{
	struct zok__cgroup group;
	int rc = zok__cgroup_find(root, "cpuset", &group);

	if (rc < 0)
		return rc;
	do {
		rc = read_effective(root, &group, out);
	} while (rc < 0 && zok__cgroup_ascend(&group));
	return rc;
}

/* In milli-CPUs, 0 for none; a quota too small to show is one. */
static uint64_t to_milli(uint64_t quota_us, uint64_t period_us)
{
	uint64_t milli;

	if (period_us == 0 || quota_us > UINT64_MAX / 1000)
		return 0;
	milli = quota_us * 1000 / period_us;
	return milli > 0 ? milli : 1;
}

/* "max 100000" or "150000 100000" */
static uint64_t read_quota_v2(const char *root, const struct zok__cgroup *group)
{
	char text[64];
	uint64_t quota_us, period_us;

	if (zok__file_read(text, sizeof text, root, "%s/cpu.max", group->path) < 0)
		return 0;
	if (sscanf(text, "%" SCNu64 " %" SCNu64, &quota_us, &period_us) != 2)
		return 0;
	return to_milli(quota_us, period_us);
}

/* A quota of -1 is none. */
static uint64_t read_quota_v1(const char *root, const struct zok__cgroup *group)
{
	char quota[32], period[32];
	int64_t quota_us;
	uint64_t period_us;

	if (zok__file_read(quota, sizeof quota, root, "%s/cpu.cfs_quota_us", group->path) < 0 ||
	    zok__file_read(period, sizeof period, root, "%s/cpu.cfs_period_us", group->path) < 0)
		return 0;
	if (sscanf(quota, "%" SCNd64, &quota_us) != 1 || sscanf(period, "%" SCNu64, &period_us) != 1 || quota_us < 0)
		return 0;
	return to_milli((uint64_t)quota_us, period_us);
}

/* Each level has its own quota, and all of them hold. */
static int read_quota(const char *root, uint64_t *milli)
{
	struct zok__cgroup group;
	uint64_t tightest = 0;
	int rc = zok__cgroup_find(root, "cpu", &group);

	if (rc < 0)
		return rc;
	do {
		uint64_t here = group.version == 2 ? read_quota_v2(root, &group) : read_quota_v1(root, &group);

		if (here != 0 && (tightest == 0 || here < tightest))
			tightest = here;
	} while (zok__cgroup_ascend(&group));
	*milli = tightest;
	return 0;
}

static void subtract(struct zok__bitset *set, const struct zok__bitset *what)
{
	for (int cpu = -1; (cpu = zok__bitset_next(what, cpu)) >= 0;)
		zok__bitset_remove(set, cpu);
}

/*
 * The kernel takes isolated CPUs (isolcpus=) out of everybody's affinity mask at boot, so that only who asks for one gets there. They are ours to ask
 * for when the mask is just that: all that the cpuset grants, less the isolated ones. A mask that is narrower was set by somebody who meant it.
 */
static void add_isolated(const char *root, const struct zok__bitset *granted, struct zok__bitset *cpus)
{
	struct zok__bitset isolated, online, usual;

	if (zok__file_read_set(&isolated, root, "/sys/devices/system/cpu/isolated") < 0 || zok__bitset_is_empty(&isolated) ||
	    zok__file_read_set(&online, root, "/sys/devices/system/cpu/online") < 0)
		return;
	zok__bitset_intersect(&online, granted);
	usual = online;
	subtract(&usual, &isolated);
	if (memcmp(&usual, cpus, sizeof usual) == 0)
		*cpus = online;
}

int zok__allowance_read(const char *root, const struct zok__bitset *affinity, struct zok__allowance *out)
{
	struct zok__allowance allowance = {.cpus = *affinity};
	struct zok__bitset granted;
	int rc = read_cpuset(root, &granted);

	if (rc < 0)
		memset(&granted, 0xff, sizeof granted);
	zok__bitset_intersect(&allowance.cpus, &granted);
	/* No CPU in common: the two were read on different sides of a change. The mask is what threads really run on. */
	if (zok__bitset_is_empty(&allowance.cpus))
		allowance.cpus = *affinity;
	add_isolated(root, &granted, &allowance.cpus);
	if (rc != -ENOMEM)
		rc = read_quota(root, &allowance.quota_cpu_milli);
	if (rc == -ENOMEM)
		return rc;
	*out = allowance;
	return 0;
}
