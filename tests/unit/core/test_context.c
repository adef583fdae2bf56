/* The switch: entry and argument, what it must keep and what the compiler must keep around it, alignment, and the end of a backtrace. */
#include "core/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/sanitizer.h"

#define STACK_SIZE ((size_t)64 << 10)

struct side {
	struct zok__context context;
	struct zok__sanitizer_fiber sanitizer;
};

struct pair {
	struct side main, fiber;
	void *stack;
	void (*body)(struct pair *pair);
	uint64_t numbers[16];
	unsigned rounds;
	bool has_ended;
};

static inline __attribute__((always_inline)) void go(struct side *from, struct side *to, bool has_ended)
{
	zok__sanitizer_before_switch(&from->sanitizer, &to->sanitizer, has_ended);
	zok__context_switch(&from->context, &to->context);
	zok__sanitizer_after_switch(&from->sanitizer);
}

static void entry(void *arg)
{
	struct pair *pair = arg;

	zok__sanitizer_after_switch(&pair->fiber.sanitizer);
	pair->body(pair);
	pair->has_ended = true;
	go(&pair->fiber, &pair->main, true);
}

static void pair_start(struct pair *pair, void (*body)(struct pair *pair))
{
	memset(pair, 0, sizeof *pair);
	pair->stack = malloc(STACK_SIZE);
	assert_non_null(pair->stack);
	pair->body = body;
	zok__sanitizer_thread_init(&pair->main.sanitizer);
	zok__sanitizer_fiber_init(&pair->fiber.sanitizer, pair->stack, STACK_SIZE);
	zok__context_init(&pair->fiber.context, pair->stack, STACK_SIZE, entry, pair);
}

static void pair_finish(struct pair *pair)
{
	zok__sanitizer_fiber_finish(&pair->fiber.sanitizer);
	zok__sanitizer_stack_acquired(pair->stack, STACK_SIZE);
	free(pair->stack);
}

static void count_to_three(struct pair *pair)
{
	for (int i = 0; i < 3; i++) {
		pair->rounds++;
		go(&pair->fiber, &pair->main, false);
	}
}

static void test_goes_there_and_back(void **state)
{
	struct pair pair;

	pair_start(&pair, count_to_three);
	for (unsigned i = 1; i <= 3; i++) {
		go(&pair.main, &pair.fiber, false);
		assert_int_equal(pair.rounds, i);
		assert_false(pair.has_ended);
	}
	go(&pair.main, &pair.fiber, false);
	assert_true(pair.has_ended);
	pair_finish(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
