/*
 * Fibers: tasks with stacks. How one is spawned, how it suspends, and how the next goes on.
 *
 * A fiber that suspends looks for the next runnable fiber of the slice itself and switches to it: one switch where going through the loop
 * would cost two. And a fiber that has ended runs the next one on its own stack, if that has not started yet: the stack is warm, there is no
 * switch at all, and the stack reserved at that fiber's spawn goes back untouched. So spawning thousands of short fibers touches one stack.
 */
#include "core/away.h"
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
	if (core->steal)
		zok__set_name(core, &fiber->task);
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
	struct zok__runq *queue = core->slice_queue;

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
	ZOK__FIBER_SWITCH_ERRNO(&fiber->state, to, fiber->task.core->errno_address);
}

/* One stack in so many is measured when it is left: asking the kernel costs a microsecond. */
enum { STACK_SAMPLE = 256 };

static void note_stack_used(struct zok_core *core, ssize_t used)
{
	uint64_t *most = &core->counters->stats.stack_used_max;

	if (used > 0 && (uint64_t)used > *most)
		zok__count(most, (uint64_t)used - *most);
}

void zok__fiber_dispose(struct zok_core *core, struct zok__fiber *fiber)
{
	if (ZOK_UNLIKELY(fiber->maker != core->options.index)) {
		zok__away_dispose(core, &fiber->task, fiber->maker);
		return;
	}
	zok__stack_release(&core->stacks, fiber->stack);
	zok_pool_put(&core->fibers, fiber);
}

/* After a fiber that is at home has been taken out of its scope; or else it is sent home, and all that is left is done there. */
static inline void leave(struct zok_core *core, struct zok__fiber *fiber)
{
	if (ZOK_UNLIKELY(fiber->task.flags & ZOK__TASK_AWAY))
		zok__away_end(core, &fiber->task, fiber->result);
	else
		zok__fiber_dispose(core, fiber);
}

/* The last fiber of the slice has ended: its stack is free now that nobody stands on it. */
static void reap_ended(struct zok_core *core)
{
	struct zok__fiber *fiber = core->ended_fiber;

	if (core->reaped_count++ % STACK_SAMPLE == 0)
		note_stack_used(core, zok__stack_high_water(fiber->stack));
	zok__fiber_state_finish(&core->ended_state);
	core->ended_fiber = NULL;
	leave(core, fiber);
}

/* The loop's way in: runs a fiber until some fiber of the slice comes back to the loop. */
static int fiber_resume(struct zok_task *task)
{
	struct zok_core *core = task->core;
	struct zok__fiber *fiber = zok__fiber_of(task);

	if (!fiber->has_started)
		prepare_start(fiber);
	zok__fiber_switch(&core->loop_state, &fiber->state);
	if (core->ended_fiber)
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
	zok__task_note_suspended(core, &fiber->task);
	if (ZOK_UNLIKELY(fiber->task.flags & ZOK__TASK_AWAY))
		zok__away_list(core, &fiber->task);
	switch_from(core, fiber);
}

void zok_yield(void)
{
	struct zok_core *core = zok__core();
	struct zok_task *task = core->current;

	assert(task->flags & ZOK__TASK_IS_FIBER);
	zok__count(&core->counters->stats.yields, 1);
	task->state = ZOK__TASK_RUNNABLE;
	if (ZOK_LIKELY(!(task->flags & ZOK__TASK_MAY_BE_STOLEN)) || !zok__steal_yield(core, task))
		zok__runq_push(&core->runq[task->task_class], task);
	switch_from(core, zok__fiber_of(task));
}

/* ---- Beginning and ending ---- */

/* A fiber of the slice that can begin on the stack of `ended` instead of on its own; NULL when the loop has to decide. */
static struct zok__fiber *next_to_begin_on(struct zok_core *core, const struct zok__fiber *ended)
{
	struct zok_task *head = core->slice_queue->head;
	struct zok__fiber *fiber = zok__fiber_of(head);

	if (core->slice_left <= 0 || !head || !(head->flags & ZOK__TASK_IS_FIBER) || fiber->has_started)
		return NULL;
	if (fiber->stack_class != ended->stack_class || fiber->is_guarded != ended->is_guarded || fiber->maker != ended->maker)
		return NULL;
	return next_of_slice(core);
}

/* Back to the loop, which takes the fiber once nobody stands on its stack. */
static _Noreturn void leave_stack(struct zok_core *core, struct zok__fiber *fiber, const struct zok__fiber_state *state)
{
	core->ended_fiber = fiber;
	core->ended_state = *state;
	zok__fiber_switch_last(&core->ended_state, &core->loop_state);
}

static void fiber_main(void *arg)
{
	struct zok__fiber *fiber = arg, *next;
	struct zok__fiber_state state; /* of the stack: it outlives the fibers that end on it */
	struct zok_core *core;
	struct zok__stack *stack;

	zok__fiber_arrive(&fiber->state);
	for (;;) {
		fiber->result = fiber->fn(fiber->arg);
		if (ZOK_UNLIKELY(fiber->defers != NULL))
			zok__defers_run(fiber);
		core = zok__core();
		state = fiber->state;
		/* From here on its memory may go any time, and a signal handler looks whose run it is. */
		core->current = NULL;
		if (ZOK_LIKELY(!(fiber->task.flags & ZOK__TASK_AWAY)))
			zok__task_end(core, &fiber->task, fiber->result);
		next = next_to_begin_on(core, fiber);
		if (!next)
			leave_stack(core, fiber, &state);
		/* The two exchange stacks: the untouched one goes where the ended fiber goes. */
		stack = fiber->stack;
		fiber->stack = next->stack;
		next->stack = stack;
		next->state = state;
		next->has_started = true;
		leave(core, fiber);
		note_running(core, next);
		fiber = next;
	}
}

/* What lies on the stack below is given up with it, so nobody can begin on it before the loop has taken it. */
void zok__fiber_exit(struct zok__fiber *fiber, int result)
{
	struct zok_core *core = zok__core();
	struct zok__fiber_state state = fiber->state;

	fiber->result = result;
	core->current = NULL; /* as in fiber_main() */
	if (!(fiber->task.flags & ZOK__TASK_AWAY))
		zok__task_end(core, &fiber->task, result);
	leave_stack(core, fiber, &state);
}

int zok_spawn(struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options)
{
	static const struct zok_spawn_options defaults;
	struct zok_core *core = zok__core();
	struct zok__fiber *fiber;
	int rc;

	options = options ? options : &defaults;
	if (!core)
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
	fiber->maker = (uint16_t)core->options.index;
	fiber->stack_class = fiber->stack->class_index;
	fiber->is_guarded = fiber->stack->is_guarded;
	fiber->task.resume = fiber_resume;
	rc = zok__task_begin(core, scope, &fiber->task, ZOK__TASK_IS_FIBER, options);
	if (rc < 0) {
		zok__stack_release(&core->stacks, fiber->stack);
		zok_pool_put(&core->fibers, fiber);
		return rc;
	}
	zok__count(&core->counters->stats.fibers_spawned, 1);
	return 0;
}

/* ---- Awaiting ---- */

static inline ssize_t result_of(const struct zok_task *task, const struct zok_future *future)
{
	if (ZOK_UNLIKELY(future->result == -ECANCELED) && zok__cancel_code(task->scope) != 0)
		return zok__cancel_code(task->scope);
	return future->result;
}

ssize_t zok_await(struct zok_future *future)
{
	struct zok_core *core = zok__core();
	struct zok_task *task = core->current;

	assert(task->flags & ZOK__TASK_IS_FIBER);
	if (ZOK_UNLIKELY(zok__cancel_code(task->scope) != 0) && !future->is_shielded) {
		zok_future_cancel(future);
		/* One that is under way keeps the task here. */
		task->awaited = future;
		/* A loop of awaits that all end at once must not keep the core from those who would end it. */
		zok_yield();
		task->awaited = NULL;
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
