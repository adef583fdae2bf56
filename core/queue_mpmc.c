/* zok_mpmc: the queue of zokio/mpmc.h with its capacity and element size chosen at run time. */
#include "zokio/mpmc.h"

#include "core/queue_slots.h"

#include <errno.h>
#include <stdlib.h>

struct zok_mpmc {
	struct zok_mpmc_ends ends;
	size_t capacity ZOK__ALIGNED(ZOK_FALSE_SHARING); /* read by all, written by none */
	size_t element_size;
	unsigned char slots[] ZOK__ALIGNED(ZOK_FALSE_SHARING);
};

_Static_assert(offsetof(struct zok_mpmc, slots) == sizeof(struct zok_mpmc), "the slots begin on lines of their own");

size_t zok_mpmc_memory_size(size_t capacity, size_t element_size)
{
	return zok__slots_memory_size(sizeof(struct zok_mpmc), capacity, element_size);
}

int zok_mpmc_init(struct zok_mpmc **queue, void *memory, size_t memory_size, size_t capacity, size_t element_size)
{
	struct zok_mpmc *made = memory;

	if (!zok__slots_fit(memory, memory_size, zok_mpmc_memory_size(capacity, element_size)))
		return -EINVAL;
	memset(made, 0, sizeof *made);
	made->capacity = capacity;
	made->element_size = element_size;
	*queue = made;
	return 0;
}

int zok_mpmc_create(struct zok_mpmc **queue, size_t capacity, size_t element_size)
{
	size_t size = zok_mpmc_memory_size(capacity, element_size);
	void *memory;

	if (size == 0)
		return -EINVAL;
	memory = aligned_alloc(ZOK_FALSE_SHARING, size);
	if (!memory)
		return -ENOMEM;
	return zok_mpmc_init(queue, memory, size, capacity, element_size);
}

void zok_mpmc_destroy(struct zok_mpmc *queue)
{
	free(queue);
}

size_t zok_mpmc_push(struct zok_mpmc *queue, const void *items, size_t n)
{
	size_t first = 0;
	size_t count = zok__mpmc_claim(&queue->ends.producers, &queue->ends.consumers, queue->capacity, n, &first);

	if (count > 0) {
		zok__slots_fill(queue->slots, queue->capacity, queue->element_size, first, items, count);
		zok__mpmc_finish(&queue->ends.producers, first, count);
	}
	return count;
}

size_t zok_mpmc_pop(struct zok_mpmc *queue, void *items, size_t n)
{
	size_t first = 0;
	size_t count = zok__mpmc_claim(&queue->ends.consumers, &queue->ends.producers, 0, n, &first);

	if (count > 0) {
		zok__slots_drain(queue->slots, queue->capacity, queue->element_size, first, items, count);
		zok__mpmc_finish(&queue->ends.consumers, first, count);
	}
	return count;
}

size_t zok_mpmc_count(const struct zok_mpmc *queue)
{
	return zok__mpmc_count(&queue->ends, queue->capacity);
}
