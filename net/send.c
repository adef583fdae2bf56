/* Send: one op in the sender's own memory, repeated while it is short. */
#include "net/socket.h"

#include "zokio/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct zok_send *send_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_send, op.future);
}

/* What the sender is told when the kernel takes no more. */
static ssize_t result_of(const struct zok_send *send, int result)
{
	if (send->sent == send->len || (send->may_be_short && send->sent > 0))
		return (ssize_t)send->sent;
	if (send->socket->closer)
		return -EBADF;
	return result < 0 ? result : -ECANCELED;
}

static bool goes_on(const struct zok_send *send, int result)
{
	return result > 0 && send->sent < send->len && !send->may_be_short && !send->op.future.is_canceled && !send->socket->closer;
}

static void send_rest(struct zok_send *send)
{
	send->op.arg.buffer.base = (void *)(uintptr_t)(send->base + send->sent);
	send->op.arg.buffer.len = send->len - send->sent;
	zok__op_start(&send->op);
}

static void send_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_send *send = ZOK_CONTAINER_OF(op, struct zok_send, op);
	struct zok_socket *socket = send->socket;

	if (completion->result > 0) {
		send->sent += (size_t)completion->result;
		zok__count(&socket->net->core->counters->stats.bytes_sent, (uint64_t)completion->result);
	}
	if (ZOK_UNLIKELY(goes_on(send, completion->result))) {
		send_rest(send);
		return;
	}
	socket->sender = NULL;
	zok_future_complete(&op->future, result_of(send, completion->result));
	if (ZOK_UNLIKELY(socket->closer != NULL))
		zok__close_continue(socket);
}

static int admit(const struct zok_socket *socket)
{
	if (zok__socket_is_foreign(socket))
		return -EXDEV;
	if (socket->closer)
		return -EBADF;
	if (socket->send_error < 0)
		return socket->send_error;
	return socket->sender || socket->mover ? -EBUSY : 0;
}

/* False: it waits in socket->sender for the send behind. */
static bool begin(struct zok_send *send)
{
	struct zok_socket *socket = send->socket;

	if (!socket->behind && zok__behind_take(send)) {
		send->sent = send->len;
		return true;
	}
	socket->sender = send;
	send->op.future.state = ZOK_FUTURE_PENDING;
	if (socket->behind)
		zok__behind_hurry(socket);
	else
		zok__op_start(&send->op);
	return false;
}

void zok__send_abort(struct zok_socket *socket)
{
	struct zok_send *send = socket->sender;

	if (!send)
		return;
	if (socket->behind) {
		socket->sender = NULL;
		zok_future_complete(&send->op.future, -EBADF);
	} else {
		zok__op_cancel(&send->op);
	}
}

void zok__send_continue(struct zok_socket *socket)
{
	struct zok_send *send = socket->sender;

	if (!send)
		return;
	if (socket->send_error == 0) {
		zok__op_start(&send->op);
		return;
	}
	socket->sender = NULL;
	zok_future_complete(&send->op.future, socket->send_error);
}

/* The engine may answer from within submit: then nobody needs to be woken. */
static bool send_poll(struct zok_future *future)
{
	struct zok_send *send = send_of(future);
	struct zok_waker *waker = future->waker;
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = admit(send->socket);
	if (rc < 0)
		return zok__end_in_poll(future, rc);
	if (send->len == 0)
		return zok__end_in_poll(future, 0);
	future->waker = NULL;
	if (begin(send))
		return zok__end_in_poll(future, (ssize_t)send->len);
	if (zok_future_is_ready(future))
		return true;
	future->waker = waker;
	return false;
}

static void send_cancel(struct zok_future *future)
{
	struct zok_send *send = send_of(future);

	if (send->socket->behind) {
		send->socket->sender = NULL;
		zok_future_complete(future, -ECANCELED);
	} else {
		zok__op_cancel(&send->op);
	}
}

static const struct zok_future_ops send_ops = {.poll = send_poll, .cancel = send_cancel, .name = "a send"};

static void prepare(struct zok_send *send, struct zok_socket *socket, enum zok_op_kind kind, size_t len)
{
	zok__op_prepare(&send->op, kind, socket->fd);
	send->op.future.ops = &send_ops;
	send->op.deliver = send_deliver;
	send->socket = socket;
	send->len = len;
	send->sent = 0;
	send->may_be_short = false;
}

void zok_send_prepare(struct zok_send *send, struct zok_socket *socket, const void *buf, size_t len)
{
	prepare(send, socket, ZOK_OP_SEND, len);
	send->base = buf;
	send->op.arg.buffer.base = (void *)(uintptr_t)buf; /* only read */
	send->op.arg.buffer.len = len;
	send->op.arg.buffer.flags = 0;
}

ssize_t zok_write(struct zok_socket *socket, const void *buf, size_t len)
{
	struct zok_send send;

	zok_send_prepare(&send, socket, buf, len);
	send.may_be_short = true;
	return zok_await(&send.op.future);
}

ssize_t zok_write_all(struct zok_socket *socket, const void *buf, size_t len)
{
	struct zok_send send;

	zok_send_prepare(&send, socket, buf, len);
	return zok_await(&send.op.future);
}

static size_t total_of(const struct iovec *vector, int count)
{
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += vector[i].iov_len;
	return len;
}

ssize_t zok_writev(struct zok_socket *socket, const struct iovec *vector, int count)
{
	struct msghdr header = {.msg_iov = (struct iovec *)(uintptr_t)vector, .msg_iovlen = (size_t)count};
	struct zok_send send;

	if (count < 0)
		return -EINVAL;
	prepare(&send, socket, ZOK_OP_SENDMSG, total_of(vector, count));
	send.base = NULL;
	send.may_be_short = true;
	send.op.arg.message.header = &header;
	send.op.arg.message.flags = 0;
	return zok_await(&send.op.future);
}
