/*
 * Which task runs next.
 *
 * Latency tasks run first, always. Normal and bulk tasks share what is left: each class is charged for the time that its slices took, divided
 * by its share, and the class that was charged less runs next (stride scheduling: Waldspurger and Weihl, 1995). A class that wakes after a
 * pause starts level with the other, so that it cannot save up time.
 *
 * A slice is a number of tasks of one class. The number is learned from how long the last ones took, so that a slice lasts about a quarter of
 * the budget: tasks of 20 ns are not charged one clock reading each, and tasks of a millisecond come one to a slice.
 */
#include "core/away.h"
#include "core/core.h"
#include "core/tick.h"

/* The most tasks between two readings of the clock, at some ten nanoseconds each: tasks that suddenly take long are noticed after so many. */
enum { QUANTUM_MAX = 32 };

static inline bool has_work(const struct zok_core *core, enum zok_class task_class)
{
	return core->runq[task_class].head || (core->steal && zok__steal_has_work(core, task_class));
}

bool zok__sched_is_runnable(const struct zok_core *core)
{
	return core->runq[ZOK_CLASS_LATENCY].head || has_work(core, ZOK_CLASS_NORMAL) || has_work(core, ZOK_CLASS_BULK);
}

static uint64_t depth_of(const struct zok_core *core, enum zok_class task_class)
{
	return core->runq[task_class].pushed - core->runq[task_class].taken + (core->steal ? zok__steal_depth(core, task_class) : 0);
}

void zok__sched_note_depths(struct zok_core *core)
{
	struct zok_core_stats *stats = &core->counters->stats;

	zok__set(&stats->runq_depth_latency, depth_of(core, ZOK_CLASS_LATENCY));
	zok__set(&stats->runq_depth_normal, depth_of(core, ZOK_CLASS_NORMAL));
	zok__set(&stats->runq_depth_bulk, depth_of(core, ZOK_CLASS_BULK));
}

/* The difference, because with large shares the sums wrap around within a year. */
static bool was_charged_less(const struct zok_core *core, enum zok_class a, enum zok_class b)
{
	return (int64_t)(core->pace[a].used_ns - core->pace[b].used_ns) < 0;
}

static enum zok_class pick_class(const struct zok_core *core)
{
	if (core->runq[ZOK_CLASS_LATENCY].head)
		return ZOK_CLASS_LATENCY;
	if (!has_work(core, ZOK_CLASS_BULK))
		return has_work(core, ZOK_CLASS_NORMAL) ? ZOK_CLASS_NORMAL : ZOK_CLASS_INHERIT;
	if (!has_work(core, ZOK_CLASS_NORMAL))
		return ZOK_CLASS_BULK;
	return was_charged_less(core, ZOK_CLASS_BULK, ZOK_CLASS_NORMAL) ? ZOK_CLASS_BULK : ZOK_CLASS_NORMAL;
}

/* A stackless task that wants to run on. Notified, it may be shared only if what it awaited is what is ready; yielding, if it awaits nothing. */
static void run_again(struct zok_core *core, struct zok_task *task)
{
	bool may_be_shared = (task->flags & ZOK__TASK_MAY_BE_STOLEN) && (task->awaited || task->state == ZOK__TASK_YIELDED);

	task->state = ZOK__TASK_RUNNABLE;
	if (may_be_shared && zok__steal_share(core, task))
		return;
	/* It may await something already: a cancel from its home finds it among the guests. */
	if (task->flags & ZOK__TASK_AWAY)
		zok__away_list(core, task);
	zok__runq_push(&core->runq[task->task_class], task);
}

static void end_stackless(struct zok_core *core, struct zok_task *task, int result)
{
	if (task->flags & ZOK__TASK_AWAY)
		zok__away_end(core, task, result);
	else
		zok__task_end(core, task, result);
}

static void run_stackless(struct zok_core *core, struct zok_task *task)
{
	int result;

	core->current = task;
	task->state = ZOK__TASK_RUNNING;
	result = task->resume(task);
	core->current = NULL;
	if (result != ZOK_PENDING) {
		end_stackless(core, task, result);
	} else if (task->state == ZOK__TASK_NOTIFIED || task->state == ZOK__TASK_YIELDED) {
		run_again(core, task);
	} else {
		task->state = ZOK__TASK_SUSPENDED;
		zok__task_note_suspended(core, task);
		if (task->flags & ZOK__TASK_AWAY)
			zok__away_list(core, task);
	}
}

static void run_task(struct zok_core *core, struct zok_task *task)
{
	if (ZOK_UNLIKELY(task->flags & ZOK__TASK_IS_SAMPLED))
		zok__latency_record(core, task);
	if (core->steal)
		zok__set_name(core, task);
	if (task->flags & ZOK__TASK_IS_FIBER) {
		core->current = task;
		task->state = ZOK__TASK_RUNNING;
		task->resume(task);
	} else {
		run_stackless(core, task);
	}
}

/* A quarter of the budget's worth of tasks, moving half of the way at a time. */
static void learn_quantum(struct zok__pace *pace, uint64_t ran_ns, uint32_t ran_count, uint64_t budget_ns)
{
	uint64_t fits = ran_count * (budget_ns / 4) / (ran_ns ? ran_ns : 1);
	uint64_t quantum = (pace->quantum + (fits < QUANTUM_MAX ? fits : QUANTUM_MAX) + 1) / 2;

	pace->quantum = quantum ? (uint32_t)quantum : 1;
}

/* A class that had nothing to do is level with the one that had. Latency has no share: what it used says nothing of the other two. */
static void level(struct zok_core *core, enum zok_class task_class)
{
	enum zok_class other = task_class == ZOK_CLASS_NORMAL ? ZOK_CLASS_BULK : ZOK_CLASS_NORMAL;

	if (task_class != ZOK_CLASS_LATENCY && !has_work(core, other) && was_charged_less(core, other, task_class))
		core->pace[other].used_ns = core->pace[task_class].used_ns;
}

/* How many tasks ran in the slice that is over, also those that fibers switched to among themselves. */
static uint32_t count_ran(const struct zok_core *core, uint32_t quantum)
{
	int32_t left = core->slice_left;

	return quantum - (uint32_t)(left < 0 ? left + ZOK__SLICE_PREEMPTED : left);
}

static void run_tasks(struct zok_core *core, struct zok__runq *queue)
{
	core->slice_queue = queue;
	while (core->slice_left > 0 && queue->head) {
		core->slice_left--;
		run_task(core, zok__runq_take(queue));
	}
	core->slice_queue = &core->runq[ZOK_CLASS_INHERIT];
}

static void run_slice(struct zok_core *core, enum zok_class task_class)
{
	struct zok__pace *pace = &core->pace[task_class];
	struct zok__runq *queue = &core->runq[task_class];
	uint64_t began_ns = core->now_ns, ran_ns;
	uint32_t quantum = pace->quantum, ran_count;

	core->slice_class = task_class;
	core->slice_left = (int32_t)quantum;
	core->slice_end_ns = began_ns + core->options.budget_ns;
	core->tick_seen = zok__tick_seen();
	if (core->steal)
		queue = zok__steal_run(core, task_class, run_tasks);
	else
		run_tasks(core, queue);
	ran_count = count_ran(core, quantum);
	queue->taken += ran_count;
	core->slice_class = ZOK_CLASS_INHERIT;
	core->slice_left = 0;
	core->now_ns = zok__clock_now_ns(&core->clock);
	ran_ns = core->now_ns - began_ns;
	pace->used_ns += ran_ns * pace->weight;
	learn_quantum(pace, ran_ns, ran_count, core->options.budget_ns);
	level(core, task_class);
	zok__count(&core->counters->stats.tasks_polled, ran_count);
	zok__set(&core->counters->stats.fibers_alive, core->fibers.used_count);
	if (ZOK_UNLIKELY(ran_ns > 2 * core->options.budget_ns))
		zok__count(&core->counters->stats.budget_overruns, 1);
}

bool zok__sched_run(struct zok_core *core)
{
	uint64_t until_ns = core->now_ns + core->options.budget_ns / 4;
	enum zok_class task_class;

	zok__sched_note_depths(core);
	while ((task_class = pick_class(core)) != ZOK_CLASS_INHERIT) {
		run_slice(core, task_class);
		if (core->now_ns >= until_ns)
			return zok__sched_is_runnable(core);
	}
	return false;
}

/* The tick has moved since the slice began, or does not run: the clock decides. Once due, every further question comes here and is due. */
static bool is_due_slow(struct zok_core *core)
{
	uint64_t seen = zok__tick_seen();

	zok__tick_wanted();
	if (zok__clock_now_ns(&core->clock) >= core->slice_end_ns)
		return true;
	core->tick_seen = seen;
	return false;
}

static inline bool is_due(struct zok_core *core)
{
	return ZOK_UNLIKELY(zok__tick_count() != core->tick_seen) && is_due_slow(core);
}

bool zok_is_due(void)
{
	return is_due(zok__core());
}

bool zok_yield_if_due(void)
{
	if (ZOK_LIKELY(!is_due(zok__core())))
		return false;
	zok_yield();
	return true;
}
