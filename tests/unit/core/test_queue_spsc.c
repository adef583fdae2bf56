/* The SPSC queue, typed and sized at run time: full, empty, order, bursts around the ring's end, and two threads at work. */
#include "zokio/spsc.h"

#include <errno.h>

#include "tests/unit/core/queue_threads.h"

ZOK_SPSC(small, struct element, 4);
ZOK_SPSC(ring, struct element, 64);

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

static void test_zeroed_memory_is_an_empty_queue(void **state)
{
	static struct small queue;
	struct element item = {.number = 1};

	assert_int_equal(small_count(&queue), 0);
	assert_false(small_pop(&queue, &item));
	assert_true(small_push(&queue, &item));
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

	queue.ends.tail = queue.ends.head = queue.ends.head_seen = queue.ends.tail_seen = SIZE_MAX - 1;
	for (unsigned i = 0; i < 4; i++)
		assert_true(small_push(&queue, &item));
	assert_false(small_push(&queue, &item));
	assert_int_equal(small_count(&queue), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_true(small_pop(&queue, &item));
	assert_false(small_pop(&queue, &item));
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
		want = want == 1 ? ring_push(arg, items) : ring_push_burst(arg, items, want);
		number += (uint32_t)want;
		if (want == 0)
			sched_yield();
	}
}

static void consume(void *arg, unsigned index, struct record *record)
{
	struct element items[5];

	for (uint32_t number = 0; number < PER_PRODUCER;) {
		size_t n = number % 5 == 0 ? ring_pop(arg, items) : ring_pop_burst(arg, items, 5);

		for (size_t i = 0; i < n; i++)
			record_element(record, items[i]);
		number += (uint32_t)n;
		if (n == 0)
			sched_yield();
	}
}

static void test_two_threads_lose_nothing(void **state)
{
	static struct ring queue;
	struct record *record = make_records(1);
	struct worker workers[] = {{produce, &queue, 0, NULL}, {consume, &queue, 0, record}};

	ring_init(&queue);
	run_workers(workers, 2);
	check_records(record, 1, 1, true);
	assert_int_equal(ring_count(&queue), 0);
	free(record);
}

static void dynamic_produce(void *arg, unsigned index, struct record *record)
{
	struct element item = {.producer = index};

	while (item.number < PER_PRODUCER)
		if (zok_spsc_push(arg, &item, 1) == 1)
			item.number++;
		else
			sched_yield();
}

static void dynamic_consume(void *arg, unsigned index, struct record *record)
{
	struct element items[5];

	for (size_t number = 0, n; number < PER_PRODUCER; number += n) {
		n = zok_spsc_pop(arg, items, 5);
		for (size_t i = 0; i < n; i++)
			record_element(record, items[i]);
		if (n == 0)
			sched_yield();
	}
}

static void test_dynamic_two_threads_lose_nothing(void **state)
{
	struct zok_spsc *queue;
	struct record *record = make_records(1);

	assert_int_equal(zok_spsc_create(&queue, 16, sizeof(struct element)), 0);
	run_workers((struct worker[]){{dynamic_produce, queue, 0, NULL}, {dynamic_consume, queue, 0, record}}, 2);
	check_records(record, 1, 1, true);
	zok_spsc_destroy(queue);
	free(record);
}

/* Elements of an odd size, so that their bytes and not only their slots must be right around the ring's end. */
static void test_dynamic_copies_any_size(void **state)
{
	struct zok_spsc *queue;
	char in[3][5] = {"abcd", "efgh", "ijkl"}, out[3][5];

	assert_int_equal(zok_spsc_create(&queue, 4, 5), 0);
	for (unsigned lap = 0; lap < 9; lap++) {
		assert_int_equal(zok_spsc_push(queue, in, 3), 3);
		assert_int_equal(zok_spsc_push(queue, in, 3), 1);
		assert_int_equal(zok_spsc_count(queue), 4);
		assert_int_equal(zok_spsc_pop(queue, out, 3), 3);
		assert_memory_equal(in, out, sizeof in);
		assert_int_equal(zok_spsc_pop(queue, out, 3), 1);
		assert_memory_equal(in[0], out[0], 5);
		assert_int_equal(zok_spsc_pop(queue, out, 3), 0);
	}
	zok_spsc_destroy(queue);
	zok_spsc_destroy(NULL);
}

static void test_dynamic_refuses_bad_sizes_and_memory(void **state)
{
	static _Alignas(ZOK_FALSE_SHARING) unsigned char memory[1024];
	struct zok_spsc *queue = NULL;
	size_t size = zok_spsc_memory_size(8, 16);

	assert_true(size > 0 && size <= sizeof memory);
	assert_int_equal(zok_spsc_memory_size(0, 8), 0);
	assert_int_equal(zok_spsc_memory_size(1, 8), 0);
	assert_int_equal(zok_spsc_memory_size(12, 8), 0);
	assert_int_equal(zok_spsc_memory_size(8, 0), 0);
	assert_int_equal(zok_spsc_memory_size((SIZE_MAX >> 1) + 1, 8), 0);
	assert_int_equal(zok_spsc_create(&queue, 12, 8), -EINVAL);
	assert_int_equal(zok_spsc_init(&queue, memory, size - 1, 8, 16), -EINVAL);
	assert_int_equal(zok_spsc_init(&queue, memory + 8, size, 8, 16), -EINVAL);
	assert_int_equal(zok_spsc_init(&queue, NULL, size, 8, 16), -EINVAL);
	assert_null(queue);
	assert_int_equal(zok_spsc_init(&queue, memory, size, 8, 16), 0);
	assert_ptr_equal(queue, memory);
	assert_int_equal(zok_spsc_count(queue), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_full_and_empty_at_its_capacity), cmocka_unit_test(test_zeroed_memory_is_an_empty_queue),
		cmocka_unit_test(test_bursts_move_what_fits_and_wrap),	  cmocka_unit_test(test_indices_may_overflow),
		cmocka_unit_test(test_two_threads_lose_nothing),	  cmocka_unit_test(test_dynamic_two_threads_lose_nothing),
		cmocka_unit_test(test_dynamic_copies_any_size),		  cmocka_unit_test(test_dynamic_refuses_bad_sizes_and_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
