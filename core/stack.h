/*
 * Stacks for fibers, from a cache that belongs to one core. Nothing here may be called from another thread than the owner's.
 *
 * Sizes are powers of two from 4 KiB to 8 MiB. A class has a list of stacks that were released, taken from and given to at its head: the stack
 * that the caches of the processor still know. A warm acquire or release is a handful of loads and stores.
 *
 * Stacks are carved out of slabs of about 1 MiB, one mapping each. Below each lies a guard page, unless ZOK__STACK_NO_GUARD. From Linux 6.13 on the
 * guard is a marker in the page table (MADV_GUARD_INSTALL) and the slab stays one mapping; before, PROT_NONE splits it, which costs two mappings a
 * stack: vm.max_map_count, 65,530 by default, then ends at some 32,000 guarded stacks with -ENOMEM. Raise it, or do without the guard.
 */
#ifndef ZOK_CORE_STACK_H
#define ZOK_CORE_STACK_H

#include "zokio/base.h"
#include "zokio/list.h"

#define ZOK__STACK_SIZE_MIN    ((size_t)4 << 10)
#define ZOK__STACK_SIZE_MAX    ((size_t)8 << 20)
#define ZOK__STACK_CLASS_COUNT 12

/*
 * In address space, of which only touched pages are memory. What the cache holds at most where its options do not say; what it keeps for good; and how
 * much a call of zok__stack_cache_age() gives back, which takes some ten microseconds.
 */
#define ZOK__STACK_CACHED_BYTES_MAX ((size_t)1 << 30)
#define ZOK__STACK_KEPT_BYTES	    ((size_t)64 << 20)
#define ZOK__STACK_AGED_BYTES	    ((size_t)2 << 20)

enum zok__stack_flags {
	ZOK__STACK_NO_GUARD = 1, /* an overflow runs into the neighbour: for millions of small stacks where guards cost mappings */
	ZOK__STACK_PAINT = 2,	 /* fill it on acquire, so that the high-water mark is exact to the word. Costs a write of every word */
};

struct zok__stack_slab;

/*
 * Lies at the upper end of the stack's own memory, on a line that the fiber warms anyway. Its place varies by up to a sixteenth of the class from
 * stack to stack (colour): otherwise the hot ends of all stacks would compete for the same few sets of the first-level cache.
 */
struct zok__stack {
	char *base;  /* the lowest usable byte */
	size_t size; /* usable: the class less descriptor and colour, at least 15/16 of the class less 64 */
	struct zok__stack *next;
	struct zok__stack_slab *slab;
	unsigned valgrind_id;
	uint8_t class_index;
	bool is_guarded;
	bool is_painted;
};

/* Where slabs come from. The defaults are mmap, munmap and a guard as above; tests let each fail, NUMA binds them to a node. */
struct zok__stack_source {
	void *(*map)(void *arg, size_t size); /* page-aligned, zeroed, or NULL */
	void (*unmap)(void *arg, void *base, size_t size);
	int (*guard)(void *arg, void *base, size_t size); /* 0 or a negative errno */
	void *arg;
};

/* The defaults, for a source that adds to them. */
extern const struct zok__stack_source zok__stack_os_source;

struct zok__stack_list {
	struct zok__stack *free;
	struct zok_list partial; /* slabs with a stack to give that is not in `free` */
};

struct zok__stack_cache {
	struct zok__stack_list lists[2][ZOK__STACK_CLASS_COUNT]; /* [0]: guarded */
	struct zok__stack_source source;
	size_t page_size;
	size_t cached_bytes; /* classes of what lies in the free lists */
	size_t cached_bytes_max;
	size_t mapped_bytes; /* of all slabs */
	size_t acquired_count;
	bool was_short; /* since the last ageing a slab had to give a stack: all that was cached was needed */
};

struct zok__stack_cache_options {
	const struct zok__stack_source *source; /* NULL: the defaults. Copied */
	size_t cached_bytes_max; /* 0: ZOK__STACK_CACHED_BYTES_MAX. What is released beyond goes back to its slab, and to the system with it */
};

/* `options` may be NULL. Neither allocates nor fails. */
void zok__stack_cache_init(struct zok__stack_cache *cache, const struct zok__stack_cache_options *options);

/* Unmaps everything. No stack may be out. */
void zok__stack_cache_finish(struct zok__stack_cache *cache);

/* Keeps at most `cached_bytes`: small classes before large, what was released last before what lies longer. Slabs without a stack in use are unmapped. */
void zok__stack_cache_trim(struct zok__stack_cache *cache, size_t cached_bytes);

/*
 * To be called now and then. Gives back a little of what lies beyond ZOK__STACK_KEPT_BYTES, unless all of it was needed since the last call. Work that
 * forks by the ten thousand thus finds its stacks again, and a core that is done with it does not sit on them. Returns whether it gave something
 * back and there is more: then some milliseconds later is soon enough, else a second.
 */
bool zok__stack_cache_age(struct zok__stack_cache *cache);

/*
 * A stack of the class that holds `size` bytes, 0 being the smallest. Its content is arbitrary. -EINVAL: larger than ZOK__STACK_SIZE_MAX; -ENOMEM: no
 * memory, address space or mapping left; nothing is then changed.
 */
ZOK_NODISCARD int zok__stack_acquire(struct zok__stack_cache *cache, size_t size, unsigned flags, struct zok__stack **out);

/* To the cache it was acquired from, by whoever runs on another stack. */
void zok__stack_release(struct zok__stack_cache *cache, struct zok__stack *stack);

/*
 * How many bytes at the upper end were ever used: exact to the word where painted, else by pages that are in memory (mincore), which then also counts
 * what earlier fibers on the same stack used. For reports, not for the path of a request. -errno where mincore fails.
 */
ssize_t zok__stack_high_water(const struct zok__stack *stack);

#endif
