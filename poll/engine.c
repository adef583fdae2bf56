/* The engine over readiness: who waits for what, and in which order they are served. */
#include "poll/poll.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/* Which list of its descriptor an op of each kind waits in. Those that wait in none are done at once. */
static const uint8_t places[ZOK_OP_KIND_COUNT] = {
	[ZOK_OP_READ] = POLL_AT_READERS,	 [ZOK_OP_WRITE] = POLL_AT_WRITERS,	     [ZOK_OP_RECV] = POLL_AT_READERS,
	[ZOK_OP_RECV_BUFFERS] = POLL_AT_READERS, [ZOK_OP_RECVMSG_BUFFERS] = POLL_AT_READERS, [ZOK_OP_SEND] = POLL_AT_WRITERS,
	[ZOK_OP_SENDMSG] = POLL_AT_WRITERS,	 [ZOK_OP_ACCEPT] = POLL_AT_READERS,	     [ZOK_OP_CONNECT] = POLL_AT_WRITERS,
	[ZOK_OP_SPLICE] = POLL_AT_READERS,	 [ZOK_OP_POLL] = POLL_AT_WATCHERS,
};

static struct zok__poll *poll_of(struct zok__engine *engine)
{
	return (struct zok__poll *)(void *)engine;
}

/* ---- Lists ---- */

/* Where an op waits: the list, the descriptor that it belongs to, and the bit that has it tried again. */
struct spot {
	struct zok__poll_fd *state;
	struct zok_op **list;
	uint8_t bit; /* none for those who poll: an event that others have used up may still be news for them */
};

static struct spot spot_in(struct zok__poll_fd *state, enum zok__poll_place place)
{
	if (place == POLL_AT_READERS)
		return (struct spot){state, &state->readers, ZOK__POLL_READ};
	if (place == POLL_AT_WATCHERS)
		return (struct spot){state, &state->watchers, 0};
	return (struct spot){state, &state->writers, ZOK__POLL_WRITE};
}

static struct spot spot_of(struct zok__poll *poll, const struct zok_op *op)
{
	int fd = op->engine_state == POLL_AT_OUT ? op->arg.splice.fd_out : op->fd;
	struct zok__poll_fd *state = zok__poll_fd_find(poll, fd);

	assert(state);
	return spot_in(state, (enum zok__poll_place)op->engine_state);
}

static void join(struct zok_op **list, struct zok_op *op)
{
	while (*list)
		list = &(*list)->engine_next;
	op->engine_next = NULL;
	*list = op;
}

static void leave(struct zok_op **list, struct zok_op *op)
{
	while (*list != op)
		list = &(*list)->engine_next;
	*list = op->engine_next;
}

static void turn_join(struct zok__poll *poll, struct zok__poll_fd *state)
{
	if (state->is_in_turn)
		return;
	state->is_in_turn = true;
	state->turn_next = NULL;
	if (poll->turn_first)
		poll->turn_last->turn_next = state;
	else
		poll->turn_first = state;
	poll->turn_last = state;
}

static void queue_join(struct zok__poll_queue *queue, struct zok_op *op, enum zok__poll_place place)
{
	op->engine_state = (uint8_t)place;
	op->engine_next = NULL;
	if (queue->first)
		queue->last->engine_next = op;
	else
		queue->first = op;
	queue->last = op;
}

static void later_join(struct zok__poll *poll, struct zok_op *op, enum zok__poll_place place)
{
	queue_join(&poll->later, op, place);
}

/* ---- Completions ---- */

void zok__poll_deliver(struct zok__poll *poll, struct zok_op *op, const struct zok_completion *completion)
{
	if (!completion->has_more) {
		op->engine_state = POLL_AT_NOTHING;
		op->handle = 0;
	}
	zok__count(&poll->counters->stats.completions, 1);
	poll->delivered++;
	poll->depth++;
	op->deliver(op, completion);
	poll->depth--;
}

/* The op is in no list. */
static void end_later(struct zok__poll *poll, struct zok_op *op, int32_t result)
{
	op->future.result = result;
	later_join(poll, op, POLL_AT_ENDINGS);
}

/* The op is in no list. At once, unless receivers that submit in deliver have nested too deep already. */
static void end(struct zok__poll *poll, struct zok_op *op, int32_t result)
{
	if (poll->depth >= POLL_DEPTH_MAX)
		end_later(poll, op, result);
	else
		zok__poll_deliver(poll, op, &(struct zok_completion){.result = result});
}

static void end_list(struct zok__poll *poll, struct zok_op **list)
{
	while (*list) {
		struct zok_op *op = *list;

		*list = op->engine_next;
		end_later(poll, op, -ECANCELED);
	}
}

void zok__poll_end_all(struct zok__poll *poll, struct zok__poll_fd *state)
{
	end_list(poll, &state->readers);
	end_list(poll, &state->writers);
	end_list(poll, &state->watchers);
}

/* ---- Ops that wait for readiness ---- */

static bool is_multishot(const struct zok_op *op)
{
	return zok__op_fills_buffers(op) || op->kind == ZOK_OP_ACCEPT;
}

/* A multishot goes on until an error, and a receive until the end of the stream. */
static bool has_more(const struct zok_op *op, int32_t result)
{
	return (op->kind == ZOK_OP_ACCEPT && result >= 0) || (zok__op_fills_buffers(op) && result > 0);
}

/*
 * Sees to it that the op, which waits in its list, is tried again: by an event, or in the next turn where there will be none. Returns whether
 * it waits: what cannot be watched has ended, and may be gone.
 */
static bool await_event(struct zok__poll *poll, struct zok_op *op, struct spot spot)
{
	struct zok__poll_fd *state = spot.state;
	int rc;

	if (state->ready & spot.bit) {
		turn_join(poll, state);
		return true;
	}
	if (state->is_watched)
		return true;
	rc = poll->backend_ops->watch(poll->backend, state->fd, (uint64_t)state->generation << 32 | (uint32_t)state->fd);
	if (rc < 0 && rc != -EPERM) {
		leave(spot.list, op);
		end(poll, op, rc);
		return false;
	}
	state->is_watched = true;
	if (rc == -EPERM) {
		state->kind = POLL_FILE;
		state->ready = ZOK__POLL_READ | ZOK__POLL_WRITE;
		turn_join(poll, state);
	}
	return true;
}

/* Nothing to read or write in a file is its answer, but a splice may wait for its other end. Who asked not to wait is told. */
static bool has_to_wait(const struct zok__poll_fd *state, const struct zok_op *op, int32_t result)
{
	if (op->kind == ZOK_OP_SENDMSG && (op->arg.message.flags & MSG_DONTWAIT))
		return false;
	return result == -EAGAIN && (state->kind != POLL_FILE || op->kind == ZOK_OP_SPLICE);
}

/* A splice has chosen anew which of its ends it waits for. */
static struct spot change_lists(struct zok__poll *poll, struct zok_op *op, struct spot before)
{
	struct spot after = spot_of(poll, op);

	leave(before.list, op);
	join(after.list, op);
	return after;
}

/* Tries an op that waits at `spot`. Returns whether it still waits there as before; otherwise it may be gone. */
static bool try(struct zok__poll *poll, struct zok_op *op, struct spot spot)
{
	struct zok__poll_fd *state = op->engine_state != POLL_AT_OUT ? spot.state : zok__poll_fd_find(poll, op->fd);
	struct zok_completion completion = {0};

	completion.result = zok__poll_attempt(poll, state, op, &completion.buf);
	if (has_to_wait(state, op, completion.result))
		return await_event(poll, op, op->kind == ZOK_OP_SPLICE ? change_lists(poll, op, spot) : spot);
	completion.has_more = has_more(op, completion.result);
	if (!completion.has_more)
		leave(spot.list, op);
	zok__poll_deliver(poll, op, &completion);
	return false;
}

/* The list and the bit are read anew each time: who receives a completion may submit, cancel and close. */
static void serve_list(struct zok__poll *poll, struct spot spot)
{
	struct zok__poll_fd *state = spot.state;

	for (int i = 0; *spot.list && (state->ready & spot.bit); i++) {
		if (i == POLL_TRIES_PER_TURN) {
			turn_join(poll, state);
			return;
		}
		try(poll, *spot.list, spot);
	}
	/* A multishot may have taken all there was without ever having to wait. */
	while (*spot.list && !(state->ready & spot.bit) && !state->is_watched)
		await_event(poll, *spot.list, spot);
}

/* An event says that something has changed, but not for whom: each one that polls asks anew. */
static void serve_watchers(struct zok__poll *poll, struct spot spot)
{
	struct zok_op *op = *spot.list;

	for (int completed = 0; op;) {
		if (try(poll, op, spot)) {
			op = op->engine_next;
		} else if (++completed < POLL_TRIES_PER_TURN) {
			op = *spot.list;
		} else {
			turn_join(poll, spot.state);
			return;
		}
	}
}

static void serve(struct zok__poll *poll, struct zok__poll_fd *state)
{
	serve_list(poll, spot_in(state, POLL_AT_READERS));
	serve_list(poll, spot_in(state, POLL_AT_WRITERS));
	if (ZOK_UNLIKELY(state->watchers != NULL))
		serve_watchers(poll, spot_in(state, POLL_AT_WATCHERS));
}

/* Makes the descriptors' entries, so that they are there from here on; `*out` is that of op->fd. */
static int know(struct zok__poll *poll, struct zok_op *op, struct zok__poll_fd **out)
{
	int error = 0;
	struct zok__poll_fd *state = zok__poll_fd_find(poll, op->fd), *to;

	if (ZOK_UNLIKELY(!state) && !(state = zok__poll_fd_get(poll, op->fd, &error)))
		return error;
	*out = state;
	op->handle = state->generation;
	if (op->kind != ZOK_OP_SPLICE)
		return 0;
	to = zok__poll_fd_get(poll, op->arg.splice.fd_out, &error);
	if (!to)
		return error;
	op->handle = zok__poll_splice_handle(state, to);
	return 0;
}

/*
 * Whether an op is tried within submit: it is the next of its list, and there may be something for it. A multishot is not, so that its receiver
 * need not expect completions before submit() has returned.
 */
static bool is_tried_at_once(const struct zok__poll *poll, const struct zok_op *op, const struct spot *spot)
{
	if (poll->depth >= POLL_DEPTH_MAX || is_multishot(op))
		return false;
	return op->kind == ZOK_OP_POLL || (*spot->list == op && (spot->state->ready & spot->bit));
}

static void submit_waiting(struct zok__poll *poll, struct zok_op *op)
{
	struct zok__poll_fd *state = NULL;
	struct spot spot;
	int rc = know(poll, op, &state);

	if (rc < 0) {
		end(poll, op, rc);
		return;
	}
	op->engine_state = places[op->kind];
	spot = spot_in(state, (enum zok__poll_place)op->engine_state);
	join(spot.list, op);
	if (is_tried_at_once(poll, op, &spot))
		try(poll, op, spot);
	else if (op->kind == ZOK_OP_POLL)
		turn_join(poll, state);
	else
		await_event(poll, op, spot);
}

/* ---- Ops that do not wait ---- */

/* After EINTR the descriptor is closed all the same (close(2)). */
static int32_t close_now(int fd)
{
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

/* Returns whether somebody has waited on it. */
static bool forget(struct zok__poll *poll, int fd, bool stays_open)
{
	struct zok__poll_fd *state = zok__poll_fd_find(poll, fd);
	bool has_ended = state && (state->readers || state->writers || state->watchers);

	if (!state)
		return false;
	if (stays_open && state->is_watched)
		poll->backend_ops->unwatch(poll->backend, fd);
	zok__poll_end_all(poll, state);
	zok__poll_fd_forget(state);
	return has_ended;
}

/* A thread that has the descriptor in its hands is waited for: the number must not become another file's under it. */
static bool waits_for_threads(struct zok__poll *poll, struct zok_op *op)
{
	struct zok__poll_fd *state = zok__poll_fd_find(poll, op->fd);

	if (ZOK_LIKELY(!state || state->offloaded_count == 0))
		return false;
	zok__poll_end_all(poll, state);
	zok__offload_cancel_on(&poll->offload, op->fd);
	queue_join(&poll->closing, op, POLL_AT_CLOSING);
	return true;
}

/* The op is completed after those that it ended, so that its owner may free what they used. */
static void run_close_or_forget(struct zok__poll *poll, struct zok_op *op, bool has_ended)
{
	bool stays_open = op->kind == ZOK_OP_FORGET;
	int32_t result;

	if (waits_for_threads(poll, op))
		return;
	has_ended |= forget(poll, op->fd, stays_open);
	result = stays_open ? 0 : close_now(op->fd);
	if (has_ended)
		end_later(poll, op, result);
	else
		end(poll, op, result);
}

static void run_at_once(struct zok__poll *poll, struct zok_op *op)
{
	if (op->kind == ZOK_OP_CLOSE || op->kind == ZOK_OP_FORGET)
		run_close_or_forget(poll, op, false);
	else if (op->kind == ZOK_OP_SHUTDOWN)
		end(poll, op, shutdown(op->fd, op->arg.shutdown_how) < 0 ? -errno : 0);
	else
		end(poll, op, op->kind == ZOK_OP_NOP ? 0 : -EINVAL);
}

/* Closes that waited for threads: those whose descriptor is free now go on, behind whom they ended before they waited; the others wait again. */
static void go_on_closing(struct zok__poll *poll)
{
	struct zok_op *op = poll->closing.first;

	poll->closing = (struct zok__poll_queue){0};
	while (op) {
		struct zok_op *next = op->engine_next;

		op->engine_state = POLL_AT_NOTHING;
		run_close_or_forget(poll, op, true);
		op = next;
	}
}

static void take_offloaded(struct zok__poll *poll)
{
	if (ZOK_UNLIKELY(zok__poll_files_take(poll)) && poll->closing.first)
		go_on_closing(poll);
}

static void submit_file(struct zok__poll *poll, struct zok_op *op)
{
	int32_t result;

	switch (zok__poll_file_submit(poll, op, &result)) {
	case POLL_FILE_DONE: end(poll, op, result); break;
	case POLL_FILE_WAITS: submit_waiting(poll, op); break;
	case POLL_FILE_OFFLOADED: break;
	}
}

/* ---- The engine's face ---- */

void zok__poll_submit(struct zok__engine *engine, struct zok_op *op)
{
	struct zok__poll *poll = poll_of(engine);

	assert(op->engine_state == POLL_AT_NOTHING);
	if (op->kind < ZOK_OP_KIND_COUNT && places[op->kind] != POLL_AT_NOTHING)
		submit_waiting(poll, op);
	else if (zok__op_is_of_file(op))
		submit_file(poll, op);
	else if (poll->depth >= POLL_DEPTH_MAX)
		later_join(poll, op, POLL_AT_LATER);
	else
		run_at_once(poll, op);
}

/* The completion comes from the next wait, never from here: the receiver may be in the middle of another one of this op. */
void zok__poll_cancel(struct zok__engine *engine, struct zok_op *op)
{
	struct zok__poll *poll = poll_of(engine);

	switch ((enum zok__poll_place)op->engine_state) {
	case POLL_AT_NOTHING:
	case POLL_AT_CLOSING:
	case POLL_AT_ENDINGS: return;
	case POLL_AT_THREADS: zok__offload_cancel(&poll->offload, op); return;
	case POLL_AT_LATER:
		if (op->kind != ZOK_OP_CLOSE && op->kind != ZOK_OP_FORGET) {
			op->future.result = -ECANCELED;
			op->engine_state = POLL_AT_ENDINGS;
		}
		return;
	default: leave(spot_of(poll, op).list, op); end_later(poll, op, -ECANCELED);
	}
}

/* Only what is there now: who submits again while it is delivered comes with the next turn. */
static void serve_later(struct zok__poll *poll)
{
	struct zok_op *op = poll->later.first;

	poll->later = (struct zok__poll_queue){0};
	while (op) {
		struct zok_op *next = op->engine_next;

		if (op->engine_state == POLL_AT_LATER)
			run_at_once(poll, op);
		else
			zok__poll_deliver(poll, op, &(struct zok_completion){.result = (int32_t)op->future.result});
		op = next;
	}
}

static void serve_turn(struct zok__poll *poll)
{
	struct zok__poll_fd *state = poll->turn_first;

	poll->turn_first = poll->turn_last = NULL;
	while (state) {
		struct zok__poll_fd *next = state->turn_next;

		state->is_in_turn = false;
		serve(poll, state);
		state = next;
	}
}

/*
 * Asks the kernel in every turn, also when it has enough to do without: otherwise a descriptor that is always ready would keep the events of
 * all others out. Work that is left for the next turn keeps this one from sleeping.
 */
int zok__poll_wait(struct zok__engine *engine, uint64_t timeout_ns)
{
	struct zok__poll *poll = poll_of(engine);

	poll->delivered = 0;
	take_offloaded(poll);
	serve_later(poll);
	serve_turn(poll);
	if (poll->delivered > 0 || poll->later.first || poll->turn_first)
		timeout_ns = 0;
	zok__count(&poll->counters->stats.waits, 1);
	poll->backend_ops->wait(poll->backend, timeout_ns, poll);
	take_offloaded(poll);
	return poll->delivered;
}

void zok__poll_ready(struct zok__poll *poll, uint64_t tag, unsigned ready)
{
	struct zok__poll_fd *state = zok__poll_fd_find(poll, (int)(uint32_t)tag);

	if (!state || state->generation != tag >> 32)
		return; /* of a file that has been closed since */
	state->ready |= (uint8_t)ready;
	serve(poll, state);
}

void zok__poll_wake(struct zok__engine *engine)
{
	struct zok__poll *poll = poll_of(engine);

	if (zok__woken_raise(&poll->is_woken))
		poll->backend_ops->wake(poll->backend);
}

void zok__poll_woken(struct zok__poll *poll)
{
	zok__woken_clear(&poll->is_woken);
}

void zok__poll_release(struct zok__engine *engine, struct zok_buf *buf)
{
	struct zok__poll *poll = poll_of(engine);

	buf->next = poll->free_bufs;
	poll->free_bufs = buf;
}
