/*
 * Accept. A multishot op brings descriptors, which queue on the door until somebody takes them; it is armed by the first zok_accept(). When
 * batch_max wait there the multishot is cancelled, and further connections wait in the kernel's backlog. A cancelled accept has nothing to lose.
 *
 * Out of descriptors or memory: the door waits, a little longer each time, and tries again. What will pass is not the caller's to handle.
 */
#include "net/shortage.h"

#include "core/alloc.h"
#include "zokio/task.h"

#include <errno.h>

#define RETRY_FIRST_NS (10 * ZOK_MS)
#define RETRY_LAST_NS  (100 * ZOK_MS)

enum { RING_COUNT_FIRST = 64 };

/* ---- The multishot ---- */

static void accept_deliver(struct zok_op *op, const struct zok_completion *completion);

static void start(struct zok__door *door)
{
	struct zok_socket *socket = &door->socket;

	zok__op_prepare(&socket->recv_op, ZOK_OP_ACCEPT, socket->fd);
	socket->recv_op.deliver = accept_deliver;
	socket->recv_state = ZOK__RECV_ARMED;
	zok__op_start(&socket->recv_op);
}

static bool is_waiting_to_retry(const struct zok__door *door)
{
	return door->retry.future.state == ZOK_FUTURE_PENDING;
}

static void retry_later(struct zok__door *door);

static void start_if_room(struct zok__door *door)
{
	bool is_stopped = door->socket.recv_state == ZOK__RECV_IDLE || door->socket.recv_state == ZOK__RECV_PAUSED;

	if (!is_stopped || door->count > door->batch_max / 2 || is_waiting_to_retry(door) || zok__shortage_is_on(door->socket.net))
		return;
	if (zok__shortage_take_spare(door) == 0) {
		start(door);
	} else {
		zok__count(&door->socket.net->core->counters->stats.fd_shortages, 1);
		retry_later(door);
	}
}

static void stop_taking(struct zok__door *door)
{
	door->socket.recv_state = ZOK__RECV_PAUSING;
	zok__op_cancel(&door->socket.recv_op);
}

void zok__accept_rest(struct zok__door *door)
{
	if (door->socket.recv_state == ZOK__RECV_ARMED && !door->socket.closer)
		stop_taking(door);
}

void zok__accept_resume(struct zok__door *door)
{
	if (door->acceptor && !door->socket.closer)
		start_if_room(door);
}

/* ---- When something is short ---- */

static bool is_shortage(int result)
{
	return result == -EMFILE || result == -ENFILE || result == -ENOMEM || result == -ENOBUFS || result == -ENOSPC;
}

/* A connection that failed before it was accepted; accept(2) names these, and none is the door's fault. */
static bool is_of_connection(int result)
{
	switch (result) {
	case -ECONNABORTED:
	case -EPROTO:
	case -ENETDOWN:
	case -ENOPROTOOPT:
	case -EHOSTDOWN:
	case -ENONET:
	case -EHOSTUNREACH:
	case -EOPNOTSUPP:
	case -ENETUNREACH:
	case -EPERM:
	case -EINTR:
	case -EAGAIN: return true;
	default: return false;
	}
}

/* It has been counted. Two things may be short at once (memory for a socket, and a descriptor for the multishot): one timer serves both. */
static void retry_later(struct zok__door *door)
{
	uint64_t next_ns = door->retry_ns * 2;

	if (is_waiting_to_retry(door))
		return;
	if (door->retry_ns == 0)
		next_ns = RETRY_FIRST_NS;
	door->retry_ns = next_ns < RETRY_LAST_NS ? next_ns : RETRY_LAST_NS;
	zok_timer_prepare(&door->retry, door->retry_ns);
	zok_future_poll(&door->retry.future, &door->on_retry);
}

static void wake_acceptor(const struct zok__door *door);

static void retry(struct zok_waker *waker)
{
	struct zok__door *door = ZOK_CONTAINER_OF(waker, struct zok__door, on_retry);

	if (door->socket.closer || door->is_draining)
		return;
	start_if_room(door);
	if (door->count > 0)
		wake_acceptor(door);
}

int zok__accept_init(struct zok__door *door, unsigned batch_max)
{
	door->fds = zok__allocate(zok_allocator(), RING_COUNT_FIRST * sizeof *door->fds, _Alignof(int));
	if (!door->fds)
		return -ENOMEM;
	door->count_max = RING_COUNT_FIRST;
	door->batch_max = batch_max;
	door->on_retry.wake = retry;
	door->retry.future.state = ZOK_FUTURE_READY;
	return 0;
}

void zok__accept_finish(struct zok__door *door)
{
	zok__release(zok_allocator(), door->fds, door->count_max * sizeof *door->fds);
}

/* ---- What the engine brings ---- */

static void end_drained(struct zok__door *door);

static void ended(struct zok__door *door, int result)
{
	struct zok_socket *socket = &door->socket;
	bool was_pausing = socket->recv_state == ZOK__RECV_PAUSING;

	socket->recv_op.future.state = ZOK_FUTURE_READY;
	socket->recv_state = was_pausing ? ZOK__RECV_PAUSED : ZOK__RECV_IDLE;
	if (socket->closer)
		return;
	if (door->is_draining) {
		end_drained(door);
	} else if (is_shortage(result)) {
		retry_later(door);
	} else if (result >= 0 || result == -ECANCELED || is_of_connection(result)) {
		if (door->acceptor)
			start_if_room(door);
	} else {
		socket->recv_state = ZOK__RECV_ENDED;
		socket->recv_result = result;
	}
}

/* A ring of twice the size. Where that cannot be had the newest connection is what goes. */
static int grow(struct zok__door *door)
{
	unsigned count_max = 2 * door->count_max;
	int *fds = zok__allocate(zok_allocator(), count_max * sizeof *fds, _Alignof(int));

	if (!fds)
		return -ENOMEM;
	for (unsigned i = 0; i < door->count; i++)
		fds[i] = door->fds[(door->head + i) & (door->count_max - 1)];
	zok__release(zok_allocator(), door->fds, door->count_max * sizeof *fds);
	door->fds = fds;
	door->head = 0;
	door->count_max = count_max;
	return 0;
}

/* io_uring accepts all that the backlog holds before we see the first of it: the ring takes what comes, however much was asked for. */
static void queue_push(struct zok__door *door, int fd)
{
	door->retry_ns = 0;
	if (ZOK_UNLIKELY(door->count == door->count_max) && grow(door) < 0) {
		zok__sys_close(fd);
		return;
	}
	door->fds[(door->head + door->count) & (door->count_max - 1)] = fd;
	door->count++;
}

/* Nobody accepts there any more but we, who do not wait. What comes in between the last look and the shutdown is reset. */
static void end_drained(struct zok__door *door)
{
	struct zok_socket *socket = &door->socket;
	int fd;

	while ((fd = zok__sys_accept_now(socket->fd)) >= 0)
		queue_push(door, fd);
	zok__sys_shut(socket->fd);
	socket->recv_state = ZOK__RECV_ENDED;
	socket->recv_result = -ESHUTDOWN;
}

static bool is_full(const struct zok__door *door)
{
	return door->count >= door->batch_max;
}

static void wake_acceptor(const struct zok__door *door)
{
	struct zok_waker *waker = door->acceptor ? door->acceptor->future.waker : NULL;

	if (waker)
		waker->wake(waker);
}

static void accept_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok__door *door = zok__door_of(ZOK_CONTAINER_OF(op, struct zok_socket, recv_op));

	if (completion->result >= 0)
		queue_push(door, completion->result);
	if (!completion->has_more) {
		ended(door, completion->result);
	} else if (is_full(door) && door->socket.recv_state == ZOK__RECV_ARMED) {
		stop_taking(door);
	}
	if (door->count > 0 || door->socket.recv_state == ZOK__RECV_ENDED)
		wake_acceptor(door);
	if (!completion->has_more)
		zok__shortage_feed(door->socket.net);
	if (door->socket.closer)
		zok__close_continue(&door->socket);
}

void zok__accept_drain(struct zok_socket *socket)
{
	struct zok__door *door = zok__door_of(socket);

	if (!socket->is_door || socket->closer)
		return;
	door->is_draining = true;
	zok__listen_remove_file(socket);
	zok_future_cancel(&door->retry.future);
	if (!zok__op_is_in_flight(&socket->recv_op)) {
		end_drained(door);
		wake_acceptor(door);
	} else if (socket->recv_state == ZOK__RECV_ARMED) {
		socket->recv_state = ZOK__RECV_PAUSING;
		zok__op_cancel(&socket->recv_op);
	}
}

int zok__accept_take_left(struct zok_socket *socket)
{
	struct zok__door *door = zok__door_of(socket);
	int fd;

	if (!socket->is_door || door->count == 0)
		return -1;
	fd = door->fds[door->head];
	door->head = (door->head + 1) & (door->count_max - 1);
	door->count--;
	return fd;
}

/* ---- The future ---- */

static bool has_something(const struct zok__door *door)
{
	return door->count > 0 || door->socket.recv_state == ZOK__RECV_ENDED;
}

/* Without memory for the socket the descriptor stays where it is, for the next call. */
static int take(struct zok__door *door, struct zok_accept *accept)
{
	int rc;

	if (door->count == 0)
		return door->socket.recv_result;
	rc = zok__socket_create(&accept->peer, door->fds[door->head]);
	if (rc < 0)
		return rc;
	zok__accept_take_left(&door->socket);
	zok__count(&door->socket.net->core->counters->stats.connections_accepted, 1);
	start_if_room(door);
	return 0;
}

static int admit(struct zok_socket *socket)
{
	if (zok__socket_is_foreign(socket))
		return -EXDEV;
	if (socket->closer)
		return -EBADF;
	if (!socket->is_door)
		return -EINVAL;
	return zok__door_of(socket)->acceptor ? -EBUSY : 0;
}

/* Without memory for the socket the connection stays in line, and the timer wakes the acceptor to try again. */
static bool take_or_wait(struct zok__door *door, struct zok_accept *accept)
{
	int rc = take(door, accept);

	if (rc != -ENOMEM || door->count == 0) {
		door->acceptor = NULL;
		return zok__end_in_poll(&accept->future, rc);
	}
	accept->future.state = ZOK_FUTURE_PENDING;
	door->acceptor = accept;
	retry_later(door);
	return false;
}

static bool accept_begin(struct zok_accept *accept)
{
	struct zok__door *door = zok__door_of(accept->door);
	int rc = admit(accept->door);

	if (rc < 0)
		return zok__end_in_poll(&accept->future, rc);
	if (has_something(door))
		return take_or_wait(door, accept);
	accept->future.state = ZOK_FUTURE_PENDING;
	door->acceptor = accept;
	start_if_room(door);
	return false;
}

static bool accept_poll(struct zok_future *future)
{
	struct zok_accept *accept = ZOK_CONTAINER_OF(future, struct zok_accept, future);
	struct zok__door *door = zok__door_of(accept->door);

	if (future->state == ZOK_FUTURE_PREPARED)
		return accept_begin(accept);
	if (!has_something(door))
		return false;
	return take_or_wait(door, accept);
}

static void accept_cancel(struct zok_future *future)
{
	struct zok_accept *accept = ZOK_CONTAINER_OF(future, struct zok_accept, future);

	zok__door_of(accept->door)->acceptor = NULL;
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops accept_ops = {.poll = accept_poll, .cancel = accept_cancel, .name = "an accept"};

void zok_accept_prepare(struct zok_accept *accept, struct zok_socket *door)
{
	zok_future_prepare(&accept->future, &accept_ops);
	accept->door = door;
	accept->peer = NULL;
}

int zok_accept(struct zok_socket *door, struct zok_socket **peer)
{
	struct zok_accept accept;
	int rc;

	zok_accept_prepare(&accept, door);
	rc = (int)zok_await(&accept.future);
	if (rc == 0)
		*peer = accept.peer;
	return rc;
}

void zok__accept_abort(struct zok_socket *socket)
{
	struct zok__door *door = zok__door_of(socket);
	struct zok_accept *acceptor;

	if (!socket->is_door)
		return;
	zok_future_cancel(&door->retry.future);
	acceptor = door->acceptor;
	door->acceptor = NULL;
	if (acceptor)
		zok_future_complete(&acceptor->future, -EBADF);
}
