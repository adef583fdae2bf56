/* Stackless tasks: their first and last step, their waker, what they await. What fibers share with them is here too. */
#include "core/away.h"
#include "core/core.h"
#include "core/log.h"
#include "zokio/async.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static void make_runnable_here(struct zok_core *core, struct zok_task *task)
{
	task->state = ZOK__TASK_RUNNABLE;
	zok__runq_push(&core->runq[task->task_class], task);
	/* A latency task does not wait for the others' slice: the slice ends when its running task suspends. */
	if (task->task_class == ZOK_CLASS_LATENCY && core->slice_class != ZOK_CLASS_LATENCY && core->slice_left >= 0)
		core->slice_left -= ZOK__SLICE_PREEMPTED;
}

static void make_runnable(struct zok_core *core, struct zok_task *task)
{
	task->state = ZOK__TASK_RUNNABLE;
	if (ZOK_LIKELY(!(task->flags & ZOK__TASK_MAY_BE_STOLEN)) || !zok__steal_share(core, task))
		make_runnable_here(core, task);
}

/* One that polls futures by hand has no `awaited` to tell that nothing else is under way: it stays. */
static void wake_suspended(struct zok_core *core, struct zok_task *task)
{
	if (ZOK_LIKELY(!(task->flags & ZOK__TASK_MAY_BE_STOLEN)) || task->awaited)
		make_runnable(core, task);
	else
		make_runnable_here(core, task);
}

void zok__task_wake(struct zok_waker *waker)
{
	struct zok_task *task = (struct zok_task *)(void *)waker;
	struct zok_core *core = task->core;

	if (task->state == ZOK__TASK_SUSPENDED) {
		zok__count(&core->counters->stats.wakes, 1);
		if (ZOK_UNLIKELY(--core->samplers[task->task_class].left == 0))
			zok__latency_mark(core, task);
		wake_suspended(core, task);
	} else if (task->state == ZOK__TASK_RUNNING) {
		task->state = ZOK__TASK_NOTIFIED;
	}
}

static int class_of(const struct zok_core *core, const struct zok_spawn_options *options)
{
	if (options->task_class != ZOK_CLASS_INHERIT)
		return (int)options->task_class;
	return core->current ? core->current->task_class : ZOK_CLASS_NORMAL;
}

int zok__spawn_refuse(const char *why)
{
	zok__log(ZOK_LOG_ERROR, "spawn: %s", why);
	return -EINVAL;
}

static uint8_t stealing_of(const struct zok_core *core, const struct zok_scope *scope, int task_class, enum zok_stealing asked)
{
	bool is_allowed = asked == ZOK_STEALING_ALLOWED || (asked == ZOK_STEALING_BY_CLASS && task_class == ZOK_CLASS_BULK);

	return core->steal && is_allowed && task_class != ZOK_CLASS_LATENCY && !scope->is_pinned ? ZOK__TASK_MAY_BE_STOLEN : 0;
}

/* At home: it is its scope's child from here on, and runnable. */
void zok__task_link(struct zok_core *core, struct zok_task *task)
{
	struct zok_scope *scope = task->parent;

	zok_list_push_back(&scope->children, &task->sibling);
	/* Relaxed, here and below: tasks of the scope that are away may read it. */
	__atomic_store_n(&scope->live_count, scope->live_count + 1, __ATOMIC_RELAXED);
	zok__count(&core->counters->stats.tasks_spawned, 1);
	make_runnable(core, task);
}

/* A scope of another core only where the running task descends from it: then it lives. */
static bool may_spawn_in(const struct zok_core *core, const struct zok_scope *scope)
{
	return scope->core == core || (core->steal && zok__away_is_ancestor(core, scope));
}

int zok__task_begin(struct zok_core *core, struct zok_scope *scope, struct zok_task *task, uint8_t flags,
		    const struct zok_spawn_options *options)
{
	int task_class = class_of(core, options);

	if (!scope && core->current)
		scope = core->current->scope;
	if (!scope)
		return zok__spawn_refuse("no scope");
	if (!may_spawn_in(core, scope))
		return zok__spawn_refuse("no scope of this core");
	if (task_class < ZOK_CLASS_LATENCY || task_class > ZOK_CLASS_BULK)
		return zok__spawn_refuse("no such class");
	task->waker.wake = zok__task_wake;
	task->awaited = NULL;
	task->scope = task->parent = scope;
	task->core = core;
	task->async = (struct zok_async){.task = task};
	task->finish = options->finish;
	task->name = options->name;
	task->task_class = (uint8_t)task_class;
	task->flags = flags | stealing_of(core, scope, task_class, options->stealing);
	if (ZOK_LIKELY(scope->core == core))
		zok__task_link(core, task);
	else
		zok__away_adopt(core, task);
	return 0;
}

/* Whether a child's result is only the echo of its scope's cancel. */
static bool is_echo(const struct zok_scope *scope, int result)
{
	return scope->cancel_code != 0 && (result == -ECANCELED || result == scope->cancel_code);
}

/* An echo tells that something was cut short, also an await that began after the cancel. */
static void carry_error(struct zok_scope *scope, int result)
{
	if (is_echo(scope, result)) {
		scope->flags |= ZOK__SCOPE_WAS_CUT;
		return;
	}
	if (scope->error != 0)
		return;
	scope->error = result;
	if (scope->flags & ZOK__SCOPE_CANCEL_ON_ERROR)
		zok__scope_cancel(scope, -ECANCELED);
}

void zok__task_end(struct zok_core *core, struct zok_task *task, int result)
{
	struct zok_scope *scope = task->parent;

	assert(task->scope == scope); /* a task closes what it opened */
	task->state = ZOK__TASK_ENDED;
	zok_list_remove(&task->sibling);
	zok__count(&core->counters->stats.tasks_finished, 1);
	if (ZOK_UNLIKELY(result < 0))
		carry_error(scope, result);
	if (task->finish)
		task->finish(task);
	__atomic_store_n(&scope->live_count, scope->live_count - 1, __ATOMIC_RELAXED);
	if (scope->live_count == 0 && scope->joined.state == ZOK_FUTURE_PENDING)
		zok_future_complete(&scope->joined, 0);
}

int zok_task_spawn(struct zok_scope *scope, struct zok_task *task, zok_task_fn fn, const struct zok_spawn_options *options)
{
	static const struct zok_spawn_options defaults;
	struct zok_core *core = zok__core();

	if (!core)
		return zok__spawn_refuse("no scope of this core");
	task->resume = fn;
	return zok__task_begin(core, scope, task, 0, options ? options : &defaults);
}

void zok_async_yield(struct zok_async *async)
{
	/* The scheduler queues it again when it has returned. */
	async->task->state = ZOK__TASK_YIELDED;
	zok__count(&async->task->core->counters->stats.yields, 1);
}

void zok_async_lost(const struct zok_async *async)
{
	zok__log(ZOK_LOG_ERROR, "task %s: no resume point at line %u: an await stands inside another switch, or the frame was overwritten",
		 zok_task_name(async->task), async->resume_at);
	abort();
}

struct zok_task *zok_task_current(void)
{
	struct zok_core *core = zok__core();

	return core ? core->current : NULL;
}

const char *zok_task_name(const struct zok_task *task)
{
	if (task->name)
		return task->name;
	return task->flags & ZOK__TASK_IS_FIBER ? "fiber" : "task";
}
