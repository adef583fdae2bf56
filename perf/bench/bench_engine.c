/*
 * What the engine's contract costs above liburing: the same work through core/engine.h and on a bare ring of the same flags, on one thread.
 * Batches of no-ops show our own cost an op; messages over Unix socket pairs (a send, and a multishot receive that takes it) show it beside
 * the kernel's.
 */
#include "core/bufs.h"
#include "core/counters.h"
#include "core/engine.h"
#include "perf/bench/bench.h"

#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCH = 64,
	NOP_ROUNDS = 20000,
	MESSAGE_ROUNDS = 4000,
	MESSAGE_SIZE = 64,
	BUF_COUNT = 256,
	BUF_SIZE = 256,
	SQ_ENTRIES = 256,
	CQ_ENTRIES = 1024
};

static char message[MESSAGE_SIZE];

/* ---- Through the contract ---- */

struct rig {
	struct zok__engine *engine;
	struct zok__bufs bufs;
	struct zok__counters counters;
	unsigned pending, received; /* sends or no-ops to be completed, messages that came */
	struct zok_op ops[BATCH], receives[BATCH];
};

static struct rig *rig_of_op; /* the one that runs */

static void fail(const char *what, int error)
{
	fprintf(stderr, "bench_engine: %s: %s\n", what, strerror(error));
	exit(1);
}

static void rig_open(struct rig *rig)
{
	struct zok__engine_options options = {.mode = ZOK__MODE_SPIN,
					      .sq_entries = SQ_ENTRIES,
					      .cq_entries = CQ_ENTRIES,
					      .sqpoll_cpu = -1,
					      .bufs = &rig->bufs,
					      .counters = &rig->counters};
	char reason[256] = "";
	int rc = zok__bufs_init(&rig->bufs, NULL, BUF_COUNT, BUF_SIZE);

	if (rc == 0)
		rc = zok__engine_uring.create(&rig->engine, &options, reason, sizeof reason);
	if (rc < 0)
		fail(reason, -rc);
	rig_of_op = rig;
}

static void rig_close(struct rig *rig)
{
	rig->engine->ops->destroy(rig->engine);
	zok__bufs_finish(&rig->bufs);
	free(rig);
}

static void on_done(struct zok_op *op, const struct zok_completion *completion)
{
	rig_of_op->pending--;
}

static void on_message(struct zok_op *op, const struct zok_completion *completion)
{
	if (completion->buf) {
		rig_of_op->received++;
		zok__buf_release(completion->buf);
	}
	if (!completion->has_more)
		rig_of_op->pending--;
}

static double contract_nops(void *arg)
{
	struct rig *rig = calloc(1, sizeof *rig);
	uint64_t start_ns;

	rig_open(rig);
	start_ns = bench_now_ns();
	for (int round = 0; round < NOP_ROUNDS; round++) {
		for (int i = 0; i < BATCH; i++) {
			rig->ops[i] = (struct zok_op){.deliver = on_done, .kind = ZOK_OP_NOP, .fd = -1};
			rig->engine->ops->submit(rig->engine, &rig->ops[i]);
		}
		for (rig->pending = BATCH; rig->pending > 0;)
			rig->engine->ops->wait(rig->engine, ZOK_NEVER);
	}
	start_ns = bench_now_ns() - start_ns;
	rig_close(rig);
	return (double)start_ns / ((double)NOP_ROUNDS * BATCH);
}

static void contract_send(struct rig *rig, int i, int fd)
{
	rig->ops[i] = (struct zok_op){.deliver = on_done, .kind = ZOK_OP_SEND, .fd = fd};
	rig->ops[i].arg.buffer.base = message;
	rig->ops[i].arg.buffer.len = MESSAGE_SIZE;
	rig->engine->ops->submit(rig->engine, &rig->ops[i]);
}

static void open_pairs(int fds[][2], int count)
{
	for (int i = 0; i < count; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds[i]) < 0)
			fail("socketpair", errno);
}

static void close_pairs(int fds[][2], int count)
{
	for (int i = 0; i < count; i++) {
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static double contract_messages(void *arg)
{
	const int count = *(const int *)arg;
	struct rig *rig = calloc(1, sizeof *rig);
	const int rounds = MESSAGE_ROUNDS * BATCH / count;
	uint64_t start_ns;
	int fds[BATCH][2];

	rig_open(rig);
	open_pairs(fds, count);
	for (int i = 0; i < count; i++) {
		rig->receives[i] = (struct zok_op){.deliver = on_message, .kind = ZOK_OP_RECV_BUFFERS, .fd = fds[i][0]};
		rig->engine->ops->submit(rig->engine, &rig->receives[i]);
	}
	start_ns = bench_now_ns();
	for (int round = 0; round < rounds; round++) {
		rig->pending = (unsigned)count;
		rig->received = 0;
		for (int i = 0; i < count; i++)
			contract_send(rig, i, fds[i][1]);
		while (rig->pending > 0 || rig->received < (unsigned)count)
			rig->engine->ops->wait(rig->engine, ZOK_NEVER);
	}
	start_ns = bench_now_ns() - start_ns;
	rig->pending = (unsigned)count;
	for (int i = 0; i < count; i++)
		rig->engine->ops->cancel(rig->engine, &rig->receives[i]);
	while (rig->pending > 0)
		rig->engine->ops->wait(rig->engine, ZOK_NEVER);
	close_pairs(fds, count);
	rig_close(rig);
	return (double)start_ns / ((double)rounds * count);
}

/* ---- On a bare ring ---- */

struct bare {
	struct io_uring ring;
	struct io_uring_buf_ring *buf_ring;
	char *memory;
	unsigned pending, received;
};

enum { TAG_DONE = 1, TAG_MESSAGE = 2 };

static void bare_open(struct bare *bare)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
					 .cq_entries = CQ_ENTRIES};
	struct io_uring_buf_reg registration = {.ring_entries = BUF_COUNT};
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &bare->ring, &params);

	bare->memory = aligned_alloc(4096, BUF_COUNT * BUF_SIZE);
	bare->buf_ring = aligned_alloc(4096, BUF_COUNT * sizeof(struct io_uring_buf));
	if (rc < 0 || !bare->memory || !bare->buf_ring)
		fail("ring", rc < 0 ? -rc : ENOMEM);
	registration.ring_addr = (uintptr_t)bare->buf_ring;
	rc = io_uring_register_buf_ring(&bare->ring, &registration, 0);
	if (rc < 0 || io_uring_register_ring_fd(&bare->ring) < 0)
		fail("buffer ring", -rc);
	io_uring_buf_ring_init(bare->buf_ring);
	for (int i = 0; i < BUF_COUNT; i++)
		io_uring_buf_ring_add(bare->buf_ring, bare->memory + (size_t)i * BUF_SIZE, BUF_SIZE, (unsigned short)i, BUF_COUNT - 1, i);
	io_uring_buf_ring_advance(bare->buf_ring, BUF_COUNT);
}

static void bare_close(struct bare *bare)
{
	io_uring_queue_exit(&bare->ring);
	free(bare->memory);
	free(bare->buf_ring);
	free(bare);
}

static void bare_turn(struct bare *bare)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;
	int given = 0;

	io_uring_submit_and_wait(&bare->ring, 1);
	io_uring_for_each_cqe(&bare->ring, head, cqe)
	{
		seen++;
		if (cqe->user_data == TAG_DONE) {
			bare->pending--;
		} else {
			unsigned short id = (unsigned short)(cqe->flags >> IORING_CQE_BUFFER_SHIFT);

			bare->received++;
			io_uring_buf_ring_add(bare->buf_ring, bare->memory + (size_t)id * BUF_SIZE, BUF_SIZE, id, BUF_COUNT - 1, given++);
		}
	}
	io_uring_cq_advance(&bare->ring, seen);
	io_uring_buf_ring_advance(bare->buf_ring, given);
}

static double bare_nops(void *arg)
{
	struct bare *bare = calloc(1, sizeof *bare);
	uint64_t start_ns;

	bare_open(bare);
	start_ns = bench_now_ns();
	for (int round = 0; round < NOP_ROUNDS; round++) {
		for (int i = 0; i < BATCH; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&bare->ring);

			io_uring_prep_nop(sqe);
			sqe->user_data = TAG_DONE;
		}
		for (bare->pending = BATCH; bare->pending > 0;)
			bare_turn(bare);
	}
	start_ns = bench_now_ns() - start_ns;
	bare_close(bare);
	return (double)start_ns / ((double)NOP_ROUNDS * BATCH);
}

static double bare_messages(void *arg)
{
	const int count = *(const int *)arg;
	struct bare *bare = calloc(1, sizeof *bare);
	const int rounds = MESSAGE_ROUNDS * BATCH / count;
	uint64_t start_ns;
	int fds[BATCH][2];

	bare_open(bare);
	open_pairs(fds, count);
	for (int i = 0; i < count; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&bare->ring);

		io_uring_prep_recv_multishot(sqe, fds[i][0], NULL, 0, 0);
		sqe->flags = IOSQE_BUFFER_SELECT;
		sqe->user_data = TAG_MESSAGE;
	}
	start_ns = bench_now_ns();
	for (int round = 0; round < rounds; round++) {
		bare->pending = (unsigned)count;
		bare->received = 0;
		for (int i = 0; i < count; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&bare->ring);

			io_uring_prep_send(sqe, fds[i][1], message, MESSAGE_SIZE, MSG_NOSIGNAL);
			sqe->user_data = TAG_DONE;
		}
		while (bare->pending > 0 || bare->received < (unsigned)count)
			bare_turn(bare);
	}
	start_ns = bench_now_ns() - start_ns;
	close_pairs(fds, count);
	bare_close(bare);
	return (double)start_ns / ((double)rounds * count);
}

int main(int argc, char **argv)
{
	static int one = 1, many = BATCH;
	const struct bench_case nops[] = {{"zokio", contract_nops, NULL}, {"liburing", bare_nops, NULL}};
	const struct bench_case single[] = {{"zokio", contract_messages, &one}, {"liburing", bare_messages, &one}};
	const struct bench_case batch[] = {{"zokio", contract_messages, &many}, {"liburing", bare_messages, &many}};

	bench_init(argc, argv);
	bench_pin(1);
	bench_ask(&(struct bench_question){.name = "engine_nop_64", .unit = "ns", .subject = "zokio", .against = "liburing"}, nops, 2);
	bench_ask(&(struct bench_question){.name = "engine_message_1", .unit = "ns", .subject = "zokio", .against = "liburing"}, single, 2);
	bench_ask(&(struct bench_question){.name = "engine_message_64", .unit = "ns", .subject = "zokio", .against = "liburing"}, batch, 2);
	return 0;
}
