/*
 * Receive: a multishot recvmsg, embedded in the socket, fills buffers of the core's pool; they queue on the socket, and readers take from the queue.
 * Armed by the first read, it stays armed, so that a read costs no op and one that is cut short has nothing to lose.
 *
 * A reader that does not come: once more than QUEUE_MAX buffers are queued the multishot is cancelled, and what comes then is the kernel's to keep
 * or to drop. An empty pool: the reader waits in net->dgrams_starving for the next buffer that comes back.
 */
#include "net/dgram.h"

#include "zokio/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	QUEUE_MAX = 64,	   /* buffers queued on one socket before it takes no more … */
	QUEUE_LOW = 16,	   /* … and when it goes on */
	POOL_LOW_PART = 4, /* a pool with less than one in so many free is low: then a socket queues one */
};

/* ---- Buffers ---- */

static uint32_t free_count(const struct zok__net *net)
{
	return net->core->bufs.count - net->core->bufs.out_count;
}

static unsigned queue_max(const struct zok__net *net)
{
	return free_count(net) < net->core->bufs.count / POOL_LOW_PART ? 1 : QUEUE_MAX;
}

static void queue_push(struct zok_dgram_socket *socket, struct zok_buf *buf)
{
	buf->next = NULL;
	buf->use_count = 1; /* the queue's own */
	if (socket->first)
		socket->last->next = buf;
	else
		socket->first = buf;
	socket->last = buf;
	socket->queued_count++;
}

static void put(struct zok__net *net, struct zok_buf *buf)
{
	assert(buf->use_count > 0);
	if (--buf->use_count == 0)
		zok__recv_give_back(net, buf);
}

static void queue_drop_first(struct zok_dgram_socket *socket)
{
	struct zok_buf *buf = socket->first;

	socket->first = buf->next;
	socket->queued_count--;
	socket->split_offset = 0;
	put(socket->net, buf);
}

void zok_datagram_release(struct zok_datagram *datagram)
{
	for (unsigned i = 0; i < datagram->fd_count; i++)
		if (datagram->fds[i] >= 0)
			zok__sys_close(datagram->fds[i]);
	put(zok__net(), datagram->buffer);
	*datagram = (struct zok_datagram){0};
}

/* ---- The multishot ---- */

static void deliver(struct zok_op *op, const struct zok_completion *completion);

static void arm(struct zok_dgram_socket *socket)
{
	zok__op_prepare(&socket->recv_op, ZOK_OP_RECVMSG_BUFFERS, socket->fd);
	socket->recv_op.deliver = deliver;
	socket->recv_op.arg.message.header = &socket->recv_header;
	socket->recv_op.arg.message.flags = MSG_TRUNC | MSG_CMSG_CLOEXEC;
	socket->recv_state = ZOK__RECV_ARMED;
	zok__op_start(&socket->recv_op);
}

static void start(struct zok_dgram_socket *socket)
{
	if (free_count(socket->net) > 0) {
		arm(socket);
		return;
	}
	socket->recv_state = ZOK__RECV_STARVING;
	zok_list_push_back(&socket->net->dgrams_starving, &socket->starving);
}

void zok__dgram_feed(struct zok_dgram_socket *socket)
{
	arm(socket);
}

/* Something is queued, or there is an error to tell. */
static bool has_something(const struct zok_dgram_socket *socket)
{
	return socket->first || socket->recv_error < 0;
}

/* After its last completion. Cancelled: by ourselves, to pause or to close. */
static void ended(struct zok_dgram_socket *socket, int result)
{
	bool was_pausing = socket->recv_state == ZOK__RECV_PAUSING;

	socket->recv_op.future.state = ZOK_FUTURE_READY;
	socket->recv_state = was_pausing ? ZOK__RECV_PAUSED : ZOK__RECV_IDLE;
	if (result < 0 && result != -ECANCELED && result != -ENOBUFS)
		socket->recv_error = result;
	if (socket->reader && !has_something(socket) && !socket->closer)
		start(socket);
}

static void wake_reader(const struct zok_dgram_socket *socket)
{
	struct zok_waker *waker = socket->reader ? socket->reader->future.waker : NULL;

	if (waker)
		waker->wake(waker);
}

static void drop_all(struct zok_dgram_socket *socket);

static void deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_dgram_socket *socket = ZOK_CONTAINER_OF(op, struct zok_dgram_socket, recv_op);

	if (ZOK_LIKELY(completion->buf != NULL))
		queue_push(socket, completion->buf);
	if (ZOK_UNLIKELY(socket->closer != NULL))
		drop_all(socket);
	if (!completion->has_more) {
		ended(socket, completion->result);
	} else if (socket->queued_count > queue_max(socket->net) && socket->recv_state == ZOK__RECV_ARMED) {
		socket->recv_state = ZOK__RECV_PAUSING;
		zok__op_cancel(&socket->recv_op);
	}
	if (has_something(socket))
		wake_reader(socket);
	if (ZOK_UNLIKELY(socket->closer != NULL))
		zok__dgram_close_continue(socket);
}

static void resume_if_short(struct zok_dgram_socket *socket)
{
	if (ZOK_UNLIKELY(socket->recv_state == ZOK__RECV_PAUSED) && socket->queued_count <= QUEUE_LOW && free_count(socket->net) > 0)
		arm(socket);
}

/* ---- What a reader takes ---- */

/* The caller's from here on. */
static void take_one(struct zok_dgram_socket *socket, struct zok_datagram *datagram)
{
	struct zok_buf *buf = socket->first;

	datagram->buffer = buf;
	buf->use_count++;
	if (zok__dgram_read(socket, datagram))
		queue_drop_first(socket);
}

static void drop_all(struct zok_dgram_socket *socket)
{
	struct zok_datagram datagram;

	while (socket->first) {
		take_one(socket, &datagram);
		zok_datagram_release(&datagram);
	}
}

static ssize_t take_copy(struct zok_dgram_socket *socket, void *base, size_t len, struct zok_endpoint *from)
{
	struct zok_datagram datagram;
	ssize_t result;

	take_one(socket, &datagram);
	result = (ssize_t)datagram.len_sent;
	if (datagram.len > 0 && len > 0)
		memcpy(base, datagram.data, datagram.len < len ? datagram.len : len);
	if (from) {
		from->len = datagram.from_len;
		memcpy(&from->address, datagram.from, datagram.from_len);
	}
	/* What was cut by the buffer must not look whole because the caller's memory is smaller still. */
	zok_datagram_release(&datagram);
	resume_if_short(socket);
	return result;
}

static ssize_t take_batch(struct zok_dgram_socket *socket, struct zok_datagram *datagrams, unsigned count_max)
{
	unsigned count = 0;

	while (count < count_max && socket->first)
		take_one(socket, &datagrams[count++]);
	resume_if_short(socket);
	return count;
}

static ssize_t take(struct zok_dgram_recv *recv)
{
	struct zok_dgram_socket *socket = recv->socket;

	if (!socket->first)
		return zok__dgram_take_error(&socket->recv_error);
	if (recv->datagrams)
		return take_batch(socket, recv->datagrams, recv->count_max);
	return take_copy(socket, recv->base, recv->len, recv->from);
}

/* ---- The future ---- */

static int admit(const struct zok_dgram_socket *socket)
{
	if (zok__dgram_is_foreign(socket))
		return -EXDEV;
	if (socket->closer)
		return -EBADF;
	return socket->reader ? -EBUSY : 0;
}

static bool recv_begin(struct zok_dgram_recv *recv)
{
	struct zok_dgram_socket *socket = recv->socket;
	int rc = admit(socket);

	if (rc < 0)
		return zok__end_in_poll(&recv->future, rc);
	if (recv->datagrams && recv->count_max == 0)
		return zok__end_in_poll(&recv->future, 0);
	if (has_something(socket))
		return zok__end_in_poll(&recv->future, take(recv));
	recv->future.state = ZOK_FUTURE_PENDING;
	socket->reader = recv;
	if (socket->recv_state == ZOK__RECV_IDLE || socket->recv_state == ZOK__RECV_PAUSED)
		start(socket);
	return false;
}

/* Taken when the reader looks, not when it comes: several arrivals make one batch, and a cancel in between leaves them in the queue. */
static bool recv_poll(struct zok_future *future)
{
	struct zok_dgram_recv *recv = ZOK_CONTAINER_OF(future, struct zok_dgram_recv, future);
	struct zok_dgram_socket *socket = recv->socket;

	if (future->state == ZOK_FUTURE_PREPARED)
		return recv_begin(recv);
	if (!has_something(socket))
		return false;
	socket->reader = NULL;
	return zok__end_in_poll(future, take(recv));
}

static void leave_starving(struct zok_dgram_socket *socket)
{
	zok_list_remove(&socket->starving);
	socket->recv_state = ZOK__RECV_IDLE;
}

static void recv_cancel(struct zok_future *future)
{
	struct zok_dgram_socket *socket = ZOK_CONTAINER_OF(future, struct zok_dgram_recv, future)->socket;

	if (socket->recv_state == ZOK__RECV_STARVING)
		leave_starving(socket);
	socket->reader = NULL;
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops recv_ops = {.poll = recv_poll, .cancel = recv_cancel, .name = "a receive of datagrams"};

static void prepare(struct zok_dgram_recv *recv, struct zok_dgram_socket *socket)
{
	zok_future_prepare(&recv->future, &recv_ops);
	recv->socket = socket;
	recv->datagrams = NULL;
	recv->count_max = 0;
	recv->base = NULL;
	recv->len = 0;
	recv->from = NULL;
}

void zok_dgram_recv_prepare(struct zok_dgram_recv *recv, struct zok_dgram_socket *socket, void *buf, size_t len, struct zok_endpoint *from)
{
	prepare(recv, socket);
	recv->base = buf;
	recv->len = len;
	recv->from = from;
}

void zok_dgram_recv_batch_prepare(struct zok_dgram_recv *recv, struct zok_dgram_socket *socket, struct zok_datagram *datagrams,
				  unsigned count_max)
{
	prepare(recv, socket);
	recv->datagrams = datagrams;
	recv->count_max = count_max;
}

void zok__dgram_recv_abort(struct zok_dgram_socket *socket)
{
	struct zok_dgram_recv *reader = socket->reader;

	drop_all(socket);
	if (socket->recv_state == ZOK__RECV_STARVING)
		leave_starving(socket);
	socket->reader = NULL;
	if (reader)
		zok_future_complete(&reader->future, -EBADF);
	if (zok__op_is_in_flight(&socket->recv_op) && socket->recv_state != ZOK__RECV_PAUSING)
		zok__op_cancel(&socket->recv_op);
}

/* ---- Fibers ---- */

/* What has been received before it was asked for: no future. */
static bool can_take_now(const struct zok_dgram_socket *socket)
{
	return !zok__dgram_is_foreign(socket) && socket->first && !socket->reader && !socket->closer && !zok__is_cut(socket->net);
}

ssize_t zok_dgram_recv(struct zok_dgram_socket *socket, void *buf, size_t len, struct zok_endpoint *from)
{
	struct zok_dgram_recv recv;

	if (can_take_now(socket))
		return take_copy(socket, buf, len, from);
	zok_dgram_recv_prepare(&recv, socket, buf, len, from);
	return zok_await(&recv.future);
}

int zok_dgram_recv_batch(struct zok_dgram_socket *socket, struct zok_datagram *datagrams, unsigned count_max)
{
	struct zok_dgram_recv recv;

	if (!datagrams)
		return count_max == 0 ? 0 : -EINVAL;
	zok_dgram_recv_batch_prepare(&recv, socket, datagrams, count_max);
	return (int)zok_await(&recv.future);
}
