#include "numa/distance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "numa/file.h"

enum { LOCAL = 10, REMOTE = 20 };

/* Which row and column a node has, or -1. */
static ssize_t rank_of(const struct zok__distances *distances, int node)
{
	ssize_t rank = 0;

	if (!zok__bitset_has(&distances->nodes, node))
		return -1;
	for (int at = -1; (at = zok__bitset_next(&distances->nodes, at)) < node;)
		rank++;
	return rank;
}

static uint16_t *cell(const struct zok__distances *distances, int from, int to)
{
	ssize_t row, column;

	if (distances->value == NULL)
		return NULL;
	row = rank_of(distances, from);
	column = rank_of(distances, to);
	if (row < 0 || column < 0)
		return NULL;
	return &distances->value[(size_t)row * distances->node_count + (size_t)column];
}

unsigned zok__distance(const struct zok__distances *distances, int from, int to)
{
	const uint16_t *known = cell(distances, from, to);

	if (known != NULL)
		return *known;
	return from == to ? LOCAL : REMOTE;
}

int zok__distances_init(struct zok__distances *distances, const struct zok__bitset *nodes)
{
	size_t count = 0;
	uint16_t *value;

	for (int node = -1; (node = zok__bitset_next(nodes, node)) >= 0;)
		count++;
	value = calloc(count * count + 1, sizeof *value);
	if (value == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count * count; i++)
		value[i] = i / count == i % count ? LOCAL : REMOTE;
	*distances = (struct zok__distances){.nodes = *nodes, .node_count = count, .value = value};
	return 0;
}

void zok__distances_set(struct zok__distances *distances, int from, int to, uint64_t value)
{
	uint16_t *known = cell(distances, from, to);

	if (known != NULL)
		*known = value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

int zok__distances_copy(struct zok__distances *to, const struct zok__distances *from)
{
	int rc;

	if (from->value == NULL) {
		*to = *from;
		return 0;
	}
	rc = zok__distances_init(to, &from->nodes);
	if (rc == 0)
		memcpy(to->value, from->value, to->node_count * to->node_count * sizeof *to->value);
	return rc;
}

/* "10 21\n": one number for each node that is online, in their order. */
static void read_row(struct zok__distances *distances, const char *root, int from)
{
	char text[8192];
	char *at = text, *end;

	if (zok__file_read(text, sizeof text, root, "/sys/devices/system/node/node%d/distance", from) < 0)
		return;
	for (int to = -1; (to = zok__bitset_next(&distances->nodes, to)) >= 0; at = end) {
		unsigned long value = strtoul(at, &end, 10);

		if (end == at)
			return;
		zok__distances_set(distances, from, to, value);
	}
}

int zok__distances_read(struct zok__distances *distances, const char *root, const struct zok__bitset *nodes)
{
	int rc = zok__distances_init(distances, nodes);

	for (int from = -1; rc == 0 && (from = zok__bitset_next(nodes, from)) >= 0;)
		read_row(distances, root, from);
	return rc;
}

void zok__distances_finish(struct zok__distances *distances)
{
	free(distances->value);
	*distances = (struct zok__distances){.node_count = 0};
}
