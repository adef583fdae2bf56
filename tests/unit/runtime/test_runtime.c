/* A runtime is created, started, cancelled, stopped, and run again; it refuses what it cannot do; its counters add up. */
#include "runtime/runtime.h"

#include "tests/unit/runtime/log_lines.h"
#include "zokio/timer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct zok_options all_cores = {.cores = "all", .engine = "epoll"};

static int returns_arg(void *arg)
{
	return (int)(intptr_t)arg;
}

static void test_run_returns_mains_result_and_can_run_again(void **state)
{
	for (int i = 0; i < 3; i++) {
		assert_int_equal(zok_run(&all_cores, returns_arg, (void *)(intptr_t)(40 + i)), 40 + i);
		assert_int_equal(zok_core_count(), 0);
	}
	assert_int_equal(zok_run(NULL, returns_arg, (void *)-5), -5);
}

static int children_done;

static int yields_and_counts(void *arg)
{
	zok_yield();
	children_done++;
	return 0;
}

static int leaves_children(void *arg)
{
	for (int i = 0; i < 10; i++)
		zok_spawn(i % 2 ? zok_root_scope() : NULL, yields_and_counts, NULL, NULL);
	return 7;
}

static void test_run_joins_what_main_left_behind(void **state)
{
	children_done = 0;
	assert_int_equal(zok_run(&all_cores, leaves_children, NULL), 7);
	assert_int_equal(children_done, 10);
}

static int sleeps_for_ever(void *arg)
{
	int rc = zok_sleep(ZOK_NEVER);

	if (arg)
		*(int *)arg = rc;
	return rc;
}

static int leaves_a_sleeper_in_the_root(void *arg)
{
	assert_int_equal(zok_spawn(zok_root_scope(), sleeps_for_ever, arg, NULL), 0);
	zok_yield();
	return 0;
}

static void test_what_is_in_the_root_scope_is_cancelled_when_main_returns(void **state)
{
	int rc = 0;

	assert_int_equal(zok_run(&all_cores, leaves_a_sleeper_in_the_root, &rc), 0);
	assert_int_equal(rc, -ECANCELED);
}

static void test_create_start_cancel_stop_destroy(void **state)
{
	struct zok_runtime *runtime = NULL;
	int rc = 0;

	assert_int_equal(zok_runtime_create(&runtime, &all_cores), 0);
	assert_int_equal(zok_runtime_stop(runtime), -EINVAL);
	assert_int_equal(zok_runtime_start(runtime, sleeps_for_ever, &rc), 0);
	assert_int_equal(zok_runtime_start(runtime, sleeps_for_ever, &rc), -EALREADY);
	zok_runtime_cancel(runtime);
	zok_runtime_cancel(runtime);
	assert_int_equal(zok_runtime_stop(runtime), -ECANCELED);
	assert_int_equal(rc, -ECANCELED);
	assert_int_equal(zok_runtime_stop(runtime), -EINVAL);
	zok_runtime_destroy(runtime);
	zok_runtime_destroy(NULL);
}

static void test_a_cancel_before_the_start_is_not_lost(void **state)
{
	struct zok_runtime *runtime;

	assert_int_equal(zok_runtime_create(&runtime, &all_cores), 0);
	zok_runtime_cancel(runtime);
	assert_int_equal(zok_runtime_start(runtime, sleeps_for_ever, NULL), 0);
	assert_int_equal(zok_runtime_stop(runtime), -ECANCELED);
	zok_runtime_destroy(runtime);
}

static void *cancels(void *arg)
{
	zok_runtime_cancel(arg);
	return NULL;
}

/* The cancel comes while main ends by itself: whatever it meets, it must not touch what is gone. */
static void test_a_cancel_may_meet_the_end(void **state)
{
	for (int i = 0; i < 50; i++) {
		struct zok_runtime *runtime;
		pthread_t thread;

		assert_int_equal(zok_runtime_create(&runtime, &all_cores), 0);
		assert_int_equal(zok_runtime_start(runtime, returns_arg, NULL), 0);
		assert_int_equal(pthread_create(&thread, NULL, cancels, runtime), 0);
		assert_int_equal(zok_runtime_stop(runtime), 0);
		pthread_join(thread, NULL);
		zok_runtime_destroy(runtime);
	}
}

static void test_a_second_runtime_is_refused(void **state)
{
	struct zok_runtime *runtime, *second = NULL;

	assert_int_equal(zok_runtime_create(&runtime, &all_cores), 0);
	assert_int_equal(zok_runtime_create(&second, &all_cores), -EBUSY);
	assert_null(second);
	assert_int_equal(zok_run(&all_cores, returns_arg, NULL), -EBUSY);
	zok_runtime_destroy(runtime);
	assert_int_equal(zok_run(&all_cores, returns_arg, NULL), 0);
}

static void test_a_bad_option_starts_nothing(void **state)
{
	struct log_lines lines;
	struct zok_runtime *runtime = NULL;

	log_lines_begin(&lines);
	assert_int_equal(zok_runtime_create(&runtime, &(struct zok_options){.mode = "idle"}), -EINVAL);
	log_lines_end();
	assert_null(runtime);
	assert_int_equal(lines.count, 1);
	assert_string_equal(lines.last, "mode: idle: no such mode; there are park, adaptive, spin, sqpoll");
}

/* ---- The memory of a program's own allocator ---- */

static size_t bytes_out;

static void *counting_allocate(void *arg, size_t size, size_t alignment)
{
	void *memory = NULL;

	__atomic_fetch_add(&bytes_out, size, __ATOMIC_RELAXED);
	return posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) == 0 ? memory : NULL;
}

static void counting_release(void *arg, void *memory, size_t size)
{
	__atomic_fetch_sub(&bytes_out, size, __ATOMIC_RELAXED);
	free(memory);
}

static int uses_memory(void *arg)
{
	zok_spawn(NULL, yields_and_counts, NULL, NULL);
	zok_spawn_on(zok_core_count() - 1, NULL, returns_arg, NULL, NULL);
	return __atomic_load_n(&bytes_out, __ATOMIC_RELAXED) > 0;
}

static void test_the_programs_allocator_gets_back_all_that_it_gave(void **state)
{
	const struct zok_allocator allocator = {.allocate = counting_allocate, .release = counting_release};
	struct zok_options options = all_cores;

	options.allocator = &allocator;
	assert_int_equal(zok_run(&options, uses_memory, NULL), 1);
	assert_int_equal(bytes_out, 0);
}

/* ---- Counters ---- */

static int looks_at_counters(void *arg)
{
	struct zok_core_stats before, after;
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_stats(0, &before), 0);
	for (int i = 0; i < 10; i++)
		zok_spawn(scope, yields_and_counts, NULL, NULL);
	assert_int_equal(zok_stats(0, &after), 0);
	assert_int_equal(after.tasks_alive - before.tasks_alive, 10);
	zok_sleep(10 * ZOK_US);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	zok_sleep(10 * ZOK_US);
	assert_int_equal(zok_stats(0, &after), 0);
	assert_int_equal(after.tasks_spawned - before.tasks_spawned, 10);
	assert_int_equal(after.fibers_spawned - before.fibers_spawned, 10);
	assert_int_equal(after.tasks_finished - before.tasks_finished, 10);
	assert_int_equal(after.yields - before.yields, 10);
	assert_int_equal(after.tasks_alive, before.tasks_alive);
	assert_int_equal(after.timers_expired - before.timers_expired, 2);
	/* Each of the ten ran twice, main three times or four. */
	assert_in_range(after.tasks_polled - before.tasks_polled, 22, 24);
	assert_true(after.loops > before.loops);
	assert_true(after.time_idle_ns > before.time_idle_ns);
	assert_int_equal(after.time_idle_ns + after.time_kernel_ns + after.time_callbacks_ns, after.time_total_ns);
	assert_int_equal(zok_stats(zok_core_count(), &after), -ENOENT);
	return 0;
}

static int looks_at_latency(void *arg)
{
	struct zok_latency latency;

	zok_sleep(10 * ZOK_US);
	assert_int_equal(zok_latency(0, ZOK_CLASS_NORMAL, &latency), 0);
	assert_true(zok_latency_count(&latency) > 0);
	assert_true(zok_latency_percentile_ns(&latency, 100) > 0);
	assert_int_equal(zok_latency(0, ZOK_CLASS_BULK, &latency), 0);
	assert_int_equal(zok_latency_count(&latency), 0);
	assert_int_equal(zok_latency(0, ZOK_CLASS_INHERIT, &latency), -EINVAL);
	assert_int_equal(zok_latency(zok_core_count(), ZOK_CLASS_NORMAL, &latency), -ENOENT);
	return 0;
}

static void test_wake_to_run_latency_is_there_for_each_class(void **state)
{
	struct zok_latency latency;

	assert_int_equal(zok_latency(0, ZOK_CLASS_NORMAL, &latency), -EINVAL);
	assert_int_equal(zok_run(&all_cores, looks_at_latency, NULL), 0);
}

static void test_counters_add_up(void **state)
{
	struct zok_core_stats stats;

	assert_int_equal(zok_stats(0, &stats), -EINVAL);
	assert_int_equal(zok_run(&all_cores, looks_at_counters, NULL), 0);
}

static int reports(void *arg)
{
	char text[ZOK__REPORT_SIZE];

	assert_true(zok_engine_report(text, sizeof text) > 0);
	assert_non_null(strstr(text, "epoll"));
	return 0;
}

static void test_the_engines_report_is_there_while_it_runs(void **state)
{
	char text[8];

	assert_int_equal(zok_engine_report(text, sizeof text), -EINVAL);
	assert_int_equal(zok_run(&all_cores, reports, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_run_returns_mains_result_and_can_run_again),
		cmocka_unit_test(test_run_joins_what_main_left_behind),
		cmocka_unit_test(test_what_is_in_the_root_scope_is_cancelled_when_main_returns),
		cmocka_unit_test(test_create_start_cancel_stop_destroy),
		cmocka_unit_test(test_a_cancel_before_the_start_is_not_lost),
		cmocka_unit_test(test_a_cancel_may_meet_the_end),
		cmocka_unit_test(test_a_second_runtime_is_refused),
		cmocka_unit_test(test_a_bad_option_starts_nothing),
		cmocka_unit_test(test_the_programs_allocator_gets_back_all_that_it_gave),
		cmocka_unit_test(test_counters_add_up),
		cmocka_unit_test(test_wake_to_run_latency_is_there_for_each_class),
		cmocka_unit_test(test_the_engines_report_is_there_while_it_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
