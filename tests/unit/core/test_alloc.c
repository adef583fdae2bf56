/* A program's allocator: all slabs, chunks and rings come from it and go back to it whole, and each of its failures is survived. */
#include "core/alloc.h"
#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/sync.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Several threads may call the allocator: all of it is atomic. The size of each piece is kept in front of it, to compare at its release. */
static size_t alive_count, allocation_count, bad_releases;
static int until_failure; /* negative: none fails */

static void *check_allocate(void *arg, size_t size, size_t alignment)
{
	size_t front = alignment < sizeof(size_t) ? sizeof(size_t) : alignment;
	void *memory;

	if (__atomic_fetch_sub(&until_failure, 1, __ATOMIC_RELAXED) == 0)
		return NULL;
	if (posix_memalign(&memory, front, front + size) != 0)
		return NULL;
	__atomic_fetch_add(&allocation_count, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&alive_count, 1, __ATOMIC_RELAXED);
	*(size_t *)((uintptr_t)memory + front - sizeof(size_t)) = size * 4096 + front;
	return (void *)((uintptr_t)memory + front);
}

static void check_release(void *arg, void *memory, size_t size)
{
	size_t kept = *(size_t *)((uintptr_t)memory - sizeof(size_t)), front = kept % 4096;

	if (kept / 4096 != size || arg != &alive_count)
		__atomic_fetch_add(&bad_releases, 1, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&alive_count, 1, __ATOMIC_RELAXED);
	free((void *)((uintptr_t)memory - front));
}

static const struct zok_allocator allocator = {.allocate = check_allocate, .release = check_release, .arg = &alive_count};

static int start_afresh(void **state)
{
	alive_count = allocation_count = bad_releases = 0;
	until_failure = -1;
	return 0;
}

static void check_all_given_back(void)
{
	assert_int_equal(alive_count, 0);
	assert_int_equal(bad_releases, 0);
}

static void test_mallocs_is_the_default(void **state)
{
	const struct zok_allocator *system = zok_allocator();
	void *memory = zok__allocate(system, 100, 1);

	assert_non_null(memory);
	zok__release(system, memory, 100);
	memory = zok__allocate(system, 100, 4096);
	assert_int_equal((uintptr_t)memory % 4096, 0);
	zok__release(system, memory, 100);
	zok__allocator_set(&allocator);
	assert_ptr_equal(zok_allocator(), &allocator);
	zok__allocator_set(NULL);
	assert_ptr_equal(zok_allocator(), system);
}

/* ---- What each of the three does without memory ---- */

static int uses_a_pool(void)
{
	struct zok_pool pool;
	int rc = zok_pool_init(&pool, &(struct zok_pool_options){.object_size = 64, .slab_count = 2});
	void *objects[5];
	int count = 0;

	assert_int_equal(rc, 0);
	while (count < 5 && (objects[count] = zok_pool_get(&pool)) != NULL)
		count++;
	rc = count < 5 ? -ENOMEM : zok_pool_reserve(&pool, 10);
	while (count > 0)
		zok_pool_put(&pool, objects[--count]);
	zok_pool_finish(&pool);
	return rc;
}

static int uses_an_arena(void)
{
	struct zok_arena arena;
	int rc = 0;

	zok_arena_init(&arena, 256, NULL);
	for (int i = 0; i < 10 && rc == 0; i++)
		rc = zok_arena_allocate(&arena, 150, 64) ? 0 : -ENOMEM;
	zok_arena_finish(&arena);
	return rc;
}

static int uses_a_channel(void)
{
	struct zok_channel channel;
	int item = 1, rc = zok_channel_init(&channel, NULL, 4, sizeof item);

	if (rc < 0)
		return rc;
	rc = zok_channel_try_send(&channel, &item);
	zok_channel_finish(&channel);
	return rc;
}

static void fail_each_in_turn(int (*use)(void), int expected)
{
	int count = 0, rc;

	zok__allocator_set(&allocator);
	do {
		until_failure = count;
		rc = use();
		check_all_given_back();
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (rc < 0 && ++count < 100);
	zok__allocator_set(NULL);
	assert_int_equal(count, expected);
}

static void test_each_allocation_of_a_pool_fails_once(void **state)
{
	fail_each_in_turn(uses_a_pool, 4); /* three slabs of two, and the reserve's */
}

static void test_each_allocation_of_an_arena_fails_once(void **state)
{
	fail_each_in_turn(uses_an_arena, 10); /* a chunk has room for one of its pieces */
}

static void test_each_allocation_of_a_channel_fails_once(void **state)
{
	fail_each_in_turn(uses_a_channel, 1);
}

/* ---- Through the options of a runtime ---- */

static int returns(void *arg)
{
	return 0;
}

static int program(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	int rc;

	if (!scope)
		return -ENOMEM;
	assert_ptr_equal(zok_allocator(), &allocator);
	rc = zok_spawn(scope, returns, NULL, NULL);
	if (rc == 0)
		rc = zok_spawn_on(0, scope, returns, NULL, NULL);
	if (rc == 0)
		rc = uses_a_pool();
	if (rc == 0)
		rc = uses_an_arena();
	if (rc == 0)
		rc = uses_a_channel();
	return zok_scope_close(scope, rc);
}

static const struct zok_options options = {.engine = "epoll", .allocator = &allocator};

static void test_the_options_put_it_in_force_for_the_run(void **state)
{
	const struct zok_allocator *system = zok_allocator();

	assert_int_equal(zok_run(&options, program, NULL), 0);
	assert_true(allocation_count >= 18); /* the three users' 15, fibers, scopes, and what crosses to a core */
	check_all_given_back();
	assert_ptr_equal(zok_allocator(), system);
}

static void test_each_allocation_of_a_run_fails_once(void **state)
{
	int count = 0, rc;

	do {
		until_failure = count;
		rc = zok_run(&options, program, NULL);
		check_all_given_back();
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (rc < 0 && ++count < 100);
	assert_in_range(count, 18, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_mallocs_is_the_default, start_afresh),
		cmocka_unit_test_setup(test_each_allocation_of_a_pool_fails_once, start_afresh),
		cmocka_unit_test_setup(test_each_allocation_of_an_arena_fails_once, start_afresh),
		cmocka_unit_test_setup(test_each_allocation_of_a_channel_fails_once, start_afresh),
		cmocka_unit_test_setup(test_the_options_put_it_in_force_for_the_run, start_afresh),
		cmocka_unit_test_setup(test_each_allocation_of_a_run_fails_once, start_afresh),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
