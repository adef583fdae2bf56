/*
 * What the engine knows of each descriptor: how many ops are in flight on it, so that a close ends them first, and whether it is in the ring's
 * file table (direct.c).
 *
 * The kernel would let the ops be: an op holds its file, and a receive on a closed descriptor waits on. But who closes is done with it, and frees
 * what the ops use once the close is completed. A count an op is what that costs; a table by number, which grows with the highest one.
 */
#ifndef URING_DESCRIPTORS_H
#define URING_DESCRIPTORS_H

#include "zokio/op.h"

/* Where a descriptor stands with the ring's file table. */
enum zok__direct_state {
	ZOK__DIRECT_OUT,
	ZOK__DIRECT_QUEUED,  /* in the batch that the next wait hands over */
	ZOK__DIRECT_JOINING, /* in the batch that the kernel has */
	ZOK__DIRECT_IN,	     /* at `slot` */
};

struct zok__descriptor {
	uint32_t in_flight; /* ops */
	uint16_t slot;
	uint8_t direct_state;
	uint8_t op_count; /* since the engine first saw it, up to what makes it worth a slot */
};

ZOK_STATIC_ASSERT(sizeof(struct zok__descriptor) == 8, "eight to a cache line");

struct zok__descriptors {
	struct zok__descriptor *table;
	uint32_t size;
	uint32_t uncounted; /* ops in flight for which there was no memory to count: any descriptor may be theirs */
};

/* The table grown so that it has a place for fd. False: there is no memory, or fd is none. */
bool zok__descriptors_grow(struct zok__descriptors *descriptors, int fd);

/* NULL: nothing is known of it. */
static inline struct zok__descriptor *zok__descriptors_find(const struct zok__descriptors *descriptors, int fd)
{
	return ZOK_LIKELY((uint32_t)fd < descriptors->size) ? &descriptors->table[fd] : NULL;
}

/* NULL: it was not counted, which end() must be told. The table may move: the pointer is good until the next begin(). */
static inline struct zok__descriptor *zok__descriptors_begin(struct zok__descriptors *descriptors, int fd)
{
	struct zok__descriptor *descriptor;

	if (ZOK_UNLIKELY((uint32_t)fd >= descriptors->size) && !zok__descriptors_grow(descriptors, fd)) {
		descriptors->uncounted++;
		return NULL;
	}
	descriptor = &descriptors->table[fd];
	descriptor->in_flight++;
	return descriptor;
}

static inline void zok__descriptors_end(struct zok__descriptors *descriptors, int fd, bool was_counted)
{
	if (ZOK_LIKELY(was_counted))
		descriptors->table[fd].in_flight--;
	else
		descriptors->uncounted--;
}

static inline bool zok__descriptors_is_counted(const struct zok__descriptors *descriptors, int fd)
{
	const struct zok__descriptor *descriptor = zok__descriptors_find(descriptors, fd);

	return descriptor && descriptor->in_flight > 0;
}

#endif
