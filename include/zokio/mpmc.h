/*
 * A bounded queue from many producers to many consumers, made for bursts: the run queue of a blocking pool, the free list of a shared pool.
 *
 *	ZOK_MPMC(jobs, struct job *, 4096);                 declares struct jobs and jobs_init(), jobs_push()…
 *
 *	static struct jobs queue;
 *
 *	jobs_init(&queue);                                  before the threads meet
 *	if (!jobs_push(&queue, &job))                       any thread: full
 *		return -EAGAIN;
 *	n = jobs_pop_burst(&queue, batch, 32);              any thread: 0 to 32 of the oldest
 *
 * Elements are copied and must be trivially copyable. A capacity is a power of two, and all of it is used. A burst is pushed and popped as
 * one run of neighbours. Memory that is zero is an empty queue.
 *
 * How it works: a producer claims a run of indices by one compare-and-swap, fills the slots, and then publishes them in the order of the
 * claims; a consumer does the same at its end (the order of DPDK's rte_ring). So a burst costs one read-modify-write however long it is,
 * and slots hold nothing but elements. Beyond that each side keeps a copy of the other side's published index, shared by the threads of
 * that side, and looks at the real one only when the copy says "full" or "empty", as zokio/spsc.h does.
 *
 * What it costs: a thread that is preempted between its claim and its publication holds up those of its own side that claimed after it:
 * they spin. Meant for pinned threads, no more of them than processors. Not for signal handlers.
 */
#ifndef ZOKIO_MPMC_H
#define ZOKIO_MPMC_H

#include "zokio/atomic.h"

/* One side of the queue: what its threads share among themselves, and the one word that the other side reads. */
struct zok__mpmc_side {
	size_t claimed ZOK__ALIGNED(ZOK_FALSE_SHARING); /* the next index to claim */
	size_t other_seen;				/* what the other side's `done` was when one of us last looked */
	size_t done ZOK__ALIGNED(ZOK_FALSE_SHARING);	/* all indices below are filled (producers) or emptied (consumers) */
};

struct zok_mpmc_ends {
	struct zok__mpmc_side producers, consumers;
};

ZOK_STATIC_ASSERT(offsetof(struct zok__mpmc_side, done) - offsetof(struct zok__mpmc_side, claimed) >= ZOK_FALSE_SHARING,
		  "what the other side polls is not on the line that this side claims on");
ZOK_STATIC_ASSERT(sizeof(struct zok__mpmc_side) % ZOK_FALSE_SHARING == 0, "the sides share no line");

/*
 * Claims up to `wanted` indices of `side`; `lead` is how far it may run ahead of the other side's done (the capacity for producers, nothing
 * for consumers). Returns the count and the first index in *first.
 */
static inline size_t zok__mpmc_claim(struct zok__mpmc_side *side, const struct zok__mpmc_side *other, size_t lead, size_t wanted,
				     size_t *first)
{
	/* Relaxed, here and in the swap: a claim hands over no memory. `done` does, and every path below has acquired it. */
	size_t claimed = ZOK__LOAD(&side->claimed, RELAXED);
	size_t count;

	do {
		/*
		 * Acquire pairs with the release of whoever of our side wrote the copy: the slots were handed to it, and through it to us.
		 * Signed: a slow neighbour may have put an older copy back.
		 */
		ptrdiff_t free = (ptrdiff_t)(ZOK__LOAD(&side->other_seen, ACQUIRE) + lead - claimed);

		if (free < (ptrdiff_t)wanted) {
			/* Acquire pairs with the release in zok__mpmc_finish() of the other side: it is done with the slots. */
			size_t seen = ZOK__LOAD(&other->done, ACQUIRE);

			ZOK__STORE(&side->other_seen, seen, RELEASE);
			free = (ptrdiff_t)(seen + lead - claimed);
		}
		if (free <= 0)
			return 0;
		count = (size_t)free < wanted ? (size_t)free : wanted;
	} while (!ZOK__CAS(&side->claimed, &claimed, claimed + count, RELAXED));
	*first = claimed;
	return count;
}

/* Publishes the indices from `first` on, after those that were claimed before them. */
static inline void zok__mpmc_finish(struct zok__mpmc_side *side, size_t first, size_t count)
{
	/* Acquire: our release below vouches for the slots of the earlier claims too, so we must have seen them done. */
	while (ZOK__LOAD(&side->done, ACQUIRE) != first)
		ZOK__PAUSE();
	ZOK__STORE(&side->done, first + count, RELEASE);
}

/* Any thread: how many elements there were. Never above the capacity. */
static inline size_t zok__mpmc_count(const struct zok_mpmc_ends *ends, size_t capacity)
{
	/* Acquire: the producers' index is read after the consumers', so it is not behind it. */
	size_t head = ZOK__LOAD(&ends->consumers.done, ACQUIRE);
	size_t count = ZOK__LOAD(&ends->producers.done, RELAXED) - head;

	return count < capacity ? count : capacity;
}

/*
 * ZOK_MPMC(name, type, capacity): declares
 *	struct name                                                       align it as its type says: not with malloc, but aligned_alloc
 *	void name_init(struct name *)                                     empties it; no one may be at work
 *	bool name_push(struct name *, type const *)                       false when full
 *	bool name_pop(struct name *, type *)                              false when empty, *item untouched
 *	size_t name_push_burst(struct name *, type const *, size_t n)     pushes the first 0 to n, as neighbours
 *	size_t name_pop_burst(struct name *, type *, size_t n)            pops the oldest 0 to n
 *	size_t name_count(const struct name *)                            a moment's count
 */
#define ZOK_MPMC(name, type, capacity)                                                                               \
	ZOK__ASSERT_CAPACITY(capacity);                                                                              \
	ZOK__ASSERT_COPYABLE(type);                                                                                  \
	struct name {                                                                                                \
		struct zok_mpmc_ends ends;                                                                           \
		type slots[capacity] ZOK__ALIGNED(ZOK_FALSE_SHARING);                                                \
	};                                                                                                           \
	ZOK__GENERATED void name##_init(struct name *queue)                                                          \
	{                                                                                                            \
		queue->ends.producers.claimed = queue->ends.producers.other_seen = queue->ends.producers.done = 0;   \
		queue->ends.consumers.claimed = queue->ends.consumers.other_seen = queue->ends.consumers.done = 0;   \
	}                                                                                                            \
	ZOK__GENERATED size_t name##_push_burst(struct name *queue, type const *items, size_t n)                     \
	{                                                                                                            \
		size_t first = 0;                                                                                    \
		size_t count = zok__mpmc_claim(&queue->ends.producers, &queue->ends.consumers, capacity, n, &first); \
                                                                                                                     \
		for (size_t i = 0; i < count; i++)                                                                   \
			ZOK__PUT(&queue->slots[(first + i) & ((capacity)-1)], &items[i]);                            \
		if (count > 0)                                                                                       \
			zok__mpmc_finish(&queue->ends.producers, first, count);                                      \
		return count;                                                                                        \
	}                                                                                                            \
	ZOK__GENERATED size_t name##_pop_burst(struct name *queue, type *items, size_t n)                            \
	{                                                                                                            \
		size_t first = 0;                                                                                    \
		size_t count = zok__mpmc_claim(&queue->ends.consumers, &queue->ends.producers, 0, n, &first);        \
                                                                                                                     \
		for (size_t i = 0; i < count; i++)                                                                   \
			ZOK__GET(&items[i], &queue->slots[(first + i) & ((capacity)-1)]);                            \
		if (count > 0)                                                                                       \
			zok__mpmc_finish(&queue->ends.consumers, first, count);                                      \
		return count;                                                                                        \
	}                                                                                                            \
	ZOK__GENERATED bool name##_push(struct name *queue, type const *item)                                        \
	{                                                                                                            \
		return name##_push_burst(queue, item, 1) == 1;                                                       \
	}                                                                                                            \
	ZOK__GENERATED bool name##_pop(struct name *queue, type *item)                                               \
	{                                                                                                            \
		return name##_pop_burst(queue, item, 1) == 1;                                                        \
	}                                                                                                            \
	ZOK__GENERATED size_t name##_count(const struct name *queue)                                                 \
	{                                                                                                            \
		return zok__mpmc_count(&queue->ends, capacity);                                                      \
	}                                                                                                            \
	ZOK_STATIC_ASSERT(offsetof(struct name, slots) % ZOK_FALSE_SHARING == 0, "the slots share no line with the indices")

/*
 * The same with capacity and element size chosen at run time. The calls cost a function call and a copy of a size that the compiler does
 * not know: move bursts. Any thread may call both; `items` points to n elements of element_size bytes.
 */
struct zok_mpmc;

ZOK_BEGIN_DECLS

/* The bytes that zok_mpmc_init() needs; 0 if the capacity is no power of two above 1, the element size 0, or the product too large. */
ZOK_API size_t zok_mpmc_memory_size(size_t capacity, size_t element_size);

/*
 * Makes an empty queue in the caller's memory, aligned to ZOK_FALSE_SHARING, and gives it as *queue; it allocates nothing, and there is
 * nothing to finish: the memory is the caller's again when both sides have left. -EINVAL: memory too small or misaligned, or a size of 0 by
 * memory_size().
 */
ZOK_API int zok_mpmc_init(struct zok_mpmc **queue, void *memory, size_t memory_size, size_t capacity, size_t element_size);

/* The same in memory of its own. -EINVAL as above, -ENOMEM. */
ZOK_API int zok_mpmc_create(struct zok_mpmc **queue, size_t capacity, size_t element_size);

/* Frees what zok_mpmc_create() made, once both sides have left. Elements in it are dropped. NULL is fine. */
ZOK_API void zok_mpmc_destroy(struct zok_mpmc *queue);

/* Any thread: pushes the first 0 to n, published at once; returns how many. */
ZOK_API size_t zok_mpmc_push(struct zok_mpmc *queue, const void *items, size_t n);

/* Any thread: pops the oldest 0 to n; returns how many. */
ZOK_API size_t zok_mpmc_pop(struct zok_mpmc *queue, void *items, size_t n);

/* Any thread: how many elements there were a moment ago. */
ZOK_API size_t zok_mpmc_count(const struct zok_mpmc *queue);

ZOK_END_DECLS

#endif
