#include "uring/slots.h"

#include <stdlib.h>

/* Chained so that low slots are given out first. */
static void chain_free(struct zok__slots *slots, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		slots->table[i] = (struct zok__slot){.generation = 1, .next_free = i + 1 < to ? i + 1 : slots->first_free};
	slots->first_free = from;
}

int zok__slots_init(struct zok__slots *slots, uint32_t count, uint32_t count_max)
{
	struct zok__slot *table = calloc(count, sizeof *table);

	assert(count > 0 && count <= count_max);
	if (!table)
		return -ENOMEM;
	*slots = (struct zok__slots){.table = table, .count = count, .count_max = count_max, .first_free = ZOK__SLOT_NONE};
	chain_free(slots, 0, count);
	return 0;
}

void zok__slots_finish(struct zok__slots *slots)
{
	assert(slots->used_count == 0);
	free(slots->table);
	*slots = (struct zok__slots){.first_free = ZOK__SLOT_NONE};
}

bool zok__slots_grow(struct zok__slots *slots)
{
	uint32_t count = slots->count > slots->count_max / 2 ? slots->count_max : slots->count * 2;
	struct zok__slot *table;

	if (count == slots->count)
		return false;
	table = realloc(slots->table, count * sizeof *table);
	if (!table)
		return false;
	slots->table = table;
	chain_free(slots, slots->count, count);
	slots->count = count;
	return true;
}
