/* The tick starts when it is asked for and stops when nobody asks; and a task that asks whether it is due believes the clock alone. */
#include "core/tick.h"

#include "tests/unit/core/fake_engine.h"
#include "zokio/timer.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- The thread. What it never does ends in the alarm. ---- */

enum { PERIOD_NS = 20000, LONG_PERIOD_NS = 500000, WATCHDOG_S = 50 };

static bool is_stopped(void)
{
	return zok__tick_count() == ZOK__TICK_STOPPED;
}

static void ask_until_it_runs(void)
{
	while (is_stopped()) {
		zok__tick_wanted();
		sched_yield();
	}
}

static void wait_until_it_stops(void)
{
	while (!is_stopped())
		sched_yield();
}

static void test_nobody_asks_nothing_ticks(void **state)
{
	zok__tick_stop(); /* of what was never started */
	assert_true(is_stopped());
	assert_int_equal(zok__tick_start(PERIOD_NS), 0);
	for (int i = 0; i < 1000; i++) {
		assert_true(is_stopped());
		sched_yield();
	}
	zok__tick_stop();
	assert_true(is_stopped());
}

static void test_it_starts_when_asked_and_stops_when_nobody_asks(void **state)
{
	assert_int_equal(zok__tick_start(PERIOD_NS), 0);
	for (int i = 0; i < 3; i++) {
		ask_until_it_runs();
		wait_until_it_stops();
	}
	zok__tick_stop();
}

/* Over three times as many ticks as it goes on for unasked. */
static void test_it_goes_on_while_asked(void **state)
{
	uint64_t count = 0, before;
	int stops = 0;

	assert_int_equal(zok__tick_start(LONG_PERIOD_NS), 0);
	ask_until_it_runs();
	while (count < 200 || count == ZOK__TICK_STOPPED) {
		before = count;
		zok__tick_wanted();
		sched_yield();
		count = zok__tick_count();
		stops += count == ZOK__TICK_STOPPED && before != ZOK__TICK_STOPPED;
	}
	zok__tick_stop();
	assert_true(is_stopped());
	assert_in_range(stops, 0, 1); /* three if nobody listened; one is granted to a machine so busy that this thread stood still */
}

static void test_it_ends_in_every_state_and_can_begin_again(void **state)
{
	for (int i = 0; i < 300; i++) {
		assert_int_equal(zok__tick_start(PERIOD_NS), 0);
		if (i % 3 == 1)
			zok__tick_wanted(); /* perhaps before it sleeps */
		if (i % 3 == 2)
			ask_until_it_runs();
		zok__tick_stop();
		assert_true(is_stopped());
	}
}

/* ---- What a task makes of it: time and ticks are the test's ---- */

static uint64_t virtual_ns;
static int clock_reads;

static uint64_t read_virtual(void *context)
{
	clock_reads++;
	return virtual_ns;
}

static const struct zok__clock_source virtual_time = {.name = "virtual", .now_ns = read_virtual};

static void set_tick(uint64_t count)
{
	__atomic_store_n(&zok__tick.count, count, __ATOMIC_RELAXED);
}

/* A new slice of 200 µs begins, at the tick `count` (which may be one that stands still already). */
static void begin_slice(uint64_t count)
{
	set_tick(count);
	zok__core()->slice_left = 0;
	zok_yield();
	clock_reads = 0;
}

static int is_due_by_the_clock(void *arg)
{
	virtual_ns = zok_now_ns();
	zok__clock_start(&zok__core()->clock, &virtual_time);
	begin_slice(5);
	virtual_ns += 300 * ZOK_US;
	assert_false(zok_yield_if_due()); /* the tick is late: it says nothing, and the clock is not read */
	assert_int_equal(clock_reads, 0);
	set_tick(6);
	assert_true(zok_is_due());
	assert_true(zok_is_due());
	assert_true(zok_yield_if_due());
	begin_slice(7);
	set_tick(8);
	assert_false(zok_yield_if_due()); /* the tick has moved, but there is time left */
	assert_int_equal(clock_reads, 1);
	assert_false(zok_yield_if_due()); /* not asked twice for one tick */
	assert_int_equal(clock_reads, 1);
	set_tick(9);
	virtual_ns += 200 * ZOK_US;
	assert_true(zok_yield_if_due());
	set_tick(ZOK__TICK_STOPPED);
	return 0;
}

static void test_a_task_yields_only_after_its_budget(void **state)
{
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, is_due_by_the_clock, NULL), 0);
	set_tick(ZOK__TICK_STOPPED);
}

static int asks_a_stopped_tick(void *arg)
{
	virtual_ns = zok_now_ns();
	zok__clock_start(&zok__core()->clock, &virtual_time);
	begin_slice(ZOK__TICK_STOPPED);
	while (is_stopped()) {
		assert_false(zok_is_due());
		sched_yield();
	}
	assert_true(clock_reads > 0); /* until it ran the clock was read each time */
	virtual_ns += 200 * ZOK_US;
	while (!zok_is_due())
		sched_yield(); /* until the next tick */
	return 0;
}

static void test_asking_whether_it_is_due_starts_the_tick(void **state)
{
	assert_int_equal(zok__tick_start(PERIOD_NS), 0);
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, asks_a_stopped_tick, NULL), 0);
	zok__tick_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_asks_nothing_ticks),
		cmocka_unit_test(test_it_starts_when_asked_and_stops_when_nobody_asks),
		cmocka_unit_test(test_it_goes_on_while_asked),
		cmocka_unit_test(test_it_ends_in_every_state_and_can_begin_again),
		cmocka_unit_test(test_a_task_yields_only_after_its_budget),
		cmocka_unit_test(test_asking_whether_it_is_due_starts_the_tick),
	};

	alarm(WATCHDOG_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
