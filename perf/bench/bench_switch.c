/*
 * What does one switch between two contexts cost? One way: a round trip is two. First case: ours. "chain" goes round 1,000 fibers rather than between
 * two, so that their stacks compete for the caches and each jump is predicted afresh.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <ucontext.h>

#include "core/fiber_switch.h"
#include "core/stack.h"
#include "perf/bench/bench.h"
#include "perf/bench/bench_switch_boost.h"

enum { ROUND_TRIPS = 2000000, UCONTEXT_ROUND_TRIPS = 200000, CHAIN_LENGTH = 1000, CHAIN_ROUNDS = 2000 };

static const size_t stack_size = 16 << 10;

struct pair {
	struct zok__fiber_state main, fiber;
	int *errno_address;
	uint64_t arrivals; /* counted by the fiber, so that the figure is known to be of switches that took place */
};

static void switch_back(void *arg)
{
	struct pair *pair = arg;

	zok__fiber_arrive(&pair->fiber);
	for (;; pair->arrivals++)
		zok__fiber_switch(&pair->fiber, &pair->main);
}

static void switch_back_errno(void *arg)
{
	struct pair *pair = arg;

	zok__fiber_arrive(&pair->fiber);
	for (;; pair->arrivals++)
		ZOK__FIBER_SWITCH_ERRNO(&pair->fiber, &pair->main, pair->errno_address);
}

static double one_way_ns(uint64_t start_ns, double switches)
{
	return (double)(bench_now_ns() - start_ns) / switches;
}

static struct zok__stack *acquire(struct zok__stack_cache *cache)
{
	struct zok__stack *stack;

	if (zok__stack_acquire(cache, stack_size, 0, &stack) < 0)
		exit(1);
	return stack;
}

static double run_ours(void *arg)
{
	struct pair pair = {.arrivals = 0};
	struct zok__stack_cache cache;
	struct zok__stack *stack;
	uint64_t start_ns;
	double ns;

	zok__stack_cache_init(&cache, NULL);
	stack = acquire(&cache);
	zok__fiber_state_init_thread(&pair.main);
	zok__fiber_state_init(&pair.fiber, stack->base, stack->size, switch_back, &pair);
	zok__fiber_switch(&pair.main, &pair.fiber);
	start_ns = bench_now_ns();
	for (int i = 0; i < ROUND_TRIPS; i++)
		zok__fiber_switch(&pair.main, &pair.fiber);
	ns = one_way_ns(start_ns, 2.0 * ROUND_TRIPS);
	zok__stack_release(&cache, stack);
	zok__stack_cache_finish(&cache);
	return pair.arrivals == ROUND_TRIPS ? ns : NAN;
}

static double run_ours_errno(void *arg)
{
	struct pair pair = {.errno_address = &errno};
	struct zok__stack_cache cache;
	struct zok__stack *stack;
	uint64_t start_ns;
	double ns;

	zok__stack_cache_init(&cache, NULL);
	stack = acquire(&cache);
	zok__fiber_state_init_thread(&pair.main);
	zok__fiber_state_init(&pair.fiber, stack->base, stack->size, switch_back_errno, &pair);
	zok__fiber_switch(&pair.main, &pair.fiber);
	start_ns = bench_now_ns();
	for (int i = 0; i < ROUND_TRIPS; i++)
		ZOK__FIBER_SWITCH_ERRNO(&pair.main, &pair.fiber, pair.errno_address);
	ns = one_way_ns(start_ns, 2.0 * ROUND_TRIPS);
	zok__stack_release(&cache, stack);
	zok__stack_cache_finish(&cache);
	return pair.arrivals == ROUND_TRIPS ? ns : NAN;
}

struct link {
	struct zok__fiber_state state, *next;
	struct zok__stack *stack;
};

static void switch_on(void *arg)
{
	struct link *link = arg;

	zok__fiber_arrive(&link->state);
	for (;;)
		zok__fiber_switch(&link->state, link->next);
}

/* Each fiber switches to the next, the last to us. */
static double run_chain(void *arg)
{
	static struct link links[CHAIN_LENGTH];
	struct zok__fiber_state main;
	struct zok__stack_cache cache;
	uint64_t start_ns = 0;
	double ns;

	zok__stack_cache_init(&cache, NULL);
	zok__fiber_state_init_thread(&main);
	for (int i = 0; i < CHAIN_LENGTH; i++) {
		struct link *link = &links[i];

		link->stack = acquire(&cache);
		link->next = i + 1 < CHAIN_LENGTH ? &links[i + 1].state : &main;
		zok__fiber_state_init(&link->state, link->stack->base, link->stack->size, switch_on, link);
	}
	for (int i = -1; i < CHAIN_ROUNDS; i++) {
		if (i == 0)
			start_ns = bench_now_ns();
		zok__fiber_switch(&main, &links[0].state);
	}
	ns = one_way_ns(start_ns, (double)CHAIN_ROUNDS * (CHAIN_LENGTH + 1));
	for (int i = 0; i < CHAIN_LENGTH; i++)
		zok__stack_release(&cache, links[i].stack);
	zok__stack_cache_finish(&cache);
	return ns;
}

static ucontext_t ucontext_main, ucontext_fiber;

static void ucontext_switch_back(void)
{
	for (;;)
		swapcontext(&ucontext_fiber, &ucontext_main);
}

static double run_ucontext(void *arg)
{
	void *stack = malloc(stack_size);
	uint64_t start_ns;
	double ns;

	if (stack == NULL || getcontext(&ucontext_fiber) != 0)
		exit(1);
	ucontext_fiber.uc_stack.ss_sp = stack;
	ucontext_fiber.uc_stack.ss_size = stack_size;
	makecontext(&ucontext_fiber, ucontext_switch_back, 0);
	swapcontext(&ucontext_main, &ucontext_fiber);
	start_ns = bench_now_ns();
	for (int i = 0; i < UCONTEXT_ROUND_TRIPS; i++)
		swapcontext(&ucontext_main, &ucontext_fiber);
	ns = one_way_ns(start_ns, 2.0 * UCONTEXT_ROUND_TRIPS);
	free(stack);
	return ns;
}

static double run_boost_context(void *arg)
{
	return bench_switch_boost_context(ROUND_TRIPS);
}

static double run_boost_coroutine2(void *arg)
{
	return bench_switch_boost_coroutine(ROUND_TRIPS);
}

static double run_boost_fiber(void *arg)
{
	return bench_switch_boost_fiber(ROUND_TRIPS / 4);
}

int main(int argc, char **argv)
{
	const struct bench_question question = {.name = "switch", .unit = "ns"};
	const struct bench_case cases[] = {
		{"zokio", run_ours, NULL},
		{"zokio, errno kept", run_ours_errno, NULL},
		{"zokio, chain of 1,000", run_chain, NULL},
		{"Boost.Context", run_boost_context, NULL},
		{"Boost.Coroutine2", run_boost_coroutine2, NULL},
		{"Boost.Fiber yield", run_boost_fiber, NULL},
		{"swapcontext", run_ucontext, NULL},
	};

	bench_init(argc, argv);
	bench_pin(1);
	bench_ask(&question, cases, sizeof cases / sizeof *cases);
	return 0;
}
