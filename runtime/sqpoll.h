/*
 * The mode sqpoll: which cores share a poll thread of the kernel's, and on which CPU it runs. (folly and Seastar choose SMT, then node, then
 * remote.) Up to four cores of one node share a thread: more rings starve one another behind it (liburing, issue 1190).
 */
#ifndef RUNTIME_SQPOLL_H
#define RUNTIME_SQPOLL_H

#include "numa/select.h"
#include "numa/tier.h"

enum { ZOK__SQPOLL_GROUP_MAX = 4 };

/* What a core is to its group. */
struct zok__sqpoll_seat {
	unsigned leader;     /* the core whose ring has the thread; its own index: this one */
	int cpu;	     /* where the thread runs, -1: wherever the kernel puts it, because no CPU that we may use is free of cores */
	enum zok__tier tier; /* how far that is from the leader */
};

/* The nearest allowed CPU to each leader that no core and no other thread has. `seats` has place_count of the cores. */
void zok__sqpoll_plan_from(const struct zok__topology *topology, const struct zok__bitset *allowed, const struct zok__place *cores,
			   size_t count, struct zok__sqpoll_seat *seats);

/* The same on this machine; `*seats` is the caller's to free. -ENOMEM, or what reading the topology said. */
ZOK_NODISCARD int zok__sqpoll_plan(const struct zok__core_set *cores, struct zok__sqpoll_seat **seats);

/* "1 for 2 cores; the first on CPU 3 (smt)". Returns as snprintf(). */
int zok__sqpoll_describe(const struct zok__sqpoll_seat *seats, size_t count, char *text, size_t size);

#endif
