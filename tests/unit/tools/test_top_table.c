/* The table of zok top: no page is wider than its terminal, no cell wider than its column, whatever the figures; and rows are ordered. */
#include "tools/top.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct top_figures figures;

static void fill(uint64_t value, uint64_t latency_ns)
{
	figures = (struct top_figures){.seconds = 1, .core_count = 2};
	for (int i = 0; i < TOP_FIELD_COUNT; i++)
		figures.rows[0].value[i] = figures.rows[0].delta[i] = figures.total.value[i] = figures.total.delta[i] = value;
	for (int i = 0; i < TOP_CLASS_COUNT; i++)
		figures.rows[0].latency[i].counts[zok_latency_bucket(latency_ns)] = 1;
	figures.rows[0].callbacks = 1;
	figures.rows[0].index = 1023;
}

static void test_no_page_is_wider_than_the_terminal(void **state)
{
	struct top_layout layout;

	for (unsigned page = 0; page < TOP_PAGE_COUNT; page++) {
		unsigned count = 0;

		for (int width = 1; width < 300; width++) {
			int sum = -1;

			top_layout_make(&layout, page, width);
			for (unsigned i = 0; i < layout.count; i++)
				sum += 1 + (layout.columns[i]->format == TOP_AS_BAR ? layout.bar_width : layout.columns[i]->width);
			if (layout.count > 0)
				assert_int_equal(sum, layout.width);
			assert_in_range(layout.width, 0, width);
			assert_true(layout.bar_width <= TOP_BAR_MAX);
			count = layout.count;
		}
		assert_true(count > 10);
		top_layout_make(&layout, page, 80);
		assert_true(layout.count > 8);
	}
}

static void test_no_cell_is_wider_than_its_column(void **state)
{
	static const uint64_t values[] = {
		0, 1, 999, 1000, 9999, 10000, 99950, 999499, 999500, 1u << 30, UINT64_C(1) << 62, TOP_ABSENT - 1, TOP_ABSENT};
	char cell[TOP_CELL_SIZE];
	struct top_layout layout;

	for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
		fill(values[v], values[v]);
		for (unsigned page = 0; page < TOP_PAGE_COUNT; page++) {
			top_layout_make(&layout, page, 1000);
			for (unsigned i = 0; i < layout.count; i++) {
				/* A share of the time has no such values. */
				if (layout.columns[i]->format == TOP_AS_SHARE)
					continue;
				top_cell(cell, layout.columns[i], &figures.rows[0], &figures);
				if ((int)strlen(cell) > layout.columns[i]->width)
					fail_msg("'%s' of %llu is wider than its column %s", cell, (unsigned long long)values[v],
						 layout.columns[i]->title);
				top_cell(cell, layout.columns[i], &figures.total, &figures);
				assert_true((int)strlen(cell) <= layout.columns[i]->width);
			}
		}
	}
}

static void count_is(double count, const char *expected)
{
	char text[TOP_CELL_SIZE];

	top_format_count(text, count);
	assert_string_equal(text, expected);
}

static void time_is(uint64_t ns, const char *expected)
{
	char text[TOP_CELL_SIZE];

	top_format_ns(text, ns);
	assert_string_equal(text, expected);
}

static void test_figures_have_three_digits_and_a_unit(void **state)
{
	char text[32];

	count_is(0, "0");
	count_is(7, "7");
	count_is(0.5, "0.50");
	count_is(12.34, "12.3");
	count_is(1234, "1234");
	count_is(12345, "12.3k");
	count_is(1999999, "2.00M");
	time_is(999, "999ns");
	time_is(1250, "1.2us");
	time_is(45000, "45us");
	time_is(999600, "1.0ms");
	time_is(3 * ZOK_S, "3.0s");
	top_format_bytes(text, 64 * 1024);
	assert_string_equal(text, "64.0k");
	top_format_uptime(text, 3661 * ZOK_S);
	assert_string_equal(text, "01:01:01");
	top_format_uptime(text, (86400 * 3 + 1) * ZOK_S);
	assert_string_equal(text, "3d 00:00:01");
}

static void test_the_bar_is_filled_by_shares(void **state)
{
	struct top_row row = {.callbacks = 0.5, .kernel = 0.25};
	int callbacks, kernel;

	top_bar_cells(&row, 20, &callbacks, &kernel);
	assert_int_equal(callbacks, 10);
	assert_int_equal(kernel, 5);
	row = (struct top_row){.callbacks = 0.999, .kernel = 0.001};
	top_bar_cells(&row, 10, &callbacks, &kernel);
	assert_int_equal(callbacks + kernel, 10);
}

static void test_rows_are_ordered_and_equals_stay_by_core(void **state)
{
	figures = (struct top_figures){.core_count = 4};
	figures.rows[1].callbacks = 0.5;
	figures.rows[3].callbacks = 0.9;
	figures.rows[2].delta[TOP_OPS] = 9;
	top_sort(&figures, TOP_BY_BUSY);
	assert_int_equal(figures.order[0], 3);
	assert_int_equal(figures.order[1], 1);
	assert_int_equal(figures.order[2], 0);
	assert_int_equal(figures.order[3], 2);
	top_sort(&figures, TOP_BY_OPS);
	assert_int_equal(figures.order[0], 2);
	top_sort(&figures, TOP_BY_CORE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(figures.order[i], i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_page_is_wider_than_the_terminal),	 cmocka_unit_test(test_no_cell_is_wider_than_its_column),
		cmocka_unit_test(test_figures_have_three_digits_and_a_unit),	 cmocka_unit_test(test_the_bar_is_filled_by_shares),
		cmocka_unit_test(test_rows_are_ordered_and_equals_stay_by_core),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
