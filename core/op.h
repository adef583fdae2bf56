/* How core, engines and net make and complete operations. */
#ifndef CORE_OP_H
#define CORE_OP_H

#include "zokio/op.h"

/* Prepares an op of `kind` on `fd`; the caller fills op->arg. By default a completion makes the future ready (and must be the last one). */
void zok__op_prepare(struct zok_op *op, enum zok_op_kind kind, int fd);

/* Submits an op outside of an await, for the owner of a multishot. The future counts as pending. */
void zok__op_start(struct zok_op *op);

/* Asks for the end of an op in flight. */
void zok__op_cancel(struct zok_op *op);

/* Whether the engine still owns it. */
static inline bool zok__op_is_in_flight(const struct zok_op *op)
{
	return op->future.state == ZOK_FUTURE_PENDING;
}

#endif
