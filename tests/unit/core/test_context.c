/* The switch: entry and argument, what stays alive around it under register pressure, alignment, errno, and where a backtrace ends. */
#include "core/fiber_switch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unwind.h>

#include <cmocka.h>

#define STACK_SIZE ((size_t)256 << 10)

enum { WORDS = 16, ROUNDS = 100 };

struct pair {
	struct zok__fiber_state main, fiber;
	void *stack;
	void (*body)(struct pair *pair);
	int *errno_address;
	uint64_t seen;
	bool has_ended;
};

static void enter(void *arg)
{
	struct pair *pair = arg;

	zok__fiber_arrive(&pair->fiber);
	pair->body(pair);
	pair->has_ended = true;
	zok__fiber_switch_last(&pair->fiber, &pair->main);
}

static void pair_init(struct pair *pair, void (*body)(struct pair *pair))
{
	memset(pair, 0, sizeof *pair);
	pair->stack = malloc(STACK_SIZE);
	assert_non_null(pair->stack);
	pair->body = body;
	pair->errno_address = &errno;
	zok__fiber_state_init_thread(&pair->main);
	zok__fiber_state_init(&pair->fiber, pair->stack, STACK_SIZE, enter, pair);
}

static void pair_finish(struct pair *pair)
{
	assert_true(pair->has_ended);
	zok__fiber_state_finish(&pair->fiber);
	zok__sanitizer_stack_acquired(pair->stack, STACK_SIZE);
	free(pair->stack);
}

static void run(void (*body)(struct pair *pair), struct pair *pair)
{
	pair_init(pair, body);
	while (!pair->has_ended)
		zok__fiber_switch(&pair->main, &pair->fiber);
	pair_finish(pair);
}

static void suspend(struct pair *pair)
{
	zok__fiber_switch(&pair->fiber, &pair->main);
}

static void count_to_three(struct pair *pair)
{
	for (int i = 0; i < 3; i++) {
		pair->seen++;
		suspend(pair);
	}
}

static void test_goes_there_and_back(void **state)
{
	struct pair pair;

	pair_init(&pair, count_to_three);
	for (unsigned i = 1; i <= 3; i++) {
		zok__fiber_switch(&pair.main, &pair.fiber);
		assert_int_equal(pair.seen, i);
		assert_false(pair.has_ended);
	}
	zok__fiber_switch(&pair.main, &pair.fiber);
	pair_finish(&pair);
}

static uint64_t mix(uint64_t word)
{
	return (word ^ word >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + 1;
}

/*
 * Sixteen integers and sixteen doubles are alive over each switch, more than there are registers, and both sides destroy those they are in.
 * The loops have constant bounds, so that optimizing compilers keep the arrays in registers.
 */
static inline __attribute__((always_inline)) uint64_t press(struct zok__fiber_state *from, struct zok__fiber_state *to, uint64_t seed)
{
	uint64_t words[WORDS], sum = 0;
	double numbers[WORDS];
	long double wide = (long double)seed / 3;

	for (int i = 0; i < WORDS; i++) {
		words[i] = seed = mix(seed);
		numbers[i] = (double)(seed >> 12);
	}
	for (int round = 0; round < ROUNDS; round++) {
		zok__fiber_switch(from, to);
		for (int i = 0; i < WORDS; i++) {
			words[i] = mix(words[i]);
			numbers[i] = numbers[i] * 0.5 + 1;
		}
		wide = wide * 0.5L + 1;
	}
	for (int i = 0; i < WORDS; i++)
		sum = mix(sum ^ words[i] ^ (uint64_t)numbers[i]);
	return sum ^ (uint64_t)(wide * 1000);
}

/* The same without another side. */
static uint64_t press_alone(uint64_t seed)
{
	uint64_t words[WORDS], sum = 0;
	double numbers[WORDS];
	long double wide = (long double)seed / 3;

	for (int i = 0; i < WORDS; i++) {
		words[i] = seed = mix(seed);
		numbers[i] = (double)(seed >> 12);
		for (int round = 0; round < ROUNDS; round++) {
			words[i] = mix(words[i]);
			numbers[i] = numbers[i] * 0.5 + 1;
		}
	}
	for (int round = 0; round < ROUNDS; round++)
		wide = wide * 0.5L + 1;
	for (int i = 0; i < WORDS; i++)
		sum = mix(sum ^ words[i] ^ (uint64_t)numbers[i]);
	return sum ^ (uint64_t)(wide * 1000);
}

static void press_in_fiber(struct pair *pair)
{
	pair->seen = press(&pair->fiber, &pair->main, 7);
}

static void test_registers_survive_on_both_sides(void **state)
{
	struct pair pair;
	uint64_t here;

	pair_init(&pair, press_in_fiber);
	here = press(&pair.main, &pair.fiber, 11);
	while (!pair.has_ended)
		zok__fiber_switch(&pair.main, &pair.fiber);
	pair_finish(&pair);
	assert_true(here == press_alone(11));
	assert_true(pair.seen == press_alone(7));
}

static __attribute__((noinline)) void note_alignment(struct pair *pair)
{
	pair->seen = (uintptr_t)__builtin_frame_address(0) % 16;
}

static void test_stack_is_aligned_as_calls_need_it(void **state)
{
	struct pair pair;

	run(note_alignment, &pair);
	assert_int_equal(pair.seen, 0);
}

static __attribute__((noinline)) uint64_t descend(struct pair *pair, uint64_t depth)
{
	volatile uint64_t here = depth;

	if (depth == 0) {
		suspend(pair);
		return 0;
	}
	return here + descend(pair, depth - 1);
}

static void descend_hundred(struct pair *pair)
{
	pair->seen = descend(pair, 100);
}

static void test_returns_through_frames_that_lie_deep(void **state)
{
	struct pair pair;

	run(descend_hundred, &pair);
	assert_int_equal(pair.seen, 5050);
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
	uint64_t *count = arg;

	return ++*count < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void unwind(struct pair *pair)
{
	_Unwind_Backtrace(count_frame, &pair->seen);
}

/* unwind, enter, the start, and at most the end marker: never into what lies above the stack. */
static void test_backtrace_ends_at_the_entry(void **state)
{
	struct pair pair;

	run(unwind, &pair);
	assert_in_range(pair.seen, 2, 4);
}

static void spoil_errno(struct pair *pair)
{
	errno = EBADF;
	ZOK__FIBER_SWITCH_ERRNO(&pair->fiber, &pair->main, pair->errno_address);
	pair->seen = (uint64_t)*pair->errno_address;
}

static void test_errno_belongs_to_the_fiber(void **state)
{
	struct pair pair;
	int here;

	pair_init(&pair, spoil_errno);
	errno = ENOENT;
	ZOK__FIBER_SWITCH_ERRNO(&pair.main, &pair.fiber, pair.errno_address);
	here = *pair.errno_address;
	assert_int_equal(here, ENOENT);
	zok__fiber_switch(&pair.main, &pair.fiber);
	assert_int_equal(pair.seen, EBADF);
	pair_finish(&pair);
}

static void test_many_lives_on_one_stack(void **state)
{
	for (int i = 0; i < 1000; i++) {
		struct pair pair;

		run(count_to_three, &pair);
		assert_int_equal(pair.seen, 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_there_and_back),
		cmocka_unit_test(test_registers_survive_on_both_sides),
		cmocka_unit_test(test_stack_is_aligned_as_calls_need_it),
		cmocka_unit_test(test_returns_through_frames_that_lie_deep),
		cmocka_unit_test(test_backtrace_ends_at_the_entry),
		cmocka_unit_test(test_errno_belongs_to_the_fiber),
		cmocka_unit_test(test_many_lives_on_one_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
