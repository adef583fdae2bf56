/*
 * What /sys tells of the NUMA nodes' memory. Everything is read at the call: free memory and huge pages change while one looks. `root` is "" but in
 * tests, which put a tree of their own there. Nothing here needs libnuma or hwloc: a container that hides /sys gets an errno for an answer.
 */
#ifndef ZOK_NUMA_NODE_H
#define ZOK_NUMA_NODE_H

#include "numa/bitset.h"

/* The nodes that are online. Returns 0, or what reading said (-ENOENT: a kernel without NUMA, or /sys is hidden). */
ZOK_NODISCARD int zok__nodes_online(const char *root, struct zok__bitset *out);

/*
 * The nodes that memory can come from: they have some (not all have: a CPU can stand on a node without), and the cpuset lets this process
 * take it (Mems_allowed_list of /proc/self/status; not shown: no limit). Errors as above.
 */
ZOK_NODISCARD int zok__nodes_usable(const char *root, struct zok__bitset *out);

/*
 * The member of `among` that is nearest to `node` by the firmware's distances (SLIT), the lowest number of equals; `*distance` may be NULL.
 * Where the kernel shows no distances: the lowest member, distance 0. -ENOENT: `among` is empty.
 */
ZOK_NODISCARD int zok__node_nearest(const char *root, int node, const struct zok__bitset *among, int *distance);

/* Bytes that can be had on a node without pushing anybody out: free, and the page cache of files, less a 64th that
 * the kernel keeps. Negative: could not be read. */
ZOK_NODISCARD int64_t zok__node_free_bytes(const char *root, int node);

/* Free huge pages of `page_size` bytes on a node. -ENOENT: the kernel has no pages of that size, or shows none. */
ZOK_NODISCARD int64_t zok__node_huge_free(const char *root, int node, size_t page_size);

/* Whether transparent huge pages can be had by madvise(2): "always" or "madvise". False also where the kernel has none. */
bool zok__transparent_is_on(const char *root);

#endif
