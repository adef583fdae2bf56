/*
 * Where a known number of threads meet, again and again: a barrier whose number is told late, because the threads are started one by one and
 * one may fail to start. For start and stop; no core passes it while it runs tasks.
 */
#ifndef RUNTIME_GATE_H
#define RUNTIME_GATE_H

#include <pthread.h>

struct zok__gate {
	pthread_mutex_t lock;
	pthread_cond_t passed;
	unsigned expected; /* 0: not known yet, nobody passes */
	unsigned arrived;
	unsigned generation;
};

void zok__gate_init(struct zok__gate *gate);
void zok__gate_finish(struct zok__gate *gate);

/* How many threads there are. Once. */
void zok__gate_expect(struct zok__gate *gate, unsigned count);

/* Waits until all have come. */
void zok__gate_pass(struct zok__gate *gate);

#endif
