/*
 * Memory of one core: pools of equal objects and arenas, on top of an allocator that the program can supply. Both have one owner and take no
 * lock. Neither calls the allocator on a warm path.
 */
#ifndef ZOKIO_MEMORY_H
#define ZOKIO_MEMORY_H

#include "zokio/base.h"

ZOK_BEGIN_DECLS

/* Where slabs and chunks come from. Both functions may be called by several threads at once. */
struct zok_allocator {
	void *(*allocate)(void *arg, size_t size, size_t alignment); /* alignment: a power of two. NULL: none left */
	void (*release)(void *arg, void *memory, size_t size);
	void *arg;
};

/* The allocator in force: the program's (zok_options.allocator), else malloc's. Never NULL. Any thread. */
ZOK_API const struct zok_allocator *zok_allocator(void);

/*
 * The calling core's own memory: of its node, on the largest pages to be had (zok_options.memory, .huge_pages); the program's allocator where it
 * has supplied one. What comes from it goes back on the same core, and before the runtime ends. NULL: the caller is no core.
 */
ZOK_API const struct zok_allocator *zok_core_allocator(void);

/* ---- How much, where, and on what pages ---- */

struct zok_memory_stats {
	int64_t node_asked; /* the core's node … */
	int64_t node_got;   /* … and the one that its memory's policy names; -1: none (interleaved, or placement is refused here) */
	uint64_t page_size; /* bytes, of the core's first region … */
	uint64_t pages_are_reserved; /* … 1: each of them is such a page; 0: the kernel was asked for it and does what it can */
	uint64_t mapped_bytes;	     /* regions; touched or not */
	uint64_t used_bytes;	     /* of these, handed out … */
	uint64_t used_bytes_max;     /* … and the most that ever was */
	uint64_t general_bytes;	     /* handed out by malloc, because no region could be had */
	uint64_t stack_bytes;	     /* mapped for stacks, touched or not */
	uint64_t allocations;
	uint64_t reuses;	 /* allocations that a free block served: reuses / allocations is the hit rate */
	uint64_t remote_returns; /* objects of this core's shared pools that other cores gave back */
};

/* ---- Pools ---- */

struct zok_pool_options {
	const char *name;		       /* for reports; a string that outlives the pool */
	size_t object_size;		       /* bytes; required */
	size_t alignment;		       /* a power of two; 0: 16 */
	size_t slab_count;		       /* objects fetched at a time; 0: as many as fit 64 KiB, at least 1 */
	size_t count_max;		       /* 0: no limit but memory */
	const struct zok_allocator *allocator; /* NULL: zok_allocator() */
};

/* Fields are private. */
struct zok_pool {
	void *free_list; /* last in, first out: the warmest object first */
	size_t object_size, alignment, slab_count, count_max;
	size_t total_count; /* objects in slabs */
	size_t used_count, used_count_max;
	void *slabs;
	const struct zok_allocator *allocator;
	const char *name;
};

/* Allocates nothing yet. -EINVAL: no size, an alignment that is no power of two. */
ZOK_API int zok_pool_init(struct zok_pool *pool, const struct zok_pool_options *options);

/* Gives all slabs back. Objects still in use are a fault of the caller: they are named in the log and their slabs are freed all the same. */
ZOK_API void zok_pool_finish(struct zok_pool *pool);

/* Fetches a slab. For the inline fast path below. */
ZOK_API void *zok_pool_get_slow(struct zok_pool *pool);

/* An object with undefined content, or NULL: no memory, or count_max reached. */
static inline void *zok_pool_get(struct zok_pool *pool)
{
	void *object = pool->free_list;

	if (ZOK_UNLIKELY(!object))
		return zok_pool_get_slow(pool);
	pool->free_list = *(void **)object;
	if (++pool->used_count > pool->used_count_max)
		pool->used_count_max = pool->used_count;
	return object;
}

/* Takes back an object of this pool. NULL is not one. */
static inline void zok_pool_put(struct zok_pool *pool, void *object)
{
	*(void **)object = pool->free_list;
	pool->free_list = object;
	pool->used_count--;
}

/* Makes sure that `count` more objects can be had without the allocator. -ENOMEM. */
ZOK_API int zok_pool_reserve(struct zok_pool *pool, size_t count);

/* ---- Arenas: many allocations, one release ---- */

/* Fields are private. */
struct zok_arena {
	uint8_t *next, *end;
	void *chunks;
	size_t chunk_size;
	size_t used_size, used_size_max; /* bytes handed out */
	const struct zok_allocator *allocator;
};

struct zok_arena_mark {
	void *chunk;
	uint8_t *next;
	size_t used_size;
};

/* chunk_size 0: 16 KiB. Allocates nothing yet. allocator NULL: zok_allocator(). */
ZOK_API void zok_arena_init(struct zok_arena *arena, size_t chunk_size, const struct zok_allocator *allocator);
ZOK_API void zok_arena_finish(struct zok_arena *arena);

/* `size` bytes, aligned (0: 16), valid until reset, rewind past it, or finish. NULL: no memory, or an alignment that is no power of two. */
ZOK_API void *zok_arena_allocate(struct zok_arena *arena, size_t size, size_t alignment);

/* A place to rewind to: everything allocated since goes at once. Chunks newer than the mark are given back. */
ZOK_API struct zok_arena_mark zok_arena_mark(const struct zok_arena *arena);
ZOK_API void zok_arena_rewind(struct zok_arena *arena, struct zok_arena_mark mark);

/* Everything goes; the oldest chunk is kept. */
ZOK_API void zok_arena_reset(struct zok_arena *arena);

ZOK_END_DECLS

#endif
