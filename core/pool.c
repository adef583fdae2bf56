/* Pools of equal objects: slabs from the allocator, cut into a free list on demand. */
#include "core/alloc.h"
#include "core/log.h"

#include <errno.h>

enum { SLAB_BYTES = 65536, ALIGNMENT_DEFAULT = 16 };

/* At the start of each slab; the objects follow at the pool's alignment. */
struct slab {
	struct slab *next;
	size_t size;
};

static size_t round_up(size_t value, size_t alignment)
{
	return (value + alignment - 1) & ~(alignment - 1);
}

static bool is_power_of_two(size_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/* With the slab's head in the 64 KiB: a class of the core's heap is then filled and not just missed. */
static size_t default_count(size_t size, size_t alignment)
{
	size_t room = SLAB_BYTES - round_up(sizeof(struct slab), alignment < SLAB_BYTES ? alignment : sizeof(struct slab));

	return size < room ? room / size : 1;
}

int zok_pool_init(struct zok_pool *pool, const struct zok_pool_options *options)
{
	size_t alignment = options->alignment ? options->alignment : ALIGNMENT_DEFAULT;
	size_t size = options->object_size < sizeof(void *) ? sizeof(void *) : options->object_size;

	if (options->object_size == 0 || !is_power_of_two(alignment) || size > SIZE_MAX / 2 - alignment)
		return -EINVAL;
	if (alignment < sizeof(void *))
		alignment = sizeof(void *);
	size = round_up(size, alignment);
	*pool = (struct zok_pool){
		.object_size = size,
		.alignment = alignment,
		.slab_count = options->slab_count ? options->slab_count : default_count(size, alignment),
		.count_max = options->count_max ? options->count_max : SIZE_MAX,
		.allocator = options->allocator ? options->allocator : zok_allocator(),
		.name = options->name ? options->name : "pool",
	};
	return 0;
}

void zok_pool_finish(struct zok_pool *pool)
{
	struct slab *slab = pool->slabs, *next;

	if (pool->used_count > 0)
		zok__log(ZOK_LOG_ERROR, "pool %s: %zu objects were not given back", pool->name, pool->used_count);
	for (; slab; slab = next) {
		next = slab->next;
		zok__release(pool->allocator, slab, slab->size);
	}
	pool->slabs = pool->free_list = NULL;
	pool->total_count = pool->used_count = 0;
}

/* Fetches one slab of up to `count` objects and puts them on the free list, lowest address first. */
static int fetch_slab(struct zok_pool *pool, size_t count, const void *site)
{
	size_t offset = round_up(sizeof(struct slab), pool->alignment);
	struct slab *slab;
	uint8_t *object;

	if (count > pool->count_max - pool->total_count)
		count = pool->count_max - pool->total_count;
	if (count == 0 || count > (SIZE_MAX - offset) / pool->object_size)
		return -ENOMEM;
	slab = zok__allocate_for(pool->allocator, offset + count * pool->object_size, pool->alignment, site);
	if (!slab)
		return -ENOMEM;
	slab->next = pool->slabs;
	slab->size = offset + count * pool->object_size;
	pool->slabs = slab;
	object = (uint8_t *)slab + offset + (count - 1) * pool->object_size;
	for (size_t i = 0; i < count; i++, object -= pool->object_size) {
		*(void **)(void *)object = pool->free_list;
		pool->free_list = object;
	}
	pool->total_count += count;
	return 0;
}

void *zok_pool_get_slow(struct zok_pool *pool)
{
	if (fetch_slab(pool, pool->slab_count, __builtin_return_address(0)) < 0)
		return NULL;
	return zok_pool_get(pool);
}

int zok_pool_reserve(struct zok_pool *pool, size_t count)
{
	size_t free_count = pool->total_count - pool->used_count;

	if (count <= free_count)
		return 0;
	if (count - free_count > pool->count_max - pool->total_count)
		return -ENOMEM;
	return fetch_slab(pool, count - free_count, __builtin_return_address(0));
}
