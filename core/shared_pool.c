/* The owner's slow path: what others gave back, before more memory. */
#include "zokio/shared_pool.h"

#include "core/core.h"

int zok_shared_pool_init(struct zok_shared_pool *pool, const struct zok_pool_options *options)
{
	struct zok_pool inner;
	int rc = zok_pool_init(&inner, options);

	if (rc < 0)
		return rc;
	pool->pool = inner;
	pool->returned = NULL;
	pool->remote_count = 0;
	return 0;
}

static void *last_of(void *object, size_t *count)
{
	for (*count = 1; *zok__pool_link(object); ++*count)
		object = *zok__pool_link(object);
	return object;
}

/* In front of the own list, which is mostly empty then: what came back last is the warmest, if on another core. */
static bool collect(struct zok_shared_pool *pool)
{
	void *first = zok__shared_pool_take(pool);
	struct zok_core *core = zok__core();
	size_t count;

	if (!first)
		return false;
	*zok__pool_link(last_of(first, &count)) = pool->pool.free_list;
	pool->pool.free_list = first;
	pool->pool.used_count -= count;
	pool->remote_count += count;
	if (core)
		zok__heap_count_returns(core->heap, count);
	return true;
}

void *zok_shared_pool_get_slow(struct zok_shared_pool *pool)
{
	return collect(pool) ? zok_pool_get(&pool->pool) : zok_pool_get_slow(&pool->pool);
}

void zok_shared_pool_finish(struct zok_shared_pool *pool)
{
	collect(pool);
	zok_pool_finish(&pool->pool);
}
