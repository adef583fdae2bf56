/* A cancel ends an op once, with -ECANCELED or its real result, at whatever moment it comes, and nothing that had arrived is lost. */
#include "tests/contract/harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void a_waiting_recv_ends(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv;
	int fds[2];
	char buf[8];

	tcp_pair(fds);
	prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
	for (int turns = 0; turns < 3; turns++) { /* not yet with the kernel, and in flight */
		call_submit(&recv);
		for (int i = 0; i < turns; i++)
			rig_turn(rig, 0);
		call_cancel(&recv);
		assert_int_equal(call_await(&recv), -ECANCELED);
		assert_int_equal(recv.completion_count, 1);
	}
	assert_int_equal(write(fds[0], "kept", 4), 4);
	assert_int_equal(call_run(&recv), 4);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void a_second_cancel_and_a_late_one_do_nothing(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv;
	int fds[2];
	char buf[8];

	tcp_pair(fds);
	prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
	call_cancel(&recv); /* never submitted */
	call_submit(&recv);
	rig_turn(rig, 0);
	call_cancel(&recv);
	call_cancel(&recv);
	assert_int_equal(call_await(&recv), -ECANCELED);
	call_cancel(&recv);
	for (int i = 0; i < 3; i++)
		rig_turn(rig, 0);
	assert_int_equal(recv.completion_count, 1);
	assert_int_equal(write(fds[0], "x", 1), 1);
	assert_int_equal(call_run(&recv), 1); /* the late cancel does not reach the next use of the memory */
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* A cancel that comes after the bytes: either the call has them or the socket. */
static void bytes_first_then_cancel(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv;
	int fds[2];
	char buf[8];

	tcp_pair(fds);
	for (int i = 0; i < 1000; i++) {
		prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
		call_submit(&recv);
		if (i & 1)
			rig_turn(rig, 0);
		assert_int_equal(write(fds[0], "abcd", 4), 4);
		if (i & 2)
			rig_turn(rig, 0);
		call_cancel(&recv);
		if (call_await(&recv) == -ECANCELED)
			assert_int_equal(call_run(&recv), 4);
		assert_int_equal(recv.result, 4);
		assert_memory_equal(buf, "abcd", 4);
	}
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* What can be submitted on a socket that is connected and has nothing to say. */
static void every_kind_at_once(void **state)
{
	static const uint8_t kinds[] = {ZOK_OP_NOP, ZOK_OP_RECV, ZOK_OP_RECV_BUFFERS, ZOK_OP_SEND, ZOK_OP_READ, ZOK_OP_WRITE, ZOK_OP_POLL};
	struct rig *rig = rig_of(state);
	int fds[2];
	char buf[8] = "";

	tcp_pair(fds);
	for (size_t i = 0; i < sizeof kinds * 3; i++) {
		struct call call;

		call_prepare(&call, rig, kinds[i / 3], fds[1]);
		call.op.arg.buffer.base = buf;
		call.op.arg.buffer.len = sizeof buf;
		if (kinds[i / 3] == ZOK_OP_POLL)
			call.op.arg.poll_events = POLLIN;
		call_submit(&call);
		for (size_t turn = 0; turn < i % 3; turn++)
			rig_turn(rig, 0);
		call_cancel(&call);
		call_await(&call);
		assert_true(call.result == -ECANCELED || call.result == 0 || call.result == sizeof buf);
		assert_int_equal(call.completion_count, 1);
	}
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void cancel_other(struct call *call, const struct zok_completion *completion)
{
	struct call *other = call->arg;

	if (other && other->is_in_flight)
		call_cancel(other);
}

/* Two ops of one descriptor; the first to be completed cancels the other from within its completion. */
static void from_within_a_completion(void **state)
{
	struct rig *rig = rig_of(state);
	struct call first, second;
	int fds[2];
	char a[8], b[8];

	tcp_pair(fds);
	prepare_recv(&first, rig, fds[1], a, sizeof a);
	prepare_recv(&second, rig, fds[1], b, sizeof b);
	first.each = second.each = cancel_other;
	first.arg = &second;
	second.arg = &first;
	call_submit(&first);
	call_submit(&second);
	rig_turn(rig, 0);
	assert_int_equal(write(fds[0], "x", 1), 1);
	rig_drain(rig);
	assert_int_equal((first.result == 1) + (second.result == 1), 1);
	assert_int_equal((first.result == -ECANCELED) + (second.result == -ECANCELED), 1);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void cancel_itself(struct call *call, const struct zok_completion *completion)
{
	if (completion->buf)
		zok__buf_release(completion->buf);
	if (completion->has_more)
		call_cancel(call);
}

static void a_multishot_from_its_own_completion(void **state)
{
	struct rig *rig = rig_of(state);
	struct call call;
	int fds[2];

	tcp_pair(fds);
	call_prepare(&call, rig, ZOK_OP_RECV_BUFFERS, fds[1]);
	call.each = cancel_itself;
	for (int i = 0; i < 10; i++) {
		call_submit(&call);
		rig_turn(rig, 0);
		assert_int_equal(write(fds[0], "x", 1), 1);
		assert_int_equal(call_await(&call), -ECANCELED);
		assert_int_equal(call.completion_count, 2);
	}
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* ---- Against another thread ---- */

enum { RACE_BYTES = 200000, RACE_CLIENTS = 300 };

struct sender {
	int fd;
	bool has_failed;
};

/* The sequence 0, 1, 2… in pieces of any size. */
static void *send_sequence(void *arg)
{
	struct sender *sender = arg;
	uint32_t seed = 7;
	uint8_t bytes[64];

	for (uint32_t sent = 0; sent < RACE_BYTES;) {
		uint32_t len = 1 + random_next(&seed) % sizeof bytes;

		if (len > RACE_BYTES - sent)
			len = RACE_BYTES - sent;
		for (uint32_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)(sent + i);
		if (write(sender->fd, bytes, len) != (ssize_t)len)
			sender->has_failed = true;
		sent += len;
		if (seed & 1)
			sched_yield();
	}
	shutdown(sender->fd, SHUT_WR);
	return NULL;
}

struct sequence {
	uint32_t received;
	bool is_broken;
};

static void sequence_take(struct sequence *sequence, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != (uint8_t)sequence->received++)
			sequence->is_broken = true;
}

static void race_once(struct rig *rig, int fd, struct sequence *sequence, uint32_t *seed, bool *is_at_end)
{
	struct call *call = malloc(sizeof *call); /* a completion that comes late is a use after free */
	uint8_t *buf = malloc(200);

	prepare_recv(call, rig, fd, buf, 1 + random_next(seed) % 200);
	call_submit(call);
	for (uint32_t turns = random_next(seed) % 3; turns > 0 && !call->is_done; turns--)
		rig_turn(rig, 0);
	if (random_next(seed) % 4 != 0)
		call_cancel(call);
	call_await(call);
	assert_true(call->result >= 0 || call->result == -ECANCELED);
	if (call->result > 0)
		sequence_take(sequence, buf, (size_t)call->result);
	*is_at_end = call->result == 0;
	memset(call, 0xa5, sizeof *call);
	free(buf);
	free(call);
}

static void recv_race_loses_no_byte(void **state)
{
	struct rig *rig = rig_of(state);
	struct sequence sequence = {0};
	struct sender sender = {0};
	pthread_t thread;
	uint32_t seed = 99;
	bool is_at_end = false;
	int fds[2];

	tcp_pair(fds);
	sender.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, send_sequence, &sender), 0);
	while (!is_at_end)
		race_once(rig, fds[1], &sequence, &seed, &is_at_end);
	pthread_join(thread, NULL);
	assert_false(sender.has_failed);
	assert_false(sequence.is_broken);
	assert_int_equal(sequence.received, RACE_BYTES);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void take_buffer(struct call *call, const struct zok_completion *completion)
{
	if (!completion->buf)
		return;
	sequence_take(call->arg, completion->buf->data, completion->buf->len);
	zok__buf_release(completion->buf);
}

static void multishot_recv_race_loses_no_byte(void **state)
{
	struct rig *rig = rig_of(state);
	struct sequence sequence = {0};
	struct sender sender = {0};
	struct call call;
	pthread_t thread;
	uint32_t seed = 5;
	int fds[2];

	tcp_pair(fds);
	sender.fd = fds[0];
	assert_int_equal(pthread_create(&thread, NULL, send_sequence, &sender), 0);
	do {
		call_prepare(&call, rig, ZOK_OP_RECV_BUFFERS, fds[1]);
		call.each = take_buffer;
		call.arg = &sequence;
		call_submit(&call);
		for (uint32_t turns = random_next(&seed) % 6; turns > 0; turns--)
			rig_turn(rig, 0);
		call_cancel(&call);
		call_await(&call);
		assert_true(call.result == 0 || call.result == -ECANCELED || call.result == -ENOBUFS);
	} while (call.result != 0);
	pthread_join(thread, NULL);
	assert_false(sequence.is_broken);
	assert_int_equal(sequence.received, RACE_BYTES);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

struct clients {
	struct sockaddr_in address;
	unsigned connected;
};

static void *connect_clients(void *arg)
{
	struct clients *clients = arg;

	for (int i = 0; i < RACE_CLIENTS; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(fd, (struct sockaddr *)&clients->address, sizeof clients->address) == 0)
			clients->connected++;
		close(fd);
	}
	return NULL;
}

static void close_accepted(struct call *call, const struct zok_completion *completion)
{
	unsigned *count = call->arg;

	if (completion->result < 0)
		return;
	++*count;
	close(completion->result);
}

static void accept_race_loses_no_connection(void **state)
{
	struct rig *rig = rig_of(state);
	struct clients clients = {0};
	struct call call;
	unsigned accepted = 0;
	pthread_t thread;
	uint32_t seed = 3;
	uint64_t deadline_ns = now_ns() + 20 * ZOK_S;
	int listener = tcp_listen(&clients.address);

	assert_int_equal(pthread_create(&thread, NULL, connect_clients, &clients), 0);
	while (accepted < RACE_CLIENTS && now_ns() < deadline_ns) {
		call_prepare(&call, rig, ZOK_OP_ACCEPT, listener);
		call.each = close_accepted;
		call.arg = &accepted;
		call_submit(&call);
		for (uint32_t turns = random_next(&seed) % 3; turns > 0; turns--)
			rig_turn(rig, 100 * ZOK_US);
		call_cancel(&call);
		assert_int_equal(call_await(&call), -ECANCELED);
	}
	pthread_join(thread, NULL);
	assert_int_equal(clients.connected, RACE_CLIENTS);
	assert_int_equal(accepted, RACE_CLIENTS);
	run_close(rig, listener);
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(a_waiting_recv_ends),
	CONTRACT_TEST(a_second_cancel_and_a_late_one_do_nothing),
	CONTRACT_TEST(bytes_first_then_cancel),
	CONTRACT_TEST(every_kind_at_once),
	CONTRACT_TEST(from_within_a_completion),
	CONTRACT_TEST(a_multishot_from_its_own_completion),
	CONTRACT_TEST(recv_race_loses_no_byte),
	CONTRACT_TEST(multishot_recv_race_loses_no_byte),
	CONTRACT_TEST(accept_race_loses_no_connection),
};

CONTRACT_MAIN(tests)
