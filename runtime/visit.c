/*
 * A call on a core: a message there and back, no fiber, so that a runtime ends also where there is no memory for one. It lies in the caller's
 * stack.
 */
#include "runtime/visit.h"

struct visit {
	struct zok_future done; /* at home */
	struct zok__message message;
	struct zok_core *home, *there;
	struct zok_waker emptied; /* there: the root scope's join */
	enum zok__visit_purpose purpose;
	struct zok__visit_answer answer;
};

static void visit_came_back(struct zok_core *core, struct zok__message *message)
{
	zok_future_complete(&ZOK_CONTAINER_OF(message, struct visit, message)->done, 0);
}

static void send_home(struct visit *visit)
{
	visit->answer.notes_sent = visit->there->mail.notes_sent;
	visit->answer.notes_run = visit->there->mail.notes_run;
	visit->answer.spawned = visit->there->counters->stats.tasks_spawned;
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

	visit->answer.was_alive = core->root.live_count > 0 || core->has_injected;
	switch (visit->purpose) {
	case ZOK__VISIT_CANCEL:
		zok_scope_cancel(&core->root);
		go_on_if_empty(&visit->emptied);
		return;
	case ZOK__VISIT_STOP: zok__core_stop(core); break;
	case ZOK__VISIT_DRAIN: zok__core_drain(core); break;
	}
	send_home(visit);
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

static const struct zok_future_ops visit_ops = {.poll = visit_poll, .cancel = visit_cancel, .name = "another core"};

struct zok__visit_answer zok__visit(struct zok_core *there, enum zok__visit_purpose purpose)
{
	struct visit visit = {
		.message.run = visit_there, .home = zok__core(), .there = there, .emptied.wake = go_on_if_empty, .purpose = purpose};

	zok_future_prepare(&visit.done, &visit_ops);
	visit.done.is_shielded = true;
	zok_await(&visit.done);
	return visit.answer;
}
