/*
 * Work from plain threads for whichever core comes first: a bounded queue of the runtime's that all cores take from at each turn of their loops.
 * Who injects pushes, then looks for a core that is parked and wakes it; a core that parks says so, then looks at the queue: the same pair of
 * fences as with mail (mailbox.h).
 */
#ifndef CORE_INJECT_H
#define CORE_INJECT_H

#include "zokio/mpmc.h"
#include "zokio/task.h"

struct zok_core;

/* What is to run, with its options; `name` outlives it. */
struct zok__injected {
	int (*fn)(void *arg);
	void *arg;
	struct zok_spawn_options options;
};

enum { ZOK__INJECT_CAPACITY = 1024 };

ZOK_MPMC(zok__injected_queue, struct zok__injected, ZOK__INJECT_CAPACITY);

struct zok__inject {
	_Alignas(ZOK_FALSE_SHARING) unsigned injecting_count; /* atomic: threads that may be about to push or to wake an engine */
	bool is_open;					      /* atomic */
	struct zok__injected_queue queue;
};

/* Any thread. -ENOBUFS: full; -ESHUTDOWN: not open (any more). Wakes one of `cores` if one is parked. */
int zok__inject(struct zok__inject *inject, struct zok_core *const *cores, unsigned core_count, const struct zok__injected *injected);

void zok__inject_open(struct zok__inject *inject);

/* Nothing comes in after it has returned; what is there will be run. Waits for those who are about to push: a few instructions. */
void zok__inject_close(struct zok__inject *inject);

/* Whether there is something to take. Any thread. */
static inline bool zok__inject_has_work(const struct zok__inject *inject)
{
	return zok__injected_queue_count(&inject->queue) > 0;
}

/*
 * On a core, when it has parked and says so no more, before it looks at the queue. Pairs with the fence behind the push: who wakes this core only
 * because it seemed to sleep still has pushed before our look; otherwise that would wait until what we run now is over, and others sleep meanwhile.
 */
static inline void zok__inject_awake(void)
{
	ZOK__FENCE_SEQ_CST();
}

/* Spawns some of it in the core's root scope. Returns whether it did. On the core's own stack. */
bool zok__inject_take(struct zok_core *core);

#endif
