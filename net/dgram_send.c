/*
 * Sends that are awaited, of one message or of several. Small messages go by slots (dgram_slot.c); the others, and those that find no slot, by the
 * sender's own op, one after the other.
 */
#include "net/dgram.h"

#include "zokio/task.h"

#include <errno.h>
#include <netinet/udp.h>
#include <string.h>

/* What the kernel cuts at a time: UDP_MAX_SEGMENTS was 64 until 6.9, and all of it must fit one datagram of IP. */
enum { SEGMENTS_MAX = 64, BYTES_MAX = 65000 };

static struct zok_dgram_send *send_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_dgram_send, future);
}

/* ---- One piece ---- */

static bool has_segments(const struct zok_dgram_message *message)
{
	return message->segment_size > 0 && message->len > message->segment_size;
}

/* How much of the message goes next: all of it, or as many of its segments as may go together. */
static size_t piece_len(const struct zok_dgram_send *send, const struct zok_dgram_message *message)
{
	size_t left = message->len - send->sent, count = BYTES_MAX / (message->segment_size ? message->segment_size : 1), len;

	if (!has_segments(message))
		return left;
	if (count > SEGMENTS_MAX)
		count = SEGMENTS_MAX;
	if (send->is_cut_here || count == 0)
		count = 1;
	len = count * message->segment_size;
	return left < len ? left : len;
}

static void add_control(struct zok_dgram_send *send, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *control;

	send->header.msg_control = send->control;
	send->header.msg_controllen = CMSG_SPACE(len);
	control = CMSG_FIRSTHDR(&send->header);
	control->cmsg_level = level;
	control->cmsg_type = type;
	control->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(control), data, len);
}

ZOK_STATIC_ASSERT(sizeof(((struct zok_dgram_send *)0)->control) >= CMSG_SPACE(ZOK_DGRAM_FDS_MAX * sizeof(int)), "descriptors fit");

static void op_deliver(struct zok_op *op, const struct zok_completion *completion);

/* A Unix receiver to which we are not connected, and which is full: no event tells when there is room again, so the sender is told. */
static int flags_for(const struct zok_dgram_socket *socket, const struct zok_dgram_message *message)
{
	return socket->family == AF_UNIX && message->to ? MSG_DONTWAIT : 0;
}

static void start_piece(struct zok_dgram_send *send, const struct zok_dgram_message *message, size_t len)
{
	send->vector = (struct iovec){(char *)(uintptr_t)message->data + send->sent, len};
	send->header = (struct msghdr){.msg_iov = &send->vector, .msg_iovlen = 1};
	if (message->to) {
		send->header.msg_name = (void *)(uintptr_t)&message->to->address;
		send->header.msg_namelen = message->to->len;
	}
	if (has_segments(message) && len > message->segment_size)
		add_control(send, SOL_UDP, UDP_SEGMENT, &message->segment_size, sizeof message->segment_size);
	else if (message->fd_count > 0)
		add_control(send, SOL_SOCKET, SCM_RIGHTS, message->fds, message->fd_count * sizeof *message->fds);
	zok__op_prepare(&send->op, ZOK_OP_SENDMSG, send->socket->fd);
	send->op.deliver = op_deliver;
	send->op.arg.message.header = &send->header;
	send->op.arg.message.flags = flags_for(send->socket, message);
	zok_list_push_back(&send->socket->senders, &send->among);
	zok__op_start(&send->op);
}

/* ---- All of them ---- */

static void advance(struct zok_dgram_send *send, size_t len)
{
	send->sent += len;
	if (send->sent < send->messages[send->done].len)
		return;
	send->done++;
	send->sent = 0;
	send->is_cut_here = false;
}

static bool is_by_slot(const struct zok_dgram_send *send, const struct zok_dgram_message *message, size_t len)
{
	const char *data = message->data;

	return message->fd_count == 0 && (!has_segments(message) || len <= message->segment_size) &&
	       zok__dgram_slot_take(send->socket, data ? data + send->sent : NULL, len, message->to);
}

static int check(const struct zok_dgram_socket *socket, const struct zok_dgram_message *message)
{
	if (message->fd_count > 0 && socket->family != AF_UNIX)
		return -EOPNOTSUPP;
	if (message->segment_size > 0 && socket->family == AF_UNIX)
		return -EOPNOTSUPP;
	if (message->fd_count > ZOK_DGRAM_FDS_MAX)
		return -EINVAL;
	if (!message->to && !socket->is_connected)
		return -EDESTADDRREQ;
	return 0;
}

static int may_go_on(struct zok_dgram_send *send)
{
	struct zok_dgram_socket *socket = send->socket;

	if (socket->closer)
		return -EBADF;
	if (send->future.is_canceled)
		return -ECANCELED;
	if (socket->send_error < 0)
		return zok__dgram_take_error(&socket->send_error);
	return check(socket, &send->messages[send->done]);
}

/* Until an op is in flight, or all is done. The engine may answer from within submit: op_deliver() then only notes it. */
static void run(struct zok_dgram_send *send)
{
	send->is_running = true;
	while (send->error == 0 && send->done < send->count && !zok__op_is_in_flight(&send->op)) {
		const struct zok_dgram_message *message = &send->messages[send->done];
		size_t len;

		send->error = may_go_on(send);
		if (send->error < 0)
			break;
		len = piece_len(send, message);
		if (is_by_slot(send, message, len))
			advance(send, len);
		else
			start_piece(send, message, len);
	}
	send->is_running = false;
}

static bool has_ended(const struct zok_dgram_send *send)
{
	return !zok__op_is_in_flight(&send->op) && (send->error < 0 || send->done == send->count);
}

static ssize_t result_of(const struct zok_dgram_send *send)
{
	if (send->done == 0 && send->error < 0)
		return send->error;
	return send->is_single ? (ssize_t)send->one.len : (ssize_t)send->done;
}

/* Where the kernel or the card cannot cut: no checksums by the card (EIO), segments that are longer than a frame. */
static bool is_refused_cut(const struct zok_dgram_send *send, int result)
{
	return send->header.msg_controllen > 0 && has_segments(&send->messages[send->done]) && !send->is_cut_here &&
	       (result == -EIO || result == -EINVAL || result == -EMSGSIZE || result == -EOPNOTSUPP || result == -ENOPROTOOPT);
}

static void note_piece(struct zok_dgram_send *send, int result)
{
	struct zok_core_stats *stats = &send->socket->net->core->counters->stats;

	if (result >= 0) {
		zok__count(&stats->datagrams_sent, 1);
		zok__count(&stats->bytes_sent, (uint64_t)result);
		advance(send, (size_t)result);
	} else if (is_refused_cut(send, result)) {
		send->is_cut_here = true;
	} else {
		if (result == -EAGAIN || result == -ENOBUFS) {
			zok__count(&stats->send_shortages, 1);
			result = -ENOBUFS;
		}
		send->error = result == -ECANCELED && send->socket->closer ? -EBADF : result;
	}
}

static void op_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_dgram_send *send = ZOK_CONTAINER_OF(op, struct zok_dgram_send, op);
	struct zok_dgram_socket *socket = send->socket;

	op->future.state = ZOK_FUTURE_READY;
	zok_list_remove(&send->among);
	note_piece(send, completion->result);
	if (send->is_running)
		return;
	run(send);
	if (has_ended(send))
		zok_future_complete(&send->future, result_of(send));
	if (ZOK_UNLIKELY(socket->closer != NULL))
		zok__dgram_close_continue(socket);
}

static bool send_poll(struct zok_future *future)
{
	struct zok_dgram_send *send = send_of(future);

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (zok__dgram_is_foreign(send->socket))
		return zok__end_in_poll(future, -EXDEV);
	future->state = ZOK_FUTURE_PENDING;
	run(send);
	return has_ended(send) ? zok__end_in_poll(future, result_of(send)) : false;
}

static void send_cancel(struct zok_future *future)
{
	zok__op_cancel(&send_of(future)->op);
}

static const struct zok_future_ops send_ops = {.poll = send_poll, .cancel = send_cancel, .name = "a send of datagrams"};

void zok_dgram_send_batch_prepare(struct zok_dgram_send *send, struct zok_dgram_socket *socket, const struct zok_dgram_message *messages,
				  unsigned count)
{
	zok_future_prepare(&send->future, &send_ops);
	send->socket = socket;
	send->messages = messages;
	send->count = count;
	send->done = 0;
	send->sent = 0;
	send->error = 0;
	send->op.future.state = ZOK_FUTURE_PREPARED;
	send->is_single = send->is_running = send->is_cut_here = false;
}

void zok_dgram_send_prepare(struct zok_dgram_send *send, struct zok_dgram_socket *socket, const void *buf, size_t len,
			    const struct zok_endpoint *to)
{
	send->one = (struct zok_dgram_message){.data = buf, .len = len, .to = to};
	zok_dgram_send_batch_prepare(send, socket, &send->one, 1);
	send->is_single = true;
}

void zok__dgram_send_abort(struct zok_dgram_socket *socket)
{
	zok_list_for_each(link, &socket->senders)
		zok__op_cancel(&ZOK_CONTAINER_OF(link, struct zok_dgram_send, among)->op);
}

/* ---- Fibers ---- */

/* The way of an answer: no future. */
static bool can_take_now(const struct zok_dgram_socket *socket, const struct zok_endpoint *to)
{
	return !zok__dgram_is_foreign(socket) && !socket->closer && socket->send_error == 0 && (to || socket->is_connected) &&
	       !zok__is_cut(socket->net);
}

ssize_t zok_dgram_send(struct zok_dgram_socket *socket, const void *buf, size_t len, const struct zok_endpoint *to)
{
	struct zok_dgram_send send;

	if (can_take_now(socket, to) && zok__dgram_slot_take(socket, buf, len, to))
		return (ssize_t)len;
	zok_dgram_send_prepare(&send, socket, buf, len, to);
	return zok_await(&send.future);
}

int zok_dgram_send_batch(struct zok_dgram_socket *socket, const struct zok_dgram_message *messages, unsigned count)
{
	struct zok_dgram_send send;

	zok_dgram_send_batch_prepare(&send, socket, messages, count);
	return (int)zok_await(&send.future);
}
