/* The MPMC queue, typed and sized at run time: full, empty, bursts around the ring's end, and two producers with two consumers at work. */
#include "zokio/mpmc.h"

#include <errno.h>

#include "tests/unit/core/queue_threads.h"

ZOK_MPMC(small, struct element, 4);
ZOK_MPMC(ring, struct element, 64);

static void test_is_full_and_empty_at_its_capacity(void **state)
{
	static struct small queue;
	struct element item = {.number = 0};

	small_init(&queue);
	for (unsigned lap = 0; lap < 3; lap++) {
		for (unsigned i = 0; i < 4; i++, item.number++)
			assert_true(small_push(&queue, &item));
		assert_false(small_push(&queue, &item));
		assert_int_equal(small_count(&queue), 4);
		for (unsigned i = 4; i > 0; i--) {
			struct element popped;

			assert_true(small_pop(&queue, &popped));
			assert_int_equal(popped.number, item.number - i);
		}
	}
	item.number = 77;
	assert_false(small_pop(&queue, &item));
	assert_int_equal(item.number, 77);
}

static void test_bursts_move_what_fits_and_wrap(void **state)
{
	static struct small queue;
	struct element in[8], out[8];
	unsigned pushed = 0, popped = 0;

	small_init(&queue);
	for (unsigned round = 0; round < 20; round++) {
		size_t n;

		for (unsigned i = 0; i < 8; i++)
			in[i].number = pushed + i;
		n = small_push_burst(&queue, in, 1 + round % 8);
		assert_true(n > 0 && n <= 4);
		pushed += (unsigned)n;
		assert_int_equal(small_count(&queue), pushed - popped);
		n = small_pop_burst(&queue, out, 1 + round % 3);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(out[i].number, popped++);
	}
	assert_int_equal(small_push_burst(&queue, in, 0), 0);
	assert_int_equal(small_pop_burst(&queue, out, 0), 0);
}

static void test_indices_may_overflow(void **state)
{
	static struct small queue;
	struct element item = {.number = 1};

	queue.ends.producers.claimed = queue.ends.producers.done = queue.ends.producers.other_seen = SIZE_MAX - 1;
	queue.ends.consumers.claimed = queue.ends.consumers.done = queue.ends.consumers.other_seen = SIZE_MAX - 1;
	for (unsigned i = 0; i < 4; i++)
		assert_true(small_push(&queue, &item));
	assert_false(small_push(&queue, &item));
	for (unsigned i = 0; i < 4; i++)
		assert_true(small_pop(&queue, &item));
	assert_false(small_pop(&queue, &item));
}

/* A copy of the other side's index that a slow neighbour put back must look like "no room", never like a lot of it. */
static void test_an_outdated_copy_of_an_index_is_harmless(void **state)
{
	static struct small queue;
	struct element item = {.number = 1};

	small_init(&queue);
	for (unsigned i = 0; i < 12; i++) {
		assert_true(small_push(&queue, &item));
		assert_true(small_pop(&queue, &item));
	}
	queue.ends.producers.other_seen = 2;
	queue.ends.consumers.other_seen = 2;
	assert_false(small_pop(&queue, &item));
	for (unsigned i = 0; i < 4; i++)
		assert_true(small_push(&queue, &item));
	assert_false(small_push(&queue, &item));
}

static void produce(void *arg, unsigned index, struct record *record)
{
	struct element items[7];

	for (uint32_t number = 0; number < PER_PRODUCER;) {
		size_t want = 1 + number % 7;

		for (uint32_t i = 0; i < 7; i++)
			items[i] = (struct element){.producer = index, .number = number + i};
		if (want > PER_PRODUCER - number)
			want = PER_PRODUCER - number;
		want = ring_push_burst(arg, items, want);
		number += (uint32_t)want;
		if (want == 0)
			sched_yield();
	}
}

/* With as many consumers as producers each takes one producer's worth. */
static void consume(void *arg, unsigned index, struct record *record)
{
	struct element items[5];

	for (uint32_t number = 0; number < PER_PRODUCER;) {
		size_t n = ring_pop_burst(arg, items, PER_PRODUCER - number < 5 ? PER_PRODUCER - number : 5);

		for (size_t i = 0; i < n; i++)
			record_element(record, items[i]);
		number += (uint32_t)n;
		if (n == 0)
			sched_yield();
	}
}

static void test_four_threads_lose_nothing(void **state)
{
	static struct ring queue;
	struct record *records = make_records(2);
	struct worker workers[] = {{produce, &queue, 0, NULL},
				   {produce, &queue, 1, NULL},
				   {consume, &queue, 0, &records[0]},
				   {consume, &queue, 1, &records[1]}};

	ring_init(&queue);
	run_workers(workers, 4);
	check_records(records, 2, 2, true);
	assert_int_equal(ring_count(&queue), 0);
	free(records);
}

static void dynamic_produce(void *arg, unsigned index, struct record *record)
{
	struct element item = {.producer = index};

	while (item.number < PER_PRODUCER)
		if (zok_mpmc_push(arg, &item, 1) == 1)
			item.number++;
		else
			sched_yield();
}

static void dynamic_consume(void *arg, unsigned index, struct record *record)
{
	struct element item;

	for (size_t number = 0; number < PER_PRODUCER;)
		if (zok_mpmc_pop(arg, &item, 1) == 1) {
			record_element(record, item);
			number++;
		} else {
			sched_yield();
		}
}

static void test_dynamic_four_threads_lose_nothing(void **state)
{
	struct zok_mpmc *queue;
	struct record *records = make_records(2);

	assert_int_equal(zok_mpmc_create(&queue, 16, sizeof(struct element)), 0);
	run_workers((struct worker[]){{dynamic_produce, queue, 0, NULL},
				      {dynamic_produce, queue, 1, NULL},
				      {dynamic_consume, queue, 0, &records[0]},
				      {dynamic_consume, queue, 1, &records[1]}},
		    4);
	check_records(records, 2, 2, true);
	zok_mpmc_destroy(queue);
	free(records);
}

static void test_dynamic_copies_any_size(void **state)
{
	struct zok_mpmc *queue;
	char in[3][5] = {"abcd", "efgh", "ijkl"}, out[3][5];

	assert_int_equal(zok_mpmc_create(&queue, 4, 5), 0);
	for (unsigned lap = 0; lap < 9; lap++) {
		assert_int_equal(zok_mpmc_push(queue, in, 3), 3);
		assert_int_equal(zok_mpmc_push(queue, in, 3), 1);
		assert_int_equal(zok_mpmc_count(queue), 4);
		assert_int_equal(zok_mpmc_pop(queue, out, 3), 3);
		assert_memory_equal(in, out, sizeof in);
		assert_int_equal(zok_mpmc_pop(queue, out, 3), 1);
		assert_memory_equal(in[0], out[0], 5);
		assert_int_equal(zok_mpmc_pop(queue, out, 3), 0);
	}
	zok_mpmc_destroy(queue);
	zok_mpmc_destroy(NULL);
}

static void test_dynamic_refuses_bad_sizes_and_memory(void **state)
{
	static _Alignas(ZOK_FALSE_SHARING) unsigned char memory[2048];
	struct zok_mpmc *queue = NULL;
	size_t size = zok_mpmc_memory_size(8, 16);

	assert_true(size > 0 && size <= sizeof memory);
	assert_int_equal(zok_mpmc_memory_size(12, 8), 0);
	assert_int_equal(zok_mpmc_create(&queue, 12, 8), -EINVAL);
	assert_int_equal(zok_mpmc_init(&queue, memory, size - 1, 8, 16), -EINVAL);
	assert_int_equal(zok_mpmc_init(&queue, memory + 8, size, 8, 16), -EINVAL);
	assert_null(queue);
	assert_int_equal(zok_mpmc_init(&queue, memory, size, 8, 16), 0);
	assert_ptr_equal(queue, memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_full_and_empty_at_its_capacity),
		cmocka_unit_test(test_bursts_move_what_fits_and_wrap),
		cmocka_unit_test(test_indices_may_overflow),
		cmocka_unit_test(test_an_outdated_copy_of_an_index_is_harmless),
		cmocka_unit_test(test_four_threads_lose_nothing),
		cmocka_unit_test(test_dynamic_four_threads_lose_nothing),
		cmocka_unit_test(test_dynamic_copies_any_size),
		cmocka_unit_test(test_dynamic_refuses_bad_sizes_and_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
