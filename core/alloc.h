/* The allocator in force, and how the runtime changes it. */
#ifndef CORE_ALLOC_H
#define CORE_ALLOC_H

#include "core/leak.h"
#include "zokio/memory.h"

/* NULL: malloc's. Before anything was allocated from the old one, or after all of it was given back. */
void zok__allocator_set(const struct zok_allocator *allocator);

/* Nobody has put another in its place. */
bool zok__allocator_is_system(void);

/* `site`: who wants it, for the report of leaks. */
static inline void *zok__allocate_for(const struct zok_allocator *allocator, size_t size, size_t alignment, const void *site)
{
	void *memory = allocator->allocate(allocator->arg, size, alignment);

	zok__leak_note(memory, size, site);
	return memory;
}

/* The same for whoever called the function that this is written in: so that function is a public one, or one that nothing inlines. */
static inline __attribute__((always_inline)) void *zok__allocate(const struct zok_allocator *allocator, size_t size, size_t alignment)
{
	return zok__allocate_for(allocator, size, alignment, __builtin_return_address(0));
}

static inline void zok__release(const struct zok_allocator *allocator, void *memory, size_t size)
{
	zok__leak_forget(memory); /* first: once it is released another thread may get the same */
	allocator->release(allocator->arg, memory, size);
}

#endif
