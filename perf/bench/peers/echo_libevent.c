/*
 * libevent, two ways. By default raw events: edge-triggered, one read and one write a request, no lock, no clock call a callback.
 * --bufferevent: the library's own buffers, the input buffer moved to the output without a copy.
 */
#include "perf/bench/peers/peer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, REST_MAX = 256 * 1024 };

struct connection {
	struct event *event;
	int fd;
	char *rest;
	size_t rest_size;
};

static char buffer[BUFFER_SIZE];

static void destroy(struct connection *connection)
{
	event_free(connection->event);
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

static void on_event(evutil_socket_t fd, short what, void *arg);

static bool watch(struct connection *connection, short what)
{
	struct event_base *base = event_get_base(connection->event);

	event_del(connection->event);
	return event_assign(connection->event, base, connection->fd, what | EV_PERSIST | EV_ET, on_event, connection) == 0 &&
	       event_add(connection->event, NULL) == 0;
}

static bool write_rest(struct connection *connection)
{
	char *rest = connection->rest;
	bool is_whole;

	connection->rest = NULL;
	is_whole = write_or_keep(connection, rest, connection->rest_size);
	free(rest);
	return is_whole && (connection->rest || watch(connection, EV_READ | EV_CLOSED));
}

/* A short read means that the socket is drained, unless the client has ended: then one more read sees that. */
static bool read_all(struct connection *connection, bool is_ending)
{
	ssize_t n;

	do {
		n = read(connection->fd, buffer, BUFFER_SIZE);
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0 || !write_or_keep(connection, buffer, (size_t)n))
			return false;
		if (connection->rest)
			return watch(connection, EV_WRITE);
	} while (n == BUFFER_SIZE || is_ending);
	return true;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct connection *connection = arg;

	if (!(connection->rest ? write_rest(connection) : read_all(connection, what & EV_CLOSED)))
		destroy(connection);
}

static void on_raw_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size, void *arg)
{
	struct connection *connection = calloc(1, sizeof *connection);

	if (!connection)
		peer_fail("accept");
	connection->fd = fd;
	connection->event = event_new(arg, fd, EV_READ | EV_CLOSED | EV_PERSIST | EV_ET, on_event, connection);
	if (!connection->event || event_add(connection->event, NULL) < 0)
		peer_fail("accept");
}

static void on_buffer_writable(struct bufferevent *events, void *arg)
{
	bufferevent_enable(events, EV_READ);
}

static void on_buffer_readable(struct bufferevent *events, void *arg)
{
	struct evbuffer *output = bufferevent_get_output(events);

	evbuffer_add_buffer(output, bufferevent_get_input(events));
	if (evbuffer_get_length(output) > REST_MAX)
		bufferevent_disable(events, EV_READ);
}

static void on_buffer_error(struct bufferevent *events, short what, void *arg)
{
	bufferevent_free(events);
}

static void on_last_written(struct bufferevent *events, void *arg)
{
	bufferevent_free(events);
}

static void on_buffer_end(struct bufferevent *events, short what, void *arg)
{
	if (what & BEV_EVENT_EOF && evbuffer_get_length(bufferevent_get_output(events)) > 0)
		bufferevent_setcb(events, NULL, on_last_written, on_buffer_error, NULL);
	else
		bufferevent_free(events);
}

static void on_buffer_connection(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int size, void *arg)
{
	struct bufferevent *events = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);

	if (!events)
		peer_fail("accept");
	bufferevent_setcb(events, on_buffer_readable, on_buffer_writable, on_buffer_end, NULL);
	bufferevent_enable(events, EV_READ | EV_WRITE);
}

static struct event_base *create_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	base = event_base_new_with_config(config);
	event_config_free(config);
	if (!base)
		peer_fail("libevent");
	return base;
}

int main(int argc, char **argv)
{
	evconnlistener_cb on_connection = peer_has_flag(argc, argv, "--bufferevent") ? on_buffer_connection : on_raw_connection;
	struct event_base *base;

	peer_pin(argc, argv);
	base = create_base();
	if (!evconnlistener_new(base, on_connection, base, 0, 0, peer_listen(argc, argv, SOCK_NONBLOCK)))
		peer_fail("listener");
	peer_ready();
	return event_base_dispatch(base);
}
