/*
 * A pool whose objects may be given back by other threads than its owner's: a message allocated here and freed where it was read.
 *
 * The owner's get and put are those of a plain pool, without an atomic. A foreign thread gathers what it frees into a chain, one for each pool
 * it knows, and hands over the whole chain with one compare-and-swap onto the pool's stack of returns; the owner takes the whole stack with one
 * exchange when its own list is empty. Nobody pops single objects from the stack, so there is no ABA. After mimalloc's thread-delayed free
 * (Leijen, Zorn, de Moura: Mimalloc: Free List Sharding in Action, MSR-TR-2019-18), with the batch in front that keeps the line that
 * the threads share at rest.
 *
 *	owner                                  another core
 *	message = zok_shared_pool_get(&pool)   …reads it…
 *	sends it                               zok_pool_returns_put(&returns, message)
 *	                                       zok_pool_returns_flush(&returns) before it rests
 */
#ifndef ZOKIO_SHARED_POOL_H
#define ZOKIO_SHARED_POOL_H

#include "zokio/atomic.h"
#include "zokio/memory.h"

ZOK_BEGIN_DECLS

/* Fields are private. */
struct zok_shared_pool {
	struct zok_pool pool;
	ZOK__ALIGNED(ZOK_FALSE_SHARING) void *returned;	     /* atomic: what others gave back, a list; on a line of its own */
	ZOK__ALIGNED(ZOK_FALSE_SHARING) size_t remote_count; /* the owner's: objects that came back so */
};

/* What a foreign thread keeps for one pool. Its own; fields are private. */
struct zok_pool_returns {
	struct zok_shared_pool *pool;
	void *first, *last;
	size_t count, batch;
};

/* The first link of an object is its first word, as in a plain pool. */
ZOK__GENERATED void **zok__pool_link(void *object)
{
	return (void **)object;
}

/* Pushes a chain. Any thread. */
ZOK__GENERATED void zok__shared_pool_push(struct zok_shared_pool *pool, void *first, void *last)
{
	void *head = ZOK__LOAD(&pool->returned, RELAXED);

	/* Release pairs with the acquire in zok__shared_pool_take(): what was done with the objects is done before they are used again. A push on top of
	 * another is a read-modify-write, so that one acquire takes in all pushes below it. */
	do {
		ZOK__PUT(zok__pool_link(last), &head);
	} while (!ZOK__CAS(&pool->returned, &head, first, RELEASE));
}

/* Takes all chains as one list. The owner. */
ZOK__GENERATED void *zok__shared_pool_take(struct zok_shared_pool *pool)
{
	/* Relaxed: a look that saves the exchange; what it misses is found the next time. */
	if (!ZOK__LOAD(&pool->returned, RELAXED))
		return NULL;
	/* Acquire pairs with the release in zok__shared_pool_push(). */
	return ZOK__EXCHANGE(&pool->returned, (void *)0, ACQUIRE);
}

#ifndef ZOK__ATOMIC_MODEL

/* As zok_pool_init(). The calling thread is the owner, or hands the pool to it. */
ZOK_API int zok_shared_pool_init(struct zok_shared_pool *pool, const struct zok_pool_options *options);

/* As zok_pool_finish(), by the owner, after all other threads have flushed what they held. */
ZOK_API void zok_shared_pool_finish(struct zok_shared_pool *pool);

/* Takes what came back, else fetches a slab. For the inline fast path below. */
ZOK_API void *zok_shared_pool_get_slow(struct zok_shared_pool *pool);

/* The owner: an object with undefined content, or NULL: no memory, or count_max reached and nothing has come back. */
static inline void *zok_shared_pool_get(struct zok_shared_pool *pool)
{
	if (ZOK_UNLIKELY(!pool->pool.free_list))
		return zok_shared_pool_get_slow(pool);
	return zok_pool_get(&pool->pool);
}

/* The owner: gives an object back. */
static inline void zok_shared_pool_put(struct zok_shared_pool *pool, void *object)
{
	zok_pool_put(&pool->pool, object);
}

/* A foreign thread's end; `batch` objects are handed over at a time, 0: 32. */
static inline void zok_pool_returns_init(struct zok_pool_returns *returns, struct zok_shared_pool *pool, size_t batch)
{
	returns->pool = pool;
	returns->first = returns->last = NULL;
	returns->count = 0;
	returns->batch = batch ? batch : 32;
}

/* Hands over what was gathered. Before the thread rests for long, and before the pool is finished. */
static inline void zok_pool_returns_flush(struct zok_pool_returns *returns)
{
	if (!returns->first)
		return;
	zok__shared_pool_push(returns->pool, returns->first, returns->last);
	returns->first = returns->last = NULL;
	returns->count = 0;
}

/* Gives back an object of the pool, sooner or later. */
static inline void zok_pool_returns_put(struct zok_pool_returns *returns, void *object)
{
	*zok__pool_link(object) = returns->first;
	if (!returns->first)
		returns->last = object;
	returns->first = object;
	if (++returns->count >= returns->batch)
		zok_pool_returns_flush(returns);
}

#endif

ZOK_END_DECLS

#endif
