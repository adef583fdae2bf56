/* Pools: aligned objects that do not overlap, last in first out, limits that hold, reserves that need no memory afterwards. */
#include "core/alloc.h"
#include "zokio/log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the pool asked of its allocator. */
struct ledger {
	size_t allocations, bytes;
	bool is_empty; /* nothing more to give */
};

static void *ledger_allocate(void *arg, size_t size, size_t alignment)
{
	struct ledger *ledger = arg;
	void *memory;

	if (ledger->is_empty || posix_memalign(&memory, alignment, size) != 0)
		return NULL;
	ledger->allocations++;
	ledger->bytes += size;
	return memory;
}

static void ledger_release(void *arg, void *memory, size_t size)
{
	((struct ledger *)arg)->bytes -= size;
	free(memory);
}

static struct ledger ledger;
static const struct zok_allocator allocator = {.allocate = ledger_allocate, .release = ledger_release, .arg = &ledger};

static int reset_ledger(void **state)
{
	ledger = (struct ledger){0};
	return 0;
}

static struct zok_pool make_pool(struct zok_pool_options options)
{
	struct zok_pool pool;

	options.allocator = &allocator;
	assert_int_equal(zok_pool_init(&pool, &options), 0);
	return pool;
}

static void test_what_init_refuses(void **state)
{
	struct zok_pool pool;

	assert_int_equal(zok_pool_init(&pool, &(struct zok_pool_options){0}), -EINVAL);
	assert_int_equal(zok_pool_init(&pool, &(struct zok_pool_options){.object_size = 8, .alignment = 24}), -EINVAL);
	assert_int_equal(zok_pool_init(&pool, &(struct zok_pool_options){.object_size = SIZE_MAX}), -EINVAL);
}

static void test_nothing_is_allocated_before_the_first_get(void **state)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.object_size = 100});

	assert_int_equal(ledger.allocations, 0);
	zok_pool_finish(&pool);
	assert_int_equal(ledger.allocations, 0);
}

/* Every object is filled with its own number to its last byte, then looked at again. */
static void check_objects(size_t size, size_t alignment, size_t slab_count)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.object_size = size, .alignment = alignment, .slab_count = slab_count});
	uint8_t *objects[100];

	for (int i = 0; i < 100; i++) {
		objects[i] = zok_pool_get(&pool);
		assert_non_null(objects[i]);
		assert_int_equal((uintptr_t)objects[i] % (alignment ? alignment : 16), 0);
		memset(objects[i], i, size);
	}
	for (int i = 0; i < 100; i++)
		for (size_t j = 0; j < size; j++)
			assert_int_equal(objects[i][j], i);
	for (int i = 0; i < 100; i++)
		zok_pool_put(&pool, objects[i]);
	zok_pool_finish(&pool);
	assert_int_equal(ledger.bytes, 0);
}

static void test_objects_are_aligned_and_do_not_overlap(void **state)
{
	check_objects(1, 0, 0);
	check_objects(1, 1, 7);
	check_objects(24, 8, 3);
	check_objects(100, 64, 1);
	check_objects(5000, 4096, 2);
	check_objects(70000, 0, 0); /* larger than a slab's usual size */
}

static void test_the_last_one_put_is_the_next_one_got(void **state)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.object_size = 32});
	void *a = zok_pool_get(&pool), *b = zok_pool_get(&pool);

	zok_pool_put(&pool, a);
	zok_pool_put(&pool, b);
	assert_ptr_equal(zok_pool_get(&pool), b);
	assert_ptr_equal(zok_pool_get(&pool), a);
	zok_pool_put(&pool, a);
	zok_pool_put(&pool, b);
	zok_pool_finish(&pool);
}

static void test_a_warm_pool_does_not_allocate(void **state)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.object_size = 32, .slab_count = 4});
	void *objects[4];

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 4; i++)
			objects[i] = zok_pool_get(&pool);
		for (int i = 0; i < 4; i++)
			zok_pool_put(&pool, objects[i]);
	}
	assert_int_equal(ledger.allocations, 1);
	assert_int_equal(pool.used_count, 0);
	assert_int_equal(pool.used_count_max, 4);
	zok_pool_finish(&pool);
}

static void test_a_limit_holds_and_is_reached(void **state)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.object_size = 32, .slab_count = 4, .count_max = 6});
	void *objects[6];

	for (int i = 0; i < 6; i++)
		assert_non_null(objects[i] = zok_pool_get(&pool));
	assert_null(zok_pool_get(&pool));
	assert_int_equal(pool.used_count, 6);
	zok_pool_put(&pool, objects[3]);
	assert_ptr_equal(zok_pool_get(&pool), objects[3]);
	for (int i = 0; i < 6; i++)
		zok_pool_put(&pool, objects[i]);
	zok_pool_finish(&pool);
}

static void test_a_reserve_needs_no_memory_afterwards(void **state)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.object_size = 32, .slab_count = 2, .count_max = 12});
	void *objects[12];

	objects[0] = zok_pool_get(&pool);
	assert_int_equal(zok_pool_reserve(&pool, 1), 0); /* the other one of its slab */
	assert_int_equal(ledger.allocations, 1);
	assert_int_equal(zok_pool_reserve(&pool, 12), -ENOMEM);
	assert_int_equal(zok_pool_reserve(&pool, SIZE_MAX), -ENOMEM);
	assert_int_equal(zok_pool_reserve(&pool, 11), 0);
	ledger.is_empty = true;
	for (int i = 1; i < 12; i++)
		assert_non_null(objects[i] = zok_pool_get(&pool));
	for (int i = 0; i < 12; i++)
		zok_pool_put(&pool, objects[i]);
	zok_pool_finish(&pool);
	assert_int_equal(ledger.bytes, 0);
}

static void test_without_memory_the_pool_stays_as_it_was(void **state)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.object_size = 32, .slab_count = 1});
	void *object = zok_pool_get(&pool);

	ledger.is_empty = true;
	assert_null(zok_pool_get(&pool));
	assert_int_equal(zok_pool_reserve(&pool, 1), -ENOMEM);
	assert_int_equal(pool.used_count, 1);
	assert_int_equal(pool.total_count, 1);
	zok_pool_put(&pool, object);
	assert_ptr_equal(zok_pool_get(&pool), object);
	zok_pool_put(&pool, object);
	zok_pool_finish(&pool);
}

static void test_what_was_not_given_back_is_freed_all_the_same(void **state)
{
	struct zok_pool pool = make_pool((struct zok_pool_options){.name = "lost", .object_size = 32});

	assert_non_null(zok_pool_get(&pool));
	zok_pool_finish(&pool);
	assert_int_equal(ledger.bytes, 0);
	/* And a finished pool is as good as a new one. */
	assert_non_null(zok_pool_get(&pool));
	zok_pool_finish(&pool);
	assert_int_equal(ledger.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_what_init_refuses, reset_ledger),
		cmocka_unit_test_setup(test_nothing_is_allocated_before_the_first_get, reset_ledger),
		cmocka_unit_test_setup(test_objects_are_aligned_and_do_not_overlap, reset_ledger),
		cmocka_unit_test_setup(test_the_last_one_put_is_the_next_one_got, reset_ledger),
		cmocka_unit_test_setup(test_a_warm_pool_does_not_allocate, reset_ledger),
		cmocka_unit_test_setup(test_a_limit_holds_and_is_reached, reset_ledger),
		cmocka_unit_test_setup(test_a_reserve_needs_no_memory_afterwards, reset_ledger),
		cmocka_unit_test_setup(test_without_memory_the_pool_stays_as_it_was, reset_ledger),
		cmocka_unit_test_setup(test_what_was_not_given_back_is_freed_all_the_same, reset_ledger),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
