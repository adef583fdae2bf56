/* zok_deque: the deque of zokio/deque.h for pointers, with its capacity chosen at run time. */
#include "zokio/deque.h"

#include "core/queue_slots.h"

#include <errno.h>
#include <stdlib.h>

struct zok_deque {
	struct zok_deque_ends ends;
	size_t capacity ZOK__ALIGNED(ZOK_FALSE_SHARING); /* read by all, written by none */
	void *slots[] ZOK__ALIGNED(ZOK_FALSE_SHARING);
};

_Static_assert(offsetof(struct zok_deque, slots) == sizeof(struct zok_deque), "the slots begin on lines of their own");

size_t zok_deque_memory_size(size_t capacity)
{
	return zok__slots_memory_size(sizeof(struct zok_deque), capacity, sizeof(void *));
}

int zok_deque_init(struct zok_deque **deque, void *memory, size_t memory_size, size_t capacity)
{
	struct zok_deque *made = memory;

	if (!zok__slots_fit(memory, memory_size, zok_deque_memory_size(capacity)))
		return -EINVAL;
	memset(made, 0, sizeof *made);
	made->capacity = capacity;
	*deque = made;
	return 0;
}

int zok_deque_create(struct zok_deque **deque, size_t capacity)
{
	size_t size = zok_deque_memory_size(capacity);
	void *memory;

	if (size == 0)
		return -EINVAL;
	memory = aligned_alloc(ZOK_FALSE_SHARING, size);
	if (!memory)
		return -ENOMEM;
	return zok_deque_init(deque, memory, size, capacity);
}

void zok_deque_destroy(struct zok_deque *deque)
{
	free(deque);
}

static void **slot(struct zok_deque *deque, size_t index)
{
	return &deque->slots[index & (deque->capacity - 1)];
}

bool zok_deque_push(struct zok_deque *deque, void *item)
{
	if (!zok__deque_has_room(&deque->ends, deque->capacity))
		return false;
	/* Relaxed: the release of bottom publishes it. */
	ZOK__STORE(slot(deque, ZOK__LOAD(&deque->ends.bottom, RELAXED)), item, RELAXED);
	zok__deque_publish(&deque->ends);
	return true;
}

bool zok_deque_take(struct zok_deque *deque, void **item)
{
	size_t index = 0;

	if (!zok__deque_take(&deque->ends, &index))
		return false;
	*item = ZOK__LOAD(slot(deque, index), RELAXED);
	return true;
}

enum zok_steal zok_deque_steal(struct zok_deque *deque, void **item)
{
	size_t index = 0;
	void *copy;

	if (!zok__deque_oldest(&deque->ends, &index))
		return ZOK_STEAL_EMPTY;
	/* Relaxed: what it held is kept only if no one, so also not the owner, came between. */
	copy = ZOK__LOAD(slot(deque, index), RELAXED);
	if (!zok__deque_win(&deque->ends, index))
		return ZOK_STEAL_LOST;
	*item = copy;
	return ZOK_STOLEN;
}

size_t zok_deque_count(const struct zok_deque *deque)
{
	return zok__deque_count(&deque->ends, deque->capacity);
}
