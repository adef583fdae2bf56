/*
 * An engine without a kernel, for what handovers between cores that park cost and may lose when the kernel's own sleep is left out: a waiting core
 * looks at its bell until it rings. Nothing else ends a wait without a deadline, and a ring before the wait is remembered, as with an eventfd; so
 * whoever should have woken the core and did not is found out, many times as fast as through the kernel. It completes no operations.
 */
#ifndef TESTS_SOAK_BELL_H
#define TESTS_SOAK_BELL_H

#include "core/engine.h"

extern const struct zok__engine_ops bell_engine;

/*
 * How often a waiting core looks before it offers its CPU to others: rarely (where it competes with other programs an offer costs a whole slice of
 * theirs), but soon where there are more threads of ours than CPUs. Atomic; any thread.
 */
extern unsigned bell_looks;

enum { BELL_LOOKS_LONE = 1 << 15, BELL_LOOKS_CROWDED = 1 << 7 };

#endif
