/* The intrusive list: order at both ends, removal from anywhere, splicing, and what each leaves behind. */
#include "zokio/list.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct item {
	int value;
	struct zok_list link;
};

enum { ITEM_COUNT = 5 };

static void fill(struct zok_list *list, struct item *items, int first_value)
{
	zok_list_init(list);
	for (int i = 0; i < ITEM_COUNT; i++) {
		items[i] = (struct item){.value = first_value + i};
		zok_list_push_back(list, &items[i].link);
	}
}

static void assert_values(struct zok_list *list, const int *values, size_t count)
{
	struct zok_list *behind = list;
	size_t i = 0;

	zok_list_for_each(node, list) {
		assert_true(i < count);
		assert_ptr_equal(node->prev, behind);
		assert_int_equal(ZOK_CONTAINER_OF(node, struct item, link)->value, values[i++]);
		behind = node;
	}
	assert_ptr_equal(list->prev, behind);
	assert_int_equal(i, count);
}

#define ASSERT_VALUES(list, ...) assert_values(list, (const int[]){__VA_ARGS__}, sizeof(int[]){__VA_ARGS__} / sizeof(int))

static void test_push_keeps_order(void **state)
{
	struct item items[ITEM_COUNT], front = {.value = -1};
	struct zok_list list;

	fill(&list, items, 0);
	ASSERT_VALUES(&list, 0, 1, 2, 3, 4);
	zok_list_push_front(&list, &front.link);
	ASSERT_VALUES(&list, -1, 0, 1, 2, 3, 4);
}

static void test_new_list_is_empty(void **state)
{
	struct zok_list list;

	zok_list_init(&list);
	assert_true(zok_list_is_empty(&list));
	assert_null(zok_list_pop_front(&list));
	assert_values(&list, NULL, 0);
}

static void test_remove_anywhere_and_again_in(void **state)
{
	struct item items[ITEM_COUNT];
	struct zok_list list;

	fill(&list, items, 0);
	zok_list_remove(&items[2].link);
	ASSERT_VALUES(&list, 0, 1, 3, 4);
	zok_list_remove(&items[0].link);
	zok_list_remove(&items[4].link);
	ASSERT_VALUES(&list, 1, 3);
	assert_false(zok_list_is_linked(&items[4].link));
	assert_true(zok_list_is_linked(&items[3].link));
	zok_list_push_back(&list, &items[4].link);
	ASSERT_VALUES(&list, 1, 3, 4);
}

static void test_pop_until_empty(void **state)
{
	struct item items[ITEM_COUNT];
	struct zok_list list;

	fill(&list, items, 0);
	for (int i = 0; i < ITEM_COUNT; i++) {
		struct zok_list *node = zok_list_pop_front(&list);

		assert_ptr_equal(node, &items[i].link);
		assert_false(zok_list_is_linked(node));
	}
	assert_true(zok_list_is_empty(&list));
}

static void test_splice_moves_all(void **state)
{
	struct item left_items[ITEM_COUNT], right_items[ITEM_COUNT];
	struct zok_list left, right;

	fill(&left, left_items, 0);
	fill(&right, right_items, 10);
	zok_list_splice(&left, &right);
	assert_true(zok_list_is_empty(&right));
	ASSERT_VALUES(&left, 0, 1, 2, 3, 4, 10, 11, 12, 13, 14);
	zok_list_splice(&left, &right);
	assert_true(zok_list_is_empty(&right));
	zok_list_splice(&right, &left);
	assert_true(zok_list_is_empty(&left));
	ASSERT_VALUES(&right, 0, 1, 2, 3, 4, 10, 11, 12, 13, 14);
}

static void test_safe_loop_survives_removal(void **state)
{
	struct item items[ITEM_COUNT];
	struct zok_list list;

	fill(&list, items, 0);
	zok_list_for_each_safe(node, &list) {
		if (ZOK_CONTAINER_OF(node, struct item, link)->value % 2 == 0)
			zok_list_remove(node);
	}
	ASSERT_VALUES(&list, 1, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_keeps_order),
		cmocka_unit_test(test_new_list_is_empty),
		cmocka_unit_test(test_remove_anywhere_and_again_in),
		cmocka_unit_test(test_pop_until_empty),
		cmocka_unit_test(test_splice_moves_all),
		cmocka_unit_test(test_safe_loop_survives_removal),
	};

	return cmocka_run_group_tests_name("core/list", tests, NULL, NULL);
}
