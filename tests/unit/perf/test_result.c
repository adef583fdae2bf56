/* A result as JSON and back: nothing that a report shows is lost, odd texts survive, and what is no result is refused. */
#include "perf/result.h"

#include "perf/report.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LABEL "a \"label\" with <marks> & a \\ and a\ttab"

static void make(struct perf_result *r, enum perf_loop loop)
{
	*r = (struct perf_result){
		.label = LABEL,
		.target = "tcp://127.0.0.1:7000",
		.protocol = "echo",
		.version = "1.2.3",
		.size = 64,
		.loop = loop,
		.arrivals = PERF_ARRIVALS_POISSON,
		.wait = PERF_WAIT_BLOCK,
		.connections = 16,
		.depth = 2,
		.threads = 3,
		.seed = 99,
		.started_s = 1441812279,
		.warmup_ns = ZOK_S,
		.duration_ns = 10 * ZOK_S,
		.rate_asked = loop == PERF_LOOP_OPEN ? 5000.5 : 0,
		.planned = 50005,
		.sent = 50004,
		.in_window = 50003,
		.pause_ns_total = 7,
		.pause_ns_max = 5,
		.machine = {.host = "host",
			    .kernel = "Linux",
			    .cpu_model = "CPU",
			    .cpus_pinned = "1",
			    .cpu_count = 2,
			    .steal_fraction = 0.5,
			    .wall_ns = 12},
	};
	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		r->errors[i] = (uint64_t)i + 1;
	for (int i = 0; i < PERF_MEASURES; i++) {
		assert_int_equal(perf_histogram_create(&r->latency[i], 1, 3600 * ZOK_S, 3), 0);
		for (uint64_t k = 1; k <= 500; k++)
			perf_histogram_record(&r->latency[i], k * k * 1000, 3);
	}
	if (loop == PERF_LOOP_CLOSED)
		perf_histogram_reset(&r->latency[PERF_CORRECTED]);
	assert_int_equal(perf_histogram_create(&r->lateness, 1, 3600 * ZOK_S, 3), 0);
	r->intervals = calloc(2, sizeof *r->intervals);
	r->interval_count = r->interval_room = 2;
	r->intervals[0] = (struct perf_interval_summary){.length_ns = ZOK_S, .count = 4, .p50_ns = 1, .p99_ns = 2, .max_ns = 3};
	r->intervals[1] = (struct perf_interval_summary){.start_ns = ZOK_S, .length_ns = ZOK_S};
	perf_verdict_judge(r);
}

static char *to_json(const struct perf_result *r)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(perf_result_write_json(out, r), 0);
	fclose(out);
	return text;
}

static int from_json(const char *text, struct perf_result *r, char *why)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r");
	int rc = perf_result_read_json(in, r, why);

	fclose(in);
	return rc;
}

static void check_round_trip(enum perf_loop loop)
{
	struct perf_result r, back;
	char why[PERF_TEXT_MAX], *first, *second;

	make(&r, loop);
	first = to_json(&r);
	assert_int_equal(from_json(first, &back, why), 0);
	assert_string_equal(back.label, LABEL);
	assert_int_equal(back.loop, loop);
	assert_memory_equal(back.latency[PERF_RAW].counts, r.latency[PERF_RAW].counts,
			    r.latency[PERF_RAW].counts_length * sizeof(uint64_t));
	second = to_json(&back);
	assert_string_equal(first, second); /* so everything that is written was read */
	free(first);
	free(second);
	perf_result_finish(&r);
	perf_result_finish(&back);
}

static void test_json_goes_round(void **state)
{
	if (!perf_result_can_read_json())
		skip();
	check_round_trip(PERF_LOOP_OPEN);
	check_round_trip(PERF_LOOP_CLOSED);
}

static void test_what_too_few_samples_support_is_null(void **state)
{
	struct perf_result r;
	char *text;

	make(&r, PERF_LOOP_OPEN); /* 1,500 samples */
	text = to_json(&r);
	assert_non_null(strstr(text, "\"p99\": 2"));
	assert_non_null(strstr(text, "\"p99.9\": null"));
	assert_non_null(strstr(text, "\"p99.99\": null"));
	free(text);
	perf_result_finish(&r);
}

static void test_what_is_no_result_is_refused(void **state)
{
	static const char *const texts[] = {"",
					    "{",
					    "[]",
					    "{}",
					    "{\"format\": \"zok-perf 1\"}",
					    "{\"format\": \"other\"}",
					    "{\"format\": \"zok-perf 1\", \"corrected\": {\"histogram\": \"AAAA\"}}"};
	struct perf_result r;
	char why[PERF_TEXT_MAX];

	if (!perf_result_can_read_json())
		skip();
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		why[0] = '\0';
		assert_int_equal(from_json(*texts[i] ? texts[i] : " ", &r, why), -EBADMSG);
		assert_true(why[0] != '\0');
	}
}

/* No coordinate and no figure is anything but a number. */
static void assert_numbers(const char *text)
{
	static const char *const bad[] = {"nan,", ",nan", "\"nan", "inf,", ",inf", "\"inf", " -nan", " inf "};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_null(strstr(text, bad[i]));
}

/* The page needs nothing but itself, escapes what is not ours, and closes what it opens. */
static void test_html_stands_alone(void **state)
{
	struct perf_result runs[2];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	make(&runs[0], PERF_LOOP_OPEN);
	make(&runs[1], PERF_LOOP_CLOSED);
	perf_report_html(out, runs, 2);
	fclose(out);
	assert_null(strstr(text, "http"));
	assert_null(strstr(text, "<marks>"));
	assert_non_null(strstr(text, "&lt;marks&gt; &amp; a \\"));
	assert_numbers(text);
	assert_non_null(strstr(text, "</svg>"));
	assert_string_equal(text + strlen(text) - 8, "</html>\n");
	free(text);
	perf_result_finish(&runs[0]);
	perf_result_finish(&runs[1]);
}

/* A run in which nothing came back is still shown. */
static void test_reports_take_an_empty_run(void **state)
{
	struct perf_result r;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	make(&r, PERF_LOOP_OPEN);
	perf_histogram_reset(&r.latency[PERF_CORRECTED]);
	perf_histogram_reset(&r.latency[PERF_RAW]);
	r.interval_count = 0;
	perf_report_html(out, &r, 1);
	perf_report_run(out, &r);
	perf_report_table(out, &r, 1);
	fclose(out);
	assert_numbers(text);
	free(text);
	perf_result_finish(&r);
}

static void test_durations_keep_three_digits(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {{0, "0 ns"},	 {999, "999 ns"},   {1000, "1.00 us"},	  {1234, "1.23 us"},	  {12345, "12.3 us"},
		     {123456, "123 us"}, {99960, "100 us"}, {1234567, "1.23 ms"}, {1500000000, "1.50 s"}, {99990000000, "100 s"},
		     {999999, "1.00 ms"}};
	char text[PERF_DURATION_TEXT_MAX];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		assert_string_equal(perf_format_ns(text, cases[i].ns), cases[i].text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_goes_round),
		cmocka_unit_test(test_what_too_few_samples_support_is_null),
		cmocka_unit_test(test_what_is_no_result_is_refused),
		cmocka_unit_test(test_html_stands_alone),
		cmocka_unit_test(test_reports_take_an_empty_run),
		cmocka_unit_test(test_durations_keep_three_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
