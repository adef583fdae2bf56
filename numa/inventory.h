/*
 * What else the machine has, beside the table of CPUs: caches, memory and huge pages of each node. For tools that show it; a core is placed without.
 */
#ifndef ZOK_NUMA_INVENTORY_H
#define ZOK_NUMA_INVENTORY_H

#include "numa/topology.h"

struct zok__cache {
	int level;
	char type; /* 'D' data, 'I' instructions, 'U' both */
	uint64_t size_bytes;
	struct zok__bitset cpus; /* that share it, and are online */
};

/* Huge pages of one size on one node. */
struct zok__huge_pool {
	uint64_t page_bytes, total, free;
};

enum { ZOK__HUGE_SIZES_MAX = 8 };

struct zok__node_memory {
	int node;
	bool has_free; /* free_bytes is known */
	uint64_t total_bytes, free_bytes;
	struct zok__huge_pool pool[ZOK__HUGE_SIZES_MAX];
	size_t pool_count; /* by size, ascending */
};

struct zok__inventory {
	struct zok__cache *cache; /* owned; by level, then by their first CPU */
	size_t cache_count;
	struct zok__node_memory *node; /* owned; as many as topology->nodes, in their order */
	size_t node_count;
	char model[96];	 /* of the processors; "" when not known */
	char kernel[96]; /* of this machine; "" for another */
};

/*
 * Of the machine that `topology` is of: from the files below its root, or from hwloc's description of a machine that is not here. What is not to be read is empty. -ENOMEM.
 */
ZOK_NODISCARD int zok__inventory_read(struct zok__inventory *inventory, const struct zok__topology *topology);

/* For sources: room for one more, NULL when out of memory. */
struct zok__cache *zok__inventory_add_cache(struct zok__inventory *inventory);

/* For sources: the memory of a node of the topology, or NULL. */
struct zok__node_memory *zok__inventory_node(struct zok__inventory *inventory, int node);

/*
 * Fills caches and memory of a machine that is only described (HWLOC_XMLFILE, HWLOC_SYNTHETIC). Defined by inventory_hwloc.c or by
 * inventory_no_hwloc.c, whichever is compiled. -ENODATA: there is no such description; -ENOMEM.
 */
ZOK_NODISCARD int zok__inventory_load_described(struct zok__inventory *inventory);

void zok__inventory_finish(struct zok__inventory *inventory);

#endif
