/*
 * Time: the core's clock, timers as futures, sleep. Called on a core unless a line says otherwise. A timer fires never early and at most
 * about a microsecond plus the loop's latency late; O(1) to start and to cancel, however many are pending.
 */
#ifndef ZOKIO_TIMER_H
#define ZOKIO_TIMER_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/timer_entry.h"

ZOK_BEGIN_DECLS

/* A future that is ready at a point in time, with result 0. */
struct zok_timer {
	struct zok_future future;
	struct zok_timer_entry entry;
	uint64_t deadline_ns;
};

/* A part with a limit: the part's result, or -ETIMEDOUT. The part is cancelled and awaited when time is up; a result that came first stands. */
struct zok_timeout {
	struct zok_future future;
	struct zok_waker waker;
	struct zok_future *part;
	struct zok_timer timer;
};

/* What becomes of the ticks of an interval that were due before its task came back for them. */
enum zok_missed {
	ZOK_MISSED_BURST, /* each is given, one a turn of the core's loop, until the interval has caught up: for what counts ticks. The phase is kept */
	ZOK_MISSED_SKIP, /* one tick stands for all of them, and the result says for how many; the next is on the grid again. The phase is kept */
	ZOK_MISSED_DELAY, /* one tick, and the next a whole period after it: two ticks are never nearer. The phase moves */
};

/* A stream of ticks: a future that is ready at each. Fields are private but `future`. */
struct zok_interval {
	struct zok_future future;
	struct zok_waker waker;
	struct zok_timer timer;
	uint64_t period_ns, next_ns;
	enum zok_missed missed;
};

/* Nanoseconds on CLOCK_MONOTONIC's scale, from the core's calibrated clock. On a core or off it. */
ZOK_API uint64_t zok_now_ns(void);

/* Ready `delay_ns` after this call. */
ZOK_API void zok_timer_prepare(struct zok_timer *timer, uint64_t delay_ns);

/* Ready at a point of zok_now_ns()'s clock; at once if that has passed. */
ZOK_API void zok_timer_prepare_at(struct zok_timer *timer, uint64_t deadline_ns);

/* The time runs from this call, not from the first poll. */
ZOK_API void zok_timeout_prepare(struct zok_timeout *timeout, struct zok_future *part, uint64_t timeout_ns);

/*
 * An interval whose first tick is at `first_ns` of zok_now_ns()'s clock (0: a period from now), the following at first_ns + n * period_ns. Nothing
 * runs between two waits, so nothing needs to be ended. -EINVAL: a period of 0, or no such policy.
 */
ZOK_API int zok_interval_init(struct zok_interval *interval, uint64_t first_ns, uint64_t period_ns, enum zok_missed missed);

/*
 * Suspends the fiber until the next tick; the loop of the core runs meanwhile, also where the tick is overdue. How many ticks this one stands for: 1, or
 * more with ZOK_MISSED_SKIP. -ECANCELED, -ETIMEDOUT: no tick was taken, the next wait has it.
 */
ZOK_API int64_t zok_interval_next(struct zok_interval *interval);

/* The same for a stackless task: prepare, then await interval->future, once for each tick. */
ZOK_API void zok_interval_next_prepare(struct zok_interval *interval);

/* Suspends the fiber. 0, -ECANCELED or -ETIMEDOUT (its scope's deadline came first). */
ZOK_API int zok_sleep(uint64_t delay_ns);
ZOK_API int zok_sleep_until(uint64_t deadline_ns);

ZOK_END_DECLS

#endif
