/*
 * A stream in bulk from one TCP connection to another: zok_forward() on each engine, against a bare loop of splice(2) through a pipe. The forwarder
 * has the first processor, both ends share the second. First case: ours on io_uring.
 */
#include "perf/bench/bench.h"
#include "zokio/zokio.h"

#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const size_t STREAM_BYTES = (size_t)256 << 20;

enum { BLOCK = 1 << 20 };

/* Two connections: the source writes into from[0], the forwarder has from[1] and to[0], the sink reads from to[1]. */
struct stream {
	int from[2], to[2];
	size_t drained;
};

static int tcp_pair(int fds[2])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof address;
	int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = bind(door, (struct sockaddr *)&address, len) | listen(door, 1) | getsockname(door, (struct sockaddr *)&address, &len) |
	     connect(fds[0], (struct sockaddr *)&address, len);
	fds[1] = rc < 0 ? -1 : accept4(door, NULL, NULL, SOCK_CLOEXEC);
	close(door);
	return fds[1] < 0 ? -1 : 0;
}

static void *be_source(void *arg)
{
	const struct stream *stream = arg;
	char *block = calloc(1, BLOCK);
	size_t sent = 0;
	ssize_t n = 1;

	bench_pin(1);
	while (block && sent < STREAM_BYTES && (n = send(stream->from[0], block, BLOCK, MSG_NOSIGNAL)) > 0)
		sent += (size_t)n;
	shutdown(stream->from[0], SHUT_WR);
	free(block);
	return NULL;
}

static void *be_sink(void *arg)
{
	struct stream *stream = arg;
	char *block = malloc(BLOCK);
	ssize_t n;

	bench_pin(1);
	while (block && (n = recv(stream->to[1], block, BLOCK, 0)) > 0)
		stream->drained += (size_t)n;
	free(block);
	return NULL;
}

/* The forwarder runs on the calling thread; GiB/s. */
static double measure(void (*forward)(struct stream *stream, const void *how), const void *how)
{
	struct stream stream = {{-1, -1}, {-1, -1}, 0};
	pthread_t source, sink;
	uint64_t began_ns;
	double seconds;

	if (tcp_pair(stream.from) < 0 || tcp_pair(stream.to) < 0)
		return NAN;
	began_ns = bench_now_ns();
	if (pthread_create(&source, NULL, be_source, &stream) != 0 || pthread_create(&sink, NULL, be_sink, &stream) != 0)
		return NAN;
	forward(&stream, how);
	pthread_join(source, NULL);
	pthread_join(sink, NULL);
	seconds = (double)(bench_now_ns() - began_ns) / 1e9;
	close(stream.from[0]);
	close(stream.to[1]);
	return stream.drained == STREAM_BYTES ? (double)STREAM_BYTES / seconds / (1 << 30) : NAN;
}

/* ---- Ours ---- */

static int run_forward(void *arg)
{
	const struct stream *stream = arg;
	struct zok_socket *from, *to;
	int rc = zok_socket_adopt(&from, stream->from[1]);

	if (rc == 0)
		rc = zok_socket_adopt(&to, stream->to[0]);
	if (rc < 0)
		return rc;
	zok_forward(from, to, NULL);
	zok_close(from);
	return zok_close(to);
}

struct how {
	const char *engine;
	uint32_t buffer_size; /* 0: the default, 4 KiB */
};

static void forward_ours(struct stream *stream, const void *arg)
{
	const struct how *how = arg;

	bench_unpin();
	zok_run(
		&(struct zok_options){
			.engine = how->engine, .receive_buffer_size = how->buffer_size, .keep_signals = true, .no_export = true},
		run_forward, stream);
}

static double run_ours(void *how)
{
	return measure(forward_ours, how);
}

/* ---- splice(2) ---- */

static void splice_all(int from, int to, const int pipe_fds[2], size_t pipe_size)
{
	ssize_t n, m;

	while ((n = splice(from, NULL, pipe_fds[1], NULL, pipe_size, SPLICE_F_MOVE)) > 0)
		for (; n > 0; n -= m)
			if ((m = splice(pipe_fds[0], NULL, to, NULL, (size_t)n, SPLICE_F_MOVE)) <= 0)
				return;
}

static void forward_splice(struct stream *stream, const void *how)
{
	const int *pipe_size = how;
	int fds[2];

	bench_pin(0);
	if (pipe2(fds, O_CLOEXEC) == 0) {
		fcntl(fds[1], F_SETPIPE_SZ, *pipe_size);
		splice_all(stream->from[1], stream->to[0], fds, (size_t)*pipe_size);
		close(fds[0]);
		close(fds[1]);
	}
	close(stream->from[1]);
	close(stream->to[0]);
}

static double run_splice(void *pipe_size)
{
	return measure(forward_splice, pipe_size);
}

int main(int argc, char **argv)
{
	static int small = 64 << 10, large = 1 << 20;
	static struct how uring = {"uring", 0}, epoll = {"epoll", 0}, uring_large = {"uring", 32 << 10}, epoll_large = {"epoll", 32 << 10};
	const struct bench_question question = {.name = "forward", .unit = "GiB/s", .is_higher_better = true};
	const struct bench_case cases[] = {
		{"zok_forward, uring", run_ours, &uring},
		{"zok_forward, epoll", run_ours, &epoll},
		{"uring, buffers of 32 KiB", run_ours, &uring_large},
		{"epoll, buffers of 32 KiB", run_ours, &epoll_large},
		{"splice(2), pipe of 64 KiB", run_splice, &small},
		{"splice(2), pipe of 1 MiB", run_splice, &large},
	};

	bench_init(argc, argv);
	bench_ask(&question, cases, sizeof cases / sizeof *cases);
	return 0;
}
