/* Arenas: aligned memory that stays until it is rewound, chunks that come and go, and the same without memory. */
#include "core/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CHUNK = 1024 };

static size_t chunk_count; /* of the allocator, not given back yet */
static bool is_empty;	   /* the allocator has nothing more to give */

static void *count_allocate(void *arg, size_t size, size_t alignment)
{
	void *memory;

	if (is_empty || size > SIZE_MAX / 2 || posix_memalign(&memory, alignment, size) != 0)
		return NULL;
	chunk_count++;
	return memory;
}

static void count_release(void *arg, void *memory, size_t size)
{
	chunk_count--;
	free(memory);
}

static const struct zok_allocator allocator = {.allocate = count_allocate, .release = count_release};

static struct zok_arena arena;

static int make_arena(void **state)
{
	chunk_count = 0;
	is_empty = false;
	zok_arena_init(&arena, CHUNK, &allocator);
	return 0;
}

static int finish_arena(void **state)
{
	zok_arena_finish(&arena);
	return chunk_count == 0 && arena.used_size == 0 ? 0 : -1;
}

static void test_nothing_is_allocated_before_the_first_use(void **state)
{
	assert_int_equal(chunk_count, 0);
	zok_arena_reset(&arena);
	zok_arena_rewind(&arena, zok_arena_mark(&arena));
	assert_int_equal(chunk_count, 0);
}

/* Sizes and alignments of all kinds, over several chunks: each piece keeps what was written to it. */
static void test_pieces_are_aligned_and_do_not_overlap(void **state)
{
	uint8_t *pieces[200];

	for (size_t i = 0; i < 200; i++) {
		size_t alignment = (size_t)1 << i % 9;

		pieces[i] = zok_arena_allocate(&arena, i, alignment);
		assert_non_null(pieces[i]);
		assert_int_equal((uintptr_t)pieces[i] % alignment, 0);
		memset(pieces[i], (int)i, i);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_equal(pieces[i][j], i);
	assert_int_equal(arena.used_size, 199 * 200 / 2);
	assert_int_equal((uintptr_t)zok_arena_allocate(&arena, 1, 0) % 16, 0);
}

static void test_what_allocate_refuses(void **state)
{
	assert_null(zok_arena_allocate(&arena, 8, 24));
	assert_null(zok_arena_allocate(&arena, SIZE_MAX, 0));
	assert_null(zok_arena_allocate(&arena, SIZE_MAX - 16, 0));
	assert_null(zok_arena_allocate(&arena, SIZE_MAX - 64, 16));
	assert_int_equal(chunk_count, 0);
	assert_int_equal(arena.used_size, 0);
}

static void test_a_piece_larger_than_a_chunk_gets_one_of_its_own(void **state)
{
	uint8_t *small = zok_arena_allocate(&arena, 8, 0), *large = zok_arena_allocate(&arena, 10 * CHUNK, 4096);

	assert_non_null(large);
	assert_int_equal((uintptr_t)large % 4096, 0);
	memset(small, 1, 8);
	memset(large, 2, 10 * CHUNK);
	assert_int_equal(small[7], 1);
	assert_int_equal(chunk_count, 2);
}

static void test_a_rewind_gives_back_what_is_newer(void **state)
{
	uint8_t *kept = zok_arena_allocate(&arena, 100, 0), *after;
	struct zok_arena_mark mark = zok_arena_mark(&arena);

	memset(kept, 7, 100);
	after = zok_arena_allocate(&arena, 50, 0);
	for (int i = 0; i < 20; i++)
		assert_non_null(zok_arena_allocate(&arena, CHUNK / 2, 0));
	assert_true(chunk_count > 10);
	zok_arena_rewind(&arena, mark);
	assert_int_equal(chunk_count, 1);
	assert_int_equal(arena.used_size, 100);
	assert_true(arena.used_size_max >= 150 + 20 * CHUNK / 2);
	assert_ptr_equal(zok_arena_allocate(&arena, 50, 0), after);
	memset(after, 8, 50);
	assert_int_equal(kept[99], 7);
}

static void test_marks_nest(void **state)
{
	struct zok_arena_mark outer = zok_arena_mark(&arena), inner;

	zok_arena_allocate(&arena, CHUNK / 2, 0);
	inner = zok_arena_mark(&arena);
	zok_arena_allocate(&arena, CHUNK, 0);
	zok_arena_rewind(&arena, inner);
	assert_int_equal(arena.used_size, CHUNK / 2);
	zok_arena_rewind(&arena, outer);
	assert_int_equal(arena.used_size, 0);
	assert_int_equal(chunk_count, 1); /* a mark from before the first chunk keeps it, as a reset does */
}

static void test_a_reset_keeps_the_oldest_chunk(void **state)
{
	void *first = zok_arena_allocate(&arena, 100, 0);

	for (int i = 0; i < 10; i++)
		zok_arena_allocate(&arena, CHUNK / 2, 0);
	zok_arena_reset(&arena);
	assert_int_equal(chunk_count, 1);
	assert_int_equal(arena.used_size, 0);
	is_empty = true; /* a warm arena needs no allocator */
	for (int i = 0; i < 10; i++) {
		assert_ptr_equal(zok_arena_allocate(&arena, 100, 0), first);
		assert_non_null(zok_arena_allocate(&arena, CHUNK / 2, 0));
		zok_arena_reset(&arena);
	}
}

static void test_without_memory_the_arena_stays_as_it_was(void **state)
{
	uint8_t *kept = zok_arena_allocate(&arena, 100, 0);

	memset(kept, 7, 100);
	is_empty = true;
	assert_null(zok_arena_allocate(&arena, CHUNK, 0));
	assert_int_equal(arena.used_size, 100);
	assert_non_null(zok_arena_allocate(&arena, 100, 0)); /* there is still room for this one */
	is_empty = false;
	assert_non_null(zok_arena_allocate(&arena, CHUNK, 0));
	assert_int_equal(kept[99], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_allocated_before_the_first_use, make_arena, finish_arena),
		cmocka_unit_test_setup_teardown(test_pieces_are_aligned_and_do_not_overlap, make_arena, finish_arena),
		cmocka_unit_test_setup_teardown(test_what_allocate_refuses, make_arena, finish_arena),
		cmocka_unit_test_setup_teardown(test_a_piece_larger_than_a_chunk_gets_one_of_its_own, make_arena, finish_arena),
		cmocka_unit_test_setup_teardown(test_a_rewind_gives_back_what_is_newer, make_arena, finish_arena),
		cmocka_unit_test_setup_teardown(test_marks_nest, make_arena, finish_arena),
		cmocka_unit_test_setup_teardown(test_a_reset_keeps_the_oldest_chunk, make_arena, finish_arena),
		cmocka_unit_test_setup_teardown(test_without_memory_the_arena_stays_as_it_was, make_arena, finish_arena),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
