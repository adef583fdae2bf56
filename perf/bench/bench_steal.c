/* What does sharing cost tasks that run long enough to be stolen? 200 that yield, on two cores, with stealing and without; Go's Gosched beside. */
#include "perf/bench/bench.h"
#include "perf/bench/bench_cores.h"

enum { TASKS = BENCH_YIELDERS_MAX, EACH = 20000 };

static const struct zok_spawn_options bulk = {.task_class = ZOK_CLASS_BULK};

static double fibers_yield(void *arg)
{
	return bench_yield_fibers(TASKS, EACH, &bulk);
}

static double tasks_yield(void *arg)
{
	return bench_yield_tasks(TASKS, EACH, &bulk);
}

int main(int argc, char **argv)
{
	static struct bench_way fibers = {fibers_yield, "half"}, one = {fibers_yield, "one"}, fibers_off = {fibers_yield, "off"},
				tasks = {tasks_yield, "half"}, tasks_off = {tasks_yield, "off"};
	static char yield[] = "yield";
	const struct bench_case cases[] = {
		{"zokio fibers, half", bench_run_way, &fibers},	     {"zokio fibers, one", bench_run_way, &one},
		{"zokio fibers, off", bench_run_way, &fibers_off},   {"zokio stackless, half", bench_run_way, &tasks},
		{"zokio stackless, off", bench_run_way, &tasks_off}, {"Go", bench_go, yield}};

	bench_init(argc, argv);
	bench_ask(&(struct bench_question){.name = "yield_two_cores", .unit = "ns"}, cases, sizeof cases / sizeof *cases);
	return 0;
}
