/* The system calls and allocations that fail: linked in with -Wl,--wrap, see meson.build. */
#include "tests/contract/faults.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static struct {
	bool is_armed;	 /* the engine is running, not the test */
	bool interrupts; /* only calls that a signal may interrupt fail, with EINTR */
	unsigned calls;	 /* counted while armed */
	unsigned target; /* which of them fails */
	const char *hit; /* which one it was */
} faults;

bool fault_is_due(const char *name, bool can_be_interrupted)
{
	if (!faults.is_armed || (faults.interrupts && !can_be_interrupted) || ++faults.calls != faults.target)
		return false;
	faults.hit = name;
	return true;
}

bool fault_is_interrupt(void)
{
	return faults.interrupts;
}

void faults_begin(unsigned target, bool interrupts)
{
	memset(&faults, 0, sizeof faults);
	faults.target = target;
	faults.interrupts = interrupts;
}

bool faults_arm(bool is_armed)
{
	bool before = faults.is_armed;

	faults.is_armed = is_armed;
	return before;
}

const char *faults_hit(void)
{
	return faults.hit;
}

#define WRAP(type, name, parameters, arguments, can_be_interrupted, failed, error) \
	type __real_##name parameters;                                             \
	type __wrap_##name parameters;                                             \
	type __wrap_##name parameters                                              \
	{                                                                          \
		if (!fault_is_due(#name, can_be_interrupted))                      \
			return __real_##name arguments;                            \
		errno = faults.interrupts ? EINTR : error;                         \
		return failed;                                                     \
	}

WRAP(void *, calloc, (size_t count, size_t size), (count, size), false, NULL, ENOMEM)
WRAP(void *, realloc, (void *memory, size_t size), (memory, size), false, NULL, ENOMEM)
WRAP(int, epoll_create1, (int flags), (flags), false, -1, EMFILE)
WRAP(int, eventfd, (unsigned value, int flags), (value, flags), false, -1, EMFILE)
WRAP(int, epoll_ctl, (int epoll, int what, int fd, struct epoll_event *event), (epoll, what, fd, event), false, -1, ENOMEM)
WRAP(int, epoll_wait, (int epoll, struct epoll_event *events, int count, int ms), (epoll, events, count, ms), true, -1, EINTR)
WRAP(int, epoll_pwait2, (int epoll, struct epoll_event *events, int count, const struct timespec *timeout, const sigset_t *mask),
     (epoll, events, count, timeout, mask), true, -1, EINTR)
WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *len, int flags), (fd, address, len, flags), true, -1, EMFILE)
WRAP(int, socket, (int family, int type, int protocol), (family, type, protocol), false, -1, EMFILE)
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len), false, -1, EADDRINUSE)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), false, -1, EADDRINUSE)
WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len), (fd, level, name, value, len), false, -1, ENOBUFS)
WRAP(int, getsockname, (int fd, struct sockaddr *address, socklen_t *len), (fd, address, len), false, -1, ENOBUFS)
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), (fd, level, name, value, len), false, -1, ENOBUFS)
WRAP(int, shutdown, (int fd, int how), (fd, how), false, -1, ENOTCONN)
WRAP(int, fcntl64, (int fd, int command, long argument), (fd, command, argument), false, -1, EPERM)
WRAP(int, poll, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms), true, -1, ENOMEM)
WRAP(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags), true, -1, ECONNRESET)
WRAP(ssize_t, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags), true, -1, ENOBUFS)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *header, int flags), (fd, header, flags), true, -1, ENOBUFS)
WRAP(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len), true, -1, EIO)
WRAP(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len), true, -1, EIO)
WRAP(ssize_t, pread64, (int fd, void *buf, size_t len, off_t offset), (fd, buf, len, offset), true, -1, EIO)
WRAP(ssize_t, pwrite64, (int fd, const void *buf, size_t len, off_t offset), (fd, buf, len, offset), true, -1, ENOSPC)
WRAP(ssize_t, splice, (int in, off_t *at_in, int out, off_t *at_out, size_t len, unsigned flags), (in, at_in, out, at_out, len, flags),
     true, -1, EINVAL)

/* After an interrupt the attempt goes on (connect(2)). */
WRAP(int, connect, (int fd, const struct sockaddr *address, socklen_t len), (fd, address, len), true,
     (faults.interrupts ? __real_connect(fd, address, len) : 0, errno = faults.interrupts ? EINTR : ENETUNREACH, -1), ENETUNREACH)

/* A close that fails has closed all the same. */
WRAP(int, close, (int fd), (fd), true, (__real_close(fd), errno = faults.interrupts ? EINTR : EIO, -1), EIO)

static unsigned taken_at_most = UINT_MAX;

void faults_cut(unsigned most)
{
	taken_at_most = most;
}

unsigned fault_cut(unsigned to_submit)
{
	return to_submit < taken_at_most ? to_submit : taken_at_most;
}
