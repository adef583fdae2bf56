/*
 * A connection to another core, in order: small sends behind (behind.c) are the kernel's, the multishot is cancelled and its end awaited, the engine
 * forgets the descriptor; then a message carries it there. That core makes a socket of it, with what had been received and not read, and gives it to
 * its receiver. The message comes back and says whether the connection was taken: only then is the socket here freed, and where it was not, it is as it
 * was before. So there is no moment at which nobody would close it, and nothing on the way needs memory that could be short.
 *
 * What was received stays in this core's buffers until the answer: the other core copies it into memory of its own. An idle connection has none.
 *
 * Until the descriptor is about to be forgotten a cancel or a close ends the move. From then on they wait for the answer, as long as a turn of the other
 * core's loop: what is on its way cannot be called back.
 */
#include "net/socket.h"

#include "core/log.h"
#include "zokio/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* In its caller's memory. While has_left is set and the message is out, the other core reads it and writes `result` only. */
struct zok__move {
	struct zok_future future;
	struct zok_socket *socket;
	struct zok_core *home, *there;
	int (*arrive)(struct zok_socket *peer, void *arg);
	void *arg;
	struct zok_op forget;
	struct zok__message message;
	struct zok_buf *unread; /* the queue of `socket`, while it is under way */
	bool has_left;		/* there is no way back but the answer's */
	int result;
};

static struct zok__move *move_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok__move, future);
}

/* ---- There ---- */

static size_t count_bytes(const struct zok_buf *unread)
{
	size_t len = 0;

	for (; unread; unread = unread->next)
		len += zok_buf_len(unread);
	return len;
}

/* NULL and 0: there was nothing. */
static int copy_unread(const struct zok_buf *unread, struct zok_buf **out)
{
	size_t len = count_bytes(unread), done = 0;
	struct zok_buf *copy = len > 0 ? zok__buf_make_loose(len) : NULL;

	if (len > 0 && !copy)
		return -ENOMEM;
	for (; unread; unread = unread->next) {
		memcpy(copy->data + done, zok_buf_data(unread), zok_buf_len(unread));
		done += zok_buf_len(unread);
	}
	*out = copy;
	return 0;
}

/* What it knows of itself goes along; the rest is as of a new one. */
static void init_like(struct zok_socket *socket, struct zok__net *net, const struct zok_socket *old)
{
	zok__socket_init(socket, net, old->fd);
	if (old->recv_state == ZOK__RECV_ENDED) {
		socket->recv_state = ZOK__RECV_ENDED;
		socket->recv_result = old->recv_result;
	}
	socket->is_answering = old->is_answering;
	socket->late_shift = old->late_shift;
	socket->loud_count = old->loud_count;
}

static int make_socket(const struct zok__move *move, struct zok_socket **out)
{
	struct zok__net *net = zok__net();
	struct zok_socket *socket = net ? zok_pool_get(&net->sockets) : NULL;
	struct zok_buf *unread = NULL;

	if (!socket)
		return -ENOMEM;
	if (copy_unread(move->unread, &unread) < 0) {
		zok_pool_put(&net->sockets, socket);
		return -ENOMEM;
	}
	init_like(socket, net, move->socket);
	if (unread)
		zok__recv_queue(socket, unread);
	*out = socket;
	return 0;
}

/* Its receiver did not want it: the descriptor was never used here. */
static void unmake_socket(struct zok_socket *socket)
{
	zok__recv_abort(socket);
	zok__socket_free(socket);
}

static int receive(const struct zok__move *move)
{
	struct zok_socket *socket;
	int rc = make_socket(move, &socket);

	if (rc < 0)
		return rc;
	zok__count(&socket->net->core->counters->stats.connections_moved_in, 1);
	rc = move->arrive(socket, move->arg);
	if (rc >= 0)
		return 0;
	zok__count(&socket->net->core->counters->stats.connections_moved_in, (uint64_t)-1);
	unmake_socket(socket);
	return rc;
}

static void come_home(struct zok_core *core, struct zok__message *message);

static void arrive_there(struct zok_core *core, struct zok__message *message)
{
	struct zok__move *move = ZOK_CONTAINER_OF(message, struct zok__move, message);

	move->result = receive(move);
	message->run = come_home;
	zok__mail_send(core, move->home, message);
}

/* ---- At home ---- */

static void free_unread(struct zok__move *move)
{
	while (move->unread) {
		struct zok_buf *buf = move->unread;

		move->unread = buf->next;
		zok__recv_give_back(move->socket->net, buf);
	}
}

/* It stays. A close that has waited goes on, and is who the connection is lost to. */
static void stay(struct zok__move *move, int result)
{
	struct zok_socket *socket = move->socket;

	socket->mover = NULL;
	if (socket->closer) {
		free_unread(move);
		zok_future_complete(&move->future, -EBADF);
		zok__close_continue(socket);
		return;
	}
	zok__recv_put_back(socket, move->unread);
	zok_future_complete(&move->future, result);
}

/* It is another core's. Who would have closed it here is too late. */
static void go(struct zok__move *move)
{
	struct zok_socket *socket = move->socket;
	struct zok_close *closer = socket->closer;

	free_unread(move);
	zok__count(&move->home->counters->stats.connections_moved_out, 1);
	zok__socket_free(socket);
	if (closer)
		zok_future_complete(&closer->op.future, -EBADF);
	zok_future_complete(&move->future, 0);
}

static void come_home(struct zok_core *core, struct zok__message *message)
{
	struct zok__move *move = ZOK_CONTAINER_OF(message, struct zok__move, message);

	zok__count(&core->counters->stats.wakes_remote, 1);
	if (move->result < 0)
		stay(move, move->result);
	else
		go(move);
}

static void forgotten_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok__move *move = ZOK_CONTAINER_OF(op, struct zok__move, forget);

	op->future.state = ZOK_FUTURE_READY;
	if (completion->result < 0 || move->socket->closer) {
		stay(move, completion->result);
		return;
	}
	move->message.run = arrive_there;
	zok__mail_send(move->home, move->there, &move->message);
}

static void leave(struct zok__move *move)
{
	move->has_left = true;
	move->future.is_shielded = true;
	move->unread = zok__recv_take_all(move->socket);
	zok__op_prepare(&move->forget, ZOK_OP_FORGET, move->socket->fd);
	move->forget.deliver = forgotten_deliver;
	zok__op_start(&move->forget);
}

static void give_up(struct zok__move *move, int result)
{
	move->socket->mover = NULL;
	zok_future_complete(&move->future, result);
}

void zok__move_continue(struct zok_socket *socket)
{
	struct zok__move *move = socket->mover;

	if (move->has_left)
		return;
	if (socket->behind)
		zok__behind_hurry(socket);
	else if (socket->send_error < 0)
		give_up(move, socket->send_error);
	else if (!zok__recv_stop(socket))
		leave(move);
}

void zok__move_abort(struct zok_socket *socket)
{
	if (socket->mover && !socket->mover->has_left)
		give_up(socket->mover, -EBADF);
}

/* ---- The future ---- */

static int admit(const struct zok_socket *socket)
{
	if (socket->closer)
		return -EBADF;
	if (socket->reader || socket->sender || socket->flusher || socket->mover)
		return -EBUSY;
	return socket->send_error;
}

static bool move_poll(struct zok_future *future)
{
	struct zok__move *move = move_of(future);
	struct zok_waker *waker = future->waker;
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = admit(move->socket);
	if (rc < 0)
		return zok__end_in_poll(future, rc);
	if (move->there == move->home)
		return zok__end_in_poll(future, move->arrive(move->socket, move->arg));
	future->state = ZOK_FUTURE_PENDING;
	future->waker = NULL;
	move->socket->mover = move;
	zok__move_continue(move->socket);
	if (zok_future_is_ready(future))
		return true;
	future->waker = waker;
	return false;
}

/* Shielded once it has left. */
static void move_cancel(struct zok_future *future)
{
	assert(!move_of(future)->has_left);
	give_up(move_of(future), -ECANCELED);
}

static const struct zok_future_ops move_ops = {.poll = move_poll, .cancel = move_cancel, .name = "a move to another core"};

/* Who asks, where, and for what: what no state of the connection changes. */
static int check(const struct zok_socket *socket, unsigned index)
{
	const struct zok_core *core = zok__core(), *owner = socket->net->core;

	if (core != owner) {
		zok__log(ZOK_LOG_ERROR, "move: a socket of core %u: only a task of that core can move it", owner->options.index);
		return -EXDEV;
	}
	if (socket->is_door) {
		zok__log(ZOK_LOG_ERROR, "move: a door stays where it was opened; connections move");
		return -EINVAL;
	}
	if (index < core->options.core_count)
		return 0;
	zok__log(ZOK_LOG_ERROR, "move: core %u: no such core; there are %u", index, core->options.core_count);
	return -EINVAL;
}

int zok_socket_move(struct zok_socket *socket, unsigned core, int (*arrive)(struct zok_socket *peer, void *arg), void *arg)
{
	struct zok__move move = {.socket = socket, .home = zok__core(), .arrive = arrive, .arg = arg};
	int rc = check(socket, core);

	if (rc < 0)
		return rc;
	move.there = move.home->options.peers[core];
	zok_future_prepare(&move.future, &move_ops);
	rc = (int)zok_await(&move.future);
	return rc < 0 ? rc : 0;
}
