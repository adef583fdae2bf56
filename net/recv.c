/*
 * Receive. One multishot op, embedded in the socket, fills buffers of the core's pool; they queue on the socket, and a read takes from the
 * queue. It is armed by the first read and stays armed, so that a read costs no op of its own, and a read that is cut short has nothing to
 * lose.
 *
 * A reader that does not come: once more than QUEUE_MAX buffers are queued (more than one, if the pool runs low) the multishot is cancelled, the kernel's buffer
 * fills, and the peer stops. It is armed again when the reader has taken most of them.
 *
 * An empty pool: a read into the caller's own memory needs no buffer and is done by a single receive; a read that wants a buffer waits in the
 * core's list of the starving, first come first served, for the next one that comes back.
 */
#include "net/dgram.h"

#include "zokio/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum {
	QUEUE_MAX = 16,	   /* buffers queued on one socket before its peer is stopped … */
	QUEUE_LOW = 4,	   /* … and when it may go on */
	POOL_LOW_PART = 4, /* a pool with less than one in so many free is low */
};

/* ---- Buffers ---- */

static void queue_push(struct zok_socket *socket, struct zok_buf *buf)
{
	buf->next = NULL;
	if (socket->first)
		socket->last->next = buf;
	else
		socket->first = buf;
	socket->last = buf;
	socket->queued_count++;
}

static struct zok_buf *queue_pop(struct zok_socket *socket)
{
	struct zok_buf *buf = socket->first;

	socket->first = buf->next;
	socket->queued_count--;
	return buf;
}

static uint32_t free_count(const struct zok__net *net)
{
	return net->core->bufs.count - net->core->bufs.out_count;
}

static unsigned queue_max(const struct zok__net *net)
{
	return free_count(net) < net->core->bufs.count / POOL_LOW_PART ? 1 : QUEUE_MAX;
}

/* ---- Starting what brings bytes ---- */

static void multishot_deliver(struct zok_op *op, const struct zok_completion *completion);
static void direct_deliver(struct zok_op *op, const struct zok_completion *completion);

static void start_multishot(struct zok_socket *socket)
{
	zok__op_prepare(&socket->recv_op, ZOK_OP_RECV_BUFFERS, socket->fd);
	socket->recv_op.deliver = multishot_deliver;
	socket->recv_op.arg.buffer.flags = 0;
	socket->recv_state = ZOK__RECV_ARMED;
	zok__op_start(&socket->recv_op);
}

static void start_direct(struct zok_socket *socket, const struct zok_recv *recv)
{
	zok__op_prepare(&socket->recv_op, ZOK_OP_RECV, socket->fd);
	socket->recv_op.deliver = direct_deliver;
	socket->recv_op.arg.buffer.base = recv->base;
	socket->recv_op.arg.buffer.len = recv->len;
	socket->recv_op.arg.buffer.flags = 0;
	socket->recv_state = ZOK__RECV_DIRECT;
	zok__op_start(&socket->recv_op);
}

/* A reader that has other memory to fall back on is told, the others wait. */
static void start_starving(struct zok_socket *socket)
{
	struct zok_recv *reader = socket->reader;

	if (reader->may_give_up) {
		socket->recv_state = ZOK__RECV_IDLE;
		socket->reader = NULL;
		zok_future_complete(&reader->future, -ENOBUFS);
	} else {
		socket->recv_state = ZOK__RECV_STARVING;
		zok_list_push_back(&socket->net->starving, &socket->starving);
	}
}

/* A reader waits and nothing is under way: the multishot if it can find a buffer, else what goes without. */
static void start_for(struct zok_socket *socket, const struct zok_recv *reader)
{
	if (free_count(socket->net) > 0)
		start_multishot(socket);
	else if (reader->base)
		start_direct(socket, reader);
	else
		start_starving(socket);
}

/* What came back feeds who has waited longest; it may meet another socket there first, and then starves again. */
void zok__recv_give_back(struct zok__net *net, struct zok_buf *buf)
{
	bool is_of_pool = !zok__buf_is_loose(buf);
	struct zok_list *link;

	zok__buf_release(buf);
	if (ZOK_UNLIKELY(!is_of_pool))
		return;
	link = zok_list_pop_front(&net->starving);
	if (ZOK_UNLIKELY(link != NULL)) {
		start_multishot(ZOK_CONTAINER_OF(link, struct zok_socket, starving));
		return;
	}
	link = zok_list_pop_front(&net->dgrams_starving);
	if (ZOK_UNLIKELY(link != NULL))
		zok__dgram_feed(ZOK_CONTAINER_OF(link, struct zok_dgram_socket, starving));
}

/* ---- What the engine brings ---- */

static void wake_reader(const struct zok_socket *socket)
{
	struct zok_waker *waker = socket->reader ? socket->reader->future.waker : NULL;

	if (waker)
		waker->wake(waker);
}

static void end_stream(struct zok_socket *socket, int result)
{
	socket->recv_state = ZOK__RECV_ENDED;
	/* The kernel tells a reset once, and a send behind may have been who heard it. */
	socket->recv_result = result == 0 && socket->send_error == -ECONNRESET ? -ECONNRESET : result;
}

static bool is_wanted(const struct zok_socket *socket)
{
	return socket->reader && !socket->first && !socket->closer;
}

/* After its last completion. Cancelled: by ourselves, to pause or to close. */
static void multishot_ended(struct zok_socket *socket, int result)
{
	bool was_pausing = socket->recv_state == ZOK__RECV_PAUSING;

	socket->recv_op.future.state = ZOK_FUTURE_READY;
	if (result > 0 || result == -ECANCELED || result == -ENOBUFS) {
		socket->recv_state = was_pausing ? ZOK__RECV_PAUSED : ZOK__RECV_IDLE;
		if (!is_wanted(socket))
			return;
		/* By now a buffer may have come back: who can do without one does not ask for it again. */
		if (result == -ENOBUFS && socket->reader->base)
			start_direct(socket, socket->reader);
		else
			start_for(socket, socket->reader);
	} else {
		end_stream(socket, result);
	}
}

static void pause_multishot(struct zok_socket *socket)
{
	socket->recv_state = ZOK__RECV_PAUSING;
	zok__op_cancel(&socket->recv_op);
}

static void multishot_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_socket *socket = ZOK_CONTAINER_OF(op, struct zok_socket, recv_op);

	if (ZOK_LIKELY(completion->buf != NULL)) {
		zok__count(&socket->net->core->counters->stats.bytes_received, completion->buf->len);
		if (ZOK_UNLIKELY(socket->closer != NULL))
			zok__recv_give_back(socket->net, completion->buf);
		else
			queue_push(socket, completion->buf);
	}
	if (!completion->has_more)
		multishot_ended(socket, completion->result);
	else if (socket->queued_count > queue_max(socket->net) && socket->recv_state == ZOK__RECV_ARMED)
		pause_multishot(socket);
	if (socket->first || socket->recv_state == ZOK__RECV_ENDED)
		wake_reader(socket);
	if (ZOK_UNLIKELY(socket->closer != NULL))
		zok__close_continue(socket);
	else if (ZOK_UNLIKELY(socket->mover != NULL))
		zok__move_continue(socket);
}

/* The reader's memory is its own again. Bytes that came before a cancel or a close are its result. */
static void direct_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_socket *socket = ZOK_CONTAINER_OF(op, struct zok_socket, recv_op);
	struct zok_recv *reader = socket->reader;
	int result = completion->result;

	op->future.state = ZOK_FUTURE_READY;
	socket->reader = NULL;
	socket->recv_state = ZOK__RECV_IDLE;
	if (result > 0)
		zok__count(&socket->net->core->counters->stats.bytes_received, (uint64_t)result);
	else if (result != -ECANCELED)
		end_stream(socket, result);
	if (result == -ECANCELED && socket->closer)
		result = -EBADF;
	zok_future_complete(&reader->future, result);
	if (socket->closer)
		zok__close_continue(socket);
}

/* ---- What a reader takes ---- */

static size_t take_bytes(struct zok_socket *socket, uint8_t *base, size_t len)
{
	size_t done = 0;

	while (done < len && socket->first) {
		struct zok_buf *buf = socket->first;
		size_t left = buf->len - buf->read_offset, count = left < len - done ? left : len - done;

		memcpy(base + done, buf->data + buf->read_offset, count);
		done += count;
		buf->read_offset += (uint32_t)count;
		if (count == left)
			zok__recv_give_back(socket->net, queue_pop(socket));
	}
	return done;
}

static void resume_if_short(struct zok_socket *socket)
{
	if (ZOK_UNLIKELY(socket->recv_state == ZOK__RECV_PAUSED) && socket->queued_count <= QUEUE_LOW && free_count(socket->net) > 0)
		start_multishot(socket);
}

/* Something is queued, or nothing will come any more. */
static bool has_something(const struct zok_socket *socket)
{
	return socket->first || socket->recv_state == ZOK__RECV_ENDED;
}

static ssize_t take(struct zok_socket *socket, struct zok_recv *recv)
{
	ssize_t result;

	if (!socket->first)
		return socket->recv_result;
	if (recv->base) {
		result = (ssize_t)take_bytes(socket, recv->base, recv->len);
	} else {
		recv->buf = queue_pop(socket);
		result = (ssize_t)zok_buf_len(recv->buf);
	}
	resume_if_short(socket);
	return result;
}

/* ---- The future ---- */

static int admit(const struct zok_socket *socket)
{
	if (zok__socket_is_foreign(socket))
		return -EXDEV;
	if (socket->closer)
		return -EBADF;
	if (socket->is_door)
		return -ENOTCONN;
	return socket->reader || socket->mover ? -EBUSY : 0;
}

static bool recv_begin(struct zok_recv *recv)
{
	struct zok_socket *socket = recv->socket;
	int rc = admit(socket);

	if (rc < 0)
		return zok__end_in_poll(&recv->future, rc);
	if (recv->base && recv->len == 0)
		return zok__end_in_poll(&recv->future, 0);
	if (has_something(socket))
		return zok__end_in_poll(&recv->future, take(socket, recv));
	recv->future.state = ZOK_FUTURE_PENDING;
	socket->reader = recv;
	zok__behind_note_reader(socket);
	if (socket->recv_state == ZOK__RECV_IDLE || socket->recv_state == ZOK__RECV_PAUSED)
		start_for(socket, recv);
	return zok_future_is_ready(&recv->future); /* a direct receive that found its bytes waiting */
}

/*
 * Bytes are copied here, when the reader looks, and not when they arrive: so several arrivals make one read, and a cancel between the two
 * leaves them in the queue.
 */
static bool recv_poll(struct zok_future *future)
{
	struct zok_recv *recv = ZOK_CONTAINER_OF(future, struct zok_recv, future);
	struct zok_socket *socket = recv->socket;

	if (future->state == ZOK_FUTURE_PREPARED)
		return recv_begin(recv);
	if (!has_something(socket))
		return false;
	socket->reader = NULL;
	return zok__end_in_poll(future, take(socket, recv));
}

static void leave_starving(struct zok_socket *socket)
{
	zok_list_remove(&socket->starving);
	socket->recv_state = ZOK__RECV_IDLE;
}

/* Only a direct receive holds the reader's memory; from all else the reader can walk away. */
static void recv_cancel(struct zok_future *future)
{
	struct zok_recv *recv = ZOK_CONTAINER_OF(future, struct zok_recv, future);
	struct zok_socket *socket = recv->socket;

	if (socket->recv_state == ZOK__RECV_DIRECT) {
		zok__op_cancel(&socket->recv_op);
		return;
	}
	if (socket->recv_state == ZOK__RECV_STARVING)
		leave_starving(socket);
	socket->reader = NULL;
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops recv_ops = {.poll = recv_poll, .cancel = recv_cancel, .name = "a receive"};

void zok_recv_prepare(struct zok_recv *recv, struct zok_socket *socket, void *buf, size_t len)
{
	zok_future_prepare(&recv->future, &recv_ops);
	recv->socket = socket;
	recv->base = buf ? buf : recv; /* no memory takes no bytes: NULL would mean that a buffer is wanted */
	recv->len = buf ? len : 0;
	recv->buf = NULL;
	recv->may_give_up = false;
}

void zok_recv_buf_prepare(struct zok_recv *recv, struct zok_socket *socket)
{
	zok_future_prepare(&recv->future, &recv_ops);
	recv->socket = socket;
	recv->base = NULL;
	recv->len = 0;
	recv->buf = NULL;
	recv->may_give_up = false;
}

/* ---- A move ---- */

void zok__recv_queue(struct zok_socket *socket, struct zok_buf *buf)
{
	queue_push(socket, buf);
}

struct zok_buf *zok__recv_take_all(struct zok_socket *socket)
{
	struct zok_buf *first = socket->first;

	socket->first = NULL;
	socket->queued_count = 0;
	return first;
}

void zok__recv_put_back(struct zok_socket *socket, struct zok_buf *first)
{
	struct zok_buf *next;

	assert(!socket->first || !first);
	for (; first; first = next) {
		next = first->next;
		queue_push(socket, first);
	}
}

/* Without a reader nothing else is in flight than the multishot. */
bool zok__recv_stop(struct zok_socket *socket)
{
	if (socket->recv_state == ZOK__RECV_ARMED)
		pause_multishot(socket);
	return zok__op_is_in_flight(&socket->recv_op);
}

/* ---- Close ---- */

void zok__recv_abort(struct zok_socket *socket)
{
	struct zok_recv *reader = socket->reader;

	while (socket->first)
		zok__recv_give_back(socket->net, queue_pop(socket));
	if (socket->recv_state == ZOK__RECV_STARVING)
		leave_starving(socket);
	if (reader && socket->recv_state != ZOK__RECV_DIRECT) {
		socket->reader = NULL;
		zok_future_complete(&reader->future, -EBADF);
	}
	if (zok__op_is_in_flight(&socket->recv_op) && socket->recv_state != ZOK__RECV_PAUSING)
		zok__op_cancel(&socket->recv_op);
}

/* ---- Fibers ---- */

/* The way of a request whose bytes have arrived before it was asked for: no future, no op. */
static bool can_take_now(const struct zok_socket *socket)
{
	return !zok__socket_is_foreign(socket) && socket->first && !socket->reader && !zok__is_cut(socket->net);
}

ssize_t zok_read(struct zok_socket *socket, void *buf, size_t len)
{
	struct zok_recv recv;
	size_t done;

	if (can_take_now(socket)) {
		done = take_bytes(socket, buf, len);
		resume_if_short(socket);
		return (ssize_t)done;
	}
	zok_recv_prepare(&recv, socket, buf, len);
	return zok_await(&recv.future);
}

ssize_t zok_read_all(struct zok_socket *socket, void *buf, size_t len)
{
	uint8_t *base = buf;
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = zok_read(socket, base + done, len - done);
		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static ssize_t recv_buf(struct zok_socket *socket, struct zok_buf **buf, bool may_give_up)
{
	struct zok_recv recv;
	ssize_t n;

	zok_recv_buf_prepare(&recv, socket);
	recv.may_give_up = may_give_up;
	n = zok_await(&recv.future);
	if (n > 0)
		*buf = recv.buf;
	return n;
}

struct zok_buf *zok__recv_take_queued(struct zok_socket *socket)
{
	struct zok_buf *buf;

	if (!socket->first || socket->reader || socket->closer)
		return NULL;
	buf = queue_pop(socket);
	resume_if_short(socket);
	return buf;
}

ssize_t zok_recv_buf(struct zok_socket *socket, struct zok_buf **buf)
{
	return recv_buf(socket, buf, false);
}

ssize_t zok__recv_buf_or_shortage(struct zok_socket *socket, struct zok_buf **buf)
{
	return recv_buf(socket, buf, true);
}

/* ---- Buffers in the receiver's hands ---- */

const void *zok_buf_data(const struct zok_buf *buf)
{
	return buf->data + buf->read_offset;
}

size_t zok_buf_len(const struct zok_buf *buf)
{
	return buf->len - buf->read_offset;
}

void zok_buf_release(struct zok_buf *buf)
{
	if (buf)
		zok__recv_give_back(zok__net(), buf);
}
