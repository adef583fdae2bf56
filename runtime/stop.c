/* How a runtime ends: the conductor, the cancel, the grace period. */
#include "runtime/runtime.h"

#include "core/log.h"
#include "core/remote.h"
#include "zokio/timer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The conductor ---- */

/* On each core in turn. Returns 1 if something was alive. */
static int drain_here(void *arg)
{
	struct zok_core *core = zok__core();
	bool was_alive = core->root.live_count > 0;

	zok_scope_cancel(&core->root);
	while (core->root.live_count > 0)
		zok_await(zok_scope_join(&core->root));
	return was_alive;
}

static int stop_here(void *arg)
{
	zok__core_stop(zok__core());
	return 0;
}

/* Runs fn on a core outside of its root scope. */
static int serve_on(struct zok_core *core, int (*fn)(void *arg))
{
	struct zok__remote remote;

	zok__remote_prepare(&remote, core, fn, NULL, &(struct zok_spawn_options){.name = "conductor"});
	remote.is_service = true;
	return (int)zok_await(&remote.done);
}

static bool drain_round(struct zok_runtime *runtime)
{
	bool was_alive = false;

	for (unsigned i = 0; i < runtime->core_count; i++)
		was_alive |= serve_on(runtime->cores[i], drain_here) != 0;
	return was_alive;
}

static int conduct(void *arg)
{
	struct zok_runtime *runtime = arg;
	struct zok_core *first = runtime->cores[0];
	struct zok__remote remote;

	zok__remote_prepare(&remote, first, runtime->main_fn, runtime->arg, &(struct zok_spawn_options){.name = "main"});
	runtime->result = (int)zok_await(&remote.done);
	while (drain_round(runtime))
		;
	for (unsigned i = 1; i < runtime->core_count; i++)
		serve_on(runtime->cores[i], stop_here);
	zok_scope_cancel(&first->service); /* the grace period, if one runs */
	zok__core_stop(first);
	return 0;
}

int zok__conductor_spawn(struct zok_runtime *runtime)
{
	return zok_spawn(&runtime->cores[0]->service, conduct, runtime,
			 &(struct zok_spawn_options){.name = "conductor", .task_class = ZOK_CLASS_NORMAL});
}

/* ---- Cancel and grace ---- */

static void name_alive(const struct zok_scope *scope)
{
	zok_list_for_each(link, &scope->children) {
		const struct zok_task *task = ZOK_CONTAINER_OF(link, struct zok_task, sibling);

		zok__log(ZOK_LOG_ERROR, "still alive on core %u: %s, in scope %s", task->core->options.index, zok_task_name(task),
			 scope->name);
	}
	zok_list_for_each(link, &scope->scopes)
		name_alive(ZOK_CONTAINER_OF(link, struct zok_scope, sibling));
}

/* Gives up after the grace period. A core that is stuck in a task cannot be asked for its names, so only this core's are told. */
static int give_up_in_time(void *arg)
{
	struct zok_runtime *runtime = arg;
	int signal_number;

	if (zok_sleep(runtime->config.grace_ns) < 0)
		return 0;
	signal_number = __atomic_load_n(&runtime->signal_number, __ATOMIC_RELAXED);
	zok__log(ZOK_LOG_ERROR, "not ended %.1f s after the signal, giving up", (double)runtime->config.grace_ns / (double)ZOK_S);
	name_alive(&zok__core()->root);
	_exit(128 + signal_number);
}

static void cancel_here(struct zok_core *core, struct zok__message *message)
{
	struct zok_runtime *runtime = ZOK_CONTAINER_OF(message, struct zok_runtime, cancel);
	struct zok_spawn_options options = {.name = "grace", .task_class = ZOK_CLASS_LATENCY};

	zok_scope_cancel(&core->root);
	if (__atomic_load_n(&runtime->signal_number, __ATOMIC_RELAXED) == 0)
		return;
	if (zok_spawn(&core->service, give_up_in_time, runtime, &options) < 0)
		zok__log(ZOK_LOG_WARN, "no memory for the grace period: a second signal ends the process");
}

void zok__cancel_prepare(struct zok_runtime *runtime)
{
	runtime->cancel.run = cancel_here;
}

void zok__runtime_cancel(struct zok_runtime *runtime, int signal_number)
{
	static const char text[] = "zokio: a second signal: not waiting any longer\n";

	if (signal_number)
		__atomic_store_n(&runtime->signal_number, signal_number, __ATOMIC_RELAXED);
	/* The message exists once, so only the first who asks may post it. Relaxed: the inbox orders what follows. */
	if (__atomic_fetch_add(&runtime->cancel_count, 1, __ATOMIC_RELAXED) == 0) {
		zok__mail_post(runtime->cores[0], &runtime->cancel);
	} else if (signal_number) {
		if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
			_exit(128 + signal_number);
		_exit(128 + signal_number);
	}
}
