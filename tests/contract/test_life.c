/*
 * A descriptor that has done many ops and is closed: an engine may have learned much of it by then (uring: given it a slot in the ring's file
 * table), and must let go of all. Its peer sees the end, also while others are silent; its number is another file's afterwards.
 */
#include "tests/contract/harness.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PEER_MS = 10000 };

/* One byte each way through the engine. */
static void exchange(struct rig *rig, const int fds[2], char byte)
{
	struct call send, recv;
	char in;

	for (int i = 0; i < 2; i++) {
		in = (char)~byte;
		prepare_recv(&recv, rig, fds[!i], &in, 1);
		prepare_send(&send, rig, fds[i], &byte, 1);
		call_submit(&recv);
		call_submit(&send);
		assert_int_equal(call_await(&recv), 1);
		assert_int_equal(call_await(&send), 1);
		assert_int_equal(in, byte);
	}
}

/* Waits for the event, which comes at once or, where the file is kept open, never. */
static void assert_ended(int peer)
{
	struct pollfd pollfd = {.fd = peer, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&pollfd, 1, PEER_MS), 1);
	assert_int_equal(read(peer, &byte, 1), 0);
}

static void the_peer_sees_the_end_while_others_are_silent(void **state)
{
	struct rig *rig = rig_of(state);
	struct call waiting;
	int silent[2], busy[2];
	char byte;

	tcp_pair(silent);
	for (int i = 0; i < 4; i++)
		exchange(rig, silent, 's');
	prepare_recv(&waiting, rig, silent[0], &byte, 1);
	call_submit(&waiting);
	for (int i = 0; i < 20; i++) {
		tcp_pair(busy);
		for (int k = 0; k < i; k++)
			exchange(rig, busy, (char)k);
		assert_int_equal(run_close(rig, busy[0]), 0);
		assert_ended(busy[1]);
		assert_int_equal(run_close(rig, busy[1]), 0);
	}
	assert_true(waiting.is_in_flight);
	assert_int_equal(write(silent[1], "x", 1), 1);
	assert_int_equal(call_await(&waiting), 1);
	run_close(rig, silent[0]);
	run_close(rig, silent[1]);
}

static void submit_close(struct call *call, struct rig *rig, int fd)
{
	call_prepare(call, rig, ZOK_OP_CLOSE, fd);
	call_submit(call);
}

/* Closed so many turns after its last op was submitted: the engine may be about to learn of it, or to be told that it has. */
static void closed_after(struct rig *rig, int ops, int turns)
{
	struct call poll_call, closing[2];
	int fds[2], again[2];

	unix_pair(fds);
	for (int i = 0; i < ops; i++)
		exchange(rig, fds, 'a');
	prepare_poll(&poll_call, rig, fds[0], POLLOUT);
	call_submit(&poll_call);
	for (int i = 0; i < turns; i++)
		rig_turn(rig, 0);
	submit_close(&closing[0], rig, fds[0]);
	submit_close(&closing[1], rig, fds[1]);
	rig_drain(rig);
	assert_int_equal(closing[0].result, 0);
	assert_int_equal(closing[1].result, 0);
	unix_pair(again);
	assert_int_equal(again[0], fds[0]);
	assert_int_equal(again[1], fds[1]);
	for (int i = 0; i < 3; i++)
		exchange(rig, again, 'b');
	run_close(rig, again[0]);
	assert_ended(again[1]);
	run_close(rig, again[1]);
}

static void its_number_is_another_files(void **state)
{
	for (int ops = 0; ops < 4; ops++)
		for (int turns = 0; turns < 3; turns++)
			closed_after(rig_of(state), ops, turns);
}

static void many_live_and_end_together(void **state)
{
	enum { COUNT = 150 };
	struct rig *rig = rig_of(state);
	static struct call sends[COUNT], recvs[COUNT], closings[COUNT];
	static char in[COUNT], out[COUNT];
	int fds[COUNT][2];

	for (int i = 0; i < COUNT; i++)
		unix_pair(fds[i]);
	for (int turn = 0; turn < 4; turn++) {
		for (int i = 0; i < COUNT; i++) {
			out[i] = (char)(i + turn);
			prepare_recv(&recvs[i], rig, fds[i][0], &in[i], 1);
			prepare_send(&sends[i], rig, fds[i][1], &out[i], 1);
			call_submit(&recvs[i]);
			call_submit(&sends[i]);
		}
		rig_drain(rig);
		assert_memory_equal(in, out, COUNT);
	}
	for (int i = 0; i < COUNT; i++)
		submit_close(&closings[i], rig, fds[i][0]);
	rig_drain(rig);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(closings[i].result, 0);
		assert_ended(fds[i][1]);
		run_close(rig, fds[i][1]);
	}
}

/* It goes elsewhere, and is closed there: nothing that was learned here keeps its file open. */
static void who_is_forgotten_is_kept_by_nobody(void **state)
{
	struct rig *rig = rig_of(state);
	struct call forgetting;
	int fds[2];

	for (int ops = 0; ops < 5; ops++) {
		unix_pair(fds);
		for (int i = 0; i < ops; i++)
			exchange(rig, fds, 'f');
		call_prepare(&forgetting, rig, ZOK_OP_FORGET, fds[0]);
		assert_int_equal(call_run(&forgetting), 0);
		close(fds[0]);
		assert_ended(fds[1]);
		run_close(rig, fds[1]);
	}
}

static int32_t splice_once(struct rig *rig, int from, int to, uint32_t len)
{
	struct call call;

	call_prepare(&call, rig, ZOK_OP_SPLICE, from);
	call.op.arg.splice.fd_out = to;
	call.op.arg.splice.len = len;
	return call_run(&call);
}

/* Both ends of it, again and again; then the next pipe and pair under the same numbers. */
static void a_splice_between_the_busy_moves_its_bytes(void **state)
{
	struct rig *rig = rig_of(state);

	for (int life = 0; life < 3; life++) {
		int pair[2], pipe[2];
		char buf[8];

		unix_pair(pair);
		make_pipe(pipe);
		for (int i = 0; i < 6; i++) {
			memset(buf, 0, sizeof buf);
			assert_int_equal(write(pair[1], "splice", 6), 6);
			assert_int_equal(splice_once(rig, pair[0], pipe[1], 6), 6);
			assert_int_equal(splice_once(rig, pipe[0], pair[0], 6), 6);
			assert_int_equal(read(pair[1], buf, sizeof buf), 6);
			assert_string_equal(buf, "splice");
		}
		run_close(rig, pair[0]);
		assert_ended(pair[1]);
		run_close(rig, pair[1]);
		run_close(rig, pipe[1]);
		assert_ended(pipe[0]);
		run_close(rig, pipe[0]);
	}
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(the_peer_sees_the_end_while_others_are_silent),
	CONTRACT_TEST(its_number_is_another_files),
	CONTRACT_TEST(many_live_and_end_together),
	CONTRACT_TEST(who_is_forgotten_is_kept_by_nobody),
	CONTRACT_TEST(a_splice_between_the_busy_moves_its_bytes),
};

CONTRACT_MAIN(tests)
