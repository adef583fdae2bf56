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

/* Nanoseconds on CLOCK_MONOTONIC's scale, from the core's calibrated clock. On a core or off it. */
ZOK_API uint64_t zok_now_ns(void);

/* Ready `delay_ns` after this call. */
ZOK_API void zok_timer_prepare(struct zok_timer *timer, uint64_t delay_ns);

/* Ready at a point of zok_now_ns()'s clock; at once if that has passed. */
ZOK_API void zok_timer_prepare_at(struct zok_timer *timer, uint64_t deadline_ns);

/* The time runs from this call, not from the first poll. */
ZOK_API void zok_timeout_prepare(struct zok_timeout *timeout, struct zok_future *part, uint64_t timeout_ns);

/* Suspends the fiber. 0, -ECANCELED or -ETIMEDOUT (its scope's deadline came first). */
ZOK_API int zok_sleep(uint64_t delay_ns);
ZOK_API int zok_sleep_until(uint64_t deadline_ns);

ZOK_END_DECLS

#endif
