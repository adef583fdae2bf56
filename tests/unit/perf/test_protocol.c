/* The protocols: what is sent, and that a reply is taken in whatever pieces it comes, and refused when a byte is wrong. */
#include "perf/protocol.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void make(struct perf_exchange *exchange, const char *name, size_t size)
{
	const struct perf_protocol *protocol = perf_protocol_find(name);

	assert_non_null(protocol);
	assert_int_equal(perf_exchange_create(exchange, protocol, size, "localhost:80"), 0);
}

/* Feeds `text` in pieces of `step` bytes; returns how many bytes made one reply, or -EBADMSG, or 0 while it is not complete. */
static ssize_t feed(const struct perf_exchange *exchange, uint64_t number, const char *text, size_t size, size_t step)
{
	struct perf_reply reply = {0};

	for (size_t at = 0; at < size;) {
		size_t left = size - at < step ? size - at : step;
		ssize_t taken = perf_exchange_consume(exchange, &reply, number, (const uint8_t *)text + at, left);

		if (taken < 0)
			return taken;
		at += (size_t)taken;
		if (reply.is_done)
			return (ssize_t)at;
	}
	return 0;
}

static void check_reply(const struct perf_exchange *exchange, uint64_t number, const char *text, size_t size)
{
	char *twice = malloc(2 * size);

	memcpy(twice, text, size);
	memcpy(twice + size, text, size);
	for (size_t step = 1; step <= 2 * size; step++)
		assert_int_equal(feed(exchange, number, twice, 2 * size, step), size); /* and not a byte of the next reply */
	assert_int_equal(feed(exchange, number, text, size - 1, size), 0);
	free(twice);
}

static void check_request(const struct perf_exchange *exchange, const char *expected)
{
	uint8_t bytes[256];

	assert_int_equal(exchange->request.size, strlen(expected));
	perf_exchange_request(exchange, 0, 0, bytes, exchange->request.size);
	assert_memory_equal(bytes, expected, exchange->request.size);
}

static void test_echo_carries_its_number(void **state)
{
	struct perf_exchange exchange;
	uint8_t message[20], part[20];

	make(&exchange, "echo", 20);
	perf_exchange_request(&exchange, 0x0123456789abcdef, 0, message, sizeof message);
	assert_memory_equal(message, "\xef\xcd\xab\x89\x67\x45\x23\x01ijklmnopqrst", 20);
	for (size_t offset = 0; offset < sizeof message; offset++) { /* a request that is sent in parts is the same */
		perf_exchange_request(&exchange, 0x0123456789abcdef, offset, part, sizeof part - offset);
		assert_memory_equal(part, message + offset, sizeof part - offset);
	}
	check_reply(&exchange, 0x0123456789abcdef, (const char *)message, sizeof message);
	assert_int_equal(feed(&exchange, 0x0123456789abcdee, (const char *)message, sizeof message, 7), -EBADMSG); /* another's reply */
	for (size_t i = 0; i < sizeof message; i++) {
		message[i] ^= 0x40;
		assert_int_equal(feed(&exchange, 0x0123456789abcdef, (const char *)message, sizeof message, 3), -EBADMSG);
		message[i] ^= 0x40;
	}
	perf_exchange_destroy(&exchange);
}

static void test_echo_smaller_than_its_number(void **state)
{
	struct perf_exchange exchange;

	make(&exchange, "echo", 1);
	check_reply(&exchange, 0x1ff, "\xff", 1);
	perf_exchange_destroy(&exchange);
}

static void test_redis(void **state)
{
	struct perf_exchange exchange;

	make(&exchange, "redis-ping", 0);
	check_request(&exchange, "*1\r\n$4\r\nPING\r\n");
	check_reply(&exchange, 0, "+PONG\r\n", 7);
	assert_int_equal(feed(&exchange, 0, "-ERR no\r\n", 9, 9), -EBADMSG);
	perf_exchange_destroy(&exchange);

	make(&exchange, "redis-set", 3);
	check_request(&exchange, "*3\r\n$3\r\nSET\r\n$8\r\nzok:perf\r\n$3\r\nabc\r\n");
	check_reply(&exchange, 0, "+OK\r\n", 5);
	perf_exchange_destroy(&exchange);

	make(&exchange, "redis-get", 3);
	check_request(&exchange, "*2\r\n$3\r\nGET\r\n$8\r\nzok:perf\r\n");
	check_reply(&exchange, 0, "$3\r\nabc\r\n", 9);
	assert_memory_equal(exchange.setup_reply.data, "+OK\r\n", 5);
	assert_int_equal(feed(&exchange, 0, "$-1\r\n", 5, 5), -EBADMSG);
	perf_exchange_destroy(&exchange);
}

static void test_http(void **state)
{
	static const char with_body[] =
		"HTTP/1.1 200 OK\r\nServer: a name that is longer than what is kept of a line, by quite some characters\r\n"
		"content-length: 5\r\n\r\nhello";
	static const char empty[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
	static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
	struct perf_exchange exchange;

	make(&exchange, "http-get", 0);
	check_request(&exchange, "GET / HTTP/1.1\r\nHost: localhost:80\r\nUser-Agent: zok-perf\r\n\r\n");
	check_reply(&exchange, 0, with_body, sizeof with_body - 1);
	assert_int_equal(feed(&exchange, 0, empty, sizeof empty - 1, 5), sizeof empty - 1);
	assert_int_equal(feed(&exchange, 0, missing, sizeof missing - 1, 5), -EBADMSG);
	perf_exchange_destroy(&exchange);
}

static void test_sizes_that_do_not_fit_are_refused(void **state)
{
	struct perf_exchange exchange;

	assert_int_equal(perf_exchange_create(&exchange, perf_protocol_find("redis-ping"), 5, ""), -EINVAL);
	assert_int_equal(perf_exchange_create(&exchange, perf_protocol_find("echo"), (size_t)1 << 30, ""), -EINVAL);
	assert_null(perf_protocol_find("gopher"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_carries_its_number),
		cmocka_unit_test(test_echo_smaller_than_its_number),
		cmocka_unit_test(test_redis),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_sizes_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
