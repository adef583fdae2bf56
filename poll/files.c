/*
 * File ops: readiness says nothing of files, so threads do them (core/offload.h). A read of what lies in the page cache is first tried on the core
 * itself, by RWF_NOWAIT (4.14), which never waits for a device: two switches of threads cost many times as much.
 */
#include "poll/poll.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

/* What is copied out of the page cache on the core's time at most; some ten microseconds. */
enum { COPY_AT_ONCE_MAX = 256 * 1024 };

/* What of the descriptor's bookkeeping an op of this kind takes part in. Paths begin at folders, which nobody closes under them but by mistake. */
static struct zok__poll_fd *state_of(struct zok__poll *poll, const struct zok_op *op)
{
	return op->fd >= 0 ? zok__poll_fd_find(poll, op->fd) : NULL;
}

/* Devices may have places, as files do; a pipe that is given one is read all the same, as the ring does. */
static bool has_place(const struct zok_op *op)
{
	return op->arg.file.offset != UINT64_MAX && lseek(op->fd, 0, SEEK_CUR) >= 0;
}

/* A pipe, a terminal, a socket: those tell readiness, and a thread that reads one could not be called back. */
static bool is_waited_for(const struct zok__poll_fd *state, const struct zok_op *op)
{
	if ((op->kind != ZOK_OP_FILE_READ && op->kind != ZOK_OP_FILE_WRITE) || op->arg.file.rw_flags != 0)
		return false;
	return state->kind != POLL_FILE && !has_place(op);
}

static void make_waiting(struct zok_op *op)
{
	void *base = op->arg.file.base;
	size_t len = op->arg.file.len;

	op->kind = op->kind == ZOK_OP_FILE_READ ? ZOK_OP_READ : ZOK_OP_WRITE;
	op->arg.buffer.base = base;
	op->arg.buffer.len = len;
	op->arg.buffer.offset = UINT64_MAX; /* it has no other than its own */
}

/* Whether a read was served in full out of memory. A short one may have met the file's end, or a page that is not there: a thread finds out. */
static bool is_read_at_once(const struct zok_op *op)
{
	const struct iovec vector = {op->arg.file.base, op->arg.file.len};

	if (op->kind != ZOK_OP_FILE_READ || op->arg.file.rw_flags != 0 || op->arg.file.offset == UINT64_MAX ||
	    op->arg.file.len > COPY_AT_ONCE_MAX)
		return false;
	return preadv2(op->fd, &vector, 1, (off_t)op->arg.file.offset, RWF_NOWAIT) == (ssize_t)op->arg.file.len;
}

/* Who asked not to wait is told on the core: the kernel itself says -EAGAIN. */
static bool never_waits(const struct zok_op *op)
{
	return op->kind >= ZOK_OP_FILE_READ && op->kind <= ZOK_OP_FILE_WRITEV && (op->arg.file.rw_flags & RWF_NOWAIT);
}

/* The descriptor's entry, looked at once, with room for one more op in threads. 0, -ENOBUFS, -ENOMEM, -EBADF. */
static int know(struct zok__poll *poll, const struct zok_op *op, struct zok__poll_fd **out)
{
	struct zok__poll_fd *state;
	int rc = 0;

	if (op->fd == AT_FDCWD)
		return 0;
	state = zok__poll_fd_get(poll, op->fd, &rc);
	if (!state)
		return rc;
	if (state->kind == POLL_UNKNOWN && (rc = zok__poll_fd_look(state, op->fd)) < 0)
		return rc;
	if (state->offloaded_count == UINT16_MAX)
		return -ENOBUFS;
	*out = state;
	return 0;
}

/* Plain system calls pin nothing. */
static bool needs_no_pinning(const struct zok_op *op)
{
	return op->kind == ZOK_OP_MEMORY_REGISTER || op->kind == ZOK_OP_MEMORY_UNREGISTER;
}

enum zok__poll_file_way zok__poll_file_submit(struct zok__poll *poll, struct zok_op *op, int32_t *result)
{
	struct zok__poll_fd *state = NULL;

	*result = needs_no_pinning(op) ? -EOPNOTSUPP : know(poll, op, &state);
	if (*result < 0)
		return POLL_FILE_DONE;
	if (state && is_waited_for(state, op)) {
		make_waiting(op);
		return POLL_FILE_WAITS;
	}
	zok__count(&poll->counters->stats.submits, 1);
	if (never_waits(op)) {
		*result = zok__file_call(op);
		return POLL_FILE_DONE;
	}
	if (is_read_at_once(op)) {
		*result = (int32_t)op->arg.file.len;
		return POLL_FILE_DONE;
	}
	op->engine_state = POLL_AT_THREADS;
	if (state)
		state->offloaded_count++;
	zok__offload_begin(&poll->offload, op);
	return POLL_FILE_OFFLOADED;
}

static void end_offloaded(struct zok__engine *engine, struct zok_op *op, const struct zok_completion *completion)
{
	struct zok__poll *poll = (struct zok__poll *)(void *)engine;
	struct zok__poll_fd *state = state_of(poll, op);

	if (state)
		state->offloaded_count--;
	zok__poll_deliver(poll, op, completion);
}

bool zok__poll_files_take(struct zok__poll *poll)
{
	return zok__offload_has_ended(&poll->offload) && zok__offload_take(&poll->offload, end_offloaded) > 0;
}
