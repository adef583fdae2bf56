/* The plan of an open loop: exact spacing without drift, streams that interleave, Poisson gaps with the moments that they must have. */
#include "perf/arrivals.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_constant_does_not_drift(void **state)
{
	struct perf_arrivals a;
	uint64_t at = 0;

	perf_arrivals_init(&a, PERF_ARRIVALS_CONSTANT, 3e5, 1, 0, 1); /* a gap of 3333.33… ns */
	for (int i = 0; i <= 3000000; i++)
		at = perf_arrivals_next(&a);
	assert_true(at >= 10 * ZOK_S - 1 && at <= 10 * ZOK_S);
}

static void test_constant_streams_make_one_even_plan(void **state)
{
	struct perf_arrivals streams[4];

	for (unsigned i = 0; i < 4; i++)
		perf_arrivals_init(&streams[i], PERF_ARRIVALS_CONSTANT, 250, 1, i, 4);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(perf_arrivals_next(&streams[i % 4]), i * ZOK_MS);
}

/* Exponential gaps: mean m, standard deviation m, and e^-1 of them above m. With 200,000 of them five sigma are about 1 %. */
static void test_poisson_has_exponential_gaps(void **state)
{
	enum { COUNT = 200000 };
	struct perf_arrivals a;
	uint64_t last = 0;
	double sum = 0, squares = 0, above = 0, mean;

	perf_arrivals_init(&a, PERF_ARRIVALS_POISSON, 1e5, 42, 0, 1);
	for (int i = 0; i < COUNT; i++) {
		uint64_t at = perf_arrivals_next(&a);
		double gap = (double)(at - last);

		assert_true(at >= last);
		sum += gap;
		squares += gap * gap;
		above += gap > 1e4;
		last = at;
	}
	mean = sum / COUNT;
	assert_true(fabs(mean / 1e4 - 1) < 0.012);
	assert_true(fabs(sqrt(squares / COUNT - mean * mean) / 1e4 - 1) < 0.02);
	assert_true(fabs(above / COUNT - exp(-1)) < 0.006);
}

/* Counts in windows have a variance equal to their mean; a generator whose gaps depended on each other would fail here. */
static void test_poisson_counts_have_their_variance(void **state)
{
	enum { WINDOWS = 5000 };
	static unsigned counts[WINDOWS];
	struct perf_arrivals a;
	double sum = 0, squares = 0, mean;

	perf_arrivals_init(&a, PERF_ARRIVALS_POISSON, 1e5, 7, 0, 1);
	for (uint64_t at = perf_arrivals_next(&a); at < WINDOWS * ZOK_MS; at = perf_arrivals_next(&a))
		counts[at / ZOK_MS]++;
	for (int i = 0; i < WINDOWS; i++) {
		sum += counts[i];
		squares += (double)counts[i] * counts[i];
	}
	mean = sum / WINDOWS;
	assert_true(fabs(mean - 100) < 1);
	assert_true(fabs((squares / WINDOWS - mean * mean) / mean - 1) < 0.12);
}

static void test_seed_decides(void **state)
{
	struct perf_arrivals a, b, other, stream;
	bool is_other = false, is_other_stream = false;

	perf_arrivals_init(&a, PERF_ARRIVALS_POISSON, 1e5, 42, 0, 2);
	perf_arrivals_init(&b, PERF_ARRIVALS_POISSON, 1e5, 42, 0, 2);
	perf_arrivals_init(&other, PERF_ARRIVALS_POISSON, 1e5, 43, 0, 2);
	perf_arrivals_init(&stream, PERF_ARRIVALS_POISSON, 1e5, 42, 1, 2);
	for (int i = 0; i < 1000; i++) {
		uint64_t at = perf_arrivals_next(&a);

		assert_int_equal(perf_arrivals_next(&b), at);
		is_other |= perf_arrivals_next(&other) != at;
		is_other_stream |= perf_arrivals_next(&stream) != at;
	}
	assert_true(is_other && is_other_stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_constant_does_not_drift),
		cmocka_unit_test(test_constant_streams_make_one_even_plan),
		cmocka_unit_test(test_poisson_has_exponential_gaps),
		cmocka_unit_test(test_poisson_counts_have_their_variance),
		cmocka_unit_test(test_seed_decides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
