/*
 * What the machine is, as far as cores are placed on it. Read this first; then `cpuset.h` (which part of it this process may use),
 * `select.h` (which of that the user wants), `bind.h` and `memory.h` (put a thread and its memory there).
 *
 * A topology is a snapshot: a table of processing units, taken from hwloc or, where hwloc is not built in or is refused (a container without
 * /sys), from the affinity mask and whatever /sys shows. Nothing here keeps state; all of it may be called from any thread that is
 * no core (it reads files and allocates), and nothing suspends.
 *
 * Words: a *CPU* is what Linux numbers and affinity masks mean, one processing unit (hwloc's PU); a *physical core* has one or more CPUs
 * (SMT siblings); a *node* is a NUMA node by Linux's number.
 */
#ifndef ZOK_NUMA_TOPOLOGY_H
#define ZOK_NUMA_TOPOLOGY_H

#include "numa/device.h"
#include "numa/distance.h"

/* Where a core can run. */
struct zok__place {
	int cpu;
	int node;
	int package;
	int physical; /* names its physical core: the lowest CPU of it, so that every source gives the same number */
	int cache;    /* names its last-level cache in the same way; `physical` where no cache is known that more than that core shares */
	int smt;      /* which of its physical core's CPUs it is, from 0 for the lowest */
	int kind;     /* of hybrid machines: 0 for the cores that use least energy, higher for faster ones; else 0 */
};

struct zok__topology {
	const char *source;	  /* "hwloc" or "affinity": what was really read, for reports */
	const char *root;	  /* where its /proc and /sys are, "" for this machine; NULL when it is only described */
	struct zok__place *place; /* every CPU that is online, in the order of their numbers */
	size_t place_count;
	struct zok__bitset present; /* CPUs that exist; those without a place are offline */
	struct zok__bitset nodes;   /* nodes that exist, also such as have no CPU */
	struct zok__distances distances;
	int kind_count; /* how many kinds of cores there are: at least 1 */
	struct zok__devices devices;
	struct zok__bitset isolated;  /* kept free of other work by the kernel's isolcpus= */
	struct zok__bitset nohz_full; /* without a timer tick while one thread runs */
};

/*
 * A way to learn the topology. `load` fills a zeroed topology, or returns a negative errno and may leave a half-filled one (its table
 * is freed by the caller).
 */
struct zok__topology_source {
	const char *name;
	int (*load)(struct zok__topology *topology);
};

/* Reads the affinity mask and /sys; needs neither to be complete. Never refused. */
extern const struct zok__topology_source zok__topology_affinity;

/* What this build has, best first, NULL at the end: defined by topology_hwloc.c or by topology_no_hwloc.c, whichever is compiled. */
extern const struct zok__topology_source *const zok__topology_sources[];

/* A topology from the first of `sources` that can give one. -ENOMEM, or what the last of them said. */
ZOK_NODISCARD int zok__topology_create_from(const struct zok__topology_source *const *sources, struct zok__topology **out);

/* The same from this build's sources. */
ZOK_NODISCARD int zok__topology_create(struct zok__topology **out);

void zok__topology_destroy(struct zok__topology *topology);

/* Numbers the SMT siblings of each physical core; for sources, once the table is filled and sorted. */
void zok__topology_number_siblings(struct zok__topology *topology);

/* Reads what is the same for every source of the machine that root/sys shows: devices, isolated CPUs. `root` outlives the topology. -ENOMEM. */
ZOK_NODISCARD int zok__topology_read_system(struct zok__topology *topology, const char *root);

/* The place of a CPU, or NULL if there is none or it is offline. Belongs to the topology. */
const struct zok__place *zok__topology_find(const struct zok__topology *topology, int cpu);

#endif
