/*
 * The table between the kernel's completions and our ops.
 *
 * An op in flight has a slot; the kernel is given a tag, generation << 32 | slot, as user_data. A slot's generation grows each time it is
 * freed, so a tag that outlived its op (a cancel that came too late) matches nothing. Generations start at 1: tags below 2^32 are the
 * engine's own. Slots are named by index, so the table may move when it grows.
 */
#ifndef URING_SLOTS_H
#define URING_SLOTS_H

#include "zokio/op.h"

#include <assert.h>

struct zok__slot {
	struct zok_op *op; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* a free slot's: index of the next, or ZOK__SLOT_NONE */
};

struct zok__slots {
	struct zok__slot *table;
	uint32_t count, count_max;
	uint32_t first_free;
	uint32_t used_count;
};

enum { ZOK__SLOT_NONE = UINT32_MAX };

/* -ENOMEM. The table doubles up to count_max as it is needed. */
int zok__slots_init(struct zok__slots *slots, uint32_t count, uint32_t count_max);

/* Every slot must be free. */
void zok__slots_finish(struct zok__slots *slots);

/* Doubles the table. False: no memory, or count_max is reached; the table is as it was. */
bool zok__slots_grow(struct zok__slots *slots);

/* Gives the op a slot, named by op->handle = slot + 1. False: there is none to be had now. */
static inline bool zok__slots_take(struct zok__slots *slots, struct zok_op *op)
{
	struct zok__slot *slot;

	if (ZOK_UNLIKELY(slots->first_free == ZOK__SLOT_NONE) && !zok__slots_grow(slots))
		return false;
	slot = &slots->table[slots->first_free];
	op->handle = slots->first_free + 1;
	slots->first_free = slot->next_free;
	slots->used_count++;
	slot->op = op;
	return true;
}

static inline uint64_t zok__slots_tag(const struct zok__slots *slots, const struct zok_op *op)
{
	uint32_t index = op->handle - 1;

	assert(index < slots->count && slots->table[index].op == op);
	return (uint64_t)slots->table[index].generation << 32 | index;
}

/* NULL: the op of this tag has ended, or the tag is the engine's own. */
static inline struct zok_op *zok__slots_find(const struct zok__slots *slots, uint64_t tag)
{
	uint32_t index = (uint32_t)tag;
	const struct zok__slot *slot;

	if (ZOK_UNLIKELY(index >= slots->count))
		return NULL;
	slot = &slots->table[index];
	return ZOK_LIKELY(slot->generation == tag >> 32) ? slot->op : NULL;
}

/* Ends the tag of the op; op->handle is 0 after it. The slot used last is given out first: it is still in the cache. */
static inline void zok__slots_free(struct zok__slots *slots, struct zok_op *op)
{
	uint32_t index = op->handle - 1;
	struct zok__slot *slot = &slots->table[index];

	assert(index < slots->count && slot->op == op);
	slot->op = NULL;
	slot->generation += slot->generation == UINT32_MAX ? 2 : 1; /* 0 is the engine's own */
	slot->next_free = slots->first_free;
	slots->first_free = index;
	slots->used_count--;
	op->handle = 0;
}

#endif
