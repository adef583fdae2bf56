/* Connections on their way to another core when a close, a cancel, or whatever may fail meets them: nothing is lost or leaked. */
#include "tests/unit/net/move_rig.h"

#include <sched.h>

/* ---- While it is on its way ---- */

static bool is_held; /* atomic */

/* Keeps the other core from looking at its mail. */
static void hold(void *arg, uint64_t unused)
{
	__atomic_store_n(&is_held, true, __ATOMIC_RELEASE);
	while (__atomic_load_n(&is_held, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void hold_other(void)
{
	__atomic_store_n(&is_held, false, __ATOMIC_RELAXED);
	assert_int_equal(zok_tell(other(), hold, NULL, 0), 0);
	while (!__atomic_load_n(&is_held, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void let_go(void)
{
	__atomic_store_n(&is_held, false, __ATOMIC_RELEASE);
}

struct racer {
	struct zok_socket *socket;
	int (*arrive)(struct zok_socket *socket, void *arg);
	int move_result, close_result;
};

static int race_move(void *arg)
{
	struct racer *racer = arg;

	racer->move_result = zok_socket_move(racer->socket, other(), racer->arrive, NULL);
	return 0;
}

static int race_close(void *arg)
{
	struct racer *racer = arg;

	racer->close_result = zok_close(racer->socket);
	return 0;
}

/* A move whose message lies unread in the other core's mailbox. */
static struct zok_scope *begin_race(struct racer *racer, struct zok_socket **peer)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	const uint64_t *sent = &zok__core()->counters->stats.messages_sent;
	uint64_t sent_before;

	make_pair(&racer->socket, peer);
	say(*peer, "abc");
	expect_read(racer->socket, "a");
	hold_other();
	sent_before = *sent;
	zok_spawn(scope, race_move, racer, NULL);
	while (*sent == sent_before)
		rig_settle();
	assert_non_null(racer->socket->mover);
	return scope;
}

static int closed_on_its_way(void)
{
	struct racer racer = {.arrive = arrive_and_echo};
	struct zok_socket *peer;
	struct zok_scope *scope;

	if (zok_core_count() == 1)
		return 0;
	scope = begin_race(&racer, &peer);
	zok_spawn(scope, race_close, &racer, NULL);
	rig_settle();
	let_go();
	zok_scope_close(scope, 0);
	assert_int_equal(racer.move_result, 0);
	assert_int_equal(racer.close_result, -EBADF);
	expect_core(peer, other());
	expect_read(peer, "bc");
	return zok_close(peer);
}

static int closed_and_refused(void)
{
	struct racer racer = {.arrive = refuse};
	struct zok_socket *peer;
	struct zok_scope *scope;

	if (zok_core_count() == 1)
		return 0;
	scope = begin_race(&racer, &peer);
	zok_spawn(scope, race_close, &racer, NULL);
	rig_settle();
	let_go();
	zok_scope_close(scope, 0);
	assert_int_equal(racer.move_result, -EBADF);
	assert_int_equal(racer.close_result, 0);
	expect_end(peer);
	return zok_close(peer);
}

static int canceled_on_its_way(void)
{
	struct racer racer = {.arrive = arrive_and_echo};
	struct zok_socket *peer;
	struct zok_scope *scope;

	if (zok_core_count() == 1)
		return 0;
	scope = begin_race(&racer, &peer);
	zok_scope_cancel(scope);
	rig_settle();
	assert_non_null(racer.socket->mover);
	let_go();
	zok_scope_close(scope, 0);
	assert_int_equal(racer.move_result, 0);
	expect_core(peer, other());
	return zok_close(peer);
}

static void a_close_waits_for_what_is_on_its_way(void **state)
{
	run(closed_on_its_way);
	run(closed_and_refused);
}

static void a_cancel_waits_for_what_is_on_its_way(void **state)
{
	run(canceled_on_its_way);
}

/* ---- Whatever fails ---- */

static bool was_whole;
static int granted; /* how many allocations succeed once the move begins */

/* Ends in time whatever fails: with all bytes in order, or with the first of them. */
static int play_short_of_memory(void)
{
	struct zok_socket *socket, *peer;
	char got[16] = "";
	ssize_t n;
	int rc;

	make_pair(&socket, &peer);
	say(peer, "abcdef");
	expect_read(socket, "ab");
	fail_after(granted);
	rc = zok_socket_move(socket, other(), arrive_and_echo, NULL);
	fail_after(-1);
	if (rc < 0)
		zok_spawn(&zok__core()->root, echo, socket, NULL);
	zok_shutdown(peer, ZOK_SHUTDOWN_WRITE);
	n = zok_read_all(peer, got, sizeof got);
	was_whole = rc == 0 && n == 5;
	assert_true(rc == 0 || rc == -ENOMEM);
	assert_int_equal(got[0], '0' + (rc == 0 ? (int)other() : 0));
	assert_memory_equal(got + 1, "cdef", 4);
	return zok_close(peer);
}

static void each_allocation_fails_once(void **state)
{
	static const char *const engines[] = {"uring", "epoll"};

	the_case = play_short_of_memory;
	lines_expected = 0;
	zok_log_set(count_line, NULL);
	for (int i = 0; i < 2; i++) {
		was_whole = false;
		for (granted = 0; granted < 100 && !was_whole; granted++)
			if (!run_once(engines[i]))
				break;
	}
	zok_log_set(NULL, NULL);
	assert_true(was_whole);
	print_message("%d allocations failed in turn\n", granted - 1);
	assert_true(granted > 2 || sysconf(_SC_NPROCESSORS_ONLN) == 1);
}

/* ---- Each op of the mover's core is refused once ---- */

static struct {
	const struct zok__engine_ops *real;
	int32_t result;
	unsigned count, target;
	uint8_t kind;
	struct zok_op *op; /* waits for its result */
} tampering;

static void tampered_submit(struct zok__engine *engine, struct zok_op *op)
{
	if (op->kind != ZOK_OP_CLOSE && ++tampering.count == tampering.target) {
		tampering.op = op;
		tampering.kind = op->kind;
	} else {
		tampering.real->submit(engine, op);
	}
}

static void tampered_cancel(struct zok__engine *engine, struct zok_op *op)
{
	if (op != tampering.op)
		tampering.real->cancel(engine, op);
}

static int tampered_wait(struct zok__engine *engine, uint64_t timeout_ns)
{
	struct zok_op *op = tampering.op;

	if (!op)
		return tampering.real->wait(engine, timeout_ns);
	tampering.op = NULL;
	op->deliver(op, &(struct zok_completion){.result = tampering.result});
	return 1 + tampering.real->wait(engine, 0);
}

/* Behind a small send, so that this is one of the ops. Then whoever has the connection says all that comes. */
static int play_refused(void)
{
	struct zok__engine *engine = zok__core()->engine;
	struct zok__engine_ops ops = *engine->ops;
	struct zok_socket *socket, *peer;
	char got[16] = "";
	int rc;

	make_pair(&socket, &peer);
	make_answering(socket, peer);
	say(peer, "abcdef");
	expect_read(socket, "ab");
	tampering.real = engine->ops;
	ops.submit = tampered_submit;
	ops.cancel = tampered_cancel;
	ops.wait = tampered_wait;
	engine->ops = &ops;
	tampering.count = 0;
	rc = zok_write_all(socket, "x", 1) == 1 ? zok_socket_move(socket, other(), arrive_and_echo, NULL) : -EPIPE;
	rig_settle();
	engine->ops = tampering.real;
	assert_null(tampering.op);
	if (tampering.target <= tampering.count && tampering.kind == ZOK_OP_FORGET)
		assert_int_equal(rc, tampering.result);
	if (rc < 0)
		zok_spawn(&zok__core()->root, echo, socket, NULL);
	zok_shutdown(peer, ZOK_SHUTDOWN_WRITE);
	zok_read_all(peer, got, sizeof got);
	if (tampering.target > tampering.count)
		assert_memory_equal(got + 2, "cdef", 4);
	zok_close(peer);
	return 0;
}

static void each_op_is_refused_once(void **state)
{
	static const char *const engines[] = {"uring", "epoll"};
	static const int errors[] = {EAGAIN, ECANCELED, ENOMEM};
	unsigned count = 0;

	the_case = play_refused;
	lines_expected = 0;
	zok_log_set(count_line, NULL);
	for (unsigned i = 0; i < 2 * sizeof errors / sizeof *errors; i++) {
		tampering.result = -errors[i / 2];
		tampering.count = 1;
		for (tampering.target = 1; tampering.target <= tampering.count; tampering.target++, count++)
			if (!run_once(engines[i % 2]))
				break;
	}
	zok_log_set(NULL, NULL);
	print_message("%u results in turn\n", count);
	assert_true(count >= 2 * sizeof errors / sizeof *errors);
}

/* ---- A close while the engine forgets the descriptor ---- */

static struct {
	const struct zok__engine_ops *real;
	struct zok_op *op;    /* the FORGET, which the engine has not seen yet */
	int32_t result;	      /* negative: what comes of it, and the engine never sees it */
	unsigned closes_seen; /* by the engine */
} held;

static void holding_submit(struct zok__engine *engine, struct zok_op *op)
{
	if (op->kind == ZOK_OP_FORGET) {
		held.op = op;
		return;
	}
	held.closes_seen += op->kind == ZOK_OP_CLOSE;
	held.real->submit(engine, op);
}

static void let_it_be_forgotten(struct zok__engine *engine)
{
	if (held.result < 0)
		held.op->deliver(held.op, &(struct zok_completion){.result = held.result});
	else
		held.real->submit(engine, held.op);
}

/* Both are under way: the close must wait, and be who gets the connection, which is never sent there. */
static void race_with_forget(struct zok__engine *engine, struct racer *racer)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	const struct zok_core_stats *stats = &zok__core()->counters->stats;
	uint64_t sent;

	assert_int_equal(zok_spawn(scope, race_move, racer, NULL), 0);
	while (!held.op) /* its multishot ends first */
		rig_settle();
	assert_int_equal(zok_spawn(scope, race_close, racer, NULL), 0);
	rig_settle();
	assert_non_null(racer->socket->mover);
	assert_non_null(racer->socket->closer);
	assert_int_equal(held.closes_seen, 0);
	sent = stats->messages_sent;
	let_it_be_forgotten(engine);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(stats->messages_sent, sent);
	assert_int_equal(held.closes_seen, 1);
}

static int closed_while_forgotten(void)
{
	struct zok__engine *engine = zok__core()->engine;
	struct zok__engine_ops ops = *engine->ops;
	struct racer racer = {.arrive = arrive_and_echo};
	struct zok_socket *peer;

	if (zok_core_count() == 1)
		return 0;
	make_pair(&racer.socket, &peer);
	say(peer, "abc");
	expect_read(racer.socket, "a"); /* the rest lies in a buffer, which has to come home */
	held.real = engine->ops;
	held.op = NULL;
	held.closes_seen = 0;
	ops.submit = holding_submit;
	engine->ops = &ops;
	race_with_forget(engine, &racer);
	engine->ops = held.real;
	assert_int_equal(racer.move_result, -EBADF);
	assert_int_equal(racer.close_result, 0);
	expect_end(peer);
	assert_int_equal(zok_close(peer), 0);
	assert_int_equal(zok__core()->bufs.out_count, 0);
	return 0;
}

static void a_close_while_it_is_forgotten_gets_it(void **state)
{
	static const int32_t results[] = {0, -ECANCELED};

	for (unsigned i = 0; i < sizeof results / sizeof *results; i++) {
		held.result = results[i];
		run(closed_while_forgotten);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_close_waits_for_what_is_on_its_way),
		cmocka_unit_test(a_close_while_it_is_forgotten_gets_it),
		cmocka_unit_test(a_cancel_waits_for_what_is_on_its_way),
		cmocka_unit_test(each_allocation_fails_once),
		cmocka_unit_test(each_op_is_refused_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
