/*
 * The phases of an end that was asked for, on the first core: drain, cancel, grace, giving up. A fiber of the service scope goes through them; the
 * conductor (stop.c) cancels that scope once everything has ended by itself, at whatever phase.
 */
#include "runtime/phases.h"

#include "core/log.h"
#include "runtime/alive.h"
#include "runtime/visit.h"
#include "zokio/timer.h"

#include <stdio.h>
#include <unistd.h>

/* ---- Drain ---- */

/* Whatever is sent to a core before its stop is answered: no visit begins when the conductor has begun to stop them. */
static void tell_all_cores(struct zok_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->core_count && !runtime->phases.is_over; i++)
		zok__visit(runtime->cores[i], ZOK__VISIT_DRAIN);
}

/* Until the time has passed, all has ended, or a further signal says so. */
static void await_end_of_drain(struct zok__phases *phases, uint64_t limit_ns)
{
	struct zok_scope scope;

	zok_scope_init(&scope, zok_task_current(), &(struct zok_scope_options){.name = "drain"});
	phases->draining = &scope;
	if (!phases->is_cut && !phases->is_over)
		zok_sleep(limit_ns);
	phases->draining = NULL;
	zok_scope_close(&scope, 0);
}

/* Returns whether somebody is left to be cancelled. */
static bool drain(struct zok_runtime *runtime, uint64_t limit_ns)
{
	tell_all_cores(runtime);
	await_end_of_drain(&runtime->phases, limit_ns);
	return !runtime->phases.is_over;
}

void zok__phases_cut(struct zok_runtime *runtime)
{
	runtime->phases.is_cut = true;
	if (runtime->phases.draining)
		zok_scope_cancel(runtime->phases.draining);
}

/* ---- By the program ---- */

static int drain_and_cancel(void *arg)
{
	struct zok_runtime *runtime = arg;

	if (drain(runtime, runtime->config.drain_ns ? runtime->config.drain_ns : ZOK_NEVER))
		zok_scope_cancel(&runtime->cores[0]->root);
	return 0;
}

void zok__phases_drain(struct zok_runtime *runtime)
{
	const struct zok_spawn_options options = {.name = "drain", .task_class = ZOK_CLASS_LATENCY};

	if (zok_spawn(&runtime->cores[0]->service, drain_and_cancel, runtime, &options) == 0)
		return;
	zok__log(ZOK_LOG_WARN, "no memory to drain: cancelled at once");
	zok_scope_cancel(&runtime->cores[0]->root);
}

/* ---- By a signal ---- */

/* A core that is stuck in a task does not answer: the stall detector names that. */
static void give_up(struct zok_runtime *runtime)
{
	int signal_number = __atomic_load_n(&runtime->signal_number, __ATOMIC_RELAXED);

	zok__log(ZOK_LOG_ERROR, "not ended %.1f s after the cancel, giving up", (double)runtime->config.grace_ns / (double)ZOK_S);
	zok__alive_tell(runtime);
	zok__export_withdraw(&runtime->export);
	_exit(128 + signal_number);
}

static int end_by_signal(void *arg)
{
	struct zok_runtime *runtime = arg;

	if (runtime->config.drain_ns > 0 && !drain(runtime, runtime->config.drain_ns))
		return 0;
	/* Relaxed: for the handler, which is asked again and again. */
	__atomic_store_n(&runtime->phases.has_drained, true, __ATOMIC_RELAXED);
	zok_scope_cancel(&runtime->cores[0]->root);
	if (zok_sleep(runtime->config.grace_ns) < 0)
		return 0;
	give_up(runtime);
	return 0;
}

void zok__phases_signal(struct zok_runtime *runtime)
{
	const struct zok_spawn_options options = {.name = "grace", .task_class = ZOK_CLASS_LATENCY};

	if (runtime->config.drain_ns == 0)
		zok_scope_cancel(&runtime->cores[0]->root);
	if (zok_spawn(&runtime->cores[0]->service, end_by_signal, runtime, &options) == 0)
		return;
	zok__log(ZOK_LOG_WARN, "no memory for the drain and the grace period: a second signal ends the process");
	__atomic_store_n(&runtime->phases.has_drained, true, __ATOMIC_RELAXED);
	zok_scope_cancel(&runtime->cores[0]->root);
}
