/* What a core lies in: one piece that is large enough, stacks that are bound and counted, and nothing left where that is refused. */
#include "core/alloc.h"
#include "tests/unit/core/fake_engine.h"
#include "zokio/log.h"
#include "zokio/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/numa/fake_tree.h"

#define MIB ((size_t)1 << 20)

/* Each part of what is asked for is larger than what a region is rounded up by. */
static void a_core_at_rest_lies_in_one_piece(void **state)
{
	const size_t per_core = sizeof(struct zok__mailbox) + sizeof(struct zok__mail_line) + sizeof(struct zok__mail_link);
	const size_t per_buffer = 2 * (size_t)ZOK_CACHE_LINE + sizeof(struct zok_buf);
	const struct zok__core_options rows[] = {
		{.core_count = 4096},
		{.core_count = 1, .receive_buffers = 4096, .receive_buffer_size = 4096},
		{.core_count = 1, .receive_buffers = 131072, .receive_buffer_size = 1},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__core_options options = rows[i];
		size_t least = options.core_count * per_core + options.receive_buffers * (options.receive_buffer_size + per_buffer);
		struct zok_core *core;

		options.node = -1;
		options.huge_pages = ZOK__PAGES_OFF;
		assert_int_equal(zok__core_memory_create(&core, &options), 0);
		assert_in_range(zok__heap_region(core->heap)->size, least, least + sizeof *core + 4 * MIB);
		assert_int_equal(core->options.core_count, options.core_count);
		assert_null(core->current);
		zok__heap_destroy(core->heap);
	}
}

static void more_than_there_is_is_an_error(void **state)
{
	const struct zok__core_options options = {.node = -1, .receive_buffers = 1u << 31, .receive_buffer_size = 1u << 31};
	struct zok_core *core = NULL;

	zok_log_level_set(ZOK_LOG_OFF);
	assert_int_equal(zok__core_memory_create(&core, &options), -ENOMEM);
	zok_log_level_set(ZOK_LOG_WARN);
	assert_null(core);
}

/* ---- Stacks ---- */

static void *bound; /* what was bound last */
static int bind_result;

static int note_bind(void *memory, size_t size, int mode, const void *mask)
{
	bound = memory;
	return bind_result;
}

static int64_t stack_bytes(const struct zok_core *core)
{
	struct zok_memory_stats stats;

	zok__heap_stats(core->heap, &stats);
	return (int64_t)stats.stack_bytes;
}

/* The first page only: that is enough to tell. */
static bool is_mapped(void *memory)
{
	return msync(memory, (size_t)sysconf(_SC_PAGESIZE), MS_ASYNC) == 0;
}

static void stacks_are_bound_and_counted(void **state)
{
	struct zok__memory_calls calls = zok__memory_calls;
	struct zok__heap_options options = {.policy = ZOK__MEMORY_INTERLEAVE, .pages = ZOK__PAGES_OFF, .calls = &calls};
	struct zok_core *core = aligned_alloc(_Alignof(struct zok_core), sizeof *core);
	struct zok__stack_source source;
	void *stack;

	calls.bind = note_bind;
	bind_result = 0;
	assert_non_null(core);
	assert_int_equal(zok__heap_create(&core->heap, &options), 0);
	source = zok__core_stack_source(core);
	stack = source.map(source.arg, MIB);
	assert_non_null(stack);
	assert_ptr_equal(bound, stack);
	assert_int_equal(stack_bytes(core), MIB);
	source.unmap(source.arg, stack, MIB);
	assert_int_equal(stack_bytes(core), 0);
	assert_false(is_mapped(stack));
	zok__heap_destroy(core->heap);
	free(core);
}

/* A strict core's, where there is another node: from there it would be worse than not there. */
static void a_stack_that_cannot_be_bound_is_not_kept(void **state)
{
	struct zok__memory_calls calls = zok__memory_calls;
	char *root = fake_tree_create();
	struct zok__heap_options options = {.policy = ZOK__MEMORY_STRICT, .pages = ZOK__PAGES_OFF, .root = root, .calls = &calls};
	struct zok_core *core = aligned_alloc(_Alignof(struct zok_core), sizeof *core);
	struct zok__stack_source source;

	fake_tree_write(root, "/sys/devices/system/node/online", "0-1\n");
	calls.bind = note_bind;
	bind_result = 0;
	assert_non_null(core);
	assert_int_equal(zok__heap_create(&core->heap, &options), 0);
	source = zok__core_stack_source(core);
	bind_result = -EPERM;
	bound = NULL;
	assert_null(source.map(source.arg, MIB));
	assert_non_null(bound);
	assert_false(is_mapped(bound));
	assert_int_equal(stack_bytes(core), 0);
	zok__heap_destroy(core->heap);
	fake_tree_destroy(root);
	free(core);
}

/* ---- The allocator ---- */

static void *never(void *arg, size_t size, size_t alignment)
{
	return NULL;
}

static int asks_for_the_allocator(void *arg)
{
	static const struct zok_allocator programs = {.allocate = never};
	struct zok_core *core = zok__core();

	assert_ptr_equal(zok_core_allocator(), zok__heap_allocator(core->heap));
	zok__allocator_set(&programs);
	assert_ptr_equal(zok_core_allocator(), &programs);
	zok__allocator_set(NULL);
	return 0;
}

static void a_programs_allocator_stands_in_for_the_heap(void **state)
{
	assert_null(zok_core_allocator());
	assert_int_equal(fake_run(asks_for_the_allocator, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_core_at_rest_lies_in_one_piece),
		cmocka_unit_test(more_than_there_is_is_an_error),
		cmocka_unit_test(stacks_are_bound_and_counted),
		cmocka_unit_test(a_stack_that_cannot_be_bound_is_not_kept),
		cmocka_unit_test(a_programs_allocator_stands_in_for_the_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
