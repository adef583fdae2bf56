/* Arenas: a pointer that moves through chunks. */
#include "core/alloc.h"

#include <stdint.h>

enum { CHUNK_SIZE_DEFAULT = 16384, ALIGNMENT_DEFAULT = 16 };

/* At the start of each chunk. The list runs from the newest to the oldest; the newest is the one being filled. */
struct chunk {
	struct chunk *older;
	size_t size; /* with this header */
};

void zok_arena_init(struct zok_arena *arena, size_t chunk_size, const struct zok_allocator *allocator)
{
	*arena = (struct zok_arena){
		.chunk_size = chunk_size ? chunk_size : CHUNK_SIZE_DEFAULT,
		.allocator = allocator ? allocator : zok_allocator(),
	};
}

static void enter(struct zok_arena *arena, struct chunk *chunk)
{
	arena->chunks = chunk;
	arena->next = chunk ? (uint8_t *)(chunk + 1) : NULL;
	arena->end = chunk ? (uint8_t *)chunk + chunk->size : NULL;
}

static void drop_newest(struct zok_arena *arena)
{
	struct chunk *chunk = arena->chunks;
	struct chunk *older = chunk->older;

	zok__release(arena->allocator, chunk, chunk->size);
	enter(arena, older);
}

void zok_arena_finish(struct zok_arena *arena)
{
	while (arena->chunks)
		drop_newest(arena);
	arena->used_size = 0;
}

static int add_chunk(struct zok_arena *arena, size_t least, const void *site)
{
	size_t size = arena->chunk_size;
	struct chunk *chunk;

	if (least > SIZE_MAX - sizeof *chunk)
		return -1;
	if (size < least + sizeof *chunk)
		size = least + sizeof *chunk;
	chunk = zok__allocate_for(arena->allocator, size, ALIGNMENT_DEFAULT, site);
	if (!chunk)
		return -1;
	chunk->older = arena->chunks;
	chunk->size = size;
	enter(arena, chunk);
	return 0;
}

/* The place in the newest chunk, or NULL where it does not fit. */
static void *carve(struct zok_arena *arena, size_t size, size_t alignment)
{
	uintptr_t place = ((uintptr_t)arena->next + alignment - 1) & ~(uintptr_t)(alignment - 1);

	if (!arena->next || place > (uintptr_t)arena->end || size > (uintptr_t)arena->end - place)
		return NULL;
	arena->next = (uint8_t *)place + size;
	arena->used_size += size;
	if (arena->used_size > arena->used_size_max)
		arena->used_size_max = arena->used_size;
	return (void *)place;
}

void *zok_arena_allocate(struct zok_arena *arena, size_t size, size_t alignment)
{
	void *memory;

	if (alignment == 0)
		alignment = ALIGNMENT_DEFAULT;
	if ((alignment & (alignment - 1)) != 0)
		return NULL;
	memory = carve(arena, size, alignment);
	if (memory || size > SIZE_MAX - alignment || add_chunk(arena, size + alignment, __builtin_return_address(0)) < 0)
		return memory;
	return carve(arena, size, alignment);
}

struct zok_arena_mark zok_arena_mark(const struct zok_arena *arena)
{
	return (struct zok_arena_mark){.chunk = arena->chunks, .next = arena->next, .used_size = arena->used_size};
}

void zok_arena_rewind(struct zok_arena *arena, struct zok_arena_mark mark)
{
	if (!mark.chunk) {
		zok_arena_reset(arena);
		return;
	}
	while (arena->chunks != mark.chunk)
		drop_newest(arena);
	arena->next = mark.next;
	arena->used_size = mark.used_size;
}

void zok_arena_reset(struct zok_arena *arena)
{
	struct chunk *chunk = arena->chunks;

	while (chunk && chunk->older) {
		drop_newest(arena);
		chunk = arena->chunks;
	}
	enter(arena, chunk);
	arena->used_size = 0;
}
