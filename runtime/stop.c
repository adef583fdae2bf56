/* How a runtime ends: the conductor, and who may ask for the end: the program, or a signal. */
#include "runtime/runtime.h"

#include "core/log.h"
#include "core/relax.h"
#include "core/remote.h"
#include "runtime/phases.h"
#include "runtime/round.h"
#include "runtime/visit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The conductor ---- */

/* What was injected and taken by a core that had no memory for it is alive there (visit.c). */
static struct zok__round drain_round(struct zok_runtime *runtime)
{
	/* Before the visits: the queue is closed, so what has been taken from it by now is in a root when that is visited. */
	struct zok__round round = {.was_alive = zok__inject_has_work(runtime->inject)};

	for (unsigned i = 0; i < runtime->core_count; i++) {
		struct zok__visit_answer visit = zok__visit(runtime->cores[i], ZOK__VISIT_CANCEL);

		round.was_alive |= visit.was_alive;
		round.notes_sent += visit.notes_sent;
		round.notes_run += visit.notes_run;
		round.spawned += visit.spawned;
	}
	return round;
}

static void drain(struct zok_runtime *runtime)
{
	struct zok__round last, round = drain_round(runtime);

	do {
		last = round;
		round = drain_round(runtime);
	} while (!zok__round_is_last(&last, &round));
}

static int conduct(void *arg)
{
	struct zok_runtime *runtime = arg;
	struct zok_core *first = runtime->cores[0];
	struct zok__remote remote;

	zok__remote_prepare(&remote, first, runtime->main_fn, runtime->arg, &(struct zok_spawn_options){.name = "main"});
	runtime->result = (int)zok_await(&remote.done);
	zok__inject_close(runtime->inject);
	drain(runtime);
	runtime->phases.is_over = true;
	for (unsigned i = 1; i < runtime->core_count; i++)
		zok__visit(runtime->cores[i], ZOK__VISIT_STOP);
	zok_scope_cancel(&first->service); /* the phases, if one runs */
	zok__core_stop(first);
	return 0;
}

int zok__conductor_spawn(struct zok_runtime *runtime)
{
	return zok_spawn(&runtime->cores[0]->service, conduct, runtime,
			 &(struct zok_spawn_options){.name = "conductor", .task_class = ZOK_CLASS_NORMAL});
}

/* ---- Cancel, drain and signals ---- */

static void cancel_here(struct zok_core *core, struct zok__message *message)
{
	zok_scope_cancel(&core->root);
}

static void drain_here(struct zok_core *core, struct zok__message *message)
{
	zok__phases_drain(ZOK_CONTAINER_OF(message, struct zok_runtime, by_drain));
}

static void signal_here(struct zok_core *core, struct zok__message *message)
{
	zok__phases_signal(ZOK_CONTAINER_OF(message, struct zok_runtime, by_signal));
}

static void second_signal_here(struct zok_core *core, struct zok__message *message)
{
	zok__phases_cut(ZOK_CONTAINER_OF(message, struct zok_runtime, by_second_signal));
}

void zok__cancel_prepare(struct zok_runtime *runtime)
{
	runtime->by_program.run = cancel_here;
	runtime->by_drain.run = drain_here;
	runtime->by_signal.run = signal_here;
	runtime->by_second_signal.run = second_signal_here;
}

/* A message exists once, so only the first who asks may post it. Relaxed: the inbox orders what follows. */
static bool is_first(bool *is_posted)
{
	return !__atomic_exchange_n(is_posted, true, __ATOMIC_RELAXED);
}

static void post(struct zok_runtime *runtime, struct zok__message *message)
{
	/* Sequentially consistent with zok__cancels_wait(): see there. */
	__atomic_fetch_add(&runtime->posting_count, 1, __ATOMIC_SEQ_CST);
	zok__mail_post(runtime->cores[0], message);
	/* Release pairs with the acquire there: the engine is not touched any more. */
	__atomic_fetch_sub(&runtime->posting_count, 1, __ATOMIC_RELEASE);
}

/*
 * Who posts late may still hold that the first core is parked and be about to wake its engine. The core has been unparked for good; behind the
 * fence either we see who posts, or it sees that (the fence in core/mailbox.c), and leaves the engine alone.
 */
void zok__cancels_wait(struct zok_runtime *runtime)
{
	ZOK__FENCE_SEQ_CST();
	while (__atomic_load_n(&runtime->posting_count, __ATOMIC_ACQUIRE) > 0)
		zok__cpu_relax();
}

void zok__runtime_cancel(struct zok_runtime *runtime)
{
	if (is_first(&runtime->is_canceled))
		post(runtime, &runtime->by_program);
}

void zok__runtime_drain(struct zok_runtime *runtime)
{
	if (is_first(&runtime->is_draining))
		post(runtime, &runtime->by_drain);
}

static _Noreturn void end_now(struct zok_runtime *runtime, int signal_number)
{
	static const char text[] = "zokio: a further signal: not waiting any longer\n";

	zok__export_withdraw(&runtime->export);
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(128 + signal_number);
	_exit(128 + signal_number);
}

/* A second signal during a drain ends that; any other ends the process. Relaxed: see is_first(). */
void zok__runtime_signal(struct zok_runtime *runtime, int signal_number)
{
	unsigned number = __atomic_fetch_add(&runtime->signal_count, 1, __ATOMIC_RELAXED);
	bool may_drain = runtime->config.drain_ns > 0 && !__atomic_load_n(&runtime->phases.has_drained, __ATOMIC_RELAXED);

	if (number == 0) {
		__atomic_store_n(&runtime->signal_number, signal_number, __ATOMIC_RELAXED);
		post(runtime, &runtime->by_signal);
	} else if (number == 1 && may_drain) {
		post(runtime, &runtime->by_second_signal);
	} else {
		end_now(runtime, signal_number);
	}
}
