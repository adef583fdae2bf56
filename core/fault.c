/* Checks that fail: the end of one fiber from any depth of its calls. See <zokio/fault.h>. */
#include "core/fault.h"

#include "core/alloc.h"
#include "core/log.h"
#include "zokio/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- What is called at a fiber's end ---- */

struct given {
	struct zok__defer defer;
	void (*fn)(void *arg);
	void *arg;
};

static void run_given(struct zok__defer *defer)
{
	struct given given = *ZOK_CONTAINER_OF(defer, struct given, defer);

	zok__release(zok_allocator(), ZOK_CONTAINER_OF(defer, struct given, defer), sizeof given);
	given.fn(given.arg);
}

/* The calling fiber; NULL: there is none. */
static struct zok__fiber *this_fiber(void)
{
	struct zok_task *task = zok_task_current();

	return task && (task->flags & ZOK__TASK_IS_FIBER) ? zok__fiber_of(task) : NULL;
}

int zok_defer(void (*fn)(void *arg), void *arg)
{
	struct zok__fiber *fiber = this_fiber();
	struct given *given;

	if (!fiber) {
		zok__log(ZOK_LOG_ERROR, "defer: not in a fiber");
		return -EINVAL;
	}
	given = zok__allocate(zok_allocator(), sizeof *given, _Alignof(struct given));
	if (!given)
		return -ENOMEM;
	*given = (struct given){.defer.run = run_given, .fn = fn, .arg = arg};
	zok__defer_push(fiber, &given->defer);
	return 0;
}

bool zok_undefer(void (*fn)(void *arg), void *arg)
{
	struct zok__fiber *fiber = this_fiber();

	for (struct zok__defer **link = fiber ? &fiber->defers : NULL; link && *link; link = &(*link)->next) {
		struct given *given = ZOK_CONTAINER_OF(*link, struct given, defer);

		if (given->defer.run != run_given || given->fn != fn || given->arg != arg)
			continue;
		*link = given->defer.next;
		zok__release(zok_allocator(), given, sizeof *given);
		return true;
	}
	return false;
}

/* Each is taken off the list before it runs: one that fails itself ends the fiber with the rest of them. */
void zok__defers_run(struct zok__fiber *fiber)
{
	struct zok__defer *defer;

	while ((defer = fiber->defers) != NULL) {
		fiber->defers = defer->next;
		defer->run(defer);
	}
}

/* ---- The failure ---- */

bool zok__faults_are_contained(const struct zok_task *task)
{
	const struct zok_scope *scope = task->scope;

	while (scope && !scope->contains_faults)
		scope = scope->parent;
	return scope != NULL;
}

static void tell(const struct zok_task *task, bool is_contained, const char *text)
{
	if (task)
		zok__log(ZOK_LOG_ERROR, "core %u: %s '%s' in scope '%s': %s%s", task->core->options.index,
			 task->flags & ZOK__TASK_IS_FIBER ? "fiber" : "task", zok_task_name(task), task->scope->name, text,
			 is_contained ? "; it ends, the core goes on" : "");
	else
		zok__log(ZOK_LOG_ERROR, "outside of all tasks: %s", text);
}

/* A scope's children are joined before what they may use is given up. */
static ZOK_NORETURN void end_fiber(struct zok__fiber *fiber)
{
	struct zok_task *task = &fiber->task;

	zok__count(&task->core->counters->stats.faults_contained, 1);
	while (task->scope != task->parent)
		zok_scope_close(task->scope, -ENOTRECOVERABLE);
	zok__defers_run(fiber);
	zok__fiber_exit(fiber, -ENOTRECOVERABLE);
}

void zok_fail(const char *format, ...)
{
	struct zok__fiber *fiber = this_fiber();
	bool is_contained = fiber && zok__faults_are_contained(&fiber->task);
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	tell(zok_task_current(), is_contained, text);
	if (!is_contained)
		abort();
	end_fiber(fiber);
}
