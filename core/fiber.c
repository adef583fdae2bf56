/*
 * Fibers: tasks with stacks. How one is spawned, how it suspends, and how the next goes on.
 *
 * A fiber that suspends looks for the next runnable fiber of the slice itself and switches to it: one switch where going through the loop
 * would cost two. And a fiber that has ended runs the next one on its own stack, if that has not started yet: the stack is warm, there is no
 * switch at all, and the stack reserved at that fiber's spawn goes back untouched. So spawning thousands of short fibers touches one stack.
 */
#include "core/core.h"
#include "core/fault.h"

#include <assert.h>
#include <errno.h>

static void fiber_main(void *arg);

/* ---- Switching ---- */

static inline void note_running(struct zok_core *core, struct zok__fiber *fiber)
{
	core->current = &fiber->task;
	fiber->task.state = ZOK__TASK_RUNNING;
}

/* Gives a fiber that has never run its own stack to start on. */
static void prepare_start(struct zok__fiber *fiber)
{
	zok__fiber_state_init(&fiber->state, fiber->stack->base, fiber->stack->size, fiber_main, fiber);
	fiber->has_started = true;
}

/* One that needs nothing of the loop on its way: no stackless task, and none that is timed (latency.h). */
static inline bool is_plain_fiber(const struct zok_task *task)
{
	return (task->flags & (ZOK__TASK_IS_FIBER | ZOK__TASK_IS_SAMPLED)) == ZOK__TASK_IS_FIBER;
}

/* The next fiber of the running slice, taken from its queue; NULL when the loop has to decide. */
static inline struct zok__fiber *next_of_slice(struct zok_core *core)
{
	struct zok__runq *queue = &core->runq[core->slice_class];

	if (core->slice_left <= 0 || !queue->head || !is_plain_fiber(queue->head))
		return NULL;
	core->slice_left--;
	return zok__fiber_of(zok__runq_take(queue));
}

static inline void switch_from(struct zok_core *core, struct zok__fiber *fiber)
{
	struct zok__fiber *next = next_of_slice(core);
	struct zok__fiber_state *to = &core->loop_state;

	core->current = NULL;
	if (next) {
		if (ZOK_UNLIKELY(!next->has_started))
			prepare_start(next);
		note_running(core, next);
		to = &next->state;
	}
	zok__fiber_switch_errno(&fiber->state, to, &core->errno_address);
}

/* One stack in so many is measured when it is left: asking the kernel costs a microsecond. */
enum { STACK_SAMPLE = 256 };

static void note_stack_used(struct zok_core *core, ssize_t used)
{
	uint64_t *most = &core->counters->stats.stack_used_max;

	if (used > 0 && (uint64_t)used > *most)
		zok__count(most, (uint64_t)used - *most);
}

/* The last fiber of the slice has ended: its stack is free now that nobody stands on it. */
static void reap_ended(struct zok_core *core)
{
	if (core->reaped_count++ % STACK_SAMPLE == 0)
		note_stack_used(core, zok__stack_high_water(core->ended_stack));
	zok__fiber_state_finish(&core->ended_state);
	zok__stack_release(&core->stacks, core->ended_stack);
	core->ended_stack = NULL;
}

/* The loop's way in: runs a fiber until some fiber of the slice comes back to the loop. */
static int fiber_resume(struct zok_task *task)
{
	struct zok_core *core = task->core;
	struct zok__fiber *fiber = zok__fiber_of(task);

	if (!fiber->has_started)
		prepare_start(fiber);
	zok__fiber_switch(&core->loop_state, &fiber->state);
	if (core->ended_stack)
		reap_ended(core);
	return ZOK_PENDING;
}

void zok__fiber_suspend(struct zok_core *core, struct zok__fiber *fiber)
{
	if (fiber->task.state == ZOK__TASK_NOTIFIED) {
		fiber->task.state = ZOK__TASK_RUNNING;
		return;
	}
	fiber->task.state = ZOK__TASK_SUSPENDED;
	fiber->task.suspended_ns = core->now_ns;
	switch_from(core, fiber);
}

void zok_yield(void)
{
	struct zok_core *core = zok__core();
	struct zok_task *task = core->current;

	assert(task->flags & ZOK__TASK_IS_FIBER);
	zok__count(&core->counters->stats.yields, 1);
	task->state = ZOK__TASK_RUNNABLE;
	zok__runq_push(&core->runq[task->task_class], task);
	switch_from(core, zok__fiber_of(task));
}

/* ---- Beginning and ending ---- */

/* After its function has returned; the caller still runs on its stack. Returns the stack, which is no fiber's now. */
static struct zok__stack *end_fiber(struct zok_core *core, struct zok__fiber *fiber, int result)
{
	struct zok__stack *stack = fiber->stack;

	zok__task_end(core, &fiber->task, result);
	zok_pool_put(&core->fibers, fiber);
	return stack;
}

/* A fiber of the slice that can begin on `stack` instead of on its own; NULL when the loop has to decide. */
static struct zok__fiber *next_to_begin_on(struct zok_core *core, const struct zok__stack *stack)
{
	struct zok_task *head = core->runq[core->slice_class].head;
	struct zok__fiber *fiber = zok__fiber_of(head);

	if (core->slice_left <= 0 || !head || !(head->flags & ZOK__TASK_IS_FIBER) || fiber->has_started)
		return NULL;
	if (fiber->stack->class_index != stack->class_index || fiber->stack->is_guarded != stack->is_guarded)
		return NULL;
	return next_of_slice(core);
}

/* Back to the loop, which takes the stack once nobody stands on it. */
static _Noreturn void leave_stack(struct zok_core *core, struct zok__stack *stack, const struct zok__fiber_state *state)
{
	core->ended_stack = stack;
	core->ended_state = *state;
	core->current = NULL;
	zok__fiber_switch_last(&core->ended_state, &core->loop_state);
}

static void fiber_main(void *arg)
{
	struct zok__fiber *fiber = arg, *next;
	struct zok__fiber_state state; /* of the stack: it outlives the fibers that end on it */
	struct zok_core *core;
	struct zok__stack *stack;
	int result;

	zok__fiber_arrive(&fiber->state);
	for (;;) {
		result = fiber->fn(fiber->arg);
		if (ZOK_UNLIKELY(fiber->defers != NULL))
			zok__defers_run(fiber);
		core = zok__core();
		state = fiber->state;
		stack = end_fiber(core, fiber, result);
		next = next_to_begin_on(core, stack);
		if (!next)
			leave_stack(core, stack, &state);
		zok__stack_release(&core->stacks, next->stack);
		next->stack = stack;
		next->state = state;
		next->has_started = true;
		note_running(core, next);
		fiber = next;
	}
}

/* What lies on the stack below is given up with it, so nobody can begin on it before the loop has taken it. */
void zok__fiber_exit(struct zok__fiber *fiber, int result)
{
	struct zok_core *core = zok__core();
	struct zok__fiber_state state = fiber->state;
	struct zok__stack *stack = end_fiber(core, fiber, result);

	leave_stack(core, stack, &state);
}

int zok_spawn(struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options)
{
	static const struct zok_spawn_options defaults;
	struct zok_core *core = zok__core();
	struct zok__fiber *fiber;
	int rc;

	options = options ? options : &defaults;
	if (!core || (scope && scope->core != core))
		return zok__spawn_refuse("no scope of this core");
	fiber = zok_pool_get(&core->fibers);
	if (!fiber)
		return -ENOMEM;
	rc = zok__stack_acquire(&core->stacks, options->stack_size ? options->stack_size : core->options.stack_size,
				options->without_guard ? ZOK__STACK_NO_GUARD : 0, &fiber->stack);
	if (rc < 0) {
		zok_pool_put(&core->fibers, fiber);
		return rc;
	}
	fiber->fn = fn;
	fiber->arg = arg;
	fiber->defers = NULL;
	fiber->has_started = false;
	fiber->task.resume = fiber_resume;
	rc = zok__task_begin(core, scope, &fiber->task, options);
	if (rc < 0) {
		zok__stack_release(&core->stacks, fiber->stack);
		zok_pool_put(&core->fibers, fiber);
		return rc;
	}
	fiber->task.flags = ZOK__TASK_IS_FIBER;
	fiber->task.finish = NULL;
	zok__count(&core->counters->stats.fibers_spawned, 1);
	return 0;
}

/* ---- Awaiting ---- */

static inline ssize_t result_of(const struct zok_task *task, const struct zok_future *future)
{
	if (ZOK_UNLIKELY(future->result == -ECANCELED) && task->scope->cancel_code != 0)
		return task->scope->cancel_code;
	return future->result;
}

ssize_t zok_await(struct zok_future *future)
{
	struct zok_core *core = zok__core();
	struct zok_task *task = core->current;

	assert(task->flags & ZOK__TASK_IS_FIBER);
	if (ZOK_UNLIKELY(task->scope->cancel_code != 0) && !future->is_shielded) {
		zok_future_cancel(future);
		/* A loop of awaits that all end at once must not keep the core from those who would end it. */
		zok_yield();
		core = task->core;
	}
	if (zok_future_poll(future, &task->waker))
		return result_of(task, future);
	task->awaited = future;
	do {
		zok__fiber_suspend(core, zok__fiber_of(task));
		core = task->core;
	} while (!zok_future_poll(future, &task->waker));
	task->awaited = NULL;
	return result_of(task, future);
}

ssize_t zok_stack_used(void)
{
	struct zok_core *core = zok__core();
	struct zok_task *task = core ? core->current : NULL;
	ssize_t used;

	if (!task || !(task->flags & ZOK__TASK_IS_FIBER))
		return -EINVAL;
	used = zok__stack_high_water(zok__fiber_of(task)->stack);
	note_stack_used(core, used);
	return used;
}
