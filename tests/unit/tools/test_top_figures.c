/* Two looks become rates, shares of the time and percentiles: also where a core told its time too late, or not yet. */
#include "tools/top.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct top_look before, now;
static struct top_figures figures;
static struct zok_export_header header = {.core_count = 2, .mode = "spin"};

/* Two cores, a second apart; the first as given, the second asleep all the time. */
static void look(uint64_t callbacks_ns, uint64_t kernel_ns, uint64_t total_ns, uint64_t loops, uint64_t is_idle)
{
	before = now = (struct top_look){.at_ns = 5 * ZOK_S};
	now.at_ns += ZOK_S;
	now.cores[0].value[TOP_TIME_CALLBACKS] = callbacks_ns;
	now.cores[0].value[TOP_TIME_KERNEL] = kernel_ns;
	now.cores[0].value[TOP_TIME_TOTAL] = total_ns;
	now.cores[0].value[TOP_LOOPS] = loops;
	now.cores[0].value[TOP_IS_IDLE] = is_idle;
	now.cores[1].value[TOP_IS_IDLE] = 1;
	top_figures_make(&figures, &before, &now, &header);
}

static void shares_are(const struct top_row *row, double callbacks, double kernel, double idle)
{
	assert_float_equal(row->callbacks, callbacks, 1e-9);
	assert_float_equal(row->kernel, kernel, 1e-9);
	assert_float_equal(row->idle, idle, 1e-9);
}

static void test_time_that_is_told_is_divided(void **state)
{
	look(300 * ZOK_MS, 200 * ZOK_MS, ZOK_S, 100, 0);
	shares_are(&figures.rows[0], 0.3, 0.2, 0.5);
	shares_are(&figures.rows[1], 0, 0, 1);
	shares_are(&figures.total, 0.15, 0.1, 0.75);
	assert_false(figures.rows[0].is_stuck);
}

static void test_a_sleep_that_lasts_is_idle(void **state)
{
	look(100 * ZOK_MS, 0, 200 * ZOK_MS, 3, 1);
	shares_are(&figures.rows[0], 0.1, 0, 0.9);
	assert_false(figures.rows[0].is_stuck);
}

static void test_a_task_that_lasts_is_busy_and_stuck(void **state)
{
	look(0, 0, 0, 0, 0);
	shares_are(&figures.rows[0], 1, 0, 0);
	assert_true(figures.rows[0].is_stuck);
	assert_false(figures.rows[1].is_stuck);
	assert_true(figures.total.is_stuck);
}

static void test_where_cores_park_the_kernel_tells_what_a_wait_worked(void **state)
{
	look(100 * ZOK_MS, 50 * ZOK_MS, ZOK_S, 100, 1);
	now.cores[0].value[TOP_ON_CPU_NS] = 400 * ZOK_MS;
	top_figures_make(&figures, &before, &now, &header);
	shares_are(&figures.rows[0], 0.1, 0.05, 0.85); /* it spins: a processor that is had is none that is used */
	snprintf(header.mode, sizeof header.mode, "park");
	top_figures_make(&figures, &before, &now, &header);
	shares_are(&figures.rows[0], 0.1, 0.3, 0.6);
	now.cores[0].value[TOP_ON_CPU_NS] = TOP_ABSENT;
	top_figures_make(&figures, &before, &now, &header);
	shares_are(&figures.rows[0], 0.1, 0.05, 0.85);
	snprintf(header.mode, sizeof header.mode, "spin");
}

static void test_what_is_told_too_late_is_cut(void **state)
{
	look(7 * ZOK_S, ZOK_S, 8 * ZOK_S, 1, 0);
	shares_are(&figures.rows[0], 1, 0, 0);
}

static void test_counters_gauges_and_maxima_add_up_each_in_its_way(void **state)
{
	look(0, 0, ZOK_S, 1, 0);
	before.cores[0].value[TOP_OPS] = 100;
	now.cores[0].value[TOP_OPS] = 400;
	now.cores[1].value[TOP_OPS] = 30;
	now.cores[0].value[TOP_FIBERS_ALIVE] = 3;
	now.cores[1].value[TOP_FIBERS_ALIVE] = 4;
	now.cores[0].value[TOP_STACK_USED_MAX] = 8192;
	now.cores[1].value[TOP_STACK_USED_MAX] = 4096;
	before.cores[1].value[TOP_WAKES] = 10; /* has gone backwards: another process */
	now.cores[0].value[TOP_STEALS] = now.cores[1].value[TOP_STEALS] = TOP_ABSENT;
	top_figures_make(&figures, &before, &now, &header);
	assert_int_equal(figures.rows[0].delta[TOP_OPS], 300);
	assert_int_equal(figures.total.delta[TOP_OPS], 330);
	assert_int_equal(figures.total.value[TOP_FIBERS_ALIVE], 7);
	assert_int_equal(figures.total.value[TOP_STACK_USED_MAX], 8192);
	assert_int_equal(figures.rows[1].delta[TOP_WAKES], 0);
	assert_true(figures.total.value[TOP_STEALS] == TOP_ABSENT);
	assert_true(figures.total.delta[TOP_STEALS] == TOP_ABSENT);
}

static void test_percentiles_are_of_the_interval_and_histograms_are_merged(void **state)
{
	look(0, 0, ZOK_S, 1, 0);
	before.cores[0].latency[1].counts[zok_latency_bucket(ZOK_S)] = 1000;
	now.cores[0].latency[1] = before.cores[0].latency[1];
	now.cores[0].latency[1].counts[zok_latency_bucket(100)] = 10;
	now.cores[1].latency[1].counts[zok_latency_bucket(1000)] = 30;
	top_figures_make(&figures, &before, &now, &header);
	assert_in_range(zok_latency_percentile_ns(&figures.rows[0].latency[1], 100), 100, 125);
	assert_in_range(zok_latency_percentile_ns(&figures.total.latency[1], 20), 100, 125);
	assert_in_range(zok_latency_percentile_ns(&figures.total.latency[1], 50), 1000, 1250);
	/* Since the start all of it counts. */
	header.began_ns = 4 * ZOK_S;
	top_figures_make(&figures, NULL, &now, &header);
	header.began_ns = 0;
	assert_true(zok_latency_percentile_ns(&figures.rows[0].latency[1], 100) >= ZOK_S);
	assert_float_equal(figures.seconds, 2, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_that_is_told_is_divided),
		cmocka_unit_test(test_a_sleep_that_lasts_is_idle),
		cmocka_unit_test(test_a_task_that_lasts_is_busy_and_stuck),
		cmocka_unit_test(test_where_cores_park_the_kernel_tells_what_a_wait_worked),
		cmocka_unit_test(test_what_is_told_too_late_is_cut),
		cmocka_unit_test(test_counters_gauges_and_maxima_add_up_each_in_its_way),
		cmocka_unit_test(test_percentiles_are_of_the_interval_and_histograms_are_merged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
