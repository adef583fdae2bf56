/*
 * Parking and waking without a lost wake-up: the accesses, and nothing else, so that the model check (tests/model/model_mailbox.c) runs these very
 * functions.
 *
 * First half, between a core and whoever sends it mail. A core that is about to sleep says so, then looks again; a sender pushes, then looks
 * whether the core sleeps. Each has a full fence between its two steps, so at least one of them sees the other (Dekker): no message is left to
 * a core that sleeps.
 *
 *	core                            sender
 *	zok__park_announce()            push message
 *	mail empty? then sleep          zok__park_is_seen()? then engine->wake()
 *
 * Second half, inside an engine: a wake-up that is on its way serves for all that follow, until the core's wait has seen it.
 *
 *	waker                           core, in wait()
 *	zok__woken_raise()? then        the wake-up has come:
 *	  write to the eventfd            zok__woken_clear(), then look at the mail
 */
#ifndef CORE_PARK_H
#define CORE_PARK_H

#include "zokio/atomic.h"

/* The core, before its last look at its mail. */
static inline void zok__park_announce(bool *is_parked)
{
	ZOK__STORE(is_parked, true, RELAXED);
	/* Pairs with the fence in zok__park_is_seen(): whoever pushes after our look at the mail sees is_parked. */
	ZOK__FENCE_SEQ_CST();
}

static inline void zok__park_retract(bool *is_parked)
{
	/* Relaxed: a sender that still sees true wakes a core that is awake, which costs a system call and nothing else. */
	ZOK__STORE(is_parked, false, RELAXED);
}

/* A sender, after its push. */
static inline bool zok__park_is_seen(const bool *is_parked)
{
	/* Pairs with the fence in zok__park_announce(): our push is before this, the core's last look at its mail is after that one. */
	ZOK__FENCE_SEQ_CST();
	return ZOK__LOAD(is_parked, RELAXED);
}

/* A waker: whether it is the one who has to wake the core. Release: pairs with zok__woken_clear(); who finds true relies on who found false. */
static inline bool zok__woken_raise(bool *is_woken)
{
	return !ZOK__EXCHANGE(is_woken, true, RELEASE);
}

/*
 * The core, when a wake-up has come. Acquire: what a waker did before it raised the flag (a message put into a mailbox) is seen by what follows.
 * An exchange, not a store, because only a read can acquire: each waker that found true comes before it, each that comes after it finds false and
 * wakes again.
 */
static inline void zok__woken_clear(bool *is_woken)
{
	(void)ZOK__EXCHANGE(is_woken, false, ACQUIRE);
}

#endif
