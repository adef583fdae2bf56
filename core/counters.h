/*
 * Per-core counters: written by the core with plain stores, read by anyone. A reader may see one counter newer than another, never a torn one.
 */
#ifndef CORE_COUNTERS_H
#define CORE_COUNTERS_H

#include "zokio/stats.h"

enum { ZOK__LATENCY_COUNT = 3 }; /* the classes latency, normal, bulk */

struct zok__counters {
	struct zok_core_stats stats;
	struct zok_latency latency[ZOK__LATENCY_COUNT];
};

/* One writer, so load and store need no lock prefix; relaxed atomics, so that a reader on another core never sees half a value. */
static inline void zok__count(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + amount, __ATOMIC_RELAXED);
}

/* A gauge, as it is now. */
static inline void zok__set(uint64_t *gauge, uint64_t value)
{
	__atomic_store_n(gauge, value, __ATOMIC_RELAXED);
}

#endif
