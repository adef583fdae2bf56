/*
 * An unbounded queue from many producers to one consumer, linked through the elements themselves: work injected into a core from threads
 * that are none. It allocates nothing, and a push is one exchange and one store, whatever the others do.
 *
 *	struct request {
 *		struct zok_mpsc_node link;
 *		int fd;
 *	};
 *	ZOK_MPSC(inbox, struct request, link);              declares struct inbox and inbox_init(), inbox_push()…
 *
 *	if (inbox_push(&queue, request))                    any thread: it was empty, so the consumer may be asleep
 *		wake(consumer);
 *
 *	for (;;) {                                          consumer
 *		while ((request = inbox_pop(&queue)))
 *			serve(request);
 *		if (inbox_is_empty(&queue))                 pop's NULL alone is not enough: see below
 *			sleep_until_woken();
 *	}
 *
 * An element belongs to the queue from its push until its pop returns it. Elements of one producer leave in the order of their pushes.
 *
 * Sleeping. A producer is, for two instructions, between its exchange and its link; then pop() returns NULL although the queue is not
 * empty. So a consumer sleeps only when is_empty() says so, and the promise is: after is_empty() was true, the next push returns true. The
 * wake-up that follows must not be lost either. With one that lasts until it is consumed (an eventfd, a semaphore, a flag that is
 * exchanged) the loop above is right as it stands: a wake-up that comes between is_empty() and the sleep, or that was sent for an element
 * popped long since, makes the sleep return at once, and the loop looks again. Never consume one after is_empty() and sleep all the same.
 *
 * Source: D. Vyukov, "Intrusive MPSC node-based queue" (1024cores.net). is_empty() and push()'s answer are ours: the stub is the newest
 * element exactly when all else has been popped.
 */
#ifndef ZOKIO_MPSC_H
#define ZOKIO_MPSC_H

#include "zokio/atomic.h"

struct zok_mpsc_node {
	struct zok_mpsc_node *next;
};

struct zok_mpsc {
	struct zok_mpsc_node *newest ZOK__ALIGNED(ZOK_FALSE_SHARING); /* producers: exchanged by each push */
	struct zok_mpsc_node *oldest ZOK__ALIGNED(ZOK_FALSE_SHARING); /* consumer's own: the next to pop, or the stub */
	struct zok_mpsc_node stub;				      /* stands in the list where it would be empty */
};

ZOK_STATIC_ASSERT(offsetof(struct zok_mpsc, oldest) - offsetof(struct zok_mpsc, newest) >= ZOK_FALSE_SHARING,
		  "producers do not write on the consumer's lines");

/* Empties the queue; no one may be at work on it. Unlike the bounded queues it needs this: zeroed memory is no queue. */
static inline void zok_mpsc_init(struct zok_mpsc *queue)
{
	queue->stub.next = NULL;
	queue->newest = queue->oldest = &queue->stub;
}

/* Any thread: appends a chain of elements, linked by `next` from `first` to `last`, at one go. Returns whether the queue was empty. */
static inline bool zok_mpsc_push_chain(struct zok_mpsc *queue, struct zok_mpsc_node *first, struct zok_mpsc_node *last)
{
	struct zok_mpsc_node *previous;

	/* Relaxed: no one else knows `last` yet; the exchange publishes it. */
	ZOK__STORE(&last->next, (struct zok_mpsc_node *)NULL, RELAXED);
	/* Release: the next producer stores into last->next, after our NULL. Acquire: the same for us and the producer before. */
	previous = ZOK__EXCHANGE(&queue->newest, last, ACQ_REL);
	/* Release pairs with the acquire in zok__mpsc_next(): who follows the link sees the element that it leads to. */
	ZOK__STORE(&previous->next, first, RELEASE);
	return previous == &queue->stub;
}

/* Any thread: appends one element. Returns whether the queue was empty, so that the consumer may need to be woken. */
static inline bool zok_mpsc_push(struct zok_mpsc *queue, struct zok_mpsc_node *node)
{
	return zok_mpsc_push_chain(queue, node, node);
}

static inline struct zok_mpsc_node *zok__mpsc_next(const struct zok_mpsc_node *node)
{
	/* Acquire pairs with the release in zok_mpsc_push_chain(). */
	return ZOK__LOAD(&node->next, ACQUIRE);
}

/* Consumer: takes the oldest element. NULL when there is none, or when the producer of the next has not linked it yet. */
static inline struct zok_mpsc_node *zok_mpsc_pop(struct zok_mpsc *queue)
{
	struct zok_mpsc_node *oldest = queue->oldest;
	struct zok_mpsc_node *next = zok__mpsc_next(oldest);

	if (oldest == &queue->stub) {
		if (!next)
			return NULL;
		queue->oldest = oldest = next;
		next = zok__mpsc_next(oldest);
	}
	if (!next) {
		/*
		 * It has no successor: it is the last, or a producer is about to link one. Relaxed: either answer is safe, for
		 * what an outdated "last" leads to is decided by the exchange of the push below.
		 */
		if (ZOK__LOAD(&queue->newest, RELAXED) != oldest)
			return NULL;
		/* The last can leave only when something stands behind it. */
		zok_mpsc_push(queue, &queue->stub);
		next = zok__mpsc_next(oldest);
		if (!next)
			return NULL;
	}
	queue->oldest = next;
	return oldest;
}

/* Consumer: whether there is nothing, not even an element about to be linked. If true, the next push returns true. */
static inline bool zok_mpsc_is_empty(const struct zok_mpsc *queue)
{
	/* Relaxed: `newest` leaves the stub only through a push that thereby returns true; seeing that late loses nothing. */
	return queue->oldest == &queue->stub && ZOK__LOAD(&queue->newest, RELAXED) == &queue->stub;
}

/*
 * ZOK_MPSC(name, type, member): for elements of `type` with a struct zok_mpsc_node `member`; declares
 *	struct name
 *	void name_init(struct name *)                                     no one may be at work
 *	bool name_push(struct name *, type *)                             any thread: whether it was empty
 *	type *name_pop(struct name *)                                     consumer: NULL when there is nothing to take now
 *	bool name_is_empty(const struct name *)                           consumer: whether it may sleep
 */
#define ZOK_MPSC(name, type, member)                                       \
	struct name {                                                      \
		struct zok_mpsc queue;                                     \
	};                                                                 \
	ZOK__GENERATED void name##_init(struct name *typed)                \
	{                                                                  \
		zok_mpsc_init(&typed->queue);                              \
	}                                                                  \
	ZOK__GENERATED bool name##_push(struct name *typed, type *item)    \
	{                                                                  \
		return zok_mpsc_push(&typed->queue, &item->member);        \
	}                                                                  \
	ZOK__GENERATED type *name##_pop(struct name *typed)                \
	{                                                                  \
		struct zok_mpsc_node *node = zok_mpsc_pop(&typed->queue);  \
                                                                           \
		return node ? ZOK_CONTAINER_OF(node, type, member) : NULL; \
	}                                                                  \
	ZOK__GENERATED bool name##_is_empty(const struct name *typed)      \
	{                                                                  \
		return zok_mpsc_is_empty(&typed->queue);                   \
	}                                                                  \
	ZOK_STATIC_ASSERT(offsetof(type, member) < sizeof(type), "the link is a member of the element")

#endif
