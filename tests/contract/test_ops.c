/* Every kind of op does what its POSIX call does, and is completed exactly once. */
#include "tests/contract/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void nop(void **state)
{
	struct call call;

	call_prepare(&call, rig_of(state), ZOK_OP_NOP, -1);
	assert_int_equal(call_run(&call), 0);
	assert_int_equal(call.completion_count, 1);
	assert_true(rig_of(state)->counters.stats.completions >= 1);
}

/* The op's memory is the caller's again within deliver: it is submitted anew from there. */
static void again(struct call *call, const struct zok_completion *completion)
{
	int *left = call->arg;

	if (--*left > 0)
		call_submit(call);
}

static void nop_again_from_its_own_completion(void **state)
{
	struct call call;
	int left = 100000;

	call_prepare(&call, rig_of(state), ZOK_OP_NOP, -1);
	call.each = again;
	call.arg = &left;
	call_submit(&call);
	rig_drain(rig_of(state));
	assert_int_equal(left, 0);
}

static void send_and_recv(struct rig *rig, int from, int to)
{
	struct call send, recv;
	char buf[64] = "";

	prepare_recv(&recv, rig, to, buf, sizeof buf);
	call_submit(&recv);
	rig_turn(rig, 0);
	assert_false(recv.is_done);
	prepare_send(&send, rig, from, "hello", 5);
	assert_int_equal(call_run(&send), 5);
	assert_int_equal(call_await(&recv), 5);
	assert_memory_equal(buf, "hello", 5);
}

static void recv_waits_for_send_tcp(void **state)
{
	int fds[2];

	tcp_pair(fds);
	for (int i = 0; i < 3; i++) {
		send_and_recv(rig_of(state), fds[0], fds[1]);
		send_and_recv(rig_of(state), fds[1], fds[0]);
	}
	run_close(rig_of(state), fds[0]);
	run_close(rig_of(state), fds[1]);
}

static void recv_waits_for_send_unix(void **state)
{
	int fds[2];

	unix_pair(fds);
	send_and_recv(rig_of(state), fds[0], fds[1]);
	send_and_recv(rig_of(state), fds[1], fds[0]);
	run_close(rig_of(state), fds[0]);
	run_close(rig_of(state), fds[1]);
}

/* A message a receive, also when both were there before the first: a short receive does not mean that nothing is left. */
static void datagrams_keep_their_bounds(void **state)
{
	int fds[2];
	struct call recv;
	char buf[64];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(write(fds[0], "one", 3), 3);
		assert_int_equal(write(fds[0], "second", 6), 6);
		prepare_recv(&recv, rig_of(state), fds[1], buf, sizeof buf);
		assert_int_equal(call_run(&recv), 3);
		assert_int_equal(call_run(&recv), 6);
		call_submit(&recv);
		rig_turn(rig_of(state), 0);
		assert_false(recv.is_done);
		assert_int_equal(write(fds[0], "last", 4), 4);
		assert_int_equal(call_await(&recv), 4);
	}
	run_close(rig_of(state), fds[0]);
	run_close(rig_of(state), fds[1]);
}

static void recv_peeks_without_taking(void **state)
{
	int fds[2];
	struct call recv;
	char buf[64];

	tcp_pair(fds);
	assert_int_equal(write(fds[0], "abc", 3), 3);
	prepare_recv(&recv, rig_of(state), fds[1], buf, sizeof buf);
	recv.op.arg.buffer.flags = MSG_PEEK;
	assert_int_equal(call_run(&recv), 3);
	assert_int_equal(call_run(&recv), 3);
	recv.op.arg.buffer.flags = 0;
	assert_int_equal(call_run(&recv), 3);
	run_close(rig_of(state), fds[0]);
	run_close(rig_of(state), fds[1]);
}

static void sendmsg_gathers(void **state)
{
	int fds[2];
	struct iovec vector[2] = {{(char[]){"one "}, 4}, {(char[]){"two"}, 3}};
	struct msghdr header = {.msg_iov = vector, .msg_iovlen = 2};
	struct call call;
	char buf[16];

	tcp_pair(fds);
	call_prepare(&call, rig_of(state), ZOK_OP_SENDMSG, fds[0]);
	call.op.arg.message.header = &header;
	assert_int_equal(call_run(&call), 7);
	prepare_recv(&call, rig_of(state), fds[1], buf, sizeof buf);
	assert_int_equal(call_run(&call), 7);
	assert_memory_equal(buf, "one two", 7);
	run_close(rig_of(state), fds[0]);
	run_close(rig_of(state), fds[1]);
}

static void file_is_read_and_written_at_offsets(void **state)
{
	char path[] = "/tmp/zokio-contract-XXXXXX", buf[16];
	int fd = mkstemp(path);
	struct call call;

	assert_true(fd >= 0);
	unlink(path);
	prepare_write(&call, rig_of(state), fd, "0123456789", 10, 0);
	assert_int_equal(call_run(&call), 10);
	prepare_read(&call, rig_of(state), fd, buf, 4, 3);
	assert_int_equal(call_run(&call), 4);
	assert_memory_equal(buf, "3456", 4);
	prepare_read(&call, rig_of(state), fd, buf, sizeof buf, 10);
	assert_int_equal(call_run(&call), 0);
	prepare_read(&call, rig_of(state), fd, buf, 4, UINT64_MAX); /* the file's own position: still at its start */
	assert_int_equal(call_run(&call), 4);
	assert_int_equal(call_run(&call), 4);
	assert_memory_equal(buf, "4567", 4);
	assert_int_equal(run_close(rig_of(state), fd), 0);
}

static void device_without_readiness_is_always_ready(void **state)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct call call;
	char buf[4];

	prepare_write(&call, rig_of(state), fd, "abc", 3, 0);
	assert_int_equal(call_run(&call), 3);
	prepare_read(&call, rig_of(state), fd, buf, 4, 0);
	assert_int_equal(call_run(&call), 0);
	run_close(rig_of(state), fd);
}

static void pipe_is_read_when_written(void **state)
{
	int fds[2];
	struct call read, write;
	char buf[16];

	make_pipe(fds);
	prepare_read(&read, rig_of(state), fds[0], buf, sizeof buf, UINT64_MAX);
	call_submit(&read);
	rig_turn(rig_of(state), 0);
	assert_false(read.is_done);
	prepare_write(&write, rig_of(state), fds[1], "pipe", 4, UINT64_MAX);
	assert_int_equal(call_run(&write), 4);
	assert_int_equal(call_await(&read), 4);
	call_submit(&read);
	run_close(rig_of(state), fds[1]);
	assert_int_equal(call_await(&read), 0);
	run_close(rig_of(state), fds[0]);
}

static void eventfd_is_read_when_written(void **state)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct call read;
	uint64_t value = 0, three = 3;

	prepare_read(&read, rig_of(state), fd, &value, sizeof value, UINT64_MAX);
	call_submit(&read);
	rig_turn(rig_of(state), 0);
	assert_false(read.is_done);
	assert_int_equal(write(fd, &three, sizeof three), sizeof three);
	assert_int_equal(call_await(&read), sizeof value);
	assert_int_equal(value, 3);
	run_close(rig_of(state), fd);
}

static void shutdown_ends_the_peers_stream(void **state)
{
	int fds[2];
	struct call recv, down;
	char buf[16];

	tcp_pair(fds);
	prepare_recv(&recv, rig_of(state), fds[1], buf, sizeof buf);
	call_submit(&recv);
	rig_turn(rig_of(state), 0);
	call_prepare(&down, rig_of(state), ZOK_OP_SHUTDOWN, fds[0]);
	down.op.arg.shutdown_how = SHUT_WR;
	assert_int_equal(call_run(&down), 0);
	assert_int_equal(call_await(&recv), 0);
	assert_int_equal(call_run(&recv), 0);	      /* and again */
	send_and_recv(rig_of(state), fds[1], fds[0]); /* the other half goes on */
	run_close(rig_of(state), fds[0]);
	run_close(rig_of(state), fds[1]);
}

/* Bytes and their end that come together are both received: the short read is not the last word. */
static void half_close_behind_bytes(void **state)
{
	int fds[2];
	struct call recv;
	char buf[64];

	for (int i = 0; i < 50; i++) {
		tcp_pair(fds);
		prepare_recv(&recv, rig_of(state), fds[1], buf, sizeof buf);
		call_submit(&recv);
		rig_turn(rig_of(state), 0);
		assert_int_equal(write(fds[0], "bye", 3), 3);
		assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
		assert_int_equal(call_await(&recv), 3);
		assert_int_equal(call_run(&recv), 0);
		run_close(rig_of(state), fds[0]);
		run_close(rig_of(state), fds[1]);
	}
}

static void reset_by_peer(void **state)
{
	int fds[2];
	struct call recv;
	struct linger now = {.l_onoff = 1};
	char buf[16];

	tcp_pair(fds);
	prepare_recv(&recv, rig_of(state), fds[1], buf, sizeof buf);
	call_submit(&recv);
	rig_turn(rig_of(state), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
	run_close(rig_of(state), fds[0]);
	assert_int_equal(call_await(&recv), -ECONNRESET);
	run_close(rig_of(state), fds[1]);
}

/* The process would die of SIGPIPE: the suite leaves it at its default. */
static void epipe_without_a_signal(void **state)
{
	int fds[2];
	struct call call;
	struct iovec vector = {(char[]){"x"}, 1};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};

	unix_pair(fds);
	run_close(rig_of(state), fds[1]);
	prepare_send(&call, rig_of(state), fds[0], "x", 1);
	assert_int_equal(call_run(&call), -EPIPE);
	call_prepare(&call, rig_of(state), ZOK_OP_SENDMSG, fds[0]);
	call.op.arg.message.header = &header;
	assert_int_equal(call_run(&call), -EPIPE);
	run_close(rig_of(state), fds[0]);
}

static void poll_tells_what_is_ready(void **state)
{
	int fds[2];
	struct call in, out, recv;
	char buf[16];

	tcp_pair(fds);
	prepare_poll(&in, rig_of(state), fds[0], POLLIN);
	call_submit(&in);
	prepare_poll(&out, rig_of(state), fds[0], POLLOUT);
	assert_true(call_run(&out) & POLLOUT);
	assert_false(in.is_done);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_true(call_await(&in) & POLLIN);
	assert_true(call_run(&in) & POLLIN); /* one shot, and again as long as it holds */
	prepare_recv(&recv, rig_of(state), fds[0], buf, sizeof buf);
	assert_int_equal(call_run(&recv), 1);
	call_submit(&in);
	rig_turn(rig_of(state), 0);
	assert_false(in.is_done);
	run_close(rig_of(state), fds[1]);
	assert_true(call_await(&in) & POLLIN);
	run_close(rig_of(state), fds[0]);
}

/* Those who poll for what does not come do not hide the one behind them. */
static void poll_is_heard_behind_others(void **state)
{
	struct rig *rig = rig_of(state);
	struct call quiet[40], in;
	int fds[2];

	tcp_pair(fds);
	for (int i = 0; i < 40; i++) {
		prepare_poll(&quiet[i], rig, fds[1], POLLPRI);
		call_submit(&quiet[i]);
	}
	prepare_poll(&in, rig, fds[1], POLLIN);
	call_submit(&in);
	rig_turn(rig, 0);
	assert_int_equal(write(fds[0], "x", 1), 1);
	assert_true(call_await(&in) & POLLIN);
	for (int i = 0; i < 40; i++)
		call_cancel(&quiet[i]);
	rig_drain(rig);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void splice_some(struct call *call, struct rig *rig, int from, int to, uint32_t len)
{
	call_prepare(call, rig, ZOK_OP_SPLICE, from);
	call->op.arg.splice.fd_out = to;
	call->op.arg.splice.len = len;
}

static void splice_waits_for_either_side(void **state)
{
	struct rig *rig = rig_of(state);
	int from[2], to[2], pipe[2];
	struct call call;
	static char block[65536];
	char buf[16];

	tcp_pair(from);
	tcp_pair(to);
	make_pipe(pipe);
	splice_some(&call, rig, from[1], pipe[1], 65536);
	call_submit(&call);
	rig_turn(rig, 0);
	assert_false(call.is_done);
	assert_int_equal(write(from[0], "through", 7), 7);
	assert_int_equal(call_await(&call), 7);
	splice_some(&call, rig, pipe[0], to[0], 7);
	assert_int_equal(call_run(&call), 7);
	assert_int_equal(recv(to[1], buf, sizeof buf, 0), 7);
	assert_memory_equal(buf, "through", 7);

	/* the pipe is full: the splice waits for room, not for bytes */
	assert_int_equal(fcntl(pipe[1], F_SETFL, O_NONBLOCK), 0);
	while (write(pipe[1], block, sizeof block) > 0)
		;
	assert_int_equal(write(from[0], "more", 4), 4);
	splice_some(&call, rig, from[1], pipe[1], 65536);
	call_submit(&call);
	for (int i = 0; i < 3; i++)
		rig_turn(rig, 0);
	assert_false(call.is_done);
	assert_true(read(pipe[0], block, sizeof block) > 0);
	assert_int_equal(call_await(&call), 4);
	for (int i = 0; i < 2; i++) {
		run_close(rig, from[i]);
		run_close(rig, to[i]);
		run_close(rig, pipe[i]);
	}
}

static void bad_descriptors_are_results(void **state)
{
	struct rig *rig = rig_of(state);
	struct call call;
	char buf[4];
	int fds[2] = {-1, 1000000};

	for (int i = 0; i < 2; i++) {
		prepare_recv(&call, rig, fds[i], buf, sizeof buf);
		assert_int_equal(call_run(&call), -EBADF);
		prepare_send(&call, rig, fds[i], buf, sizeof buf);
		assert_int_equal(call_run(&call), -EBADF);
		prepare_read(&call, rig, fds[i], buf, sizeof buf, 0);
		assert_int_equal(call_run(&call), -EBADF);
		prepare_poll(&call, rig, fds[i], POLLIN);
		assert_int_equal(call_run(&call), -EBADF);
		splice_some(&call, rig, fds[i], fds[i], 4);
		assert_int_equal(call_run(&call), -EBADF);
		assert_int_equal(run_close(rig, fds[i]), -EBADF);
	}
}

/* A bad descriptor that is tried again from its own completion must not eat the stack. */
static void errors_do_not_recurse(void **state)
{
	struct call call;
	char buf[4];
	int left = 100000;

	prepare_recv(&call, rig_of(state), -1, buf, sizeof buf);
	call.each = again;
	call.arg = &left;
	call_submit(&call);
	rig_drain(rig_of(state));
	assert_int_equal(left, 0);
}

static void report_names_engine_mode_and_features(void **state)
{
	struct rig *rig = rig_of(state);
	struct zok__engine_report report = {0};

	rig->engine->ops->report(rig->engine, &report);
	assert_string_equal(report.engine, rig_engine_name());
	assert_string_equal(report.mode, rig_mode() == ZOK__MODE_SQPOLL ? "sqpoll" : "park");
	assert_true(report.feature_count > 0);
	for (size_t i = 0; i < report.feature_count; i++) {
		assert_non_null(report.features[i].name);
		assert_true(report.features[i].is_active || report.features[i].reason[0] != '\0');
	}
}

/* What is really active: a mode that is not to be had is never named. */
static void each_mode_is_told_as_it_is(void **state)
{
	static const char *const names[] = {
		[ZOK__MODE_PARK] = "park", [ZOK__MODE_ADAPTIVE] = "adaptive", [ZOK__MODE_SPIN] = "spin", [ZOK__MODE_SQPOLL] = "sqpoll"};

	for (int mode = ZOK__MODE_PARK; mode <= ZOK__MODE_SQPOLL; mode++) {
		struct zok__engine_options options = {.mode = (enum zok__mode)mode, .sqpoll_cpu = -1, .counters = &rig_of(state)->counters};
		struct zok__engine_report report;
		struct zok__engine *engine;
		char reason[256];

		assert_int_equal(rig_engine_ops()->create(&engine, &options, reason, sizeof reason), 0);
		engine->ops->report(engine, &report);
		if (mode != ZOK__MODE_SQPOLL || strcmp(report.mode, "park") != 0)
			assert_string_equal(report.mode, names[mode]);
		engine->ops->wait(engine, 0);
		engine->ops->destroy(engine);
	}
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(nop),
	CONTRACT_TEST(nop_again_from_its_own_completion),
	CONTRACT_TEST(recv_waits_for_send_tcp),
	CONTRACT_TEST(recv_waits_for_send_unix),
	CONTRACT_TEST(datagrams_keep_their_bounds),
	CONTRACT_TEST(recv_peeks_without_taking),
	CONTRACT_TEST(sendmsg_gathers),
	CONTRACT_TEST(file_is_read_and_written_at_offsets),
	CONTRACT_TEST(device_without_readiness_is_always_ready),
	CONTRACT_TEST(pipe_is_read_when_written),
	CONTRACT_TEST(eventfd_is_read_when_written),
	CONTRACT_TEST(shutdown_ends_the_peers_stream),
	CONTRACT_TEST(half_close_behind_bytes),
	CONTRACT_TEST(reset_by_peer),
	CONTRACT_TEST(epipe_without_a_signal),
	CONTRACT_TEST(poll_tells_what_is_ready),
	CONTRACT_TEST(poll_is_heard_behind_others),
	CONTRACT_TEST(splice_waits_for_either_side),
	CONTRACT_TEST(bad_descriptors_are_results),
	CONTRACT_TEST(errors_do_not_recurse),
	CONTRACT_TEST(report_names_engine_mode_and_features),
	CONTRACT_TEST(each_mode_is_told_as_it_is),
};

CONTRACT_MAIN(tests)
