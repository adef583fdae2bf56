/*
 * A core's heap: what the core is made of (its own struct, mailboxes, receive buffers, pools' slabs) lies in regions of the core's node, on
 * the largest pages that are to be had (numa/memory.h).
 *
 * One thread at a time: whoever makes the core, then the core, then whoever takes it down. So there is no lock, and a block is given back to the
 * heap that it came from on that heap's core only. The counters may be read by anyone.
 *
 * Blocks of up to 256 KiB come in classes, four to each doubling, so that at most a fifth is wasted; each class has its list of free blocks, last in
 * first out. Larger ones are kept in one list, or have a region of their own. A region's rest is cut into the lists when the next one is begun.
 */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include "numa/memory.h"
#include "zokio/memory.h"

enum { ZOK__HEAP_CLASS_COUNT = 49, ZOK__HEAP_BLOCK_MAX = 256 << 10 };

struct zok__heap_options {
	unsigned core; /* for the log */
	int node;
	enum zok__memory_policy policy;
	enum zok__page_wish pages;
	size_t first_size; /* what will be needed at once: the first region has room for it */
	const char *root;  /* as in struct zok__region_wish */
	const struct zok__memory_calls *calls;
};

struct zok__heap;

/*
 * Maps the first region; the heap itself lies in it. Says once a process what the machine refuses. -ENOMEM: zok__region_map() failed, and
 * its line is in the log.
 */
ZOK_NODISCARD int zok__heap_create(struct zok__heap **out, const struct zok__heap_options *options);

/* Unmaps everything that came from it. NULL is fine. */
void zok__heap_destroy(struct zok__heap *heap);

/* Its face as an allocator. Its memory is arbitrary. When no region can be mapped, malloc's stands in, but not under `strict`. */
const struct zok_allocator *zok__heap_allocator(struct zok__heap *heap);

/* The place and pages of the first region, and the counters, which any thread may read at any time. */
void zok__heap_stats(const struct zok__heap *heap, struct zok_memory_stats *out);

/* The first region, for those who look where its pages are. */
const struct zok__region *zok__heap_region(const struct zok__heap *heap);

/* For mappings that cannot come from the heap (stacks): the same policy. -ENOMEM: strict, and the node is short. */
ZOK_NODISCARD int zok__heap_bind(const struct zok__heap *heap, void *memory, size_t size);

/* Notes that so many bytes more (or less) are mapped for stacks. */
void zok__heap_count_stacks(struct zok__heap *heap, int64_t bytes);

/* Notes objects that came back from other cores. */
void zok__heap_count_returns(struct zok__heap *heap, size_t count);

#endif
