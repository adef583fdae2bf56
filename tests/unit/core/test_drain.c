/* The drain of a core is awaited, asked for, and told once; a cancel leaves the line. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/drain.h"
#include "zokio/timer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int waits(void *arg)
{
	assert_false(zok_is_draining());
	assert_int_equal(zok_drain_wait(), 0);
	assert_true(zok_is_draining());
	++*(int *)arg;
	return 0;
}

static int gives_up_waiting(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = ZOK_MS});

	assert_int_equal(zok_drain_wait(), -ETIMEDOUT);
	*(bool *)arg = true;
	return zok_scope_close(scope, 0) == -ETIMEDOUT ? 0 : -EPROTO;
}

static int drains(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	bool has_given_up = false;
	int count = 0;

	for (int i = 0; i < 3; i++)
		zok_spawn(scope, waits, &count, NULL);
	zok_spawn(scope, gives_up_waiting, &has_given_up, NULL);
	zok_spawn(scope, waits, &count, NULL);
	while (!has_given_up)
		zok_sleep(ZOK_MS);
	assert_int_equal(count, 0);
	zok__core_drain(zok__core());
	zok__core_drain(zok__core());
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(count, 4);
	assert_int_equal(zok_drain_wait(), 0);
	return 0;
}

static void test_all_who_wait_are_told(void **state)
{
	assert_int_equal(fake_run(drains, NULL), 0);
}

/* ---- One poll at a time ---- */

struct counter {
	struct zok_waker waker;
	unsigned count;
};

static void count_wake(struct zok_waker *waker)
{
	ZOK_CONTAINER_OF(waker, struct counter, waker)->count++;
}

struct door {
	struct zok__core_part part;
	unsigned told;
};

static void count_drain(struct zok__core_part *part)
{
	ZOK_CONTAINER_OF(part, struct door, part)->told++;
}

static int polls(void *arg)
{
	struct counter before = {.waker.wake = count_wake}, after = before;
	struct door door = {.part.drain = count_drain};
	struct zok_core *core = zok__core();
	struct zok_drain drain, late;

	zok_drain_prepare(&drain);
	assert_false(zok_future_poll(&drain.future, &before.waker));
	assert_false(zok_future_poll(&drain.future, &before.waker)); /* as after a wake for nothing: it stands in the line once */
	core->net = &door.part;
	zok__core_drain(core);
	zok__core_drain(core);
	core->net = NULL;
	assert_int_equal(door.told, 1);
	assert_int_equal(before.count, 1);
	assert_true(zok_future_poll(&drain.future, &before.waker));
	zok_drain_prepare(&late);
	assert_true(zok_future_poll(&late.future, &after.waker));
	assert_int_equal(late.future.state, ZOK_FUTURE_READY);
	assert_int_equal(after.count, 0); /* who polls is not woken as well */
	return 0;
}

static void test_each_is_told_once_and_who_comes_late_at_once(void **state)
{
	assert_int_equal(fake_run(polls, NULL), 0);
}

static void test_off_the_cores_nothing_drains(void **state)
{
	assert_false(zok_is_draining());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_who_wait_are_told),
		cmocka_unit_test(test_each_is_told_once_and_who_comes_late_at_once),
		cmocka_unit_test(test_off_the_cores_nothing_drains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
