#include "core/heap.h"

#include "core/counters.h"
#include "core/log.h"
#include "core/sanitizer.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define REGION_UNIT ((size_t)2 << 20)

enum { CLASS_SHIFT_MIN = 4, BLOCK_MIN = 4 << CLASS_SHIFT_MIN, NATURAL_ALIGNMENT_MAX = 4096, LIST_LOOK_MAX = 64 };

/* A free block, as its list sees it. */
struct block {
	struct block *next;
	size_t size;
};

/* At the head of each region. */
struct chunk {
	struct zok__region region;
	struct chunk *next;
	void *only; /* the one block of a region of its own; NULL where blocks are carved */
};

struct zok__heap {
	struct zok_allocator allocator;
	struct zok__heap_options options;
	struct chunk *chunks; /* the newest first */
	struct chunk *first;
	char *next, *end; /* what is not carved yet of the newest one */
	struct block *free[ZOK__HEAP_CLASS_COUNT];
	struct block *large;
	size_t general_count; /* blocks that malloc has stood in for */
	struct zok_memory_stats stats;
};

/* ---- Classes: (4 + k) << n bytes ---- */

static unsigned class_of(size_t size)
{
	unsigned top, shift;

	if (size <= BLOCK_MIN)
		return 0;
	top = 63 - (unsigned)__builtin_clzll(size - 1);
	shift = top - 2;
	return (shift - CLASS_SHIFT_MIN) * 4 + (unsigned)((size - 1) >> shift & 3) + 1;
}

static size_t class_size(unsigned class)
{
	return (size_t)(4 + class % 4) << (class / 4 + CLASS_SHIFT_MIN);
}

static size_t low_bit(size_t value)
{
	return value & -value;
}

static size_t align_up(size_t value, size_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

/* What a block really takes; also what it counts for. */
static size_t real_size(size_t size)
{
	return size <= ZOK__HEAP_BLOCK_MAX ? class_size(class_of(size)) : align_up(size, BLOCK_MIN);
}

/* ---- Lists and carving ---- */

static void push(struct zok__heap *heap, void *memory, size_t size)
{
	struct block *block = memory;
	struct block **list = size <= ZOK__HEAP_BLOCK_MAX ? &heap->free[class_of(size)] : &heap->large;

	*block = (struct block){.next = *list, .size = size};
	*list = block;
	/* All but what the list needs: an access from now on is reported. */
	zok__sanitizer_stack_released((char *)memory + sizeof *block, size - sizeof *block);
}

static void *unlink_block(struct block **link)
{
	struct block *block = *link;

	*link = block->next;
	zok__sanitizer_stack_acquired(block, block->size);
	return block;
}

/*
 * Cuts a piece of memory into free blocks of powers of two, each aligned to its size. What lies before the first place of a smallest block is lost:
 * in a list it would serve nobody, and keep those who look from what lies behind it.
 */
static void give_range(struct zok__heap *heap, char *from, char *end)
{
	from = (char *)align_up((uintptr_t)from, BLOCK_MIN); /* NOLINT(performance-no-int-to-ptr) */
	while (end - from >= BLOCK_MIN) {
		size_t size = low_bit((size_t)(uintptr_t)from);

		if (size > ZOK__HEAP_BLOCK_MAX)
			size = ZOK__HEAP_BLOCK_MAX;
		while (size > (size_t)(end - from))
			size /= 2;
		push(heap, from, size);
		from += size;
	}
}

/* Blocks of a class are mostly aligned alike, so the first one fits; where they are not, the look ends early. */
static void *pop(struct zok__heap *heap, size_t size, size_t alignment)
{
	struct block **link = size <= ZOK__HEAP_BLOCK_MAX ? &heap->free[class_of(size)] : &heap->large;

	for (int looks = 0; *link != NULL && looks < LIST_LOOK_MAX; link = &(*link)->next, looks++) {
		size_t has = (*link)->size;

		if ((uintptr_t)*link % alignment == 0 && has >= size && has - size <= size / 4) {
			char *memory = unlink_block(link);

			give_range(heap, memory + size, memory + has);
			return memory;
		}
	}
	return NULL;
}

static void *carve(struct zok__heap *heap, size_t size, size_t alignment)
{
	char *place = (char *)align_up((uintptr_t)heap->next, alignment); /* NOLINT(performance-no-int-to-ptr) */

	if (heap->next == NULL || place > heap->end || size > (size_t)(heap->end - place))
		return NULL;
	give_range(heap, heap->next, place);
	heap->next = place + size;
	return place;
}

/* ---- Regions ---- */

static struct zok__region_wish wish_of(const struct zok__heap_options *options, size_t size)
{
	return (struct zok__region_wish){
		.size = size,
		.node = options->node,
		.policy = options->policy,
		.pages = options->pages,
		.root = options->root,
		.calls = options->calls,
	};
}

static bool is_first_time(bool *was_said)
{
	return !__atomic_exchange_n(was_said, true, __ATOMIC_RELAXED);
}

/* What was wished and not got: once a process where it is the machine's doing, at debug level always. */
static void tell(const struct zok__heap_options *options, const struct zok__region *region)
{
	static bool said_refused, said_node, said_pages;
	bool is_short_of_pages = options->pages >= ZOK__PAGES_2M && region->kind != ZOK__PAGES_RESERVED;
	char text[128];

	zok__region_describe(region, text, sizeof text);
	zok__log(ZOK_LOG_DEBUG, "core %u: %s%s%s", options->core, text, region->why[0] ? "; " : "", region->why);
	if ((region->is_refused && is_first_time(&said_refused)) ||
	    (!region->is_refused && options->policy != ZOK__MEMORY_INTERLEAVE && region->node_got != region->node_asked &&
	     is_first_time(&said_node)) ||
	    (is_short_of_pages && is_first_time(&said_pages)))
		zok__log(ZOK_LOG_WARN, "core %u: memory: %s (said once)", options->core, region->why);
}

/* A region of at least `size` bytes beside the chunk's own head. NULL: not to be had, and the log says why. */
static struct chunk *map_chunk(const struct zok__heap_options *options, size_t size)
{
	struct zok__region_wish wish = wish_of(options, align_up(size + sizeof(struct chunk), REGION_UNIT));
	char error[ZOK__MEMORY_TEXT_SIZE];
	struct zok__region region;
	struct chunk *chunk;

	if (zok__region_map(&wish, &region, error, sizeof error) < 0) {
		zok__log(ZOK_LOG_ERROR, "core %u: memory: %s", options->core, error);
		return NULL;
	}
	tell(options, &region);
	chunk = region.memory;
	*chunk = (struct chunk){.region = region};
	return chunk;
}

static void add_chunk(struct zok__heap *heap, struct chunk *chunk)
{
	chunk->next = heap->chunks;
	heap->chunks = chunk;
	zok__count(&heap->stats.mapped_bytes, chunk->region.size);
}

static char *chunk_begin(struct chunk *chunk)
{
	return (char *)chunk + align_up(sizeof *chunk, BLOCK_MIN);
}

static void *carve_from_new_chunk(struct zok__heap *heap, size_t size, size_t alignment)
{
	struct chunk *chunk = map_chunk(&heap->options, size + alignment + BLOCK_MIN);

	if (chunk == NULL)
		return NULL;
	add_chunk(heap, chunk);
	give_range(heap, heap->next, heap->end);
	heap->next = chunk_begin(chunk);
	heap->end = (char *)chunk + chunk->region.size;
	return carve(heap, size, alignment);
}

static void *map_alone(struct zok__heap *heap, size_t size, size_t alignment)
{
	struct chunk *chunk = map_chunk(&heap->options, size + alignment + BLOCK_MIN);

	if (chunk == NULL)
		return NULL;
	chunk->only = (void *)align_up((uintptr_t)chunk_begin(chunk), alignment); /* NOLINT(performance-no-int-to-ptr) */
	add_chunk(heap, chunk);
	return chunk->only;
}

static bool unmap_alone(struct zok__heap *heap, const void *memory)
{
	for (struct chunk **link = &heap->chunks; *link != NULL; link = &(*link)->next) {
		struct zok__region region = (*link)->region;

		if ((*link)->only != memory)
			continue;
		zok__set(&heap->stats.mapped_bytes, heap->stats.mapped_bytes - region.size);
		*link = (*link)->next;
		zok__region_unmap(&region);
		return true;
	}
	return false;
}

/* ---- malloc's, where no region is to be had ---- */

static void *stand_in(struct zok__heap *heap, size_t size, size_t alignment)
{
	void *memory;

	if (heap->options.policy == ZOK__MEMORY_STRICT || posix_memalign(&memory, alignment, size) != 0)
		return NULL;
	heap->general_count++;
	zok__count(&heap->stats.general_bytes, size);
	return memory;
}

static bool is_ours(const struct zok__heap *heap, const void *memory)
{
	for (const struct chunk *chunk = heap->chunks; chunk != NULL; chunk = chunk->next)
		if ((const char *)memory >= (const char *)chunk && (const char *)memory < (const char *)chunk + chunk->region.size)
			return true;
	return false;
}

/* ---- The allocator ---- */

static void *find(struct zok__heap *heap, size_t size, size_t alignment)
{
	bool is_large = size > ZOK__HEAP_BLOCK_MAX;
	void *memory = pop(heap, size, alignment);

	if (memory != NULL) {
		zok__count(&heap->stats.reuses, 1);
		return memory;
	}
	memory = carve(heap, size, alignment);
	if (memory == NULL)
		memory = is_large ? map_alone(heap, size, alignment) : carve_from_new_chunk(heap, size, alignment);
	return memory != NULL ? memory : stand_in(heap, size, alignment);
}

static void *allocate(void *arg, size_t size, size_t alignment)
{
	struct zok__heap *heap = arg;
	size_t natural;
	void *memory;

	if (size > SIZE_MAX / 4 || alignment > SIZE_MAX / 4)
		return NULL;
	size = real_size(size);
	natural = low_bit(size) < NATURAL_ALIGNMENT_MAX ? low_bit(size) : NATURAL_ALIGNMENT_MAX;
	memory = find(heap, size, alignment > natural ? alignment : natural);
	if (memory == NULL)
		return NULL;
	zok__count(&heap->stats.allocations, 1);
	zok__count(&heap->stats.used_bytes, size);
	if (heap->stats.used_bytes > heap->stats.used_bytes_max)
		zok__set(&heap->stats.used_bytes_max, heap->stats.used_bytes);
	return memory;
}

static void release(void *arg, void *memory, size_t size)
{
	struct zok__heap *heap = arg;

	size = real_size(size);
	assert(heap->stats.used_bytes >= size);
	zok__set(&heap->stats.used_bytes, heap->stats.used_bytes - size);
	if (heap->general_count > 0 && !is_ours(heap, memory)) {
		heap->general_count--;
		zok__set(&heap->stats.general_bytes, heap->stats.general_bytes - size);
		free(memory);
		return;
	}
	if (size <= ZOK__HEAP_BLOCK_MAX || !unmap_alone(heap, memory))
		push(heap, memory, size);
}

/* ---- Life ---- */

static void note_place(struct zok__heap *heap, const struct zok__region *region)
{
	heap->stats.node_asked = region->node_asked;
	heap->stats.node_got = region->node_got;
	heap->stats.page_size = region->page_size;
	heap->stats.pages_are_reserved = region->kind == ZOK__PAGES_RESERVED;
}

int zok__heap_create(struct zok__heap **out, const struct zok__heap_options *options)
{
	struct chunk *chunk = map_chunk(options, sizeof(struct zok__heap) + options->first_size);
	struct zok__heap *heap;

	if (chunk == NULL)
		return -ENOMEM;
	heap = (struct zok__heap *)(void *)chunk_begin(chunk);
	*heap = (struct zok__heap){.options = *options, .allocator = {.allocate = allocate, .release = release, .arg = heap}};
	add_chunk(heap, chunk);
	heap->first = chunk;
	heap->next = (char *)heap + align_up(sizeof *heap, BLOCK_MIN);
	heap->end = (char *)chunk + chunk->region.size;
	note_place(heap, &chunk->region);
	*out = heap;
	return 0;
}

void zok__heap_destroy(struct zok__heap *heap)
{
	struct chunk *chunk, *next;

	if (heap == NULL)
		return;
	for (chunk = heap->chunks; chunk != NULL; chunk = next) {
		struct zok__region region = chunk->region;

		next = chunk->next;
		/* Another mapping may come to lie here. */
		zok__sanitizer_stack_acquired(region.memory, region.size);
		zok__region_unmap(&region);
	}
}

const struct zok_allocator *zok__heap_allocator(struct zok__heap *heap)
{
	return &heap->allocator;
}

void zok__heap_stats(const struct zok__heap *heap, struct zok_memory_stats *out)
{
	const uint64_t *from = (const uint64_t *)(const void *)&heap->stats;
	uint64_t *to = (uint64_t *)(void *)out;

	for (size_t i = 0; i < sizeof *out / sizeof *to; i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

const struct zok__region *zok__heap_region(const struct zok__heap *heap)
{
	return &heap->first->region;
}

int zok__heap_bind(const struct zok__heap *heap, void *memory, size_t size)
{
	struct zok__region_wish wish = wish_of(&heap->options, size);

	return zok__region_bind(&wish, memory);
}

void zok__heap_count_stacks(struct zok__heap *heap, int64_t bytes)
{
	zok__count(&heap->stats.stack_bytes, (uint64_t)bytes);
}

void zok__heap_count_returns(struct zok__heap *heap, size_t count)
{
	zok__count(&heap->stats.remote_returns, count);
}
