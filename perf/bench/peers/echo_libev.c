/*
 * libev: one watcher a connection, one read and one write an event. Level-triggered, as the library is. What the socket would not take
 * is kept, and the watcher waits for writability alone until it is gone.
 */
#include "perf/bench/peers/peer.h"

#include <errno.h>
#include <ev.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024 };

struct connection {
	ev_io watcher;
	char *rest;
	size_t rest_size;
};

static char buffer[BUFFER_SIZE];

static void destroy(struct ev_loop *loop, struct connection *connection)
{
	ev_io_stop(loop, &connection->watcher);
	close(connection->watcher.fd);
	free(connection->rest);
	free(connection);
}

static void watch(struct ev_loop *loop, struct connection *connection, int events)
{
	ev_io_stop(loop, &connection->watcher);
	ev_io_set(&connection->watcher, connection->watcher.fd, events);
	ev_io_start(loop, &connection->watcher);
}

/* False when the connection is broken. */
static bool write_or_keep(struct connection *connection, const char *data, size_t size)
{
	ssize_t n = write(connection->watcher.fd, data, size);
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

static void on_writable(struct ev_loop *loop, struct connection *connection)
{
	char *rest = connection->rest;
	bool is_whole;

	connection->rest = NULL;
	is_whole = write_or_keep(connection, rest, connection->rest_size);
	free(rest);
	if (!is_whole)
		destroy(loop, connection);
	else if (!connection->rest)
		watch(loop, connection, EV_READ);
}

static void on_readable(struct ev_loop *loop, struct connection *connection)
{
	ssize_t n = read(connection->watcher.fd, buffer, BUFFER_SIZE);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !write_or_keep(connection, buffer, (size_t)n))
		destroy(loop, connection);
	else if (connection->rest)
		watch(loop, connection, EV_WRITE);
}

static void on_event(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct connection *connection = watcher->data;

	if (connection->rest)
		on_writable(loop, connection);
	else
		on_readable(loop, connection);
}

static void on_connection(struct ev_loop *loop, ev_io *door, int events)
{
	int fd;

	while ((fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct connection *connection = calloc(1, sizeof *connection);

		if (!connection)
			peer_fail("accept");
		ev_io_init(&connection->watcher, on_event, fd, EV_READ);
		connection->watcher.data = connection;
		ev_io_start(loop, &connection->watcher);
	}
}

int main(int argc, char **argv)
{
	struct ev_loop *loop = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
	ev_io door;

	peer_pin(argc, argv);
	if (!loop)
		peer_fail("libev");
	ev_io_init(&door, on_connection, peer_listen(argc, argv, SOCK_NONBLOCK), EV_READ);
	ev_io_start(loop, &door);
	peer_ready();
	return ev_run(loop, 0);
}
