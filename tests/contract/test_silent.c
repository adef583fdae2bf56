/* Sends whose success nobody waits for: they are delivered all the same, in order, and a failure is told. */
#include "tests/contract/harness.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 1000, LARGE = 4 << 20 };

static void prepare_silent(struct call *call, struct rig *rig, int fd, const void *bytes, size_t len)
{
	prepare_send(call, rig, fd, bytes, len);
	call->op.is_silent = true;
}

/* A connection, and three bytes that were handed over on it, whose success nobody waits for. */
static struct rig *hand_over(void **state, struct call *call, int fds[2])
{
	struct rig *rig = rig_of(state);

	tcp_pair(fds);
	prepare_silent(call, rig, fds[0], "abc", 3);
	call_submit(call);
	return rig;
}

static void close_both(struct rig *rig, const int fds[2])
{
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void success_is_told_with_whatever_ends_a_wait(void **state)
{
	struct call send_call, recv_call;
	char got[8] = "";
	int fds[2];
	struct rig *rig = hand_over(state, &send_call, fds);

	prepare_recv(&recv_call, rig, fds[1], got, sizeof got);
	assert_int_equal(call_run(&recv_call), 3); /* ended by what was sent */
	rig_turn(rig, 0);
	assert_true(send_call.is_done);
	assert_int_equal(send_call.result, 3);
	assert_string_equal(got, "abc");
	close_both(rig, fds);
}

static void who_begins_to_wait_is_not_kept_waiting(void **state)
{
	struct call call;
	int fds[2];
	struct rig *rig = hand_over(state, &call, fds);

	call.op.is_silent = false;
	while (!call.is_done)
		rig_turn(rig, ZOK_NEVER); /* would sleep for ever */
	assert_int_equal(call.result, 3);
	close_both(rig, fds);
}

/* More than an engine may remember of them; the bytes arrive once each and in order. */
static void many_are_in_order(void **state)
{
	static struct call calls[MANY];
	struct rig *rig = rig_of(state);
	uint32_t got[MANY];
	static uint32_t numbers[MANY];
	size_t done = 0;
	int fds[2];

	tcp_pair(fds);
	for (uint32_t i = 0; i < MANY; i++) {
		numbers[i] = i;
		prepare_silent(&calls[i], rig, fds[0], &numbers[i], sizeof numbers[i]);
		call_submit(&calls[i]);
		calls[i].op.is_silent = calls[i].op.is_silent && i % 7 != 0;
		while (!calls[i].is_done && i % 50 == 0)
			rig_turn(rig, 0);
	}
	rig_drain(rig);
	while (done < sizeof got) {
		ssize_t n = recv(fds[1], (char *)got + done, sizeof got - done, 0);

		assert_true(n > 0);
		done += (size_t)n;
	}
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(got[i], i);
	close_both(rig, fds);
}

static void a_failure_is_told(void **state)
{
	struct rig *rig = rig_of(state);
	struct call call;
	int fds[2];

	unix_pair(fds);
	close(fds[1]);
	prepare_silent(&call, rig, fds[0], "abc", 3);
	assert_int_equal(call_run(&call), -EPIPE);
	prepare_silent(&call, rig, -1, "abc", 3);
	assert_int_equal(call_run(&call), -EBADF);
	run_close(rig, fds[0]);
}

/* Takes at least so many bytes, which are there. Returns how many it got. */
static size_t drain(int fd, char *bytes, size_t least)
{
	size_t drained = 0;

	while (drained < least) {
		ssize_t n = recv(fd, bytes, LARGE, MSG_DONTWAIT);

		assert_true(n > 0);
		drained += (size_t)n;
	}
	return drained;
}

/* -EAGAIN, or a part; an engine that treats it as any other waits for the reader. */
static void a_full_socket_is_told_or_waited_for(void **state)
{
	static char bytes[LARGE];
	struct rig *rig = rig_of(state);
	struct call call;
	ssize_t filled;
	size_t drained;
	int fds[2];

	unix_pair(fds);
	filled = send(fds[0], bytes, LARGE, MSG_DONTWAIT);
	assert_true(filled > 0 && filled < LARGE);
	prepare_silent(&call, rig, fds[0], bytes, 100);
	call_submit(&call);
	call.op.is_silent = false;
	rig_turn(rig, 0);
	drained = drain(fds[1], bytes, (size_t)filled);
	call_await(&call);
	assert_true(call.result == 100 || call.result == -EAGAIN);
	/* Where the kernel's own thread sends, the first drain may have met these bytes, too. */
	if (call.result == 100)
		drained += drain(fds[1], bytes, (size_t)filled + 100 - drained);
	assert_int_equal(drained, (size_t)filled + (call.result == 100 ? 100 : 0));
	close_both(rig, fds);
}

/* It can be cancelled at any time; its end comes once, and is the truth. */
static void a_cancel_changes_nothing_that_went(void **state)
{
	struct call call;
	char got[8];
	int fds[2];
	struct rig *rig = hand_over(state, &call, fds);

	if (!call.is_done)
		call_cancel(&call);
	call_await(&call);
	assert_int_equal(call.completion_count, 1);
	assert_true(call.result == 3 || call.result == -ECANCELED);
	assert_int_equal(recv(fds[1], got, sizeof got, MSG_DONTWAIT), call.result == 3 ? 3 : -1);
	close_both(rig, fds);
}

/* The descriptor is closed only when it has ended. */
static void a_close_comes_after_it(void **state)
{
	struct call call;
	char got[8];
	int fds[2];
	struct rig *rig = hand_over(state, &call, fds);

	assert_int_equal(run_close(rig, fds[0]), 0);
	assert_true(call.is_done);
	assert_int_equal(call.result, 3);
	assert_int_equal(recv(fds[1], got, sizeof got, 0), 3);
	run_close(rig, fds[1]);
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(success_is_told_with_whatever_ends_a_wait),
	CONTRACT_TEST(who_begins_to_wait_is_not_kept_waiting),
	CONTRACT_TEST(many_are_in_order),
	CONTRACT_TEST(a_failure_is_told),
	CONTRACT_TEST(a_full_socket_is_told_or_waited_for),
	CONTRACT_TEST(a_cancel_changes_nothing_that_went),
	CONTRACT_TEST(a_close_comes_after_it),
};

CONTRACT_MAIN(tests)
