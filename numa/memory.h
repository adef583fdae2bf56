/* Memory that prefers a node. Whole pages: for what a core keeps (stacks, pools, rings), not for single objects. */
#ifndef ZOK_NUMA_MEMORY_H
#define ZOK_NUMA_MEMORY_H

#include "zokio/base.h"

/*
 * Maps `size` bytes (rounded up to pages), zeroed, and asks the kernel to take their pages from `node` (-1: no wish) and from another only when
 * that one is short; so it does not matter who touches them first. Never refused for the node's sake: `*placed`, if not NULL, is 0
 * or what mbind(2) said (-EPERM in a container, -ENOSYS without NUMA, -EINVAL: no such node). -EINVAL: size 0; -ENOMEM.
 */
ZOK_NODISCARD int zok__node_map(size_t size, int node, void **out, int *placed);

/* Gives it back; NULL is fine. `size` as it was asked for. */
void zok__node_unmap(void *memory, size_t size);

#endif
