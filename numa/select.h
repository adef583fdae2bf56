/*
 * Which cores the user wants: the `cores` option.
 *
 *	list := item { "," item }		blanks around an item are skipped
 *	item := [ "!" ] what			"!" leaves out what it names, wherever in the list it stands
 *	what := "all" | N | N "-" M | word ":" argument
 *	word := "node"				the cores of NUMA node N; this is where further words join ("package", "cache", "near")
 *
 * NULL and "" mean "all". A list of nothing but "!" items takes from all.
 *
 * The order of the result is that of the list: core 0 of the runtime is the first CPU named. A range counts upwards; `all` and `node:` give one
 * CPU of each physical core first, in the order of their numbers, and SMT siblings after those. A CPU named twice counts once.
 */
#ifndef ZOK_NUMA_SELECT_H
#define ZOK_NUMA_SELECT_H

#include "numa/cpuset.h"
#include "numa/topology.h"

struct zok__core_set {
	struct zok__place *place; /* owned: zok__core_set_release() */
	size_t count;
	struct zok__distances distances; /* of the machine's nodes; owned */
	const char *source;		 /* of the topology: "hwloc" or "affinity"; static */
	uint64_t quota_cpu_milli;	 /* see struct zok__allowance: fewer than 1000 a core means that the cores will be throttled */
};

/* An error line always fits, the offending item cut to this length. */
#define ZOK__CORES_ERROR_SIZE 320

/*
 * The cores that `list` names on this machine, each checked to be there and to be allowed to us. Allocates; not for a core.
 * -EINVAL: `error` has one line that names the part at fault, what there is and what would work ("cores: 7: no such core here; allowed are 0-1").
 * -ENOMEM, -ENODATA (no CPU is shown to us), or what sched_getaffinity() said: `error` says so. `*out` is untouched on failure, `error` on success.
 */
ZOK_NODISCARD int zok__cores_select(const char *list, struct zok__core_set *out, char *error, size_t error_size);

/* The same on a machine and an allowance that are given. */
ZOK_NODISCARD int zok__cores_select_from(const struct zok__topology *topology, const struct zok__allowance *allowance, const char *list,
					 struct zok__core_set *out, char *error, size_t error_size);

/* Frees what a set owns; it is then empty. */
void zok__core_set_release(struct zok__core_set *set);

#endif
