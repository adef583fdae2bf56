/* Where this process stands in a cgroup hierarchy, version 1 or 2, and the way up from there. cgroups(7), Documentation/admin-guide/cgroup-v2.rst */
#ifndef ZOK_NUMA_CGROUP_H
#define ZOK_NUMA_CGROUP_H

#include <limits.h>

#include "zokio/base.h"

/* A directory of one hierarchy. */
struct zok__cgroup {
	int version;
	size_t top_length; /* of `path`: the part that is the mount point, above which there is nothing to read */
	char path[PATH_MAX];
};

/*
 * The cgroup that holds this process for a controller ("cpuset", "cpu"), by root/proc/self/cgroup and root/proc/self/mountinfo; `root` is ""
 * but in tests. `path` is without the root. A group that the mount does not show (a container without a cgroup namespace) gives
 * the mount's own directory. -ENOENT: no such hierarchy is mounted; -ENAMETOOLONG; -ENOMEM.
 */
ZOK_NODISCARD int zok__cgroup_find(const char *root, const char *controller, struct zok__cgroup *out);

/* Moves to the parent; false when this is the top already. */
bool zok__cgroup_ascend(struct zok__cgroup *group);

#endif
