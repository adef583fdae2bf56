/* A close ends those who wait on its descriptor, and is done after the last of them; and so does an op that forgets it. */
#include "uring/uring.h"

static bool is_on(const struct zok_op *op, int fd)
{
	return op && op->fd == fd && !zok__uring_lets_go(op) && op->kind != ZOK_OP_NOP;
}

/* Every op of this descriptor that is in flight: is there one? `visit` may be NULL. Linear in all that is in flight: a rare way to close. */
static bool find_all(struct zok__uring *uring, int fd, void (*visit)(struct zok__engine *engine, struct zok_op *op))
{
	bool has_found = false;

	for (uint32_t i = 0; i < uring->slots.count; i++) {
		struct zok_op *op = uring->slots.table[i].op;

		if (!is_on(op, fd))
			continue;
		has_found = true;
		if (visit)
			visit(&uring->engine, op);
	}
	for (struct zok_op *op = uring->waiting.first; op; op = op->engine_next) {
		if (!is_on(op, fd))
			continue;
		has_found = true;
		if (visit)
			visit(&uring->engine, op);
	}
	return has_found;
}

static bool is_in_use(struct zok__uring *uring, int fd)
{
	return zok__descriptors_is_counted(&uring->descriptors, fd) ||
	       (ZOK_UNLIKELY(uring->descriptors.uncounted > 0) && find_all(uring, fd, NULL));
}

/* True: the close waits in `closing`, and those it waits for are asked to end. A descriptor on its way into the file table is there soon. */
bool zok__uring_close_waits(struct zok__uring *uring, struct zok_op *op)
{
	bool has_ops = is_in_use(uring, op->fd);

	if (ZOK_LIKELY(!has_ops && !zok__uring_direct_is_joining(uring, op->fd)))
		return false;
	if (has_ops)
		find_all(uring, op->fd, zok__uring_cancel);
	zok__uring_queue_push(&uring->closing, op);
	return true;
}

/* An op, or a way into the file table, has ended while closes wait: those whose descriptor is free now go on. */
void zok__uring_close_go_on(struct zok__uring *uring)
{
	struct zok__uring_queue all = uring->closing;

	uring->closing = (struct zok__uring_queue){NULL};
	while (!zok__uring_queue_is_empty(&all)) {
		struct zok_op *op = zok__uring_queue_pop(&all);

		if (is_in_use(uring, op->fd) || zok__uring_direct_is_joining(uring, op->fd))
			zok__uring_queue_push(&uring->closing, op);
		else
			zok__uring_submit_again(uring, op);
	}
}
