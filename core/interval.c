/* Ticks: a timer that is set again by whoever waits for the next. A tick is taken when its timer fires, and by nothing else. */
#include "core/core.h"

#include "zokio/timer.h"

#include <errno.h>

static uint64_t add_or_never(uint64_t a_ns, uint64_t b_ns)
{
	return b_ns < ZOK_NEVER - a_ns ? a_ns + b_ns : ZOK_NEVER;
}

/* How many ticks the one that fires stands for. */
static int64_t take_tick(struct zok_interval *interval, uint64_t now_ns)
{
	uint64_t late_ns = now_ns > interval->next_ns ? now_ns - interval->next_ns : 0, count = 1;

	if (interval->missed == ZOK_MISSED_DELAY) {
		interval->next_ns = add_or_never(interval->next_ns + late_ns, interval->period_ns);
		return 1;
	}
	if (interval->missed == ZOK_MISSED_SKIP)
		count += late_ns / interval->period_ns;
	/* All but the last are in the past, so that only that can overflow. */
	interval->next_ns = add_or_never(interval->next_ns + (count - 1) * interval->period_ns, interval->period_ns);
	return (int64_t)count;
}

static void fired(struct zok_waker *waker)
{
	struct zok_interval *interval = ZOK_CONTAINER_OF(waker, struct zok_interval, waker);
	ssize_t rc = interval->timer.future.result;

	zok_future_complete(&interval->future, rc < 0 ? rc : take_tick(interval, zok_now_ns()));
}

/* Through the wheel also where the tick is overdue: a task that is always late still lets others run, and a cancel reaches it. */
static bool interval_poll(struct zok_future *future)
{
	struct zok_interval *interval = ZOK_CONTAINER_OF(future, struct zok_interval, future);

	if (future->state == ZOK_FUTURE_PREPARED) {
		future->state = ZOK_FUTURE_PENDING;
		zok_timer_prepare_at(&interval->timer, interval->next_ns);
		zok_future_poll(&interval->timer.future, &interval->waker);
	}
	return false;
}

static void interval_cancel(struct zok_future *future)
{
	zok_future_cancel(&ZOK_CONTAINER_OF(future, struct zok_interval, future)->timer.future);
}

static const struct zok_future_ops interval_ops = {.poll = interval_poll, .cancel = interval_cancel, .name = "an interval's tick"};

int zok_interval_init(struct zok_interval *interval, uint64_t first_ns, uint64_t period_ns, enum zok_missed missed)
{
	if (period_ns == 0 || (unsigned)missed > ZOK_MISSED_DELAY)
		return -EINVAL;
	*interval = (struct zok_interval){
		.waker.wake = fired,
		.period_ns = period_ns,
		.next_ns = first_ns ? first_ns : add_or_never(zok_now_ns(), period_ns),
		.missed = missed,
	};
	zok_interval_next_prepare(interval);
	return 0;
}

void zok_interval_next_prepare(struct zok_interval *interval)
{
	zok_future_prepare(&interval->future, &interval_ops);
}

int64_t zok_interval_next(struct zok_interval *interval)
{
	zok_interval_next_prepare(interval);
	return zok_await(&interval->future);
}
