/* Threads meet at a gate again and again: none passes before all have come, nor before it is known how many there are. */
#include "runtime/gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { THREADS = 5, ROUNDS = 2000 };

struct meeting {
	struct zok__gate gate;
	int came[ROUNDS]; /* atomic */
	int passed;	  /* atomic: passes of all threads */
	int early;	  /* atomic: passes before all had come */
	int thread_count, round_count;
};

/* Relaxed: what has come before the gate is seen after it by virtue of the gate; that is what is tested. */
static int read_count(int *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

static void add_one(int *count)
{
	__atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

static void *meets(void *arg)
{
	struct meeting *meeting = arg;

	for (int round = 0; round < meeting->round_count; round++) {
		add_one(&meeting->came[round]);
		zok__gate_pass(&meeting->gate);
		add_one(&meeting->passed);
		if (read_count(&meeting->came[round]) != meeting->thread_count)
			add_one(&meeting->early);
	}
	return NULL;
}

static void begin(struct meeting *meeting, int thread_count, int round_count)
{
	*meeting = (struct meeting){.thread_count = thread_count, .round_count = round_count};
	zok__gate_init(&meeting->gate);
}

static void start(struct meeting *meeting, pthread_t *threads)
{
	for (int i = 0; i < meeting->thread_count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, meets, meeting), 0);
}

static void finish(struct meeting *meeting, pthread_t *threads)
{
	for (int i = 0; i < meeting->thread_count; i++)
		pthread_join(threads[i], NULL);
	zok__gate_finish(&meeting->gate);
	assert_int_equal(meeting->early, 0);
	assert_int_equal(meeting->passed, meeting->thread_count * meeting->round_count);
}

static void test_none_passes_before_all_have_come(void **state)
{
	static struct meeting meeting;
	pthread_t threads[THREADS];

	begin(&meeting, THREADS, ROUNDS);
	zok__gate_expect(&meeting.gate, THREADS);
	start(&meeting, threads);
	finish(&meeting, threads);
}

static unsigned arrived_count(struct zok__gate *gate)
{
	unsigned count;

	pthread_mutex_lock(&gate->lock);
	count = gate->arrived;
	pthread_mutex_unlock(&gate->lock);
	return count;
}

/* The number comes when all of them wait: as after a start where a thread less than wanted could be made. */
static void test_none_passes_before_the_number_is_known(void **state)
{
	static struct meeting meeting;
	pthread_t threads[THREADS];

	begin(&meeting, THREADS, ROUNDS);
	start(&meeting, threads);
	while (arrived_count(&meeting.gate) < THREADS && read_count(&meeting.passed) == 0)
		sched_yield();
	assert_int_equal(read_count(&meeting.passed), 0);
	zok__gate_expect(&meeting.gate, THREADS);
	finish(&meeting, threads);
}

/* Some wait already and some are still to come. */
static void test_the_number_may_come_in_between(void **state)
{
	for (int i = 0; i < 100; i++) {
		static struct meeting meeting;
		pthread_t threads[THREADS];

		begin(&meeting, THREADS, 3);
		start(&meeting, threads);
		zok__gate_expect(&meeting.gate, THREADS);
		finish(&meeting, threads);
	}
}

static void test_one_alone_passes_at_once(void **state)
{
	static struct meeting meeting;

	begin(&meeting, 1, ROUNDS);
	zok__gate_expect(&meeting.gate, 1);
	meets(&meeting);
	assert_int_equal(meeting.early, 0);
	assert_int_equal(meeting.gate.generation, ROUNDS);
	assert_int_equal(meeting.gate.arrived, 0);
	zok__gate_finish(&meeting.gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_passes_before_all_have_come),
		cmocka_unit_test(test_none_passes_before_the_number_is_known),
		cmocka_unit_test(test_the_number_may_come_in_between),
		cmocka_unit_test(test_one_alone_passes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
