/*
 * wake() and wake_by(): an eventfd, and messages from ring to ring.
 *
 * The eventfd is polled by the ring, multishot. It is not read as long as the poll lives: each write makes the poll fire, whatever the
 * counter holds, and the counter would need centuries to run over. Any thread may write it, also a signal handler.
 *
 * A message (IORING_OP_MSG_RING, 5.18) is posted from the waking core's ring to the woken one's, as a completion there: no file between them, but
 * only a core with a ring of its own can send one. Which is faster differs from machine to machine: runtime/calibrate.c measures.
 */
#include "uring/uring.h"

#include "core/park.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int zok__uring_wake_init(struct zok__uring *uring)
{
	uring->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (uring->wake_fd < 0)
		return -errno;
	uring->is_wake_unarmed = true;
	zok__uring_wake_arm(uring);
	return 0;
}

void zok__uring_wake_finish(struct zok__uring *uring)
{
	if (uring->wake_fd >= 0)
		close(uring->wake_fd);
}

/* Does nothing when there is no SQE now: the next wait tries again. */
void zok__uring_wake_arm(struct zok__uring *uring)
{
	struct io_uring_sqe *sqe = zok__uring_take_sqe(uring);

	if (!sqe)
		return;
	io_uring_prep_poll_multishot(sqe, uring->wake_fd, POLLIN);
	sqe->user_data = ZOK__URING_TAG_WAKE;
	uring->is_wake_unarmed = false;
}

/*
 * The poll fired. Where it ended with that, the counter is emptied first, lest a new poll fire at once for a write that was seen. A waker
 * whose write is swallowed here has raised is_woken before it, so it is seen by the exchange, and this wait returns for it.
 */
void zok__uring_wake_seen(struct zok__uring *uring, bool is_still_armed)
{
	uint64_t count;

	if (!is_still_armed) {
		ssize_t ignored = read(uring->wake_fd, &count, sizeof count);

		(void)ignored; /* -EAGAIN: nobody has written since */
		uring->is_wake_unarmed = true;
	}
	zok__woken_clear(&uring->is_woken);
}

static void write_wake_fd(int wake_fd)
{
	const uint64_t one = 1;
	int saved_errno = errno;
	/* Cannot fail: the counter is far from its limit, and an eventfd's write is not interrupted. */
	ssize_t ignored = write(wake_fd, &one, sizeof one);

	(void)ignored;
	errno = saved_errno;
}

void zok__uring_wake(struct zok__engine *engine)
{
	struct zok__uring *uring = zok__uring_of(engine);

	if (zok__woken_raise(&uring->is_woken))
		write_wake_fd(uring->wake_fd);
}

/* The kernel has not taken the SQE (it had no memory, or wants its completions read first), or refused it: that must not wait for our next turn. */
static bool was_not_rung(const struct zok__uring *from, uint32_t sq_end, uint64_t tag)
{
	const struct io_uring_cq *cq = &from->ring.cq;
	uint32_t tail = __atomic_load_n(cq->ktail, __ATOMIC_ACQUIRE); /* the entries below it are there */

	if ((int32_t)(__atomic_load_n(from->ring.sq.khead, __ATOMIC_ACQUIRE) - sq_end) < 0)
		return true;
	for (uint32_t at = from->cq_head; at != tail; at++)
		if (cq->cqes[at & cq->ring_mask].user_data == tag)
			return true;
	return false;
}

/*
 * Handed over at once, with whatever else is in the queue: a core that sleeps is not kept waiting for the end of our turn. Silent where it succeeds;
 * where it fails, our own completion says so, and the eventfd does it: a wake-up too many is harmless.
 */
static void ring(struct zok__uring *from, const struct zok__uring *to)
{
	struct io_uring_sqe *sqe = zok__uring_take_sqe(from);
	uint32_t sq_end = from->sq_tail;
	uint64_t tag;

	if (!sqe) {
		write_wake_fd(to->wake_fd);
		return;
	}
	io_uring_prep_msg_ring(sqe, to->ring.ring_fd, 0, ZOK__URING_TAG_RUNG, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = tag = ZOK__URING_TAG_NOT_RUNG | (unsigned)to->wake_fd;
	zok__uring_flush(from);
	if (ZOK_UNLIKELY(was_not_rung(from, sq_end, tag)))
		write_wake_fd(to->wake_fd);
}

/* An SQPOLL thread would have to take it first, which may sleep itself. */
bool zok__uring_wake_by(struct zok__engine *engine, struct zok__engine *from_engine)
{
	struct zok__uring *to = zok__uring_of(engine), *from = zok__uring_of(from_engine);

	if (from->abilities.msg_ring_error < 0 || from->is_sqpoll)
		return false;
	if (zok__woken_raise(&to->is_woken))
		ring(from, to);
	return true;
}

void zok__uring_rung(struct zok__uring *uring)
{
	zok__woken_clear(&uring->is_woken);
}

/* The engine whose eventfd it is stands until all loops are over, and so until nobody reaps this. */
void zok__uring_not_rung(uint64_t tag)
{
	write_wake_fd((int)(tag & (ZOK__URING_TAG_NOT_RUNG - 1)));
}
