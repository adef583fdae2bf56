/*
 * wake(): an eventfd that the ring polls, multishot. It is not read as long as the poll lives: each write makes the poll fire, whatever the
 * counter holds, and the counter would need centuries to run over.
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

void zok__uring_wake(struct zok__engine *engine)
{
	struct zok__uring *uring = zok__uring_of(engine);
	const uint64_t one = 1;
	int saved_errno = errno;
	ssize_t ignored;

	if (!zok__woken_raise(&uring->is_woken))
		return;
	ignored = write(uring->wake_fd, &one, sizeof one);
	(void)ignored; /* cannot fail: the counter is far from its limit, and an eventfd's write is not interrupted */
	errno = saved_errno;
}
