/*
 * The tick: how a running task learns, for two loads, that its slice's time may be up.
 *
 * Reading the clock costs about ten nanoseconds, too much for an inner loop. So one thread counts a word up every half budget, and a task
 * compares that word with the value that its core saw when the slice began. Only when they differ is the clock read, which decides. The
 * tick is therefore a hint that may be late or missing, never a wrong answer. (Seastar compares the head and tail of a completion ring that a
 * timer fills: reactor `preempt.hh`; a ring per core and its interrupts for the same two loads.)
 *
 * The thread sleeps while nobody asks: it stops after some ticks in which no core took the slow path, leaving the word at ZOK__TICK_STOPPED, which
 * differs from every value seen, so that the next to ask takes the slow path and starts it again.
 */
#ifndef CORE_TICK_H
#define CORE_TICK_H

#include "zokio/base.h"

#define ZOK__TICK_STOPPED UINT64_MAX

/* On a line of its own: every core reads it, one thread writes it. */
struct zok__tick {
	_Alignas(ZOK_FALSE_SHARING) uint64_t count; /* relaxed everywhere: it orders nothing */
};

extern struct zok__tick zok__tick;

/* Starts and ends the thread. Once a process at a time. -EAGAIN: no thread; tasks then read the clock each time they ask. */
int zok__tick_start(uint64_t period_ns);
void zok__tick_stop(void);

/* Somebody asked and found the count changed: the tick goes on, or starts again. */
void zok__tick_wanted(void);

static inline uint64_t zok__tick_count(void)
{
	return __atomic_load_n(&zok__tick.count, __ATOMIC_RELAXED);
}

/* The value to compare with later: never that of a tick that has stopped, so that asking then starts it. */
static inline uint64_t zok__tick_seen(void)
{
	uint64_t count = zok__tick_count();

	return count == ZOK__TICK_STOPPED ? 0 : count;
}

#endif
