/* What the queues whose capacity and element size are chosen at run time share: their checks, their memory, and copies around the ring's end. */
#ifndef CORE_QUEUE_SLOTS_H
#define CORE_QUEUE_SLOTS_H

#include "zokio/base.h"

#include <string.h>

/* The power-of-two rule of ZOK__ASSERT_CAPACITY, and room for the arithmetic on indices and bytes. */
static inline bool zok__slots_are_valid(size_t capacity, size_t element_size)
{
	return capacity >= 2 && (capacity & (capacity - 1)) == 0 && element_size > 0 && element_size <= (SIZE_MAX / 4) / capacity;
}

/* Bytes for a header (a multiple of ZOK_FALSE_SHARING) and its slots; the same multiple, as aligned_alloc() asks. 0: not valid. */
static inline size_t zok__slots_memory_size(size_t header_size, size_t capacity, size_t element_size)
{
	size_t size;

	if (!zok__slots_are_valid(capacity, element_size))
		return 0;
	size = header_size + capacity * element_size;
	return (size + ZOK_FALSE_SHARING - 1) & ~(size_t)(ZOK_FALSE_SHARING - 1);
}

/* Whether caller's memory can hold it. */
static inline bool zok__slots_fit(const void *memory, size_t memory_size, size_t needed)
{
	return needed > 0 && memory && memory_size >= needed && (uintptr_t)memory % ZOK_FALSE_SHARING == 0;
}

/* Neighbours from `index` on that lie before the ring's end, of `count`. */
static inline size_t zok__slots_before_end(size_t capacity, size_t index, size_t count)
{
	size_t rest = capacity - (index & (capacity - 1));

	return count < rest ? count : rest;
}

static inline void zok__slots_fill(unsigned char *slots, size_t capacity, size_t element_size, size_t index, const void *items,
				   size_t count)
{
	size_t before = zok__slots_before_end(capacity, index, count);

	memcpy(slots + (index & (capacity - 1)) * element_size, items, before * element_size);
	memcpy(slots, (const unsigned char *)items + before * element_size, (count - before) * element_size);
}

static inline void zok__slots_drain(const unsigned char *slots, size_t capacity, size_t element_size, size_t index, void *items,
				    size_t count)
{
	size_t before = zok__slots_before_end(capacity, index, count);

	memcpy(items, slots + (index & (capacity - 1)) * element_size, before * element_size);
	memcpy((unsigned char *)items + before * element_size, slots, (count - before) * element_size);
}

#endif
