/* The one door to the kernel: io_uring_enter hands over, waits and takes in one call. */
#include "core/log.h"
#include "uring/uring.h"
#include "zokio/atomic.h"

#include <linux/time_types.h>
#include <stdlib.h>
#include <string.h>

/* How long a core sleeps at most while ops wait for memory or room: nothing may tell it when there is some. */
enum { SHORTAGE_RETRY_NS = 1000000 };

static uint32_t sq_flags(const struct zok__uring *uring)
{
	return __atomic_load_n(uring->ring.sq.kflags, __ATOMIC_RELAXED); /* a hint; what it stands for is looked at by the kernel itself */
}

static bool has_completions(const struct zok__uring *uring)
{
	return __atomic_load_n(uring->ring.cq.ktail, __ATOMIC_RELAXED) != uring->cq_head; /* the reap acquires */
}

/* All that was filled becomes the kernel's; so do the buffers given back, before it could look for one. */
static void publish(struct zok__uring *uring)
{
	zok__uring_buffers_publish(uring);
	__atomic_store_n(uring->ring.sq.ktail, uring->sq_tail, __ATOMIC_RELEASE); /* the SQEs are seen with it */
}

/* Without SQPOLL only our own enter moves the head. */
static uint32_t unsubmitted(const struct zok__uring *uring)
{
	return uring->sq_tail - __atomic_load_n(uring->ring.sq.khead, __ATOMIC_RELAXED);
}

/*
 * Not errors: EINTR, ETIME (the wait is over), EAGAIN, ENOMEM, EBUSY (no memory for requests, or completions have to be taken first: what was
 * not submitted stays in the queue for the next call).
 */
static void check_enter(int rc)
{
	if (ZOK_LIKELY(rc >= 0 || rc == -EINTR || rc == -ETIME || rc == -EAGAIN || rc == -ENOMEM || rc == -EBUSY))
		return;
	/* EBADR: the kernel lost completions for want of memory; ops would wait for ever. Anything else is a fault of ours. */
	zok__log(ZOK_LOG_ERROR, "io_uring_enter: %s: the ring cannot go on", strerror(-rc));
	abort();
}

static void enter(struct zok__uring *uring, uint32_t to_submit, uint32_t min_complete, uint32_t flags, uint64_t timeout_ns)
{
	struct __kernel_timespec timeout;
	struct io_uring_getevents_arg arg = {.ts = (uintptr_t)&timeout};
	bool is_bounded = min_complete > 0 && timeout_ns != ZOK_NEVER;

	if (to_submit > 0)
		zok__count(&uring->counters->stats.submits, 1);
	if (min_complete > 0)
		zok__count(&uring->counters->stats.waits, 1);
	flags |= uring->enter_flags;
	if (is_bounded) {
		timeout.tv_sec = (int64_t)(timeout_ns / ZOK_S);
		timeout.tv_nsec = (long long)(timeout_ns % ZOK_S);
		flags |= IORING_ENTER_EXT_ARG;
	}
	check_enter(io_uring_enter2((unsigned)uring->ring.enter_ring_fd, to_submit, min_complete, flags, is_bounded ? (void *)&arg : NULL,
				    is_bounded ? sizeof arg : 0));
}

/*
 * The poll thread's wake-up. It raises NEED_WAKEUP, then looks at the tail once more before it sleeps; we have stored the tail and then look
 * at the flag. Only a full barrier between the store and the load keeps both from missing each other.
 */
static uint32_t sqpoll_wakeup_flag(const struct zok__uring *uring)
{
	ZOK__FENCE_SEQ_CST();
	return sq_flags(uring) & IORING_SQ_NEED_WAKEUP ? IORING_ENTER_SQ_WAKEUP : 0;
}

/*
 * Hands over what there is, without waiting for a completion: the queue is full. What a reap under way has taken is published first, so that
 * the kernel finds room. An SQPOLL thread is waited for: it is awake and busy.
 */
void zok__uring_flush(struct zok__uring *uring)
{
	publish(uring);
	__atomic_store_n(uring->ring.cq.khead, uring->cq_head, __ATOMIC_RELEASE);
	if (uring->is_sqpoll)
		enter(uring, 0, 0, IORING_ENTER_SQ_WAIT | sqpoll_wakeup_flag(uring), ZOK_NEVER);
	else
		enter(uring, unsubmitted(uring), 0, 0, ZOK_NEVER);
}

/*
 * Sleeps only if the completion queue is empty. With nothing to submit and nothing that the kernel asks for (deferred work, completions
 * that did not fit), a wait that may not sleep costs no system call.
 */
static void enter_own(struct zok__uring *uring, uint64_t timeout_ns)
{
	uint32_t to_submit = unsubmitted(uring);
	bool is_ready = has_completions(uring);
	bool may_sleep = timeout_ns > 0 && !is_ready && !zok__uring_silent_is_awaited(uring);

	if (to_submit > 0 || may_sleep || (!is_ready && sq_flags(uring) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))
		enter(uring, to_submit, may_sleep, IORING_ENTER_GETEVENTS, timeout_ns);
}

static void enter_sqpoll(struct zok__uring *uring, uint64_t timeout_ns)
{
	uint32_t wakeup = sqpoll_wakeup_flag(uring);
	bool is_ready = has_completions(uring);
	bool may_sleep = timeout_ns > 0 && !is_ready;

	if (may_sleep || (!is_ready && sq_flags(uring) & IORING_SQ_CQ_OVERFLOW))
		enter(uring, 0, may_sleep, IORING_ENTER_GETEVENTS | wakeup, timeout_ns);
	else if (wakeup)
		enter(uring, 0, 0, wakeup, ZOK_NEVER);
}

static bool has_waiting(const struct zok__uring *uring)
{
	return !zok__uring_queue_is_empty(&uring->waiting) || !zok__uring_queue_is_empty(&uring->cancels) || uring->is_wake_unarmed;
}

/* Bounds the sleep while something waits for room. */
static uint64_t bounded(const struct zok__uring *uring, uint64_t timeout_ns)
{
	return has_waiting(uring) && timeout_ns > SHORTAGE_RETRY_NS ? SHORTAGE_RETRY_NS : timeout_ns;
}

int zok__uring_wait(struct zok__engine *engine, uint64_t timeout_ns)
{
	struct zok__uring *uring = zok__uring_of(engine);
	unsigned delivered = 0;
	uint32_t sq_head;
	bool is_overflown;

	if (ZOK_UNLIKELY(has_waiting(uring))) {
		delivered = zok__uring_pump(uring);
		timeout_ns = delivered > 0 ? 0 : bounded(uring, timeout_ns);
	}
	if (ZOK_UNLIKELY(zok__offload_has_ended(&uring->offload)) && (delivered += zok__uring_files_take(uring)) > 0)
		timeout_ns = 0;
	if (ZOK_UNLIKELY(uring->direct.batch_count > 0) && !uring->direct.is_in_flight)
		zok__uring_direct_hand_over(uring);
	publish(uring);
	if (uring->is_sqpoll)
		enter_sqpoll(uring, timeout_ns);
	else
		enter_own(uring, timeout_ns);
	is_overflown = sq_flags(uring) & IORING_SQ_CQ_OVERFLOW;
	if (ZOK_UNLIKELY(is_overflown))
		zok__count(&uring->counters->stats.cq_overflows, 1);
	/* Before the completions are read: those of what lies below are there. */
	uring->sq_head_seen = sq_head = __atomic_load_n(uring->ring.sq.khead, __ATOMIC_ACQUIRE);
	delivered += zok__uring_reap(uring);
	if (uring->silent_count > 0 && ZOK_LIKELY(!is_overflown))
		delivered += zok__uring_silent_settle(uring, sq_head);
	if (ZOK_UNLIKELY(zok__offload_has_ended(&uring->offload)))
		delivered += zok__uring_files_take(uring);
	return (int)delivered;
}
