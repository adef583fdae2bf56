/* Operations as futures: what reaches the engine, when its answer is taken, and what the waiter sees of it. */
#include "core/op.h"

#include "tests/unit/core/fake_engine.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* The fake engine with submit and cancel of the test's: it notes what it was given and answers when told to. */
static struct zok__engine_ops engine_ops;
static struct zok_op *submitted;
static int submits, cancels, wakes;
static bool answers_at_once;
static struct zok_completion immediate; /* what it then answers */

static void note_submit(struct zok__engine *engine, struct zok_op *op)
{
	submits++;
	submitted = op;
	if (answers_at_once)
		op->deliver(op, &immediate);
}

static void note_cancel(struct zok__engine *engine, struct zok_op *op)
{
	assert_ptr_equal(op, submitted);
	cancels++;
}

static void answer_at_once(int32_t result)
{
	answers_at_once = true;
	immediate.result = result;
}

static void answer(struct zok_op *op, int32_t result)
{
	op->deliver(op, &(struct zok_completion){.result = result});
}

static void count_wake(struct zok_waker *waker)
{
	wakes++;
}

static struct zok_waker waker = {.wake = count_wake};

static int run_hooked(void *arg)
{
	int (*const *test)(void) = arg;

	engine_ops = fake_engine;
	engine_ops.submit = note_submit;
	engine_ops.cancel = note_cancel;
	zok__core()->engine->ops = &engine_ops;
	submits = cancels = wakes = 0;
	submitted = NULL;
	answers_at_once = false;
	return (*test)();
}

static void run(int (*test)(void))
{
	assert_int_equal(fake_run(run_hooked, &test), 0);
}

/* ---- Before the engine ---- */

static int cancels_before_submit(void)
{
	struct zok_op op;

	zok__op_prepare(&op, ZOK_OP_NOP, -1);
	zok_future_cancel(&op.future);
	assert_true(zok_future_poll(&op.future, &waker));
	assert_int_equal(op.future.result, -ECANCELED);
	assert_int_equal(submits + cancels, 0);
	assert_int_equal(zok__core()->counters->stats.ops[ZOK_OP_NOP], 0);
	return 0;
}

static void test_a_cancel_before_the_first_poll_submits_nothing(void **state)
{
	run(cancels_before_submit);
}

static int awaits_under_a_cancel(void)
{
	struct zok_scope *scope = zok_scope_open(NULL), *late;
	struct zok_op op;

	zok__op_prepare(&op, ZOK_OP_RECV, 3);
	zok_scope_cancel(scope);
	assert_int_equal(zok_await(&op.future), -ECANCELED);
	zok_scope_close(scope, 0);
	late = zok_scope_open(&(struct zok_scope_options){.deadline_ns = 1});
	assert_int_equal(zok_sleep(1000 * ZOK_S), -ETIMEDOUT);
	zok__op_prepare(&op, ZOK_OP_RECV, 3);
	assert_int_equal(zok_await(&op.future), -ETIMEDOUT);
	zok_scope_close(late, 0);
	assert_int_equal(submits, 0);
	return 0;
}

static void test_under_a_cancelled_scope_nothing_is_submitted(void **state)
{
	run(awaits_under_a_cancel);
}

/* ---- Answers ---- */

static int others_ran;

static int runs_beside(void *arg)
{
	others_ran++;
	return 0;
}

static int answers_within_submit(void)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_op op;

	answer_at_once(42);
	zok__op_prepare(&op, ZOK_OP_SEND, 3);
	assert_true(zok_future_poll(&op.future, &waker));
	assert_int_equal(op.future.result, 42);
	assert_int_equal(wakes, 0); /* whoever polls knows already */
	others_ran = 0;
	zok_spawn(scope, runs_beside, NULL, NULL);
	zok__op_prepare(&op, ZOK_OP_SEND, 3);
	assert_int_equal(zok_await(&op.future), 42);
	assert_int_equal(others_ran, 0); /* not suspended */
	assert_int_equal(submits, 2);
	return zok_scope_close(scope, 0);
}

static void test_an_answer_within_submit_suspends_and_wakes_nobody(void **state)
{
	run(answers_within_submit);
}

static int answers_later(void)
{
	uint64_t *count = &zok__core()->counters->stats.ops[ZOK_OP_RECV];
	struct zok_op op;

	zok__op_prepare(&op, ZOK_OP_RECV, 3);
	assert_false(zok__op_is_in_flight(&op));
	assert_false(zok_future_poll(&op.future, &waker));
	assert_true(zok__op_is_in_flight(&op));
	assert_false(zok_future_poll(&op.future, &waker));
	assert_int_equal(submits, 1); /* the second look did not submit it again */
	assert_int_equal(*count, 1);
	answer(&op, 7);
	assert_int_equal(wakes, 1);
	assert_false(zok__op_is_in_flight(&op));
	assert_true(zok_future_poll(&op.future, &waker));
	assert_int_equal(op.future.result, 7);
	/* Its memory is the caller's again. */
	zok__op_prepare(&op, ZOK_OP_RECV, 3);
	assert_false(zok_future_poll(&op.future, &waker));
	assert_int_equal(submits, 2);
	assert_int_equal(*count, 2);
	answer(&op, 0);
	return 0;
}

static void test_a_later_answer_wakes_the_waiter_once(void **state)
{
	run(answers_later);
}

static int keeps_results(void)
{
	static const int32_t results[] = {0, 1, INT32_MAX, -EIO, -ECONNRESET, -ENOBUFS, -4095};
	struct zok_op op;

	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		answer_at_once(results[i]);
		zok__op_prepare(&op, ZOK_OP_RECV, 3);
		assert_true(zok_await(&op.future) == results[i]); /* also the sign */
	}
	return 0;
}

static void test_every_result_arrives_as_it_is(void **state)
{
	run(keeps_results);
}

/* ---- Cancels in flight ---- */

static int cancels_in_flight(void)
{
	struct zok_op op;

	zok__op_prepare(&op, ZOK_OP_RECV, 3);
	assert_false(zok_future_poll(&op.future, &waker));
	zok_future_cancel(&op.future);
	zok_future_cancel(&op.future);
	assert_int_equal(cancels, 1);
	assert_int_equal(zok__core()->counters->stats.cancels, 1);
	assert_true(zok__op_is_in_flight(&op)); /* the engine's until it says otherwise */
	assert_int_equal(wakes, 0);
	answer(&op, -ECANCELED);
	assert_int_equal(op.future.result, -ECANCELED);
	zok_future_cancel(&op.future);
	assert_int_equal(cancels, 1);
	return 0;
}

static void test_a_cancel_asks_once_and_waits_for_the_answer(void **state)
{
	run(cancels_in_flight);
}

struct waiter {
	struct zok_op op;
	ssize_t result;
};

static int waits(void *arg)
{
	struct waiter *waiter = arg;

	zok__op_prepare(&waiter->op, ZOK_OP_RECV, 3);
	waiter->result = zok_await(&waiter->op.future);
	return 0;
}

/* The scope is cancelled while a fiber under it waits, and the engine then answers with `result`. */
static ssize_t wait_through_a_cancel(int32_t result)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct waiter waiter = {.result = 1};
	int before = cancels;

	zok_spawn(scope, waits, &waiter, NULL);
	zok_yield();
	assert_true(zok__op_is_in_flight(&waiter.op));
	zok_scope_cancel(scope);
	assert_int_equal(cancels, before + 1);
	zok_yield();
	assert_int_equal(waiter.result, 1); /* the cancel asks, it does not abandon */
	answer(&waiter.op, result);
	zok_scope_close(scope, 0);
	return waiter.result;
}

static int cancels_a_waiter(void)
{
	assert_int_equal(wait_through_a_cancel(-ECANCELED), -ECANCELED);
	assert_int_equal(wait_through_a_cancel(100), 100); /* what came before the cancel stands */
	assert_int_equal(wait_through_a_cancel(-EPIPE), -EPIPE);
	return 0;
}

static void test_a_scopes_cancel_keeps_the_waiter_until_the_answer(void **state)
{
	run(cancels_a_waiter);
}

/* ---- Multishot ---- */

static int delivered, delivered_sum;

static void take_one(struct zok_op *op, const struct zok_completion *completion)
{
	delivered++;
	delivered_sum += completion->result;
	if (!completion->has_more)
		zok_future_complete(&op->future, completion->result);
}

static int multishot(void)
{
	struct zok_op op;

	delivered = delivered_sum = 0;
	zok__op_prepare(&op, ZOK_OP_ACCEPT, 3);
	op.deliver = take_one;
	zok__op_start(&op);
	assert_int_equal(zok__core()->counters->stats.ops[ZOK_OP_ACCEPT], 1);
	for (int i = 1; i <= 3; i++) {
		op.deliver(&op, &(struct zok_completion){.result = i, .has_more = true});
		assert_true(zok__op_is_in_flight(&op));
	}
	zok__op_cancel(&op);
	assert_int_equal(cancels, 1);
	answer(&op, -ECANCELED);
	assert_false(zok__op_is_in_flight(&op));
	assert_int_equal(delivered, 4);
	assert_int_equal(delivered_sum, 1 + 2 + 3 - ECANCELED);
	assert_int_equal(submits, 1);
	return 0;
}

static void test_a_multishot_is_in_flight_until_its_last_completion(void **state)
{
	run(multishot);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cancel_before_the_first_poll_submits_nothing),
		cmocka_unit_test(test_under_a_cancelled_scope_nothing_is_submitted),
		cmocka_unit_test(test_an_answer_within_submit_suspends_and_wakes_nobody),
		cmocka_unit_test(test_a_later_answer_wakes_the_waiter_once),
		cmocka_unit_test(test_every_result_arrives_as_it_is),
		cmocka_unit_test(test_a_cancel_asks_once_and_waits_for_the_answer),
		cmocka_unit_test(test_a_scopes_cancel_keeps_the_waiter_until_the_answer),
		cmocka_unit_test(test_a_multishot_is_in_flight_until_its_last_completion),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
