#include "core/away.h"

#include "core/chain.h"
#include "core/core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- Here, of other cores ---- */

void zok__away_arrive(struct zok_core *core, struct zok_task *task)
{
	/* Relaxed: see steal.h. */
	__atomic_store_n(&task->core, core, __ATOMIC_RELAXED);
	if (task->parent->core == core)
		task->flags &= (uint8_t)~ZOK__TASK_AWAY;
	else
		task->flags |= ZOK__TASK_AWAY;
}

void zok__away_list(struct zok_core *core, struct zok_task *task)
{
	if (task->flags & ZOK__TASK_LISTED)
		return;
	task->flags |= ZOK__TASK_LISTED;
	zok_list_push_back(&core->steal->guests, &task->guest);
}

void zok__away_unlist(struct zok_task *task)
{
	task->flags &= (uint8_t)~ZOK__TASK_LISTED;
	zok_list_remove(&task->guest);
}

/* ---- Sending home ---- */

/* Pushes a chain, newest first, onto a core's stack, and wakes the core if that was empty: otherwise whoever made it so has done it. */
static void push_returned(struct zok_core *home, struct zok_task *first, struct zok_task *last)
{
	void *under = zok__chain_look(&home->steal->returned);

	do
		last->run_next = under;
	while (!zok__chain_swap(&home->steal->returned, &under, first));
	if (!under)
		zok__mail_wake(zok__core(), home);
}

static void flush_chain(struct zok_core *core, struct zok_task **chain, unsigned index)
{
	struct zok_task *first = *chain, *last = first;

	if (!first)
		return;
	while (last->run_next)
		last = last->run_next;
	*chain = NULL;
	push_returned(core->options.peers[index], first, last);
}

static void flush_chains(struct zok_core *core, struct zok_task **chains)
{
	for (unsigned i = 0; i < core->options.core_count; i++)
		flush_chain(core, &chains[i], i);
}

void zok__away_flush_adopted(struct zok_core *core)
{
	core->steal->adopted_count = 0;
	flush_chains(core, core->steal->adopted);
}

/* Before any end: what somebody has spawned into its parent scope keeps that alive once it is there. */
void zok__away_flush(struct zok_core *core)
{
	if (core->steal->adopted_count > 0)
		zok__away_flush_adopted(core);
	if (core->steal->going_count == 0)
		return;
	core->steal->going_count = 0;
	flush_chains(core, core->steal->going_home);
}

static void send_home(struct zok_core *core, struct zok_task *task, unsigned home)
{
	struct zok__steal *steal = core->steal;

	task->run_next = steal->going_home[home];
	steal->going_home[home] = task;
	if (++steal->going_count >= ZOK__LOOT_MAX)
		zok__away_flush(core);
}

void zok__away_end(struct zok_core *core, struct zok_task *task, int result)
{
	assert(task->scope == task->parent); /* a task closes what it opened */
	if (task->flags & ZOK__TASK_LISTED)
		zok__away_unlist(task);
	task->state = ZOK__TASK_ENDED;
	task->async.resume_at = (uint32_t)result; /* its function is over: nothing else needs the word */
	send_home(core, task, task->parent->core->options.index);
}

void zok__away_dispose(struct zok_core *core, struct zok_task *task, unsigned to)
{
	task->state = ZOK__TASK_DISPOSED;
	send_home(core, task, to);
}

/* ---- What a guest does to scopes of its home ---- */

/* The chain upwards does not change while its lower end lives. */
bool zok__away_is_ancestor(const struct zok_core *core, const struct zok_scope *scope)
{
	if (core->current)
		for (const struct zok_scope *above = core->current->scope; above; above = above->parent)
			if (above == scope)
				return true;
	return false;
}

void zok__away_adopt(struct zok_core *core, struct zok_task *task)
{
	struct zok__steal *steal = core->steal;
	unsigned home = task->parent->core->options.index;

	task->state = ZOK__TASK_NEW;
	task->run_next = steal->adopted[home];
	steal->adopted[home] = task;
	if (++steal->adopted_count >= ZOK__LOOT_MAX)
		zok__away_flush_adopted(core);
}

void zok__away_cancel(struct zok_core *core, struct zok_scope *scope)
{
	struct zok_core *home = scope->core;
	void *under;

	/* Relaxed: only one of those who ask may link the scope. */
	if (__atomic_exchange_n(&scope->is_cancel_asked, true, __ATOMIC_RELAXED))
		return;
	/* Spawned before the cancel: there before it. */
	if (core->steal->adopted_count > 0)
		zok__away_flush_adopted(core);
	under = zok__chain_look(&home->steal->cancels);
	do
		scope->cancel_next = under;
	while (!zok__chain_swap(&home->steal->cancels, &under, scope));
	zok__mail_wake(zok__core(), home);
}

/* ---- At home ---- */

static struct zok_task *oldest_first(struct zok_task *task)
{
	struct zok_task *reversed = NULL, *next;

	for (; task; task = next) {
		next = task->run_next;
		zok__task_prefetch(task);
		task->run_next = reversed;
		reversed = task;
	}
	return reversed;
}

/* Relaxed: see steal.h. */
static void belong_here(struct zok_core *core, struct zok_task *task)
{
	__atomic_store_n(&task->core, core, __ATOMIC_RELAXED);
	task->flags &= (uint8_t)~ZOK__TASK_AWAY;
}

static void welcome(struct zok_core *core, struct zok_task *task)
{
	int result = (int)task->async.resume_at;

	switch (task->state) {
	case ZOK__TASK_NEW:
		belong_here(core, task);
		zok__count(&core->counters->stats.tasks_adopted, 1);
		zok__task_link(core, task);
		break;
	case ZOK__TASK_ENDED:
		belong_here(core, task);
		task->async.resume_at = 0;
		zok__count(&core->counters->stats.tasks_returned, 1);
		if (task->flags & ZOK__TASK_WAS_CUT)
			task->parent->flags |= ZOK__SCOPE_WAS_CUT;
		if (task->flags & ZOK__TASK_IS_FIBER) {
			zok__task_end(core, task, result);
			zok__fiber_dispose(core, zok__fiber_of(task));
		} else {
			zok__task_end(core, task, result);
		}
		break;
	default: assert(task->state == ZOK__TASK_DISPOSED); zok__fiber_dispose(core, zok__fiber_of(task));
	}
}

static void take_cancels(struct zok_core *core)
{
	struct zok_scope *scope = zok__chain_take(&core->steal->cancels);

	for (; scope; scope = scope->cancel_next)
		zok__scope_cancel(scope, -ECANCELED);
}

bool zok__away_take(struct zok_core *core)
{
	struct zok__steal *steal = core->steal;
	struct zok_task *task, *next;

	if (ZOK_LIKELY(!zok__chain_look(&steal->returned)) && !zok__chain_look(&steal->cancels))
		return false;
	/* Its acquire also puts the look at the cancels behind: see the order in away.h. */
	task = oldest_first(zok__chain_take(&steal->returned));
	take_cancels(core);
	for (; task; task = next) {
		next = task->run_next;
		welcome(core, task);
	}
	zok__away_flush(core);
	return true;
}

/* ---- Cancel ---- */

struct zok_scope *zok__away_outermost(const struct zok_task *task)
{
	struct zok_scope *scope = task->scope;

	if (scope == task->parent)
		return NULL;
	while (scope->parent != task->parent)
		scope = scope->parent;
	return scope;
}

static void cancel_guest(struct zok_task *task)
{
	struct zok_scope *own = zok__away_outermost(task);
	int code = zok__cancel_code(task->parent);

	if (code == 0 || (own && (own->flags & ZOK__SCOPE_SHIELDED)))
		return;
	if (own)
		zok__scope_cancel(own, code);
	/* As at home, where the parent is told of what was cut under it. */
	if (own ? (own->flags & ZOK__SCOPE_WAS_CUT) != 0 : zok__scope_cancel_await(task))
		task->flags |= ZOK__TASK_WAS_CUT;
}

/* A cancel makes tasks runnable, this guest or others, and they leave the list for that: so the list is gone through by taking it apart. */
static void look_through_guests(struct zok_core *core, struct zok__message *message)
{
	struct zok__poke *poke = ZOK_CONTAINER_OF(message, struct zok__poke, message);
	struct zok_list all, *link;

	/* Pairs with zok__away_poke(), also with one that found it out already: the codes set before it are seen (tests/model/model_poke.c). */
	zok__woken_clear(&poke->is_out);
	zok_list_init(&all);
	zok_list_splice(&all, &core->steal->guests);
	while ((link = zok_list_pop_front(&all)) != NULL) {
		zok_list_push_back(&core->steal->guests, link);
		cancel_guest(ZOK_CONTAINER_OF(link, struct zok_task, guest));
	}
}

void zok__away_poke(struct zok_core *core)
{
	for (unsigned i = 0; i < core->options.core_count; i++) {
		struct zok__poke *poke = &core->steal->pokes[i];

		if (i != core->options.index && zok__woken_raise(&poke->is_out))
			zok__mail_send(core, core->options.peers[i], &poke->message);
	}
}

/* ---- Life ---- */

int zok__away_init(struct zok_core *core)
{
	struct zok__steal *steal = core->steal;
	unsigned count = core->options.core_count;

	steal->going_home = calloc(count, sizeof *steal->going_home);
	steal->adopted = calloc(count, sizeof *steal->adopted);
	steal->pokes = calloc(count, sizeof *steal->pokes);
	if (!steal->going_home || !steal->adopted || !steal->pokes)
		return -ENOMEM;
	for (unsigned i = 0; i < count; i++)
		steal->pokes[i].message.run = look_through_guests;
	return 0;
}

void zok__away_finish(struct zok_core *core)
{
	free(core->steal->going_home);
	free(core->steal->adopted);
	free(core->steal->pokes);
}
