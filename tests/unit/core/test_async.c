/* The words for stackless tasks: where a function goes on after an await in loops and in nested calls, what ends it, what it may be used for again. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/async.h"
#include "zokio/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A future that the test makes ready ---- */

static bool poll_given(struct zok_future *future)
{
	future->state = ZOK_FUTURE_PENDING;
	return false;
}

static void cancel_given(struct zok_future *future)
{
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops given = {.poll = poll_given, .cancel = cancel_given};

/* Waits until somebody awaits it. */
static void await_pending(const struct zok_future *future)
{
	while (future->state != ZOK_FUTURE_PENDING)
		zok_yield();
}

static void give(struct zok_future *future, ssize_t result)
{
	await_pending(future);
	zok_future_complete(future, result);
}

/* ---- Awaits in loops ---- */

struct looper {
	struct zok_task task;
	struct zok_future turn;
	int i, j;
	int entered;
	int64_t digits;
};

static int looper_run(struct zok_task *task)
{
	struct looper *self = ZOK_CONTAINER_OF(task, struct looper, task);
	ssize_t rc;

	self->entered++;
	ZOK_BEGIN(&task->async);
	for (self->i = 0; self->i < 2; self->i++) {
		self->j = 0;
		while (self->j < 3) {
			zok_future_prepare(&self->turn, &given);
			ZOK_AWAIT(rc, &self->turn);
			self->digits = 10 * self->digits + rc;
			self->j++;
		}
		zok_future_prepare(&self->turn, &given);
		ZOK_AWAIT(rc, &self->turn);
		self->digits = 10 * self->digits + 9 - rc;
	}
	ZOK_END(0);
}

static int gives_eight(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct looper looper = {.digits = 0};

	assert_int_equal(zok_task_spawn(scope, &looper.task, looper_run, NULL), 0);
	for (int i = 1; i <= 8; i++)
		give(&looper.turn, i);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(looper.digits, 12355671);
	assert_int_equal(looper.entered, 1 + 8);
	return 0;
}

static void test_awaits_in_loops_go_on_where_they_were(void **state)
{
	assert_int_equal(fake_run(gives_eight, NULL), 0);
}

static int finds_all_ready(struct zok_task *task)
{
	struct looper *self = ZOK_CONTAINER_OF(task, struct looper, task);
	ssize_t rc;

	self->entered++;
	ZOK_BEGIN(&task->async);
	for (self->i = 1; self->i <= 3; self->i++) {
		zok_future_prepare(&self->turn, &given);
		zok_future_complete(&self->turn, self->i);
		ZOK_AWAIT(rc, &self->turn);
		self->digits = 10 * self->digits + rc;
	}
	ZOK_END(0);
}

static int never_suspends(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct looper looper = {.digits = 0};

	assert_int_equal(zok_task_spawn(scope, &looper.task, finds_all_ready, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(looper.digits, 123);
	assert_int_equal(looper.entered, 1);
	return 0;
}

static void test_an_await_of_what_is_ready_does_not_suspend(void **state)
{
	assert_int_equal(fake_run(never_suspends, NULL), 0);
}

static int is_cut(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct looper looper = {.digits = 0};

	assert_int_equal(zok_task_spawn(scope, &looper.task, looper_run, NULL), 0);
	await_pending(&looper.turn);
	zok_scope_cancel(scope);
	zok_scope_close(scope, 0);
	assert_int_equal(looper.i, 2);
	/* The pending await and the seven that begin after the cancel: each of those lets others run first. */
	assert_int_equal(looper.entered, 1 + 8);
	assert_int_equal(looper.turn.result, -ECANCELED);
	return 0;
}

static void test_a_cancel_ends_the_pending_await_and_those_after_it(void **state)
{
	assert_int_equal(fake_run(is_cut, NULL), 0);
}

/* ---- Calls, three deep ---- */

struct leaf {
	struct zok_async async;
	struct zok_future turn;
	int entered, begun;
};

struct branch {
	struct zok_async async;
	struct leaf leaf;
	int sum, round;
	int entered;
};

struct tree {
	struct zok_task task;
	struct branch branch;
	int sum, round;
	int entered;
};

static int leaf_run(struct leaf *self)
{
	ssize_t rc;

	self->entered++;
	ZOK_BEGIN(&self->async);
	self->begun++;
	zok_future_prepare(&self->turn, &given);
	ZOK_AWAIT(rc, &self->turn);
	ZOK_END((int)rc);
}

/* Calls on one frame twice: it is begun anew. A negative result leaves in the middle. */
static int branch_run(struct branch *self)
{
	int rc;

	self->entered++;
	ZOK_BEGIN(&self->async);
	self->sum = 0;
	for (self->round = 0; self->round < 2; self->round++) {
		ZOK_CALL(rc, &self->leaf.async, leaf_run(&self->leaf));
		if (rc < 0)
			ZOK_RETURN(rc);
		self->sum += rc;
	}
	ZOK_END(self->sum);
}

static int tree_run(struct zok_task *task)
{
	struct tree *self = ZOK_CONTAINER_OF(task, struct tree, task);
	int rc;

	self->entered++;
	ZOK_BEGIN(&task->async);
	for (self->round = 0; self->round < 2; self->round++) {
		ZOK_CALL(rc, &self->branch.async, branch_run(&self->branch));
		if (rc < 0)
			ZOK_RETURN(rc - 1000);
		self->sum = 100 * self->sum + rc;
	}
	ZOK_END(0);
}

static int calls_deep(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct tree tree = {.sum = 0};

	/* The place of what is called needs no preparation: the call sets it. */
	memset(&tree.branch.async, 0xa5, sizeof tree.branch.async);
	memset(&tree.branch.leaf.async, 0xa5, sizeof tree.branch.leaf.async);
	assert_int_equal(zok_task_spawn(scope, &tree.task, tree_run, NULL), 0);
	for (int i = 1; i <= 4; i++)
		give(&tree.branch.leaf.turn, 10 * i);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(tree.sum, 3070);
	assert_int_equal(tree.branch.leaf.begun, 4);
	/* Every resume enters all three; a call that begins enters the callee only. */
	assert_int_equal(tree.entered, 1 + 4);
	assert_int_equal(tree.branch.entered, 2 + 4);
	assert_int_equal(tree.branch.leaf.entered, 4 + 4);
	return 0;
}

static void test_calls_three_deep_resume_the_innermost(void **state)
{
	assert_int_equal(fake_run(calls_deep, NULL), 0);
}

static int fails_deep(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct tree tree = {.sum = 0};

	assert_int_equal(zok_task_spawn(scope, &tree.task, tree_run, NULL), 0);
	give(&tree.branch.leaf.turn, 1);
	give(&tree.branch.leaf.turn, -33);
	assert_int_equal(zok_scope_close(scope, 0), -1033);
	assert_int_equal(tree.branch.round, 1);
	assert_int_equal(tree.sum, 0);
	return 0;
}

static void test_a_return_from_the_middle_ends_each_in_turn(void **state)
{
	assert_int_equal(fake_run(fails_deep, NULL), 0);
}

/* A frame that ended at its end, and one that left in the middle, begin from the top when they are spawned again. */
static int reuses(void *arg)
{
	struct tree tree = {.sum = 0};

	for (int round = 0; round < 3; round++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		assert_int_equal(zok_task_spawn(scope, &tree.task, tree_run, NULL), 0);
		give(&tree.branch.leaf.turn, round == 1 ? -5 : round);
		for (int i = 0; round != 1 && i < 3; i++)
			give(&tree.branch.leaf.turn, round);
		assert_int_equal(zok_scope_close(scope, 0), round == 1 ? -1005 : 0);
		assert_int_equal(tree.task.async.resume_at, 0);
		assert_int_equal(tree.branch.async.resume_at, 0);
		assert_int_equal(tree.branch.leaf.async.resume_at, 0);
	}
	assert_int_equal(tree.sum, 404);
	return 0;
}

static void test_a_frame_can_be_used_again(void **state)
{
	assert_int_equal(fake_run(reuses, NULL), 0);
}

/* ---- Yields ---- */

struct writer {
	struct zok_task task;
	char letter;
	int round;
};

static char written[16];
static size_t written_count;

static int writer_run(struct zok_task *task)
{
	struct writer *self = ZOK_CONTAINER_OF(task, struct writer, task);

	ZOK_BEGIN(&task->async);
	for (self->round = 0; self->round < 3; self->round++) {
		written[written_count++] = self->letter;
		ZOK_YIELD();
	}
	ZOK_END(0);
}

static int write_in_turn(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct writer a = {.letter = 'a'}, b = {.letter = 'b'};

	memset(written, 0, sizeof written);
	written_count = 0;
	assert_int_equal(zok_task_spawn(scope, &a.task, writer_run, NULL), 0);
	assert_int_equal(zok_task_spawn(scope, &b.task, writer_run, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_string_equal(written, "ababab");
	return 0;
}

static void test_a_yield_lets_the_other_run(void **state)
{
	assert_int_equal(fake_run(write_in_turn, NULL), 0);
}

/* ---- What C cannot refuse ---- */

/* The await's case belongs to the inner switch, which the resume does not reach. */
static int switcher_run(struct zok_task *task)
{
	struct looper *self = ZOK_CONTAINER_OF(task, struct looper, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	switch (self->j) {
	case 0:
		zok_future_prepare(&self->turn, &given);
		ZOK_AWAIT(rc, &self->turn);
		self->digits = rc;
		break;
	default: break;
	}
	ZOK_END(0);
}

static int switches(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct looper looper = {.digits = 0};

	assert_int_equal(zok_task_spawn(scope, &looper.task, switcher_run, &(struct zok_spawn_options){.name = "switcher"}), 0);
	give(&looper.turn, 1);
	return zok_scope_close(scope, 0);
}

static void write_line(void *arg, enum zok_log_level level, const char *text)
{
	if (write(*(int *)arg, text, strlen(text)) < 0)
		_exit(1);
}

static void run_lost(int fd)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){0});
	signal(SIGABRT, SIG_DFL); /* cmocka and the sanitizers have handlers, and the child is not to go on with the tests */
	zok_log_set(write_line, &fd);
	_exit(fake_run(switches, NULL));
}

static void test_an_await_in_a_switch_of_ones_own_aborts_at_the_resume(void **state)
{
	char said[ZOK_LOG_LINE_SIZE] = "";
	int fds[2], status;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		run_lost(fds[1]);
	close(fds[1]);
	assert_true(read(fds[0], said, sizeof said - 1) > 0);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_ptr_equal(strstr(said, "task switcher: no resume point at line "), said);
	assert_non_null(strstr(said, "an await stands inside another switch"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_awaits_in_loops_go_on_where_they_were),
		cmocka_unit_test(test_an_await_of_what_is_ready_does_not_suspend),
		cmocka_unit_test(test_a_cancel_ends_the_pending_await_and_those_after_it),
		cmocka_unit_test(test_calls_three_deep_resume_the_innermost),
		cmocka_unit_test(test_a_return_from_the_middle_ends_each_in_turn),
		cmocka_unit_test(test_a_frame_can_be_used_again),
		cmocka_unit_test(test_a_yield_lets_the_other_run),
		cmocka_unit_test(test_an_await_in_a_switch_of_ones_own_aborts_at_the_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
