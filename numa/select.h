/*
 * Which cores the user wants: the `cores` option.
 *
 *	list  := item { "," item }		blanks around an item are skipped
 *	item  := [ "!" ] what [ "/core" ]	"!" leaves out what it names, wherever in the list it stands
 *	what  := N | N "-" M			by Linux's numbers
 *	       | group [ ":" COUNT ]		the first COUNT of the group that are to be had; after "!" the lowest
 *	group := "all"
 *	       | "isolated"			those that isolcpus= keeps free of other work
 *	       | "node:" N
 *	       | "package:" N
 *	       | "cache:" CPU			those that share the last-level cache with that CPU
 *	       | "core:" CPU			the SMT siblings of one physical core
 *	       | "kind:" ( "performance" | "efficient" | N )	of hybrid machines
 *	       | "near:" DEVICE			a NIC ("eth0"), a disk ("nvme0n1", "/dev/…", a partition) or a PCI address
 *
 * "/core" takes one CPU of each physical core, and none of a core of which the list has one already. NULL and "" mean "all". A list of nothing but "!"
 * items takes from all.
 *
 * The order of the result is that of the list: core 0 of the runtime is the first CPU named. A range counts upwards. A group gives isolated CPUs
 * first, then the others; of each, CPUs of physical cores that are free before SMT siblings of what is chosen, faster kinds before slower, and lower
 * numbers before higher. A CPU named twice counts once.
 */
#ifndef ZOK_NUMA_SELECT_H
#define ZOK_NUMA_SELECT_H

#include "numa/cpuset.h"
#include "numa/topology.h"

struct zok__core_set {
	struct zok__place *place; /* owned: zok__core_set_release() */
	size_t count;
	struct zok__distances distances; /* of the machine's nodes; owned */
	struct zok__bitset isolated;	 /* the machine's, chosen or not */
	const char *source;		 /* of the topology: "hwloc" or "affinity"; static */
	uint64_t quota_cpu_milli;	 /* see struct zok__allowance: fewer than 1000 a core means that the cores will be throttled */
};

/* An error line always fits, the offending item cut to this length. */
#define ZOK__CORES_ERROR_SIZE 384

/* What became of a CPU that an item names. */
enum zok__cores_verdict {
	ZOK__CORES_CHOSEN,
	ZOK__CORES_TAKEN,   /* an item before it had chosen it */
	ZOK__CORES_REMOVED, /* a "!" item names it */
	ZOK__CORES_OUTSIDE, /* not in this process's cpuset or affinity */
	ZOK__CORES_SIBLING, /* "/core": another CPU of its physical core was chosen */
	ZOK__CORES_BEYOND,  /* the item had its COUNT already */
	ZOK__CORES_VERDICT_COUNT,
};

/* Told of each CPU of each item, items in their order ("!" items first), the chosen CPUs of an item before its others. */
struct zok__cores_watch {
	/* `meaning` is the item in words; `length` bytes of `item` count. */
	void (*item)(void *arg, const char *item, size_t length, bool is_minus, const char *meaning);
	void (*cpu)(void *arg, const struct zok__place *place, enum zok__cores_verdict verdict);
	void *arg;
};

/*
 * The cores that `list` names on this machine, each checked to be there and to be allowed to us. Allocates; not for a core.
 * -EINVAL: `error` has one line that names the part at fault, what there is and what would work ("cores: 7: no such core here; allowed are 0-1").
 * -ENOMEM, -ENODATA (no CPU is shown to us), or what sched_getaffinity() said: `error` says so. `*out` is untouched on failure, `error` on success.
 */
ZOK_NODISCARD int zok__cores_select(const char *list, struct zok__core_set *out, char *error, size_t error_size);

/* The same on a machine and an allowance that are given. */
ZOK_NODISCARD int zok__cores_select_from(const struct zok__topology *topology, const struct zok__allowance *allowance, const char *list,
					 struct zok__core_set *out, char *error, size_t error_size);

/* The same, telling `watch` what is taken and dropped, and why. */
ZOK_NODISCARD int zok__cores_explain(const struct zok__topology *topology, const struct zok__allowance *allowance, const char *list,
				     struct zok__core_set *out, char *error, size_t error_size, const struct zok__cores_watch *watch);

/* What the kernel lets this process have, now. -ENOMEM, or what sched_getaffinity() said. */
ZOK_NODISCARD int zok__allowance_read_own(struct zok__allowance *out);

/* Frees what a set owns; it is then empty. */
void zok__core_set_release(struct zok__core_set *set);

#endif
