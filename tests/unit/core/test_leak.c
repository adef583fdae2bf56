/*
 * The leak report of debug builds, compiled into this test whatever the build is: notes that are found and forgotten in any order, and at the end of a
 * runtime a line that names the function that asked for what was not given back.
 */
#include "core/leak.h"

#include "zokio/log.h"
#include "zokio/memory.h"
#include "zokio/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t count_of(const void *site, size_t *bytes)
{
	struct zok__leak_site sites[64];
	size_t count = zok__leak_sites(sites, 64);

	for (size_t i = 0; i < count; i++) {
		if (sites[i].site == site) {
			*bytes = sites[i].bytes;
			return sites[i].count;
		}
	}
	*bytes = 0;
	return 0;
}

static const void *fake(size_t number)
{
	return (const void *)(uintptr_t)(0x10000 + number * 16);
}

/* Thousands of notes, taken out in another order than they were put in: each of them is found. */
static void notes_are_found_until_they_are_forgotten(void **state)
{
	enum { COUNT = 5000 };
	size_t bytes;

	zok__leak_begin();
	for (size_t i = 0; i < COUNT; i++)
		zok__leak_note(fake(i), 10, fake(i % 2));
	assert_int_equal(count_of(fake(0), &bytes), COUNT / 2);
	assert_int_equal(bytes, COUNT / 2 * 10);
	for (size_t i = 0; i < COUNT; i++) {
		size_t which = i * 1237 % COUNT;

		zok__leak_forget(fake(which));
		zok__leak_forget(fake(which)); /* once more is nothing */
		if (i % 100 == 0)
			assert_int_equal(count_of(fake(0), &bytes) + count_of(fake(1), &bytes), COUNT - 1 - i);
	}
}

static void what_is_older_than_the_runtime_is_not_its_leak(void **state)
{
	size_t bytes;

	zok__leak_note(fake(1), 10, fake(7));
	zok__leak_begin();
	assert_int_equal(count_of(fake(7), &bytes), 0);
	zok__leak_note(fake(1), 30, fake(8)); /* the same memory anew: the newer stands */
	zok__leak_note(NULL, 30, fake(8));
	assert_int_equal(count_of(fake(8), &bytes), 1);
	assert_int_equal(bytes, 30);
	zok__leak_forget(fake(1));
}

static void the_largest_come_first_and_no_more_than_asked_for(void **state)
{
	struct zok__leak_site sites[2];

	zok__leak_begin();
	for (size_t i = 0; i < 3; i++)
		zok__leak_note(fake(i), 100 * (i + 1), fake(50));
	zok__leak_note(fake(3), 1000, fake(51));
	assert_int_equal(zok__leak_sites(sites, 2), 2);
	assert_ptr_equal(sites[0].site, fake(51));
	assert_int_equal(sites[1].bytes, 600);
	assert_int_equal(zok__leak_sites(sites, 1), 1);
	for (size_t i = 0; i < 4; i++)
		zok__leak_forget(fake(i));
}

/* ---- Through a runtime ---- */

static char lines[4][ZOK_LOG_LINE_SIZE];
static int line_count;

static void keep_line(void *arg, enum zok_log_level level, const char *text)
{
	if (strncmp(text, "leak:", 5) == 0 && line_count < 4)
		snprintf(lines[line_count++], sizeof lines[0], "%s", text);
}

static struct zok_pool lost;
static struct zok_arena lost_arena;

static __attribute__((noinline)) void forgets_a_pool(void)
{
	assert_int_equal(zok_pool_init(&lost, &(struct zok_pool_options){.object_size = 64, .slab_count = 10}), 0);
	zok_pool_put(&lost, zok_pool_get(&lost));
	__asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void forgets_an_arena(void)
{
	zok_arena_init(&lost_arena, 0, NULL);
	assert_non_null(zok_arena_allocate(&lost_arena, 100, 0));
	__asm__ volatile("" ::: "memory");
}

static int leaks(void *arg)
{
	struct zok_pool kept;

	forgets_a_pool();
	forgets_an_arena();
	assert_int_equal(zok_pool_init(&kept, &(struct zok_pool_options){.object_size = 64}), 0);
	zok_pool_put(&kept, zok_pool_get(&kept));
	zok_pool_finish(&kept);
	return 0;
}

static int leaks_nothing(void *arg)
{
	return 0;
}

static void a_runtime_names_who_left_what_behind(void **state)
{
	line_count = 0;
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll"}, leaks, NULL), 0);
	assert_int_equal(line_count, 2);
	assert_non_null(strstr(lines[0], "leak: 16384 bytes in 1 block, allocated by forgets_an_arena+0x"));
	assert_non_null(strstr(lines[0], "addr2line -Cfpie /"));
	assert_non_null(strstr(lines[1], "allocated by forgets_a_pool+0x"));
	zok_pool_finish(&lost);
	zok_arena_finish(&lost_arena);
}

/* The runtime's own: cores, buffers, mailboxes, fibers, all of it. */
static void a_runtime_itself_leaves_nothing_behind(void **state)
{
	line_count = 0;
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll", .cores = "all"}, leaks_nothing, NULL), 0);
	if (line_count > 0)
		fail_msg("%s", lines[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notes_are_found_until_they_are_forgotten),
		cmocka_unit_test(what_is_older_than_the_runtime_is_not_its_leak),
		cmocka_unit_test(the_largest_come_first_and_no_more_than_asked_for),
		cmocka_unit_test(a_runtime_itself_leaves_nothing_behind),
		cmocka_unit_test(a_runtime_names_who_left_what_behind),
	};

	zok_log_set(keep_line, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
