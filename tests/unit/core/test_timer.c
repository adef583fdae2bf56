/* Sleeps, timers and timeouts in a time that passes only while the core waits: when each ends, in which order, and what a cancel leaves. */
#include "zokio/timer.h"

#include "tests/unit/core/fake_engine.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The fake engine's wait lets the time that it was given pass at once: an hour's sleep is exact and takes no time. */
static struct zok__engine_ops engine_ops;
static uint64_t virtual_ns;

static uint64_t read_virtual(void *context)
{
	return virtual_ns;
}

static const struct zok__clock_source virtual_time = {.name = "virtual", .now_ns = read_virtual};

static int wait_in_virtual_time(struct zok__engine *engine, uint64_t timeout_ns)
{
	if (timeout_ns == ZOK_NEVER)
		return fake_engine.wait(engine, ZOK_NEVER);
	virtual_ns += timeout_ns;
	return fake_engine.wait(engine, 0);
}

static int run_virtually(void *arg)
{
	int (*const *test)(void) = arg;

	virtual_ns = zok_now_ns();
	zok__clock_start(&zok__core()->clock, &virtual_time);
	engine_ops = fake_engine;
	engine_ops.wait = wait_in_virtual_time;
	zok__core()->engine->ops = &engine_ops;
	return (*test)();
}

static void run(int (*test)(void))
{
	assert_int_equal(fake_run(run_virtually, &test), 0);
}

/* Never early, and at most a tick of the wheel late. */
static void check_passed(uint64_t since_ns, uint64_t delay_ns)
{
	assert_in_range(zok_now_ns() - since_ns, delay_ns, delay_ns + ZOK__WHEEL_TICK_NS);
}

static bool nothing_is_pending(void)
{
	return zok__wheel_next_ns(&zok__core()->wheel) == ZOK_NEVER;
}

static int wakes;

static void count_wake(struct zok_waker *waker)
{
	wakes++;
}

static struct zok_waker waker = {.wake = count_wake};

/* ---- Sleep ---- */

static int sleeps(void)
{
	static const uint64_t delays_ns[] = {0, 1, 1023, 1024, 1025, ZOK_MS, 300 * ZOK_MS, ZOK_S, 3600 * ZOK_S, 31536000 * ZOK_S};

	for (size_t i = 0; i < sizeof delays_ns / sizeof *delays_ns; i++) {
		uint64_t began_ns = zok_now_ns();

		assert_int_equal(zok_sleep(delays_ns[i]), 0);
		check_passed(began_ns, delays_ns[i]);
		began_ns = zok_now_ns();
		assert_int_equal(zok_sleep_until(began_ns + delays_ns[i]), 0);
		check_passed(began_ns, delays_ns[i]);
	}
	assert_true(nothing_is_pending());
	return 0;
}

static void test_a_sleep_is_never_early_and_a_tick_late_at_most(void **state)
{
	run(sleeps);
}

static int sleeps_until_the_past(void)
{
	uint64_t began_ns = zok_now_ns();

	assert_int_equal(zok_sleep_until(0), 0);
	assert_int_equal(zok_sleep_until(began_ns - ZOK_S), 0);
	check_passed(began_ns, 0);
	return 0;
}

static void test_a_point_in_the_past_is_over_at_once(void **state)
{
	run(sleeps_until_the_past);
}

struct sleeper {
	uint64_t delay_ns;
	char name;
	int result;
};

static char order[16];
static size_t order_count;

static int sleeps_and_notes(void *arg)
{
	struct sleeper *sleeper = arg;

	sleeper->result = zok_sleep(sleeper->delay_ns);
	order[order_count++] = sleeper->name;
	return 0;
}

static int sleeps_side_by_side(void)
{
	struct sleeper sleepers[] = {{3 * ZOK_MS, 'e', 0}, {ZOK_MS, 'b', 0}, {ZOK_S, 'f', 0},
				     {ZOK_MS, 'c', 0},	   {0, 'a', 0},	     {2 * ZOK_MS, 'd', 0}};
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t *expired = &zok__core()->counters->stats.timers_expired, before = *expired, began_ns = zok_now_ns();

	order_count = 0;
	for (size_t i = 0; i < 6; i++)
		zok_spawn(scope, sleeps_and_notes, &sleepers[i], NULL);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_memory_equal(order, "abcdef", 6); /* b and c end together: in the order of their beginnings */
	check_passed(began_ns, ZOK_S);
	assert_int_equal(*expired - before, 6);
	return 0;
}

static void test_sleeps_end_in_the_order_of_their_deadlines(void **state)
{
	run(sleeps_side_by_side);
}

static int is_cut_short(void)
{
	struct zok_scope *scope = zok_scope_open(NULL), *limited;
	struct sleeper sleeper = {.delay_ns = ZOK_S};
	uint64_t began_ns = zok_now_ns();

	zok_spawn(scope, sleeps_and_notes, &sleeper, NULL);
	zok_yield();
	zok_scope_cancel(scope);
	zok_scope_close(scope, 0);
	assert_int_equal(sleeper.result, -ECANCELED);
	check_passed(began_ns, 0);
	limited = zok_scope_open(&(struct zok_scope_options){.timeout_ns = ZOK_MS});
	assert_int_equal(zok_sleep(ZOK_S), -ETIMEDOUT);
	check_passed(began_ns, ZOK_MS);
	zok_scope_close(limited, 0);
	assert_true(nothing_is_pending());
	return 0;
}

static void test_a_scopes_cancel_and_deadline_end_a_sleep(void **state)
{
	order_count = 0;
	run(is_cut_short);
}

/* ---- Timers as futures ---- */

static int cancels(void)
{
	struct zok_timer timer;

	wakes = 0;
	zok_timer_prepare(&timer, ZOK_MS);
	zok_future_cancel(&timer.future);
	assert_int_equal(timer.future.result, -ECANCELED);
	assert_true(nothing_is_pending()); /* it had not begun */
	zok_timer_prepare(&timer, ZOK_MS);
	assert_false(zok_future_poll(&timer.future, &waker));
	assert_false(zok_future_poll(&timer.future, &waker));
	assert_false(nothing_is_pending());
	zok_future_cancel(&timer.future);
	assert_int_equal(timer.future.result, -ECANCELED);
	assert_int_equal(wakes, 1);
	assert_true(nothing_is_pending());
	assert_int_equal(zok_sleep(2 * ZOK_MS), 0);
	assert_int_equal(wakes, 1); /* it does not come after all */
	return 0;
}

static void test_a_cancelled_timer_is_gone_at_once(void **state)
{
	run(cancels);
}

static int expires(void)
{
	struct zok_timer timer;

	for (wakes = 0; wakes < 3;) {
		zok_timer_prepare(&timer, ZOK_MS);
		assert_false(zok_future_poll(&timer.future, &waker));
		assert_int_equal(zok_sleep(2 * ZOK_MS), 0);
		assert_true(zok_future_poll(&timer.future, &waker));
		zok_future_cancel(&timer.future);
		assert_int_equal(timer.future.result, 0); /* the cancel came too late */
	}
	return 0;
}

static void test_a_timer_that_is_over_can_begin_again(void **state)
{
	run(expires);
}

static struct zok_timer siblings[2];

static void cancel_sibling(struct zok_waker *unused)
{
	zok_future_cancel(&siblings[1].future);
}

static int cancels_a_sibling(void)
{
	struct zok_waker canceler = {.wake = cancel_sibling};
	uint64_t deadline_ns = zok_now_ns() + ZOK_MS;

	wakes = 0;
	for (int i = 0; i < 2; i++) {
		zok_timer_prepare_at(&siblings[i], deadline_ns);
		assert_false(zok_future_poll(&siblings[i].future, i == 0 ? &canceler : &waker));
	}
	zok_sleep(2 * ZOK_MS);
	assert_int_equal(siblings[0].future.result, 0);
	assert_int_equal(siblings[1].future.result, -ECANCELED);
	assert_int_equal(wakes, 1);
	return 0;
}

static void test_an_expiring_timer_may_cancel_another_of_its_batch(void **state)
{
	run(cancels_a_sibling);
}

static int far_away(void)
{
	struct zok_timer timer;

	zok_timer_prepare(&timer, ZOK_NEVER);
	assert_true(timer.deadline_ns == ZOK_NEVER - 1);
	zok_timer_prepare(&timer, ZOK_NEVER - 5);
	assert_true(timer.deadline_ns == ZOK_NEVER - 1);
	zok_timer_prepare_at(&timer, ZOK_NEVER);
	assert_true(timer.deadline_ns == ZOK_NEVER - 1);
	assert_false(zok_future_poll(&timer.future, &waker));
	assert_int_equal(zok_sleep(3600 * ZOK_S), 0);
	assert_false(zok_future_is_ready(&timer.future));
	zok_future_cancel(&timer.future);
	assert_true(nothing_is_pending());
	return 0;
}

static void test_the_farthest_deadline_does_not_wrap_around(void **state)
{
	run(far_away);
}

/* ---- Timeouts ---- */

static int times_out(void)
{
	uint64_t began_ns = zok_now_ns();
	struct zok_timeout timeout;
	struct zok_timer part;

	zok_timer_prepare(&part, ZOK_S);
	zok_timeout_prepare(&timeout, &part.future, ZOK_MS);
	assert_int_equal(zok_await(&timeout.future), -ETIMEDOUT);
	assert_int_equal(part.future.result, -ECANCELED);
	check_passed(began_ns, ZOK_MS);
	assert_true(nothing_is_pending());
	return 0;
}

static void test_a_timeout_cancels_its_part(void **state)
{
	run(times_out);
}

static int is_in_time(void)
{
	uint64_t began_ns = zok_now_ns();
	struct zok_timeout timeout;
	struct zok_timer part;

	zok_timer_prepare(&part, ZOK_MS);
	zok_timeout_prepare(&timeout, &part.future, ZOK_S);
	assert_int_equal(zok_await(&timeout.future), 0);
	check_passed(began_ns, ZOK_MS);
	assert_true(nothing_is_pending());
	/* Both at the same tick: the part's result came first. */
	zok_timer_prepare(&part, ZOK_MS);
	zok_timeout_prepare(&timeout, &part.future, ZOK_MS);
	assert_int_equal(zok_await(&timeout.future), 0);
	assert_true(nothing_is_pending());
	return 0;
}

static void test_a_result_in_time_stands_and_leaves_no_timer(void **state)
{
	run(is_in_time);
}

static int counts_from_prepare(void)
{
	uint64_t began_ns = zok_now_ns();
	struct zok_timeout timeout;
	struct zok_timer part;

	zok_timer_prepare(&part, ZOK_S);
	zok_timeout_prepare(&timeout, &part.future, 3 * ZOK_MS);
	zok_sleep(2 * ZOK_MS);
	assert_int_equal(zok_await(&timeout.future), -ETIMEDOUT);
	check_passed(began_ns, 3 * ZOK_MS);
	return 0;
}

static void test_a_timeout_counts_from_its_preparation(void **state)
{
	run(counts_from_prepare);
}

/* ---- The clock ---- */

static void test_off_the_cores_time_is_the_systems(void **state)
{
	uint64_t before_ns = zok__clock_os_ns(), now_ns = zok_now_ns();

	assert_in_range(now_ns, before_ns, zok__clock_os_ns());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sleep_is_never_early_and_a_tick_late_at_most),
		cmocka_unit_test(test_a_point_in_the_past_is_over_at_once),
		cmocka_unit_test(test_sleeps_end_in_the_order_of_their_deadlines),
		cmocka_unit_test(test_a_scopes_cancel_and_deadline_end_a_sleep),
		cmocka_unit_test(test_a_cancelled_timer_is_gone_at_once),
		cmocka_unit_test(test_a_timer_that_is_over_can_begin_again),
		cmocka_unit_test(test_an_expiring_timer_may_cancel_another_of_its_batch),
		cmocka_unit_test(test_the_farthest_deadline_does_not_wrap_around),
		cmocka_unit_test(test_a_timeout_cancels_its_part),
		cmocka_unit_test(test_a_result_in_time_stands_and_leaves_no_timer),
		cmocka_unit_test(test_a_timeout_counts_from_its_preparation),
		cmocka_unit_test(test_off_the_cores_time_is_the_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
