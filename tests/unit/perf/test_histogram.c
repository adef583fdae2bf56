/* The histogram against the truth: a sorted array of the same values, and the bounds that HdrHistogram promises. */
#include "perf/histogram.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT 20000

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 11;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Values over many powers of two, so that every bucket has some. */
static void fill(uint64_t *values, uint64_t seed)
{
	for (int i = 0; i < COUNT; i++)
		values[i] = next_random(&seed) >> next_random(&seed) % 50;
}

/* The value at HdrHistogram's rank in a sorted array. */
static uint64_t true_percentile(const uint64_t *sorted, double percentile)
{
	double rank = ceil(nextafter(percentile, -INFINITY) / 100 * COUNT);

	return sorted[rank < 1 ? 0 : (size_t)rank - 1];
}

static void check_against_sorted(int digits, uint64_t lowest)
{
	static const double percentiles[] = {0.001, 1, 10, 50, 75, 90, 99, 99.9, 99.99, 100};
	static uint64_t values[COUNT];
	struct perf_histogram h;

	assert_int_equal(perf_histogram_create(&h, lowest, UINT64_C(1) << 55, digits), 0);
	fill(values, (uint64_t)digits);
	for (int i = 0; i < COUNT; i++)
		perf_histogram_record(&h, values[i], 1);
	qsort(values, COUNT, sizeof values[0], compare);
	for (size_t i = 0; i < sizeof percentiles / sizeof percentiles[0]; i++) {
		uint64_t truth = true_percentile(values, percentiles[i]), got = perf_histogram_percentile(&h, percentiles[i]);

		/* The counter that the true value lies in, to the last unit; which is within the promised digits. */
		assert_true(got == perf_histogram_value_high(&h, perf_histogram_index(&h, truth)));
		assert_true(got >= truth);
		assert_true((double)(got - truth) <= (double)truth * pow(10, -digits) + (double)lowest);
	}
	assert_true(h.total == COUNT && h.saturated == 0);
	assert_true(perf_histogram_min(&h) <= values[0] && perf_histogram_max(&h) >= values[COUNT - 1]);
	perf_histogram_destroy(&h);
}

static void test_percentiles_are_those_of_the_sorted_values(void **state)
{
	for (int digits = 1; digits <= 5; digits++) {
		check_against_sorted(digits, 1);
		check_against_sorted(digits, 1000);
	}
}

static void test_counters_tile_the_range(void **state)
{
	struct perf_histogram h;

	assert_int_equal(perf_histogram_create(&h, 1, 1000000, 2), 0);
	assert_true(perf_histogram_value_low(&h, 0) == 0);
	for (size_t i = 1; i < h.counts_length; i++) {
		assert_true(perf_histogram_value_low(&h, i) == perf_histogram_value_high(&h, i - 1) + 1);
		assert_true(perf_histogram_index(&h, perf_histogram_value_low(&h, i)) == i);
		assert_true(perf_histogram_index(&h, perf_histogram_value_high(&h, i)) == i);
	}
	perf_histogram_destroy(&h);
}

static void test_mean_and_deviation(void **state)
{
	struct perf_histogram h;

	assert_int_equal(perf_histogram_create(&h, 1, 1000000, 4), 0);
	perf_histogram_record(&h, 1000, 3);
	perf_histogram_record(&h, 3000, 1);
	assert_true(fabs(perf_histogram_mean(&h) - 1500) < 1);
	assert_true(fabs(perf_histogram_deviation(&h) - sqrt(750000)) < 1);
	perf_histogram_destroy(&h);
}

static void test_too_large_a_value_saturates(void **state)
{
	struct perf_histogram h;

	assert_int_equal(perf_histogram_create(&h, 1, 1000, 3), 0);
	perf_histogram_record(&h, UINT64_MAX, 2);
	perf_histogram_record(&h, 1000, 1);
	assert_true(h.saturated == 2 && h.total == 3);
	assert_true(perf_histogram_max(&h) == 1000);
	perf_histogram_destroy(&h);
}

static void test_merging_is_recording_all(void **state)
{
	static uint64_t values[COUNT];
	struct perf_histogram all, parts[2], coarse;

	assert_int_equal(perf_histogram_create(&all, 1, UINT64_C(1) << 55, 3), 0);
	assert_int_equal(perf_histogram_create(&parts[0], 1, UINT64_C(1) << 55, 3), 0);
	assert_int_equal(perf_histogram_create(&parts[1], 1, UINT64_C(1) << 55, 3), 0);
	assert_int_equal(perf_histogram_create(&coarse, 1, UINT64_C(1) << 60, 2), 0);
	fill(values, 7);
	for (int i = 0; i < COUNT; i++) {
		perf_histogram_record(&all, values[i], 1);
		perf_histogram_record(&parts[i % 2], values[i], 1);
	}
	perf_histogram_add(&parts[0], &parts[1]);
	assert_memory_equal(parts[0].counts, all.counts, all.counts_length * sizeof *all.counts);
	assert_true(perf_histogram_max(&parts[0]) == perf_histogram_max(&all) && perf_histogram_min(&parts[0]) == perf_histogram_min(&all));
	perf_histogram_add(&coarse, &all);
	assert_true(coarse.total == COUNT);
	assert_true(fabs((double)perf_histogram_percentile(&coarse, 50) / (double)perf_histogram_percentile(&all, 50) - 1) < 0.011);
	perf_histogram_destroy(&all);
	perf_histogram_destroy(&parts[0]);
	perf_histogram_destroy(&parts[1]);
	perf_histogram_destroy(&coarse);
}

static void test_reset_leaves_nothing(void **state)
{
	struct perf_histogram h;

	assert_int_equal(perf_histogram_create(&h, 1, 1000000, 3), 0);
	perf_histogram_record(&h, 3, 1);
	perf_histogram_record(&h, 999999, 1);
	perf_histogram_reset(&h);
	for (size_t i = 0; i < h.counts_length; i++)
		assert_true(h.counts[i] == 0);
	assert_true(perf_histogram_percentile(&h, 99) == 0 && perf_histogram_max(&h) == 0 && perf_histogram_min(&h) == 0);
	perf_histogram_destroy(&h);
}

static void test_walk_ends_at_a_hundred_percent(void **state)
{
	struct perf_histogram h;
	struct perf_percentiles walk;
	struct perf_percentile_step step = {0};
	int steps = 0;

	assert_int_equal(perf_histogram_create(&h, 1, 1000000, 3), 0);
	perf_percentiles_init(&walk, &h, 5);
	assert_false(perf_percentiles_next(&walk, &step));
	perf_histogram_record(&h, 10, UINT64_C(1) << 60); /* so many that the levels come too close to 100 for a double */
	perf_histogram_record(&h, 500000, 1);
	perf_percentiles_init(&walk, &h, 5);
	while (perf_percentiles_next(&walk, &step))
		assert_true(++steps < 1000);
	assert_true(step.percentile == 100 && step.count == h.total && step.value == perf_histogram_max(&h));
	perf_histogram_destroy(&h);
}

static void test_layouts_that_cannot_be_are_refused(void **state)
{
	struct perf_histogram h;

	assert_int_equal(perf_histogram_create(&h, 0, 1000, 3), -EINVAL);
	assert_int_equal(perf_histogram_create(&h, 1, 1, 3), -EINVAL);
	assert_int_equal(perf_histogram_create(&h, 1, 1000, 0), -EINVAL);
	assert_int_equal(perf_histogram_create(&h, 1, 1000, 6), -EINVAL);
	assert_int_equal(perf_histogram_create(&h, 1, UINT64_MAX, 3), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles_are_those_of_the_sorted_values),
		cmocka_unit_test(test_counters_tile_the_range),
		cmocka_unit_test(test_mean_and_deviation),
		cmocka_unit_test(test_too_large_a_value_saturates),
		cmocka_unit_test(test_merging_is_recording_all),
		cmocka_unit_test(test_reset_leaves_nothing),
		cmocka_unit_test(test_walk_ends_at_a_hundred_percent),
		cmocka_unit_test(test_layouts_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
