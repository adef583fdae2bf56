#include "core/remote.h"

#include "core/core.h"

#include <errno.h>
#include <stdlib.h>

/* ---- There ---- */

static void come_back(struct zok_core *core, struct zok__message *message);
static void cancel_came_back(struct zok_core *core, struct zok__message *message);

static void send_home(struct zok_core *there, struct zok__remote *remote)
{
	remote->go.run = come_back;
	zok__mail_send(there, remote->home, &remote->go);
}

static void has_ended(struct zok__defer *defer)
{
	struct zok__remote *remote = ZOK_CONTAINER_OF(defer, struct zok__remote, ended);

	send_home(zok__core(), remote);
}

/* The fiber. Its scope carries the caller's deadline, and is what a cancel cancels. */
static int run_there(void *arg)
{
	struct zok__remote *remote = arg;
	struct zok_core *core = zok__core();
	struct zok_scope_options options = {
		.name = "remote", .deadline_ns = remote->deadline_ns, .contains_faults = remote->contains_faults};

	remote->ended.run = has_ended;
	zok__defer_push(zok__fiber_of(core->current), &remote->ended);
	remote->result = -ENOTRECOVERABLE; /* unless fn returns */
	zok_scope_init(&remote->scope, core->current, &options);
	remote->is_running = true;
	if (remote->is_canceled)
		zok_scope_cancel(&remote->scope);
	remote->result = remote->fn(remote->arg);
	/* A cancel reaches the children that fn left behind, too: the scope is open until they have ended. */
	remote->result = zok_scope_close(&remote->scope, remote->result);
	remote->is_running = false;
	return 0; /* then has_ended(), after what fn has deferred */
}

static void go_there(struct zok_core *core, struct zok__message *message)
{
	struct zok__remote *remote = ZOK_CONTAINER_OF(message, struct zok__remote, go);
	int rc = zok_spawn(&core->root, run_there, remote, &remote->options);

	if (rc < 0) {
		remote->result = rc;
		send_home(core, remote);
	}
}

static void cancel_there(struct zok_core *core, struct zok__message *message)
{
	struct zok__remote *remote = ZOK_CONTAINER_OF(message, struct zok__remote, cancel);

	remote->is_canceled = true;
	/* After a failed check it may have been closed already; it is empty then, and this does nothing. */
	if (remote->is_running)
		zok_scope_cancel(&remote->scope);
	message->run = cancel_came_back;
	zok__mail_send(core, remote->home, message);
}

/* ---- At home ---- */

static void complete_if_whole(struct zok__remote *remote)
{
	if (remote->has_result && !remote->is_cancel_out)
		zok_future_complete(&remote->done, remote->result);
}

static void come_back(struct zok_core *core, struct zok__message *message)
{
	struct zok__remote *remote = ZOK_CONTAINER_OF(message, struct zok__remote, go);

	zok__count(&core->counters->stats.wakes_remote, 1);
	remote->has_result = true;
	complete_if_whole(remote);
}

static void cancel_came_back(struct zok_core *core, struct zok__message *message)
{
	struct zok__remote *remote = ZOK_CONTAINER_OF(message, struct zok__remote, cancel);

	remote->is_cancel_out = false;
	complete_if_whole(remote);
}

static bool remote_poll(struct zok_future *future)
{
	struct zok__remote *remote = ZOK_CONTAINER_OF(future, struct zok__remote, done);

	if (future->state == ZOK_FUTURE_PREPARED) {
		future->state = ZOK_FUTURE_PENDING;
		zok__mail_send(remote->home, remote->there, &remote->go);
	}
	return false;
}

static void remote_cancel(struct zok_future *future)
{
	struct zok__remote *remote = ZOK_CONTAINER_OF(future, struct zok__remote, done);

	if (remote->has_result)
		return;
	remote->is_cancel_out = true;
	remote->cancel.run = cancel_there;
	zok__mail_send(remote->home, remote->there, &remote->cancel);
}

static const struct zok_future_ops remote_ops = {.poll = remote_poll, .cancel = remote_cancel, .name = "a fiber on another core"};

void zok__remote_prepare(struct zok__remote *remote, struct zok_core *there, int (*fn)(void *arg), void *arg,
			 const struct zok_spawn_options *options)
{
	struct zok_core *home = zok__core();

	*remote = (struct zok__remote){
		.home = home,
		.there = there,
		.go.run = go_there,
		.fn = fn,
		.arg = arg,
		.contains_faults = home->current && zok__faults_are_contained(home->current),
		.deadline_ns = home->current ? home->current->scope->deadline_ns : ZOK_NEVER,
	};
	if (options)
		remote->options = *options;
	remote->options.finish = NULL;
	/* It runs where it was sent: a cancel looks for it there. */
	remote->options.stealing = ZOK_STEALING_NEVER;
	if (remote->options.task_class == ZOK_CLASS_INHERIT)
		remote->options.task_class = home->current ? (enum zok_class)home->current->task_class : ZOK_CLASS_NORMAL;
	zok_future_prepare(&remote->done, &remote_ops);
}
