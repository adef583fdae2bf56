/* Byte streams stay exact: random pieces, transfers larger than any buffer, short sends, a relay through splice. */
#include "tests/contract/harness.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_LEN = 8 << 20, PIECE_MAX = 300000 };

static uint8_t byte_at(size_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 13));
}

struct stream {
	struct call call;
	uint8_t *bytes; /* PIECE_MAX */
	size_t offset, asked;
	uint32_t seed;
	int fd;
};

static void send_next(struct stream *stream, struct rig *rig);
static void recv_next(struct stream *stream, struct rig *rig);

static size_t piece(struct stream *stream)
{
	size_t max = random_next(&stream->seed) % 4 == 0 ? PIECE_MAX : 3000;
	size_t len = 1 + random_next(&stream->seed) % max;

	return len < STREAM_LEN - stream->offset ? len : STREAM_LEN - stream->offset;
}

static void sent(struct call *call, const struct zok_completion *completion)
{
	struct stream *stream = call->arg;

	assert_true(completion->result > 0 && (size_t)completion->result <= stream->asked);
	stream->offset += (size_t)completion->result;
	if (stream->offset < STREAM_LEN)
		send_next(stream, call->rig);
}

static void received(struct call *call, const struct zok_completion *completion)
{
	struct stream *stream = call->arg;

	assert_true(completion->result > 0 && (size_t)completion->result <= stream->asked);
	for (int32_t i = 0; i < completion->result; i++, stream->offset++)
		if (stream->bytes[i] != byte_at(stream->offset))
			fail_msg("byte %zu is wrong", stream->offset);
	if (stream->offset < STREAM_LEN)
		recv_next(stream, call->rig);
}

static void send_next(struct stream *stream, struct rig *rig)
{
	stream->asked = piece(stream);
	for (size_t i = 0; i < stream->asked; i++)
		stream->bytes[i] = byte_at(stream->offset + i);
	prepare_send(&stream->call, rig, stream->fd, stream->bytes, stream->asked);
	stream->call.each = sent;
	stream->call.arg = stream;
	call_submit(&stream->call);
}

static void recv_next(struct stream *stream, struct rig *rig)
{
	stream->asked = piece(stream);
	prepare_recv(&stream->call, rig, stream->fd, stream->bytes, stream->asked);
	stream->call.each = received;
	stream->call.arg = stream;
	call_submit(&stream->call);
}

static void stream_init(struct stream *stream, int fd, uint32_t seed)
{
	*stream = (struct stream){.fd = fd, .seed = seed, .bytes = malloc(PIECE_MAX)};
	assert_non_null(stream->bytes);
}

/* Both ways at once on one pair. */
static void both_ways(struct rig *rig, int fds[2])
{
	struct stream streams[4];

	for (int i = 0; i < 4; i++)
		stream_init(&streams[i], fds[i & 1], (uint32_t)i * 77 + 5);
	send_next(&streams[0], rig); /* 0 to 1 */
	recv_next(&streams[1], rig);
	recv_next(&streams[2], rig); /* 1 to 0 */
	send_next(&streams[3], rig);
	rig_drain(rig);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(streams[i].offset, STREAM_LEN);
		free(streams[i].bytes);
	}
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void random_pieces_tcp(void **state)
{
	int fds[2];

	tcp_pair(fds);
	both_ways(rig_of(state), fds);
}

static void random_pieces_unix(void **state)
{
	int fds[2];

	unix_pair(fds);
	both_ways(rig_of(state), fds);
}

/* A send far larger than the socket's buffers: it is short or it waits, until the peer reads. */
static void a_send_waits_for_its_reader(void **state)
{
	struct rig *rig = rig_of(state);
	struct stream out, in;
	int fds[2], size = 4096;

	tcp_pair(fds);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	stream_init(&out, fds[0], 1);
	stream_init(&in, fds[1], 2);
	send_next(&out, rig);
	for (int i = 0; i < 50; i++)
		rig_turn(rig, 0);
	assert_true(out.call.is_in_flight);
	assert_true(out.offset < STREAM_LEN);
	recv_next(&in, rig);
	rig_drain(rig);
	assert_int_equal(in.offset, STREAM_LEN);
	free(out.bytes);
	free(in.bytes);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* ---- Through a relay ---- */

struct relay {
	struct call fill, drain;
	int from, to, pipe[2];
	size_t in_pipe;
	bool is_at_end;
};

static void relay_step(struct relay *relay);

static void filled(struct call *call, const struct zok_completion *completion)
{
	struct relay *relay = call->arg;

	assert_true(completion->result >= 0);
	relay->in_pipe += (size_t)completion->result;
	relay->is_at_end = completion->result == 0;
	relay_step(relay);
}

static void drained(struct call *call, const struct zok_completion *completion)
{
	struct relay *relay = call->arg;

	assert_true(completion->result > 0);
	relay->in_pipe -= (size_t)completion->result;
	relay_step(relay);
}

static void splice_start(struct relay *relay, struct call *call, int from, int to, call_fn each)
{
	struct rig *rig = call->rig;

	call_prepare(call, rig, ZOK_OP_SPLICE, from);
	call->op.arg.splice.fd_out = to;
	call->op.arg.splice.len = 1 << 16;
	call->each = each;
	call->arg = relay;
	call_submit(call);
}

/* Both sides at once: the pipe is filled while it is drained. */
static void relay_step(struct relay *relay)
{
	if (relay->in_pipe > 0 && !relay->drain.is_in_flight)
		splice_start(relay, &relay->drain, relay->pipe[0], relay->to, drained);
	if (!relay->is_at_end && !relay->fill.is_in_flight)
		splice_start(relay, &relay->fill, relay->from, relay->pipe[1], filled);
}

static void splice_relays_every_byte(void **state)
{
	struct rig *rig = rig_of(state);
	struct stream out, in;
	struct relay relay = {.fill.rig = rig, .drain.rig = rig};
	int left[2], right[2];

	tcp_pair(left);
	tcp_pair(right);
	make_pipe(relay.pipe);
	relay.from = left[1];
	relay.to = right[0];
	stream_init(&out, left[0], 3);
	stream_init(&in, right[1], 4);
	relay_step(&relay);
	recv_next(&in, rig);
	send_next(&out, rig);
	while (in.offset < STREAM_LEN)
		rig_turn(rig, ZOK_S);
	shutdown(left[0], SHUT_WR);
	rig_drain(rig);
	assert_true(relay.is_at_end);
	assert_int_equal(relay.in_pipe, 0);
	free(out.bytes);
	free(in.bytes);
	for (int i = 0; i < 2; i++) {
		run_close(rig, left[i]);
		run_close(rig, right[i]);
		run_close(rig, relay.pipe[i]);
	}
}

/* The kernel's splice into a pipe holds the pipe's lock while it waits for its socket. */
static void a_splice_that_waits_leaves_its_pipe_to_others(void **state)
{
	struct rig *rig = rig_of(state);
	struct call fill = {0}, nop = {0}, drain = {0};
	int left[2], right[2], pipe_fds[2];
	char byte;

	tcp_pair(left);
	tcp_pair(right);
	make_pipe(pipe_fds);
	assert_int_equal(write(pipe_fds[1], "x", 1), 1);
	call_prepare(&fill, rig, ZOK_OP_SPLICE, left[1]);
	fill.op.arg.splice.fd_out = pipe_fds[1];
	fill.op.arg.splice.len = 100;
	call_submit(&fill);
	call_prepare(&nop, rig, ZOK_OP_NOP, -1);
	call_submit(&nop);
	assert_int_equal(call_await(&nop), 0); /* the kernel has the first: it may wait by now */
	call_prepare(&drain, rig, ZOK_OP_SPLICE, pipe_fds[0]);
	drain.op.arg.splice.fd_out = right[0];
	drain.op.arg.splice.len = 100;
	call_submit(&drain);
	assert_int_equal(call_await(&drain), 1);
	assert_int_equal(read(right[1], &byte, 1), 1);
	assert_false(fill.is_done);
	shutdown(left[0], SHUT_WR);
	assert_int_equal(call_await(&fill), 0);
	for (int i = 0; i < 2; i++) {
		run_close(rig, left[i]);
		run_close(rig, right[i]);
		run_close(rig, pipe_fds[i]);
	}
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(random_pieces_tcp),
	CONTRACT_TEST(random_pieces_unix),
	CONTRACT_TEST(a_send_waits_for_its_reader),
	CONTRACT_TEST(splice_relays_every_byte),
	CONTRACT_TEST(a_splice_that_waits_leaves_its_pipe_to_others),
};

CONTRACT_MAIN(tests)
