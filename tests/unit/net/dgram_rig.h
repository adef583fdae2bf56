/* Pairs of datagram sockets for the tests of net/dgram_*.c: ours, and one in the test's own hands. */
#ifndef TESTS_UNIT_NET_DGRAM_RIG_H
#define TESTS_UNIT_NET_DGRAM_RIG_H

#include "tests/unit/net/rig.h"

#include <arpa/inet.h>

#include "net/dgram.h"

#define ANY_PORT  "udp://127.0.0.1:0"
#define ANY_PORT6 "udp://[::1]:0"

/* An abstract name of this process's own; it stays until the next of the same `which`, of four. */
static inline const char *dgram_name(unsigned which)
{
	static char names[4][ZOK_ADDRESS_SIZE];

	snprintf(names[which], sizeof names[which], "unix-dgram:@zokio-test-%d-%u", (int)getpid(), which);
	return names[which];
}

static inline struct zok_dgram_socket *dgram_open(const char *address, const struct zok_dgram_options *options)
{
	struct zok_dgram_socket *socket = NULL;

	assert_int_equal(zok_dgram_open(&socket, address, options), 0);
	return socket;
}

static inline struct zok_endpoint dgram_local(const struct zok_dgram_socket *socket)
{
	struct zok_endpoint endpoint;

	assert_int_equal(zok_dgram_local(socket, &endpoint), 0);
	return endpoint;
}

/* A blocking socket outside of the engine, bound to a port of the kernel's choice on the family's loopback address. */
static inline int raw_open(int family, struct zok_endpoint *self)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct timeval limit = {.tv_sec = 10}; /* so that a datagram that never comes fails a test */

	assert_true(fd >= 0);
	assert_int_equal(zok_endpoint_parse(self, family == AF_INET ? ANY_PORT : ANY_PORT6, NULL, 0), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&self->address, self->len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&self->address, &self->len), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	return fd;
}

static inline void raw_send(int fd, const void *data, size_t len, const struct zok_endpoint *to)
{
	assert_int_equal(sendto(fd, data, len, 0, (const struct sockaddr *)&to->address, to->len), len);
}

#endif
