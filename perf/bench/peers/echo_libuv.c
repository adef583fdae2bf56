/*
 * libuv: one read buffer for all (a callback is done with it before the next read), uv_try_write first, and only what the socket would
 * not take is copied into a queued write, while which the connection is not read.
 */
#include "perf/bench/peers/peer.h"

#include <uv.h>

enum { BUFFER_SIZE = 64 * 1024 };

struct rest {
	uv_write_t request;
	char data[];
};

static char buffer[BUFFER_SIZE];

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void give_buffer(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
	*buf = uv_buf_init(buffer, BUFFER_SIZE);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void destroy(uv_stream_t *stream)
{
	if (!uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, on_closed);
}

static void on_written(uv_write_t *request, int status)
{
	uv_stream_t *stream = request->handle;

	free(request);
	if (status < 0 || uv_read_start(stream, give_buffer, on_read) < 0)
		destroy(stream);
}

static void write_later(uv_stream_t *stream, const char *data, size_t size)
{
	struct rest *rest = malloc(sizeof *rest + size);
	uv_buf_t buf;

	if (!rest) {
		destroy(stream);
		return;
	}
	memcpy(rest->data, data, size);
	buf = uv_buf_init(rest->data, (unsigned)size);
	uv_read_stop(stream);
	if (uv_write(&rest->request, stream, &buf, 1, on_written) < 0) {
		free(rest);
		destroy(stream);
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	uv_buf_t out;
	int done;

	if (n <= 0) {
		if (n < 0)
			destroy(stream);
		return;
	}
	out = uv_buf_init(buf->base, (unsigned)n);
	done = uv_try_write(stream, &out, 1);
	if (done < 0 && done != UV_EAGAIN)
		destroy(stream);
	else if (done < n)
		write_later(stream, buf->base + (done > 0 ? done : 0), (size_t)(n - (done > 0 ? done : 0)));
}

static void on_connection(uv_stream_t *listener, int status)
{
	uv_tcp_t *tcp = malloc(sizeof *tcp);

	if (status < 0 || !tcp || uv_tcp_init(listener->loop, tcp) < 0)
		peer_fail("accept");
	if (uv_accept(listener, (uv_stream_t *)tcp) < 0 || uv_read_start((uv_stream_t *)tcp, give_buffer, on_read) < 0)
		destroy((uv_stream_t *)tcp);
}

int main(int argc, char **argv)
{
	uv_loop_t loop;
	uv_tcp_t listener;

	peer_pin(argc, argv);
	if (uv_loop_init(&loop) < 0 || uv_tcp_init(&loop, &listener) < 0 ||
	    uv_tcp_open(&listener, peer_listen(argc, argv, SOCK_NONBLOCK)) < 0 ||
	    uv_listen((uv_stream_t *)&listener, PEER_BACKLOG, on_connection) < 0)
		peer_fail("libuv");
	peer_ready();
	return uv_run(&loop, UV_RUN_DEFAULT);
}
