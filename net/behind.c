/*
 * Small sends, written behind: the bytes are copied, the sender goes on at once, and the send goes to the kernel with everybody else's at the end
 * of the turn. As with write(2), what was taken has not arrived yet, and what goes wrong afterwards is told by the next send (and by a read that
 * would else see a clean end). It saves a suspension and a completion a request, and the wait that a completion would end
 * (docs/decisions/035-small-sends-behind.md).
 *
 * Only where it does not make the bytes late. They leave when the task suspends, so a task that sends and then computes would hold back what it has
 * sent. So a small send is written behind only on a socket that answers: where the last send was followed by a read that had to wait; and
 * where a read shows, by the clock, that the sender went on for longer than LATE_NS, the socket's next sends are not, 64 of them, and twice as many
 * each time that it happens again.
 *
 * One at a time a socket. Who sends again before the kernel has taken the first waits for it, so bytes keep their order and a slow reader stops its
 * writer. shutdown and close wait for it, too, as long as they may (see close.c): what was taken is not dropped while its reader is alive.
 */
#include "net/socket.h"

#include "zokio/task.h"
#include "zokio/timer.h"

#include <errno.h>
#include <string.h>

/* Seventeen lines: an odd number, so that neighbours begin in different sets of the first-level cache. */
enum { BEHIND_SIZE = 17 * ZOK_CACHE_LINE, BEHIND_COUNT_MAX = 1024 };

enum { LATE_NS = 10000, LOUD_COUNT = 64, LATE_SHIFT_MAX = 9 };

/* How long a close waits for a reader that does not read, whatever its scope: longer would be a way to hold a gateway's descriptors. */
#define LINGER_NS (5 * ZOK_S)

struct zok__behind {
	struct zok_op op;
	struct zok_socket *socket;
	uint32_t len, sent;
	struct zok_timer linger; /* of a close that waits for it */
	struct zok_waker lingered;
	bool may_not_wait; /* it was handed over as one that ends at once, whatever op.is_silent says since */
	uint8_t data[];
};

enum { DATA_MAX = BEHIND_SIZE - offsetof(struct zok__behind, data) };

void zok__behind_init(struct zok__net *net)
{
	const struct zok_pool_options options = {.name = "small sends",
						 .object_size = BEHIND_SIZE,
						 .alignment = ZOK_CACHE_LINE,
						 .count_max = BEHIND_COUNT_MAX,
						 .allocator = zok__core_allocator(net->core)};

	zok_pool_init(&net->behinds, &options);
	net->late_cycles = zok__clock_ns_to_cycles(&net->core->clock, LATE_NS);
}

static uint64_t cycles(const struct zok_socket *socket)
{
	return zok__clock_cycles(&socket->net->core->clock);
}

static void note_late(struct zok_socket *socket)
{
	socket->loud_count = (uint16_t)(LOUD_COUNT << socket->late_shift);
	if (socket->late_shift < LATE_SHIFT_MAX)
		socket->late_shift++;
}

void zok__behind_note_reader(struct zok_socket *socket)
{
	if (!socket->has_sent)
		return;
	socket->is_answering = true;
	if (socket->behind_cycles != 0 && cycles(socket) - socket->behind_cycles > socket->net->late_cycles)
		note_late(socket);
	socket->has_sent = false;
	socket->behind_cycles = 0;
}

/* What the next read will say is of this send. */
static bool may_be_behind(struct zok_socket *socket, size_t len)
{
	bool is_answering = socket->is_answering;

	socket->has_sent = true;
	socket->is_answering = false;
	socket->behind_cycles = 0;
	if (len > DATA_MAX || !is_answering)
		return false;
	if (ZOK_LIKELY(socket->loud_count == 0))
		return true;
	socket->loud_count--;
	return false;
}

/* It stays the flusher until it has looked: a close in between must still find it. */
static void wake_flusher(const struct zok_socket *socket)
{
	struct zok_waker *waker = socket->flusher ? socket->flusher->waker : NULL;

	if (waker)
		waker->wake(waker);
}

void zok__behind_abort_flush(struct zok_socket *socket)
{
	struct zok_future *flusher = socket->flusher;

	socket->flusher = NULL;
	if (flusher)
		zok_future_complete(flusher, -EBADF);
}

/* After the last byte, or the failure. */
static void ended(struct zok__behind *behind, int result)
{
	struct zok_socket *socket = behind->socket;

	socket->behind = NULL;
	if (result < 0)
		socket->send_error = result;
	zok_future_cancel(&behind->linger.future);
	zok_pool_put(&socket->net->behinds, behind);
	zok__send_continue(socket);
	wake_flusher(socket);
	if (ZOK_UNLIKELY(socket->closer != NULL))
		zok__close_continue(socket);
	else if (ZOK_UNLIKELY(socket->mover != NULL))
		zok__move_continue(socket);
}

/* The socket takes no more at once: from now on the op waits, and its end ends a wait as any other's. */
static void send_rest(struct zok__behind *behind)
{
	behind->op.is_silent = behind->may_not_wait = false;
	behind->op.arg.buffer.base = behind->data + behind->sent;
	behind->op.arg.buffer.len = behind->len - behind->sent;
	zok__op_start(&behind->op);
}

static bool goes_on(const struct zok__behind *behind, int result)
{
	if (behind->sent == behind->len || behind->op.future.is_canceled)
		return false;
	return result > 0 || (result == -EAGAIN && behind->may_not_wait);
}

static void deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok__behind *behind = ZOK_CONTAINER_OF(op, struct zok__behind, op);

	op->future.state = ZOK_FUTURE_READY;
	if (completion->result > 0) {
		behind->sent += (uint32_t)completion->result;
		zok__count(&behind->socket->net->core->counters->stats.bytes_sent, (uint64_t)completion->result);
	}
	if (ZOK_UNLIKELY(goes_on(behind, completion->result)))
		send_rest(behind);
	else
		ended(behind, behind->sent == behind->len ? 0 : completion->result < 0 ? completion->result : -ECANCELED);
}

/* The base of nothing may be NULL, which memcpy(3) forbids even then. */
static uint8_t *append(uint8_t *to, const void *base, size_t len)
{
	if (len > 0)
		memcpy(to, base, len);
	return to + len;
}

static void copy(uint8_t *to, const struct zok_send *send)
{
	const struct msghdr *header = send->op.arg.message.header;

	if (send->op.kind == ZOK_OP_SEND) {
		append(to, send->base, send->len);
		return;
	}
	for (size_t i = 0; i < header->msg_iovlen; i++)
		to = append(to, header->msg_iov[i].iov_base, header->msg_iov[i].iov_len);
}

bool zok__behind_take(struct zok_send *send)
{
	struct zok_socket *socket = send->socket;
	struct zok__behind *behind;

	if (!may_be_behind(socket, send->len))
		return false;
	behind = zok_pool_get(&socket->net->behinds);
	if (!behind)
		return false;
	copy(behind->data, send);
	zok__op_prepare(&behind->op, ZOK_OP_SEND, socket->fd);
	behind->op.deliver = deliver;
	behind->op.is_silent = behind->may_not_wait = true;
	behind->op.arg.buffer.base = behind->data;
	behind->op.arg.buffer.len = behind->len = (uint32_t)send->len;
	behind->op.arg.buffer.flags = 0;
	behind->sent = 0;
	behind->linger.future.state = ZOK_FUTURE_READY; /* nobody lingers */
	behind->socket = socket;
	socket->behind = behind;
	socket->behind_cycles = cycles(socket);
	zok__op_start(&behind->op);
	return true;
}

void zok__behind_hurry(struct zok_socket *socket)
{
	if (socket->behind)
		socket->behind->op.is_silent = false;
}

/* Also called where the timer was cancelled, in ended(): nothing is to be done then. */
static void lingered(struct zok_waker *waker)
{
	struct zok__behind *behind = ZOK_CONTAINER_OF(waker, struct zok__behind, lingered);

	if (behind->linger.future.result == 0)
		zok_future_cancel(&behind->op.future);
}

void zok__behind_linger(struct zok_socket *socket)
{
	struct zok__behind *behind = socket->behind;

	behind->lingered.wake = lingered;
	zok_timer_prepare(&behind->linger, LINGER_NS);
	zok_future_poll(&behind->linger.future, &behind->lingered);
}

void zok__behind_cancel(struct zok_socket *socket)
{
	if (socket->behind)
		zok_future_cancel(&socket->behind->op.future);
}

/* ---- Waiting for it ---- */

struct flush {
	struct zok_future future;
	struct zok_socket *socket;
};

static bool flush_poll(struct zok_future *future)
{
	struct flush *flush = ZOK_CONTAINER_OF(future, struct flush, future);

	if (future->state == ZOK_FUTURE_PREPARED) {
		if (flush->socket->flusher)
			return zok__end_in_poll(future, -EBUSY);
		future->state = ZOK_FUTURE_PENDING;
		flush->socket->flusher = future;
		zok__behind_hurry(flush->socket);
	}
	if (flush->socket->behind)
		return false;
	flush->socket->flusher = NULL;
	return zok__end_in_poll(future, flush->socket->send_error);
}

static void flush_cancel(struct zok_future *future)
{
	ZOK_CONTAINER_OF(future, struct flush, future)->socket->flusher = NULL;
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops flush_ops = {.poll = flush_poll, .cancel = flush_cancel};

int zok__behind_flush(struct zok_socket *socket)
{
	struct flush flush = {.socket = socket};

	if (ZOK_LIKELY(!socket->behind))
		return socket->send_error;
	zok_future_prepare(&flush.future, &flush_ops);
	return (int)zok_await(&flush.future);
}
