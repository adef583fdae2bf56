/* What the tests of the ring's file table stand on: an engine, ops that are awaited, a kernel that refuses; and both ends of a socket. */
#ifndef TESTS_UNIT_URING_DIRECT_RIG_H
#define TESTS_UNIT_URING_DIRECT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "uring/uring.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

enum { AFTER_OPS = 3, PEER_MS = 10000 };

struct world {
	struct zok__engine *engine;
	struct zok__uring *uring;
	struct zok__counters counters;
};

/* ---- A kernel that refuses ---- */

static unsigned refused_opcode; /* of io_uring_register; 0 (buffers, which are not used): none */
static bool is_enter_refused;	/* nothing is taken, nothing is waited for */
static unsigned tables_given_back;
static bool had_batch_when_given_back;
static const struct zok__uring *watched; /* NULL: none */

int __real_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count);
int __wrap_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count);

int __wrap_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count)
{
	if (opcode == IORING_UNREGISTER_FILES) {
		tables_given_back++;
		had_batch_when_given_back = watched && watched->direct.is_in_flight;
	}
	return refused_opcode && opcode == refused_opcode ? -ENOMEM : __real_io_uring_register(fd, opcode, arg, count);
}

int __real_io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags, void *arg, size_t size);
int __wrap_io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags, void *arg, size_t size);

int __wrap_io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags, void *arg, size_t size)
{
	return is_enter_refused ? -EBUSY : __real_io_uring_enter2(fd, to_submit, min_complete, flags, arg, size);
}

/* ---- The engine ---- */

static inline void try_open(struct world *world, enum zok__mode mode, enum zok__direct_choice choice)
{
	struct zok__engine_options options = {
		.mode = mode, .sqpoll_cpu = -1, .direct_descriptors = choice, .direct_after_ops = AFTER_OPS, .counters = &world->counters};
	char reason[256] = "";
	int rc;

	*world = (struct world){0};
	rc = zok__engine_uring.create(&world->engine, &options, reason, sizeof reason);
	if (rc == -ENOSYS || rc == -EPERM) {
		print_message("skipped: %s\n", reason);
		exit(77);
	}
	assert_int_equal(rc, 0);
	world->uring = (struct zok__uring *)(void *)world->engine;
}

static inline const struct zok__engine_feature *feature_of(const struct world *world)
{
	struct zok__engine_report report;

	world->engine->ops->report(world->engine, &report);
	for (size_t i = 0; i < report.feature_count; i++)
		if (strcmp(report.features[i].name, "direct-descriptors") == 0)
			return &report.features[i];
	fail_msg("the report does not speak of direct descriptors");
	return NULL;
}

static inline void close_world(struct world *world)
{
	world->engine->ops->destroy(world->engine);
}

/* Skips where this kernel cannot. */
static inline void open_world(struct world *world, enum zok__mode mode)
{
	const struct zok__engine_feature *feature;

	try_open(world, mode, ZOK__DIRECT_ON);
	feature = feature_of(world);
	if (feature->is_active)
		return;
	print_message("skipped: %s\n", feature->reason);
	close_world(world);
	skip();
}

/* ---- Ops ---- */

struct probe_op {
	struct zok_op op;
	int32_t result;
	bool is_ended;
};

static inline void on_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct probe_op *probe = (struct probe_op *)(void *)op;

	probe->result = completion->result;
	probe->is_ended = !completion->has_more;
}

static inline void submit(struct world *world, struct probe_op *probe, enum zok_op_kind kind, int fd)
{
	probe->op.deliver = on_deliver;
	probe->op.kind = (uint8_t)kind;
	probe->op.fd = fd;
	probe->is_ended = false;
	world->engine->ops->submit(world->engine, &probe->op);
}

static inline void turn(struct world *world)
{
	world->engine->ops->wait(world->engine, 0);
}

static inline int32_t await(struct world *world, struct probe_op *probe)
{
	for (int i = 0; i < 1000 && !probe->is_ended; i++)
		world->engine->ops->wait(world->engine, ZOK_S);
	assert_true(probe->is_ended);
	return probe->result;
}

static inline int32_t run(struct world *world, enum zok_op_kind kind, int fd)
{
	struct probe_op probe = {.op.arg.poll_events = POLLOUT};

	submit(world, &probe, kind, fd);
	return await(world, &probe);
}

static inline void do_ops(struct world *world, int fd, int count)
{
	for (int i = 0; i < count; i++)
		assert_true(run(world, ZOK_OP_POLL, fd) > 0);
}

static inline enum zok__direct_state state_of(const struct world *world, int fd)
{
	return (enum zok__direct_state)world->uring->descriptors.table[fd].direct_state;
}

/* After as many ops as make it worth one, and the turn that brings the answer. */
static inline void get_in(struct world *world, int fd)
{
	do_ops(world, fd, AFTER_OPS);
	for (int i = 0; i < 1000 && state_of(world, fd) != ZOK__DIRECT_IN; i++)
		do_ops(world, fd, 1);
	assert_int_equal(state_of(world, fd), ZOK__DIRECT_IN);
}

static inline void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static inline void assert_ended(int peer)
{
	struct pollfd pollfd = {.fd = peer, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&pollfd, 1, PEER_MS), 1);
	assert_int_equal(read(peer, &byte, 1), 0);
}

static inline void assert_open(int peer)
{
	char byte;

	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* As an op would that is the one too many, but none is in flight. */
static inline void ask_for_a_slot(struct world *world, int fd)
{
	zok__uring_direct_want(world->uring, &world->uring->descriptors.table[fd], fd);
}

/* In the batch that the kernel has, and no op in flight: what comes of it is not reaped yet. */
static inline void begin_to_join(struct world *world, int fd)
{
	do_ops(world, fd, 1);
	ask_for_a_slot(world, fd);
	zok__uring_direct_hand_over(world->uring);
	assert_int_equal(state_of(world, fd), ZOK__DIRECT_JOINING);
}

#endif
