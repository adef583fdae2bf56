/*
 * How late does a latency task run when every core is saturated by bulk? A fiber of class latency sleeps for 100 us and is timed from when it
 * was due until it runs, again and again; eight bulk fibers a core compute in pieces of 20 us and yield. Without load, under load, and under load with stealing.
 */
#include "perf/bench/bench.h"
#include "perf/bench/bench_cores.h"
#include "zokio/zokio.h"

#include <math.h>
#include <stdlib.h>

enum { SAMPLES = 20000, BULK_A_CORE = 8, ROUNDS_MAX = 64, CASES = 3, POINTS = 5 };

#define PAUSE_NS (100 * ZOK_US)
#define PIECE_NS (20 * ZOK_US)

static const double quantiles[POINTS] = {0.5, 0.99, 0.999, 0.9999, 1.0};
static const char *const names[POINTS] = {"late_p50", "late_p99", "late_p99_9", "late_p99_99", "late_max"};

/* One run answers all questions of its round. */
struct way {
	const char *stealing;
	bool is_loaded;
	unsigned asked[POINTS], run_count;
	double figures[ROUNDS_MAX][POINTS];
};

static unsigned point; /* the question that is being asked */
static bool is_over;

static int burn(void *arg)
{
	while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		uint64_t until_ns = zok_now_ns() + PIECE_NS;

		while (zok_now_ns() < until_ns)
			;
		zok_yield();
	}
	return 0;
}

static int by_lateness(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int be_punctual(void *arg)
{
	uint64_t *late_ns = arg;

	for (int i = 0; i < SAMPLES; i++) {
		uint64_t due_ns = zok_now_ns() + PAUSE_NS;

		zok_sleep_until(due_ns);
		late_ns[i] = zok_now_ns() - due_ns;
	}
	return 0;
}

static int load_this_core(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	for (int i = 0; i < BULK_A_CORE; i++)
		zok_spawn(scope, burn, NULL, &(struct zok_spawn_options){.task_class = ZOK_CLASS_BULK});
	return zok_scope_close(scope, 0);
}

static double measure(void *arg)
{
	static uint64_t late_ns[SAMPLES];
	struct way *way = arg;
	struct zok_scope *load = zok_scope_open(NULL), *punctual;

	is_over = false;
	for (unsigned i = 0; i < zok_core_count() && way->is_loaded; i++)
		zok_spawn_on(i, load, load_this_core, NULL, NULL);
	punctual = zok_scope_open(NULL);
	zok_spawn(punctual, be_punctual, late_ns, &(struct zok_spawn_options){.task_class = ZOK_CLASS_LATENCY});
	zok_scope_close(punctual, 0);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	zok_scope_close(load, 0);
	qsort(late_ns, SAMPLES, sizeof *late_ns, by_lateness);
	for (int i = 0; i < POINTS; i++)
		way->figures[way->run_count][i] = (double)late_ns[(size_t)(quantiles[i] * (SAMPLES - 1))] / 1000;
	return 0;
}

static double answer(void *arg)
{
	struct way *way = arg;
	unsigned round = way->asked[point]++;

	if (round >= ROUNDS_MAX)
		return NAN;
	if (round == way->run_count) {
		if (isnan(bench_on_two_cores((struct zok_options){.mode = "adaptive", .stealing = way->stealing}, measure, way)))
			return NAN;
		way->run_count++;
	}
	return way->figures[round][point];
}

int main(int argc, char **argv)
{
	static struct way ways[CASES] = {
		{.stealing = "half"}, {.stealing = "off", .is_loaded = true}, {.stealing = "half", .is_loaded = true}};
	const struct bench_case cases[] = {
		{"unloaded", answer, &ways[0]}, {"bulk on all cores", answer, &ways[1]}, {"bulk on all cores, stealing", answer, &ways[2]}};

	bench_init(argc, argv);
	for (point = 0; point < POINTS; point++)
		bench_ask(&(struct bench_question){.name = names[point], .unit = "us", .rounds = 5}, cases, CASES);
	return 0;
}
