/* The ring's file table: who gets a slot and when, what happens where there is none, and that no slot outlives its descriptor's life. */
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

int __real_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count);
int __wrap_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count);

int __wrap_io_uring_register(unsigned fd, unsigned opcode, const void *arg, unsigned count)
{
	return refused_opcode && opcode == refused_opcode ? -ENOMEM : __real_io_uring_register(fd, opcode, arg, count);
}

/* ---- The engine ---- */

static void try_open(struct world *world, enum zok__mode mode, enum zok__direct_choice choice)
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

static const struct zok__engine_feature *feature_of(const struct world *world)
{
	struct zok__engine_report report;

	world->engine->ops->report(world->engine, &report);
	for (size_t i = 0; i < report.feature_count; i++)
		if (strcmp(report.features[i].name, "direct-descriptors") == 0)
			return &report.features[i];
	fail_msg("the report does not speak of direct descriptors");
	return NULL;
}

static void close_world(struct world *world)
{
	world->engine->ops->destroy(world->engine);
}

/* Skips where this kernel cannot. */
static void open_world(struct world *world, enum zok__mode mode)
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

static void on_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct probe_op *probe = (struct probe_op *)(void *)op;

	probe->result = completion->result;
	probe->is_ended = !completion->has_more;
}

static void submit(struct world *world, struct probe_op *probe, enum zok_op_kind kind, int fd)
{
	probe->op.deliver = on_deliver;
	probe->op.kind = (uint8_t)kind;
	probe->op.fd = fd;
	probe->is_ended = false;
	world->engine->ops->submit(world->engine, &probe->op);
}

static void turn(struct world *world)
{
	world->engine->ops->wait(world->engine, 0);
}

static int32_t await(struct world *world, struct probe_op *probe)
{
	for (int i = 0; i < 1000 && !probe->is_ended; i++)
		world->engine->ops->wait(world->engine, ZOK_S);
	assert_true(probe->is_ended);
	return probe->result;
}

static int32_t run(struct world *world, enum zok_op_kind kind, int fd)
{
	struct probe_op probe = {.op.arg.poll_events = POLLOUT};

	submit(world, &probe, kind, fd);
	return await(world, &probe);
}

static void do_ops(struct world *world, int fd, int count)
{
	for (int i = 0; i < count; i++)
		assert_true(run(world, ZOK_OP_POLL, fd) > 0);
}

static enum zok__direct_state state_of(const struct world *world, int fd)
{
	return (enum zok__direct_state)world->uring->descriptors.table[fd].direct_state;
}

/* After as many ops as make it worth one, and the turn that brings the answer. */
static void get_in(struct world *world, int fd)
{
	do_ops(world, fd, AFTER_OPS);
	for (int i = 0; i < 1000 && state_of(world, fd) != ZOK__DIRECT_IN; i++)
		do_ops(world, fd, 1);
	assert_int_equal(state_of(world, fd), ZOK__DIRECT_IN);
}

static void make_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void assert_ended(int peer)
{
	struct pollfd pollfd = {.fd = peer, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&pollfd, 1, PEER_MS), 1);
	assert_int_equal(read(peer, &byte, 1), 0);
}

static void assert_open(int peer)
{
	char byte;

	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

/* ---- In and out ---- */

static void in_and_out(enum zok__mode mode)
{
	struct world world;
	int fds[2];

	open_world(&world, mode);
	make_pair(fds);
	do_ops(&world, fds[0], AFTER_OPS - 1);
	turn(&world);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
	get_in(&world, fds[0]);
	assert_int_equal(world.counters.stats.direct_joins, 1);
	assert_int_equal(world.uring->direct.used_count, 1);
	do_ops(&world, fds[0], 100);
	assert_int_equal(world.counters.stats.direct_joins, 1);
	assert_int_equal(run(&world, ZOK_OP_CLOSE, fds[0]), 0);
	assert_ended(fds[1]);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
	assert_int_equal(world.uring->direct.used_count, 0);
	close(fds[1]);
	close_world(&world);
}

static void test_in_after_its_ops_and_out_with_its_close(void **state)
{
	in_and_out(ZOK__MODE_PARK);
}

static void test_in_and_out_by_a_poll_thread(void **state)
{
	in_and_out(ZOK__MODE_SQPOLL);
}

/* The kernel itself is asked: through an empty slot an op fails, whatever its number says. */
static void test_ops_go_by_the_slot(void **state)
{
	struct world world;
	struct io_uring_files_update update = {0};
	int32_t none = -1;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	update.offset = world.uring->descriptors.table[fds[0]].slot;
	update.fds = (uintptr_t)&none;
	assert_int_equal(io_uring_register((unsigned)world.uring->ring.ring_fd, IORING_REGISTER_FILES_UPDATE, &update, 1), 1);
	assert_int_equal(run(&world, ZOK_OP_POLL, fds[0]), -EBADF);
	world.uring->descriptors.table[fds[0]].direct_state = ZOK__DIRECT_OUT;
	assert_true(run(&world, ZOK_OP_POLL, fds[0]) > 0);
	assert_int_equal(run(&world, ZOK_OP_CLOSE, fds[0]), 0);
	close(fds[1]);
	close_world(&world);
}

/* All but one of a batch are told apart by what the kernel wrote back: each has its own file. */
static void test_a_batch_gets_its_own_slots(void **state)
{
	enum { COUNT = ZOK__DIRECT_BATCH_MAX + 10 };
	static struct probe_op probes[COUNT];
	struct world world;
	int fds[COUNT][2];

	open_world(&world, ZOK__MODE_PARK);
	for (int i = 0; i < COUNT; i++)
		make_pair(fds[i]);
	for (int op = 0; op < AFTER_OPS + 2; op++) {
		for (int i = 0; i < COUNT; i++) {
			probes[i].op.arg.poll_events = POLLOUT;
			submit(&world, &probes[i], ZOK_OP_POLL, fds[i][0]);
		}
		for (int i = 0; i < COUNT; i++)
			assert_true(await(&world, &probes[i]) > 0);
		turn(&world);
	}
	for (int i = 0; i < COUNT; i++)
		get_in(&world, fds[i][0]);
	for (int i = 0; i < COUNT; i++) {
		struct probe_op send = {.op.arg.buffer = {.base = &i, .len = sizeof i}};
		int got = -1;

		submit(&world, &send, ZOK_OP_SEND, fds[i][0]);
		assert_int_equal(await(&world, &send), sizeof i);
		assert_int_equal(read(fds[i][1], &got, sizeof got), sizeof got);
		assert_int_equal(got, i);
	}
	assert_int_equal(world.counters.stats.direct_joins, COUNT);
	for (int i = 0; i < COUNT; i++) {
		run(&world, ZOK_OP_CLOSE, fds[i][0]);
		close(fds[i][1]);
	}
	close_world(&world);
}

/* ---- Where there is no slot ---- */

static void test_a_full_table_leaves_the_rest_as_they_are(void **state)
{
	struct world world;
	int first[2], second[2];

	open_world(&world, ZOK__MODE_PARK);
	world.uring->direct.size = 1;
	make_pair(first);
	make_pair(second);
	get_in(&world, first[0]);
	do_ops(&world, second[0], 4 * AFTER_OPS);
	assert_int_equal(state_of(&world, second[0]), ZOK__DIRECT_OUT);
	assert_int_equal(world.counters.stats.direct_joins, 1);
	assert_int_equal(world.counters.stats.direct_refusals, 4);
	run(&world, ZOK_OP_CLOSE, first[0]);
	get_in(&world, second[0]); /* there is room again */
	run(&world, ZOK_OP_CLOSE, second[0]);
	close(first[1]);
	close(second[1]);
	close_world(&world);
}

/* Closed between its op and the hand-over, behind the engine's back: the kernel finds no file. Who stands behind it in the batch comes in later. */
static void test_one_that_is_refused_does_not_stop_the_others(void **state)
{
	struct world world;
	struct probe_op gone = {.op.arg.poll_events = POLLOUT}, other = {.op.arg.poll_events = POLLOUT};
	int first[2], second[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(first);
	make_pair(second);
	do_ops(&world, first[0], AFTER_OPS - 1);
	do_ops(&world, second[0], AFTER_OPS - 1);
	submit(&world, &gone, ZOK_OP_POLL, first[0]);
	submit(&world, &other, ZOK_OP_POLL, second[0]);
	close(first[0]);
	assert_int_equal(await(&world, &gone), -EBADF);
	assert_true(await(&world, &other) > 0);
	turn(&world);
	assert_int_equal(world.counters.stats.direct_refusals, 2);
	assert_int_equal(world.uring->direct.used_count, 0);
	get_in(&world, second[0]);
	run(&world, ZOK_OP_CLOSE, second[0]);
	close(first[1]);
	close(second[1]);
	close_world(&world);
}

static void test_without_a_table_all_stay_plain(void **state)
{
	struct world world;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK); /* the probe is over: its table is not what fails */
	close_world(&world);
	refused_opcode = IORING_REGISTER_FILES2;
	try_open(&world, ZOK__MODE_PARK, ZOK__DIRECT_ON);
	refused_opcode = 0;
	assert_false(feature_of(&world)->is_active);
	assert_string_equal(feature_of(&world)->reason, "no file table: Cannot allocate memory");
	make_pair(fds);
	do_ops(&world, fds[0], 10 * AFTER_OPS);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	close(fds[1]);
	close_world(&world);
}

static void test_off_is_off(void **state)
{
	struct world world;

	try_open(&world, ZOK__MODE_PARK, ZOK__DIRECT_OFF);
	assert_false(feature_of(&world)->is_active);
	assert_int_equal(world.uring->direct.size, 0);
	close_world(&world);
}

/* ---- What is closed behind the engine's back ---- */

static int listen_somewhere(struct sockaddr_in *address)
{
	socklen_t len = sizeof *address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
	return fd;
}

/* A multishot's first completion, then its end. */
static int accept_one(struct world *world, int listener)
{
	struct probe_op accept = {.result = -1};
	int fd;

	submit(world, &accept, ZOK_OP_ACCEPT, listener);
	for (int i = 0; i < 1000 && accept.result < 0; i++)
		world->engine->ops->wait(world->engine, ZOK_S);
	fd = accept.result;
	assert_true(fd >= 0);
	world->engine->ops->cancel(world->engine, &accept.op);
	await(world, &accept);
	return fd;
}

static void test_an_accept_ends_what_its_number_was(void **state)
{
	struct world world;
	struct sockaddr_in address;
	int listener = listen_somewhere(&address), client = connect_to(&address), fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	close(fds[0]);
	assert_open(fds[1]); /* the slot keeps it */
	assert_int_equal(accept_one(&world, listener), fds[0]);
	assert_ended(fds[1]);
	assert_int_equal(world.uring->direct.used_count, 0);
	get_in(&world, fds[0]);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	assert_ended(client);
	close(client);
	close(listener);
	close(fds[1]);
	close_world(&world);
}

static void test_a_connect_ends_what_its_number_was(void **state)
{
	struct world world;
	struct sockaddr_in address;
	struct probe_op connect_op = {.op.arg.address = {.addr = (const struct sockaddr *)(const void *)&address, .len = sizeof address}};
	int listener = listen_somewhere(&address), accepted, fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	close(fds[0]);
	assert_int_equal(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[0]);
	submit(&world, &connect_op, ZOK_OP_CONNECT, fds[0]);
	assert_ended(fds[1]);
	assert_int_equal(await(&world, &connect_op), 0);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	assert_ended(accepted);
	close(accepted);
	close(listener);
	close(fds[1]);
	close_world(&world);
}

/* The batch is with the kernel, or about to be, when the number turns out to be another's. */
static void test_what_is_forgotten_on_its_way_in_gets_out_again(void **state)
{
	struct world world;
	struct probe_op last = {.op.arg.poll_events = POLLOUT};
	int fds[2];

	for (int is_handed_over = 0; is_handed_over < 2; is_handed_over++) {
		open_world(&world, ZOK__MODE_PARK);
		make_pair(fds);
		do_ops(&world, fds[0], AFTER_OPS - 1);
		submit(&world, &last, ZOK_OP_POLL, fds[0]);
		assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_QUEUED);
		if (is_handed_over)
			zok__uring_direct_hand_over(world.uring);
		zok__uring_direct_forget(world.uring, fds[0]);
		await(&world, &last);
		turn(&world);
		assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
		assert_int_equal(world.uring->direct.used_count, 0);
		close(fds[0]);
		assert_ended(fds[1]);
		close(fds[1]);
		close_world(&world);
	}
}

static void test_the_engines_end_lets_go_of_all(void **state)
{
	struct world world;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	close(fds[0]);
	assert_open(fds[1]);
	close_world(&world);
	assert_ended(fds[1]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_after_its_ops_and_out_with_its_close),
		cmocka_unit_test(test_in_and_out_by_a_poll_thread),
		cmocka_unit_test(test_ops_go_by_the_slot),
		cmocka_unit_test(test_a_batch_gets_its_own_slots),
		cmocka_unit_test(test_a_full_table_leaves_the_rest_as_they_are),
		cmocka_unit_test(test_one_that_is_refused_does_not_stop_the_others),
		cmocka_unit_test(test_without_a_table_all_stay_plain),
		cmocka_unit_test(test_off_is_off),
		cmocka_unit_test(test_an_accept_ends_what_its_number_was),
		cmocka_unit_test(test_a_connect_ends_what_its_number_was),
		cmocka_unit_test(test_what_is_forgotten_on_its_way_in_gets_out_again),
		cmocka_unit_test(test_the_engines_end_lets_go_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
