/* What the loop of a core does beside running tasks. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/task.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* 64 KiB each: so many lots beyond what is kept for good that looking once a sleep would not do. */
enum { LOTS = 40, FIBERS = (int)((ZOK__STACK_KEPT_BYTES + LOTS * ZOK__STACK_AGED_BYTES) >> 16) };

static int does_nothing(void *arg)
{
	return 0;
}

/* What the core sleeps through is one long wait to it: only its own bound on that wait makes it look after its stacks meanwhile. */
static int forks_and_sleeps(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	const struct zok_spawn_options options = {.stack_size = 64 << 10};
	struct zok__stack_cache *stacks = &zok__core()->stacks;
	int sleeps = 0;

	for (int i = 0; i < FIBERS; i++)
		assert_int_equal(zok_spawn(scope, does_nothing, NULL, &options), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_true(stacks->cached_bytes > ZOK__STACK_KEPT_BYTES);
	for (; stacks->cached_bytes > ZOK__STACK_KEPT_BYTES && sleeps < LOTS / 4; sleeps++)
		zok_sleep(ZOK_S);
	assert_true(sleeps < LOTS / 4);
	return 0;
}

static void test_a_sleeping_core_gives_back_the_stacks_of_a_surge(void **state)
{
	assert_int_equal(fake_run(forks_and_sleeps, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sleeping_core_gives_back_the_stacks_of_a_surge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
