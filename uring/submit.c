/* From op to SQE, and what happens where there is no room for one. */
#include "core/dgram_head.h"
#include "uring/uring.h"

#include <fcntl.h>
#include <poll.h>

/* The handle of an op that waits for a slot: in flight for its owner, unknown to the table. */
enum { NO_SLOT_YET = UINT32_MAX };

/* What one op moves at most (the kernel's MAX_RW_COUNT): a length in an SQE has 32 bits, a result 31. The rest is the next op's. */
static uint32_t clamp(size_t len)
{
	return len < 0x7ffff000 ? (uint32_t)len : 0x7ffff000;
}

static void fill_buffer(struct io_uring_sqe *sqe, uint8_t opcode, const struct zok_op *op)
{
	*sqe = (struct io_uring_sqe){
		.opcode = opcode,
		.fd = op->fd,
		.off = op->arg.buffer.offset,
		.addr = (uintptr_t)op->arg.buffer.base,
		.len = clamp(op->arg.buffer.len),
	};
}

static void fill_message(struct io_uring_sqe *sqe, uint8_t opcode, int32_t fd, const void *addr, size_t len, int flags)
{
	*sqe = (struct io_uring_sqe){
		.opcode = opcode,
		.fd = fd,
		.addr = (uintptr_t)addr,
		.len = clamp(len),
		.msg_flags = (uint32_t)flags,
	};
}

static void fill_recv_buffers(const struct zok__uring *uring, struct io_uring_sqe *sqe, const struct zok_op *op)
{
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_RECV,
		.flags = IOSQE_BUFFER_SELECT,
		.ioprio = uring->recv_ioprio,
		.fd = op->fd,
	};
}

ZOK_STATIC_ASSERT(sizeof(struct zok__dgram_head) == sizeof(struct io_uring_recvmsg_out) &&
			  offsetof(struct zok__dgram_head, payload_len) == offsetof(struct io_uring_recvmsg_out, payloadlen),
		  "the kernel writes heads");

static void fill_recvmsg_buffers(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_RECVMSG,
		.flags = IOSQE_BUFFER_SELECT,
		.ioprio = IORING_RECV_MULTISHOT, /* net/ does not begin it where the probe has found that it does not work */
		.fd = op->fd,
		.addr = (uintptr_t)op->arg.message.header,
		.len = 1,
		.msg_flags = (uint32_t)op->arg.message.flags,
	};
}

static void fill_accept(const struct zok__uring *uring, struct io_uring_sqe *sqe, const struct zok_op *op)
{
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_ACCEPT,
		.ioprio = uring->accept_ioprio,
		.fd = op->fd,
		.accept_flags = SOCK_CLOEXEC,
	};
}

static void fill_connect(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_CONNECT,
		.fd = op->fd,
		.off = op->arg.address.len,
		.addr = (uintptr_t)op->arg.address.addr,
	};
}

static void fill_splice(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_SPLICE,
		.fd = op->arg.splice.fd_out,
		.off = UINT64_MAX, /* none: both ends at their own position */
		.splice_off_in = UINT64_MAX,
		.len = op->arg.splice.len,
		.splice_flags = op->arg.splice.flags,
		.splice_fd_in = op->fd,
	};
}

/* The poll mask is two 16-bit halves to the kernel. */
static uint32_t poll_mask(uint32_t events)
{
	return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? events << 16 | events >> 16 : events;
}

static void fill_plain(struct io_uring_sqe *sqe, uint8_t opcode, int32_t fd, uint32_t len, uint32_t flags)
{
	*sqe = (struct io_uring_sqe){.opcode = opcode, .fd = fd, .len = len, .poll32_events = flags};
}

/* A step of its own: until there is something to receive, or room to splice to. */
static void fill_step(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	if (op->engine_state & ZOK__URING_OP_POLLS_IN)
		fill_plain(sqe, IORING_OP_POLL_ADD, op->fd, 0, poll_mask(POLLIN | POLLRDHUP));
	else
		fill_plain(sqe, IORING_OP_POLL_ADD, op->arg.splice.fd_out, 0, poll_mask(POLLOUT));
}

static void fill_kind(const struct zok__uring *uring, struct io_uring_sqe *sqe, const struct zok_op *op)
{
	switch ((enum zok_op_kind)op->kind) {
	case ZOK_OP_READ: fill_buffer(sqe, IORING_OP_READ, op); break;
	case ZOK_OP_WRITE: fill_buffer(sqe, IORING_OP_WRITE, op); break;
	case ZOK_OP_RECV: fill_message(sqe, IORING_OP_RECV, op->fd, op->arg.buffer.base, op->arg.buffer.len, op->arg.buffer.flags); break;
	case ZOK_OP_RECV_BUFFERS: fill_recv_buffers(uring, sqe, op); break;
	case ZOK_OP_RECVMSG_BUFFERS: fill_recvmsg_buffers(sqe, op); break;
	case ZOK_OP_SEND:
		fill_message(sqe, IORING_OP_SEND, op->fd, op->arg.buffer.base, op->arg.buffer.len, op->arg.buffer.flags | MSG_NOSIGNAL);
		break;
	case ZOK_OP_SENDMSG:
		fill_message(sqe, IORING_OP_SENDMSG, op->fd, op->arg.message.header, 1, op->arg.message.flags | MSG_NOSIGNAL);
		break;
	case ZOK_OP_ACCEPT: fill_accept(uring, sqe, op); break;
	case ZOK_OP_CONNECT: fill_connect(sqe, op); break;
	case ZOK_OP_SHUTDOWN: fill_plain(sqe, IORING_OP_SHUTDOWN, op->fd, (uint32_t)op->arg.shutdown_how, 0); break;
	case ZOK_OP_SPLICE: fill_splice(sqe, op); break;
	case ZOK_OP_POLL: fill_plain(sqe, IORING_OP_POLL_ADD, op->fd, 0, poll_mask(op->arg.poll_events)); break;
	case ZOK_OP_CLOSE: fill_plain(sqe, IORING_OP_CLOSE, op->fd, 0, 0); break;
	default: fill_plain(sqe, IORING_OP_NOP, -1, 0, 0); break; /* FORGET, too: the kernel keeps nothing of a descriptor without ops */
	}
}

static bool has_descriptor(const struct zok_op *op)
{
	return op->kind != ZOK_OP_NOP && !zok__uring_lets_go(op) && op->fd != AT_FDCWD;
}

static void fill(const struct zok__uring *uring, struct io_uring_sqe *sqe, const struct zok_op *op)
{
	if (ZOK_UNLIKELY(op->engine_state & ZOK__URING_OP_POLLS))
		fill_step(sqe, op);
	else
		fill_kind(uring, sqe, op);
	if (uring->direct.size > 0 && has_descriptor(op))
		zok__uring_direct_fill(uring, sqe);
	sqe->user_data = zok__slots_tag(&uring->slots, op);
}

/* Our copy of the kernel's head is stale, or the queue is full: then it is handed over now, if that makes room. */
static __attribute__((noinline)) bool make_room(struct zok__uring *uring)
{
	const struct io_uring_sq *sq = &uring->ring.sq;

	uring->sq_head_seen = __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE); /* the kernel has read the entries below it */
	if (uring->sq_tail - uring->sq_head_seen < sq->ring_entries)
		return true;
	zok__count(&uring->counters->stats.sqe_shortages, 1);
	zok__uring_flush(uring);
	uring->sq_head_seen = __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE);
	return uring->sq_tail - uring->sq_head_seen < sq->ring_entries;
}

/* NULL: the queue is full and the kernel takes nothing just now. An SQE that was taken must be filled before anything else is called. */
struct io_uring_sqe *zok__uring_take_sqe(struct zok__uring *uring)
{
	const struct io_uring_sq *sq = &uring->ring.sq;

	if (ZOK_UNLIKELY(uring->sq_tail - uring->sq_head_seen >= sq->ring_entries) && !make_room(uring))
		return NULL;
	return &sq->sqes[uring->sq_tail++ & sq->ring_mask];
}

/* False: there is no SQE. An op that was issued is the kernel's, or waits in the queue of closes. */
static bool issue(struct zok__uring *uring, struct zok_op *op)
{
	struct io_uring_sqe *sqe;

	if (zok__uring_lets_go(op)) {
		if (zok__uring_close_waits(uring, op))
			return true;
		if (!zok__uring_direct_leave(uring, op->fd))
			return false;
	}
	if (zok__op_is_of_file(op))
		return zok__uring_file_issue(uring, op);
	sqe = zok__uring_take_sqe(uring);
	if (ZOK_UNLIKELY(!sqe))
		return false;
	fill(uring, sqe, op);
	if (op->is_silent && zok__uring_silent_can(uring, op))
		zok__uring_silent_note(uring, op, sqe);
	return true;
}

static __attribute__((noinline)) void enqueue(struct zok__uring *uring, struct zok_op *op)
{
	op->engine_state |= ZOK__URING_OP_WAITS;
	zok__uring_queue_push(&uring->waiting, op);
}

/*
 * A splice into a pipe holds the pipe's lock while it waits for its socket (splice_file_to_pipe(), 6.1 to 6.18): who would take out what lies in
 * the pipe then waits for the next byte to come in, for ever where the peer waits for an answer. So it is let go only when there is
 * something to take and room for it.
 */
static uint8_t first_step(const struct zok_op *op)
{
	return op->kind == ZOK_OP_SPLICE && !(op->arg.splice.flags & SPLICE_F_NONBLOCK) ? ZOK__URING_OP_POLLS_IN : 0;
}

/* Returns the bit to remember it by. A connect begins another life of its descriptor. */
static uint8_t begin_on_descriptor(struct zok__uring *uring, const struct zok_op *op)
{
	struct zok__descriptor *descriptor = zok__descriptors_begin(&uring->descriptors, op->fd);

	if (ZOK_UNLIKELY(!descriptor))
		return 0;
	if (uring->direct.size == 0)
		return ZOK__URING_OP_IS_COUNTED;
	if (op->kind == ZOK_OP_CONNECT)
		zok__uring_direct_forget(uring, op->fd);
	if (descriptor->direct_state == ZOK__DIRECT_OUT && ++descriptor->op_count >= uring->direct.after_ops)
		zok__uring_direct_want(uring, descriptor, op->fd);
	return ZOK__URING_OP_IS_COUNTED;
}

void zok__uring_submit(struct zok__engine *engine, struct zok_op *op)
{
	struct zok__uring *uring = zok__uring_of(engine);

	assert(op->kind < ZOK_OP_KIND_COUNT);
	if (ZOK_UNLIKELY(zok__uring_file_is_answered(op))) {
		zok__uring_file_answer(uring, op);
		return;
	}
	op->engine_state = has_descriptor(op) ? begin_on_descriptor(uring, op) : 0;
	op->engine_state |= first_step(op);
	if (ZOK_UNLIKELY(!zok__slots_take(&uring->slots, op))) {
		zok__count(&uring->counters->stats.sqe_shortages, 1);
		op->handle = NO_SLOT_YET;
		enqueue(uring, op);
	} else if (!zok__uring_queue_is_empty(&uring->waiting) || !issue(uring, op)) {
		enqueue(uring, op);
	}
}

/* A multishot that ended of itself: the same op, the same tag. */
void zok__uring_submit_again(struct zok__uring *uring, struct zok_op *op)
{
	if (!zok__uring_queue_is_empty(&uring->waiting) || !issue(uring, op))
		enqueue(uring, op);
}

static bool issue_cancel(struct zok__uring *uring, const struct zok_op *op)
{
	struct io_uring_sqe *sqe = zok__uring_take_sqe(uring);

	if (!sqe)
		return false;
	/* A success says nothing that the op's own completion does not say. -ENOENT: it has completed; -EALREADY: it will soon. */
	*sqe = (struct io_uring_sqe){
		.opcode = IORING_OP_ASYNC_CANCEL,
		.flags = IOSQE_CQE_SKIP_SUCCESS,
		.fd = -1,
		.addr = zok__slots_tag(&uring->slots, op),
		.user_data = ZOK__URING_TAG_IGNORED,
	};
	return true;
}

/* An op that the kernel has not seen is completed by the next wait: deliver is never called from within cancel. */
void zok__uring_cancel(struct zok__engine *engine, struct zok_op *op)
{
	struct zok__uring *uring = zok__uring_of(engine);

	if (op->handle == 0 || zok__uring_lets_go(op) || (op->engine_state & ZOK__URING_OP_CANCELED))
		return;
	op->engine_state |= ZOK__URING_OP_CANCELED;
	if (op->engine_state & ZOK__URING_OP_WAITS) {
		uring->has_canceled_waiting = true;
	} else if (op->engine_state & ZOK__URING_OP_IS_OFFLOADED) {
		zok__offload_cancel(&uring->offload, op);
	} else if (!issue_cancel(uring, op)) {
		op->engine_state |= ZOK__URING_OP_CANCEL_WAITS;
		zok__uring_queue_push(&uring->cancels, op);
	}
}

/* The last completion: the op is its owner's again before it is delivered. */
void zok__uring_finish_op(struct zok__uring *uring, struct zok_op *op, const struct zok_completion *completion)
{
	if (has_descriptor(op))
		zok__descriptors_end(&uring->descriptors, op->fd, op->engine_state & ZOK__URING_OP_IS_COUNTED);
	if (ZOK_UNLIKELY(op->engine_state & ZOK__URING_OP_CANCEL_WAITS))
		zok__uring_queue_remove(&uring->cancels, op);
	if (ZOK_UNLIKELY(op->handle == NO_SLOT_YET))
		op->handle = 0;
	else
		zok__slots_free(&uring->slots, op);
	op->deliver(op, completion);
	if (ZOK_UNLIKELY(!zok__uring_queue_is_empty(&uring->closing)))
		zok__uring_close_go_on(uring);
}

/* One pass for all that were cancelled since the last, so that many cancels in a long queue stay linear. */
static unsigned end_canceled_waiting(struct zok__uring *uring)
{
	struct zok__uring_queue all = uring->waiting, canceled = {NULL};
	const struct zok_completion completion = {.result = -ECANCELED};
	unsigned delivered = 0;

	uring->waiting = (struct zok__uring_queue){NULL};
	uring->has_canceled_waiting = false;
	while (!zok__uring_queue_is_empty(&all)) {
		struct zok_op *op = zok__uring_queue_pop(&all);

		zok__uring_queue_push(op->engine_state & ZOK__URING_OP_CANCELED ? &canceled : &uring->waiting, op);
	}
	/* Delivered last, when the queues are whole: the receivers may submit and cancel. */
	while (!zok__uring_queue_is_empty(&canceled)) {
		zok__uring_finish_op(uring, zok__uring_queue_pop(&canceled), &completion);
		delivered++;
	}
	zok__count(&uring->counters->stats.completions, delivered);
	return delivered;
}

static void pump_cancels(struct zok__uring *uring)
{
	while (!zok__uring_queue_is_empty(&uring->cancels) && issue_cancel(uring, uring->cancels.first))
		zok__uring_queue_pop(&uring->cancels)->engine_state &= (uint8_t)~ZOK__URING_OP_CANCEL_WAITS;
}

static void requeue_first(struct zok__uring *uring, struct zok_op *op)
{
	op->engine_state |= ZOK__URING_OP_WAITS;
	op->engine_next = uring->waiting.first;
	if (!uring->waiting.first)
		uring->waiting.last = op;
	uring->waiting.first = op;
}

static void pump_waiting(struct zok__uring *uring)
{
	while (!zok__uring_queue_is_empty(&uring->waiting)) {
		struct zok_op *op = uring->waiting.first;

		/* Cancelled since the pass above: for the next one. */
		if (op->engine_state & ZOK__URING_OP_CANCELED)
			break;
		if (op->handle == NO_SLOT_YET && !zok__slots_take(&uring->slots, op))
			break;
		/* Out of the queue first: a close may go on to another. */
		zok__uring_queue_pop(&uring->waiting);
		op->engine_state &= (uint8_t)~ZOK__URING_OP_WAITS;
		if (issue(uring, op))
			continue;
		requeue_first(uring, op);
		break;
	}
}

/* What found no room before, in its order. Returns how many ops it completed: cancelled ones. */
unsigned zok__uring_pump(struct zok__uring *uring)
{
	unsigned delivered = 0;

	if (uring->has_canceled_waiting)
		delivered = end_canceled_waiting(uring);
	if (uring->is_wake_unarmed)
		zok__uring_wake_arm(uring);
	pump_cancels(uring);
	pump_waiting(uring);
	return delivered;
}

void zok__uring_queue_remove(struct zok__uring_queue *queue, struct zok_op *op)
{
	struct zok_op *previous = NULL;

	for (struct zok_op *at = queue->first; at != op; at = at->engine_next)
		previous = at;
	if (previous)
		previous->engine_next = op->engine_next;
	else
		queue->first = op->engine_next;
	if (queue->last == op)
		queue->last = previous;
}
