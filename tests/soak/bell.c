#include "tests/soak/bell.h"

#include "core/counters.h"
#include "core/park.h"
#include "core/relax.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

unsigned bell_looks = BELL_LOOKS_LONE;

struct bell {
	struct zok__engine engine; /* first */
	struct zok__counters *counters;
	bool is_woken;				  /* atomic: park.h, second half, as in the real engines */
	_Alignas(ZOK_FALSE_SHARING) bool is_rung; /* atomic: what an eventfd's counter holds */
};

static struct bell *bell_of(struct zok__engine *engine)
{
	return (struct bell *)(void *)engine;
}

static int bell_create(struct zok__engine **out, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	struct bell *bell = aligned_alloc(_Alignof(struct bell), sizeof *bell);

	if (!bell)
		return -ENOMEM;
	*bell = (struct bell){.engine.ops = &bell_engine, .counters = options->counters};
	*out = &bell->engine;
	return 0;
}

static void bell_destroy(struct zok__engine *engine)
{
	free(engine);
}

static _Noreturn void refuse(const char *what)
{
	fprintf(stderr, "bell: %s: this engine only waits and wakes\n", what);
	abort();
}

static void bell_submit(struct zok__engine *engine, struct zok_op *op)
{
	refuse("an operation was submitted");
}

static void bell_cancel(struct zok__engine *engine, struct zok_op *op)
{
	refuse("an operation was cancelled");
}

static void bell_release(struct zok__engine *engine, struct zok_buf *buf)
{
	refuse("a buffer was given back");
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

/* Acquire pairs with bell_wake(): the bell rings for something that is there. */
static bool is_rung(const struct bell *bell)
{
	return __atomic_load_n(&bell->is_rung, __ATOMIC_ACQUIRE);
}

static void sleep_until(const struct bell *bell, uint64_t end_ns)
{
	for (unsigned looks = 1; !is_rung(bell); looks++) {
		zok__cpu_relax();
		if (looks % __atomic_load_n(&bell_looks, __ATOMIC_RELAXED) != 0)
			continue;
		if (end_ns != ZOK_NEVER && now_ns() >= end_ns)
			return;
		sched_yield();
	}
}

static int bell_wait(struct zok__engine *engine, uint64_t timeout_ns)
{
	struct bell *bell = bell_of(engine);

	if (timeout_ns > 0 && !is_rung(bell)) {
		zok__count(&bell->counters->stats.waits, 1);
		sleep_until(bell, timeout_ns == ZOK_NEVER ? ZOK_NEVER : now_ns() + timeout_ns);
	}
	if (is_rung(bell)) {
		/* Relaxed: nobody rings again before the next line. */
		__atomic_store_n(&bell->is_rung, false, __ATOMIC_RELAXED);
		zok__woken_clear(&bell->is_woken);
	}
	return 0;
}

static void bell_wake(struct zok__engine *engine)
{
	struct bell *bell = bell_of(engine);

	if (zok__woken_raise(&bell->is_woken))
		__atomic_store_n(&bell->is_rung, true, __ATOMIC_RELEASE);
}

static void bell_report(const struct zok__engine *engine, struct zok__engine_report *report)
{
	*report = (struct zok__engine_report){.engine = "bell", .mode = "park"};
}

const struct zok__engine_ops bell_engine = {
	.name = "bell",
	.create = bell_create,
	.destroy = bell_destroy,
	.submit = bell_submit,
	.cancel = bell_cancel,
	.wait = bell_wait,
	.wake = bell_wake,
	.release = bell_release,
	.report = bell_report,
};
