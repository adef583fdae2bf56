/*
 * A bounded work-stealing deque (Chase and Lev): its owner pushes and takes at one end like a stack, any other thread steals the oldest at
 * the other end. The owner pays no read-modify-write except for the very last element.
 *
 *	ZOK_DEQUE(runnable, struct task *, 256);            declares struct runnable and runnable_init(), runnable_push()…
 *
 *	static struct runnable deque;
 *
 *	runnable_init(&deque);
 *	if (!runnable_push(&deque, task))                   owner: full
 *		overflow(task);
 *	if (runnable_take(&deque, &task))                   owner: the newest
 *		run(task);
 *	switch (runnable_steal(&deque, &task)) {            any thread: the oldest
 *	case ZOK_STOLEN: run(task); break;
 *	case ZOK_STEAL_LOST: try_elsewhere(); break;        another was faster
 *	case ZOK_STEAL_EMPTY: break;
 *	}
 *
 * An element is read by thieves while the owner may overwrite it (the thief then loses and drops what it read), so it is one that the
 * machine loads and stores whole: 1, 2, 4 or 8 bytes. A capacity is a power of two, and all of it is used. Memory that is zero is an empty
 * deque.
 *
 * Stealing many. One swap for several elements is unsound where the owner takes: it does so without any swap as long as more than one element
 * is left, and so would take from the middle of what a thief is claiming. name_steal_burst() is therefore a run of single steals. An owner
 * that wants its elements in the order of their pushes (a scheduler whose tasks come back) never takes but claims the oldest like everybody
 * else; then nothing but a swap of `top` removes an element, one swap may remove many, and no fence is needed: name_claim_burst().
 *
 * Source: N. M. Lê, A. Pop, A. Cohen, F. Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models", PPoPP 2013, without
 * the growing array. Its orderings, with two changes that the model check (tests/model/) covers. Its push has a release fence before a
 * relaxed store of `bottom`; ours is a release store (plain on x86-64, one stlr on AArch64). As that fence also vouched for the store of
 * `bottom` that opens a later take, that one is a release store here. And its steal loads `top` with acquire, which the fence right after
 * it is already.
 */
#ifndef ZOKIO_DEQUE_H
#define ZOKIO_DEQUE_H

#include "zokio/atomic.h"

enum zok_steal { ZOK_STEAL_EMPTY, ZOK_STEAL_LOST, ZOK_STOLEN };

/* Indices count elements for ever, modulo the machine word; differences are signed because take() runs `bottom` one below `top`. */
struct zok_deque_ends {
	size_t top ZOK__ALIGNED(ZOK_FALSE_SHARING);    /* the oldest; only ever raised, by a swap of a thief or of the owner for the last */
	size_t bottom ZOK__ALIGNED(ZOK_FALSE_SHARING); /* owner: the next index to fill */
	size_t top_seen;			       /* owner: what `top` was when last looked at */
};

ZOK_STATIC_ASSERT(offsetof(struct zok_deque_ends, bottom) - offsetof(struct zok_deque_ends, top) >= ZOK_FALSE_SHARING,
		  "thieves do not write on the owner's lines");
ZOK_STATIC_ASSERT(sizeof(struct zok_deque_ends) % ZOK_FALSE_SHARING == 0, "the slots begin on lines of their own");

/* Owner: whether the slot at bottom is free. */
static inline bool zok__deque_has_room(struct zok_deque_ends *ends, size_t capacity)
{
	/* Relaxed: this side wrote it. */
	size_t bottom = ZOK__LOAD(&ends->bottom, RELAXED);

	/* As in zokio/spsc.h: look at the thieves' line only when the last look says "full". `top` only rises, so an old one is safe. */
	if (ZOK_UNLIKELY(bottom - ends->top_seen >= capacity))
		/* Acquire pairs with the swap that raised it: that thief has read the slot before we overwrite it. */
		ends->top_seen = ZOK__LOAD(&ends->top, ACQUIRE);
	return bottom - ends->top_seen < capacity;
}

/* Owner: the slot at bottom is filled. Release: a thief that sees the new bottom sees the element, and what it points to. */
static inline void zok__deque_publish(struct zok_deque_ends *ends)
{
	ZOK__STORE(&ends->bottom, ZOK__LOAD(&ends->bottom, RELAXED) + 1, RELEASE);
}

/* Any thread: raises top from `top` by one, unless another was first. */
static inline bool zok__deque_win(struct zok_deque_ends *ends, size_t top)
{
	/*
	 * Seq_cst as in the paper: C11's fences do not vouch for what their thread has only read, so that one thief's swap must itself
	 * stand in the order of the fences. (C++20's do, and there release would be enough.)
	 */
	return ZOK__CAS(&ends->top, &top, top + 1, SEQ_CST);
}

/* Owner: claims the newest; its index goes to *index. */
static inline bool zok__deque_take(struct zok_deque_ends *ends, size_t *index)
{
	size_t bottom = ZOK__LOAD(&ends->bottom, RELAXED) - 1;
	size_t top;
	bool is_won = true;

	/* Announce the claim, then look whether a thief is at the same element. Release: see the head of this file. */
	ZOK__STORE(&ends->bottom, bottom, RELEASE);
	/* Pairs with the fence in zok__deque_steal(): not both sides can miss what the other has written before its fence. */
	ZOK__FENCE_SEQ_CST();
	/* Relaxed: the fence orders it, and the owner needs nothing that thieves have written. */
	top = ZOK__LOAD(&ends->top, RELAXED);
	if (ZOK_LIKELY((ptrdiff_t)(bottom - top) > 0)) {
		*index = bottom;
		return true;
	}
	/* The last one is won like a steal; with none at all there is nothing to win. Relaxed: the fence above vouches for what was pushed. */
	is_won = bottom == top && zok__deque_win(ends, top);
	ZOK__STORE(&ends->bottom, bottom + 1, RELAXED);
	if (is_won)
		*index = bottom;
	return is_won;
}

/* Thief: whether there is an oldest element, and its index. The caller reads the slot and then has to win it. */
static inline bool zok__deque_oldest(struct zok_deque_ends *ends, size_t *index)
{
	/* Relaxed: the fence below orders it, and acquires whatever it read. */
	size_t top = ZOK__LOAD(&ends->top, RELAXED);

	/* Pairs with the fence in zok__deque_take(). */
	ZOK__FENCE_SEQ_CST();
	/* Acquire pairs with the release in zok__deque_publish(): the elements below are there. */
	if ((ptrdiff_t)(ZOK__LOAD(&ends->bottom, ACQUIRE) - top) <= 0)
		return false;
	*index = top;
	return true;
}

/* Any thread, where the owner never takes: how many elements may be claimed from *first on, at most `wanted`, if the swap is won. */
static inline size_t zok__deque_claimable(struct zok_deque_ends *ends, size_t wanted, size_t *first)
{
	/* Relaxed: an old one makes the swap fail. */
	size_t top = ZOK__LOAD(&ends->top, RELAXED);
	/* Acquire pairs with the release in zok__deque_publish(): the elements below are there. */
	ptrdiff_t count = (ptrdiff_t)(ZOK__LOAD(&ends->bottom, ACQUIRE) - top);

	*first = top;
	if (count <= 0)
		return 0;
	return (size_t)count < wanted ? (size_t)count : wanted;
}

/* Release pairs with the acquire in zok__deque_has_room(): what we have read from the slots we have read before the owner fills them again. */
static inline bool zok__deque_win_many(struct zok_deque_ends *ends, size_t first, size_t count)
{
	return ZOK__CAS(&ends->top, &first, first + count, RELEASE);
}

/* Any thread: how many elements there were; 0 to the capacity. */
static inline size_t zok__deque_count(const struct zok_deque_ends *ends, size_t capacity)
{
	/* Acquire: the bottom is read after the top. */
	size_t top = ZOK__LOAD(&ends->top, ACQUIRE);
	ptrdiff_t count = (ptrdiff_t)(ZOK__LOAD(&ends->bottom, RELAXED) - top);

	if (count <= 0)
		return 0;
	return (size_t)count < capacity ? (size_t)count : capacity;
}

/*
 * ZOK_DEQUE(name, type, capacity): declares
 *	struct name                                                       align it as its type says: not with malloc, but aligned_alloc
 *	void name_init(struct name *)                                     empties it; no one may be at work
 *	bool name_push(struct name *, type)                               owner: false when full
 *	bool name_take(struct name *, type *)                             owner: the newest; false when empty, *item untouched
 *	enum zok_steal name_steal(struct name *, type *)                  any thread: the oldest; *item untouched unless ZOK_STOLEN
 *	size_t name_steal_burst(struct name *, type *, size_t n)          any thread: up to n of the oldest, at most half (one of one) of
 *	                                                                  those there; it ends early when another thief is faster
 *	size_t name_claim_burst(struct name *, type *, size_t n)          any thread, if the owner never takes: up to n of the oldest;
 *	                                                                  0 also where another was faster
 *	size_t name_count(const struct name *)                            any thread: a moment's count
 */
#define ZOK_DEQUE(name, type, capacity)                                                                                                  \
	ZOK__ASSERT_CAPACITY(capacity);                                                                                                  \
	ZOK__ASSERT_COPYABLE(type);                                                                                                      \
	ZOK_STATIC_ASSERT(sizeof(type) <= 8 && (sizeof(type) & (sizeof(type) - 1)) == 0, "an element of a deque is 1, 2, 4 or 8 bytes"); \
	struct name {                                                                                                                    \
		struct zok_deque_ends ends;                                                                                              \
		type slots[capacity] ZOK__ALIGNED(ZOK_FALSE_SHARING);                                                                    \
	};                                                                                                                               \
	ZOK__GENERATED void name##_init(struct name *deque)                                                                              \
	{                                                                                                                                \
		deque->ends.top = deque->ends.bottom = deque->ends.top_seen = 0;                                                         \
	}                                                                                                                                \
	ZOK__GENERATED type *name##_slot(struct name *deque, size_t index)                                                               \
	{                                                                                                                                \
		return &deque->slots[index & ((capacity)-1)];                                                                            \
	}                                                                                                                                \
	ZOK__GENERATED bool name##_push(struct name *deque, type item)                                                                   \
	{                                                                                                                                \
		if (!zok__deque_has_room(&deque->ends, capacity))                                                                        \
			return false;                                                                                                    \
		/* Relaxed: the release of bottom publishes it. */                                                                       \
		ZOK__STORE_ELEMENT(name##_slot(deque, ZOK__LOAD(&deque->ends.bottom, RELAXED)), &item, RELAXED);                         \
		zok__deque_publish(&deque->ends);                                                                                        \
		return true;                                                                                                             \
	}                                                                                                                                \
	ZOK__GENERATED bool name##_take(struct name *deque, type *item)                                                                  \
	{                                                                                                                                \
		size_t index = 0;                                                                                                        \
                                                                                                                                         \
		if (!zok__deque_take(&deque->ends, &index))                                                                              \
			return false;                                                                                                    \
		ZOK__LOAD_ELEMENT(name##_slot(deque, index), item, RELAXED);                                                             \
		return true;                                                                                                             \
	}                                                                                                                                \
	ZOK__GENERATED enum zok_steal name##_steal(struct name *deque, type *item)                                                       \
	{                                                                                                                                \
		type copy;                                                                                                               \
		size_t index = 0;                                                                                                        \
                                                                                                                                         \
		if (!zok__deque_oldest(&deque->ends, &index))                                                                            \
			return ZOK_STEAL_EMPTY;                                                                                          \
		/* Relaxed: what it held is kept only if no one, so also not the owner, came between. */                                 \
		ZOK__LOAD_ELEMENT(name##_slot(deque, index), &copy, RELAXED);                                                            \
		if (!zok__deque_win(&deque->ends, index))                                                                                \
			return ZOK_STEAL_LOST;                                                                                           \
		*item = copy;                                                                                                            \
		return ZOK_STOLEN;                                                                                                       \
	}                                                                                                                                \
	ZOK__GENERATED size_t name##_steal_burst(struct name *deque, type *items, size_t n)                                              \
	{                                                                                                                                \
		size_t half = (zok__deque_count(&deque->ends, capacity) + 1) / 2;                                                        \
		size_t count = 0;                                                                                                        \
                                                                                                                                         \
		while (count < n && count < half && name##_steal(deque, &items[count]) == ZOK_STOLEN)                                    \
			count++;                                                                                                         \
		return count;                                                                                                            \
	}                                                                                                                                \
	ZOK__GENERATED size_t name##_claim_burst(struct name *deque, type *items, size_t n)                                              \
	{                                                                                                                                \
		size_t first = 0;                                                                                                        \
		size_t count = zok__deque_claimable(&deque->ends, n < (capacity) ? n : (capacity), &first);                              \
                                                                                                                                         \
		/* Relaxed: what they held is kept only if the swap is won. */                                                           \
		for (size_t i = 0; i < count; i++)                                                                                       \
			ZOK__LOAD_ELEMENT(name##_slot(deque, first + i), &items[i], RELAXED);                                            \
		return count > 0 && zok__deque_win_many(&deque->ends, first, count) ? count : 0;                                         \
	}                                                                                                                                \
	ZOK__GENERATED size_t name##_count(const struct name *deque)                                                                     \
	{                                                                                                                                \
		return zok__deque_count(&deque->ends, capacity);                                                                         \
	}                                                                                                                                \
	ZOK_STATIC_ASSERT(offsetof(struct name, slots) % ZOK_FALSE_SHARING == 0, "the slots share no line with the indices")

/* The same for pointers, with the capacity chosen at run time. */
struct zok_deque;

ZOK_BEGIN_DECLS

/* The bytes that zok_deque_init() needs, or 0 if the capacity is no power of two above 1, or too large. */
ZOK_API size_t zok_deque_memory_size(size_t capacity);

/*
 * Makes an empty deque in the caller's memory, aligned to ZOK_FALSE_SHARING, and gives it as *deque; it allocates nothing, and there is
 * nothing to finish: the memory is the caller's again when owner and thieves have left. -EINVAL: memory too small or misaligned, or a size
 * of 0 by memory_size().
 */
ZOK_API int zok_deque_init(struct zok_deque **deque, void *memory, size_t memory_size, size_t capacity);

/* The same in memory of its own. -EINVAL as above, -ENOMEM. */
ZOK_API int zok_deque_create(struct zok_deque **deque, size_t capacity);

/* Frees what zok_deque_create() made, once owner and thieves have left. NULL is fine. */
ZOK_API void zok_deque_destroy(struct zok_deque *deque);

/* Owner: false when full. */
ZOK_API bool zok_deque_push(struct zok_deque *deque, void *item);

/* Owner: the newest; false when empty, *item untouched. */
ZOK_API bool zok_deque_take(struct zok_deque *deque, void **item);

/* Any thread: the oldest; *item untouched unless ZOK_STOLEN. */
ZOK_API enum zok_steal zok_deque_steal(struct zok_deque *deque, void **item);

/* Any thread: how many elements there were a moment ago. */
ZOK_API size_t zok_deque_count(const struct zok_deque *deque);

ZOK_END_DECLS

#endif
