/* Shared pools: the owner's path is a plain pool's, what others give back arrives in batches, and under stress nothing is lost or doubled. */
#include "zokio/shared_pool.h"

#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/spsc.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct zok_shared_pool pool;

static void make(size_t slab_count, size_t count_max)
{
	const struct zok_pool_options options = {.name = "shared", .object_size = 32, .slab_count = slab_count, .count_max = count_max};

	assert_int_equal(zok_shared_pool_init(&pool, &options), 0);
}

static void what_a_pool_refuses_a_shared_one_refuses(void **state)
{
	pool.remote_count = 77;
	assert_int_equal(zok_shared_pool_init(&pool, &(struct zok_pool_options){0}), -EINVAL);
	assert_int_equal(pool.remote_count, 77);
}

static void the_owner_has_a_plain_pool(void **state)
{
	void *a, *b;

	make(2, 0);
	a = zok_shared_pool_get(&pool);
	b = zok_shared_pool_get(&pool);
	zok_shared_pool_put(&pool, a);
	assert_ptr_equal(zok_shared_pool_get(&pool), a);
	zok_shared_pool_put(&pool, a);
	zok_shared_pool_put(&pool, b);
	assert_int_equal(pool.pool.used_count, 0);
	assert_int_equal(pool.remote_count, 0);
	zok_shared_pool_finish(&pool);
}

static void a_batch_arrives_when_it_is_full_or_flushed(void **state)
{
	struct zok_pool_returns returns;
	void *objects[4];

	make(4, 4);
	zok_pool_returns_init(&returns, &pool, 3);
	for (int i = 0; i < 4; i++)
		assert_non_null(objects[i] = zok_shared_pool_get(&pool));
	assert_null(zok_shared_pool_get(&pool));
	zok_pool_returns_put(&returns, objects[0]);
	zok_pool_returns_put(&returns, objects[1]);
	assert_null(zok_shared_pool_get(&pool)); /* gathered, not handed over */
	zok_pool_returns_put(&returns, objects[2]);
	assert_ptr_equal(zok_shared_pool_get(&pool), objects[2]);
	assert_int_equal(pool.remote_count, 3);
	assert_int_equal(pool.pool.used_count, 2);
	zok_pool_returns_put(&returns, objects[3]);
	zok_pool_returns_put(&returns, objects[2]);
	zok_pool_returns_flush(&returns);
	zok_pool_returns_flush(&returns); /* nothing left, and nothing happens */
	for (int i = 0; i < 4; i++)
		assert_non_null(objects[i] = zok_shared_pool_get(&pool));
	assert_int_equal(pool.remote_count, 5);
	for (int i = 0; i < 4; i++)
		zok_pool_returns_put(&returns, objects[i]);
	zok_pool_returns_flush(&returns);
	zok_shared_pool_finish(&pool);
	assert_int_equal(pool.pool.used_count, 0);
}

/* ---- Two threads give back what the owner sends them ---- */

enum { THREADS = 2, SENT = 60000 };

struct message {
	void *link;
	size_t number, check;
};

ZOK_SPSC(box, struct message *, 256);

struct reader {
	struct box box;
	struct zok_pool_returns returns;
	pthread_t thread;
	size_t bad_count;
};

static struct reader readers[THREADS];

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	struct message *message;

	for (size_t number = 0; number < SENT;) {
		if (!box_pop(&reader->box, &message)) {
			sched_yield();
			continue;
		}
		reader->bad_count += message->number != number || message->check != ~number;
		message->check = 0;
		zok_pool_returns_put(&reader->returns, message);
		number++;
	}
	zok_pool_returns_flush(&reader->returns);
	return NULL;
}

static void send_to(struct reader *reader, size_t number)
{
	struct message *message;

	while (!(message = zok_shared_pool_get(&pool)))
		sched_yield();
	message->number = number;
	message->check = ~number;
	while (!box_push(&reader->box, &message))
		sched_yield();
}

static void under_stress_nothing_is_lost_or_doubled(void **state)
{
	make(64, 512);
	for (int i = 0; i < THREADS; i++) {
		box_init(&readers[i].box);
		zok_pool_returns_init(&readers[i].returns, &pool, 7);
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_all, &readers[i]), 0);
	}
	for (size_t number = 0; number < SENT; number++)
		for (int i = 0; i < THREADS; i++)
			send_to(&readers[i], number);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].bad_count, 0);
	}
	zok_shared_pool_finish(&pool);
	assert_int_equal(pool.remote_count, THREADS * SENT);
}

/* ---- On a core the returns are counted ---- */

static int count_on_a_core(void *arg)
{
	struct zok_pool_returns returns;
	struct zok_memory_stats stats;

	make(1, 0);
	zok_pool_returns_init(&returns, &pool, 1);
	zok_pool_returns_put(&returns, zok_shared_pool_get(&pool));
	zok_shared_pool_put(&pool, zok_shared_pool_get(&pool));
	zok_shared_pool_finish(&pool);
	assert_int_equal(zok_memory_stats(0, &stats), 0);
	assert_int_equal(stats.remote_returns, 1);
	return 0;
}

static void a_core_counts_what_came_back(void **state)
{
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll"}, count_on_a_core, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_pool_refuses_a_shared_one_refuses),
		cmocka_unit_test(the_owner_has_a_plain_pool),
		cmocka_unit_test(a_batch_arrives_when_it_is_full_or_flushed),
		cmocka_unit_test(under_stress_nothing_is_lost_or_doubled),
		cmocka_unit_test(a_core_counts_what_came_back),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
