/* Timers as futures, sleep, and what the wheel's expiry does. */
#include "core/core.h"

#include "zokio/timer.h"

#include <errno.h>

static bool timer_poll(struct zok_future *future)
{
	struct zok_timer *timer = ZOK_CONTAINER_OF(future, struct zok_timer, future);

	if (future->state == ZOK_FUTURE_PREPARED) {
		future->state = ZOK_FUTURE_PENDING;
		zok__wheel_insert(&zok__core()->wheel, &timer->entry, timer->deadline_ns);
	}
	return false;
}

static void timer_cancel(struct zok_future *future)
{
	struct zok_timer *timer = ZOK_CONTAINER_OF(future, struct zok_timer, future);

	zok__wheel_cancel(&zok__core()->wheel, &timer->entry);
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops timer_ops = {.poll = timer_poll, .cancel = timer_cancel, .name = "a timer"};

void zok_timer_prepare_at(struct zok_timer *timer, uint64_t deadline_ns)
{
	zok_future_prepare(&timer->future, &timer_ops);
	timer->entry = (struct zok_timer_entry){0};
	timer->deadline_ns = deadline_ns < ZOK_NEVER ? deadline_ns : ZOK_NEVER - 1;
}

void zok_timer_prepare(struct zok_timer *timer, uint64_t delay_ns)
{
	uint64_t now_ns = zok_now_ns();

	zok_timer_prepare_at(timer, delay_ns < ZOK_NEVER - now_ns ? now_ns + delay_ns : ZOK_NEVER);
}

int zok_sleep_until(uint64_t deadline_ns)
{
	struct zok_timer timer;

	zok_timer_prepare_at(&timer, deadline_ns);
	return (int)zok_await(&timer.future);
}

int zok_sleep(uint64_t delay_ns)
{
	struct zok_timer timer;

	zok_timer_prepare(&timer, delay_ns);
	return (int)zok_await(&timer.future);
}

/* A scope's entry names its scope as owner; a timer's has none. */
static void expire(struct zok_timer_entry *entry)
{
	if (entry->owner)
		zok__scope_deadline_passed(entry->owner);
	else
		zok_future_complete(&ZOK_CONTAINER_OF(entry, struct zok_timer, entry)->future, 0);
}

void zok__timers_expire(struct zok_core *core)
{
	struct zok_timer_entry *entry;
	struct zok_list batch;
	uint64_t count = 0;

	zok_list_init(&batch);
	zok__wheel_expire(&core->wheel, core->now_ns, &batch);
	while ((entry = zok__wheel_pop(&batch)) != NULL) {
		expire(entry);
		count++;
	}
	if (count)
		zok__count(&core->counters->stats.timers_expired, count);
}

uint64_t zok_now_ns(void)
{
	struct zok_core *core = zok__core();

	return core ? zok__clock_now_ns(&core->clock) : zok__clock_os_ns();
}
