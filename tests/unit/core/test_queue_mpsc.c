/* The intrusive MPSC queue: order, when push reports an empty queue, chains, and three producers waking a consumer. */
#include "zokio/mpsc.h"

#include "tests/unit/core/queue_threads.h"

struct request {
	struct element element;
	struct zok_mpsc_node link;
};

ZOK_MPSC(inbox, struct request, link);

static void test_elements_leave_in_order(void **state)
{
	static struct inbox queue;
	struct request requests[5];

	inbox_init(&queue);
	assert_null(inbox_pop(&queue));
	for (unsigned lap = 0; lap < 3; lap++) {
		for (unsigned i = 0; i < 5; i++)
			inbox_push(&queue, &requests[i]);
		for (unsigned i = 0; i < 5; i++)
			assert_ptr_equal(inbox_pop(&queue), &requests[i]);
		assert_null(inbox_pop(&queue));
	}
}

static void test_push_says_that_the_queue_was_empty(void **state)
{
	static struct inbox queue;
	struct request requests[3];

	inbox_init(&queue);
	assert_true(inbox_is_empty(&queue));
	assert_true(inbox_push(&queue, &requests[0]));
	assert_false(inbox_is_empty(&queue));
	assert_false(inbox_push(&queue, &requests[1]));
	assert_ptr_equal(inbox_pop(&queue), &requests[0]);
	assert_false(inbox_is_empty(&queue));
	assert_false(inbox_push(&queue, &requests[2]));
	assert_ptr_equal(inbox_pop(&queue), &requests[1]);
	assert_ptr_equal(inbox_pop(&queue), &requests[2]);
	assert_true(inbox_is_empty(&queue));
	assert_true(inbox_push(&queue, &requests[0]));
	assert_ptr_equal(inbox_pop(&queue), &requests[0]);
}

static void test_a_chain_is_pushed_at_one_go(void **state)
{
	static struct zok_mpsc queue;
	struct zok_mpsc_node nodes[3] = {{&nodes[1]}, {&nodes[2]}, {NULL}}, last;

	zok_mpsc_init(&queue);
	assert_true(zok_mpsc_push_chain(&queue, &nodes[0], &nodes[2]));
	assert_false(zok_mpsc_push(&queue, &last));
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(zok_mpsc_pop(&queue), &nodes[i]);
	assert_ptr_equal(zok_mpsc_pop(&queue), &last);
	assert_true(zok_mpsc_is_empty(&queue));
}

/* A producer that stopped between its exchange and its link: nothing can be popped, yet the consumer must not sleep. */
static void test_an_unlinked_element_is_not_emptiness(void **state)
{
	static struct zok_mpsc queue;
	struct zok_mpsc_node first, second = {NULL}, *previous;

	zok_mpsc_init(&queue);
	zok_mpsc_push(&queue, &first);
	previous = __atomic_exchange_n(&queue.newest, &second, __ATOMIC_ACQ_REL);
	assert_null(zok_mpsc_pop(&queue));
	assert_false(zok_mpsc_is_empty(&queue));
	__atomic_store_n(&previous->next, &second, __ATOMIC_RELEASE);
	assert_ptr_equal(zok_mpsc_pop(&queue), &first);
	assert_ptr_equal(zok_mpsc_pop(&queue), &second);
	assert_true(zok_mpsc_is_empty(&queue));
}

/* The queue and a consumer that sleeps by a count of wake-ups, which no push that reported emptiness may miss. */
struct office {
	struct inbox inbox;
	pthread_mutex_t mutex;
	pthread_cond_t is_woken;
	unsigned wakes;
	struct request *requests[PRODUCERS_MAX];
};

static void produce(void *arg, unsigned index, struct record *record)
{
	struct office *office = arg;

	for (uint32_t number = 0; number < PER_PRODUCER; number++) {
		office->requests[index][number].element = (struct element){.producer = index, .number = number};
		if (inbox_push(&office->inbox, &office->requests[index][number])) {
			pthread_mutex_lock(&office->mutex);
			office->wakes++;
			pthread_cond_signal(&office->is_woken);
			pthread_mutex_unlock(&office->mutex);
		}
	}
}

static void sleep_until_woken(struct office *office)
{
	pthread_mutex_lock(&office->mutex);
	while (office->wakes == 0)
		pthread_cond_wait(&office->is_woken, &office->mutex);
	office->wakes = 0;
	pthread_mutex_unlock(&office->mutex);
}

static void consume(void *arg, unsigned index, struct record *record)
{
	struct office *office = arg;

	for (unsigned count = 0; count < 3 * PER_PRODUCER;) {
		struct request *request = inbox_pop(&office->inbox);

		if (request) {
			record_element(record, request->element);
			count++;
		} else if (inbox_is_empty(&office->inbox)) {
			sleep_until_woken(office);
		} else {
			sched_yield();
		}
	}
}

static void test_four_threads_lose_neither_elements_nor_wakes(void **state)
{
	static struct office office = {.mutex = PTHREAD_MUTEX_INITIALIZER, .is_woken = PTHREAD_COND_INITIALIZER};
	struct record *record = make_records(1);
	struct worker workers[] = {
		{consume, &office, 0, record}, {produce, &office, 0, NULL}, {produce, &office, 1, NULL}, {produce, &office, 2, NULL}};

	inbox_init(&office.inbox);
	for (unsigned i = 0; i < 3; i++)
		office.requests[i] = calloc(PER_PRODUCER, sizeof *office.requests[i]);
	run_workers(workers, 4);
	check_records(record, 1, 3, true);
	for (unsigned i = 0; i < 3; i++)
		free(office.requests[i]);
	free(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements_leave_in_order),
		cmocka_unit_test(test_push_says_that_the_queue_was_empty),
		cmocka_unit_test(test_a_chain_is_pushed_at_one_go),
		cmocka_unit_test(test_an_unlinked_element_is_not_emptiness),
		cmocka_unit_test(test_four_threads_lose_neither_elements_nor_wakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
