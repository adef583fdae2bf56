#include "core/inject.h"

#include "core/core.h"
#include "core/relax.h"

#include <errno.h>

/* How many a core takes at each turn of its loop: what it has already is not to wait long, and others may be idle. */
enum { TAKE_MAX = 8 };

/* ---- Any thread ---- */

/* The first that is parked: one that is awake already comes to the queue anyway, so in the worst case it is woken for nothing. */
static void wake_one(struct zok_core *const *cores, unsigned core_count, const struct zok_core *except)
{
	for (unsigned i = 0; i < core_count; i++) {
		if (cores[i] != except && ZOK__LOAD(&cores[i]->mail.is_parked, RELAXED)) {
			cores[i]->engine->ops->wake(cores[i]->engine);
			return;
		}
	}
}

static int push(struct zok__inject *inject, struct zok_core *const *cores, unsigned core_count, const struct zok__injected *injected)
{
	/* Acquire pairs with the release in zok__inject_open(): the engines are there to be woken. */
	if (!__atomic_load_n(&inject->is_open, __ATOMIC_SEQ_CST))
		return -ESHUTDOWN;
	if (!zok__injected_queue_push(&inject->queue, injected))
		return -ENOBUFS;
	/* Pairs with the fence in zok__mail_park(): our push is before this, the core's look at the queue is after that one. */
	ZOK__FENCE_SEQ_CST();
	wake_one(cores, core_count, NULL);
	return 0;
}

int zok__inject(struct zok__inject *inject, struct zok_core *const *cores, unsigned core_count, const struct zok__injected *injected)
{
	int rc;

	/* Sequentially consistent with the close: it sees that we are about it, or we see that it is closed. */
	__atomic_fetch_add(&inject->injecting_count, 1, __ATOMIC_SEQ_CST);
	rc = push(inject, cores, core_count, injected);
	/* Release pairs with the acquire in zok__inject_close(): the engines are not touched any more. */
	__atomic_fetch_sub(&inject->injecting_count, 1, __ATOMIC_RELEASE);
	return rc;
}

void zok__inject_open(struct zok__inject *inject)
{
	__atomic_store_n(&inject->is_open, true, __ATOMIC_RELEASE);
}

void zok__inject_close(struct zok__inject *inject)
{
	__atomic_store_n(&inject->is_open, false, __ATOMIC_SEQ_CST);
	/* Behind this either we see who pushes, or it sees that we have closed. */
	ZOK__FENCE_SEQ_CST();
	while (__atomic_load_n(&inject->injecting_count, __ATOMIC_ACQUIRE) > 0)
		zok__cpu_relax();
}

/* ---- On a core ---- */

/* What there was no memory for is not lost: the core tries again at its next turn, and takes no more before. */
static bool spawn(struct zok_core *core, const struct zok__injected *injected)
{
	int rc = zok_spawn(&core->root, injected->fn, injected->arg, &injected->options);

	if (rc == 0)
		zok__count(&core->counters->stats.tasks_injected, 1);
	return rc == 0;
}

static bool take_one(struct zok_core *core)
{
	if (!core->has_injected && !zok__injected_queue_pop(&core->options.inject->queue, &core->injected))
		return false;
	core->has_injected = !spawn(core, &core->injected);
	return !core->has_injected;
}

/*
 * Who injects wakes one core, the same as long as that seems to sleep: what it leaves, for want of a turn or of memory, is the next one's. Without a
 * fence: it was woken behind zok__inject_awake(), and so sees whoever parked too early to see what was pushed.
 */
static void pass_on(const struct zok_core *core)
{
	if (zok__inject_has_work(core->options.inject))
		wake_one(core->options.peers, core->options.core_count, core);
}

bool zok__inject_take(struct zok_core *core)
{
	int count = 0;

	if (ZOK_LIKELY(!core->has_injected && !zok__inject_has_work(core->options.inject)))
		return false;
	while (count < TAKE_MAX && take_one(core))
		count++;
	pass_on(core);
	return count > 0;
}
