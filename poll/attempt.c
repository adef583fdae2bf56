/* Each operation once, without blocking: a result, or -EAGAIN and the knowledge that there is nothing to be had. */
#include "core/dgram_head.h"
#include "poll/poll.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

/* What is read or written at once at most: a result is an int32_t. */
enum { LEN_MAX = 0x7ffff000 };

static size_t clamp(size_t len)
{
	return len < LEN_MAX ? len : LEN_MAX;
}

static int32_t must_wait(struct zok__poll_fd *state, uint8_t bit)
{
	state->ready &= (uint8_t)~bit;
	return -EAGAIN;
}

/*
 * A TCP transfer that was short has emptied (or filled) the socket, see epoll(7): the next try would only say EAGAIN. Other things stop short
 * for other reasons: a datagram or a message ends, a Unix socket passes descriptors; and TCP does at its urgent mark and before its end, which
 * ZOK__POLL_MARK tells.
 */
static int32_t settle(struct zok__poll_fd *state, uint8_t bit, ssize_t n, size_t len)
{
	if (n < 0)
		return errno == EAGAIN ? must_wait(state, bit) : -errno;
	if (n > 0 && (size_t)n < len && state->kind == POLL_TCP && !(state->ready & ZOK__POLL_MARK))
		state->ready &= (uint8_t)~bit;
	return (int32_t)n;
}

static int32_t receive(struct zok__poll_fd *state, int fd, void *base, size_t len, int flags)
{
	/* What these leave behind says nothing of what is there. */
	size_t len_drained = flags & (MSG_PEEK | MSG_OOB) ? 0 : len;
	ssize_t n;

	do
		n = recv(fd, base, len, flags | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return settle(state, ZOK__POLL_READ, n, len_drained);
}

static int32_t transmit(struct zok__poll_fd *state, int fd, const void *base, size_t len, int flags)
{
	ssize_t n;

	do
		n = send(fd, base, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return settle(state, ZOK__POLL_WRITE, n, len);
}

static int32_t attempt_recv(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	return receive(state, op->fd, op->arg.buffer.base, clamp(op->arg.buffer.len), op->arg.buffer.flags);
}

static int32_t attempt_send(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	return transmit(state, op->fd, op->arg.buffer.base, clamp(op->arg.buffer.len), op->arg.buffer.flags);
}

static int32_t attempt_sendmsg(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	ssize_t n;

	do
		n = sendmsg(op->fd, op->arg.message.header, op->arg.message.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* Of a Unix receiver that is full, say: the socket itself may be writable, so what is known of it stays. */
	if (n < 0 && errno == EAGAIN && (op->arg.message.flags & MSG_DONTWAIT))
		return -EAGAIN;
	return settle(state, ZOK__POLL_WRITE, n, 0);
}

/* Without a buffer, whether one is needed: a socket with nothing to give waits, one at its end has ended. */
static int32_t receive_without_buffer(struct zok__poll *poll, struct zok__poll_fd *state, int fd)
{
	uint8_t byte;
	int32_t n = receive(state, fd, &byte, sizeof byte, MSG_PEEK);

	if (n <= 0)
		return n;
	zok__count(&poll->counters->stats.buffer_shortages, 1);
	return -ENOBUFS;
}

/* Takes a buffer for the length of one try, so that a connection that says nothing holds none. */
static int32_t attempt_recv_buffers(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **out)
{
	struct zok_buf *buf = poll->free_bufs, *next;
	int32_t n;

	if (!buf)
		return receive_without_buffer(poll, state, op->fd);
	next = buf->next;
	n = receive(state, op->fd, buf->data, poll->bufs->size, 0);
	if (n > 0) {
		poll->free_bufs = next;
		*out = zok__bufs_give(poll->bufs, buf->id, (uint32_t)n);
	}
	return n;
}

/* A datagram with its head, in the layout that both engines share. */
static int32_t receive_message(struct zok__poll *poll, struct zok__poll_fd *state, const struct zok_op *op, struct zok_buf *buf)
{
	const struct zok__dgram_layout layout = zok__dgram_layout(op->arg.message.header);
	struct zok__dgram_head *head = (struct zok__dgram_head *)(void *)buf->data;
	struct iovec vector;
	struct msghdr header;
	ssize_t n;

	if (layout.payload_at > poll->bufs->size)
		return -EFAULT; /* as io_uring says it */
	vector = (struct iovec){buf->data + layout.payload_at, poll->bufs->size - layout.payload_at};
	header = (struct msghdr){
		.msg_name = buf->data + layout.name_at,
		.msg_namelen = op->arg.message.header->msg_namelen,
		.msg_iov = &vector,
		.msg_iovlen = 1,
		.msg_control = buf->data + layout.control_at,
		.msg_controllen = op->arg.message.header->msg_controllen,
	};
	do
		n = recvmsg(op->fd, &header, op->arg.message.flags | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return settle(state, ZOK__POLL_READ, n, 0);
	*head = (struct zok__dgram_head){header.msg_namelen, (uint32_t)header.msg_controllen, (uint32_t)n, (uint32_t)header.msg_flags};
	return (int32_t)(layout.payload_at + ((size_t)n < vector.iov_len ? (size_t)n : vector.iov_len));
}

/* Whether a buffer is needed: an empty datagram needs one, too. */
static int32_t receive_message_without_buffer(struct zok__poll *poll, struct zok__poll_fd *state, int fd)
{
	uint8_t byte;
	int32_t n = receive(state, fd, &byte, sizeof byte, MSG_PEEK);

	if (n < 0)
		return n;
	zok__count(&poll->counters->stats.buffer_shortages, 1);
	return -ENOBUFS;
}

static int32_t attempt_recvmsg_buffers(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **out)
{
	struct zok_buf *buf = poll->free_bufs, *next;
	int32_t n;

	if (!buf)
		return receive_message_without_buffer(poll, state, op->fd);
	next = buf->next;
	n = receive_message(poll, state, op, buf);
	if (n > 0) {
		poll->free_bufs = next;
		*out = zok__bufs_give(poll->bufs, buf->id, (uint32_t)n);
	}
	return n;
}

/* A socket has no position, and only send(2) can be kept from raising SIGPIPE. */
static bool is_socket(const struct zok__poll_fd *state)
{
	return state->kind == POLL_TCP || state->kind == POLL_SOCKET;
}

static bool has_position(const struct zok__poll_fd *state, const struct zok_op *op)
{
	return state->kind == POLL_FILE && op->arg.buffer.offset != UINT64_MAX;
}

static int32_t attempt_read(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	size_t len = clamp(op->arg.buffer.len);
	ssize_t n;
	int rc;

	if (is_socket(state))
		return receive(state, op->fd, op->arg.buffer.base, len, 0);
	if (state->kind == POLL_OTHER && (rc = zok__poll_fd_set_nonblocking(state, op->fd)) < 0)
		return rc;
	do
		n = has_position(state, op) ? pread(op->fd, op->arg.buffer.base, len, (off_t)op->arg.buffer.offset)
					    : read(op->fd, op->arg.buffer.base, len);
	while (n < 0 && errno == EINTR);
	return settle(state, ZOK__POLL_READ, n, len);
}

static int32_t attempt_write(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	size_t len = clamp(op->arg.buffer.len);
	ssize_t n;
	int rc;

	if (is_socket(state))
		return transmit(state, op->fd, op->arg.buffer.base, len, 0);
	if (state->kind == POLL_OTHER && (rc = zok__poll_fd_set_nonblocking(state, op->fd)) < 0)
		return rc;
	do
		n = has_position(state, op) ? pwrite(op->fd, op->arg.buffer.base, len, (off_t)op->arg.buffer.offset)
					    : write(op->fd, op->arg.buffer.base, len);
	while (n < 0 && errno == EINTR);
	return settle(state, ZOK__POLL_WRITE, n, len);
}

/* The kernel gives the number anew, so whatever is known of it is of a file that was closed behind our back. */
static void know_accepted(struct zok__poll *poll, const struct zok__poll_fd *listener, int fd)
{
	int error;
	struct zok__poll_fd *state = zok__poll_fd_get(poll, fd, &error);

	if (!state) /* its own first op will say so */
		return;
	zok__poll_end_all(poll, state);
	zok__poll_fd_forget(state);
	state->kind = listener->kind;
	state->is_nonblocking = true;
}

static int32_t attempt_accept(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	int fd, rc = zok__poll_fd_set_nonblocking(state, op->fd);

	if (rc < 0)
		return rc;
	do /* a client that left while it waited in the queue is no fault of the listener's */
		fd = accept4(op->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		zok__count(&poll->counters->stats.fd_shortages, 1);
		return -errno;
	}
	if (fd < 0)
		return settle(state, ZOK__POLL_READ, -1, 0);
	know_accepted(poll, state, fd);
	return fd;
}

/* No event comes for an interrupted question, so it is asked again. */
static int ask_connect(const struct zok_op *op)
{
	int rc;

	do
		rc = connect(op->fd, op->arg.address.addr, op->arg.address.len);
	while (rc < 0 && errno == EINTR);
	return rc < 0 && errno != EISCONN ? errno : 0;
}

/*
 * An event says that the attempt may have ended, SO_ERROR how it failed, and a second connect(2) whether it has succeeded, since events of the
 * time before the first one come too.
 */
static int32_t connect_again(struct zok__poll_fd *state, const struct zok_op *op)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	if (error == 0)
		error = ask_connect(op);
	if (error == EALREADY || error == EINPROGRESS)
		return must_wait(state, ZOK__POLL_WRITE);
	return -error;
}

/*
 * A Unix socket whose listener's queue is full says EAGAIN, and no event will say when there is room. The result is the one that other systems
 * give for this.
 */
static int32_t connect_first(struct zok__poll_fd *state, const struct zok_op *op)
{
	int rc = zok__poll_fd_set_nonblocking(state, op->fd);

	if (rc < 0)
		return rc;
	if (connect(op->fd, op->arg.address.addr, op->arg.address.len) == 0)
		return 0;
	if (errno != EINPROGRESS && errno != EINTR)
		return errno == EAGAIN ? -ECONNREFUSED : -errno;
	state->is_connecting = true;
	return must_wait(state, ZOK__POLL_WRITE);
}

static int32_t attempt_connect(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	int32_t rc = state->is_connecting ? connect_again(state, op) : connect_first(state, op);

	if (rc == -EAGAIN)
		return rc;
	state->is_connecting = false;
	/* The event that told of the connection may have told of its end as well, so the mark stays. */
	if (rc == 0)
		state->ready |= ZOK__POLL_READ | ZOK__POLL_WRITE;
	return rc;
}

/* Neither end alone says which of them was not ready. If by now both are, the splice is tried again in the next turn. */
static int32_t choose_side(struct zok__poll_fd *in, struct zok__poll_fd *out, struct zok_op *op)
{
	struct pollfd ends[2] = {{.fd = op->fd, .events = POLLIN}, {.fd = op->arg.splice.fd_out, .events = POLLOUT}};
	bool is_known = poll(ends, 2, 0) >= 0;

	op->engine_state = POLL_AT_READERS;
	if (is_known && ends[0].revents == 0)
		return must_wait(in, ZOK__POLL_READ);
	if (is_known && ends[1].revents == 0) {
		op->engine_state = POLL_AT_OUT;
		return must_wait(out, ZOK__POLL_WRITE);
	}
	return -EAGAIN;
}

static int32_t attempt_splice(struct zok__poll *poll, struct zok__poll_fd *in, struct zok_op *op, struct zok_buf **buf)
{
	struct zok__poll_fd *out = zok__poll_fd_find(poll, op->arg.splice.fd_out);
	ssize_t n;
	int rc;

	assert(out);
	if (zok__poll_splice_handle(in, out) != op->handle)
		return -ECANCELED; /* one of them was closed */
	if ((rc = zok__poll_fd_set_nonblocking(in, op->fd)) < 0 || (rc = zok__poll_fd_set_nonblocking(out, op->arg.splice.fd_out)) < 0)
		return rc;
	do
		n = splice(op->fd, NULL, op->arg.splice.fd_out, NULL, op->arg.splice.len, op->arg.splice.flags | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? choose_side(in, out, op) : -errno;
	return (int32_t)n;
}

static int32_t attempt_poll(struct zok__poll *poll_, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	struct pollfd what = {.fd = op->fd, .events = (short)op->arg.poll_events};
	int n;

	do
		n = poll(&what, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (what.revents & POLLNVAL)
		return -EBADF;
	return n == 0 ? -EAGAIN : what.revents;
}

typedef int32_t (*attempt_fn)(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf);

static const attempt_fn attempts[ZOK_OP_KIND_COUNT] = {
	[ZOK_OP_READ] = attempt_read,
	[ZOK_OP_WRITE] = attempt_write,
	[ZOK_OP_RECV] = attempt_recv,
	[ZOK_OP_RECV_BUFFERS] = attempt_recv_buffers,
	[ZOK_OP_RECVMSG_BUFFERS] = attempt_recvmsg_buffers,
	[ZOK_OP_SEND] = attempt_send,
	[ZOK_OP_SENDMSG] = attempt_sendmsg,
	[ZOK_OP_ACCEPT] = attempt_accept,
	[ZOK_OP_CONNECT] = attempt_connect,
	[ZOK_OP_SPLICE] = attempt_splice,
	[ZOK_OP_POLL] = attempt_poll,
};

int32_t zok__poll_attempt(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf)
{
	int rc;

	if (ZOK_UNLIKELY(state->kind == POLL_UNKNOWN) && (rc = zok__poll_fd_look(state, op->fd)) < 0)
		return rc;
	zok__count(&poll->counters->stats.submits, 1);
	return attempts[op->kind](poll, state, op, buf);
}
