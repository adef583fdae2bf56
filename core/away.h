/*
 * Tasks away from home.
 *
 * A task's home is the core of the scope that it was spawned in. When another core has taken it, it is a *guest* there: it runs, awaits and
 * opens scopes there as if it were at home, but what belongs to its parent scope is done at home only. So
 *
 * - a guest that ends is sent home, in batches: a chain is pushed onto the home's stack `returned` with one swap. Home takes it out of its
 *   scope, counts it, carries its error, calls its finish, and gives back its record and stack;
 * - a guest that spawns into its parent scope (or one above) sends the new task home the same way, to be adopted there;
 * - a guest that cancels such a scope asks home for it (`cancels`);
 * - a cancel at home reaches guests by a *poke*: "look through your guests". Each core has one message for each other, reused; the guest's core
 *   reads the parents' codes and cancels what its guests await, or the scopes that they have opened. A task that lies in a deque needs no
 *   poke: whoever takes it reads the code at its next await, or gets the poke later and finds it suspended.
 *
 * Order. What a task has sent home (adoptions, cancels) must come before its own end does. Both go onto stacks of the same core: adoptions are
 * pushed before the task can be stolen again or its end be pushed, and home takes the ends before it takes the cancels, but acts on the
 * cancels first. Within `returned` the oldest is handled first.
 *
 * A fiber's record and stack belong to the pools of the core that spawned it. That is its home but for one that was adopted; what is left of
 * that one after its end travels once more.
 */
#ifndef CORE_AWAY_H
#define CORE_AWAY_H

#include "core/mailbox.h"
#include "zokio/task.h"

struct zok__poke {
	struct zok__message message;
	bool is_out; /* atomic: sent, and not looked at yet. As a wake-up (park.h), one that is on its way serves for all that follow */
};

/* A task was taken, by this core, which is perhaps its home. */
void zok__away_arrive(struct zok_core *core, struct zok_task *task);

/* A guest suspends, or opens a scope: from now on a poke finds it. */
void zok__away_list(struct zok_core *core, struct zok_task *task);

/* It will be shared or sent home: a poke does not find it any more. */
void zok__away_unlist(struct zok_task *task);

/* The scope that the task has opened directly under its parent; NULL: none. On the core where it is. */
struct zok_scope *zok__away_outermost(const struct zok_task *task);

/* A guest has ended and has left its stack. */
void zok__away_end(struct zok_core *core, struct zok_task *task, int result);

/* What is left of a fiber that ended goes to the core that spawned it. */
void zok__away_dispose(struct zok_core *core, struct zok_task *task, unsigned to);

/* Whether the running task's ancestors include `scope`, which then is alive although it is another core's. */
bool zok__away_is_ancestor(const struct zok_core *core, const struct zok_scope *scope);

/* A task spawned here in a scope of another core, one of the running task's ancestors. */
void zok__away_adopt(struct zok_core *core, struct zok_task *task);
void zok__away_flush_adopted(struct zok_core *core);

/* Sends home what has ended. On the core's own stack. */
void zok__away_flush(struct zok_core *core);

/* Takes in what has come home. Returns whether anything had. */
bool zok__away_take(struct zok_core *core);

/* Cancels a scope of another core, one of the running task's ancestors. */
void zok__away_cancel(struct zok_core *core, struct zok_scope *scope);

/* A scope of this core was cancelled that has children elsewhere. */
void zok__away_poke(struct zok_core *core);

int zok__away_init(struct zok_core *core);
void zok__away_finish(struct zok_core *core);

#endif
