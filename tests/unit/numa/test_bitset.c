/* Sets of CPU numbers: members at word borders and at the end, and the kernel's list format both ways. */
#include "numa/bitset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void holds_numbers_at_the_borders(void **state)
{
	static const int numbers[] = {0, 63, 64, 127, 4096, ZOK__BITSET_MAX - 1};
	struct zok__bitset set = {{0}};
	int at = -1;

	assert_true(zok__bitset_is_empty(&set));
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		zok__bitset_add(&set, numbers[i]);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		at = zok__bitset_next(&set, at);
		assert_int_equal(at, numbers[i]);
		assert_true(zok__bitset_has(&set, at));
	}
	assert_int_equal(zok__bitset_next(&set, at), -1);
	zok__bitset_remove(&set, 63);
	assert_false(zok__bitset_has(&set, 63));
	assert_int_equal(zok__bitset_next(&set, 0), 64);
}

static void ignores_numbers_that_do_not_fit(void **state)
{
	struct zok__bitset set = {{0}};

	zok__bitset_add(&set, -1);
	zok__bitset_add(&set, ZOK__BITSET_MAX);
	zok__bitset_remove(&set, -1);
	assert_true(zok__bitset_is_empty(&set));
	assert_false(zok__bitset_has(&set, -1));
	assert_false(zok__bitset_has(&set, ZOK__BITSET_MAX));
}

static void reads_and_writes_the_kernels_lists(void **state)
{
	static const struct {
		const char *text;
		const char *formatted;
	} rows[] = {
		{"", "none"},
		{"\n", "none"},
		{"0", "0"},
		{"0-1\n", "0-1"},
		{"0-3,8,10-11\n", "0-3,8,10-11"},
		{"1,0,2", "0-2"},
		{"8191", "8191"},
		{"0,2,4,6,8,10,12,14,16,18,20,22,24", "0,2,4,6,8,10,12,14,16,18,20..."},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__bitset set;
		char text[32];

		assert_int_equal(zok__bitset_parse(rows[i].text, &set), 0);
		zok__bitset_format(&set, text, sizeof text);
		assert_string_equal(text, rows[i].formatted);
	}
}

static void refuses_what_is_no_list(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} rows[] = {
		{"x", -EINVAL},
		{"0,", -EINVAL},
		{"0-", -EINVAL},
		{"-1", -EINVAL},
		{"3-1", -EINVAL},
		{",0", -EINVAL},
		{"0 1", -EINVAL},
		{"0x1", -EINVAL},
		{"0\n1", -EINVAL},
		{"8192", -ERANGE},
		{"99999999999999999999999", -ERANGE},
		{"0-9999", -ERANGE},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__bitset set = {{0x5a}};

		assert_int_equal(zok__bitset_parse(rows[i].text, &set), rows[i].rc);
		assert_int_equal(set.word[0], 0x5a);
	}
}

static void intersects(void **state)
{
	struct zok__bitset a, b;
	char text[32];

	assert_int_equal(zok__bitset_parse("0-3,100-200", &a), 0);
	assert_int_equal(zok__bitset_parse("2-120", &b), 0);
	zok__bitset_intersect(&a, &b);
	zok__bitset_format(&a, text, sizeof text);
	assert_string_equal(text, "2-3,100-120");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_numbers_at_the_borders),
		cmocka_unit_test(ignores_numbers_that_do_not_fit),
		cmocka_unit_test(reads_and_writes_the_kernels_lists),
		cmocka_unit_test(refuses_what_is_no_list),
		cmocka_unit_test(intersects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
