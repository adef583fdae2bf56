#include "runtime/alive.h"

#include "core/away.h"
#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A core that does not answer for so long is stuck. */
#define ANSWER_NS (200 * ZOK_MS)

static const char *const class_names[] = {"", "latency", "normal", "bulk"};

/* ---- One core's, by itself ---- */

/* An op tells its kind and descriptor, any other future its name. */
static void describe_wait(const struct zok_core *core, const struct zok_task *task, char *text, size_t size)
{
	const struct zok_future *awaited = task->awaited;
	uint32_t waited = (uint32_t)(core->now_ns >> ZOK__SUSPENDED_SHIFT) - task->suspended_at;
	double waited_s = (double)((uint64_t)waited << ZOK__SUSPENDED_SHIFT) / (double)ZOK_S;

	if (task->state != ZOK__TASK_SUSPENDED)
		snprintf(text, size, "is runnable");
	else if (awaited)
		snprintf(text, size, "has awaited %s for %.1f s", awaited->ops->name ? awaited->ops->name : "a future", waited_s);
	else
		snprintf(text, size, "has been suspended for %.1f s", waited_s);
}

/* What it awaits there is not ours to look at. */
static bool is_away(const struct zok_core *core, const struct zok_task *task, char *text, size_t size)
{
	/* Relaxed: for a report. */
	const struct zok_core *there = __atomic_load_n(&task->core, __ATOMIC_RELAXED);

	if (there == core)
		return false;
	if (there)
		snprintf(text, size, "was taken by core %u", there->options.index);
	else
		snprintf(text, size, "is runnable on any core");
	return true;
}

static void tell_task(const struct zok_core *core, const struct zok_scope *scope, const struct zok_task *task)
{
	char wait[96];

	if (!is_away(core, task, wait, sizeof wait))
		describe_wait(core, task, wait, sizeof wait);
	zok__log(ZOK_LOG_ERROR, "still alive on core %u: %s (%s), in scope %s, %s", core->options.index, zok_task_name(task),
		 class_names[task->task_class], scope->name, wait);
}

static void tell_scope(const struct zok_core *core, const struct zok_scope *scope)
{
	zok_list_for_each(link, &scope->children)
		tell_task(core, scope, ZOK_CONTAINER_OF(link, struct zok_task, sibling));
	zok_list_for_each(link, &scope->scopes)
		tell_scope(core, ZOK_CONTAINER_OF(link, struct zok_scope, sibling));
}

/* Whose scope is another core's: there it is known that it was taken, here what it awaits, and who is in the scopes that it has opened here. */
static void tell_guest(const struct zok_core *core, const struct zok_task *task)
{
	const struct zok_scope *own = zok__away_outermost(task);
	char wait[96];

	describe_wait(core, task, wait, sizeof wait);
	zok__log(ZOK_LOG_ERROR, "guest on core %u: %s (%s), of scope %s on core %u, %s", core->options.index, zok_task_name(task),
		 class_names[task->task_class], task->parent->name, task->parent->core->options.index, wait);
	if (own)
		tell_scope(core, own);
}

static void tell_core(const struct zok_core *core)
{
	tell_scope(core, &core->root);
	if (!core->steal)
		return;
	zok_list_for_each(link, &core->steal->guests)
		tell_guest(core, ZOK_CONTAINER_OF(link, struct zok_task, guest));
}

/* ---- The others' ---- */

/* Unlike a visit it can be left: its memory then stays, for an answer that may still come. The process is about to end. */
struct question {
	struct zok_future answered;
	struct zok__message message;
	struct zok_core *home, *there;
};

static void came_back(struct zok_core *core, struct zok__message *message)
{
	struct question *question = ZOK_CONTAINER_OF(message, struct question, message);

	if (question->answered.state == ZOK_FUTURE_PENDING)
		zok_future_complete(&question->answered, 0);
}

static void answer(struct zok_core *core, struct zok__message *message)
{
	struct question *question = ZOK_CONTAINER_OF(message, struct question, message);

	tell_core(core);
	message->run = came_back;
	zok__mail_send(core, question->home, message);
}

static bool question_poll(struct zok_future *future)
{
	struct question *question = ZOK_CONTAINER_OF(future, struct question, answered);

	if (future->state == ZOK_FUTURE_PREPARED) {
		future->state = ZOK_FUTURE_PENDING;
		zok__mail_send(question->home, question->there, &question->message);
	}
	return false;
}

static void question_cancel(struct zok_future *future)
{
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops question_ops = {.poll = question_poll, .cancel = question_cancel, .name = "another core"};

static void ask(struct zok_core *there)
{
	struct question *question = calloc(1, sizeof *question);
	struct zok_scope limit;

	if (!question) {
		zok__log(ZOK_LOG_ERROR, "core %u: no memory to ask it", there->options.index);
		return;
	}
	*question = (struct question){.message.run = answer, .home = zok__core(), .there = there};
	zok_future_prepare(&question->answered, &question_ops);
	zok_scope_init(&limit, zok_task_current(), &(struct zok_scope_options){.timeout_ns = ANSWER_NS, .is_shielded = true});
	if (zok_await(&question->answered) < 0)
		zok__log(ZOK_LOG_ERROR, "core %u does not answer: one of its tasks does not await", there->options.index);
	else
		free(question);
	zok_scope_close(&limit, 0);
}

void zok__alive_tell(struct zok_runtime *runtime)
{
	tell_core(runtime->cores[0]);
	for (unsigned i = 1; i < runtime->core_count; i++)
		ask(runtime->cores[i]);
}
