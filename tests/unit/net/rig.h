/*
 * What the tests of net/ stand on: each case runs in a fiber of a core of its own, once on every engine that this build has; with RIG_DIRECT in
 * the environment the uring engine has every descriptor in its file table from the first op on.
 */
#ifndef TESTS_UNIT_NET_RIG_H
#define TESTS_UNIT_NET_RIG_H

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/core.h"
#include "core/op.h"
#include "net/socket.h"
#include "zokio/zokio.h"

#include <zok_config.h>

enum { RIG_BUFFERS = 64, RIG_BUFFER_SIZE = 512 };

/* ---- A core ---- */

struct rig_main {
	int (*fn)(void *arg);
	void *arg;
};

static inline int rig_fiber(void *arg)
{
	const struct rig_main *rig_main = arg;
	int rc = rig_main->fn(rig_main->arg);

	zok__core_stop(zok__core());
	return rc;
}

/* Runs fn(arg) to its end, and everything that it spawned; every buffer must be back then. A machine without io_uring passes its cases by. */
static inline void rig_run_with(const struct zok__engine_ops *engine, uint32_t buffers, int (*fn)(void *arg), void *arg)
{
	struct zok_core *core = NULL;
	struct rig_main rig_main = {fn, arg};
	const struct zok__core_options options = {
		.core_count = 1,
		.peers = (struct zok_core *const *)&core,
		.engine = engine,
		.budget_ns = 500 * ZOK_US,
		.share = {[ZOK_CLASS_NORMAL] = 4, [ZOK_CLASS_BULK] = 1},
		.stack_size = 65536,
		.receive_buffers = buffers,
		.receive_buffer_size = RIG_BUFFER_SIZE,
		.sqpoll_cpu = -1,
		.direct_descriptors = getenv("RIG_DIRECT") ? ZOK__DIRECT_ON : ZOK__DIRECT_AUTO,
		.direct_after_ops = getenv("RIG_DIRECT") ? 1 : 0,
	};
	char reason[128];
	int rc;

	assert_int_equal(zok__core_create(&core, &options), 0);
	rc = zok__core_open(core, reason, sizeof reason);
	if (rc < 0) {
		zok__core_destroy(core);
		print_message("%s: %s\n", engine->name, reason);
		skip();
	}
	assert_int_equal(zok_spawn(&core->root, rig_fiber, &rig_main, &(struct zok_spawn_options){.name = "test"}), 0);
	zok__loop_run(core);
	zok__core_close(core);
	assert_int_equal(core->bufs.out_count, 0);
	assert_int_equal(core->counters->stats.sockets_opened, core->counters->stats.sockets_closed);
	zok__core_destroy(core);
}

static inline void rig_run(void **state, int (*fn)(void *arg))
{
	rig_run_with(*state, RIG_BUFFERS, fn, NULL);
}

#ifdef ZOK_HAVE_URING
#define RIG_URING(fn) {#fn " (uring)", fn, NULL, NULL, (void *)(uintptr_t)&zok__engine_uring},
#else
#define RIG_URING(fn)
#endif

#ifdef ZOK_HAVE_EPOLL
#define RIG_EPOLL(fn) {#fn " (epoll)", fn, NULL, NULL, (void *)(uintptr_t)&zok__engine_epoll},
#else
#define RIG_EPOLL(fn)
#endif

/* A case `name`, whose body runs in a fiber. Follow it with the body in braces. */
#define RIG_CASE(name)                       \
	static int name##_body(void *arg);   \
	static void name(void **state)       \
	{                                    \
		rig_run(state, name##_body); \
	}                                    \
	static int name##_body(void *arg)

#define RIG_ROW(name) RIG_URING(name) RIG_EPOLL(name)

/* ---- In the fiber ---- */

/* Lets the other tasks and the engine do what they can do now. */
static inline void rig_settle(void)
{
	struct zok_op op;

	for (int i = 0; i < 8; i++) {
		zok__op_prepare(&op, ZOK_OP_NOP, -1);
		zok_await(&op.future);
		zok_yield();
	}
}

/* A socket of ours, and the other end in the test's own hands, non-blocking. */
struct pair {
	struct zok_socket *socket;
	int raw;
};

static inline struct pair rig_pair(void)
{
	struct pair pair;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(zok_socket_adopt(&pair.socket, fds[0]), 0);
	pair.raw = fds[1];
	assert_int_equal(fcntl(pair.raw, F_SETFL, O_NONBLOCK), 0);
	return pair;
}

static inline void rig_pair_close(struct pair *pair)
{
	assert_int_equal(zok_close(pair->socket), 0);
	close(pair->raw);
}

/* A door on a port of the kernel's choice, and its address. */
static inline struct zok_socket *rig_door(char address[ZOK_ADDRESS_SIZE])
{
	struct zok_socket *door = NULL;

	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", NULL), 0);
	assert_int_equal(zok_local_address(door, address, ZOK_ADDRESS_SIZE), 0);
	return door;
}

/* Both ends of a TCP connection as sockets of ours. */
static inline void rig_tcp(struct zok_socket **client, struct zok_socket **server)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address);

	assert_int_equal(zok_connect(client, address, NULL), 0);
	assert_int_equal(zok_accept(door, server), 0);
	assert_int_equal(zok_close(door), 0);
}

/* Under a deadline that passes at once or very soon: for calls that must wait. */
static inline struct zok_scope *rig_short_scope(void)
{
	return zok_scope_open(&(struct zok_scope_options){.name = "short", .timeout_ns = 2 * ZOK_MS});
}

static inline void rig_fill(uint8_t *bytes, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

#endif
