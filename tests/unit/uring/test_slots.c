/* The table of ops in flight: a tag outlives neither its op nor a reuse of the slot, growth moves nothing, and its end is no abort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "uring/slots.h"

static void test_tag_finds_its_op(void **state)
{
	struct zok__slots slots;
	struct zok_op first = {0}, second = {0};

	assert_int_equal(zok__slots_init(&slots, 2, 2), 0);
	assert_true(zok__slots_take(&slots, &first));
	assert_true(zok__slots_take(&slots, &second));
	assert_int_not_equal(first.handle, 0);
	assert_ptr_equal(zok__slots_find(&slots, zok__slots_tag(&slots, &first)), &first);
	assert_ptr_equal(zok__slots_find(&slots, zok__slots_tag(&slots, &second)), &second);
	zok__slots_free(&slots, &first);
	zok__slots_free(&slots, &second);
	assert_int_equal(first.handle, 0);
	zok__slots_finish(&slots);
}

static void test_stale_tag_finds_nothing(void **state)
{
	struct zok__slots slots;
	struct zok_op op = {0};
	uint64_t stale;

	assert_int_equal(zok__slots_init(&slots, 1, 1), 0);
	assert_true(zok__slots_take(&slots, &op));
	stale = zok__slots_tag(&slots, &op);
	zok__slots_free(&slots, &op);
	assert_null(zok__slots_find(&slots, stale));
	for (int i = 0; i < 1000; i++) {
		assert_true(zok__slots_take(&slots, &op)); /* the same slot, the same op even */
		assert_null(zok__slots_find(&slots, stale));
		zok__slots_free(&slots, &op);
	}
	zok__slots_finish(&slots);
}

/* Tags below 2^32 are the engine's own, also when a slot's generation runs over. */
static void test_generation_is_never_zero(void **state)
{
	struct zok__slots slots;
	struct zok_op op = {0};

	assert_int_equal(zok__slots_init(&slots, 1, 1), 0);
	slots.table[0].generation = UINT32_MAX;
	assert_true(zok__slots_take(&slots, &op));
	assert_int_equal(zok__slots_tag(&slots, &op) >> 32, UINT32_MAX);
	zok__slots_free(&slots, &op);
	assert_true(zok__slots_take(&slots, &op));
	assert_int_equal(zok__slots_tag(&slots, &op) >> 32, 1);
	for (uint64_t own = 0; own < 4; own++)
		assert_null(zok__slots_find(&slots, own));
	zok__slots_free(&slots, &op);
	zok__slots_finish(&slots);
}

static void test_growth_keeps_tags(void **state)
{
	enum { COUNT = 1000 };
	static struct zok_op ops[COUNT];
	static uint64_t tags[COUNT];
	struct zok__slots slots;

	assert_int_equal(zok__slots_init(&slots, 2, 1 << 20), 0);
	for (int i = 0; i < COUNT; i++) {
		assert_true(zok__slots_take(&slots, &ops[i]));
		tags[i] = zok__slots_tag(&slots, &ops[i]);
	}
	for (int i = 0; i < COUNT; i++) {
		assert_ptr_equal(zok__slots_find(&slots, tags[i]), &ops[i]);
		zok__slots_free(&slots, &ops[i]);
	}
	assert_int_equal(slots.used_count, 0);
	zok__slots_finish(&slots);
}

static void test_full_is_no_abort(void **state)
{
	struct zok__slots slots;
	struct zok_op ops[4] = {0};

	assert_int_equal(zok__slots_init(&slots, 2, 3), 0);
	for (int i = 0; i < 3; i++)
		assert_true(zok__slots_take(&slots, &ops[i]));
	assert_false(zok__slots_take(&slots, &ops[3]));
	assert_int_equal(ops[3].handle, 0);
	zok__slots_free(&slots, &ops[1]);
	assert_true(zok__slots_take(&slots, &ops[3]));
	zok__slots_free(&slots, &ops[0]);
	zok__slots_free(&slots, &ops[2]);
	zok__slots_free(&slots, &ops[3]);
	zok__slots_finish(&slots);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tag_finds_its_op),	 cmocka_unit_test(test_stale_tag_finds_nothing),
		cmocka_unit_test(test_generation_is_never_zero), cmocka_unit_test(test_growth_keeps_tags),
		cmocka_unit_test(test_full_is_no_abort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
