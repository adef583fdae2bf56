/* Wake-to-run latency: the histogram's buckets and percentiles, which wakes are timed, and that a timed task runs as any other. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/async.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- The histogram ---- */

static void test_a_time_lies_in_its_bucket_and_is_told_a_quarter_too_high_at_most(void **state)
{
	for (uint64_t power = 0; power < 41; power++) {
		const uint64_t base = UINT64_C(1) << power,
			       times[] = {base, base + base / 4, base + base / 3, base + base / 2, 2 * base - 1};

		for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
			uint64_t told = zok_latency_bucket_ns_max(zok_latency_bucket(times[i]));

			assert_in_range(zok_latency_bucket(times[i]), 0, ZOK_LATENCY_BUCKETS - 1);
			assert_in_range(told, times[i], times[i] + times[i] / 4);
		}
	}
}

static void test_buckets_follow_each_other_without_a_gap(void **state)
{
	for (unsigned i = 0; i + 1 < ZOK_LATENCY_BUCKETS; i++) {
		assert_int_equal(zok_latency_bucket(zok_latency_bucket_ns_max(i)), i);
		assert_int_equal(zok_latency_bucket(zok_latency_bucket_ns_max(i) + 1), i + 1);
	}
	assert_int_equal(zok_latency_bucket(UINT64_MAX), ZOK_LATENCY_BUCKETS - 1);
}

static void count(struct zok_latency *latency, uint64_t ns, uint64_t times)
{
	latency->counts[zok_latency_bucket(ns)] += times;
}

static void test_percentiles(void **state)
{
	struct zok_latency latency = {{0}}, none = {{0}};

	count(&latency, 1, 500);
	count(&latency, 1000, 490);
	count(&latency, 1000000, 10);
	assert_int_equal(zok_latency_count(&latency), 1000);
	assert_int_equal(zok_latency_percentile_ns(&latency, 0), 1);
	assert_int_equal(zok_latency_percentile_ns(&latency, 50), 1);
	assert_in_range(zok_latency_percentile_ns(&latency, 50.1), 1000, 1250);
	assert_in_range(zok_latency_percentile_ns(&latency, 99), 1000, 1250);
	assert_in_range(zok_latency_percentile_ns(&latency, 99.1), 1000000, 1250000);
	assert_in_range(zok_latency_percentile_ns(&latency, 100), 1000000, 1250000);
	assert_int_equal(zok_latency_percentile_ns(&none, 99), 0);
}

static void test_a_difference_has_percentiles_of_its_own(void **state)
{
	struct zok_latency before = {{0}}, after, sum;

	count(&before, 1000000, 1000);
	after = before;
	count(&after, 100, 50);
	sum = after;
	zok_latency_subtract(&after, &before);
	assert_int_equal(zok_latency_count(&after), 50);
	assert_in_range(zok_latency_percentile_ns(&after, 100), 100, 125);
	zok_latency_add(&sum, &after);
	assert_int_equal(zok_latency_count(&sum), 1100);
	/* Counts that went backwards, as of another process: nothing, rather than 2^64. */
	zok_latency_subtract(&after, &sum);
	assert_int_equal(zok_latency_count(&after), 0);
}

/* ---- What is timed ---- */

static uint64_t samples_of(enum zok_class task_class)
{
	return zok_latency_count(&zok__core()->counters->latency[task_class - ZOK_CLASS_LATENCY]);
}

struct gate {
	struct zok_future future;
};

static bool gate_poll(struct zok_future *future)
{
	future->state = ZOK_FUTURE_PENDING;
	return false;
}

static void gate_cancel(struct zok_future *future)
{
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops gate_ops = {.poll = gate_poll, .cancel = gate_cancel};

/* Waits at a gate that its waker opens, again and again. */
struct sleeper {
	struct gate gate;
	unsigned rounds, runs;
	bool is_waiting;
};

static int sleeps(void *arg)
{
	struct sleeper *self = arg;

	for (unsigned i = 0; i < self->rounds; i++) {
		zok_future_prepare(&self->gate.future, &gate_ops);
		self->is_waiting = true;
		zok_await(&self->gate.future);
		self->runs++;
	}
	return 0;
}

static void wake(struct sleeper *sleeper)
{
	assert_true(sleeper->is_waiting);
	sleeper->is_waiting = false;
	zok_future_complete(&sleeper->gate.future, 0);
}

static int wakes_seldom(void *arg)
{
	const struct zok_spawn_options options = {.task_class = *(enum zok_class *)arg};
	struct sleeper sleeper = {.rounds = 20};
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok__sampler *sampler = &zok__core()->samplers[options.task_class];

	zok_spawn(scope, sleeps, &sleeper, &options);
	while (!sleeper.is_waiting)
		zok_yield();
	for (unsigned i = 0; i < sleeper.rounds; i++) {
		sampler->sampled_ns = 0; /* it is long ago */
		wake(&sleeper);
		assert_int_equal(samples_of(options.task_class), i); /* when it runs, not when it is woken */
		while (sleeper.runs == i)
			zok_yield();
	}
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(sleeper.runs, 20);
	assert_int_equal(samples_of(options.task_class), 20);
	return 0;
}

static void test_each_wake_is_timed_where_they_are_rare(void **state)
{
	enum zok_class classes[] = {ZOK_CLASS_LATENCY, ZOK_CLASS_BULK};

	for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
		assert_int_equal(fake_run(wakes_seldom, &classes[i]), 0);
}

enum { MANY = 64, OFTEN = 4000 };

static int wakes_often(void *arg)
{
	static struct sleeper sleepers[MANY];
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t wakes = zok__core()->counters->stats.wakes, samples = samples_of(ZOK_CLASS_NORMAL);
	struct zok__sampler *sampler = &zok__core()->samplers[ZOK_CLASS_NORMAL];

	for (unsigned i = 0; i < MANY; i++) {
		sleepers[i] = (struct sleeper){.rounds = OFTEN};
		zok_spawn(scope, sleeps, &sleepers[i], NULL);
	}
	zok_yield();
	for (unsigned round = 0; round < OFTEN; round++) {
		/* They come too fast for the last sample to be long ago, however slow this machine is now. */
		sampler->sampled_ns = UINT64_MAX / 2;
		for (unsigned i = 0; i < MANY; i++)
			wake(&sleepers[i]);
		zok_yield();
	}
	assert_int_equal(zok_scope_close(scope, 0), 0);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(sleepers[i].runs, OFTEN);
	wakes = zok__core()->counters->stats.wakes - wakes;
	samples = samples_of(ZOK_CLASS_NORMAL) - samples;
	assert_true(wakes >= (uint64_t)MANY * OFTEN);
	/* Not less than promised; and not much more, once the gap is learned, unless the clock says that samples are rare. */
	assert_true(samples >= wakes / (2 * ZOK__LATENCY_GAP_MAX));
	assert_true(samples < wakes / 8);
	return 0;
}

static void test_few_are_timed_where_wakes_come_fast_and_all_tasks_run(void **state)
{
	assert_int_equal(fake_run(wakes_often, NULL), 0);
}

/* In one slice, whose fibers would otherwise switch from one to the next. */
static int wakes_many_at_once(void *arg)
{
	static struct sleeper sleepers[MANY];
	struct zok_scope *scope = zok_scope_open(NULL);

	for (unsigned i = 0; i < MANY; i++) {
		sleepers[i] = (struct sleeper){.rounds = 1};
		zok_spawn(scope, sleeps, &sleepers[i], NULL);
	}
	zok_yield();
	for (unsigned i = 0; i < MANY; i++) {
		zok__core()->samplers[ZOK_CLASS_NORMAL].sampled_ns = 0;
		wake(&sleepers[i]);
	}
	zok_yield();
	assert_int_equal(samples_of(ZOK_CLASS_NORMAL), MANY);
	return zok_scope_close(scope, 0);
}

static void test_no_sample_is_lost_on_the_way_from_fiber_to_fiber(void **state)
{
	assert_int_equal(fake_run(wakes_many_at_once, NULL), 0);
}

static int spins_until_later(void *arg)
{
	uint64_t until_ns = zok_now_ns() + 3 * ZOK_MS;

	while (zok_now_ns() < until_ns)
		;
	return 0;
}

static int waits_behind_a_long_task(void *arg)
{
	struct zok_latency *latency = &zok__core()->counters->latency[ZOK_CLASS_NORMAL - ZOK_CLASS_LATENCY], before;
	struct sleeper sleeper = {.rounds = 1};
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_spawn(scope, sleeps, &sleeper, NULL);
	zok_yield();
	before = *latency;
	zok__core()->samplers[ZOK_CLASS_NORMAL].left = 1;
	zok_spawn(scope, spins_until_later, NULL, NULL); /* runs first */
	wake(&sleeper);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	zok_latency_subtract(latency, &before);
	assert_true(zok_latency_percentile_ns(latency, 100) >= 3 * ZOK_MS);
	return 0;
}

static void test_the_time_is_that_from_wake_to_run(void **state)
{
	assert_int_equal(fake_run(waits_behind_a_long_task, NULL), 0);
}

/* By a clock that is behind the waker's, as after a theft. */
static int runs_before_it_was_woken(void *arg)
{
	struct zok_core *core = zok__core();
	struct zok_task *task = core->current;
	struct zok_latency *latency = &core->counters->latency[ZOK_CLASS_NORMAL - ZOK_CLASS_LATENCY], before = *latency;

	zok__latency_mark(core, task);
	assert_true(task->flags & ZOK__TASK_IS_SAMPLED);
	task->woken_at += (uint32_t)(100 * ZOK_US >> 4);
	zok__latency_record(core, task);
	assert_int_equal(task->flags, ZOK__TASK_IS_FIBER);
	zok_latency_subtract(latency, &before);
	assert_int_equal(latency->counts[0], 1);
	return 0;
}

/* Marsaglia's xorshift with 13, 17 and 5: with any other numbers, or from 0, the gaps would come in a short pattern. */
static int draws(void *arg)
{
	static const uint32_t expected[] = {270369, 67634689, 2647435461};
	struct zok_core *core = zok__core();
	struct zok__sampler *sampler = &core->samplers[core->current->task_class];

	zok__sampler_init(sampler, 7);
	assert_int_equal(sampler->random, 7);
	zok__sampler_init(sampler, 0);
	assert_int_equal(sampler->random, 1);
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		sampler->gap = 100;
		sampler->sampled_ns = zok_now_ns() + ZOK_S; /* of neither kind, soon or late */
		zok__latency_mark(core, core->current);
		assert_int_equal(sampler->random, expected[i]);
		assert_int_equal(sampler->left, 1 + expected[i] % (2 * sampler->gap - 1));
		zok__latency_record(core, core->current);
	}
	return 0;
}

static void test_the_gaps_are_random(void **state)
{
	assert_int_equal(fake_run(draws, NULL), 0);
}

/* Twice as long where samples come too fast, half as long where they are rare, and within its bounds. */
static int learns(void *arg)
{
	static const struct {
		uint64_t age_ns;
		uint32_t gap, learned;
	} rows[] = {
		{10 * ZOK_S, 64, 32},
		{10 * ZOK_S, 2, 1},
		{10 * ZOK_S, 1, 1},
		{0, 64, 128},
		{0, ZOK__LATENCY_GAP_MAX / 2, ZOK__LATENCY_GAP_MAX},
		{0, ZOK__LATENCY_GAP_MAX, ZOK__LATENCY_GAP_MAX},
	};
	struct zok_core *core = zok__core();
	struct zok__sampler *sampler = &core->samplers[core->current->task_class];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		do {
			sampler->gap = rows[i].gap;
			sampler->sampled_ns = zok_now_ns() - rows[i].age_ns;
			zok__latency_mark(core, core->current);
			zok__latency_record(core, core->current);
		} while (sampler->gap == rows[i].gap && rows[i].gap != rows[i].learned &&
			 rows[i].age_ns == 0); /* the machine was elsewhere */
		assert_int_equal(sampler->gap, rows[i].learned);
	}
	return 0;
}

static void test_the_gap_is_learned(void **state)
{
	assert_int_equal(fake_run(learns, NULL), 0);
}

static void test_a_clock_that_is_behind_gives_nothing_rather_than_a_minute(void **state)
{
	assert_int_equal(fake_run(runs_before_it_was_woken, NULL), 0);
}

struct stackless {
	struct zok_task task;
	struct gate gate;
	ssize_t result;
	int left;
};

static int stackless_run(struct zok_task *task)
{
	struct stackless *self = ZOK_CONTAINER_OF(task, struct stackless, task);

	ZOK_BEGIN(&task->async);
	for (; self->left > 0; self->left--) {
		zok_future_prepare(&self->gate.future, &gate_ops);
		ZOK_AWAIT(self->result, &self->gate.future);
	}
	ZOK_END(0);
}

static int wakes_a_stackless_task(void *arg)
{
	struct stackless task = {.left = 10};
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_task_spawn(scope, &task.task, stackless_run, NULL);
	zok_yield();
	for (int i = 10; i > 0; i--) {
		assert_int_equal(task.left, i);
		zok__core()->samplers[ZOK_CLASS_NORMAL].sampled_ns = 0;
		zok_future_complete(&task.gate.future, 0);
		zok_yield();
	}
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_true(samples_of(ZOK_CLASS_NORMAL) >= 10);
	return 0;
}

static void test_stackless_tasks_are_timed_too(void **state)
{
	assert_int_equal(fake_run(wakes_a_stackless_task, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_time_lies_in_its_bucket_and_is_told_a_quarter_too_high_at_most),
		cmocka_unit_test(test_buckets_follow_each_other_without_a_gap),
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_a_difference_has_percentiles_of_its_own),
		cmocka_unit_test(test_each_wake_is_timed_where_they_are_rare),
		cmocka_unit_test(test_few_are_timed_where_wakes_come_fast_and_all_tasks_run),
		cmocka_unit_test(test_no_sample_is_lost_on_the_way_from_fiber_to_fiber),
		cmocka_unit_test(test_the_gaps_are_random),
		cmocka_unit_test(test_the_gap_is_learned),
		cmocka_unit_test(test_the_time_is_that_from_wake_to_run),
		cmocka_unit_test(test_a_clock_that_is_behind_gives_nothing_rather_than_a_minute),
		cmocka_unit_test(test_stackless_tasks_are_timed_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
