/* Stacks: classes, reuse, guards, the bound of the cache, shortage at every step, and the high-water mark. */
#include "core/stack.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_what_was_released_last_is_acquired_first(void **state)
{
	struct zok__stack_cache cache;
	struct zok__stack *a, *b, *again;

	zok__stack_cache_init(&cache, NULL);
	assert_int_equal(zok__stack_acquire(&cache, 16384, 0, &a), 0);
	assert_int_equal(zok__stack_acquire(&cache, 16384, 0, &b), 0);
	zok__stack_release(&cache, a);
	zok__stack_release(&cache, b);
	assert_int_equal(zok__stack_acquire(&cache, 16384, 0, &again), 0);
	assert_ptr_equal(again, b);
	zok__stack_release(&cache, again);
	zok__stack_cache_finish(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_released_last_is_acquired_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
