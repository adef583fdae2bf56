/*
 * What does it cost to spawn work that two cores share? Batches of 1,000 tasks that end at once, joined by their scope; a binary tree whose nodes
 * spawn into one scope, from wherever they were stolen to; and fork and join, a scope of its own at each node. Against one core (stealing off),
 * and Go.
 */
#include "perf/bench/bench.h"
#include "perf/bench/bench_cores.h"

#include <math.h>

enum { SPAWNS = 2000000, TREE_DEPTH = 9, TREES = 1000, FORK_DEPTH = 9, FORKS = 500 };

static const struct zok_spawn_options bulk = {.task_class = ZOK_CLASS_BULK};

static double mps(uint64_t began_ns, double count)
{
	return count * 1000 / (double)(bench_now_ns() - began_ns);
}

static double spawn_tasks(void *arg)
{
	return bench_spawn_tasks(SPAWNS, &bulk);
}

static double spawn_fibers(void *arg)
{
	return bench_spawn_fibers(SPAWNS, &bulk);
}

static int grow(void *arg)
{
	uintptr_t depth = (uintptr_t)arg;
	int rc = 0;

	for (int i = 0; i < 2 && depth > 0 && rc == 0; i++)
		rc = zok_spawn(NULL, grow, (void *)(depth - 1), &bulk);
	return rc;
}

static int fork_and_join(void *arg)
{
	uintptr_t depth = (uintptr_t)arg;
	struct zok_scope *scope;
	int rc = 0;

	if (depth == 0)
		return 0;
	scope = zok_scope_open(NULL);
	if (!scope)
		return -1;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = zok_spawn(scope, fork_and_join, (void *)(depth - 1), &bulk);
	return zok_scope_close(scope, rc);
}

static double repeat(int (*fn)(void *arg), unsigned depth, unsigned count)
{
	uint64_t began_ns = bench_now_ns();
	int rc = 0;

	for (unsigned i = 0; i < count && rc == 0; i++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		rc = zok_spawn(scope, fn, (void *)(uintptr_t)depth, &bulk);
		rc = zok_scope_close(scope, rc);
	}
	return rc == 0 ? mps(began_ns, (double)count * ((2 << depth) - 1)) : NAN;
}

static double grow_trees(void *arg)
{
	return repeat(grow, TREE_DEPTH, TREES);
}

static double fork_trees(void *arg)
{
	return repeat(fork_and_join, FORK_DEPTH, FORKS);
}

int main(int argc, char **argv)
{
	static struct bench_way tasks = {spawn_tasks, "half"}, tasks_off = {spawn_tasks, "off"}, fibers = {spawn_fibers, "half"},
				fibers_off = {spawn_fibers, "off"}, trees = {grow_trees, "half"}, trees_off = {grow_trees, "off"},
				forks = {fork_trees, "half"}, forks_off = {fork_trees, "off"};
	static char spawn[] = "spawn", tree[] = "tree", fork_join[] = "fork_join";
	const struct bench_case spawn_cases[] = {{"zokio fibers, two cores", bench_run_way, &fibers},
						 {"zokio stackless, two cores", bench_run_way, &tasks},
						 {"zokio fibers, stealing off", bench_run_way, &fibers_off},
						 {"zokio stackless, stealing off", bench_run_way, &tasks_off},
						 {"Go", bench_go, spawn}};
	const struct bench_case tree_cases[] = {{"zokio fibers, two cores", bench_run_way, &trees},
						{"zokio fibers, stealing off", bench_run_way, &trees_off},
						{"Go", bench_go, tree}};
	const struct bench_case fork_cases[] = {{"zokio fibers, two cores", bench_run_way, &forks},
						{"zokio fibers, stealing off", bench_run_way, &forks_off},
						{"Go", bench_go, fork_join}};

	bench_init(argc, argv);
	bench_ask(&(struct bench_question){.name = "spawn_run", .unit = "M/s", .is_higher_better = true}, spawn_cases, 5);
	bench_ask(&(struct bench_question){.name = "tree", .unit = "M/s", .is_higher_better = true}, tree_cases, 3);
	bench_ask(&(struct bench_question){.name = "fork_join", .unit = "M/s", .is_higher_better = true}, fork_cases, 3);
	return 0;
}
