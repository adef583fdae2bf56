/* The .hlog interval log: what is written is read back, in the column order of HdrHistogram's Java reader, and what is no log is refused. */
#include "perf/hlog.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void make(struct perf_histogram *h, uint64_t value)
{
	assert_int_equal(perf_histogram_create(h, 1, 3600 * ZOK_S, 3), 0);
	perf_histogram_record(h, value, 10);
}

/* Two intervals, the second of them twice: untagged and tagged. */
static char *write_log(void)
{
	struct perf_histogram a, b;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	make(&a, 2 * ZOK_MS);
	make(&b, 40 * ZOK_US);
	perf_hlog_write_head(out, 1441812279.474, "a note");
	assert_int_equal(perf_hlog_write(out, NULL, 0.127, 1.007, &a), 0);
	assert_int_equal(perf_hlog_write(out, NULL, 1.134, 0.999, &b), 0);
	assert_int_equal(perf_hlog_write(out, "raw", 1.134, 0.999, &b), 0);
	fclose(out);
	perf_histogram_destroy(&a);
	perf_histogram_destroy(&b);
	return text;
}

static void test_layout_is_javas(void **state)
{
	char *text = write_log();

	assert_non_null(strstr(text, "#[Histogram log format version 1.3]\n"));
	assert_non_null(strstr(text, "#[BaseTime: 1441812279.474 (seconds since epoch)]\n"));
	assert_non_null(strstr(text, "#[StartTime: 1441812279.474 (seconds since epoch), Wed Sep 09 15:24:39 UTC 2015]\n"));
	assert_non_null(strstr(text, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"));
	assert_non_null(strstr(text, "\n0.127,1.007,2.001,HISTFAAA"));
	assert_non_null(strstr(text, "\nTag=raw,1.134,0.999,0.040,HISTFAAA"));
	free(text);
}

static void test_what_is_written_is_read(void **state)
{
	static const struct {
		const char *tag;
		double start_s, length_s;
		uint64_t value;
	} expected[] = {{"", 0.127, 1.007, 2 * ZOK_MS}, {"", 1.134, 0.999, 40 * ZOK_US}, {"raw", 1.134, 0.999, 40 * ZOK_US}};
	char *text = write_log();
	FILE *in = fmemopen(text, strlen(text), "r");
	struct perf_hlog_line line;
	unsigned line_number = 0;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(perf_hlog_read(in, &line, &line_number), 1);
		assert_string_equal(line.tag, expected[i].tag);
		assert_true(fabs(line.start_s - expected[i].start_s) < 1e-9 && fabs(line.length_s - expected[i].length_s) < 1e-9);
		assert_int_equal(line.histogram.total, 10);
		assert_true(perf_histogram_index(&line.histogram, line.histogram.max) ==
			    perf_histogram_index(&line.histogram, expected[i].value));
		perf_histogram_destroy(&line.histogram);
	}
	assert_int_equal(perf_hlog_read(in, &line, &line_number), 0);
	assert_int_equal(line_number, 8);
	fclose(in);
	free(text);
}

static int read_text(const char *text, unsigned *line_number)
{
	FILE *in = fmemopen((void *)text, strlen(text), "r");
	struct perf_hlog_line line;
	int rc;

	*line_number = 0;
	rc = perf_hlog_read(in, &line, line_number);
	fclose(in);
	return rc;
}

static void test_bad_lines_are_refused_with_their_number(void **state)
{
	static const char *const lines[] = {
		"# fine\nhello", "# fine\n1,2", "# fine\n1,2,3,HISTFAAA", "# fine\nTag=x", "# fine\n1;2;3;4",
	};
	unsigned line_number;

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		assert_int_equal(read_text(lines[i], &line_number), -EBADMSG);
		assert_int_equal(line_number, 2);
	}
	assert_int_equal(read_text("\n# only a comment\n", &line_number), 0);
}

static void test_a_tag_that_would_break_the_line_is_refused(void **state)
{
	struct perf_histogram h;

	make(&h, 1);
	assert_int_equal(perf_hlog_write(stdout, "a,b", 0, 1, &h), -EINVAL);
	assert_int_equal(perf_hlog_write(stdout, "a b", 0, 1, &h), -EINVAL);
	perf_histogram_destroy(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout_is_javas),
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_bad_lines_are_refused_with_their_number),
		cmocka_unit_test(test_a_tag_that_would_break_the_line_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
