/* A core's heap: blocks that do not overlap and come back, regions that are given back, figures that add up, and no memory survived. */
#include "core/heap.h"

#include "core/alloc.h"
#include "core/core.h"
#include "tests/unit/core/fake_engine.h"
#include "zokio/log.h"
#include "zokio/runtime.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "numa/bitset.h"

#define MIB ((size_t)1 << 20)

/* Regions mapped by the kernel's calls, until they run out. */
static int maps_left, map_count;

static int counted_map(size_t size, int flags, void **out)
{
	if (maps_left == 0)
		return -ENOMEM;
	maps_left--;
	map_count++;
	return zok__memory_calls.map(size, flags, out);
}

static int refuse_bind(void *memory, size_t size, int mode, const void *mask)
{
	return -EPERM;
}

static int bind_nothing(void *memory, size_t size, int mode, const void *mask)
{
	return 0;
}

static int advise(void *memory, size_t size, int advice)
{
	return zok__memory_calls.advise(memory, size, advice);
}

static struct zok__memory_calls calls;

static char last_line[ZOK_LOG_LINE_SIZE];
static int line_count;

static void keep_line(void *arg, enum zok_log_level level, const char *text)
{
	snprintf(last_line, sizeof last_line, "%s", text);
	line_count++;
}

static int start_afresh(void **state)
{
	maps_left = 1000;
	map_count = line_count = 0;
	calls = (struct zok__memory_calls){.map = counted_map, .bind = bind_nothing, .advise = advise};
	zok_log_level_set(ZOK_LOG_WARN);
	zok_log_set(keep_line, NULL);
	return 0;
}

static struct zok__heap *make(struct zok__heap_options options)
{
	struct zok__heap *heap;

	options.calls = &calls;
	if (options.pages == ZOK__PAGES_AUTO)
		options.pages = ZOK__PAGES_OFF;
	assert_int_equal(zok__heap_create(&heap, &options), 0);
	return heap;
}

static struct zok_memory_stats stats_of(const struct zok__heap *heap)
{
	struct zok_memory_stats stats;

	zok__heap_stats(heap, &stats);
	return stats;
}

struct piece {
	uint8_t *memory;
	size_t size, alignment;
};

/* A number that depends on its input only: the same pieces in every run. */
static size_t mix(size_t value)
{
	value = (value ^ value >> 15) * 0x9e3779b97f4a7c15u;
	return value ^ value >> 29;
}

static void take(const struct zok_allocator *allocator, struct piece *piece, size_t number)
{
	piece->size = 1 + mix(number) % (number % 16 == 0 ? 700000 : 3000);
	piece->alignment = (size_t)1 << mix(number + 7) % (number % 9 == 0 ? 15 : 8);
	piece->memory = zok__allocate(allocator, piece->size, piece->alignment);
	assert_non_null(piece->memory);
	assert_int_equal((uintptr_t)piece->memory % piece->alignment, 0);
	memset(piece->memory, (int)(number % 251), piece->size);
}

static void give(const struct zok_allocator *allocator, struct piece *piece, size_t number)
{
	for (size_t i = 0; i < piece->size; i++)
		if (piece->memory[i] != number % 251)
			fail_msg("piece %zu was written over at %zu", number, i);
	zok__release(allocator, piece->memory, piece->size);
	piece->memory = NULL;
}

static void blocks_are_aligned_and_do_not_overlap(void **state)
{
	enum { COUNT = 200, ROUNDS = 20000 };
	struct zok__heap *heap = make((struct zok__heap_options){.node = 0});
	const struct zok_allocator *allocator = zok__heap_allocator(heap);
	struct piece pieces[COUNT] = {{NULL}};
	size_t numbers[COUNT];

	for (size_t i = 0; i < ROUNDS; i++) {
		size_t at = mix(i + 99) % COUNT;

		if (pieces[at].memory)
			give(allocator, &pieces[at], numbers[at]);
		numbers[at] = i;
		take(allocator, &pieces[at], i);
	}
	for (size_t i = 0; i < COUNT; i++)
		if (pieces[i].memory)
			give(allocator, &pieces[i], numbers[i]);
	assert_int_equal(stats_of(heap).used_bytes, 0);
	assert_true(stats_of(heap).used_bytes_max <= stats_of(heap).mapped_bytes * 8);
	assert_true(stats_of(heap).reuses > ROUNDS / 2);
	assert_true(stats_of(heap).mapped_bytes < 64 * MIB);
	zok__heap_destroy(heap);
}

static void the_same_again_needs_no_more_memory(void **state)
{
	struct zok__heap *heap = make((struct zok__heap_options){.node = 0});
	const struct zok_allocator *allocator = zok__heap_allocator(heap);
	static const size_t sizes[] = {1, 64, 65, 80, 81, 4000, 65536, 262144, 100};
	void *blocks[sizeof sizes / sizeof *sizes];
	uint64_t mapped = 0;

	for (int round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			assert_non_null(blocks[i] = zok__allocate(allocator, sizes[i], 128));
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
			zok__release(allocator, blocks[i], sizes[i]);
		if (round == 0)
			mapped = stats_of(heap).mapped_bytes;
	}
	assert_int_equal(stats_of(heap).mapped_bytes, mapped);
	assert_int_equal(stats_of(heap).reuses, 49 * (sizeof sizes / sizeof *sizes));
	assert_int_equal(stats_of(heap).allocations, 50 * (sizeof sizes / sizeof *sizes));
	zok__heap_destroy(heap);
}

static void what_is_needed_at_start_lies_in_the_first_region(void **state)
{
	struct zok__heap *heap = make((struct zok__heap_options){.node = 0, .first_size = 5 * MIB});
	const struct zok_allocator *allocator = zok__heap_allocator(heap);
	const struct zok__region *region = zok__heap_region(heap);
	char *memory = zok__allocate(allocator, 4 * MIB, 64);

	assert_int_equal(map_count, 1);
	assert_true(memory > (char *)region->memory && memory + 4 * MIB <= (char *)region->memory + region->size);
	zok__release(allocator, memory, 4 * MIB);
	assert_ptr_equal(zok__allocate(allocator, 4 * MIB, 64), memory);
	zok__heap_destroy(heap);
}

/* In what pieces the rest is cut depends on where it lies: one of the sizes is served from it. */
static void what_a_large_block_has_too_much_is_cut_off(void **state)
{
	struct zok__heap *heap = make((struct zok__heap_options){.node = 0, .first_size = 3 * MIB});
	const struct zok_allocator *allocator = zok__heap_allocator(heap);
	char *large = zok__allocate(allocator, MIB, 64);
	bool is_found = false;

	zok__release(allocator, large, MIB);
	assert_ptr_equal(zok__allocate(allocator, MIB - 131072, 64), large);
	for (size_t size = 4096; size <= 131072; size *= 2) {
		char *small = zok__allocate(allocator, size, 64);

		is_found |= small >= large + MIB - 131072 && small + size <= large + MIB;
	}
	assert_true(is_found);
	zok__heap_destroy(heap);
}

/* A list is looked through only so far: scraps too small for anybody, in front of it, would hide what fits. */
static void scraps_do_not_hide_the_smallest_blocks(void **state)
{
	struct zok__heap *heap = make((struct zok__heap_options){.node = 0});
	const struct zok_allocator *allocator = zok__heap_allocator(heap);
	uint64_t reuses;

	zok__release(allocator, zok__allocate(allocator, 64, 64), 64);
	for (int i = 0; i < 200; i++) {
		assert_non_null(zok__allocate(allocator, 80, 16));
		assert_non_null(zok__allocate(allocator, 256, 256)); /* 16, 32 and 128 bytes between the two */
	}
	reuses = stats_of(heap).reuses;
	assert_non_null(zok__allocate(allocator, 64, 64));
	assert_int_equal(stats_of(heap).reuses, reuses + 1);
	zok__heap_destroy(heap);
}

static void a_large_block_has_a_region_that_goes_with_it(void **state)
{
	struct zok__heap *heap = make((struct zok__heap_options){.node = 0});
	const struct zok_allocator *allocator = zok__heap_allocator(heap);
	uint64_t mapped = stats_of(heap).mapped_bytes;
	void *memory = zok__allocate(allocator, 20 * MIB, 1 << 16);

	assert_non_null(memory);
	assert_int_equal((uintptr_t)memory % (1 << 16), 0);
	assert_int_equal(stats_of(heap).mapped_bytes, mapped + 22 * MIB);
	memset(memory, 1, 20 * MIB);
	zok__release(allocator, memory, 20 * MIB);
	assert_int_equal(stats_of(heap).mapped_bytes, mapped);
	assert_int_equal(stats_of(heap).used_bytes, 0);
	assert_int_equal(stats_of(heap).used_bytes_max, 20 * MIB);
	zok__heap_destroy(heap);
}

static void without_a_region_malloc_stands_in_but_not_for_strict(void **state)
{
	struct zok__heap *heap = make((struct zok__heap_options){.node = 0});
	const struct zok_allocator *allocator = zok__heap_allocator(heap);
	void *memory;

	zok_log_level_set(ZOK_LOG_OFF);
	maps_left = 0;
	assert_null(zok__allocate(allocator, SIZE_MAX / 2, 16));
	memory = zok__allocate(allocator, 8 * MIB, 64);
	assert_non_null(memory);
	memset(memory, 1, 8 * MIB);
	assert_int_equal(stats_of(heap).general_bytes, 8 * MIB);
	zok__release(allocator, memory, 8 * MIB);
	assert_int_equal(stats_of(heap).general_bytes, 0);
	zok__heap_destroy(heap);
	maps_left = 1;
	heap = make((struct zok__heap_options){.node = 0, .policy = ZOK__MEMORY_STRICT});
	assert_null(zok__allocate(zok__heap_allocator(heap), 8 * MIB, 64));
	zok__heap_destroy(heap);
}

static void no_first_region_is_an_error_with_a_line(void **state)
{
	struct zok__heap *heap = NULL;

	maps_left = 0;
	assert_int_equal(zok__heap_create(&heap, &(struct zok__heap_options){.core = 3, .node = -1, .calls = &calls}), -ENOMEM);
	assert_null(heap);
	assert_string_equal(last_line, "core 3: memory: 2 MiB could not be mapped: Cannot allocate memory");
	zok__heap_destroy(NULL);
}

static void a_refusal_is_said_once_for_all_cores(void **state)
{
	calls.bind = refuse_bind;
	for (unsigned i = 0; i < 3; i++) {
		struct zok__heap *heap = make((struct zok__heap_options){.core = i, .node = 0});

		assert_int_equal(stats_of(heap).node_asked, 0);
		assert_int_equal(stats_of(heap).node_got, -1);
		zok__heap_destroy(heap);
	}
	assert_int_equal(line_count, 1);
	assert_string_equal(last_line, "core 0: memory: mbind: Operation not permitted: left to the kernel (said once)");
}

static void the_debug_log_says_what_was_got(void **state)
{
	struct zok__heap *heap;

	zok_log_level_set(ZOK_LOG_DEBUG);
	heap = make((struct zok__heap_options){.core = 5, .node = 0, .first_size = 3 * MIB});
	assert_string_equal(last_line, "core 5: 4 MiB on node 0, 4 KiB pages");
	zok__heap_destroy(heap);
}

static bool lies_in(const struct zok__region *region, const void *memory)
{
	return (const char *)memory >= (const char *)region->memory && (const char *)memory < (const char *)region->memory + region->size;
}

static int policy_of(void *memory)
{
	struct zok__bitset nodes;
	int policy = -1;

	return syscall(SYS_get_mempolicy, &policy, nodes.word, ZOK__BITSET_MAX, memory, MPOL_F_ADDR) < 0 ? -errno : policy;
}

static int looks_where_its_core_lies(void *arg)
{
	struct zok_core *core = zok__core();
	const struct zok__region *region = zok__heap_region(core->heap);
	void *scope = zok_pool_get(&core->scopes);
	char on_stack = 0;

	assert_true(lies_in(region, core));
	assert_true(lies_in(region, core->mail.boxes));
	assert_true(lies_in(region, core->bufs.memory));
	assert_true(lies_in(region, core->bufs.bufs));
	assert_true(lies_in(region, core->current));
	assert_true(lies_in(region, scope));
	zok_pool_put(&core->scopes, scope);
	if (!region->is_refused && policy_of(region->memory) >= 0)
		assert_int_equal(policy_of(&on_stack), policy_of(region->memory));
	return 0;
}

/* First touch is never relied on: all that a core is made of lies in memory that a policy was set on. */
static void all_of_a_core_lies_in_memory_of_its_node(void **state)
{
	assert_int_equal(fake_run(looks_where_its_core_lies, NULL), 0);
}

/* ---- Through a runtime ---- */

static int looks(void *arg)
{
	const struct zok_allocator *allocator = zok_core_allocator();
	struct zok_memory_stats before, after;
	void *memory;

	assert_int_equal(zok_memory_stats(0, &before), 0);
	assert_true(before.mapped_bytes >= 4 * MIB && before.used_bytes > 4 * MIB && before.stack_bytes > 0);
	assert_true(before.used_bytes_max >= before.used_bytes);
	memory = zok__allocate(allocator, 4096, 64);
	assert_int_equal(zok_memory_stats(0, &after), 0);
	assert_int_equal(after.used_bytes - before.used_bytes, 4096);
	zok__release(allocator, memory, 4096);
	assert_int_equal(zok_memory_stats(99, &after), -ENOENT);
	assert_int_equal(zok_node_memory_stats((int)before.node_got, &after), 0);
	assert_int_equal(after.mapped_bytes, before.mapped_bytes);
	assert_int_equal(zok_node_memory_stats(77, &after), -ENOENT);
	return 0;
}

static void a_runtime_reports_its_memory(void **state)
{
	static const char *const policies[] = {"preferred", "interleave", "strict"};
	struct zok_memory_stats stats;

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll", .memory = policies[i], .huge_pages = "off"}, looks, NULL),
				 0);
	assert_null(zok_core_allocator());
	assert_int_equal(zok_memory_stats(0, &stats), -EINVAL);
	assert_int_equal(zok_node_memory_stats(0, &stats), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(blocks_are_aligned_and_do_not_overlap, start_afresh),
		cmocka_unit_test_setup(the_same_again_needs_no_more_memory, start_afresh),
		cmocka_unit_test_setup(what_is_needed_at_start_lies_in_the_first_region, start_afresh),
		cmocka_unit_test_setup(what_a_large_block_has_too_much_is_cut_off, start_afresh),
		cmocka_unit_test_setup(scraps_do_not_hide_the_smallest_blocks, start_afresh),
		cmocka_unit_test_setup(a_large_block_has_a_region_that_goes_with_it, start_afresh),
		cmocka_unit_test_setup(without_a_region_malloc_stands_in_but_not_for_strict, start_afresh),
		cmocka_unit_test_setup(no_first_region_is_an_error_with_a_line, start_afresh),
		cmocka_unit_test_setup(a_refusal_is_said_once_for_all_cores, start_afresh),
		cmocka_unit_test_setup(the_debug_log_says_what_was_got, start_afresh),
		cmocka_unit_test_setup(all_of_a_core_lies_in_memory_of_its_node, start_afresh),
		cmocka_unit_test_setup(a_runtime_reports_its_memory, start_afresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
