/*
 * How many ops are in flight on each descriptor, so that a close ends them first.
 *
 * The kernel would let them be: an op holds its file, and a receive on a closed descriptor waits on. But who closes is done with it, and frees
 * what the ops use once the close is completed. A count an op is what that costs; a table by number, which grows with the highest one.
 */
#ifndef URING_DESCRIPTORS_H
#define URING_DESCRIPTORS_H

#include "zokio/op.h"

struct zok__descriptors {
	uint32_t *counts;
	uint32_t size;
	uint32_t uncounted; /* ops in flight for which there was no memory to count: any descriptor may be theirs */
};

/* The table grown so that it has a place for fd. False: there is no memory, or fd is none. */
bool zok__descriptors_grow(struct zok__descriptors *descriptors, int fd);

/* Returns whether it was counted: what end() must be told. */
static inline bool zok__descriptors_begin(struct zok__descriptors *descriptors, int fd)
{
	if (ZOK_UNLIKELY((uint32_t)fd >= descriptors->size) && !zok__descriptors_grow(descriptors, fd)) {
		descriptors->uncounted++;
		return false;
	}
	descriptors->counts[fd]++;
	return true;
}

static inline void zok__descriptors_end(struct zok__descriptors *descriptors, int fd, bool was_counted)
{
	if (ZOK_LIKELY(was_counted))
		descriptors->counts[fd]--;
	else
		descriptors->uncounted--;
}

static inline bool zok__descriptors_is_counted(const struct zok__descriptors *descriptors, int fd)
{
	return (uint32_t)fd < descriptors->size && descriptors->counts[fd] > 0;
}

#endif
