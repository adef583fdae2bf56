/*
 * The ways in which one core hands something to another. A round of a kind is ROUND_HANDOVERS of them or a few more, over only when all have arrived;
 * in most kinds nothing but the one thing handed over is under way, so that a wake-up that is lost is not made good by the next.
 */
#ifndef TESTS_SOAK_KINDS_H
#define TESTS_SOAK_KINDS_H

#include "zokio/base.h"

enum { ROUND_HANDOVERS = 1024 };

struct kind {
	const char *name;
	unsigned rounds;	 /* a turn: the fast ones more, so that none has most of the time */
	bool has_plain_thread;	 /* beside the cores: more threads than CPUs */
	uint64_t (*round)(void); /* in a fiber on core 0: suspends until all has arrived, and returns how many handovers that were */
};

extern const struct kind kinds[];
extern const unsigned kind_count;

/* How many steps something is held at most before it goes on, as a power of two: what it takes to meet the other at every point on its way to sleep. */
extern unsigned kinds_hold_shift_max;

/* Starts and ends the plain thread that injects. -errno. start() before the runtime runs, stop() when no round is under way. */
int kinds_start(void);
void kinds_stop(void);

/* What has arrived so far, roughly, also within a round: for a watchdog. Any thread. */
uint64_t kinds_progress(void);

#endif
