/* The ways to allocate behind one interface: what each serves and refuses, what it counts, and that all goes back to where it came from. */
#include "zokio/allocators.h"

#include "core/alloc.h"
#include "zokio/log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sizes that no machine has are refused by the allocator under test, also where a sanitizer would rather end the test. */
ZOK_API const char *__asan_default_options(void);
ZOK_API const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

/* What stands behind: the general one, which counts. */
static struct zok_general_allocator behind;

static int make_behind(void **state)
{
	zok_general_allocator_init(&behind);
	return 0;
}

static int check_behind(void **state)
{
	assert_int_equal(zok_general_allocator_usage(&behind).used_bytes, 0);
	return 0;
}

static void check_usage(const struct zok_allocator_usage *usage, uint64_t used, uint64_t max, uint64_t allocations, uint64_t reuses,
			uint64_t refused)
{
	assert_int_equal(usage->used_bytes, used);
	assert_int_equal(usage->used_bytes_max, max);
	assert_int_equal(usage->allocations, allocations);
	assert_int_equal(usage->reuses, reuses);
	assert_int_equal(usage->refused, refused);
}

static void a_pool_serves_up_to_its_size_and_count(void **state)
{
	const struct zok_pool_options options = {
		.object_size = 100, .alignment = 32, .slab_count = 2, .count_max = 2, .allocator = &behind.face};
	struct zok_pool_allocator allocator;
	void *a, *b;

	assert_int_equal(zok_pool_allocator_init(&allocator, &(struct zok_pool_options){0}), -EINVAL);
	assert_int_equal(zok_pool_allocator_init(&allocator, &options), 0);
	a = zok__allocate(&allocator.face, 100, 32);
	b = zok__allocate(&allocator.face, 1, 1);
	assert_non_null(a);
	assert_non_null(b);
	assert_int_equal((uintptr_t)a % 32, 0);
	assert_null(zok__allocate(&allocator.face, 1, 1));
	assert_null(zok__allocate(&allocator.face, 129, 1));
	assert_null(zok__allocate(&allocator.face, 1, 64));
	check_usage(&allocator.usage, 101, 101, 2, 1, 3);
	zok__release(&allocator.face, a, 100);
	assert_ptr_equal(zok__allocate(&allocator.face, 50, 8), a);
	check_usage(&allocator.usage, 51, 101, 3, 2, 3);
	zok__release(&allocator.face, a, 50);
	zok__release(&allocator.face, b, 1);
	zok_pool_allocator_finish(&allocator);
}

static void an_arena_gives_all_back_at_once(void **state)
{
	struct zok_arena_allocator allocator;
	void *a, *b;

	zok_arena_allocator_init(&allocator, 1024, &behind.face);
	a = zok__allocate(&allocator.face, 500, 64);
	b = zok__allocate(&allocator.face, 200, 8);
	assert_non_null(a);
	assert_ptr_not_equal(a, b);
	assert_int_equal((uintptr_t)a % 64, 0);
	assert_null(zok__allocate(&allocator.face, 8, 24));
	zok__release(&allocator.face, b, 200);
	check_usage(&allocator.usage, 500, 700, 2, 1, 1);
	zok_arena_allocator_reset(&allocator);
	check_usage(&allocator.usage, 0, 700, 2, 1, 1);
	assert_ptr_equal(zok__allocate(&allocator.face, 500, 64), a);
	zok_arena_allocator_finish(&allocator);
}

/* Every size up to some more than the classes hold, at the alignments that C objects of that size can have. */
static void adaptive_serves_every_size_at_its_alignment(void **state)
{
	enum { SIZE_MAX_TRIED = ZOK_ADAPTIVE_SIZE_MAX + 3 };
	static uint8_t *blocks[SIZE_MAX_TRIED + 1];
	struct zok_adaptive_allocator allocator;

	zok_adaptive_allocator_init(&allocator, &behind.face);
	for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
		size_t alignment = size ? size & -size : 1;

		alignment = alignment > 64 ? 64 : alignment;
		blocks[size] = zok__allocate(&allocator.face, size, alignment);
		assert_non_null(blocks[size]);
		assert_int_equal((uintptr_t)blocks[size] % alignment, 0);
		assert_int_equal((uintptr_t)blocks[size] % 16, 0);
		memset(blocks[size], (int)(size % 251), size);
	}
	for (size_t size = 0; size <= SIZE_MAX_TRIED; size++) {
		for (size_t i = 0; i < size; i++)
			if (blocks[size][i] != size % 251)
				fail_msg("the block of %zu bytes was written over", size);
		zok__release(&allocator.face, blocks[size], size);
	}
	assert_int_equal(allocator.usage.used_bytes, 0);
	assert_true(allocator.usage.reuses > SIZE_MAX_TRIED / 2);
	zok_adaptive_allocator_finish(&allocator);
}

static void adaptive_reuses_and_refuses(void **state)
{
	struct zok_adaptive_allocator allocator;
	void *a;

	zok_adaptive_allocator_init(&allocator, &behind.face);
	a = zok__allocate(&allocator.face, 300, 4);
	zok__release(&allocator.face, a, 300);
	assert_ptr_equal(zok__allocate(&allocator.face, 310, 16), a); /* of the same class */
	check_usage(&allocator.usage, 310, 310, 2, 1, 0);
	assert_null(zok__allocate(&allocator.face, 72, 64)); /* no multiple of it, and its class is none */
	assert_null(zok__allocate(&allocator.face, 4096, 128));
	assert_null(zok__allocate(&allocator.face, SIZE_MAX / 2, 16));
	check_usage(&allocator.usage, 310, 310, 2, 1, 3);
	zok__release(&allocator.face, a, 310);
	a = zok__allocate(&allocator.face, 100000, 4096);
	assert_int_equal((uintptr_t)a % 4096, 0);
	assert_true(zok_general_allocator_usage(&behind).used_bytes >= 100000);
	zok__release(&allocator.face, a, 100000);
	zok_adaptive_allocator_finish(&allocator);
}

static void *use_general(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		void *memory = zok__allocate(arg, 100, 16);

		if (memory)
			zok__release(arg, memory, 100);
	}
	return NULL;
}

static void general_counts_for_all_threads(void **state)
{
	struct zok_allocator_usage usage;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_general, &behind.face), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_null(zok__allocate(&behind.face, SIZE_MAX / 2, 16));
	usage = zok_general_allocator_usage(&behind);
	assert_int_equal(usage.allocations, 6000);
	assert_int_equal(usage.used_bytes, 0);
	assert_in_range(usage.used_bytes_max, 100, 300);
	assert_int_equal(usage.refused, 1);
}

/* They stack: an arena over an adaptive one over a pool's. */
static void each_may_stand_behind_another(void **state)
{
	struct zok_adaptive_allocator adaptive;
	struct zok_arena_allocator arena;

	zok_adaptive_allocator_init(&adaptive, &behind.face);
	zok_arena_allocator_init(&arena, 2048, &adaptive.face);
	for (int i = 0; i < 100; i++)
		assert_non_null(zok__allocate(&arena.face, 100, 16));
	assert_true(adaptive.usage.used_bytes >= 10000);
	zok_arena_allocator_finish(&arena);
	assert_int_equal(adaptive.usage.used_bytes, 0);
	zok_adaptive_allocator_finish(&adaptive);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, make_behind, check_behind)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_pool_serves_up_to_its_size_and_count),
		CASE(an_arena_gives_all_back_at_once),
		CASE(adaptive_serves_every_size_at_its_alignment),
		CASE(adaptive_reuses_and_refuses),
		CASE(general_counts_for_all_threads),
		CASE(each_may_stand_behind_another),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
