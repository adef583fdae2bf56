/*
 * The end of a socket, in order: whoever waits on it is told -EBADF, what is in flight is cancelled and awaited, what was accepted and given to
 * nobody is closed, a Unix door's file is removed, the descriptor is closed, the memory is given back.
 *
 * A small send that nobody waits for (behind.c) is not cancelled: its sender was told that it went. The close waits for it, and for as long can be
 * cut short by its scope, or is by itself after some seconds; only then is it dropped, as the kernel drops what a process that dies had left to send.
 */
#include "net/socket.h"

#include "net/sys.h"
#include "zokio/task.h"

#include <errno.h>

static struct zok_close *close_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_close, op.future);
}

static bool is_quiet(const struct zok_socket *socket)
{
	return !zok__op_is_in_flight(&socket->recv_op) && !socket->sender && !socket->behind && !socket->mover;
}

static void submit_close(struct zok_close *close, int fd, zok_op_deliver_fn deliver)
{
	close->op.fd = fd;
	close->op.deliver = deliver;
	zok__op_start(&close->op);
}

static void closed_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_close *close = ZOK_CONTAINER_OF(op, struct zok_close, op);

	zok__socket_destroy(close->socket);
	zok_future_complete(&op->future, completion->result);
}

static void left_closed_deliver(struct zok_op *op, const struct zok_completion *completion);

/* One descriptor at a time, the socket's own last: they share the op. */
static void close_next(struct zok_close *close)
{
	int fd = zok__accept_take_left(close->socket);

	if (fd >= 0) {
		submit_close(close, fd, left_closed_deliver);
		return;
	}
	zok__listen_remove_file(close->socket);
	submit_close(close, close->socket->fd, closed_deliver);
}

static void left_closed_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	close_next(ZOK_CONTAINER_OF(op, struct zok_close, op));
}

void zok__close_continue(struct zok_socket *socket)
{
	struct zok_close *close = socket->closer;

	if (!close->has_begun && is_quiet(socket)) {
		close->has_begun = true;
		close->op.future.is_shielded = true;
		close_next(close);
	}
}

static void abort_all(struct zok_socket *socket)
{
	zok__accept_abort(socket);
	zok__move_abort(socket);
	zok__recv_abort(socket);
	zok__send_abort(socket);
	zok__behind_abort_flush(socket);
}

/* Without a task, at the core's end, nobody is left who could cut it short. */
static bool may_linger(const struct zok__net *net)
{
	return net->core->current && !zok__is_cut(net);
}

static void flush(struct zok_close *close)
{
	struct zok_socket *socket = close->socket;

	if (ZOK_LIKELY(!socket->behind))
		return;
	zok__behind_hurry(socket);
	if (!may_linger(socket->net)) {
		zok__behind_cancel(socket);
		return;
	}
	close->op.future.is_shielded = false;
	zok__behind_linger(socket);
}

static bool close_poll(struct zok_future *future)
{
	struct zok_close *close = close_of(future);
	struct zok_waker *waker = future->waker;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (zok__socket_is_foreign(close->socket))
		return zok__end_in_poll(future, -EXDEV);
	if (close->socket->closer)
		return zok__end_in_poll(future, -EBADF);
	future->state = ZOK_FUTURE_PENDING;
	future->waker = NULL;
	close->socket->closer = close;
	close->has_begun = true; /* not while there is something left to abort */
	abort_all(close->socket);
	flush(close);
	close->has_begun = false;
	zok__close_continue(close->socket);
	if (zok_future_is_ready(future))
		return true;
	future->waker = waker;
	return false;
}

/* What lingers is dropped. Apart from that a close ends by itself: a descriptor that is half closed is nobody's. */
static void close_cancel(struct zok_future *future)
{
	struct zok_close *close = close_of(future);

	future->is_shielded = true;
	if (!close->has_begun)
		zok__behind_cancel(close->socket);
}

static const struct zok_future_ops close_ops = {.poll = close_poll, .cancel = close_cancel, .name = "a close"};

void zok_close_prepare(struct zok_close *close, struct zok_socket *socket)
{
	zok__op_prepare(&close->op, ZOK_OP_CLOSE, socket->fd);
	close->op.future.ops = &close_ops;
	close->op.future.is_shielded = true;
	close->socket = socket;
	close->has_begun = false;
}

int zok_close(struct zok_socket *socket)
{
	struct zok_close close;

	if (!socket)
		return 0;
	zok_close_prepare(&close, socket);
	return (int)zok_await(&close.op.future);
}
