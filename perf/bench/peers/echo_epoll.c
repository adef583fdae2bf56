/*
 * The bare epoll loop: edge-triggered, both directions registered once, so that a request costs one read, one write and its share of
 * epoll_wait. A short read means that the socket is drained (epoll(7), "Edge-triggered and level-triggered"), unless the event also says
 * that the client has ended: then one more read sees that.
 */
#include "perf/bench/peers/peer.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_MAX = 512, BUFFER_SIZE = 64 * 1024 };

/* What the socket would not take. While there is any, nothing more is read: the client's own window stops it. */
struct connection {
	int fd;
	char *rest;
	size_t rest_size;
	bool is_ending;
};

static char buffer[BUFFER_SIZE];

static void destroy(struct connection *connection)
{
	close(connection->fd);
	free(connection->rest);
	free(connection);
}

/* False when the connection is broken. */
static bool write_or_keep(struct connection *connection, const char *data, size_t size)
{
	ssize_t n = write(connection->fd, data, size);
	size_t done = n > 0 ? (size_t)n : 0;

	if (n < 0 && errno != EAGAIN)
		return false;
	if (done == size)
		return true;
	connection->rest_size = size - done;
	connection->rest = malloc(connection->rest_size);
	if (!connection->rest)
		return false;
	memcpy(connection->rest, data + done, connection->rest_size);
	return true;
}

static bool write_rest(struct connection *connection)
{
	char *rest = connection->rest;
	bool is_whole;

	connection->rest = NULL;
	is_whole = write_or_keep(connection, rest, connection->rest_size);
	free(rest);
	return is_whole;
}

static bool serve(struct connection *connection, bool is_ending)
{
	ssize_t n = BUFFER_SIZE;

	connection->is_ending |= is_ending;
	if (connection->rest && !write_rest(connection))
		return false;
	while ((n == BUFFER_SIZE || connection->is_ending) && !connection->rest) {
		n = read(connection->fd, buffer, BUFFER_SIZE);
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0 || !write_or_keep(connection, buffer, (size_t)n))
			return false;
	}
	return true;
}

static void accept_all(int epoll, int listener)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *connection = calloc(1, sizeof *connection);
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = connection};

		if (!connection)
			peer_fail("accept");
		connection->fd = fd;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
			destroy(connection);
	}
}

int main(int argc, char **argv)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC), listener;
	struct epoll_event events[EVENTS_MAX], door = {.events = EPOLLIN | EPOLLET};

	peer_pin(argc, argv);
	listener = peer_listen(argc, argv, SOCK_NONBLOCK);
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &door) < 0)
		peer_fail("epoll");
	peer_ready();
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++) {
			if (!events[i].data.ptr)
				accept_all(epoll, listener);
			else if (!serve(events[i].data.ptr, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
				destroy(events[i].data.ptr);
		}
	}
}
