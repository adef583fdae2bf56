/* Stacks: classes, reuse, guards, the bound of the cache, shortage at every step, and the high-water mark. */
#include "core/stack.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct zok__stack_cache cache;

static int open_cache(void **state)
{
	zok__stack_cache_init(&cache, NULL);
	return 0;
}

/* That everything went back to the system is asserted in there. */
static int close_cache(void **state)
{
	zok__stack_cache_finish(&cache);
	return 0;
}

static struct zok__stack *acquire(size_t size, unsigned flags)
{
	struct zok__stack *stack;

	assert_int_equal(zok__stack_acquire(&cache, size, flags, &stack), 0);
	return stack;
}

static void test_each_class_holds_what_was_asked(void **state)
{
	const size_t sizes[] = {0, 1, 4096, 4097, 16384, 65536, 65537, ZOK__STACK_SIZE_MAX};
	const size_t classes[] = {4096, 4096, 4096, 8192, 16384, 65536, 131072, ZOK__STACK_SIZE_MAX};

	for (unsigned flags = 0; flags <= ZOK__STACK_NO_GUARD; flags++) {
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct zok__stack *stack = acquire(sizes[i], flags);

			assert_in_range(stack->size, classes[i] / 16 * 15 - 64, classes[i] - sizeof *stack);
			assert_int_equal((uintptr_t)(stack->base + stack->size) % ZOK_CACHE_LINE, 0);
			stack->base[0] = 1;
			stack->base[stack->size - 1] = 1;
			zok__stack_release(&cache, stack);
		}
	}
}

static void test_larger_than_the_largest_is_refused(void **state)
{
	struct zok__stack *untouched = NULL, *stack = untouched;

	assert_int_equal(zok__stack_acquire(&cache, ZOK__STACK_SIZE_MAX + 1, 0, &stack), -EINVAL);
	assert_int_equal(zok__stack_acquire(&cache, SIZE_MAX, 0, &stack), -EINVAL);
	assert_ptr_equal(stack, untouched);
}

static void test_what_was_released_last_is_acquired_first(void **state)
{
	struct zok__stack *a = acquire(16384, 0), *b = acquire(16384, 0);

	zok__stack_release(&cache, a);
	zok__stack_release(&cache, b);
	assert_ptr_equal(acquire(16384, 0), b);
	assert_ptr_equal(acquire(16384, 0), a);
	zok__stack_release(&cache, a);
	zok__stack_release(&cache, b);
}

static void test_a_guarded_stack_is_not_given_for_an_unguarded_one(void **state)
{
	struct zok__stack *guarded = acquire(4096, 0), *other;

	zok__stack_release(&cache, guarded);
	other = acquire(4096, ZOK__STACK_NO_GUARD);
	assert_ptr_not_equal(other, guarded);
	zok__stack_release(&cache, other);
}

static void test_hot_ends_of_neighbours_lie_in_different_cache_sets(void **state)
{
	struct zok__stack *a = acquire(65536, 0), *b = acquire(65536, 0);

	assert_int_not_equal((uintptr_t)a % 4096, (uintptr_t)b % 4096);
	zok__stack_release(&cache, a);
	zok__stack_release(&cache, b);
}

/* Whether a write at `address` kills, tried in a child. */
static bool write_kills(volatile char *address)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL); /* cmocka and the sanitizers have handlers, and the child is not to go on with the tests */
		*address = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void test_an_overflow_hits_the_guard(void **state)
{
	struct zok__stack *first = acquire(16384, 0), *second = acquire(16384, 0);

	assert_true(write_kills(first->base - 1));
	assert_true(write_kills(second->base - 1));
	assert_true(write_kills(second->base - 4096));
	assert_false(write_kills(second->base));
	zok__stack_release(&cache, first);
	zok__stack_release(&cache, second);
}

static void test_a_hundred_thousand_stacks_without_guards(void **state)
{
	enum { COUNT = 100000 };
	struct zok__stack **stacks = malloc(COUNT * sizeof *stacks);

	assert_non_null(stacks);
	for (size_t i = 0; i < COUNT; i++)
		stacks[i] = acquire(4096, ZOK__STACK_NO_GUARD);
	assert_int_equal(cache.acquired_count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		zok__stack_release(&cache, stacks[i]);
	free(stacks);
	assert_true(cache.cached_bytes <= cache.cached_bytes_max);
}

static void test_the_bound_of_the_cache_holds(void **state)
{
	struct zok__stack_cache small;
	struct zok__stack *stacks[8];

	zok__stack_cache_init(&small, &(struct zok__stack_cache_options){.cached_bytes_max = (size_t)3 << 20});
	for (int i = 0; i < 8; i++)
		assert_int_equal(zok__stack_acquire(&small, 1 << 20, 0, &stacks[i]), 0);
	for (int i = 0; i < 8; i++)
		zok__stack_release(&small, stacks[i]);
	assert_int_equal(small.cached_bytes, 3 << 20);
	assert_true(small.mapped_bytes < (size_t)4 << 20);
	zok__stack_cache_finish(&small);
}

/* Acquires so much that the cache holds `bytes` of address space afterwards. */
static void surge(size_t bytes)
{
	size_t count = bytes >> 20;
	struct zok__stack **stacks = malloc(count * sizeof *stacks);

	assert_non_null(stacks);
	for (size_t i = 0; i < count; i++)
		stacks[i] = acquire(1 << 20, 0);
	for (size_t i = 0; i < count; i++)
		zok__stack_release(&cache, stacks[i]);
	free(stacks);
}

static void test_what_is_not_needed_is_given_back_bit_by_bit(void **state)
{
	surge(ZOK__STACK_KEPT_BYTES + 5 * ZOK__STACK_AGED_BYTES);
	assert_int_equal(cache.cached_bytes, ZOK__STACK_KEPT_BYTES + 5 * ZOK__STACK_AGED_BYTES);
	assert_false(zok__stack_cache_age(&cache)); /* the surge was within this turn */
	assert_int_equal(cache.cached_bytes, ZOK__STACK_KEPT_BYTES + 5 * ZOK__STACK_AGED_BYTES);
	for (size_t left = 4; left > 0; left--) {
		assert_true(zok__stack_cache_age(&cache));
		assert_int_equal(cache.cached_bytes, ZOK__STACK_KEPT_BYTES + left * ZOK__STACK_AGED_BYTES);
	}
	assert_false(zok__stack_cache_age(&cache));
	assert_false(zok__stack_cache_age(&cache));
	assert_int_equal(cache.cached_bytes, ZOK__STACK_KEPT_BYTES);
	assert_true(cache.mapped_bytes < ZOK__STACK_KEPT_BYTES + ZOK__STACK_AGED_BYTES);
	zok__stack_cache_trim(&cache, 0);
}

static void test_a_new_surge_ends_the_giving_back(void **state)
{
	surge(ZOK__STACK_KEPT_BYTES + 3 * ZOK__STACK_AGED_BYTES);
	zok__stack_cache_age(&cache);
	assert_true(zok__stack_cache_age(&cache));
	surge(ZOK__STACK_KEPT_BYTES + 4 * ZOK__STACK_AGED_BYTES);
	assert_false(zok__stack_cache_age(&cache));
	assert_int_equal(cache.cached_bytes, ZOK__STACK_KEPT_BYTES + 4 * ZOK__STACK_AGED_BYTES);
	zok__stack_cache_trim(&cache, 0);
}

static void test_trim_keeps_the_warmest(void **state)
{
	struct zok__stack *cold = acquire(1 << 20, 0), *warm = acquire(1 << 20, 0);

	zok__stack_release(&cache, cold);
	zok__stack_release(&cache, warm);
	zok__stack_cache_trim(&cache, 1 << 20);
	assert_int_equal(cache.cached_bytes, 1 << 20);
	assert_ptr_equal(acquire(1 << 20, 0), warm);
	zok__stack_release(&cache, warm);
	zok__stack_cache_trim(&cache, 0);
	assert_int_equal(cache.mapped_bytes, 0);
}

/* A source that fails when its count is used up. */
static int calls_left;

static void *failing_map(void *arg, size_t size)
{
	void *base = calls_left-- > 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;

	return base != MAP_FAILED ? base : NULL;
}

static void plain_unmap(void *arg, void *base, size_t size)
{
	assert_int_equal(munmap(base, size), 0);
}

static int failing_guard(void *arg, void *base, size_t size)
{
	if (calls_left-- <= 0)
		return -ENOMEM;
	return mprotect(base, size, PROT_NONE) == 0 ? 0 : -errno;
}

static const struct zok__stack_source failing_source = {.map = failing_map, .unmap = plain_unmap, .guard = failing_guard};

/* Three stacks of one slab take a mapping and three guards: each of the four calls fails once. */
static void test_shortage_at_each_step_leaves_nothing_behind(void **state)
{
	for (int allowed = 0; allowed <= 4; allowed++) {
		struct zok__stack_cache small;
		struct zok__stack *stacks[3] = {NULL};
		int rc = 0, count = 0;

		zok__stack_cache_init(&small, &(struct zok__stack_cache_options){.source = &failing_source});
		calls_left = allowed;
		while (count < 3 && (rc = zok__stack_acquire(&small, 8192, 0, &stacks[count])) == 0)
			count++;
		assert_int_equal(rc, allowed < 4 ? -ENOMEM : 0);
		assert_int_equal(count, allowed > 0 ? allowed - 1 : 0);
		assert_int_equal(small.acquired_count, count);
		if (count == 0)
			assert_int_equal(small.mapped_bytes, 0);
		for (int i = 0; i < count; i++)
			zok__stack_release(&small, stacks[i]);
		zok__stack_cache_finish(&small);
	}
}

static void test_a_guard_that_is_a_mapping_of_its_own(void **state)
{
	struct zok__stack_cache small;
	struct zok__stack *stack;

	zok__stack_cache_init(&small, &(struct zok__stack_cache_options){.source = &failing_source});
	calls_left = 2;
	assert_int_equal(zok__stack_acquire(&small, 8192, 0, &stack), 0);
	assert_true(write_kills(stack->base - 1));
	zok__stack_release(&small, stack);
	zok__stack_cache_finish(&small);
}

static void test_high_water_of_a_painted_stack_is_exact(void **state)
{
	struct zok__stack *stack = acquire(65536, ZOK__STACK_PAINT);

	assert_int_equal(zok__stack_high_water(stack), 0);
	memset(stack->base + stack->size - 1000, 1, 8);
	assert_int_equal(zok__stack_high_water(stack), 1000);
	zok__stack_release(&cache, stack);
	stack = acquire(65536, ZOK__STACK_PAINT);
	assert_int_equal(zok__stack_high_water(stack), 0);
	zok__stack_release(&cache, stack);
}

static void test_high_water_without_paint_goes_by_pages(void **state)
{
	struct zok__stack *stack = acquire(ZOK__STACK_SIZE_MAX, 0);
	ssize_t page = (ssize_t)sysconf(_SC_PAGESIZE), fresh = zok__stack_high_water(stack);

	assert_in_range(fresh, 0, page);
	stack->base[stack->size - 100000] = 1;
	assert_in_range(zok__stack_high_water(stack), 100000, 100000 + page);
	stack->base[0] = 1;
	assert_int_equal(zok__stack_high_water(stack), stack->size);
	zok__stack_release(&cache, stack);
}

#define ON_A_CACHE(test) cmocka_unit_test_setup_teardown(test, open_cache, close_cache)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_CACHE(test_each_class_holds_what_was_asked),
		ON_A_CACHE(test_larger_than_the_largest_is_refused),
		ON_A_CACHE(test_what_was_released_last_is_acquired_first),
		ON_A_CACHE(test_a_guarded_stack_is_not_given_for_an_unguarded_one),
		ON_A_CACHE(test_hot_ends_of_neighbours_lie_in_different_cache_sets),
		ON_A_CACHE(test_an_overflow_hits_the_guard),
		ON_A_CACHE(test_a_hundred_thousand_stacks_without_guards),
		ON_A_CACHE(test_what_is_not_needed_is_given_back_bit_by_bit),
		ON_A_CACHE(test_a_new_surge_ends_the_giving_back),
		ON_A_CACHE(test_trim_keeps_the_warmest),
		ON_A_CACHE(test_high_water_of_a_painted_stack_is_exact),
		ON_A_CACHE(test_high_water_without_paint_goes_by_pages),
		cmocka_unit_test(test_the_bound_of_the_cache_holds),
		cmocka_unit_test(test_shortage_at_each_step_leaves_nothing_behind),
		cmocka_unit_test(test_a_guard_that_is_a_mapping_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
