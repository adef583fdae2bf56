/*
 * Work that moves between cores.
 *
 * What may be stolen: a task of class bulk, or one whose spawn allows it, unless a scope above says "do not steal". It moves only while it is
 * runnable, has no scope of its own open and nothing under way: a started future belongs to the core that started it.
 *
 * Where it waits. Each core has a bounded deque a class of runnable tasks that anybody may take. The owner takes from the same end as thieves,
 * the oldest first, so that a task that yields lets all others run; it does so in batches that run from a private queue. A batch is one slice
 * at most, so that few tasks are out of thieves' reach behind one that runs long.
 *
 * Whose it is. `task->core` is the core that has it, and NULL while it lies in a deque. Only a core itself stores its own address there or takes
 * it away; so whoever reads its own address knows that the task is its own, and whoever reads another value leaves the task alone.
 *
 * Who looks. An idle core looks at the others in the order of their nearness, at the farther ones the longer it has been idle, and at all of
 * them before it parks. Parking and waking, as with mail (mailbox.h), a Dekker pair of fences:
 *
 *	thief                               owner
 *	is_waiting = true, parked_count++   push
 *	fence                               fence (each push by a task, and once a refill)
 *	all deques empty? then sleep        parked_count > 0 and nobody searches? then wake one
 *
 * Who is woken is counted as searching by its waker, and further work wakes nobody while somebody searches; the searcher who finds work and
 * leaves some behind wakes the next one. So one core wakes after the other, as long as there is something to do, and never all at once. The accesses
 * are search.h's, and model-checked.
 */
#ifndef CORE_STEAL_H
#define CORE_STEAL_H

#include "core/runq.h"
#include "core/search.h"
#include "numa/tier.h"
#include "zokio/deque.h"
#include "zokio/list.h"

struct zok_core;
struct zok_scope;

enum zok__stealing { ZOK__STEALING_OFF, ZOK__STEALING_ONE, ZOK__STEALING_HALF };

enum {
	ZOK__SHARED_CAPACITY = 1024, /* of a deque; what finds no room waits in a list of the owner's */
	ZOK__BATCH_MAX = 16,	     /* what the owner takes at a time */
	ZOK__LOOT_MAX = 32,	     /* what a thief takes at a time, and what is sent home at a time */
};

ZOK_DEQUE(zok__runnable, struct zok_task *, ZOK__SHARED_CAPACITY);

/* The runnable tasks of one class that any core may take, and the batch that is this core's already. */
struct zok__shared {
	struct zok__runq batch; /* this core's: they run from here */
	struct zok__runq
		yielded; /* the owner's: of the running slice, so that they may still stand on their stacks; shared when it is over */
	struct zok__runq overflow; /* the owner's: younger than all in the deque, which was full */
	uint32_t overflow_count;
	bool was_batch; /* the class's last slice ran the batch: the next one is for what cannot be stolen */
	bool has_news;	/* something was shared since thieves were last looked for behind a fence */
	struct zok__runnable deque;
};

struct zok__poke;

/* A core's part in it. */
struct zok__steal {
	struct zok__shared shared[2]; /* normal, bulk */
	uint64_t idle_since_ns;	      /* 0: it has run something since */

	/* away.h */
	struct zok_list guests;
	struct zok_task **going_home; /* by the home's index: chains, newest first, linked by run_next */
	struct zok_task **adopted;    /* the same of tasks that were spawned into a scope of another core */
	uint32_t going_count, adopted_count;
	struct zok__poke *pokes; /* one to each core */

	/* read by thieves, written at each slice */
	_Alignas(ZOK_FALSE_SHARING) uint64_t slice_began_ns; /* 0: no slice runs */
	uint64_t rescued_slice_ns; /* written by thieves: the slice during which the backlog was last taken as one of a stuck core */
	const char *running_name;  /* of the task that runs, or ran last */

	/* written by others */
	_Alignas(ZOK_FALSE_SHARING) void *returned;  /* a stack of chains: tasks that are at home here */
	void *cancels;				     /* a stack: scopes of this core that tasks elsewhere have cancelled */
	_Alignas(ZOK_FALSE_SHARING) bool is_waiting; /* parked as a thief; who clears it wakes the core */
};

/* For a core that has others to steal from; core->steal stays NULL elsewhere. -ENOMEM. */
int zok__steal_create(struct zok_core *core);
void zok__steal_destroy(struct zok_core *core);

/* ---- The owner's side, on the core ---- */

static inline bool zok__shared_has_work(const struct zok__shared *shared)
{
	/* Relaxed: this core wrote `bottom`; an old `top` makes a turn of the loop for nothing. */
	size_t bottom = __atomic_load_n(&shared->deque.ends.bottom, __ATOMIC_RELAXED);

	return shared->batch.head || bottom != __atomic_load_n(&shared->deque.ends.top, __ATOMIC_RELAXED) || shared->yielded.head ||
	       shared->overflow.head;
}

/* Whether there is something shared of that class (normal or bulk) to run. */
bool zok__steal_has_work(const struct zok_core *core, unsigned task_class);

/* Whether tasks of other cores' scopes are suspended here: they end here. */
bool zok__steal_has_guests(const struct zok_core *core);

/* A runnable task that may be stolen: shares it if nothing ties it to the core, else returns false. Not one that stands on its stack. */
bool zok__steal_share(struct zok_core *core, struct zok_task *task);

/* The same for a task that yields while it stands on its stack. */
bool zok__steal_yield(struct zok_core *core, struct zok_task *task);

/* How many runnable tasks of the class the core has shared or taken from there; 0 for latency. */
uint32_t zok__steal_depth(const struct zok_core *core, unsigned task_class);

/*
 * Runs a slice of the class from the batch or from the core's own queue, and does what thieves need before and after. Returns which it was. On
 * the core's own stack.
 */
struct zok__runq *zok__steal_run(struct zok_core *core, unsigned task_class,
				 void (*run_tasks)(struct zok_core *core, struct zok__runq *queue));

/* ---- The thief's side: on a core that has nothing to run ---- */

/* Takes something from the nearest core that has some, of those that one may look at after so long. Returns whether it did. */
bool zok__steal_sweep(struct zok_core *core, uint64_t idle_ns);

/* Before the fence of parking, and after waking. awake() returns whether there is something to run. */
void zok__steal_wait(struct zok_core *core);
bool zok__steal_awake(struct zok_core *core);

/* Between: whether somebody has something, or something has come home. */
bool zok__steal_must_stay(const struct zok_core *core);

#endif
