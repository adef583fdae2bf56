/* Completions: from the kernel's queue to the ops that they belong to. */
#include "core/log.h"
#include "uring/uring.h"

#include <fcntl.h>
#include <string.h>

/* Whether the kernel may have ended a multishot of itself, with nothing wrong: the engine undoes that. */
static bool is_repeated(const struct zok_op *op, int result)
{
	return (op->kind == ZOK_OP_ACCEPT && result >= 0) || (zok__op_fills_buffers(op) && result > 0);
}

/* A buffer that came without data (a cancel or an end met a receive that had chosen one) goes back at once. */
static struct zok_buf *take_buffer(struct zok__uring *uring, int result, uint32_t flags)
{
	uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);

	if (result > 0)
		return zok__bufs_give(uring->bufs, id, (uint32_t)result);
	zok__uring_buffers_give_back(uring, id);
	return NULL;
}

static void count_shortage(struct zok__uring *uring, const struct zok_op *op, int result)
{
	if (result == -ENOBUFS && zok__op_fills_buffers(op))
		zok__count(&uring->counters->stats.buffer_shortages, 1);
	else if ((result == -EMFILE || result == -ENFILE) && op->kind == ZOK_OP_ACCEPT)
		zok__count(&uring->counters->stats.fd_shortages, 1);
}

static unsigned end(struct zok__uring *uring, struct zok_op *op, const struct zok_completion *completion)
{
	if (ZOK_UNLIKELY(completion->result < 0))
		count_shortage(uring, op, completion->result);
	zok__uring_finish_op(uring, op, completion);
	return 1;
}

/*
 * A multishot ended of itself. It is armed again before this completion is delivered, so that the receiver finds it in flight and may cancel
 * it; where it was cancelled already, what came first is delivered and the end follows.
 */
static unsigned repeat(struct zok__uring *uring, struct zok_op *op, struct zok_completion *completion)
{
	const struct zok_completion canceled = {.result = -ECANCELED};
	bool is_canceled = op->engine_state & ZOK__URING_OP_CANCELED;

	completion->has_more = true;
	if (!is_canceled)
		zok__uring_submit_again(uring, op);
	op->deliver(op, completion);
	return 1 + (is_canceled ? end(uring, op, &canceled) : 0);
}

/* What follows the poll, or what makes one needed: the next step's bits, or -1 when the op ends with completion->result. */
static int next_step(const struct zok__uring *uring, const struct zok_op *op, unsigned step, struct zok_completion *completion)
{
	bool is_receive = zok__op_fills_buffers(op), is_splice = op->kind == ZOK_OP_SPLICE;
	int result = completion->result;

	if (step == 0 && is_receive && result == -ENOBUFS)
		return ZOK__URING_OP_POLLS_IN;
	if (step == 0 && is_splice && result == -EAGAIN && !(op->arg.splice.flags & SPLICE_F_NONBLOCK))
		return ZOK__URING_OP_POLLS_IN;
	if (step == 0 || result < 0)
		return -1;
	if (is_splice)
		return step == ZOK__URING_OP_POLLS_IN ? ZOK__URING_OP_POLLS_OUT : 0;
	if (uring->bufs->out_count < uring->bufs->count)
		return 0;
	completion->result = -ENOBUFS;
	return -1;
}

/*
 * Three kinds may need more than one step. A write with its sync is files.c's. A receive that found no buffer is told so by the kernel before anything has arrived: it is polled
 * until something has, and only if there is no buffer then either it is a shortage. (RECVSEND_POLL_FIRST would do it in one step, but with
 * bytes and the end both there, kernels from 6.17 on tell the bytes only, on a Unix socket.) A splice begins with a poll of each of its ends in
 * turn (submit.c says why), and does so again where it finds one not ready after all and that one is O_NONBLOCK.
 */
static bool goes_on(struct zok__uring *uring, struct zok_op *op, struct zok_completion *completion)
{
	unsigned step = op->engine_state & ZOK__URING_OP_POLLS;
	int next;

	if (op->kind == ZOK_OP_FILE_WRITE_SYNC)
		return zok__uring_file_goes_on(uring, op, completion);
	op->engine_state &= (uint8_t)~ZOK__URING_OP_POLLS;
	if (op->engine_state & ZOK__URING_OP_CANCELED) {
		completion->result = step != 0 ? -ECANCELED : completion->result;
		return false;
	}
	next = next_step(uring, op, step, completion);
	if (next < 0)
		return false;
	op->engine_state |= (uint8_t)next;
	zok__uring_submit_again(uring, op);
	return true;
}

/* Whether goes_on() has to be asked; rarely. */
static bool may_go_on(const struct zok_op *op, int result)
{
	return op->kind == ZOK_OP_FILE_WRITE_SYNC || (op->engine_state & ZOK__URING_OP_POLLS) || result == -ENOBUFS || result == -EAGAIN;
}

/* What matches no op: our own SQEs, and what came for an op that has ended, whose buffer must not be lost. */
static void complete_own(struct zok__uring *uring, uint64_t tag, int32_t result, uint32_t flags)
{
	if (tag == ZOK__URING_TAG_WAKE)
		zok__uring_wake_seen(uring, flags & IORING_CQE_F_MORE);
	else if (tag == ZOK__URING_TAG_RUNG)
		zok__uring_rung(uring);
	else if (tag == ZOK__URING_TAG_JOINED)
		zok__uring_direct_joined(uring, result);
	else if (tag == ZOK__URING_TAG_NOT_LEFT)
		zok__log(ZOK_LOG_ERROR, "io_uring: a slot of the file table keeps its file open: %s", strerror(-result));
	else if (tag & ZOK__URING_TAG_NOT_RUNG && tag < 1ull << 32)
		zok__uring_not_rung(tag);
	else if (flags & IORING_CQE_F_BUFFER)
		zok__uring_buffers_give_back(uring, (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT));
}

/* io_splice() lets the kernel's own ERESTARTSYS through. */
enum { ERESTARTSYS_OF_KERNEL = 512 };

/* A cancel reaches what blocks in a worker of the kernel as a signal. */
static int32_t unless_interrupted(const struct zok_op *op, int32_t result)
{
	if (result != -EINTR && result != -ERESTARTSYS_OF_KERNEL)
		return result;
	return op->engine_state & ZOK__URING_OP_CANCELED ? -ECANCELED : -EINTR;
}

static unsigned complete(struct zok__uring *uring, uint64_t tag, int32_t result, uint32_t flags)
{
	struct zok_op *op = zok__slots_find(&uring->slots, tag);
	struct zok_completion completion = {.result = result, .has_more = flags & IORING_CQE_F_MORE};

	if (ZOK_UNLIKELY(!op)) {
		complete_own(uring, tag, result, flags);
		return 0;
	}
	if (ZOK_UNLIKELY(result < 0))
		completion.result = result = unless_interrupted(op, result);
	if (ZOK_UNLIKELY(uring->direct.size > 0 && result >= 0 && (op->kind == ZOK_OP_ACCEPT || op->kind == ZOK_OP_FILE_OPEN)))
		zok__uring_direct_forget(uring, result);
	if (flags & IORING_CQE_F_BUFFER)
		completion.buf = take_buffer(uring, result, flags);
	if (ZOK_UNLIKELY(may_go_on(op, result)) && goes_on(uring, op, &completion))
		return 0;
	if (!completion.has_more)
		return is_repeated(op, completion.result) ? repeat(uring, op, &completion) : end(uring, op, &completion);
	op->deliver(op, &completion);
	return 1;
}

/* The next op's lines are fetched while this one is delivered. */
static void prefetch_op(const struct zok__uring *uring, uint64_t tag)
{
	const struct zok_op *op = zok__slots_find(&uring->slots, tag);

	__builtin_prefetch(op);
}

/*
 * Delivers what is in the queue now and returns how many completions that were. The head moves on before each delivery, so that a submit
 * within it that has to enter the kernel can publish it and make room.
 */
unsigned zok__uring_reap(struct zok__uring *uring)
{
	const struct io_uring_cq *cq = &uring->ring.cq;
	const uint32_t tail = __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE); /* pairs with the kernel's release: the entries are there */
	const uint32_t mask = cq->ring_mask;
	unsigned delivered = 0;

	if (uring->cq_head == tail)
		return 0;
	while (uring->cq_head != tail) {
		const struct io_uring_cqe *cqe = &cq->cqes[uring->cq_head & mask];

		prefetch_op(uring, cq->cqes[(uring->cq_head + 1) & mask].user_data);
		uring->cq_head++;
		delivered += complete(uring, cqe->user_data, cqe->res, cqe->flags);
	}
	__atomic_store_n(cq->khead, uring->cq_head, __ATOMIC_RELEASE); /* our reads of the entries are done: the kernel may write them */
	zok__count(&uring->counters->stats.completions, delivered);
	return delivered;
}
