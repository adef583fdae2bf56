/* How a runtime ends: the conductor, the cancel, the grace period. */
#include "runtime/runtime.h"

#include "core/log.h"
#include "core/relax.h"
#include "core/remote.h"
#include "zokio/timer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- The conductor ---- */

/*
 * A call on a core: a message there and back, no fiber, so that a runtime ends also where there is no memory for one. It lies in the conductor's
 * stack.
 */
struct visit {
	struct zok_future done; /* at home */
	struct zok__message message;
	struct zok_core *home, *there;
	struct zok_waker emptied; /* there: the root scope's join */
	bool stops;		  /* lets the loop end; otherwise it cancels the root scope and waits until that is empty */
	bool was_alive;
	uint64_t notes_sent, notes_run; /* there, by then */
};

static void visit_came_back(struct zok_core *core, struct zok__message *message)
{
	zok_future_complete(&ZOK_CONTAINER_OF(message, struct visit, message)->done, 0);
}

static void send_home(struct visit *visit)
{
	visit->notes_sent = visit->there->mail.notes_sent;
	visit->notes_run = visit->there->mail.notes_run;
	visit->message.run = visit_came_back;
	zok__mail_send(visit->there, visit->home, &visit->message);
}

/* A task that ends may have had a successor: a join that is ready is looked at again. */
static void go_on_if_empty(struct zok_waker *waker)
{
	struct visit *visit = ZOK_CONTAINER_OF(waker, struct visit, emptied);
	struct zok_scope *root = &visit->there->root;

	while (root->live_count > 0)
		if (!zok_future_poll(zok_scope_join(root), waker))
			return;
	send_home(visit);
}

static void visit_there(struct zok_core *core, struct zok__message *message)
{
	struct visit *visit = ZOK_CONTAINER_OF(message, struct visit, message);

	if (visit->stops) {
		zok__core_stop(core);
		send_home(visit);
		return;
	}
	visit->was_alive = core->root.live_count > 0;
	zok_scope_cancel(&core->root);
	go_on_if_empty(&visit->emptied);
}

static bool visit_poll(struct zok_future *future)
{
	struct visit *visit = ZOK_CONTAINER_OF(future, struct visit, done);

	if (future->state == ZOK_FUTURE_PREPARED) {
		future->state = ZOK_FUTURE_PENDING;
		zok__mail_send(visit->home, visit->there, &visit->message);
	}
	return false;
}

static void visit_cancel(struct zok_future *future)
{
	/* The conductor is not cancelled: it is what ends everything else. */
}

static const struct zok_future_ops visit_ops = {.poll = visit_poll, .cancel = visit_cancel};

static struct visit visit_core(struct zok_core *there, bool stops)
{
	struct visit visit = {
		.message.run = visit_there, .home = zok__core(), .there = there, .emptied.wake = go_on_if_empty, .stops = stops};

	zok_future_prepare(&visit.done, &visit_ops);
	visit.done.is_shielded = true;
	zok_await(&visit.done);
	return visit;
}

/* What a round has found. */
struct round {
	bool was_alive;
	uint64_t notes_sent, notes_run;
};

static struct round drain_round(struct zok_runtime *runtime)
{
	struct round round = {0};

	for (unsigned i = 0; i < runtime->core_count; i++) {
		struct visit visit = visit_core(runtime->cores[i], false);

		round.was_alive |= visit.was_alive;
		round.notes_sent += visit.notes_sent;
		round.notes_run += visit.notes_run;
	}
	return round;
}

/*
 * Until nothing is alive and no note is on its way. The cores are not visited at one instant, so a round's sums alone prove
 * nothing: the same sums twice, sent and run alike, do (Mattern, "Algorithms for distributed termination detection", 1987: four counters).
 */
static void drain(struct zok_runtime *runtime)
{
	struct round last, round = drain_round(runtime);

	do {
		last = round;
		round = drain_round(runtime);
	} while (round.was_alive || round.notes_run != round.notes_sent || round.notes_sent != last.notes_sent ||
		 round.notes_run != last.notes_run);
}

static int conduct(void *arg)
{
	struct zok_runtime *runtime = arg;
	struct zok_core *first = runtime->cores[0];
	struct zok__remote remote;

	zok__remote_prepare(&remote, first, runtime->main_fn, runtime->arg, &(struct zok_spawn_options){.name = "main"});
	runtime->result = (int)zok_await(&remote.done);
	drain(runtime);
	for (unsigned i = 1; i < runtime->core_count; i++)
		visit_core(runtime->cores[i], true);
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
	zok_scope_cancel(&core->root);
}

static void signal_here(struct zok_core *core, struct zok__message *message)
{
	struct zok_runtime *runtime = ZOK_CONTAINER_OF(message, struct zok_runtime, by_signal);
	struct zok_spawn_options options = {.name = "grace", .task_class = ZOK_CLASS_LATENCY};

	zok_scope_cancel(&core->root);
	if (zok_spawn(&core->service, give_up_in_time, runtime, &options) < 0)
		zok__log(ZOK_LOG_WARN, "no memory for the grace period: a second signal ends the process");
}

void zok__cancel_prepare(struct zok_runtime *runtime)
{
	runtime->by_program.run = cancel_here;
	runtime->by_signal.run = signal_here;
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

void zok__runtime_signal(struct zok_runtime *runtime, int signal_number)
{
	static const char text[] = "zokio: a second signal: not waiting any longer\n";

	if (is_first(&runtime->is_signaled)) {
		__atomic_store_n(&runtime->signal_number, signal_number, __ATOMIC_RELAXED);
		post(runtime, &runtime->by_signal);
		return;
	}
	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		_exit(128 + signal_number);
	_exit(128 + signal_number);
}
