/*
 * net/ over an engine that fails: every system call of both once in turn, and every op once with each of the results that a kernel may give.
 * Whatever fails, a scene of a door, a client and a forwarding server ends by itself, with no descriptor, buffer or socket more than before, and
 * no byte changed on the way.
 */
#include "tests/contract/faults.h"
#include "tests/contract/harness.h"

#include "core/core.h"
#include "zokio/zokio.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { BYTES = 3000, TARGETS_MAX = 10000 };

/* A scene takes milliseconds; this is how long it may hang before that is a failure. */
#define HANG_NS (20 * ZOK_S)

/* ---- The scene: nothing in it must succeed ---- */

static bool has_met_deadline, is_whole; /* what went well, so that a scene without a fault can be told from one that never began */

/* Sends back what it gets; half-closes are passed on. */
static int serve(void *door)
{
	struct zok_socket *peer;
	int rc = zok_accept(door, &peer);

	if (rc == 0) {
		zok_forward(peer, peer, NULL);
		zok_close(peer);
	}
	zok_close(door); /* who is still in the backlog sees an end */
	return 0;
}

/* Nothing comes yet: the deadline ends it. */
static void read_too_early(struct zok_socket *peer)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "early", .timeout_ns = ZOK_MS});
	char byte;

	if (!scope)
		return;
	has_met_deadline |= zok_read(peer, &byte, 1) == -ETIMEDOUT;
	zok_scope_close(scope, 0);
}

static void fill(uint8_t *bytes)
{
	for (int i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

/* Every byte that comes back is the next one that went. */
static void read_back(struct zok_socket *peer, const uint8_t *bytes)
{
	uint8_t copy[512];
	size_t done = 0;
	ssize_t n = 1;

	while (n > 0) {
		struct zok_buf *buf = NULL;

		n = done % 2 == 0 ? zok_recv_buf(peer, &buf) : zok_read(peer, copy, sizeof copy);
		if (n <= 0)
			break;
		assert_true(done + (size_t)n <= BYTES);
		assert_memory_equal(bytes + done, buf ? zok_buf_data(buf) : copy, n);
		done += (size_t)n;
		zok_buf_release(buf);
	}
	is_whole |= n == 0 && done == BYTES;
}

static void talk(struct zok_socket *peer)
{
	uint8_t bytes[BYTES];
	struct iovec vector[2] = {{bytes + 1000, 500}, {bytes + 1500, 500}};

	fill(bytes);
	read_too_early(peer);
	if (zok_write_all(peer, bytes, 1000) == 1000 && zok_writev(peer, vector, 2) == 1000 &&
	    zok_write_all(peer, bytes + 2000, 1000) == 1000 && zok_shutdown(peer, ZOK_SHUTDOWN_WRITE) == 0)
		read_back(peer, bytes);
}

static void play_client(const char *address)
{
	struct zok_socket *peer;

	if (zok_connect(&peer, address, &(struct zok_connect_options){.keepalive = true}) < 0)
		return;
	talk(peer);
	zok_close(peer);
}

static void play_under(struct zok_scope *scope)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door;

	if (zok_listen(&door, "tcp://127.0.0.1:0", NULL) < 0)
		return;
	if (zok_local_address(door, address, sizeof address) < 0 || zok_spawn(scope, serve, door, NULL) < 0)
		zok_close(door);
	else
		play_client(address);
}

static int play(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "scene", .timeout_ns = HANG_NS});

	if (scope) {
		play_under(scope);
		if (zok_scope_status(scope) != 0)
			fail_msg("it hangs after %s", faults_hit() ? faults_hit() : "a bad result");
		zok_scope_cancel(scope); /* a server that waits for a client that never came */
		zok_scope_close(scope, 0);
	}
	zok__core_stop(zok__core());
	return 0;
}

/* ---- A core whose engine can be tampered with ---- */

static int open_core(struct zok_core **out, struct zok_core **self)
{
	const struct zok__core_options options = {
		.core_count = 1,
		.peers = (struct zok_core *const *)self,
		.engine = rig_engine_ops(),
		.mode = rig_mode(),
		.budget_ns = 500 * ZOK_US,
		.share = {[ZOK_CLASS_NORMAL] = 4, [ZOK_CLASS_BULK] = 1},
		.stack_size = 65536,
		.receive_buffers = 16,
		.receive_buffer_size = 512,
		.sq_entries = rig_is_tiny() ? 2 : 0,
		.cq_entries = rig_is_tiny() ? 2 : 0,
		.sqpoll_cpu = -1,
	};
	char reason[128];
	int rc;

	rc = zok__core_create(self, &options);
	if (rc < 0)
		return rc;
	*out = *self;
	rc = zok__core_open(*self, reason, sizeof reason);
	if (rc < 0)
		zok__core_destroy(*self);
	return rc;
}

static void run_core(struct zok_core *core)
{
	assert_int_equal(zok_spawn(&core->root, play, NULL, &(struct zok_spawn_options){.name = "test"}), 0);
	zok__loop_run(core);
}

static void close_core(struct zok_core *core)
{
	zok__core_close(core);
	assert_int_equal(core->bufs.out_count, 0);
	assert_int_equal(core->counters->stats.sockets_opened, core->counters->stats.sockets_closed);
	zok__core_destroy(core);
}

/* ---- Every system call fails once in turn ---- */

static void each_fails_once(bool interrupts)
{
	int fd_count = count_fds();

	for (unsigned target = 1; target < TARGETS_MAX; target++) {
		struct zok_core *core, *self;

		has_met_deadline = is_whole = false;
		faults_begin(target, interrupts);
		faults_arm(true);
		if (open_core(&core, &self) == 0) {
			run_core(core);
			close_core(core);
		}
		faults_arm(false);
		if (count_fds() != fd_count)
			fail_msg("descriptors leaked after %s failed (call %u)", faults_hit(), target);
		if (!faults_hit()) {
			assert_true(has_met_deadline && is_whole);
			print_message("%u calls failed in turn\n", target - 1);
			assert_true(target > 10);
			return;
		}
	}
	fail_msg("it never ends");
}

static void each_call_fails_once(void **state)
{
	each_fails_once(false);
}

static void each_call_is_interrupted_once(void **state)
{
	each_fails_once(true);
}

/* ---- Every op gets every bad result once in turn ---- */

enum fault_kind {
	REFUSED, /* the kernel never does it */
	ENDED,	 /* a multishot that has brought something ends by it */
};

static struct {
	const struct zok__engine_ops *real;
	enum fault_kind kind;
	unsigned ops, target; /* counted, and which of them it is */
	int32_t result;
	struct zok_op *op; /* the one that is tampered with */
	zok_op_deliver_fn deliver;
	bool is_refused; /* op waits for its result, from the next wait */
	bool is_hit;
} tampering;

/* Only a multishot's last completion is changed, whose descriptor or buffer, if it has one, goes on as one before. */
static void tampered_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_completion one = *completion, last = {.result = tampering.result};
	bool is_last = !completion->has_more;

	if (completion->result >= 0 && !(is_last && completion->result == 0)) {
		one.has_more = true;
		tampering.deliver(op, &one);
		if (!is_last && !tampering.is_hit)
			tampering.real->cancel(zok__core()->engine, op);
		tampering.is_hit = true;
	}
	if (is_last && op == tampering.op) {
		tampering.op = NULL;
		op->deliver = tampering.deliver;
		tampering.deliver(op, tampering.is_hit ? &last : completion);
	}
}

static bool is_multishot(const struct zok_op *op)
{
	return op->kind == ZOK_OP_ACCEPT || op->kind == ZOK_OP_RECV_BUFFERS;
}

static void tamper(struct zok__engine *engine, struct zok_op *op)
{
	tampering.op = op;
	tampering.deliver = op->deliver;
	if (tampering.kind == ENDED) {
		op->deliver = tampered_deliver;
		tampering.real->submit(engine, op);
	} else {
		tampering.is_refused = tampering.is_hit = true;
	}
}

/* A close that fails has closed all the same, and says so by no more than EIO or the like: it is left alone. */
static void tampered_submit(struct zok__engine *engine, struct zok_op *op)
{
	bool is_counted = op->kind != ZOK_OP_CLOSE && (tampering.kind == REFUSED || is_multishot(op));

	if (is_counted && ++tampering.ops == tampering.target)
		tamper(engine, op);
	else
		tampering.real->submit(engine, op);
}

/* The kernel's answer is on its way already. */
static void tampered_cancel(struct zok__engine *engine, struct zok_op *op)
{
	if (!tampering.is_refused || op != tampering.op)
		tampering.real->cancel(engine, op);
}

static int tampered_wait(struct zok__engine *engine, uint64_t timeout_ns)
{
	struct zok_op *op = tampering.op;
	int n;

	if (!tampering.is_refused)
		return tampering.real->wait(engine, timeout_ns);
	tampering.is_refused = false;
	tampering.op = NULL;
	op->deliver(op, &(struct zok_completion){.result = tampering.result});
	n = tampering.real->wait(engine, 0);
	return n + 1;
}

static void tampered_wake(struct zok__engine *engine)
{
	tampering.real->wake(engine);
}

static void tampered_release(struct zok__engine *engine, struct zok_buf *buf)
{
	tampering.real->release(engine, buf);
}

static const struct zok__engine_ops tampered_ops = {
	.submit = tampered_submit,
	.cancel = tampered_cancel,
	.wait = tampered_wait,
	.wake = tampered_wake,
	.release = tampered_release,
};

/* Returns whether there was an op to tamper with. */
static bool run_tampered(enum fault_kind kind, unsigned target, int32_t result)
{
	struct zok_core *core, *self;

	memset(&tampering, 0, sizeof tampering);
	tampering.kind = kind;
	tampering.target = target;
	tampering.result = result;
	is_whole = false;
	assert_int_equal(open_core(&core, &self), 0);
	tampering.real = core->engine->ops;
	core->engine->ops = &tampered_ops;
	run_core(core);
	assert_null(tampering.op);
	core->engine->ops = tampering.real;
	close_core(core);
	return tampering.ops >= target;
}

/* Cancelled, or without a buffer for the moment: nothing is lost, and it is begun again. */
static bool must_go_on(enum fault_kind kind, int error)
{
	return kind == ENDED && (error == ECANCELED || error == ENOBUFS);
}

/* Returns how many ops were really tampered with. */
static unsigned each_op_ends_by(enum fault_kind kind, int error, int fd_count)
{
	unsigned hit_count = 0;

	for (unsigned target = 1; run_tampered(kind, target, -error); target++) {
		if (count_fds() != fd_count)
			fail_msg("descriptors leaked after %s for op %u", strerror(error), target);
		hit_count += tampering.is_hit;
		if (tampering.is_hit && must_go_on(kind, error) && !is_whole)
			fail_msg("bytes are missing after %s for op %u", strerror(error), target);
	}
	return hit_count;
}

static void each_op_ends_by_each(enum fault_kind kind)
{
	static const int errors[] = {EAGAIN, ECANCELED, ECONNRESET, EINTR, EINVAL, EIO, EMFILE, ENOBUFS, ENOMEM, EPIPE, ETIMEDOUT};
	int fd_count = count_fds();
	unsigned count = 0;

	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		unsigned hit_count = each_op_ends_by(kind, errors[i], fd_count);

		assert_in_range(hit_count, 3, UINT_MAX); /* a door's, and that of each end of a connection */
		count += hit_count;
	}
	print_message("%u results in turn\n", count);
}

static void each_op_is_refused_once(void **state)
{
	each_op_ends_by_each(REFUSED);
}

static void each_multishot_ends_early_once(void **state)
{
	each_op_ends_by_each(ENDED);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(each_call_fails_once),
	cmocka_unit_test(each_call_is_interrupted_once),
	cmocka_unit_test(each_op_is_refused_once),
	cmocka_unit_test(each_multishot_ends_early_once),
};

CONTRACT_MAIN(tests)
