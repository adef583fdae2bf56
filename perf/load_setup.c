/* What a protocol wants done once before the run, such as the key that is read: one exchange on a connection of its own. */
#include "perf/load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int wait_until_ready(int fd, short what, uint64_t deadline)
{
	struct pollfd entry = {.fd = fd, .events = what};
	uint64_t now = perf_now_ns();
	int timeout_ms = now < deadline ? (int)((deadline - now) / ZOK_MS) + 1 : 0;
	int rc = poll(&entry, 1, timeout_ms);

	return rc > 0 ? 0 : rc == 0 ? -ETIMEDOUT : -errno;
}

static int send_all(int fd, const struct perf_bytes *bytes, uint64_t deadline)
{
	for (size_t at = 0; at < bytes->size;) {
		ssize_t sent = send(fd, bytes->data + at, bytes->size - at, MSG_NOSIGNAL);
		int rc = sent < 0 && errno == EAGAIN ? wait_until_ready(fd, POLLOUT, deadline) : sent < 0 ? -errno : 0;

		if (rc < 0)
			return rc;
		at += sent > 0 ? (size_t)sent : 0;
	}
	return 0;
}

static int expect_all(int fd, const struct perf_bytes *bytes, uint64_t deadline)
{
	uint8_t got[256];

	for (size_t at = 0; at < bytes->size;) {
		size_t room = bytes->size - at < sizeof got ? bytes->size - at : sizeof got;
		int rc = wait_until_ready(fd, POLLIN, deadline);
		ssize_t size = rc < 0 ? rc : recv(fd, got, room, 0);

		if (rc < 0 || size < 0)
			return rc < 0 ? rc : -errno;
		if (size == 0 || memcmp(got, bytes->data + at, (size_t)size) != 0)
			return -EBADMSG;
		at += (size_t)size;
	}
	return 0;
}

static int talk_once(const struct load_plan *plan, int fd)
{
	uint64_t deadline = perf_now_ns() + plan->options.connect_timeout_ns;
	int rc = connect(fd, (const struct sockaddr *)&plan->address.storage, plan->address.length) < 0 ? -errno : 0;

	if (rc == -EINPROGRESS)
		rc = wait_until_ready(fd, POLLOUT, deadline);
	if (rc == 0)
		rc = send_all(fd, &plan->exchange.setup, deadline);
	return rc < 0 ? rc : expect_all(fd, &plan->exchange.setup_reply, deadline);
}

int perf_load_set_up(const struct load_plan *plan, char *why)
{
	int fd, rc;

	if (plan->exchange.setup.size == 0)
		return 0;
	fd = socket(plan->address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : talk_once(plan, fd);
	if (fd >= 0)
		close(fd);
	if (rc == -EBADMSG)
		snprintf(why, PERF_TEXT_MAX, "%.120s does not answer %s as expected", plan->options.target, plan->options.protocol);
	else if (rc < 0)
		snprintf(why, PERF_TEXT_MAX, "cannot set up %.120s: %s", plan->options.target, strerror(-rc));
	return rc;
}
