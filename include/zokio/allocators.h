/*
 * Ways to allocate behind one small interface, struct zok_allocator: what takes an allocator (pools, arenas, channels, a program's own code) takes each
 * of these.
 *
 *	pool       objects of one size at most; the cheapest, and a hard limit where one is wanted
 *	arena      releases nothing singly; everything goes at once
 *	general    the C library's malloc, counted
 *	adaptive   small sizes from pools of their class, large ones from an allocator behind: for code whose sizes nobody knows beforehand
 *
 * pool, arena and adaptive belong to one thread at a time and take no lock; general serves all threads. Each keeps what is used now, the most that ever
 * was, and how often the warm path served (the hit rate is reuses / allocations).
 *
 * Each is initialized in the caller's memory and must not be moved while in use: its face points into it. finish() gives everything back.
 */
#ifndef ZOKIO_ALLOCATORS_H
#define ZOKIO_ALLOCATORS_H

#include "zokio/memory.h"

ZOK_BEGIN_DECLS

struct zok_allocator_usage {
	uint64_t used_bytes;	 /* as asked for … */
	uint64_t used_bytes_max; /* … and the most that it ever was */
	uint64_t allocations;
	uint64_t reuses;  /* of these, served by memory that was there already */
	uint64_t refused; /* NULL was the answer */
};

/* Fields are private, except `face` and `usage`. */
struct zok_pool_allocator {
	struct zok_allocator face;
	struct zok_allocator_usage usage;
	struct zok_pool pool;
};

/* Serves any size up to options->object_size at any alignment up to the pool's; NULL for others. Errors as zok_pool_init(). */
ZOK_API int zok_pool_allocator_init(struct zok_pool_allocator *allocator, const struct zok_pool_options *options);
ZOK_API void zok_pool_allocator_finish(struct zok_pool_allocator *allocator);

/* Fields are private, except `face` and `usage`. */
struct zok_arena_allocator {
	struct zok_allocator face;
	struct zok_allocator_usage usage;
	struct zok_arena arena;
};

/* chunk_size and behind as in zok_arena_init(). A release only counts; reset gives all memory back at once, what is still in use too. */
ZOK_API void zok_arena_allocator_init(struct zok_arena_allocator *allocator, size_t chunk_size, const struct zok_allocator *behind);
ZOK_API void zok_arena_allocator_reset(struct zok_arena_allocator *allocator);
ZOK_API void zok_arena_allocator_finish(struct zok_arena_allocator *allocator);

/* Fields are private, except `face`. */
struct zok_general_allocator {
	struct zok_allocator face;
	struct zok_allocator_usage usage; /* atomic: read it by zok_general_allocator_usage() */
};

/* malloc's, for any thread. There is nothing to finish. */
ZOK_API void zok_general_allocator_init(struct zok_general_allocator *allocator);
ZOK_API struct zok_allocator_usage zok_general_allocator_usage(const struct zok_general_allocator *allocator);

enum { ZOK_ADAPTIVE_CLASSES = 32, ZOK_ADAPTIVE_SIZE_MAX = 8192 };

/* Fields are private, except `face` and `usage`. */
struct zok_adaptive_allocator {
	struct zok_allocator face;
	struct zok_allocator_usage usage;
	const struct zok_allocator *behind;
	struct zok_pool classes[ZOK_ADAPTIVE_CLASSES];
	uint8_t class_by_step[ZOK_ADAPTIVE_SIZE_MAX / 16 +
			      1]; /* looked up, because a branch on mixed sizes is mispredicted every other time */
};

/*
 * Sizes up to ZOK_ADAPTIVE_SIZE_MAX come from pools of 32 classes, 16 bytes apart up to 128 and four to each doubling beyond (at most a fifth is
 * wasted); a class takes memory when it is first asked for. Larger ones, and the pools' slabs, come from `behind` (NULL: zok_allocator(); on a core,
 * zok_core_allocator() is the better one). A small size at an alignment above 16 is sure to be served
 * where the size is a multiple of it and it is at most 64, as with any C object; else the answer may be NULL.
 */
ZOK_API void zok_adaptive_allocator_init(struct zok_adaptive_allocator *allocator, const struct zok_allocator *behind);
ZOK_API void zok_adaptive_allocator_finish(struct zok_adaptive_allocator *allocator);

ZOK_END_DECLS

#endif
