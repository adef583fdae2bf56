/* The topology without hwloc, under a root that tests replace. */
#ifndef ZOK_NUMA_TOPOLOGY_AFFINITY_H
#define ZOK_NUMA_TOPOLOGY_AFFINITY_H

#include "numa/topology.h"

/*
 * Fills a zeroed topology from root/sys/devices/system. Where it has no list of CPUs, those of `affinity` are the machine; where it says nothing
 * of a CPU, that is a physical core of its own in package 0 on node 0. -ENODATA: not one CPU; -ENOMEM.
 */
ZOK_NODISCARD int zok__topology_load_affinity(struct zok__topology *topology, const char *root, const struct zok__bitset *affinity);

#endif
