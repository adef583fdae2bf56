/*
 * Direct descriptors: those that do many ops get a slot in the ring's own file table, and their ops name the slot. The kernel then neither
 * looks the number up in the process's table nor takes and drops a reference on the file, an atomic each, for every op.
 *
 * The plain descriptor stays open beside it, so nothing above the engine knows. What follows from that:
 *
 *   1. A slot keeps its file open. The engine's close empties it first; only then is the file closed and the peer told.
 *   2. A slot costs an op to fill and one to empty, so a descriptor gets one only when it has had as many ops as those two are worth.
 *   3. The kernel chooses the slots (IORING_FILE_INDEX_ALLOC), many in one op. They are used once its completion says which they are.
 *   4. Whoever closes the number behind the engine's back leaves the file open until the number comes back: an accept, an open or a connect that meets
 *      a slot under its number empties it. net.h forbids such a close.
 *   5. Where the table is full or the kernel refuses, the descriptor is used as it is.
 */
#ifndef URING_DIRECT_H
#define URING_DIRECT_H

#include <stdbool.h>
#include <stdint.h>

enum { ZOK__DIRECT_BATCH_MAX = 64 };

struct zok__direct {
	uint32_t size;	     /* of the table; 0: there is none */
	uint32_t used_count; /* slots filled, or promised to those in the batch */
	uint8_t after_ops;   /* how many make a descriptor worth a slot */
	bool is_in_flight;   /* the kernel has the batch */
	uint16_t batch_count;
	int32_t numbers[ZOK__DIRECT_BATCH_MAX];
	int32_t slots[ZOK__DIRECT_BATCH_MAX]; /* the same numbers to the kernel, which writes the slots over them */
};

#endif
