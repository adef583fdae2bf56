/* zok_spsc: the queue of zokio/spsc.h with its capacity and element size chosen at run time. */
#include "zokio/spsc.h"

#include "core/queue_slots.h"

#include <errno.h>
#include <stdlib.h>

struct zok_spsc {
	struct zok_spsc_ends ends;
	size_t capacity ZOK__ALIGNED(ZOK_FALSE_SHARING); /* read by all, written by none */
	size_t element_size;
	unsigned char slots[] ZOK__ALIGNED(ZOK_FALSE_SHARING);
};

_Static_assert(offsetof(struct zok_spsc, slots) == sizeof(struct zok_spsc), "the slots begin on lines of their own");

size_t zok_spsc_memory_size(size_t capacity, size_t element_size)
{
	return zok__slots_memory_size(sizeof(struct zok_spsc), capacity, element_size);
}

int zok_spsc_init(struct zok_spsc **queue, void *memory, size_t memory_size, size_t capacity, size_t element_size)
{
	struct zok_spsc *made = memory;

	if (!zok__slots_fit(memory, memory_size, zok_spsc_memory_size(capacity, element_size)))
		return -EINVAL;
	memset(made, 0, sizeof *made);
	made->capacity = capacity;
	made->element_size = element_size;
	*queue = made;
	return 0;
}

int zok_spsc_create(struct zok_spsc **queue, size_t capacity, size_t element_size)
{
	size_t size = zok_spsc_memory_size(capacity, element_size);
	void *memory;

	if (size == 0)
		return -EINVAL;
	memory = aligned_alloc(ZOK_FALSE_SHARING, size);
	if (!memory)
		return -ENOMEM;
	return zok_spsc_init(queue, memory, size, capacity, element_size);
}

void zok_spsc_destroy(struct zok_spsc *queue)
{
	free(queue);
}

size_t zok_spsc_push(struct zok_spsc *queue, const void *items, size_t n)
{
	size_t count = zok__spsc_free(&queue->ends, queue->capacity, n);
	size_t tail = ZOK__LOAD(&queue->ends.tail, RELAXED);

	if (count > 0) {
		zok__slots_fill(queue->slots, queue->capacity, queue->element_size, tail, items, count);
		zok__spsc_publish(&queue->ends, count);
	}
	return count;
}

size_t zok_spsc_pop(struct zok_spsc *queue, void *items, size_t n)
{
	size_t count = zok__spsc_ready(&queue->ends, n);
	size_t head = ZOK__LOAD(&queue->ends.head, RELAXED);

	if (count > 0) {
		zok__slots_drain(queue->slots, queue->capacity, queue->element_size, head, items, count);
		zok__spsc_release(&queue->ends, count);
	}
	return count;
}

size_t zok_spsc_count(const struct zok_spsc *queue)
{
	return zok__spsc_count(&queue->ends, queue->capacity);
}
