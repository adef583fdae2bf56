/*
 * What does the scheduler of one core cost? A yield between fibers (two, and two hundred, whose stacks and frames then compete for the cache)
 * and of stackless tasks; a task spawned and run, in batches of 1,000 joined by their scope; an item through a channel; asking whether the slice is
 * over; a part of a join of 1,000 whose parts become ready one by one. First case of each question: ours.
 */
#include "perf/bench/bench.h"
#include "perf/bench/bench_sched_boost.h"
#include "zokio/zokio.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { YIELDS = 4000000, BATCH = 1000, SPAWNS = 4000000, ITEMS = 1000000, ASKS = 20000000, JOINS = 100, FIBERS_MAX = 200 };

/* One round on a core of its own. The figure is made by the main fiber. */
struct round {
	double (*run)(void *arg);
	void *arg;
	double figure;
};

static int round_main(void *arg)
{
	struct round *round = arg;

	round->figure = round->run(round->arg);
	return 0;
}

static double on_core(double (*run)(void *arg), void *arg)
{
	struct round round = {.run = run, .arg = arg};
	char cores[16];

	snprintf(cores, sizeof cores, "%d", bench_pin(1));
	bench_unpin();
	return zok_run(&(struct zok_options){.cores = cores}, round_main, &round) == 0 ? round.figure : NAN;
}

static double per_ns(uint64_t began_ns, double count)
{
	return (double)(bench_now_ns() - began_ns) / count;
}

static double mps(uint64_t began_ns, double count)
{
	return count * 1000 / (double)(bench_now_ns() - began_ns);
}

/* ---- Yield ---- */

static int yield_many(void *arg)
{
	for (unsigned n = *(unsigned *)arg; n > 0; n--)
		zok_yield();
	return 0;
}

static double fiber_yield(void *arg)
{
	unsigned fiber_count = *(unsigned *)arg, each = YIELDS / fiber_count;
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < fiber_count; i++)
		zok_spawn(scope, yield_many, &each, NULL);
	zok_scope_close(scope, 0);
	return per_ns(began_ns, (double)each * fiber_count);
}

struct yielder {
	struct zok_task task;
	unsigned left;
};

static int yielder_run(struct zok_task *task)
{
	struct yielder *self = ZOK_CONTAINER_OF(task, struct yielder, task);

	ZOK_BEGIN(&task->async);
	for (; self->left > 0; self->left--)
		ZOK_YIELD();
	ZOK_END(0);
}

static double task_yield(void *arg)
{
	static struct yielder yielders[FIBERS_MAX];
	unsigned task_count = *(unsigned *)arg;
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < task_count; i++) {
		yielders[i].left = YIELDS / task_count;
		zok_task_spawn(scope, &yielders[i].task, yielder_run, NULL);
	}
	zok_scope_close(scope, 0);
	return per_ns(began_ns, (double)(YIELDS / task_count) * task_count);
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

static int end_at_once(struct zok_task *task)
{
	return 0;
}

static int return_at_once(void *arg)
{
	return 0;
}

static double spawn_tasks(void *arg)
{
	static struct zok_task tasks[BATCH];
	uint64_t began_ns = bench_now_ns();

	for (unsigned done = 0; done < SPAWNS; done += BATCH) {
		struct zok_scope *scope = zok_scope_open(NULL);

		for (unsigned i = 0; i < BATCH; i++)
			zok_task_spawn(scope, &tasks[i], end_at_once, NULL);
		zok_scope_close(scope, 0);
	}
	return mps(began_ns, SPAWNS);
}

static double spawn_fibers(void *arg)
{
	uint64_t began_ns = bench_now_ns();

	for (unsigned done = 0; done < SPAWNS; done += BATCH) {
		struct zok_scope *scope = zok_scope_open(NULL);

		for (unsigned i = 0; i < BATCH; i++)
			zok_spawn(scope, return_at_once, NULL, NULL);
		zok_scope_close(scope, 0);
	}
	return mps(began_ns, SPAWNS);
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

static struct zok_future parts[BATCH], *part_list[BATCH];

static void prepare_parts(void)
{
	static const struct zok_future_ops ops = {.poll = part_poll, .cancel = part_cancel};

	for (unsigned i = 0; i < BATCH; i++) {
		zok_future_prepare(&parts[i], &ops);
		part_list[i] = &parts[i];
	}
}

/* Each part wakes the whole, which is polled before the next one is ready. */
static void complete_one_by_one(struct zok_future *whole)
{
	struct zok_waker nobody = {.wake = wake_nobody};

	zok_future_poll(whole, &nobody);
	for (unsigned i = 0; i < BATCH; i++) {
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
		zok_join_prepare(&join, part_list, BATCH);
		complete_one_by_one(&join.future);
	}
	return per_ns(began_ns, (double)JOINS * BATCH);
}

static double join_many_ns(void *arg)
{
	static struct zok_join_seat seats[BATCH];
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < JOINS; i++) {
		struct zok_join_many join;

		prepare_parts();
		zok_join_many_prepare(&join, part_list, BATCH, seats);
		complete_one_by_one(&join.future);
	}
	return per_ns(began_ns, (double)JOINS * BATCH);
}

int main(int argc, char **argv)
{
	static unsigned two = 2, many = FIBERS_MAX;
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
