/* The allocator in force, and how the runtime changes it. */
#ifndef CORE_ALLOC_H
#define CORE_ALLOC_H

#include "zokio/memory.h"

/* NULL: malloc's. Before anything was allocated from the old one, or after all of it was given back. */
void zok__allocator_set(const struct zok_allocator *allocator);

/* Nobody has put another in its place. */
bool zok__allocator_is_system(void);

static inline void *zok__allocate(const struct zok_allocator *allocator, size_t size, size_t alignment)
{
	return allocator->allocate(allocator->arg, size, alignment);
}

static inline void zok__release(const struct zok_allocator *allocator, void *memory, size_t size)
{
	allocator->release(allocator->arg, memory, size);
}

#endif
