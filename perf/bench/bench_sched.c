/*
 * What does the scheduler of one core cost? A yield between fibers (two, and two hundred, whose stacks and frames then compete for the cache)
 * and of stackless tasks; a task spawned and run, in batches of 1,000 joined by their scope; an item through a channel; asking whether the slice is
 * over; a part of a join of 1,000 whose parts become ready one by one. First case of each question: ours.
 */
#include "perf/bench/bench.h"
#include "perf/bench/bench_cores.h"
#include "perf/bench/bench_sched_boost.h"

#include <math.h>

enum { YIELDS = 4000000, SPAWNS = 4000000, ITEMS = 1000000, ASKS = 20000000, JOINS = 100, PARTS = 1000 };

static double on_core(double (*run)(void *arg), void *arg)
{
	return bench_on_one_core((struct zok_options){0}, run, arg);
}

static double per_ns(uint64_t began_ns, double count)
{
	return (double)(bench_now_ns() - began_ns) / count;
}

/* ---- Yield ---- */

static double fiber_yield(void *arg)
{
	unsigned fiber_count = *(unsigned *)arg;

	return bench_yield_fibers(fiber_count, YIELDS / fiber_count, NULL);
}

static double task_yield(void *arg)
{
	unsigned task_count = *(unsigned *)arg;

	return bench_yield_tasks(task_count, YIELDS / task_count, NULL);
}

static double ours_fiber_yield(void *arg)
{
	return on_core(fiber_yield, arg);
}

static double ours_task_yield(void *arg)
{
	return on_core(task_yield, arg);
}

static double ask_due(void *arg)
{
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < ASKS; i++)
		zok_yield_if_due();
	return per_ns(began_ns, ASKS);
}

static double ours_ask_due(void *arg)
{
	return on_core(ask_due, arg);
}

/* ---- Spawn and run ---- */

static double spawn_tasks(void *arg)
{
	return bench_spawn_tasks(SPAWNS, NULL);
}

static double spawn_fibers(void *arg)
{
	return bench_spawn_fibers(SPAWNS, NULL);
}

static double ours_spawn_tasks(void *arg)
{
	return on_core(spawn_tasks, arg);
}

static double ours_spawn_fibers(void *arg)
{
	return on_core(spawn_fibers, arg);
}

/* ---- Channel ---- */

static int send_items(void *arg)
{
	for (uint64_t i = 0; i < ITEMS; i++)
		zok_channel_send(arg, &i);
	zok_channel_close(arg);
	return 0;
}

static double pass_items(void *arg)
{
	struct zok_channel channel;
	uint64_t began_ns, item, sum = 0;

	if (zok_channel_init(&channel, NULL, 64, sizeof item) < 0)
		return NAN;
	began_ns = bench_now_ns();
	zok_spawn(NULL, send_items, &channel, NULL);
	while (zok_channel_receive(&channel, &item) == 0)
		sum += item;
	BENCH_KEEP(sum);
	zok_channel_finish(&channel);
	return per_ns(began_ns, ITEMS);
}

static double ours_channel(void *arg)
{
	return on_core(pass_items, arg);
}

/* ---- Join ---- */

static bool part_poll(struct zok_future *future)
{
	future->state = ZOK_FUTURE_PENDING;
	return false;
}

static void part_cancel(struct zok_future *future)
{
	zok_future_complete(future, -ECANCELED);
}

static void wake_nobody(struct zok_waker *waker)
{
}

static struct zok_future parts[PARTS], *part_list[PARTS];

static void prepare_parts(void)
{
	static const struct zok_future_ops ops = {.poll = part_poll, .cancel = part_cancel};

	for (unsigned i = 0; i < PARTS; i++) {
		zok_future_prepare(&parts[i], &ops);
		part_list[i] = &parts[i];
	}
}

/* Each part wakes the whole, which is polled before the next one is ready. */
static void complete_one_by_one(struct zok_future *whole)
{
	struct zok_waker nobody = {.wake = wake_nobody};

	zok_future_poll(whole, &nobody);
	for (unsigned i = 0; i < PARTS; i++) {
		zok_future_complete(&parts[i], 0);
		zok_future_poll(whole, &nobody);
	}
}

static double join_ns(void *arg)
{
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < JOINS; i++) {
		struct zok_join join;

		prepare_parts();
		zok_join_prepare(&join, part_list, PARTS);
		complete_one_by_one(&join.future);
	}
	return per_ns(began_ns, (double)JOINS * PARTS);
}

static double join_many_ns(void *arg)
{
	static struct zok_join_seat seats[PARTS];
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < JOINS; i++) {
		struct zok_join_many join;

		prepare_parts();
		zok_join_many_prepare(&join, part_list, PARTS, seats);
		complete_one_by_one(&join.future);
	}
	return per_ns(began_ns, (double)JOINS * PARTS);
}

int main(int argc, char **argv)
{
	static unsigned two = 2, many = BENCH_YIELDERS_MAX;
	const struct bench_case yield[] = {
		{"zokio fibers, 2", ours_fiber_yield, &two},	   {"zokio fibers, 200", ours_fiber_yield, &many},
		{"zokio tasks, 200", ours_task_yield, &many},	   {"Boost.Fiber, 2", boost_fiber_yield_ns, &two},
		{"Boost.Fiber, 200", boost_fiber_yield_ns, &many},
	};
	const struct bench_case due[] = {{"zok_yield_if_due, not due", ours_ask_due, NULL}};
	const struct bench_case tasks[] = {{"zokio stackless", ours_spawn_tasks, NULL}, {"Asio post", boost_asio_post_mps, NULL}};
	const struct bench_case fibers[] = {{"zokio fibers", ours_spawn_fibers, NULL}, {"Boost.Fiber", boost_fiber_spawn_mps, NULL}};
	const struct bench_case channel[] = {{"zokio channel", ours_channel, NULL}, {"Boost.Fiber channel", boost_fiber_channel_ns, NULL}};
	const struct bench_case join[] = {{"zok_join_many", join_many_ns, NULL}, {"zok_join", join_ns, NULL}};

	bench_init(argc, argv);
	bench_ask(&(struct bench_question){.name = "yield", .unit = "ns"}, yield, sizeof yield / sizeof *yield);
	bench_ask(&(struct bench_question){.name = "yield_if_due", .unit = "ns"}, due, 1);
	bench_ask(&(struct bench_question){.name = "spawn_task", .unit = "M/s", .is_higher_better = true}, tasks, 2);
	bench_ask(&(struct bench_question){.name = "spawn_fiber", .unit = "M/s", .is_higher_better = true}, fibers, 2);
	bench_ask(&(struct bench_question){.name = "channel", .unit = "ns an item"}, channel, 2);
	bench_ask(&(struct bench_question){.name = "join_1000", .unit = "ns a part"}, join, 2);
	return 0;
}
