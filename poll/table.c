/* What is known of each descriptor, indexed by its number. */
#include "poll/poll.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int grow(struct zok__poll *poll, size_t count)
{
	struct zok__poll_fd **chunks;
	size_t room = poll->chunk_count ? poll->chunk_count : 8;

	while (room < count)
		room *= 2;
	chunks = realloc(poll->chunks, room * sizeof *chunks);
	if (!chunks)
		return -ENOMEM;
	memset(chunks + poll->chunk_count, 0, (room - poll->chunk_count) * sizeof *chunks);
	poll->chunks = chunks;
	poll->chunk_count = room;
	return 0;
}

static struct zok__poll_fd *chunk_new(size_t index)
{
	struct zok__poll_fd *chunk = calloc(POLL_CHUNK, sizeof *chunk);

	for (size_t i = 0; chunk && i < POLL_CHUNK; i++) {
		chunk[i].fd = (int)(index * POLL_CHUNK + i);
		zok__poll_fd_forget(&chunk[i]);
	}
	return chunk;
}

/* Grows past what was asked for at once, so that a table of n descriptors was copied log n times. */
static int make_room(struct zok__poll *poll, size_t index)
{
	if (index >= poll->chunk_count) {
		int rc = grow(poll, index + 1);

		if (rc < 0)
			return rc;
	}
	if (!poll->chunks[index])
		poll->chunks[index] = chunk_new(index);
	return poll->chunks[index] ? 0 : -ENOMEM;
}

struct zok__poll_fd *zok__poll_fd_get(struct zok__poll *poll, int fd, int *error)
{
	struct zok__poll_fd *state = zok__poll_fd_find(poll, fd);

	if (ZOK_LIKELY(state != NULL))
		return state;
	*error = fd < 0 ? -EBADF : make_room(poll, (size_t)fd / POLL_CHUNK);
	return *error < 0 ? NULL : zok__poll_fd_find(poll, fd);
}

void zok__poll_fd_forget(struct zok__poll_fd *state)
{
	assert(!state->readers && !state->writers && !state->watchers);
	state->generation++;
	state->ready = ZOK__POLL_READ | ZOK__POLL_WRITE;
	state->kind = POLL_UNKNOWN;
	state->is_watched = false;
	state->is_nonblocking = false;
	state->is_connecting = false;
}

static enum zok__poll_kind kind_of_file(int fd)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return POLL_UNKNOWN;
	return S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode) ? POLL_FILE : POLL_OTHER;
}

/* Asks for the protocol first: most of our descriptors are sockets, and so one system call tells all. */
int zok__poll_fd_look(struct zok__poll_fd *state, int fd)
{
	int protocol = 0;
	socklen_t len = sizeof protocol;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0)
		state->kind = protocol == IPPROTO_TCP ? POLL_TCP : POLL_SOCKET;
	else if (errno == ENOTSOCK)
		state->kind = (uint8_t)kind_of_file(fd);
	return state->kind == POLL_UNKNOWN ? -errno : 0;
}

int zok__poll_fd_set_nonblocking(struct zok__poll_fd *state, int fd)
{
	int flags;

	if (state->is_nonblocking)
		return 0;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0))
		return -errno;
	state->is_nonblocking = true;
	return 0;
}

void zok__poll_table_finish(struct zok__poll *poll)
{
	for (size_t i = 0; i < poll->chunk_count; i++)
		free(poll->chunks[i]);
	free(poll->chunks);
}
