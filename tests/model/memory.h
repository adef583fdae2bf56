/*
 * The memory of the model: for each atomic location all that was ever stored there, and for each thread how much of it the thread must have
 * seen. A view is that knowledge: per location the oldest store that may still be read, per thread how much of its doing happened before.
 *
 * A load reads any store that its thread's view allows. An acquire joins the view that the store carries; a release store carries its
 * thread's view, a relaxed one that of the thread's last fence. A read-modify-write reads the newest store, and what it stores also carries
 * what it read (release sequences). A seq_cst fence joins, and leaves, one global view, in the manner of Kang et al., "A Promising
 * Semantics for Relaxed- Memory Concurrency", POPL 2017, without promises.
 */
#ifndef TESTS_MODEL_MEMORY_H
#define TESTS_MODEL_MEMORY_H

#include "tests/model/model.h"

enum { LOCATIONS_MAX = 24, STORES_MAX = 24, CELLS_MAX = 24 };

struct view {
	uint8_t seen[LOCATIONS_MAX];
	uint8_t clock[MODEL_THREADS_MAX];
};

void memory_reset(void);

/* The number of the location at an address; a new one begins with what is there. */
unsigned memory_location(const void *address, size_t size);

/* How many stores thread may read at a location, and which the i-th of them is, newest first. */
unsigned memory_readable(unsigned thread, unsigned location);
uint64_t memory_value(unsigned thread, unsigned location, unsigned choice);

void memory_load(unsigned thread, unsigned location, unsigned choice, enum model_order order, void *value, size_t size);

/* Whether the thread has seen the newest store: a store after one that it does not know of is blind. */
bool memory_has_seen_all(unsigned thread, unsigned location);

/* `is_update`: a read-modify-write, which reads the newest first. */
void memory_store(unsigned thread, unsigned location, const void *value, size_t size, enum model_order order, bool is_update);

void memory_fence(unsigned thread, enum model_order order);

/* Whether a plain access races with an earlier one. */
bool memory_plain_races(unsigned thread, const void *address, bool is_write);

#endif
