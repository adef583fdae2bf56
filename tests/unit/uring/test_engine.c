/* The io_uring engine alone: what the contract suite cannot see (what is on, shortage of every kind, buffers that must come back). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/bufs.h"
#include "core/counters.h"
#include "core/engine.h"

#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

enum { BUF_COUNT = 8, BUF_SIZE = 64 };

struct world {
	struct zok__engine *engine;
	struct zok__bufs bufs;
	struct zok__counters counters;
};

/* An op and what it was delivered. */
struct probe_op {
	struct zok_op op;
	unsigned count;
	int32_t results[64];
	struct zok_buf *bufs[64];
	bool is_ended;
};

static void on_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct probe_op *probe = (struct probe_op *)op;

	assert_false(probe->is_ended);
	assert_true(probe->count < 64);
	probe->results[probe->count] = completion->result;
	probe->bufs[probe->count++] = completion->buf;
	probe->is_ended = !completion->has_more;
	if (probe->is_ended)
		assert_int_equal(op->handle, 0);
}

static void prepare(struct probe_op *probe, enum zok_op_kind kind, int fd)
{
	*probe = (struct probe_op){.op = {.deliver = on_deliver, .kind = (uint8_t)kind, .fd = fd}};
}

static void open_world(struct world *world, enum zok__mode mode, uint32_t entries)
{
	struct zok__engine_options options = {.mode = mode,
					      .sq_entries = entries,
					      .cq_entries = entries,
					      .sqpoll_cpu = -1,
					      .bufs = &world->bufs,
					      .counters = &world->counters};
	char reason[256] = "";
	int rc;

	*world = (struct world){0};
	assert_int_equal(zok__bufs_init(&world->bufs, BUF_COUNT, BUF_SIZE), 0);
	rc = zok__engine_uring.create(&world->engine, &options, reason, sizeof reason);
	if (rc == -ENOSYS || rc == -EPERM) {
		print_message("skipped: %s\n", reason);
		exit(77);
	}
	assert_int_equal(rc, 0);
}

static void close_world(struct world *world)
{
	world->engine->ops->destroy(world->engine);
	zok__bufs_finish(&world->bufs);
}

static void submit(struct world *world, struct probe_op *probe)
{
	world->engine->ops->submit(world->engine, &probe->op);
}

static void cancel(struct world *world, struct probe_op *probe)
{
	world->engine->ops->cancel(world->engine, &probe->op);
}

static void wait_ended(struct world *world, const struct probe_op *probe)
{
	for (int i = 0; i < 10000 && !probe->is_ended; i++)
		world->engine->ops->wait(world->engine, ZOK_S);
	assert_true(probe->is_ended);
}

static void wait_count(struct world *world, const struct probe_op *probe, unsigned count)
{
	for (int i = 0; i < 10000 && probe->count < count; i++)
		world->engine->ops->wait(world->engine, ZOK_S);
	assert_true(probe->count >= count);
}

static void basics(enum zok__mode mode, uint32_t entries)
{
	struct world world;
	struct probe_op nop, recv, send, close_op;
	char data[8] = "";
	int fds[2];

	open_world(&world, mode, entries);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	prepare(&nop, ZOK_OP_NOP, -1);
	submit(&world, &nop);
	wait_ended(&world, &nop);
	assert_int_equal(nop.results[0], 0);

	prepare(&recv, ZOK_OP_RECV, fds[0]);
	recv.op.arg.buffer.base = data;
	recv.op.arg.buffer.len = sizeof data;
	prepare(&send, ZOK_OP_SEND, fds[1]);
	send.op.arg.buffer.base = (void *)"abc";
	send.op.arg.buffer.len = 3;
	submit(&world, &recv);
	submit(&world, &send);
	wait_ended(&world, &recv);
	wait_ended(&world, &send);
	assert_int_equal(recv.results[0], 3);
	assert_memory_equal(data, "abc", 3);

	prepare(&recv, ZOK_OP_RECV_BUFFERS, fds[0]);
	submit(&world, &recv);
	assert_int_equal(world.engine->ops->wait(world.engine, 0), 0);
	cancel(&world, &recv);
	wait_ended(&world, &recv);
	assert_int_equal(recv.results[0], -ECANCELED);

	prepare(&close_op, ZOK_OP_CLOSE, fds[0]);
	submit(&world, &close_op);
	wait_ended(&world, &close_op);
	assert_int_equal(close_op.results[0], 0);
	close(fds[1]);
	close_world(&world);
}

static void test_park(void **state)
{
	basics(ZOK__MODE_PARK, 0);
}

static void test_sqpoll(void **state)
{
	basics(ZOK__MODE_SQPOLL, 0);
}

static void test_two_entries(void **state)
{
	basics(ZOK__MODE_PARK, 2);
	basics(ZOK__MODE_SQPOLL, 2);
}

static void test_wake(void **state)
{
	struct world world;

	open_world(&world, ZOK__MODE_PARK, 0);
	for (int i = 0; i < 100; i++) {
		world.engine->ops->wake(world.engine);
		assert_int_equal(world.engine->ops->wait(world.engine, ZOK_NEVER), 0);
	}
	close_world(&world);
}

static void test_multishot_buffers(void **state)
{
	struct world world;
	struct probe_op recv;
	int fds[2];

	open_world(&world, ZOK__MODE_SPIN, 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	prepare(&recv, ZOK_OP_RECV_BUFFERS, fds[0]);
	submit(&world, &recv);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(write(fds[1], "0123456789", 1 + i % 10), 1 + i % 10);
		wait_count(&world, &recv, i + 1);
		assert_int_equal(recv.results[i], 1 + i % 10);
		assert_non_null(recv.bufs[i]);
		assert_memory_equal(recv.bufs[i]->data, "0123456789", 1 + i % 10);
		zok__buf_release(recv.bufs[i]);
	}
	close(fds[1]);
	wait_ended(&world, &recv);
	assert_int_equal(recv.results[40], 0);
	assert_int_equal(world.bufs.out_count, 0);
	close(fds[0]);
	close_world(&world);
}

static void test_report(void **state)
{
	struct world world;
	struct zok__engine_report report;

	open_world(&world, ZOK__MODE_PARK, 0);
	world.engine->ops->report(world.engine, &report);
	assert_string_equal(report.mode, "park");
	for (size_t i = 0; i < report.feature_count; i++)
		print_message("%s: %d %s\n", report.features[i].name, report.features[i].is_active, report.features[i].reason);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_park),
		cmocka_unit_test(test_sqpoll),
		cmocka_unit_test(test_two_entries),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_multishot_buffers),
		cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
