/* The io_uring engine alone: what the contract suite cannot see (what is on, shortage of every kind, buffers that must come back). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "uring/uring.h"

#include <pthread.h>
#include <sys/un.h>
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
	assert_int_equal(zok__bufs_init(&world->bufs, NULL, BUF_COUNT, BUF_SIZE), 0);
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

/* More at once than either queue holds: the kernel keeps completions back, and none is lost. */
static void test_overflow_is_counted(void **state)
{
	static struct probe_op nops[64];
	struct world world;

	open_world(&world, ZOK__MODE_PARK, 2);
	for (int i = 0; i < 64; i++) {
		prepare(&nops[i], ZOK_OP_NOP, -1);
		submit(&world, &nops[i]);
	}
	for (int i = 0; i < 64; i++)
		wait_ended(&world, &nops[i]);
	assert_true(world.counters.stats.sqe_shortages > 0);
	assert_true(world.counters.stats.cq_overflows > 0);
	assert_int_equal(world.counters.stats.completions, 64);
	close_world(&world);
}

/* The table of slots cannot grow: what finds no slot waits, in order, and can be cancelled there. */
static void test_slot_shortage(void **state)
{
	enum { MORE = 50 };
	struct world world;
	struct zok__slots *slots;
	struct probe_op *ops;
	uint32_t slot_count;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK, 0);
	slots = &zok__uring_of(world.engine)->slots;
	slots->count_max = slot_count = slots->count;
	ops = calloc(slot_count + MORE, sizeof *ops);
	assert_non_null(ops);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (uint32_t i = 0; i < slot_count + MORE; i++) {
		prepare(&ops[i], ZOK_OP_POLL, fds[0]);
		ops[i].op.arg.poll_events = 1; /* POLLIN */
		submit(&world, &ops[i]);
	}
	assert_int_equal(world.counters.stats.sqe_shortages >= MORE, true);
	cancel(&world, &ops[slot_count]);
	wait_ended(&world, &ops[slot_count]);
	assert_int_equal(ops[slot_count].results[0], -ECANCELED);
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (uint32_t i = 0; i < slot_count + MORE; i++)
		wait_ended(&world, &ops[i]);
	assert_true(ops[slot_count + MORE - 1].results[0] > 0);
	free(ops);
	close(fds[0]);
	close(fds[1]);
	close_world(&world);
}

/* Where the kernel refuses multishots, one op still takes all that comes. */
static void test_single_shots_are_repeated(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t len = sizeof address;
	struct probe_op accept, recv;
	struct world world;
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client;

	open_world(&world, ZOK__MODE_PARK, 0);
	zok__uring_of(world.engine)->accept_ioprio = zok__uring_of(world.engine)->recv_ioprio = 0;
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address.sun_family), 0);
	assert_int_equal(listen(listener, 8), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	prepare(&accept, ZOK_OP_ACCEPT, listener);
	submit(&world, &accept);
	for (unsigned i = 0; i < 5; i++) {
		client = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(connect(client, (struct sockaddr *)&address, len), 0);
		wait_count(&world, &accept, i + 1);
		prepare(&recv, ZOK_OP_RECV_BUFFERS, accept.results[i]);
		submit(&world, &recv);
		for (unsigned k = 0; k < 2 * BUF_COUNT; k++) {
			assert_int_equal(write(client, "abc", 3), 3);
			wait_count(&world, &recv, k + 1);
			assert_memory_equal(recv.bufs[k]->data, "abc", 3);
			zok__buf_release(recv.bufs[k]);
		}
		close(client);
		wait_ended(&world, &recv);
		assert_int_equal(recv.results[recv.count - 1], 0);
		close(accept.results[i]);
	}
	cancel(&world, &accept);
	wait_ended(&world, &accept);
	assert_int_equal(accept.results[accept.count - 1], -ECANCELED);
	close(listener);
	close_world(&world);
}

enum { WAKERS = 3, WAKES = 2000 };

struct waker {
	struct zok__engine *engine;
	unsigned said;
};

static void *say(void *arg)
{
	struct waker *waker = arg;

	for (unsigned i = 0; i < WAKES; i++) {
		__atomic_fetch_add(&waker->said, 1, __ATOMIC_RELAXED); /* the wake orders it */
		waker->engine->ops->wake(waker->engine);
	}
	return NULL;
}

/* Whoever says something and then wakes is heard, however many do at once: a lost wake hangs here. */
static void wake_storm(enum zok__mode mode, uint32_t entries)
{
	struct world world;
	struct waker waker;
	pthread_t threads[WAKERS];

	open_world(&world, mode, entries);
	waker = (struct waker){.engine = world.engine};
	for (int i = 0; i < WAKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, say, &waker), 0);
	while (__atomic_load_n(&waker.said, __ATOMIC_RELAXED) < WAKERS * WAKES)
		world.engine->ops->wait(world.engine, ZOK_NEVER);
	for (int i = 0; i < WAKERS; i++)
		pthread_join(threads[i], NULL);
	close_world(&world);
}

static void test_wake_storm(void **state)
{
	wake_storm(ZOK__MODE_PARK, 0);
	wake_storm(ZOK__MODE_PARK, 2);
	wake_storm(ZOK__MODE_SQPOLL, 0);
}

/* ---- wake_by(): from ring to ring ---- */

enum { BALLS = 2000 };

static struct {
	struct zok__engine *engines[2];
	unsigned balls[2];	/* atomic: what has come to each */
	pthread_barrier_t over; /* an engine stays until nobody can be about to wake it, as in the runtime */
} match;

static void hit_ball(unsigned from, unsigned number)
{
	unsigned to = 1 - from;

	/* Release: whoever is woken by it finds the ball. */
	__atomic_store_n(&match.balls[to], number, __ATOMIC_RELEASE);
	if (number % 5 == 0)
		match.engines[to]->ops->wake(match.engines[to]); /* both ways serve one another */
	else if (!match.engines[to]->ops->wake_by(match.engines[to], match.engines[from]))
		match.engines[to]->ops->wake(match.engines[to]);
}

/* A lost wake-up ends the test: the watchdog of the test's own time limit, and this. */
static void await_ball(unsigned self, unsigned number)
{
	for (unsigned waits = 0; __atomic_load_n(&match.balls[self], __ATOMIC_ACQUIRE) < number; waits++) {
		assert_true(waits < 100); /* each returns for a wake, never by itself */
		match.engines[self]->ops->wait(match.engines[self], ZOK_NEVER);
	}
}

static void *play_back(void *arg)
{
	struct world world;

	open_world(&world, ZOK__MODE_PARK, 0);
	/* Release pairs with the acquire in play_from(). */
	__atomic_store_n(&match.engines[1], world.engine, __ATOMIC_RELEASE);
	for (unsigned i = 1; i <= BALLS; i++) {
		await_ball(1, i);
		hit_ball(1, i);
	}
	await_ball(1, BALLS + 1); /* until the other has taken the last */
	pthread_barrier_wait(&match.over);
	close_world(&world);
	return NULL;
}

static void play_from(struct world *world)
{
	pthread_t thread;

	match.engines[0] = world->engine;
	match.engines[1] = NULL;
	match.balls[0] = match.balls[1] = 0;
	assert_int_equal(pthread_barrier_init(&match.over, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, play_back, NULL), 0);
	while (!__atomic_load_n(&match.engines[1], __ATOMIC_ACQUIRE))
		;
	for (unsigned i = 1; i <= BALLS; i++) {
		hit_ball(0, i);
		await_ball(0, i);
	}
	hit_ball(0, BALLS + 1);
	pthread_barrier_wait(&match.over);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&match.over);
}

static void test_rings_wake_each_other(void **state)
{
	struct world world;

	open_world(&world, ZOK__MODE_PARK, 0);
	play_from(&world);
	close_world(&world);
	open_world(&world, ZOK__MODE_PARK, 2); /* where the queue is short, too */
	play_from(&world);
	close_world(&world);
}

static void test_a_ring_that_cannot_says_so_before_it_does_anything(void **state)
{
	struct world world, other;

	open_world(&world, ZOK__MODE_PARK, 0);
	open_world(&other, ZOK__MODE_PARK, 0);
	zok__uring_of(world.engine)->abilities.msg_ring_error = -EINVAL;
	assert_false(other.engine->ops->wake_by(other.engine, world.engine));
	assert_false(zok__uring_of(other.engine)->is_woken);
	close_world(&other);
	close_world(&world);
}

/* The target is no ring: the kernel refuses, our own completion says so, and the eventfd wakes it. */
static void test_a_message_that_fails_is_made_good_by_the_eventfd(void **state)
{
	struct world world, other;
	int ring_fd;

	open_world(&world, ZOK__MODE_PARK, 0);
	open_world(&other, ZOK__MODE_PARK, 0);
	if (zok__uring_of(world.engine)->abilities.msg_ring_error < 0) {
		close_world(&other);
		close_world(&world);
		skip();
	}
	ring_fd = zok__uring_of(other.engine)->ring.ring_fd;
	zok__uring_of(other.engine)->ring.ring_fd = zok__uring_of(other.engine)->wake_fd;
	assert_true(other.engine->ops->wake_by(other.engine, world.engine));
	zok__uring_of(other.engine)->ring.ring_fd = ring_fd;
	world.engine->ops->wait(world.engine, 0);
	other.engine->ops->wait(other.engine, ZOK_S * 20);
	assert_false(zok__uring_of(other.engine)->is_woken); /* it was seen */
	close_world(&other);
	close_world(&world);
}

static bool is_active(const struct zok__engine_report *report, const char *name)
{
	for (size_t i = 0; i < report->feature_count; i++)
		if (strcmp(report->features[i].name, name) == 0)
			return report->features[i].is_active;
	fail_msg("%s is not reported", name);
	return false;
}

/* What is on is told with what is off, and why; a mode that was not to be had is not claimed. */
static void report_of(enum zok__mode mode, const char *name)
{
	struct world world;
	struct zok__engine_report report;

	open_world(&world, mode, 0);
	world.engine->ops->report(world.engine, &report);
	assert_string_equal(report.engine, "uring");
	for (size_t i = 0; i < report.feature_count; i++)
		assert_true(report.features[i].is_active || report.features[i].reason[0] != 0);
	if (mode == ZOK__MODE_SQPOLL && !is_active(&report, "sqpoll"))
		name = "park";
	assert_string_equal(report.mode, name);
	assert_false(is_active(&report, "sqpoll") && is_active(&report, "defer-taskrun"));
	close_world(&world);
}

static void test_report(void **state)
{
	report_of(ZOK__MODE_PARK, "park");
	report_of(ZOK__MODE_ADAPTIVE, "adaptive");
	report_of(ZOK__MODE_SPIN, "spin");
	report_of(ZOK__MODE_SQPOLL, "sqpoll");
}

/* A processor that is not there pins nothing: the poll thread runs where it may, and the report says so. */
static void test_sqpoll_without_its_processor(void **state)
{
	struct world world = {0};
	struct zok__engine_options options = {.mode = ZOK__MODE_SQPOLL, .sqpoll_cpu = 100000, .counters = &world.counters};
	struct zok__engine_report report;
	char reason[256] = "";
	int rc = zok__engine_uring.create(&world.engine, &options, reason, sizeof reason);

	if (rc == -ENOSYS || rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
	world.engine->ops->report(world.engine, &report);
	for (size_t i = 0; i < report.feature_count; i++)
		if (strcmp(report.features[i].name, "sqpoll") == 0)
			assert_non_null(strstr(report.features[i].reason, "100000"));
	world.engine->ops->destroy(world.engine);
}

/* A second ring behind the first one's poll thread; what both submit is served. */
static void test_two_rings_share_a_poll_thread(void **state)
{
	struct world first, second = {0};
	struct zok__engine_options options = {.mode = ZOK__MODE_SQPOLL, .sqpoll_cpu = -1, .counters = &second.counters};
	struct zok__engine_report report;
	char reason[256] = "";

	open_world(&first, ZOK__MODE_SQPOLL, 0);
	first.engine->ops->report(first.engine, &report);
	if (!is_active(&report, "sqpoll")) {
		close_world(&first);
		skip();
	}
	options.sqpoll_share_fd = report.sqpoll_share_fd;
	assert_true(options.sqpoll_share_fd > 0);
	assert_int_equal(zok__engine_uring.create(&second.engine, &options, reason, sizeof reason), 0);
	second.engine->ops->report(second.engine, &report);
	for (size_t i = 0; i < report.feature_count; i++)
		if (strcmp(report.features[i].name, "sqpoll") == 0)
			assert_string_equal(report.features[i].reason, "by the thread of another core's ring");
	for (int i = 0; i < 100; i++) {
		struct probe_op one, other;

		prepare(&one, ZOK_OP_NOP, -1);
		prepare(&other, ZOK_OP_NOP, -1);
		submit(&first, &one);
		submit(&second, &other);
		wait_ended(&first, &one);
		wait_ended(&second, &other);
	}
	second.engine->ops->destroy(second.engine);
	close_world(&first);
}

static void test_busy_polling_is_tried_and_told(void **state)
{
	struct world world = {0};
	struct zok__engine_options options = {.sqpoll_cpu = -1, .busy_poll_us = 20, .counters = &world.counters};
	struct zok__engine_report report;
	char reason[256] = "";
	bool is_told = false;

	if (zok__engine_uring.create(&world.engine, &options, reason, sizeof reason) < 0)
		skip();
	world.engine->ops->report(world.engine, &report);
	for (size_t i = 0; i < report.feature_count; i++) {
		const struct zok__engine_feature *feature = &report.features[i];

		if (strcmp(feature->name, "napi-busy-poll") == 0)
			is_told = strstr(feature->reason, feature->is_active ? "20 us before a sleep" : "kernel refuses it") != NULL;
	}
	assert_true(is_told);
	world.engine->ops->wait(world.engine, ZOK_MS);
	world.engine->ops->destroy(world.engine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_park),
		cmocka_unit_test(test_sqpoll),
		cmocka_unit_test(test_two_entries),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_wake_storm),
		cmocka_unit_test(test_multishot_buffers),
		cmocka_unit_test(test_single_shots_are_repeated),
		cmocka_unit_test(test_overflow_is_counted),
		cmocka_unit_test(test_slot_shortage),
		cmocka_unit_test(test_rings_wake_each_other),
		cmocka_unit_test(test_a_ring_that_cannot_says_so_before_it_does_anything),
		cmocka_unit_test(test_a_message_that_fails_is_made_good_by_the_eventfd),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_sqpoll_without_its_processor),
		cmocka_unit_test(test_two_rings_share_a_poll_thread),
		cmocka_unit_test(test_busy_polling_is_tried_and_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
