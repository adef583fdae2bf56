#include "zokio/allocators.h"

#include "core/alloc.h"

#include <assert.h>
#include <stdlib.h>

static void count_in(struct zok_allocator_usage *usage, size_t size, bool is_reuse)
{
	usage->allocations++;
	usage->reuses += is_reuse;
	usage->used_bytes += size;
	if (usage->used_bytes > usage->used_bytes_max)
		usage->used_bytes_max = usage->used_bytes;
}

static void count_out(struct zok_allocator_usage *usage, size_t size)
{
	assert(usage->used_bytes >= size);
	usage->used_bytes -= size;
}

static void *refuse(struct zok_allocator_usage *usage)
{
	usage->refused++;
	return NULL;
}

/* ---- pool ---- */

static void *pool_allocate(void *arg, size_t size, size_t alignment)
{
	struct zok_pool_allocator *allocator = arg;
	bool is_reuse = allocator->pool.free_list != NULL;
	void *memory;

	if (size > allocator->pool.object_size || alignment > allocator->pool.alignment)
		return refuse(&allocator->usage);
	memory = zok_pool_get(&allocator->pool);
	if (!memory)
		return refuse(&allocator->usage);
	count_in(&allocator->usage, size, is_reuse);
	return memory;
}

static void pool_release(void *arg, void *memory, size_t size)
{
	struct zok_pool_allocator *allocator = arg;

	count_out(&allocator->usage, size);
	zok_pool_put(&allocator->pool, memory);
}

int zok_pool_allocator_init(struct zok_pool_allocator *allocator, const struct zok_pool_options *options)
{
	struct zok_pool pool;
	int rc = zok_pool_init(&pool, options);

	if (rc < 0)
		return rc;
	*allocator = (struct zok_pool_allocator){
		.face = {.allocate = pool_allocate, .release = pool_release, .arg = allocator},
		.pool = pool,
	};
	return 0;
}

void zok_pool_allocator_finish(struct zok_pool_allocator *allocator)
{
	zok_pool_finish(&allocator->pool);
}

/* ---- arena ---- */

static void *arena_allocate(void *arg, size_t size, size_t alignment)
{
	struct zok_arena_allocator *allocator = arg;
	const void *chunks = allocator->arena.chunks;
	void *memory = zok_arena_allocate(&allocator->arena, size, alignment);

	if (!memory)
		return refuse(&allocator->usage);
	count_in(&allocator->usage, size, allocator->arena.chunks == chunks);
	return memory;
}

static void arena_release(void *arg, void *memory, size_t size)
{
	count_out(&((struct zok_arena_allocator *)arg)->usage, size);
}

void zok_arena_allocator_init(struct zok_arena_allocator *allocator, size_t chunk_size, const struct zok_allocator *behind)
{
	*allocator = (struct zok_arena_allocator){.face = {.allocate = arena_allocate, .release = arena_release, .arg = allocator}};
	zok_arena_init(&allocator->arena, chunk_size, behind);
}

void zok_arena_allocator_reset(struct zok_arena_allocator *allocator)
{
	zok_arena_reset(&allocator->arena);
	allocator->usage.used_bytes = 0;
}

void zok_arena_allocator_finish(struct zok_arena_allocator *allocator)
{
	zok_arena_finish(&allocator->arena);
	allocator->usage.used_bytes = 0;
}

/* ---- general ---- */

/* The counters are only counters: nothing is read through them, so relaxed will do. */
static void raise_max(uint64_t *max, uint64_t value)
{
	uint64_t seen = __atomic_load_n(max, __ATOMIC_RELAXED);

	while (seen < value && !__atomic_compare_exchange_n(max, &seen, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static void *general_allocate(void *arg, size_t size, size_t alignment)
{
	struct zok_general_allocator *allocator = arg;
	void *memory;

	if (alignment < sizeof(void *))
		alignment = sizeof(void *);
	if (posix_memalign(&memory, alignment, size) != 0) {
		__atomic_fetch_add(&allocator->usage.refused, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	__atomic_fetch_add(&allocator->usage.allocations, 1, __ATOMIC_RELAXED);
	raise_max(&allocator->usage.used_bytes_max, __atomic_add_fetch(&allocator->usage.used_bytes, size, __ATOMIC_RELAXED));
	return memory;
}

static void general_release(void *arg, void *memory, size_t size)
{
	struct zok_general_allocator *allocator = arg;

	__atomic_fetch_sub(&allocator->usage.used_bytes, size, __ATOMIC_RELAXED);
	free(memory);
}

void zok_general_allocator_init(struct zok_general_allocator *allocator)
{
	*allocator = (struct zok_general_allocator){.face = {.allocate = general_allocate, .release = general_release, .arg = allocator}};
}

struct zok_allocator_usage zok_general_allocator_usage(const struct zok_general_allocator *allocator)
{
	return (struct zok_allocator_usage){
		.used_bytes = __atomic_load_n(&allocator->usage.used_bytes, __ATOMIC_RELAXED),
		.used_bytes_max = __atomic_load_n(&allocator->usage.used_bytes_max, __ATOMIC_RELAXED),
		.allocations = __atomic_load_n(&allocator->usage.allocations, __ATOMIC_RELAXED),
		.refused = __atomic_load_n(&allocator->usage.refused, __ATOMIC_RELAXED),
	};
}

/* ---- adaptive: classes of 16…128 in steps of 16, then (4 + k) << n bytes ---- */

enum { STEP = 16, LINEAR_MAX = 128, LINEAR_CLASSES = LINEAR_MAX / STEP };

static size_t class_size(unsigned class)
{
	if (class < LINEAR_CLASSES)
		return (class + 1) * (size_t)STEP;
	class -= LINEAR_CLASSES;
	return (size_t)(5 + class % 4) << (class / 4 + 5);
}

/* What a class's size itself is aligned to, up to a cache line: so a size that is a multiple of an alignment finds it kept. */
static size_t class_alignment(unsigned class)
{
	size_t low_bit = class_size(class) & -class_size(class);

	return low_bit < ZOK_CACHE_LINE ? low_bit : ZOK_CACHE_LINE;
}

static struct zok_pool *pool_of(struct zok_adaptive_allocator *allocator, size_t size)
{
	return &allocator->classes[allocator->class_by_step[(size + STEP - 1) / STEP]];
}

/* The smallest class that holds so many steps. */
static void fill_table(struct zok_adaptive_allocator *allocator)
{
	unsigned class = 0;

	for (size_t step = 0; step <= ZOK_ADAPTIVE_SIZE_MAX / STEP; step++) {
		while (class_size(class) < step * STEP)
			class ++;
		allocator->class_by_step[step] = (uint8_t) class;
	}
}

static void *adaptive_allocate(void *arg, size_t size, size_t alignment)
{
	struct zok_adaptive_allocator *allocator = arg;
	struct zok_pool *pool;
	bool is_reuse;
	void *memory;

	if (ZOK_UNLIKELY(size > ZOK_ADAPTIVE_SIZE_MAX)) {
		memory = zok__allocate(allocator->behind, size, alignment);
		is_reuse = false;
	} else {
		pool = pool_of(allocator, size);
		is_reuse = pool->free_list != NULL;
		memory = ZOK_LIKELY(alignment <= STEP || alignment <= pool->alignment) ? zok_pool_get(pool) : NULL;
	}
	if (!memory)
		return refuse(&allocator->usage);
	count_in(&allocator->usage, size, is_reuse);
	return memory;
}

static void adaptive_release(void *arg, void *memory, size_t size)
{
	struct zok_adaptive_allocator *allocator = arg;

	count_out(&allocator->usage, size);
	if (ZOK_UNLIKELY(size > ZOK_ADAPTIVE_SIZE_MAX))
		zok__release(allocator->behind, memory, size);
	else
		zok_pool_put(pool_of(allocator, size), memory);
}

void zok_adaptive_allocator_init(struct zok_adaptive_allocator *allocator, const struct zok_allocator *behind)
{
	*allocator = (struct zok_adaptive_allocator){
		.face = {.allocate = adaptive_allocate, .release = adaptive_release, .arg = allocator},
		.behind = behind ? behind : zok_allocator(),
	};
	fill_table(allocator);
	for (unsigned class = 0; class < ZOK_ADAPTIVE_CLASSES; class ++) {
		const struct zok_pool_options options = {
			.name = "adaptive",
			.object_size = class_size(class),
			.alignment = class_alignment(class),
			.allocator = allocator->behind,
		};
		int rc = zok_pool_init(&allocator->classes[class], &options);

		assert(rc == 0);
		(void)rc;
	}
}

void zok_adaptive_allocator_finish(struct zok_adaptive_allocator *allocator)
{
	for (unsigned class = 0; class < ZOK_ADAPTIVE_CLASSES; class ++)
		zok_pool_finish(&allocator->classes[class]);
}
