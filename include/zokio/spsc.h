/*
 * A bounded queue from one producer to one consumer: the mailbox between two cores, or between any two threads.
 *
 *	ZOK_SPSC(orders, struct order, 1024);               declares struct orders and orders_init(), orders_push()…
 *
 *	static struct orders queue;
 *
 *	orders_init(&queue);                                before the two threads meet
 *	if (!orders_push(&queue, &order))                   producer: full, so push back on whoever brought it
 *		return -EAGAIN;
 *	while ((n = orders_pop_burst(&queue, batch, 32)) > 0)       consumer
 *		handle(batch, n);
 *
 * One thread at a time pushes and one pops; a role may pass to another thread through anything that synchronizes the two. No call waits,
 * allocates or enters the kernel. Elements are copied and must be trivially copyable. A capacity is a power of two, and all of it is used.
 * Memory that is zero is an empty queue.
 *
 * Why it is fast: each end keeps the last value that it saw of the other end's index beside its own, and looks again only when that value
 * says "full" or "empty". So a line crosses cores once a batch and not once an element (Lamport's queue with the cached indices of
 * FastForward/MCRingBuffer: Lee, Bu, Chandranmenon, "A Lock-Free, Cache-Efficient Multi-Core Synchronization Mechanism", 2009). Unlike
 * MCRingBuffer every push publishes at once: an element never waits for the next one.
 */
#ifndef ZOKIO_SPSC_H
#define ZOKIO_SPSC_H

#include "zokio/atomic.h"

/* The two ends, each on lines that only its own side writes. Indices count elements for ever; a slot is an index modulo the capacity. */
struct zok_spsc_ends {
	size_t tail ZOK__ALIGNED(ZOK_FALSE_SHARING); /* producer: the next index to fill */
	size_t head_seen;			     /* producer: what `head` was when last looked at */
	size_t head ZOK__ALIGNED(ZOK_FALSE_SHARING); /* consumer: the next index to empty */
	size_t tail_seen;			     /* consumer: what `tail` was when last looked at */
};

ZOK_STATIC_ASSERT(offsetof(struct zok_spsc_ends, head) - offsetof(struct zok_spsc_ends, tail) >= ZOK_FALSE_SHARING,
		  "the producer's index and the consumer's never share lines");
ZOK_STATIC_ASSERT(sizeof(struct zok_spsc_ends) % ZOK_FALSE_SHARING == 0, "the slots begin on lines of their own");

/* Producer: how many of `wanted` slots are free. */
static inline size_t zok__spsc_free(struct zok_spsc_ends *ends, size_t capacity, size_t wanted)
{
	/* Relaxed: this side wrote it. */
	size_t tail = ZOK__LOAD(&ends->tail, RELAXED);
	size_t free = capacity - (tail - ends->head_seen);

	if (ZOK_UNLIKELY(free < wanted)) {
		/* Acquire pairs with the release in zok__spsc_release(): the consumer has read a slot before we overwrite it. */
		ends->head_seen = ZOK__LOAD(&ends->head, ACQUIRE);
		free = capacity - (tail - ends->head_seen);
	}
	return free < wanted ? free : wanted;
}

/* Producer: `count` slots from tail on are filled. Release: whoever sees the new tail sees the elements. */
static inline void zok__spsc_publish(struct zok_spsc_ends *ends, size_t count)
{
	ZOK__STORE(&ends->tail, ZOK__LOAD(&ends->tail, RELAXED) + count, RELEASE);
}

/* Consumer: how many of `wanted` elements are there. */
static inline size_t zok__spsc_ready(struct zok_spsc_ends *ends, size_t wanted)
{
	/* Relaxed: this side wrote it. */
	size_t head = ZOK__LOAD(&ends->head, RELAXED);
	size_t ready = ends->tail_seen - head;

	if (ZOK_UNLIKELY(ready < wanted)) {
		/* Acquire pairs with the release in zok__spsc_publish(): the elements below the tail that we see are there. */
		ends->tail_seen = ZOK__LOAD(&ends->tail, ACQUIRE);
		ready = ends->tail_seen - head;
	}
	return ready < wanted ? ready : wanted;
}

/* Consumer: `count` slots from head on are read. Release: our reads are over before the producer sees the slots free. */
static inline void zok__spsc_release(struct zok_spsc_ends *ends, size_t count)
{
	ZOK__STORE(&ends->head, ZOK__LOAD(&ends->head, RELAXED) + count, RELEASE);
}

/* Any thread: how many elements there were. Exact for a side about its own doings; never above the capacity, for head is read first. */
static inline size_t zok__spsc_count(const struct zok_spsc_ends *ends, size_t capacity)
{
	/* Acquire: the tail is read after the head, so it is not behind it. */
	size_t head = ZOK__LOAD(&ends->head, ACQUIRE);
	size_t count = ZOK__LOAD(&ends->tail, RELAXED) - head;

	return count < capacity ? count : capacity;
}

/*
 * ZOK_SPSC(name, type, capacity): declares
 *	struct name                                                       align it as its type says: not with malloc, but aligned_alloc
 *	void name_init(struct name *)                                     empties it; neither side may be at work
 *	bool name_push(struct name *, type const *)                       producer: false when full
 *	bool name_pop(struct name *, type *)                              consumer: false when empty, *item untouched
 *	size_t name_push_burst(struct name *, type const *, size_t n)     producer: pushes the first 0 to n, publishes them at once
 *	size_t name_pop_burst(struct name *, type *, size_t n)            consumer: pops the oldest 0 to n
 *	size_t name_count(const struct name *)                            any thread: a moment's count
 */
#define ZOK_SPSC(name, type, capacity)                                                                   \
	ZOK__ASSERT_CAPACITY(capacity);                                                                  \
	ZOK__ASSERT_COPYABLE(type);                                                                      \
	struct name {                                                                                    \
		struct zok_spsc_ends ends;                                                               \
		type slots[capacity] ZOK__ALIGNED(ZOK_FALSE_SHARING);                                    \
	};                                                                                               \
	ZOK__GENERATED void name##_init(struct name *queue)                                              \
	{                                                                                                \
		queue->ends.tail = queue->ends.head_seen = queue->ends.head = queue->ends.tail_seen = 0; \
	}                                                                                                \
	ZOK__GENERATED bool name##_push(struct name *queue, type const *item)                            \
	{                                                                                                \
		if (zok__spsc_free(&queue->ends, capacity, 1) == 0)                                      \
			return false;                                                                    \
		ZOK__PUT(&queue->slots[ZOK__LOAD(&queue->ends.tail, RELAXED) & ((capacity)-1)], item);   \
		zok__spsc_publish(&queue->ends, 1);                                                      \
		return true;                                                                             \
	}                                                                                                \
	ZOK__GENERATED bool name##_pop(struct name *queue, type *item)                                   \
	{                                                                                                \
		if (zok__spsc_ready(&queue->ends, 1) == 0)                                               \
			return false;                                                                    \
		ZOK__GET(item, &queue->slots[ZOK__LOAD(&queue->ends.head, RELAXED) & ((capacity)-1)]);   \
		zok__spsc_release(&queue->ends, 1);                                                      \
		return true;                                                                             \
	}                                                                                                \
	ZOK__GENERATED size_t name##_push_burst(struct name *queue, type const *items, size_t n)         \
	{                                                                                                \
		size_t count = zok__spsc_free(&queue->ends, capacity, n);                                \
		size_t tail = ZOK__LOAD(&queue->ends.tail, RELAXED);                                     \
                                                                                                         \
		for (size_t i = 0; i < count; i++)                                                       \
			ZOK__PUT(&queue->slots[(tail + i) & ((capacity)-1)], &items[i]);                 \
		if (count > 0)                                                                           \
			zok__spsc_publish(&queue->ends, count);                                          \
		return count;                                                                            \
	}                                                                                                \
	ZOK__GENERATED size_t name##_pop_burst(struct name *queue, type *items, size_t n)                \
	{                                                                                                \
		size_t count = zok__spsc_ready(&queue->ends, n);                                         \
		size_t head = ZOK__LOAD(&queue->ends.head, RELAXED);                                     \
                                                                                                         \
		for (size_t i = 0; i < count; i++)                                                       \
			ZOK__GET(&items[i], &queue->slots[(head + i) & ((capacity)-1)]);                 \
		if (count > 0)                                                                           \
			zok__spsc_release(&queue->ends, count);                                          \
		return count;                                                                            \
	}                                                                                                \
	ZOK__GENERATED size_t name##_count(const struct name *queue)                                     \
	{                                                                                                \
		return zok__spsc_count(&queue->ends, capacity);                                          \
	}                                                                                                \
	ZOK_STATIC_ASSERT(offsetof(struct name, slots) % ZOK_FALSE_SHARING == 0, "the slots share no line with the indices")

/*
 * The same with capacity and element size chosen at run time. The calls cost a function call and a copy of a size that the compiler does
 * not know: move bursts. Producer and consumer are as above; `items` points to n elements of element_size bytes.
 */
struct zok_spsc;

ZOK_BEGIN_DECLS

/* The bytes that zok_spsc_init() needs; 0 if the capacity is no power of two above 1, the element size 0, or the product too large. */
ZOK_API size_t zok_spsc_memory_size(size_t capacity, size_t element_size);

/*
 * Makes an empty queue in the caller's memory, aligned to ZOK_FALSE_SHARING, and gives it as *queue; it allocates nothing, and there is
 * nothing to finish: the memory is the caller's again when both sides have left. -EINVAL: memory too small or misaligned, or a size of 0 by
 * memory_size().
 */
ZOK_API int zok_spsc_init(struct zok_spsc **queue, void *memory, size_t memory_size, size_t capacity, size_t element_size);

/* The same in memory of its own. -EINVAL as above, -ENOMEM. */
ZOK_API int zok_spsc_create(struct zok_spsc **queue, size_t capacity, size_t element_size);

/* Frees what zok_spsc_create() made, once both sides have left. Elements in it are dropped. NULL is fine. */
ZOK_API void zok_spsc_destroy(struct zok_spsc *queue);

/* Producer: pushes the first 0 to n, published at once; returns how many. */
ZOK_API size_t zok_spsc_push(struct zok_spsc *queue, const void *items, size_t n);

/* Consumer: pops the oldest 0 to n; returns how many. */
ZOK_API size_t zok_spsc_pop(struct zok_spsc *queue, void *items, size_t n);

/* Any thread: how many elements there were a moment ago. */
ZOK_API size_t zok_spsc_count(const struct zok_spsc *queue);

ZOK_END_DECLS

#endif
