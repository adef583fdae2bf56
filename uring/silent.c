/*
 * Sends whose success posts no completion. One that may not wait (MSG_DONTWAIT) ends while it is handed over: once the kernel's head has passed its
 * SQE, and the completion queue was read after that, silence means that all of it was taken. A failure or a short send posts its completion
 * (IOSQE_CQE_SKIP_SUCCESS holds for successes, and MSG_WAITALL makes less than all a failure: io_uring_enter(2), io_send() in io_uring/net.c).
 *
 * While completions are kept back for want of room in the queue (CQ_OVERFLOW) a failure may be among them, so nothing is settled.
 */
#include "uring/uring.h"

/* Under SQPOLL the kernel's head moves before the send was tried. */
bool zok__uring_silent_can(const struct zok__uring *uring, const struct zok_op *op)
{
	return (op->kind == ZOK_OP_SEND || op->kind == ZOK_OP_SENDMSG) && !uring->is_sqpoll && uring->silent_count < ZOK__URING_SILENT_MAX;
}

/* The SQE is the last that was taken. */
void zok__uring_silent_note(struct zok__uring *uring, struct zok_op *op, struct io_uring_sqe *sqe)
{
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->msg_flags |= MSG_DONTWAIT | MSG_WAITALL;
	uring->silent[uring->silent_count++] = (struct zok__uring_silent){.tag = sqe->user_data, .op = op, .sq_end = uring->sq_tail};
}

/* Whether the owner of one has begun to wait. Rarely more than a few: those of one turn. */
bool zok__uring_silent_is_awaited(const struct zok__uring *uring)
{
	for (uint32_t i = 0; i < uring->silent_count; i++)
		if (zok__slots_find(&uring->slots, uring->silent[i].tag) && !uring->silent[i].op->is_silent)
			return true;
	return false;
}

/* How many of the first the kernel has taken. */
static uint32_t count_taken(const struct zok__uring *uring, uint32_t sq_head)
{
	uint32_t count = 0;

	while (count < uring->silent_count && (int32_t)(sq_head - uring->silent[count].sq_end) >= 0)
		count++;
	return count;
}

/* What it took, being done in full. */
static size_t length_of(const struct zok_op *op)
{
	const struct msghdr *header = op->arg.message.header;
	size_t len = 0;

	if (op->kind == ZOK_OP_SEND)
		return op->arg.buffer.len;
	for (size_t i = 0; i < header->msg_iovlen; i++)
		len += header->msg_iov[i].iov_len;
	return len;
}

/* It failed, and its completion told so already, or the whole was sent. */
static unsigned settle(struct zok__uring *uring, const struct zok__uring_silent *silent)
{
	struct zok_op *op = zok__slots_find(&uring->slots, silent->tag);
	struct zok_completion completion = {0};

	if (!op)
		return 0;
	completion.result = (int32_t)length_of(op);
	zok__uring_finish_op(uring, op, &completion);
	return 1;
}

static void drop_first(struct zok__uring *uring, uint32_t count)
{
	uring->silent_count -= count;
	for (uint32_t i = 0; i < uring->silent_count; i++)
		uring->silent[i] = uring->silent[i + count];
}

/*
 * `sq_head` is what the kernel had taken before the completion queue was read. Returns how many ops it completed. Their receivers may submit, and
 * even enter the kernel for room: what they add stands behind those that are settled here.
 */
unsigned zok__uring_silent_settle(struct zok__uring *uring, uint32_t sq_head)
{
	uint32_t count = count_taken(uring, sq_head);
	unsigned delivered = 0;

	for (uint32_t i = 0; i < count; i++)
		delivered += settle(uring, &uring->silent[i]);
	drop_first(uring, count);
	zok__count(&uring->counters->stats.completions, delivered);
	return delivered;
}
