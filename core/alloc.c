#include "core/alloc.h"

#include <stdlib.h>

static void *system_allocate(void *arg, size_t size, size_t alignment)
{
	void *memory = NULL;

	if (alignment < sizeof(void *))
		alignment = sizeof(void *);
	return posix_memalign(&memory, alignment, size) == 0 ? memory : NULL;
}

static void system_release(void *arg, void *memory, size_t size)
{
	free(memory);
}

static const struct zok_allocator system_allocator = {.allocate = system_allocate, .release = system_release};

static const struct zok_allocator *in_force = &system_allocator;

const struct zok_allocator *zok_allocator(void)
{
	return in_force;
}

void zok__allocator_set(const struct zok_allocator *allocator)
{
	in_force = allocator ? allocator : &system_allocator;
}

bool zok__allocator_is_system(void)
{
	return in_force == &system_allocator;
}
