/*
 * Futures: what a task can await.
 *
 * A future lives in its caller's memory. It is *prepared* (its fields are filled, nothing runs), *pending* (started, and owned by whoever will
 * complete it), or *ready* (its result stands, its memory is the caller's again). It is started by the first poll, not by prepare, so that a
 * future that is never awaited costs nothing and a cancelled task starts nothing new.
 *
 * Lifetime, in four rules:
 *  1. From the poll that started it until it is ready, neither the future nor the buffers that it names may be moved, freed or reused.
 *  2. Cancel asks; it never abandons. A cancelled future still becomes ready, with -ECANCELED or with its real result where that came first,
 *     and only then is rule 1 over.
 *  3. A waker may be woken more often than needed: it says "look again", never "it is done".
 *  4. Everything here runs on the core that polled the future first. No lock, no atomic.
 *
 * Tasks and fibers await through zok_await() (task.h) or ZOK_AWAIT (async.h); poll is for those who write futures of their own.
 */
#ifndef ZOKIO_FUTURE_H
#define ZOKIO_FUTURE_H

#include "zokio/base.h"

ZOK_BEGIN_DECLS

/* Who is told that a future may have become ready. Embedded in a task, a combinator, or whatever else polls. */
struct zok_waker {
	void (*wake)(struct zok_waker *waker);
};

struct zok_future;

/* What a kind of future can do. Both are called on the owning core and never suspend. */
struct zok_future_ops {
	/*
	 * Starts the future if it is prepared, looks again if it is pending. Returns whether it is ready. When it is not, it has kept
	 * future->waker and will wake it.
	 */
	bool (*poll)(struct zok_future *future);

	/* Asks a pending future to end early. May make it ready before it returns, or later. */
	void (*cancel)(struct zok_future *future);

	const char *name; /* for reports of who awaits what: "a timer". NULL: "a future" */
};

enum zok_future_state {
	ZOK_FUTURE_PREPARED = 0,
	ZOK_FUTURE_PENDING,
	ZOK_FUTURE_READY,
};

struct zok_future {
	const struct zok_future_ops *ops;
	struct zok_waker *waker; /* whom to wake; NULL while nobody waits */
	ssize_t result;		 /* stands once the state is ready */
	uint8_t state;		 /* enum zok_future_state */
	bool is_shielded;	 /* the cancel of a scope passes it by: close, joins */
	bool is_canceled;	 /* a cancel was asked for while it was pending */
};

/* The state before the first poll, for those who write futures of their own. A future can be prepared again once it is ready. */
static inline void zok_future_prepare(struct zok_future *future, const struct zok_future_ops *ops)
{
	future->ops = ops;
	future->waker = NULL;
	future->result = 0;
	future->state = ZOK_FUTURE_PREPARED;
	future->is_shielded = false;
	future->is_canceled = false;
}

static inline bool zok_future_is_ready(const struct zok_future *future)
{
	return future->state == ZOK_FUTURE_READY;
}

/* Starts or looks again; returns whether it is ready. When it is not, `waker` will be woken. Only the waker of the last poll counts. */
static inline bool zok_future_poll(struct zok_future *future, struct zok_waker *waker)
{
	if (future->state == ZOK_FUTURE_READY)
		return true;
	future->waker = waker;
	return future->ops->poll(future);
}

/* Makes a future ready and wakes who waits for it. For those who write futures; a future is completed once. */
static inline void zok_future_complete(struct zok_future *future, ssize_t result)
{
	struct zok_waker *waker = future->waker;

	future->result = result;
	future->state = ZOK_FUTURE_READY;
	future->waker = NULL;
	if (waker)
		waker->wake(waker);
}

/* Asks for an early end; see rule 2. A prepared future becomes ready with -ECANCELED without having started; a ready one stays as it is. */
static inline void zok_future_cancel(struct zok_future *future)
{
	if (future->state == ZOK_FUTURE_PREPARED) {
		zok_future_complete(future, -ECANCELED);
	} else if (future->state == ZOK_FUTURE_PENDING && !future->is_canceled) {
		future->is_canceled = true;
		future->ops->cancel(future);
	}
}

/* ---- Combinators. Each is a future over futures; the parts are the caller's, and rule 1 covers them until the whole is ready. ---- */

/* All of several: ready when each part is. Its result is the first negative result by index, or 0. */
struct zok_join {
	struct zok_future future;
	struct zok_waker waker;
	struct zok_future *const *parts;
	size_t part_count;
};

/* A join of many: it knows which of its parts have woken it, and looks at no others. A small join is better off with zok_join. */
struct zok_join_many {
	struct zok_future future;
	struct zok_future *const *parts;
	size_t part_count;
	struct zok_join_seat *seats, *woken;
	size_t left; /* parts that are not ready */
};

/* What a part of it is woken through. Private. */
struct zok_join_seat {
	struct zok_waker waker;
	struct zok_join_many *join;
	struct zok_join_seat *next; /* woken as well */
	bool is_woken, is_ready;
};

/* First of several: the first part to be ready wins, the others are cancelled and awaited. Its result is the index of the winner. */
struct zok_race {
	struct zok_future future;
	struct zok_waker waker;
	struct zok_future *const *parts;
	size_t part_count;
	ssize_t winner; /* -1 while there is none */
};

/* The part's result through a function, at once when it comes. */
struct zok_map {
	struct zok_future future;
	struct zok_waker waker;
	struct zok_future *part;
	ssize_t (*map)(ssize_t result, void *arg);
	void *arg;
};

/* One future after another: `next` is given the first's result and names the second, or NULL to end with that result. */
struct zok_then {
	struct zok_future future;
	struct zok_waker waker;
	struct zok_future *part;
	struct zok_future *(*next)(ssize_t result, void *arg);
	void *arg;
};

/* `parts` must stay until the join is ready. With no parts it is ready at once. A cancel cancels every part. */
ZOK_API void zok_join_prepare(struct zok_join *join, struct zok_future *const *parts, size_t part_count);

/* The same with `seats`, part_count of them and the join's until it is ready: n wakes cost n polls, where a zok_join's cost n * part_count. */
ZOK_API void zok_join_many_prepare(struct zok_join_many *join, struct zok_future *const *parts, size_t part_count,
				   struct zok_join_seat *seats);

/*
 * A part that is ready when the race is first polled wins without the later ones being started. A loser whose real result came before its
 * cancel keeps it: look at the parts' own results. Without parts the result is -EINVAL. A cancel cancels every part; the result is then
 * -ECANCELED, unless a part was ready before.
 */
ZOK_API void zok_race_prepare(struct zok_race *race, struct zok_future *const *parts, size_t part_count);

/* `map` runs on the owning core and may not suspend. It is called also with negative results. */
ZOK_API void zok_map_prepare(struct zok_map *map, struct zok_future *part, ssize_t (*fn)(ssize_t result, void *arg), void *arg);

/* `next` runs on the owning core and may not suspend. A cancel reaches the part that is running; `next` is still asked with its result. */
ZOK_API void zok_then_prepare(struct zok_then *then, struct zok_future *part, struct zok_future *(*next)(ssize_t result, void *arg),
			      void *arg);

ZOK_END_DECLS

#endif
