/*
 * What the benchmarks of the scheduler and of what goes between cores share: a runtime for a case, the work that it runs, and a Go program that
 * answers the same questions.
 */
#ifndef PERF_BENCH_CORES_H
#define PERF_BENCH_CORES_H

#include "zokio/zokio.h"

/* ---- A runtime for a case ---- */

/*
 * Runs fn(arg) in the first fiber of a runtime and returns what it gives; NAN where there are not so many processors, or it does not start. The
 * options as they are, but for `cores`. One core: on the second processor, where there are two.
 */
double bench_on_one_core(struct zok_options options, double (*fn)(void *arg), void *arg);
double bench_on_two_cores(struct zok_options options, double (*fn)(void *arg), void *arg);

/* Cases of a question about stealing: the argument is a struct bench_way, run on two "adaptive" cores. */
struct bench_way {
	double (*fn)(void *arg); /* called with NULL */
	const char *stealing;
};
double bench_run_way(void *way);

/* ---- What runs there: in a fiber, on a core ---- */

enum { BENCH_YIELDERS_MAX = 200, BENCH_SPAWN_BATCH = 1000 };

/* `count` fibers, or stackless tasks, that yield `each` times; nanoseconds a yield. */
double bench_yield_fibers(unsigned count, unsigned each, const struct zok_spawn_options *options);
double bench_yield_tasks(unsigned count, unsigned each, const struct zok_spawn_options *options);

/* `count` fibers, or stackless tasks, that end at once, in batches of BENCH_SPAWN_BATCH joined by their scope; millions a second. */
double bench_spawn_fibers(unsigned count, const struct zok_spawn_options *options);
double bench_spawn_tasks(unsigned count, const struct zok_spawn_options *options);

/* From core 0: a word to core 1 and back by zok_tell(), so often; nanoseconds one way. */
double bench_tell_one_way(unsigned round_trips);

/* ---- The peer ---- */

/* Runs the Go program with one word, a string, on two processors, and returns the figure that it prints; NAN where there is none. */
double bench_go(void *question);

#endif
