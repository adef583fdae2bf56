/* Readiness from epoll: one registration a descriptor, edge-triggered, both directions; an eventfd to be woken by. */
#include "poll/backend.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { EVENTS_MAX = 256 };

/* No descriptor has this number, so no tag of one is equal. */
#define WAKE_TAG UINT64_MAX

struct zok__poll_backend {
	int epoll_fd, wake_fd;
	bool has_pwait2;
	struct epoll_event events[EVENTS_MAX];
};

static void epoll_destroy(struct zok__poll_backend *backend)
{
	if (!backend)
		return;
	if (backend->wake_fd >= 0)
		close(backend->wake_fd);
	if (backend->epoll_fd >= 0)
		close(backend->epoll_fd);
	free(backend);
}

/* The wake-up is edge-triggered too: each write is an event, so nobody ever reads the counter, which 2^64 wakes could fill. */
static int epoll_open(struct zok__poll_backend *backend)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE_TAG};

	backend->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (backend->epoll_fd < 0)
		return -errno;
	backend->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (backend->wake_fd < 0 || epoll_ctl(backend->epoll_fd, EPOLL_CTL_ADD, backend->wake_fd, &event) < 0)
		return -errno;
	return 0;
}

/* Linux 5.11; seccomp profiles older than it may refuse it in any way. */
static bool epoll_try_pwait2(struct zok__poll_backend *backend)
{
	struct timespec zero = {0};

	return epoll_pwait2(backend->epoll_fd, backend->events, 1, &zero, NULL) >= 0;
}

static int epoll_create_backend(struct zok__poll_backend **out, char *reason, size_t reason_size)
{
	struct zok__poll_backend *backend = calloc(1, sizeof *backend);
	int rc;

	if (!backend)
		return -ENOMEM;
	backend->epoll_fd = backend->wake_fd = -1;
	rc = epoll_open(backend);
	if (rc < 0) {
		if (rc == -ENOSYS || rc == -EPERM)
			snprintf(reason, reason_size, "the kernel or a seccomp profile refuses epoll");
		epoll_destroy(backend);
		return rc;
	}
	backend->has_pwait2 = epoll_try_pwait2(backend);
	*out = backend;
	return 0;
}

static int epoll_watch(struct zok__poll_backend *backend, int fd, uint64_t tag)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET, .data.u64 = tag};

	if (epoll_ctl(backend->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
		return 0;
	if (errno == EEXIST && epoll_ctl(backend->epoll_fd, EPOLL_CTL_MOD, fd, &event) == 0)
		return 0;
	return -errno;
}

static void epoll_unwatch(struct zok__poll_backend *backend, int fd)
{
	struct epoll_event unused = {0};

	epoll_ctl(backend->epoll_fd, EPOLL_CTL_DEL, fd, &unused);
}

/* Rounded up, so that nobody wakes too early and has to sleep again. */
static int milliseconds(uint64_t timeout_ns)
{
	if (timeout_ns == ZOK_NEVER)
		return -1;
	if (timeout_ns > (uint64_t)INT32_MAX * ZOK_MS)
		return INT32_MAX;
	return (int)((timeout_ns + ZOK_MS - 1) / ZOK_MS);
}

static int epoll_sleep(struct zok__poll_backend *backend, uint64_t timeout_ns)
{
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / ZOK_S), .tv_nsec = (long)(timeout_ns % ZOK_S)};

	if (!backend->has_pwait2 || timeout_ns == 0 || timeout_ns == ZOK_NEVER)
		return epoll_wait(backend->epoll_fd, backend->events, EVENTS_MAX, milliseconds(timeout_ns));
	return epoll_pwait2(backend->epoll_fd, backend->events, EVENTS_MAX, &timeout, NULL);
}

static unsigned ready_of(uint32_t events)
{
	unsigned ready = 0;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR))
		ready |= ZOK__POLL_READ;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		ready |= ZOK__POLL_WRITE;
	if (events & (EPOLLRDHUP | EPOLLPRI | EPOLLHUP | EPOLLERR))
		ready |= ZOK__POLL_MARK;
	return ready;
}

static void epoll_wait_backend(struct zok__poll_backend *backend, uint64_t timeout_ns, struct zok__poll *poll)
{
	int count = epoll_sleep(backend, timeout_ns);

	if (count < 0 && errno != EINTR) {
		perror("zokio: epoll_wait");
		abort();
	}
	for (int i = 0; i < count; i++) {
		if (backend->events[i].data.u64 == WAKE_TAG)
			zok__poll_woken(poll);
		else
			zok__poll_ready(poll, backend->events[i].data.u64, ready_of(backend->events[i].events));
	}
}

static void epoll_wake(struct zok__poll_backend *backend)
{
	const uint64_t one = 1;
	int saved_errno = errno;

	while (write(backend->wake_fd, &one, sizeof one) < 0 && errno == EINTR)
		;
	errno = saved_errno;
}

static const char *epoll_describe(const struct zok__poll_backend *backend)
{
	return backend->has_pwait2 ? "epoll_pwait2: nanoseconds" : "epoll_wait: milliseconds, rounded up";
}

static const struct zok__poll_backend_ops epoll_backend = {
	.create = epoll_create_backend,
	.destroy = epoll_destroy,
	.watch = epoll_watch,
	.unwatch = epoll_unwatch,
	.wait = epoll_wait_backend,
	.wake = epoll_wake,
	.describe = epoll_describe,
};

static int epoll_create_engine(struct zok__engine **engine, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	return zok__poll_create(engine, &zok__engine_epoll, &epoll_backend, options, reason, reason_size);
}

const struct zok__engine_ops zok__engine_epoll = {
	.name = "epoll",
	.create = epoll_create_engine,
	.destroy = zok__poll_destroy,
	.submit = zok__poll_submit,
	.cancel = zok__poll_cancel,
	.wait = zok__poll_wait,
	.wake = zok__poll_wake,
	.release = zok__poll_release,
	.report = zok__poll_report,
};
