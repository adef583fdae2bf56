/* Scopes: who is whose child, and how a cancel and a deadline reach everybody under a scope. */
#include "core/core.h"

#include "core/away.h"
#include "core/log.h"
#include "zokio/timer.h"

#include <assert.h>
#include <errno.h>

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

static uint64_t own_deadline_ns(const struct zok_scope_options *options, uint64_t now_ns)
{
	uint64_t deadline_ns = options->deadline_ns ? options->deadline_ns : ZOK_NEVER;

	if (options->timeout_ns && options->timeout_ns < ZOK_NEVER - now_ns)
		deadline_ns = earlier(deadline_ns, now_ns + options->timeout_ns);
	return deadline_ns;
}

static uint8_t flags_of(const struct zok_scope_options *options)
{
	return (uint8_t)((options->cancel_on_error ? ZOK__SCOPE_CANCEL_ON_ERROR : 0) | (options->is_shielded ? ZOK__SCOPE_SHIELDED : 0));
}

/* The join is never polled into life: it is ready when the last child ends, or at once. */
static bool joined_poll(struct zok_future *future)
{
	struct zok_scope *scope = ZOK_CONTAINER_OF(future, struct zok_scope, joined);

	future->state = ZOK_FUTURE_PENDING;
	if (scope->live_count > 0)
		return false;
	future->waker = NULL; /* whoever polls knows already */
	zok_future_complete(future, 0);
	return true;
}

static void joined_cancel(struct zok_future *future)
{
	/* A join ends when the children do. Who wants that sooner cancels the scope. */
}

static const struct zok_future_ops joined_ops = {.poll = joined_poll, .cancel = joined_cancel, .name = "its scope's children"};

static void scope_init(struct zok_scope *scope, struct zok_core *core, const struct zok_scope_options *options)
{
	*scope = (struct zok_scope){
		.core = core,
		.name = options->name ? options->name : "scope",
		.flags = flags_of(options),
		.deadline_ns = ZOK_NEVER,
		.is_pinned = options->is_pinned,
		.contains_faults = options->contains_faults,
	};
	zok_list_init(&scope->children);
	zok_list_init(&scope->scopes);
	scope->deadline.owner = scope;
	zok_future_prepare(&scope->joined, &joined_ops);
	scope->joined.is_shielded = true;
}

void zok__scope_init_roots(struct zok_core *core)
{
	scope_init(&core->service, core, &(struct zok_scope_options){.name = "service"});
	scope_init(&core->root, core, &(struct zok_scope_options){.name = "root", .contains_faults = core->options.contains_faults});
}

/* Only a deadline of its own that comes before the parent's needs a timer: the parent's reaches everything under it. */
static void arm_deadline(struct zok_scope *scope, uint64_t own_ns, uint64_t inherited_ns)
{
	scope->deadline_ns = earlier(own_ns, inherited_ns);
	if (own_ns >= inherited_ns)
		return;
	if (own_ns <= zok_now_ns())
		zok__scope_cancel(scope, -ETIMEDOUT);
	else
		zok__wheel_insert(&scope->core->wheel, &scope->deadline, own_ns);
}

/* The lists of another core are its own: from there a cancel comes through the guest that is the host (away.h). */
static void link_below(struct zok_scope *scope, struct zok_scope *parent)
{
	if (ZOK_LIKELY(parent->core == scope->core))
		zok_list_push_back(&parent->scopes, &scope->sibling);
	else
		zok__away_list(scope->core, scope->host);
}

void zok_scope_init(struct zok_scope *scope, struct zok_task *host, const struct zok_scope_options *options)
{
	static const struct zok_scope_options defaults;
	struct zok_scope *parent = host->scope;
	uint64_t own_ns;

	options = options ? options : &defaults;
	scope_init(scope, host->core, options);
	scope->parent = parent;
	scope->host = host;
	scope->is_pinned |= parent->is_pinned;
	link_below(scope, parent);
	host->scope = scope;
	if (!(scope->flags & ZOK__SCOPE_SHIELDED)) {
		scope->cancel_code = zok__cancel_code(parent);
		scope->deadline_ns = parent->deadline_ns;
	}
	if (options->timeout_ns || options->deadline_ns) {
		own_ns = own_deadline_ns(options, zok_now_ns());
		arm_deadline(scope, own_ns, scope->deadline_ns);
	}
}

struct zok_scope *zok_scope_open(const struct zok_scope_options *options)
{
	struct zok_core *core = zok__core();
	struct zok_scope *scope = zok_pool_get(&core->scopes);

	if (!scope)
		return NULL;
	assert(core->current); /* a scope has a host */
	zok_scope_init(scope, core->current, options);
	scope->flags |= ZOK__SCOPE_POOLED;
	return scope;
}

struct zok_future *zok_scope_join(struct zok_scope *scope)
{
	if (zok_future_is_ready(&scope->joined) && scope->live_count > 0) {
		zok_future_prepare(&scope->joined, &joined_ops);
		scope->joined.is_shielded = true;
	}
	return &scope->joined;
}

/* That somebody cancelled it is no failure of the scope: who did knows. That its time was up is. */
static int outcome(const struct zok_scope *scope, int rc)
{
	if (rc != 0)
		return rc;
	if (scope->error != 0)
		return scope->error;
	return (scope->flags & ZOK__SCOPE_WAS_CUT) && scope->cancel_code == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

int zok_scope_finish(struct zok_scope *scope, int rc)
{
	struct zok_core *core = scope->core;
	int result = outcome(scope, rc);

	assert(scope->live_count == 0);	     /* joined first */
	assert(scope->host->scope == scope); /* inner scopes are closed before outer ones */
	assert(zok_list_is_empty(&scope->scopes));
	zok__wheel_cancel(&core->wheel, &scope->deadline);
	if (ZOK_LIKELY(zok_list_is_linked(&scope->sibling)))
		zok_list_remove(&scope->sibling);
	scope->host->scope = scope->parent;
	if (scope->flags & ZOK__SCOPE_POOLED)
		zok_pool_put(&core->scopes, scope);
	return result;
}

int zok_scope_close(struct zok_scope *scope, int rc)
{
	if (rc < 0)
		zok_scope_cancel(scope);
	while (scope->live_count > 0)
		zok_await(zok_scope_join(scope));
	return zok_scope_finish(scope, rc);
}

/* The scope after `scope` in pre-order under `top`; what is under a shield is not visited. */
static struct zok_scope *next_scope(struct zok_scope *scope, struct zok_scope *top)
{
	bool is_closed_off = scope != top && (scope->flags & ZOK__SCOPE_SHIELDED);

	if (!is_closed_off && !zok_list_is_empty(&scope->scopes))
		return ZOK_CONTAINER_OF(scope->scopes.next, struct zok_scope, sibling);
	while (scope != top) {
		if (scope->sibling.next != &scope->parent->scopes)
			return ZOK_CONTAINER_OF(scope->sibling.next, struct zok_scope, sibling);
		scope = scope->parent;
	}
	return NULL;
}

bool zok__scope_cancel_await(struct zok_task *task)
{
	struct zok_future *awaited = task->awaited;

	if (!awaited || awaited->is_shielded || zok__cancel_code(task->scope) == 0 || zok_future_is_ready(awaited))
		return false;
	zok_future_cancel(awaited);
	return true;
}

/* Relaxed: of the task's values only our own address matters, and only we store that (steal.h). */
static bool is_here(const struct zok_scope *scope, const struct zok_task *task)
{
	return __atomic_load_n(&task->core, __ATOMIC_RELAXED) == scope->core;
}

/*
 * Cancelling a future only makes tasks runnable: it runs none of them, so neither list changes under these loops. Returns whether there are
 * children that others have, or may take at this moment.
 */
static bool cancel_awaits(struct zok_scope *scope)
{
	bool was_cut = false, is_somebody_away = false;

	zok_list_for_each(link, &scope->children) {
		struct zok_task *task = ZOK_CONTAINER_OF(link, struct zok_task, sibling);

		if (ZOK_LIKELY(is_here(scope, task)))
			was_cut |= zok__scope_cancel_await(task);
		else
			is_somebody_away = true;
	}
	if (scope->host)
		was_cut |= zok__scope_cancel_await(scope->host);
	if (was_cut)
		scope->flags |= ZOK__SCOPE_WAS_CUT;
	return is_somebody_away;
}

/*
 * Two passes: first every scope that is reached gets its code, then the awaits are cancelled by the code of the scope that each task is in.
 * So a task inside a shielded scope is passed by, however it is reached.
 */
void zok__scope_cancel(struct zok_scope *top, int code)
{
	bool is_somebody_away = false;

	if (top->cancel_code != 0)
		return;
	for (struct zok_scope *scope = top; scope; scope = next_scope(scope, top))
		if ((scope == top || !(scope->flags & ZOK__SCOPE_SHIELDED)) && scope->cancel_code == 0)
			__atomic_store_n(&scope->cancel_code, code, __ATOMIC_RELAXED);
	for (struct zok_scope *scope = top; scope; scope = next_scope(scope, top))
		if (scope->cancel_code != 0)
			is_somebody_away |= cancel_awaits(scope);
	if (is_somebody_away)
		zok__away_poke(top->core);
}

void zok__scope_deadline_passed(struct zok_scope *scope)
{
	zok__scope_cancel(scope, -ETIMEDOUT);
}

void zok_scope_cancel(struct zok_scope *scope)
{
	struct zok_core *core = zok__core();

	if (ZOK_LIKELY(scope->core == core))
		zok__scope_cancel(scope, -ECANCELED);
	else if (core && core->steal && zok__away_is_ancestor(core, scope))
		zok__away_cancel(core, scope);
	else
		zok__log(ZOK_LOG_ERROR, "cancel of scope %s: it is another core's, and not above the calling task", scope->name);
}

static const struct zok_scope *or_current(const struct zok_scope *scope)
{
	return scope ? scope : zok_scope_current();
}

struct zok_scope *zok_scope_current(void)
{
	struct zok_task *task = zok_task_current();

	return task ? task->scope : NULL;
}

int zok_scope_status(const struct zok_scope *scope)
{
	return zok__cancel_code(or_current(scope));
}

uint64_t zok_scope_deadline_ns(const struct zok_scope *scope)
{
	return or_current(scope)->deadline_ns;
}

size_t zok_scope_task_count(const struct zok_scope *scope)
{
	/* Relaxed: where the scope is another core's, a moment's count. */
	return __atomic_load_n(&scope->live_count, __ATOMIC_RELAXED);
}

struct zok_scope *zok_root_scope(void)
{
	struct zok_core *core = zok__core();

	return core ? &core->root : NULL;
}
