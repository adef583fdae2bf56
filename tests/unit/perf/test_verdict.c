/* Each rule of the verdict: what it lets pass, what makes a run suspect, what makes it invalid. */
#include "perf/harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A run with nothing wrong: 10 s at 10,000/s, 50 us each, the generator late by 1 us. */
static void make_good(struct perf_result *r)
{
	memset(r, 0, sizeof *r);
	r->loop = PERF_LOOP_OPEN;
	r->threads = 1;
	r->duration_ns = r->machine.wall_ns = 10 * ZOK_S;
	r->rate_asked = 10000;
	r->planned = r->sent = r->in_window = 100000;
	for (int i = 0; i < PERF_MEASURES; i++) {
		assert_int_equal(perf_histogram_create(&r->latency[i], 1, 3600 * ZOK_S, 3), 0);
		perf_histogram_record(&r->latency[i], 50 * ZOK_US, 100000);
	}
	assert_int_equal(perf_histogram_create(&r->lateness, 1, 3600 * ZOK_S, 3), 0);
	perf_histogram_record(&r->lateness, ZOK_US, 100000);
}

/* Judges a run and forgets it; the reason that carries the verdict must contain `word`. */
static enum perf_verdict judge(struct perf_result *r, const char *word)
{
	bool has_word = !word;

	perf_verdict_judge(r);
	for (size_t i = 0; i < r->reason_count; i++)
		has_word |= word && r->reasons[i].level == r->verdict && strstr(r->reasons[i].text, word);
	assert_true(has_word);
	perf_result_finish(r);
	return r->verdict;
}

static void test_a_good_run_is_valid(void **state)
{
	struct perf_result r;

	make_good(&r);
	assert_int_equal(judge(&r, NULL), PERF_VALID);
	assert_int_equal(r.reason_count, 0);
}

static void test_a_missed_rate_is_invalid(void **state)
{
	struct perf_result r;

	make_good(&r);
	r.in_window = 98999;
	assert_int_equal(judge(&r, "rate missed"), PERF_INVALID);
	make_good(&r);
	r.in_window = 99000;
	assert_int_equal(judge(&r, NULL), PERF_VALID);
	make_good(&r);
	r.planned = 20; /* two replies behind the edge of a short window are no missed rate */
	r.in_window = 18;
	assert_int_equal(judge(&r, NULL), PERF_VALID);
}

static void test_errors_weigh_by_their_share(void **state)
{
	struct perf_result r;

	make_good(&r);
	r.errors[PERF_ERROR_RESET] = 1;
	assert_int_equal(judge(&r, "errors"), PERF_SUSPECT);
	make_good(&r);
	r.errors[PERF_ERROR_LOST] = 1001;
	assert_int_equal(judge(&r, "errors"), PERF_INVALID);
	make_good(&r);
	r.errors[PERF_ERROR_UNANSWERED] = 1;
	assert_int_equal(judge(&r, "lower bound"), PERF_SUSPECT);
}

static void test_lateness_weighs_against_the_latency(void **state)
{
	struct perf_result r;

	make_good(&r);
	perf_histogram_record(&r.lateness, 19 * ZOK_US, 5000); /* below what a turn of the loop takes anyway */
	assert_int_equal(judge(&r, NULL), PERF_VALID);
	make_good(&r);
	perf_histogram_record(&r.lateness, 22 * ZOK_US, 5000);
	assert_int_equal(judge(&r, "late"), PERF_SUSPECT);
	make_good(&r);
	perf_histogram_record(&r.lateness, 40 * ZOK_US, 5000);
	assert_int_equal(judge(&r, "late"), PERF_INVALID);
	make_good(&r);
	perf_histogram_record(&r.latency[PERF_CORRECTED], 10 * ZOK_MS, 5000); /* a slow server: the same lateness is nothing */
	perf_histogram_record(&r.lateness, 40 * ZOK_US, 5000);
	assert_int_equal(judge(&r, NULL), PERF_VALID);
}

static void test_an_absent_generator_is_not_believed(void **state)
{
	struct perf_result r;

	make_good(&r);
	r.pause_ns_total = 9 * ZOK_MS;
	assert_int_equal(judge(&r, NULL), PERF_VALID);
	make_good(&r);
	r.pause_ns_total = 11 * ZOK_MS;
	assert_int_equal(judge(&r, "paused"), PERF_SUSPECT);
	make_good(&r);
	r.pause_ns_total = 600 * ZOK_MS;
	assert_int_equal(judge(&r, "paused"), PERF_INVALID);
}

static void test_a_shared_or_stolen_processor_is_not_believed(void **state)
{
	struct perf_result r;

	make_good(&r);
	r.machine.wait_ns = 11 * ZOK_MS;
	assert_int_equal(judge(&r, "shared"), PERF_SUSPECT);
	make_good(&r);
	r.machine.wait_ns = 600 * ZOK_MS;
	assert_int_equal(judge(&r, "shared"), PERF_INVALID);
	make_good(&r);
	r.machine.wall_ns *= 2; /* the same wait, of two threads */
	r.machine.wait_ns = 11 * ZOK_MS;
	assert_int_equal(judge(&r, NULL), PERF_VALID);
	make_good(&r);
	r.machine.steal_fraction = 0.01;
	assert_int_equal(judge(&r, "stolen"), PERF_SUSPECT);
	make_good(&r);
	r.machine.steal_fraction = 0.1;
	assert_int_equal(judge(&r, "stolen"), PERF_INVALID);
}

static void test_nothing_measured_is_invalid(void **state)
{
	struct perf_result r;

	make_good(&r);
	perf_histogram_reset(&r.latency[PERF_CORRECTED]);
	assert_int_equal(judge(&r, "nothing"), PERF_INVALID);
}

static void test_a_percentile_needs_ten_samples_beyond(void **state)
{
	assert_true(perf_percentile_is_supported(20, 50));
	assert_false(perf_percentile_is_supported(19, 50));
	assert_true(perf_percentile_is_supported(10000, 99.9));
	assert_false(perf_percentile_is_supported(9999, 99.9));
	assert_true(perf_percentile_is_supported(100000, 99.99));
	assert_false(perf_percentile_is_supported(99999, 99.99));
	assert_true(perf_percentile_is_supported(1, 100));
	assert_false(perf_percentile_is_supported(0, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_run_is_valid),
		cmocka_unit_test(test_a_missed_rate_is_invalid),
		cmocka_unit_test(test_errors_weigh_by_their_share),
		cmocka_unit_test(test_lateness_weighs_against_the_latency),
		cmocka_unit_test(test_an_absent_generator_is_not_believed),
		cmocka_unit_test(test_a_shared_or_stolen_processor_is_not_believed),
		cmocka_unit_test(test_nothing_measured_is_invalid),
		cmocka_unit_test(test_a_percentile_needs_ten_samples_beyond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
