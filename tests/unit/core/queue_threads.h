/* What the stress tests of the queues share: threads that begin together, and the record of what each producer's elements went through. */
#ifndef TESTS_UNIT_CORE_QUEUE_THREADS_H
#define TESTS_UNIT_CORE_QUEUE_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PRODUCERS_MAX = 4, PER_PRODUCER = 20000 };

/* An element says who made it and the how-manieth it is. */
struct element {
	uint32_t producer, number;
};

/* What one consumer saw. cmocka's assertions belong to the main thread, so it only writes down; check_record() asserts. */
struct record {
	unsigned char seen[PRODUCERS_MAX][PER_PRODUCER];
	uint32_t next[PRODUCERS_MAX]; /* the lowest number that may come next, if a producer's elements come in order */
	bool is_out_of_order, is_foreign;
};

static inline void record_element(struct record *record, struct element element)
{
	if (element.producer >= PRODUCERS_MAX || element.number >= PER_PRODUCER) {
		record->is_foreign = true;
		return;
	}
	if (element.number < record->next[element.producer])
		record->is_out_of_order = true;
	record->next[element.producer] = element.number + 1;
	record->seen[element.producer][element.number]++;
}

/* Nothing lost, nothing twice, nothing made up, over all consumers; and in order at each of them if the queue promises that. */
static inline void check_records(const struct record *records, size_t count, unsigned producers, bool is_ordered)
{
	for (unsigned producer = 0; producer < producers; producer++)
		for (unsigned number = 0; number < PER_PRODUCER; number++) {
			unsigned seen = 0;

			for (size_t i = 0; i < count; i++)
				seen += records[i].seen[producer][number];
			assert_int_equal(seen, 1);
		}
	for (size_t i = 0; i < count; i++) {
		assert_false(records[i].is_foreign);
		assert_false(is_ordered && records[i].is_out_of_order);
	}
}

static inline struct record *make_records(size_t count)
{
	struct record *records = calloc(count, sizeof *records);

	assert_non_null(records);
	return records;
}

struct worker {
	void (*run)(void *queue, unsigned index, struct record *record);
	void *queue;
	unsigned index;
	struct record *record;
};

static inline void *worker_main(void *arg)
{
	struct worker *worker = arg;

	worker->run(worker->queue, worker->index, worker->record);
	return NULL;
}

static inline void run_workers(struct worker *workers, size_t count)
{
	pthread_t threads[8];

	assert_true(count <= 8);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, worker_main, &workers[i]), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

#endif
