#include "perf/bench/bench_cores.h"

#include "perf/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- A runtime for a case ---- */

struct round {
	double (*fn)(void *arg);
	void *arg;
	double figure;
};

static int round_main(void *arg)
{
	struct round *round = arg;

	round->figure = round->fn(round->arg);
	return 0;
}

static double run_round(struct zok_options *options, double (*fn)(void *arg), void *arg)
{
	struct round round = {.fn = fn, .arg = arg};

	bench_unpin();
	return zok_run(options, round_main, &round) == 0 ? round.figure : NAN;
}

double bench_on_one_core(struct zok_options options, double (*fn)(void *arg), void *arg)
{
	char cores[16];

	snprintf(cores, sizeof cores, "%d", bench_pin(1));
	options.cores = cores;
	return run_round(&options, fn, arg);
}

double bench_on_two_cores(struct zok_options options, double (*fn)(void *arg), void *arg)
{
	char cores[32];

	if (bench_cpu_count() < 2)
		return NAN;
	snprintf(cores, sizeof cores, "%d,%d", bench_pin(0), bench_pin(1));
	options.cores = cores;
	return run_round(&options, fn, arg);
}

double bench_run_way(void *arg)
{
	const struct bench_way *way = arg;

	return bench_on_two_cores((struct zok_options){.mode = "adaptive", .stealing = way->stealing}, way->fn, NULL);
}

/* ---- Yield ---- */

static double per_ns(uint64_t began_ns, double count)
{
	return (double)(bench_now_ns() - began_ns) / count;
}

static int yield_many(void *arg)
{
	for (unsigned n = *(const unsigned *)arg; n > 0; n--)
		zok_yield();
	return 0;
}

double bench_yield_fibers(unsigned count, unsigned each, const struct zok_spawn_options *options)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < count; i++)
		zok_spawn(scope, yield_many, &each, options);
	zok_scope_close(scope, 0);
	return per_ns(began_ns, (double)each * count);
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

double bench_yield_tasks(unsigned count, unsigned each, const struct zok_spawn_options *options)
{
	static struct yielder yielders[BENCH_YIELDERS_MAX];
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < count; i++) {
		yielders[i].left = each;
		zok_task_spawn(scope, &yielders[i].task, yielder_run, options);
	}
	zok_scope_close(scope, 0);
	return per_ns(began_ns, (double)each * count);
}

/* ---- Spawn and run ---- */

static double mps(uint64_t began_ns, double count)
{
	return count * 1000 / (double)(bench_now_ns() - began_ns);
}

static int return_at_once(void *arg)
{
	return 0;
}

double bench_spawn_fibers(unsigned count, const struct zok_spawn_options *options)
{
	uint64_t began_ns = bench_now_ns();

	for (unsigned done = 0; done < count; done += BENCH_SPAWN_BATCH) {
		struct zok_scope *scope = zok_scope_open(NULL);

		for (unsigned i = 0; i < BENCH_SPAWN_BATCH; i++)
			zok_spawn(scope, return_at_once, NULL, options);
		zok_scope_close(scope, 0);
	}
	return mps(began_ns, count);
}

static int end_at_once(struct zok_task *task)
{
	return 0;
}

double bench_spawn_tasks(unsigned count, const struct zok_spawn_options *options)
{
	static struct zok_task tasks[BENCH_SPAWN_BATCH];
	uint64_t began_ns = bench_now_ns();

	for (unsigned done = 0; done < count; done += BENCH_SPAWN_BATCH) {
		struct zok_scope *scope = zok_scope_open(NULL);

		for (unsigned i = 0; i < BENCH_SPAWN_BATCH; i++)
			zok_task_spawn(scope, &tasks[i], end_at_once, options);
		zok_scope_close(scope, 0);
	}
	return mps(began_ns, count);
}

/* ---- A word there and back ---- */

/* Runs on whichever core the ball has come to, and sends it back. */
static void return_ball(void *is_over, uint64_t left)
{
	int here = zok_core_index();

	if (here == 0 && left-- == 0)
		zok_event_set(is_over);
	else
		zok_tell((unsigned)(1 - here), return_ball, is_over, left);
}

double bench_tell_one_way(unsigned round_trips)
{
	struct zok_event is_over;
	uint64_t began_ns;

	zok_event_init(&is_over, false);
	began_ns = bench_now_ns();
	zok_tell(1, return_ball, &is_over, round_trips);
	zok_event_wait(&is_over);
	return per_ns(began_ns, 2.0 * round_trips);
}

/* ---- The peer ---- */

double bench_go(void *question)
{
	char command[4200], line[64] = "";
	double figure = NAN;
	FILE *go;

	if (BENCH_GO_PROGRAM[0] == '\0' || bench_cpu_count() < 2)
		return NAN;
	snprintf(command, sizeof command, "GOMAXPROCS=2 '%s' %s", BENCH_GO_PROGRAM, (const char *)question);
	go = popen(command, "r");
	if (!go)
		return NAN;
	if (fgets(line, sizeof line, go))
		figure = atof(line);
	return pclose(go) == 0 ? figure : NAN;
}
