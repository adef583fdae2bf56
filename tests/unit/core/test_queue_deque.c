/* The work-stealing deque, typed and sized at run time: both ends, the last element, bursts, and three thieves at work. */
#include "zokio/deque.h"

#include <errno.h>

#include "tests/unit/core/queue_threads.h"

ZOK_DEQUE(small, uint32_t, 4);
ZOK_DEQUE(work, struct element *, 64);

static void test_owner_takes_the_newest_and_thieves_the_oldest(void **state)
{
	static struct small deque;
	uint32_t item = 77;

	small_init(&deque);
	assert_false(small_take(&deque, &item));
	assert_int_equal(small_steal(&deque, &item), ZOK_STEAL_EMPTY);
	assert_int_equal(item, 77);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(small_push(&deque, i));
	assert_false(small_push(&deque, 4));
	assert_int_equal(small_count(&deque), 4);
	assert_true(small_take(&deque, &item));
	assert_int_equal(item, 3);
	assert_int_equal(small_steal(&deque, &item), ZOK_STOLEN);
	assert_int_equal(item, 0);
	assert_true(small_push(&deque, 5));
	assert_true(small_push(&deque, 6));
	assert_false(small_push(&deque, 7));
	assert_int_equal(small_steal(&deque, &item), ZOK_STOLEN);
	assert_int_equal(item, 1);
}

static void test_the_last_element_goes_to_one(void **state)
{
	static struct small deque;
	uint32_t item;

	small_init(&deque);
	for (unsigned lap = 0; lap < 10; lap++) {
		assert_true(small_push(&deque, lap));
		assert_true(small_take(&deque, &item));
		assert_int_equal(item, lap);
		assert_false(small_take(&deque, &item));
		assert_int_equal(small_steal(&deque, &item), ZOK_STEAL_EMPTY);
		assert_true(small_push(&deque, lap));
		assert_int_equal(small_steal(&deque, &item), ZOK_STOLEN);
		assert_int_equal(small_steal(&deque, &item), ZOK_STEAL_EMPTY);
		assert_false(small_take(&deque, &item));
		assert_int_equal(small_count(&deque), 0);
	}
}

static void test_a_burst_steals_at_most_half(void **state)
{
	static struct small deque;
	uint32_t items[4];

	small_init(&deque);
	for (uint32_t i = 0; i < 4; i++)
		small_push(&deque, i);
	assert_int_equal(small_steal_burst(&deque, items, 4), 2);
	assert_int_equal(items[0], 0);
	assert_int_equal(items[1], 1);
	assert_int_equal(small_steal_burst(&deque, items, 0), 0);
	assert_int_equal(small_steal_burst(&deque, items, 4), 1);
	assert_int_equal(items[0], 2);
	assert_int_equal(small_steal_burst(&deque, items, 4), 1);
	assert_int_equal(items[0], 3);
	assert_int_equal(small_steal_burst(&deque, items, 4), 0);
}

static void test_indices_may_overflow(void **state)
{
	static struct small deque;
	uint32_t item;

	deque.ends.top = deque.ends.bottom = deque.ends.top_seen = SIZE_MAX - 1;
	for (uint32_t i = 0; i < 4; i++)
		assert_true(small_push(&deque, i));
	assert_false(small_push(&deque, 4));
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(small_steal(&deque, &item), ZOK_STOLEN);
		assert_int_equal(item, i);
	}
	assert_true(small_take(&deque, &item));
	assert_false(small_take(&deque, &item));
	assert_int_equal(small_count(&deque), 0);
}

/* The deque, its elements, and how many are gone: the thieves stop when all are. */
struct yard {
	struct work deque;
	struct element *elements;
	unsigned gone;
};

static void take_away(struct yard *yard, struct record *record, struct element *element)
{
	record_element(record, *element);
	__atomic_fetch_add(&yard->gone, 1, __ATOMIC_RELAXED);
}

static void own(void *arg, unsigned index, struct record *record)
{
	struct yard *yard = arg;
	struct element *element;

	for (uint32_t number = 0; number < PER_PRODUCER; number++) {
		yard->elements[number] = (struct element){.number = number};
		while (!work_push(&yard->deque, &yard->elements[number]))
			if (work_take(&yard->deque, &element))
				take_away(yard, record, element);
		if (number % 3 == 0 && work_take(&yard->deque, &element))
			take_away(yard, record, element);
	}
	while (work_take(&yard->deque, &element))
		take_away(yard, record, element);
}

static void rob(void *arg, unsigned index, struct record *record)
{
	struct yard *yard = arg;
	struct element *elements[4];

	while (__atomic_load_n(&yard->gone, __ATOMIC_RELAXED) < PER_PRODUCER) {
		size_t n = index == 0 ? work_steal_burst(&yard->deque, elements, 4) : work_steal(&yard->deque, elements) == ZOK_STOLEN;

		for (size_t i = 0; i < n; i++)
			take_away(yard, record, elements[i]);
		if (n == 0)
			sched_yield();
	}
}

static void test_four_threads_lose_nothing(void **state)
{
	static struct yard yard;
	struct record *records = make_records(4);
	struct worker workers[] = {
		{own, &yard, 0, &records[0]}, {rob, &yard, 0, &records[1]}, {rob, &yard, 1, &records[2]}, {rob, &yard, 2, &records[3]}};

	work_init(&yard.deque);
	yard.elements = calloc(PER_PRODUCER, sizeof *yard.elements);
	run_workers(workers, 4);
	/* The owner's come newest first; a thief's in order. */
	check_records(records, 4, 1, false);
	for (unsigned i = 1; i < 4; i++)
		assert_false(records[i].is_out_of_order);
	free(yard.elements);
	free(records);
}

static void test_dynamic_is_the_same_deque(void **state)
{
	static _Alignas(ZOK_FALSE_SHARING) unsigned char memory[1024];
	struct zok_deque *deque = NULL;
	int values[9];
	void *item = NULL;

	assert_int_equal(zok_deque_create(&deque, 6), -EINVAL);
	assert_int_equal(zok_deque_init(&deque, memory, zok_deque_memory_size(8) - 1, 8), -EINVAL);
	assert_null(deque);
	assert_int_equal(zok_deque_init(&deque, memory, sizeof memory, 8), 0);
	assert_ptr_equal(deque, memory);
	assert_int_equal(zok_deque_create(&deque, 8), 0);
	assert_false(zok_deque_take(deque, &item));
	assert_int_equal(zok_deque_steal(deque, &item), ZOK_STEAL_EMPTY);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(zok_deque_push(deque, &values[i]), i < 8);
	assert_int_equal(zok_deque_count(deque), 8);
	assert_true(zok_deque_take(deque, &item));
	assert_ptr_equal(item, &values[7]);
	assert_int_equal(zok_deque_steal(deque, &item), ZOK_STOLEN);
	assert_ptr_equal(item, &values[0]);
	zok_deque_destroy(deque);
	zok_deque_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner_takes_the_newest_and_thieves_the_oldest),
		cmocka_unit_test(test_the_last_element_goes_to_one),
		cmocka_unit_test(test_a_burst_steals_at_most_half),
		cmocka_unit_test(test_indices_may_overflow),
		cmocka_unit_test(test_four_threads_lose_nothing),
		cmocka_unit_test(test_dynamic_is_the_same_deque),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
