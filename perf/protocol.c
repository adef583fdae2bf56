#include "perf/protocol.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SIZE_MAX_PAYLOAD (16u << 20)

const struct perf_protocol *perf_protocol_find(const char *name)
{
	for (size_t i = 0; i < perf_protocol_count; i++)
		if (strcmp(perf_protocols[i].name, name) == 0)
			return &perf_protocols[i];
	return NULL;
}

static int make_bytes(struct perf_bytes *bytes, size_t size)
{
	bytes->data = malloc(size);
	if (!bytes->data)
		return -ENOMEM;
	bytes->size = size;
	return 0;
}

/* Sets bytes to a text with `size` bytes of payload and `tail` behind it. */
static int make_message(struct perf_bytes *bytes, const char *head, size_t size, const char *tail)
{
	size_t head_size = strlen(head), tail_size = strlen(tail);

	if (make_bytes(bytes, head_size + size + tail_size) < 0)
		return -ENOMEM;
	memcpy(bytes->data, head, head_size);
	for (size_t i = 0; i < size; i++)
		bytes->data[head_size + i] = (uint8_t)('a' + i % 26);
	memcpy(bytes->data + head_size + size, tail, tail_size);
	return 0;
}

/* The bytes of a request's number, as they stand in message and reply. */
static uint8_t stamp_byte(uint64_t number, size_t at)
{
	return (uint8_t)(number >> 8 * at);
}

void perf_exchange_request(const struct perf_exchange *exchange, uint64_t number, size_t offset, uint8_t *into, size_t size)
{
	memcpy(into, exchange->request.data + offset, size);
	for (size_t at = offset; at < exchange->stamp_size && at - offset < size; at++)
		into[at - offset] = stamp_byte(number, at);
}

/* For every protocol whose reply is known in advance: compares, the stamp by the request's number and the rest by what was made. */
static ssize_t consume_fixed(const struct perf_exchange *exchange, struct perf_reply *reply, uint64_t number, const uint8_t *bytes,
			     size_t size)
{
	size_t left = exchange->reply.size - reply->seen;
	size_t take = size < left ? size : left, at = 0;

	for (; reply->seen + at < exchange->stamp_size && at < take; at++)
		if (bytes[at] != stamp_byte(number, reply->seen + at))
			return -EBADMSG;
	if (memcmp(bytes + at, exchange->reply.data + reply->seen + at, take - at) != 0)
		return -EBADMSG;
	reply->seen += take;
	reply->is_done = reply->seen == exchange->reply.size;
	return (ssize_t)take;
}

static int make_echo(struct perf_exchange *exchange, size_t size, const char *host)
{
	exchange->stamp_size = size < 8 ? size : 8;
	if (make_message(&exchange->request, "", size, "") < 0)
		return -ENOMEM;
	return make_message(&exchange->reply, "", size, "");
}

static int make_redis_ping(struct perf_exchange *exchange, size_t size, const char *host)
{
	if (make_message(&exchange->request, "*1\r\n$4\r\nPING\r\n", 0, "") < 0)
		return -ENOMEM;
	return make_message(&exchange->reply, "+PONG\r\n", 0, "");
}

#define REDIS_KEY "$8\r\nzok:perf\r\n"

static int make_redis_set_message(struct perf_bytes *request, struct perf_bytes *reply, size_t size)
{
	char head[96];

	snprintf(head, sizeof head, "*3\r\n$3\r\nSET\r\n" REDIS_KEY "$%zu\r\n", size);
	if (make_message(request, head, size, "\r\n") < 0)
		return -ENOMEM;
	return make_message(reply, "+OK\r\n", 0, "");
}

static int make_redis_set(struct perf_exchange *exchange, size_t size, const char *host)
{
	return make_redis_set_message(&exchange->request, &exchange->reply, size);
}

static int make_redis_get(struct perf_exchange *exchange, size_t size, const char *host)
{
	char head[32];

	snprintf(head, sizeof head, "$%zu\r\n", size);
	if (make_redis_set_message(&exchange->setup, &exchange->setup_reply, size) < 0 ||
	    make_message(&exchange->request, "*2\r\n$3\r\nGET\r\n" REDIS_KEY, 0, "") < 0)
		return -ENOMEM;
	return make_message(&exchange->reply, head, size, "\r\n");
}

static int make_http_get(struct perf_exchange *exchange, size_t size, const char *host)
{
	char head[512];

	snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %.200s\r\nUser-Agent: zok-perf\r\n\r\n", host);
	return make_message(&exchange->request, head, 0, "");
}

/* Reads a header line that is complete: the status, which must be 200, or the length of the body. */
static int read_http_line(struct perf_reply *reply)
{
	static const char length_name[] = "content-length:";

	reply->line[reply->line_size] = '\0';
	reply->has_header = reply->line_size == 0;
	reply->line_size = 0;
	if (reply->line_count++ == 0)
		return strncmp(reply->line, "HTTP/1.1 200", 12) == 0 ? 0 : -EBADMSG;
	if (strncasecmp(reply->line, length_name, sizeof length_name - 1) == 0)
		reply->body = strtoull(reply->line + sizeof length_name - 1, NULL, 10);
	return 0;
}

/* Takes one byte of the header. Lines longer than the buffer are cut: the two that matter are short. */
static int take_http_byte(struct perf_reply *reply, uint8_t byte)
{
	if (byte == '\n')
		return read_http_line(reply);
	if (byte != '\r' && reply->line_size < sizeof reply->line - 1)
		reply->line[reply->line_size++] = (char)byte;
	return 0;
}

/* HTTP/1.1 with Content-Length; only the status and the length are checked. */
static ssize_t consume_http(const struct perf_exchange *exchange, struct perf_reply *reply, uint64_t number, const uint8_t *bytes,
			    size_t size)
{
	size_t at = 0;

	while (!reply->has_header && at < size)
		if (take_http_byte(reply, bytes[at++]) < 0)
			return -EBADMSG;
	if (reply->has_header) {
		size_t take = reply->body < size - at ? reply->body : size - at;

		reply->body -= take;
		at += take;
		reply->is_done = reply->body == 0;
	}
	return (ssize_t)at;
}

const struct perf_protocol perf_protocols[] = {
	{"echo", "the reply is the request; each carries its number in its first 8 bytes", 64, SIZE_MAX_PAYLOAD, make_echo, consume_fixed},
	{"redis-ping", "PING, answered by +PONG", 0, 0, make_redis_ping, consume_fixed},
	{"redis-get", "GET of one key that is set before the run; --size is the value's", 64, SIZE_MAX_PAYLOAD, make_redis_get,
	 consume_fixed},
	{"redis-set", "SET of one key; --size is the value's", 64, SIZE_MAX_PAYLOAD, make_redis_set, consume_fixed},
	{"http-get", "GET / over HTTP/1.1, answered by 200 with a Content-Length", 0, 0, make_http_get, consume_http},
};
const size_t perf_protocol_count = sizeof perf_protocols / sizeof perf_protocols[0];

int perf_exchange_create(struct perf_exchange *exchange, const struct perf_protocol *protocol, size_t size, const char *host)
{
	struct perf_exchange made = {.protocol = protocol};
	int rc;

	if (size > protocol->size_max)
		return -EINVAL;
	rc = protocol->make(&made, size > 0 ? size : protocol->size_default, host);
	if (rc < 0) {
		perf_exchange_destroy(&made);
		return rc;
	}
	*exchange = made;
	return 0;
}

void perf_exchange_destroy(struct perf_exchange *exchange)
{
	if (!exchange)
		return;
	free(exchange->setup.data);
	free(exchange->setup_reply.data);
	free(exchange->request.data);
	free(exchange->reply.data);
	*exchange = (struct perf_exchange){0};
}
