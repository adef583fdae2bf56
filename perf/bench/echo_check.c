#include "perf/bench/echo_check.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 3, TOTAL = 6 * 1024 * 1024, CHUNK_MAX = 48 * 1024, STALL_MS = 5000 };

/* Both directions draw the same noise, each from its own copy of the generator. */
struct stream {
	int fd;
	uint64_t noise_out, noise_in;
	size_t sent, received;
	bool is_reading; /* false by spells: the slow reader */
	bool is_over;
	uint8_t chunk[CHUNK_MAX]; /* drawn and not yet sent */
	size_t chunk_size, chunk_sent;
};

/* xorshift64: G. Marsaglia, "Xorshift RNGs", 2003. */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Mostly small, at times as large as can be: where messages are cut is what finds the mistakes. */
static size_t draw_size(uint64_t *state)
{
	uint64_t drawn = draw(state);
	size_t limit = drawn & 7 ? 200 : CHUNK_MAX;

	return 1 + (drawn >> 8) % limit;
}

static int open_stream(struct stream *stream, uint16_t port, uint64_t seed)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*stream = (struct stream){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .noise_out = seed, .noise_in = seed};
	if (stream->fd < 0 || connect(stream->fd, (struct sockaddr *)&address, sizeof address) < 0)
		return -errno;
	return 0;
}

static void fill_chunk(struct stream *stream, uint64_t *choice)
{
	size_t size = draw_size(choice);

	if (size > TOTAL - stream->sent)
		size = TOTAL - stream->sent;
	for (size_t i = 0; i < size; i++)
		stream->chunk[i] = (uint8_t)draw(&stream->noise_out);
	stream->chunk_size = size;
	stream->chunk_sent = 0;
}

/* 1 when bytes moved, 0 when none could, negative errno. */
static int send_some(struct stream *stream, uint64_t *choice)
{
	ssize_t n;

	if (stream->chunk_sent == stream->chunk_size)
		fill_chunk(stream, choice);
	n = send(stream->fd, stream->chunk + stream->chunk_sent, stream->chunk_size - stream->chunk_sent, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	stream->chunk_sent += (size_t)n;
	stream->sent += (size_t)n;
	if (stream->sent == TOTAL && shutdown(stream->fd, SHUT_WR) < 0)
		return -errno;
	return 1;
}

static int receive_some(struct stream *stream, uint64_t *choice)
{
	uint8_t data[CHUNK_MAX];
	ssize_t n = recv(stream->fd, data, draw_size(choice), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (n == 0) {
		stream->is_over = true;
		return stream->received == TOTAL ? 1 : -EBADMSG;
	}
	for (ssize_t i = 0; i < n; i++)
		if (data[i] != (uint8_t)draw(&stream->noise_in))
			return -EBADMSG;
	stream->received += (size_t)n;
	return 1;
}

/* What can move now: a stream that pauses its reading takes it up again when its sending is stuck, for then the server's is stuck too. */
static int step(struct stream *stream, uint64_t *choice)
{
	int sent = 0, received = 0;

	if (draw(choice) % 256 == 0)
		stream->is_reading = !stream->is_reading;
	if (stream->sent < TOTAL)
		sent = send_some(stream, choice);
	if (sent == 0)
		stream->is_reading = true;
	if (sent >= 0 && stream->is_reading)
		received = receive_some(stream, choice);
	return sent < 0 ? sent : received < 0 ? received : sent | received;
}

static int await_any(const struct stream *streams)
{
	struct pollfd pollfds[CONNECTIONS];

	for (size_t i = 0; i < CONNECTIONS; i++) {
		pollfds[i].fd = streams[i].is_over ? -1 : streams[i].fd;
		pollfds[i].events = (short)(POLLIN | (streams[i].sent < TOTAL ? POLLOUT : 0));
	}
	return poll(pollfds, CONNECTIONS, STALL_MS) > 0 ? 0 : -ETIMEDOUT;
}

/* One step of each; 1 when any of them moved or all are over. */
static int step_all(struct stream *streams, uint64_t *choice, size_t *over)
{
	int moved = 0;

	*over = 0;
	for (size_t i = 0; i < CONNECTIONS; i++) {
		int rc = streams[i].is_over ? 0 : step(&streams[i], choice);

		if (rc < 0)
			return rc;
		moved |= rc;
		*over += streams[i].is_over;
	}
	return moved;
}

int echo_check(uint16_t port, uint64_t seed)
{
	static struct stream streams[CONNECTIONS];
	uint64_t choice = seed | 1;
	size_t opened = 0, over = 0;
	int rc = 0;

	while (rc == 0 && opened < CONNECTIONS) {
		rc = open_stream(&streams[opened], port, draw(&choice));
		opened++;
	}
	while (rc >= 0 && over < CONNECTIONS) {
		rc = step_all(streams, &choice, &over);
		if (rc == 0)
			rc = await_any(streams);
	}
	while (opened > 0)
		close(streams[--opened].fd);
	return rc < 0 ? rc : 0;
}
