/* Operations as futures: from the await to the engine and back. */
#include "core/op.h"

#include "core/core.h"

/* What a completion does unless the op's owner wants it otherwise. */
static void op_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	zok_future_complete(&op->future, completion->result);
}

void zok__op_start(struct zok_op *op)
{
	struct zok_core *core = zok__core();

	op->future.state = ZOK_FUTURE_PENDING;
	zok__count(&core->counters->stats.ops[op->kind], 1);
	core->engine->ops->submit(core->engine, op);
}

void zok__op_cancel(struct zok_op *op)
{
	struct zok_core *core = zok__core();

	zok__count(&core->counters->stats.cancels, 1);
	core->engine->ops->cancel(core->engine, op);
}

/* The engine may answer from within submit: then there is nobody to wake, for whoever waits is polling. */
static bool op_poll(struct zok_future *future)
{
	struct zok_waker *waker = future->waker;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	future->waker = NULL;
	zok__op_start((struct zok_op *)(void *)future);
	if (zok_future_is_ready(future))
		return true;
	future->waker = waker;
	return false;
}

static void op_cancel(struct zok_future *future)
{
	zok__op_cancel((struct zok_op *)(void *)future);
}

static const struct zok_future_ops op_ops = {.poll = op_poll, .cancel = op_cancel, .name = "an operation of the engine"};

void zok__op_prepare(struct zok_op *op, enum zok_op_kind kind, int fd)
{
	zok_future_prepare(&op->future, &op_ops);
	op->deliver = op_deliver;
	op->engine_next = NULL;
	op->handle = 0;
	op->kind = (uint8_t)kind;
	op->engine_state = 0;
	op->is_silent = false;
	op->fd = fd;
}
