#include "core/steal.h"

#include "core/away.h"
#include "core/chain.h"
#include "core/core.h"
#include "core/log.h"
#include "core/owner.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/*
 * How long a thief must have been idle before it looks so far: moving a task costs more the farther it comes from, and work that its owner will
 * come to in a moment is better left. Orders of magnitude from silk (docs/scheduler.md); a sweep before parking looks at all.
 */
static const uint64_t idle_ns_min[ZOK__TIER_COUNT] = {
	[ZOK__TIER_SMT] = 1000,
	[ZOK__TIER_CACHE] = 5000,
	[ZOK__TIER_NODE] = 50000,
	[ZOK__TIER_FAR] = 500000,
};

static struct zok__shared *shared_of(const struct zok_core *core, unsigned task_class)
{
	return &core->steal->shared[task_class - ZOK_CLASS_NORMAL];
}

/* ---- Waking a thief ---- */

static struct zok_core *nearest_waiting(const struct zok_core *core)
{
	for (unsigned i = 0; i + 1 < core->options.core_count; i++) {
		struct zok_core *peer = core->options.peers[core->options.victims[i].index];

		if (zok__search_is_waiting(&peer->steal->is_waiting))
			return peer;
	}
	return NULL;
}

static bool pick(struct zok__thieves *thieves, struct zok_core *peer)
{
	if (!zok__search_pick(thieves, &peer->steal->is_waiting))
		return false;
	peer->engine->ops->wake(peer->engine);
	return true;
}

static bool is_anything_left(const struct zok_core *core);

static const struct zok__search_ways search_ways = {nearest_waiting, pick, is_anything_left};

static void look_for_thieves(const struct zok_core *core)
{
	zok__search_begin(core->options.thieves, core, &search_ways);
}

/* ---- Sharing ---- */

static bool deque_is_empty(const struct zok__runnable *deque)
{
	return __atomic_load_n(&deque->ends.bottom, __ATOMIC_RELAXED) == __atomic_load_n(&deque->ends.top, __ATOMIC_RELAXED);
}

static void move_overflow(struct zok__shared *shared)
{
	while (shared->overflow.head && zok__runnable_push(&shared->deque, shared->overflow.head)) {
		zok__runq_take(&shared->overflow);
		shared->overflow_count--;
		shared->has_news = true;
	}
}

/* How many wait in the overflow between two looks whether thieves have made room: a spawner that does not suspend keeps them supplied. */
enum { OVERFLOW_LOOK = 32 };

static void put(struct zok__shared *shared, struct zok_task *task)
{
	if (ZOK_LIKELY(!shared->overflow.head) && zok__runnable_push(&shared->deque, task))
		return;
	zok__runq_push(&shared->overflow, task);
	if (++shared->overflow_count % OVERFLOW_LOOK == 0)
		move_overflow(shared);
}

/* The task is anybody's from here on. */
static void share(struct zok_core *core, struct zok__shared *shared, struct zok_task *task)
{
	struct zok__steal *steal = core->steal;

	if (task->flags & ZOK__TASK_LISTED)
		zok__away_unlist(task);
	if (ZOK_UNLIKELY(steal->adopted_count > 0))
		zok__away_flush_adopted(core);
	/* Relaxed: the deque's release publishes the task; the home's own look at the field needs no more (steal.h). */
	__atomic_store_n(&task->core, NULL, __ATOMIC_RELAXED);
	put(shared, task);
}

/* Nothing under way that would complete on this core, no scope of its own. */
static bool is_free_to_go(const struct zok_task *task)
{
	return task->scope == task->parent && (!task->awaited || zok_future_is_ready(task->awaited));
}

bool zok__steal_share(struct zok_core *core, struct zok_task *task)
{
	struct zok__shared *shared = shared_of(core, task->task_class);

	if (!is_free_to_go(task))
		return false;
	share(core, shared, task);
	/*
	 * From the loop it is the refill before the next slice that looks for thieves: it knows whether there is more than this core runs next. A task may
	 * keep the core for as long as it likes after this, so each look is behind a fence, also where the deque held something already (docs/decisions/042).
	 */
	if (!core->current)
		shared->has_news = true;
	else
		look_for_thieves(core);
	return true;
}

bool zok__steal_yield(struct zok_core *core, struct zok_task *task)
{
	if (!is_free_to_go(task))
		return false;
	zok__runq_push(&shared_of(core, task->task_class)->yielded, task);
	return true;
}

bool zok__steal_has_work(const struct zok_core *core, unsigned task_class)
{
	return zok__shared_has_work(shared_of(core, task_class));
}

bool zok__steal_has_guests(const struct zok_core *core)
{
	return !zok_list_is_empty(&core->steal->guests);
}

/* ---- The owner's batch ---- */

static void share_yielded(struct zok_core *core, struct zok__shared *shared)
{
	if (!shared->yielded.head)
		return;
	while (shared->yielded.head)
		share(core, shared, zok__runq_take(&shared->yielded));
	shared->has_news = true;
}

/* What is left for others is announced, once for all that was shared since the last time. */
static void announce(struct zok_core *core, struct zok__shared *shared)
{
	if (deque_is_empty(&shared->deque)) {
		shared->has_news = false;
	} else if (shared->has_news) {
		shared->has_news = false;
		look_for_thieves(core);
	}
}

static void announce_all(struct zok_core *core)
{
	for (unsigned task_class = ZOK_CLASS_NORMAL; task_class <= ZOK_CLASS_BULK; task_class++)
		announce(core, shared_of(core, task_class));
}

/* Fills an empty batch with at most `wanted` tasks. Returns whether there is one. */
static bool refill(struct zok_core *core, struct zok__shared *shared, uint32_t wanted)
{
	struct zok_task *tasks[ZOK__BATCH_MAX];
	size_t count;

	if (shared->batch.head)
		return true;
	share_yielded(core, shared);
	move_overflow(shared);
	count = zok__runnable_claim_burst(&shared->deque, tasks, wanted < ZOK__BATCH_MAX ? wanted : ZOK__BATCH_MAX);
	for (size_t i = 0; i < count; i++) {
		zok__away_arrive(core, tasks[i]);
		zok__runq_push(&shared->batch, tasks[i]);
	}
	return shared->batch.head != NULL;
}

/* Batch after batch; what is left of the slice is never less than one task. */
static void run_shared(struct zok_core *core, struct zok__shared *shared, void (*run_tasks)(struct zok_core *core, struct zok__runq *queue))
{
	do {
		announce_all(core);
		run_tasks(core, &shared->batch);
	} while (core->slice_left > 0 && refill(core, shared, (uint32_t)core->slice_left));
}

static void publish_slice(struct zok__steal *steal, uint64_t began_ns)
{
	__atomic_store_n(&steal->slice_began_ns, began_ns, __ATOMIC_RELAXED);
}

/* Nobody stands on a fiber's stack. */
static void slice_over(struct zok_core *core)
{
	struct zok__steal *steal = core->steal;

	if (ZOK_UNLIKELY(__atomic_load_n(&steal->rescued_slice_ns, __ATOMIC_RELAXED) == steal->slice_began_ns))
		zok__count(&core->counters->stats.stuck, 1);
	publish_slice(steal, 0);
	steal->idle_since_ns = 0;
	share_yielded(core, &steal->shared[0]);
	share_yielded(core, &steal->shared[1]);
	zok__away_flush(core);
}

uint32_t zok__steal_depth(const struct zok_core *core, unsigned task_class)
{
	const struct zok__shared *shared;

	if (task_class == ZOK_CLASS_LATENCY)
		return 0;
	shared = shared_of(core, task_class);
	return shared->batch.pushed - shared->batch.taken + shared->overflow_count + (uint32_t)zok__runnable_count(&shared->deque);
}

struct zok__runq *zok__steal_run(struct zok_core *core, unsigned task_class,
				 void (*run_tasks)(struct zok_core *core, struct zok__runq *queue))
{
	struct zok__steal *steal = core->steal;
	struct zok__runq *own = &core->runq[task_class];
	struct zok__shared *shared = task_class == ZOK_CLASS_LATENCY ? NULL : shared_of(core, task_class);

	publish_slice(steal, core->now_ns);
	/* They take turns: neither what may be stolen nor what may not keeps the other from running. */
	if (shared && (!own->head || !shared->was_batch) && refill(core, shared, (uint32_t)core->slice_left)) {
		shared->was_batch = true;
		run_shared(core, shared, run_tasks);
		own = &shared->batch;
	} else {
		if (shared)
			shared->was_batch = false;
		announce_all(core);
		run_tasks(core, own);
	}
	slice_over(core);
	return own;
}

/* ---- Stealing ---- */

static size_t loot_limit(const struct zok_core *core, const struct zok__runnable *deque)
{
	size_t half;

	if (core->options.stealing == ZOK__STEALING_ONE)
		return 1;
	half = (zok__runnable_count(deque) + 1) / 2;
	return half < ZOK__LOOT_MAX ? half : ZOK__LOOT_MAX;
}

/* As many as fit a slice of this core are its next batch; the others may be stolen on. */
static void keep(struct zok_core *core, unsigned task_class, struct zok_task *const *tasks, size_t count)
{
	struct zok__shared *shared = shared_of(core, task_class);
	size_t quantum = core->pace[task_class].quantum;

	for (size_t i = 0; i < count; i++)
		zok__task_prefetch(tasks[i]);
	for (size_t i = 0; i < count; i++) {
		zok__away_arrive(core, tasks[i]);
		if (i < quantum && i < ZOK__BATCH_MAX)
			zok__runq_push(&shared->batch, tasks[i]);
		else
			share(core, shared, tasks[i]);
	}
	shared->has_news |= !deque_is_empty(&shared->deque);
}

/* One line a second from all cores together. */
static bool may_report(struct zok__thieves *thieves, uint64_t now_ns)
{
	/* Relaxed: who wins the swap writes the line. */
	uint64_t last_ns = __atomic_load_n(&thieves->reported_ns, __ATOMIC_RELAXED);

	if (last_ns != 0 && now_ns < last_ns + ZOK_S)
		return false;
	return __atomic_compare_exchange_n(&thieves->reported_ns, &last_ns, now_ns, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Its task runs too long and has a backlog, which is being taken: told once for each such slice. */
static void rescue(struct zok_core *core, struct zok_core *victim, size_t count)
{
	struct zok__steal *stuck = victim->steal;
	/* Relaxed: each a whole word that says how it was a moment ago. */
	uint64_t began_ns = __atomic_load_n(&stuck->slice_began_ns, __ATOMIC_RELAXED);
	const char *name = __atomic_load_n(&stuck->running_name, __ATOMIC_RELAXED);

	if (began_ns == 0 || core->now_ns < began_ns + core->options.stuck_ns)
		return;
	zok__count(&core->counters->stats.tasks_rescued, count);
	if (__atomic_exchange_n(&stuck->rescued_slice_ns, began_ns, __ATOMIC_RELAXED) == began_ns)
		return;
	if (may_report(core->options.thieves, core->now_ns))
		zok__log(ZOK_LOG_WARN, "core %u: stuck for %.1f ms in %s; core %u takes its backlog", victim->options.index,
			 (double)(core->now_ns - began_ns) / (double)ZOK_MS, name ? name : "a task", core->options.index);
}

_Static_assert((int)ZOK_STEAL_TIER_COUNT == (int)ZOK__TIER_COUNT, "a counter each");

static bool take_from(struct zok_core *core, struct zok_core *victim, enum zok__tier tier)
{
	struct zok_task *tasks[ZOK__LOOT_MAX];
	size_t count = 0;

	zok__count(&core->counters->stats.steal_attempts, 1);
	for (unsigned task_class = ZOK_CLASS_NORMAL; count == 0 && task_class <= ZOK_CLASS_BULK; task_class++) {
		struct zok__runnable *deque = &shared_of(victim, task_class)->deque;

		if (deque_is_empty(deque))
			continue;
		count = zok__runnable_claim_burst(deque, tasks, loot_limit(core, deque));
		keep(core, task_class, tasks, count);
	}
	if (count == 0)
		return false;
	zok__count(&core->counters->stats.steals, 1);
	zok__count(&core->counters->stats.steals_by_tier[tier], 1);
	zok__count(&core->counters->stats.tasks_stolen, count);
	rescue(core, victim, count);
	return true;
}

bool zok__steal_sweep(struct zok_core *core, uint64_t idle_ns)
{
	unsigned looks = 0;

	for (; looks + 1 < core->options.core_count; looks++) {
		const struct zok__victim *victim = &core->options.victims[looks];

		if (idle_ns < idle_ns_min[victim->tier])
			break;
		if (take_from(core, core->options.peers[victim->index], victim->tier))
			return true;
	}
	zok__count(&core->counters->stats.sweeps_failed, looks > 0);
	return false;
}

/* ---- Parking as a thief ---- */

void zok__steal_wait(struct zok_core *core)
{
	zok__search_wait(core->options.thieves, &core->steal->is_waiting);
}

static bool is_anything_shared(const struct zok_core *core)
{
	for (unsigned task_class = ZOK_CLASS_NORMAL; task_class <= ZOK_CLASS_BULK; task_class++)
		if (!deque_is_empty(&shared_of(core, task_class)->deque))
			return true;
	return false;
}

/* On any core. */
static bool is_anything_left(const struct zok_core *core)
{
	for (unsigned i = 0; i < core->options.core_count; i++)
		if (is_anything_shared(core->options.peers[i]))
			return true;
	return false;
}

bool zok__steal_must_stay(const struct zok_core *core)
{
	const struct zok__steal *steal = core->steal;

	return zok__chain_look(&steal->returned) || zok__chain_look(&steal->cancels) || is_anything_left(core);
}

bool zok__steal_awake(struct zok_core *core)
{
	struct zok__thieves *thieves = core->options.thieves;
	bool has_found;

	if (zok__search_was_not_picked(thieves, &core->steal->is_waiting))
		return false;
	has_found = zok__steal_sweep(core, ZOK_NEVER);
	zok__search_end(thieves, core, &search_ways, has_found);
	return has_found;
}

/* ---- Life ---- */

static void init_shared(struct zok__shared *shared)
{
	zok__runq_init(&shared->batch);
	zok__runq_init(&shared->yielded);
	zok__runq_init(&shared->overflow);
	shared->overflow_count = 0;
	shared->was_batch = shared->has_news = false;
	zok__runnable_init(&shared->deque);
}

int zok__steal_create(struct zok_core *core)
{
	struct zok__steal *steal = aligned_alloc(ZOK_FALSE_SHARING, sizeof *steal);

	if (!steal)
		return -ENOMEM;
	*steal = (struct zok__steal){0};
	for (size_t i = 0; i < sizeof steal->shared / sizeof *steal->shared; i++)
		init_shared(&steal->shared[i]);
	zok_list_init(&steal->guests);
	core->steal = steal;
	__atomic_fetch_add(&zok__stealing_count, 1, __ATOMIC_RELAXED);
	return zok__away_init(core);
}

void zok__steal_destroy(struct zok_core *core)
{
	if (!core->steal)
		return;
	assert(zok_list_is_empty(&core->steal->guests));
	zok__away_finish(core);
	__atomic_fetch_sub(&zok__stealing_count, 1, __ATOMIC_RELAXED);
	free(core->steal);
	core->steal = NULL;
}
