/*
 * A descriptor that is closed is forgotten: who waited on it is ended, and its number's next file is not taken for it. One that is only forgotten
 * stays open and lives on in another engine.
 */
#include "tests/contract/harness.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct call *order[4];
static int order_count;

static void note_order(struct call *call, const struct zok_completion *completion)
{
	if (completion->buf)
		zok__buf_release(completion->buf);
	if (!completion->has_more)
		order[order_count++] = call;
}

/* The owner frees what the ops use when its close is completed. */
static void close_ends_those_who_wait(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv, multi, poll_in, closing;
	int fds[2];
	char buf[8];

	order_count = 0;
	unix_pair(fds);
	prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
	call_prepare(&multi, rig, ZOK_OP_RECV_BUFFERS, fds[1]);
	prepare_poll(&poll_in, rig, fds[1], POLLIN);
	call_prepare(&closing, rig, ZOK_OP_CLOSE, fds[1]);
	recv.each = multi.each = poll_in.each = closing.each = note_order;
	call_submit(&recv);
	call_submit(&multi);
	call_submit(&poll_in);
	rig_turn(rig, 0);
	call_submit(&closing);
	call_cancel(&closing); /* a close is never cancelled */
	assert_int_equal(call_await(&closing), 0);
	rig_drain(rig);
	assert_true(recv.result == -ECANCELED || recv.result == -EBADF);
	assert_true(multi.result == -ECANCELED || multi.result == -EBADF);
	assert_true(poll_in.result == -ECANCELED || poll_in.result == -EBADF);
	assert_ptr_equal(order[3], &closing);
	assert_int_equal(read(fds[0], buf, sizeof buf), 0); /* and the peer sees it */
	run_close(rig, fds[0]);
}

/* The new file of the number has its own life: it is quiet though the old one was not, and heard when it speaks. */
static void the_number_is_used_again(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv;
	int fds[2], again[2];
	char buf[8];

	for (int i = 0; i < 200; i++) {
		unix_pair(fds);
		prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
		call_submit(&recv);
		rig_turn(rig, 0);
		assert_int_equal(write(fds[0], "old", 3), 3); /* an event of the old file is on its way */
		if (i & 1)
			call_cancel(&recv);
		run_close(rig, fds[1]);
		rig_drain(rig);
		assert_true(recv.result == 3 || recv.result == -ECANCELED || recv.result == -EBADF);

		unix_pair(again);
		assert_int_equal(again[0], fds[1]);
		prepare_recv(&recv, rig, again[0], buf, sizeof buf);
		call_submit(&recv);
		rig_turn(rig, 0);
		rig_turn(rig, 0);
		assert_false(recv.is_done);
		assert_int_equal(write(again[1], "new", 3), 3);
		assert_int_equal(call_await(&recv), 3);
		assert_memory_equal(buf, "new", 3);
		run_close(rig, again[0]);
		run_close(rig, again[1]);
		run_close(rig, fds[0]);
	}
}

/* Closed while its event is delivered: by the completion of another descriptor whose event came in the same wait. */
static void close_peer(struct call *call, const struct zok_completion *completion)
{
	struct call *closing = call->arg;

	if (!closing->is_in_flight && !closing->is_done)
		call_submit(closing);
}

static void closed_between_event_and_delivery(void **state)
{
	struct rig *rig = rig_of(state);

	for (int i = 0; i < 100; i++) {
		struct call recv[2], closing[2];
		int fds[2][2];
		char bufs[2][8];

		for (int k = 0; k < 2; k++) {
			unix_pair(fds[k]);
			prepare_recv(&recv[k], rig, fds[k][1], bufs[k], sizeof bufs[k]);
			recv[k].each = close_peer;
			call_submit(&recv[k]);
		}
		for (int k = 0; k < 2; k++) { /* each one's completion closes the other's descriptor */
			call_prepare(&closing[k], rig, ZOK_OP_CLOSE, fds[!k][1]);
			recv[k].arg = &closing[k];
		}
		rig_turn(rig, 0);
		for (int k = 0; k < 2; k++)
			assert_int_equal(write(fds[k][0], "x", 1), 1);
		rig_drain(rig);
		for (int k = 0; k < 2; k++) {
			assert_true(recv[k].result == 1 || recv[k].result == -ECANCELED || recv[k].result == -EBADF);
			if (!closing[!k].is_done)
				run_close(rig, fds[k][1]);
			run_close(rig, fds[k][0]);
		}
		assert_true(recv[0].result == 1 || recv[1].result == 1);
	}
}

/* A duplicate keeps the file open after its close: its events are nobody's. */
static void a_duplicate_outlives_the_close(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv;
	int fds[2], copy, again[2];
	char buf[8];

	unix_pair(fds);
	prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
	call_submit(&recv);
	rig_turn(rig, 0);
	copy = dup(fds[1]);
	run_close(rig, fds[1]);
	rig_drain(rig);
	unix_pair(again);
	assert_int_equal(again[0], fds[1]);
	prepare_recv(&recv, rig, again[0], buf, sizeof buf);
	call_submit(&recv);
	assert_int_equal(write(fds[0], "x", 1), 1);
	for (int i = 0; i < 3; i++)
		rig_turn(rig, 0);
	assert_false(recv.is_done);
	assert_int_equal(write(again[1], "yz", 2), 2);
	assert_int_equal(call_await(&recv), 2);
	close(copy);
	run_close(rig, fds[0]);
	run_close(rig, again[0]);
	run_close(rig, again[1]);
}

static int32_t run_forget(struct rig *rig, int fd)
{
	struct call call;

	call_prepare(&call, rig, ZOK_OP_FORGET, fd);
	return call_run(&call);
}

static void forgetting_ends_those_who_wait(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv, multi, forgetting;
	int fds[2];
	char buf[8];

	order_count = 0;
	unix_pair(fds);
	prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
	call_prepare(&multi, rig, ZOK_OP_RECV_BUFFERS, fds[1]);
	call_prepare(&forgetting, rig, ZOK_OP_FORGET, fds[1]);
	recv.each = multi.each = forgetting.each = note_order;
	call_submit(&recv);
	call_submit(&multi);
	rig_turn(rig, 0);
	call_submit(&forgetting);
	call_cancel(&forgetting); /* it is never cancelled */
	assert_int_equal(call_await(&forgetting), 0);
	rig_drain(rig);
	assert_int_equal(recv.result, -ECANCELED);
	assert_int_equal(multi.result, -ECANCELED);
	assert_ptr_equal(order[2], &forgetting);
	assert_int_equal(write(fds[0], "open", 4), 4);
	assert_int_equal(read(fds[1], buf, sizeof buf), 4); /* nobody has taken it */
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* The other's. It is driven by hand. */
static void another_engine_hears_it(struct rig *other, int fd, int peer)
{
	struct call recv;
	char buf[8];

	prepare_recv(&recv, other, fd, buf, sizeof buf);
	call_submit(&recv);
	rig_turn(other, 0);
	assert_false(recv.is_done);
	assert_int_equal(write(peer, "abc", 3), 3);
	assert_int_equal(call_await(&recv), 3);
	assert_memory_equal(buf, "abc", 3);
	assert_int_equal(run_forget(other, fd), 0);
}

/* To and fro, each time watched anew. What happens to it there wakes nobody here. */
static void a_forgotten_descriptor_lives_in_another_engine(void **state)
{
	struct rig *rig = rig_of(state), other;
	struct call recv;
	int fds[2];
	char buf[8];
	uint64_t begin_ns;

	assert_int_equal(rig_open(&other), 0);
	tcp_pair(fds);
	for (int i = 0; i < 20; i++) {
		prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
		call_submit(&recv);
		rig_turn(rig, 0);
		assert_int_equal(write(fds[0], "here", 4), 4);
		assert_int_equal(call_await(&recv), 4);
		assert_int_equal(run_forget(rig, fds[1]), 0);
		assert_int_equal(run_forget(rig, fds[1]), 0); /* there is nothing to forget */
		another_engine_hears_it(&other, fds[1], fds[0]);
		begin_ns = now_ns();
		assert_int_equal(rig_turn(rig, 200 * ZOK_US), 0);
		assert_true(now_ns() - begin_ns >= 200 * ZOK_US);
	}
	rig_close(&other);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(close_ends_those_who_wait),	  CONTRACT_TEST(the_number_is_used_again),
	CONTRACT_TEST(closed_between_event_and_delivery), CONTRACT_TEST(a_duplicate_outlives_the_close),
	CONTRACT_TEST(forgetting_ends_those_who_wait),	  CONTRACT_TEST(a_forgotten_descriptor_lives_in_another_engine),
};

CONTRACT_MAIN(tests)
