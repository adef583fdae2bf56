/* How far NUMA nodes are from each other, as the firmware tells (ACPI's SLIT): 10 is local, 20 takes twice as long. */
#ifndef ZOK_NUMA_DISTANCE_H
#define ZOK_NUMA_DISTANCE_H

#include "numa/bitset.h"

/* All zero: nothing is known. */
struct zok__distances {
	struct zok__bitset nodes; /* that have a row and a column, in the order of their numbers */
	size_t node_count;
	uint16_t *value; /* owned, node_count rows of node_count: from the row's node to the column's; NULL when nothing is known */
};

/* From one node to another; what is not known is 10 for the same node and 20 for another, the kernel's own defaults. */
unsigned zok__distance(const struct zok__distances *distances, int from, int to);

/* Makes room for `nodes`, with the defaults everywhere. -ENOMEM. */
ZOK_NODISCARD int zok__distances_init(struct zok__distances *distances, const struct zok__bitset *nodes);

/* Does nothing for a node that has no row. */
void zok__distances_set(struct zok__distances *distances, int from, int to, uint64_t value);

/* A copy that the caller owns. -ENOMEM. */
ZOK_NODISCARD int zok__distances_copy(struct zok__distances *to, const struct zok__distances *from);

/* Reads root/sys/devices/system/node/nodeN/distance. A file that is missing or holds something else leaves the defaults. -ENOMEM. */
ZOK_NODISCARD int zok__distances_read(struct zok__distances *distances, const char *root, const struct zok__bitset *nodes);

/* Frees what it owns; it then knows nothing. */
void zok__distances_finish(struct zok__distances *distances);

#endif
