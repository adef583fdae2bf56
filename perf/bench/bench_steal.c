/* What does sharing cost tasks that run long enough to be stolen? 200 that yield, on two cores, with stealing and without; Go's Gosched beside. */
#include "perf/bench/bench.h"
#include "perf/bench/bench_cores.h"
#include "zokio/zokio.h"

enum { TASKS = 200, EACH = 20000 };

static const struct zok_spawn_options bulk = {.task_class = ZOK_CLASS_BULK};

static int yield_many(void *arg)
{
	for (unsigned n = EACH; n > 0; n--)
		zok_yield();
	return 0;
}

static double per_ns(uint64_t began_ns)
{
	return (double)(bench_now_ns() - began_ns) / (TASKS * EACH);
}

static double fibers_yield(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < TASKS; i++)
		zok_spawn(scope, yield_many, NULL, &bulk);
	zok_scope_close(scope, 0);
	return per_ns(began_ns);
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

static double tasks_yield(void *arg)
{
	static struct yielder yielders[TASKS];
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < TASKS; i++) {
		yielders[i].left = EACH;
		zok_task_spawn(scope, &yielders[i].task, yielder_run, &bulk);
	}
	zok_scope_close(scope, 0);
	return per_ns(began_ns);
}

struct way {
	double (*fn)(void *arg);
	const char *stealing;
};

static double ours(void *arg)
{
	const struct way *way = arg;

	return bench_on_two_cores(way->stealing, way->fn, NULL);
}

static double go(void *arg)
{
	return bench_go(arg);
}

int main(int argc, char **argv)
{
	static struct way fibers = {fibers_yield, "half"}, one = {fibers_yield, "one"}, fibers_off = {fibers_yield, "off"},
			  tasks = {tasks_yield, "half"}, tasks_off = {tasks_yield, "off"};
	static char yield[] = "yield";
	const struct bench_case cases[] = {{"zokio fibers, half", ours, &fibers},      {"zokio fibers, one", ours, &one},
					   {"zokio fibers, off", ours, &fibers_off},   {"zokio stackless, half", ours, &tasks},
					   {"zokio stackless, off", ours, &tasks_off}, {"Go", go, yield}};

	bench_init(argc, argv);
	bench_ask(&(struct bench_question){.name = "yield_two_cores", .unit = "ns"}, cases, sizeof cases / sizeof *cases);
	return 0;
}
