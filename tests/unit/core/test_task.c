/* Stackless tasks: from their spawn to their end, how they wait, what wakes them, and that no wake is lost. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/async.h"
#include "zokio/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A future that is ready when the test says so. */
struct gate {
	struct zok_future future;
	int polls;
};

static bool gate_poll(struct zok_future *future)
{
	future->state = ZOK_FUTURE_PENDING;
	ZOK_CONTAINER_OF(future, struct gate, future)->polls++;
	return false;
}

static void gate_cancel(struct zok_future *future)
{
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops gate_ops = {.poll = gate_poll, .cancel = gate_cancel};

static struct gate gate;

static void close_gate(void)
{
	zok_future_prepare(&gate.future, &gate_ops);
	gate.polls = 0;
}

/* ---- Beginning and ending ---- */

struct simple {
	struct zok_task task;
	int result, runs;
	struct zok_task *seen; /* as zok_task_current() */
};

static int simple_run(struct zok_task *task)
{
	struct simple *self = ZOK_CONTAINER_OF(task, struct simple, task);

	self->runs++;
	self->seen = zok_task_current();
	return self->result;
}

static int ends(void *arg)
{
	struct zok_core_stats *stats = &zok__core()->counters->stats;
	struct zok_scope *scope = zok_scope_open(NULL);
	struct simple tasks[] = {{.result = 7}, {.result = -EIO}, {.result = -EPIPE}};
	uint64_t finished = stats->tasks_finished;

	for (int i = 0; i < 3; i++)
		assert_int_equal(zok_task_spawn(scope, &tasks[i].task, simple_run, NULL), 0);
	assert_int_equal(zok_scope_task_count(scope), 3);
	assert_int_equal(tasks[0].runs, 0); /* at the earliest when the spawner suspends */
	assert_int_equal(zok_scope_close(scope, 0), -EIO);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(tasks[i].runs, 1);
		assert_ptr_equal(tasks[i].seen, &tasks[i].task);
	}
	assert_int_equal(stats->tasks_finished - finished, 3);
	return 0;
}

static void test_a_task_runs_to_its_end_and_the_first_error_is_the_scopes(void **state)
{
	assert_null(zok_task_current());
	assert_int_equal(fake_run(ends, NULL), 0);
}

static int frees;

static void free_frame(struct zok_task *task)
{
	frees++;
	free(ZOK_CONTAINER_OF(task, struct simple, task));
}

static int frees_frames(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	for (int i = 0; i < 10; i++) {
		struct simple *frame = calloc(1, sizeof *frame);

		assert_non_null(frame);
		frame->result = i == 9 ? -EIO : 0; /* read by the scope before the frame goes */
		assert_int_equal(zok_task_spawn(scope, &frame->task, simple_run, &(struct zok_spawn_options){.finish = free_frame}), 0);
	}
	assert_int_equal(zok_scope_close(scope, 0), -EIO);
	assert_int_equal(frees, 10);
	return 0;
}

static void test_finish_is_last_and_may_free_the_frame(void **state)
{
	frees = 0;
	assert_int_equal(fake_run(frees_frames, NULL), 0);
}

static int names_its_fiber(void *arg)
{
	assert_string_equal(zok_task_name(zok_task_current()), arg ? (const char *)arg : "fiber");
	return 0;
}

static int refuses(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL), foreign = {.core = NULL};
	struct zok_spawn_options no_class = {.task_class = (enum zok_class)4};
	struct simple simple = {.result = 0};

	assert_int_equal(zok_task_spawn(scope, &simple.task, simple_run, &no_class), -EINVAL);
	assert_int_equal(zok_spawn(scope, names_its_fiber, NULL, &no_class), -EINVAL);
	assert_int_equal(zok_task_spawn(&foreign, &simple.task, simple_run, NULL), -EINVAL);
	assert_int_equal(zok_spawn(&foreign, names_its_fiber, NULL, NULL), -EINVAL);
	assert_int_equal(zok_scope_task_count(scope), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(simple.runs, 0);
	return 0;
}

static void test_a_spawn_without_class_scope_or_core_is_refused(void **state)
{
	struct simple simple = {.result = 0};

	assert_int_equal(zok_task_spawn(NULL, &simple.task, simple_run, NULL), -EINVAL);
	assert_int_equal(zok_spawn(NULL, names_its_fiber, NULL, NULL), -EINVAL);
	assert_int_equal(fake_run(refuses, NULL), 0);
}

static int inherits(void *arg)
{
	struct simple child = {.result = 0}, other = {.result = 0};
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_task_spawn(NULL, &child.task, simple_run, NULL), 0);
	assert_ptr_equal(child.task.scope, scope);
	assert_int_equal(child.task.task_class, zok_task_current()->task_class);
	assert_int_equal(child.task.task_class, ZOK_CLASS_BULK);
	assert_int_equal(zok_task_spawn(NULL, &other.task, simple_run, &(struct zok_spawn_options){.task_class = ZOK_CLASS_LATENCY}), 0);
	assert_int_equal(other.task.task_class, ZOK_CLASS_LATENCY);
	return zok_scope_close(scope, 0);
}

static int spawns_bulk(void *arg)
{
	assert_int_equal(zok_task_current()->task_class, ZOK_CLASS_NORMAL);
	return zok_spawn(NULL, inherits, NULL, &(struct zok_spawn_options){.task_class = ZOK_CLASS_BULK});
}

static void test_scope_and_class_are_inherited(void **state)
{
	assert_int_equal(fake_run(spawns_bulk, NULL), 0);
}

static int names(void *arg)
{
	static char reader[] = "reader";
	struct zok_scope *scope = zok_scope_open(NULL);
	struct simple nameless = {.result = 0}, named = {.result = 0};

	zok_task_spawn(scope, &nameless.task, simple_run, NULL);
	zok_task_spawn(scope, &named.task, simple_run, &(struct zok_spawn_options){.name = "pinger"});
	zok_spawn(scope, names_its_fiber, NULL, NULL);
	zok_spawn(scope, names_its_fiber, reader, &(struct zok_spawn_options){.name = reader});
	assert_string_equal(zok_task_name(&nameless.task), "task");
	assert_string_equal(zok_task_name(&named.task), "pinger");
	return zok_scope_close(scope, 0);
}

static void test_names(void **state)
{
	assert_int_equal(fake_run(names, NULL), 0);
}

/* ---- Waiting ---- */

struct waiter {
	struct zok_task task;
	ssize_t result;
	int runs;
};

static int waiter_run(struct zok_task *task)
{
	struct waiter *self = ZOK_CONTAINER_OF(task, struct waiter, task);

	self->runs++;
	ZOK_BEGIN(&task->async);
	ZOK_AWAIT(self->result, &gate.future);
	ZOK_END(0);
}

static int is_woken(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct waiter waiter = {.result = 1};
	uint64_t *count = &zok__core()->counters->stats.wakes, before;

	close_gate();
	zok_task_spawn(scope, &waiter.task, waiter_run, NULL);
	zok_yield();
	assert_int_equal(waiter.runs, 1);
	assert_ptr_equal(waiter.task.awaited, &gate.future);
	/* Woken for nothing, three times before it runs: it looks once and waits on. */
	before = *count;
	for (int i = 0; i < 3; i++)
		zok__task_wake(&waiter.task.waker);
	assert_int_equal(*count - before, 1);
	zok_yield();
	assert_int_equal(waiter.runs, 2);
	assert_int_equal(gate.polls, 2);
	assert_int_equal(waiter.result, 1);
	zok_future_complete(&gate.future, 42);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(waiter.result, 42);
	assert_null(waiter.task.awaited);
	zok__task_wake(&waiter.task.waker); /* a late waker finds a task that has ended */
	zok_yield();
	assert_int_equal(waiter.runs, 3);
	return 0;
}

static void test_a_task_waits_until_its_future_is_ready(void **state)
{
	assert_int_equal(fake_run(is_woken, NULL), 0);
}

static int is_canceled(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct waiter before = {.result = 1}, after = {.result = 1};

	close_gate();
	zok_task_spawn(scope, &before.task, waiter_run, NULL);
	zok_yield();
	zok_scope_cancel(scope);
	zok_yield();
	assert_int_equal(before.result, -ECANCELED);
	close_gate();
	zok_task_spawn(scope, &after.task, waiter_run, NULL);
	zok_scope_close(scope, 0);
	assert_int_equal(after.result, -ECANCELED);
	assert_int_equal(gate.polls, 0); /* nothing new begins under a cancel */
	return 0;
}

static void test_a_cancel_ends_the_await_and_later_ones(void **state)
{
	assert_int_equal(fake_run(is_canceled, NULL), 0);
}

struct stubborn {
	struct zok_task task;
	bool is_enough;
	int rounds;
	ssize_t rc;
};

/* Goes on awaiting although every await ends at once. */
static int stubborn_run(struct zok_task *task)
{
	struct stubborn *self = ZOK_CONTAINER_OF(task, struct stubborn, task);

	ZOK_BEGIN(&task->async);
	for (self->rounds = 0; !self->is_enough && self->rounds < 1000; self->rounds++) {
		close_gate();
		ZOK_AWAIT(self->rc, &gate.future);
	}
	ZOK_END(0);
}

static int is_not_starved(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct stubborn stubborn = {.is_enough = false};

	zok_scope_cancel(scope);
	zok_task_spawn(scope, &stubborn.task, stubborn_run, NULL);
	zok_yield();
	stubborn.is_enough = true;
	zok_scope_close(scope, 0);
	assert_int_equal(stubborn.rounds, 1);
	assert_int_equal(stubborn.rc, -ECANCELED);
	return 0;
}

static void test_a_loop_of_canceled_awaits_lets_others_run(void **state)
{
	assert_int_equal(fake_run(is_not_starved, NULL), 0);
}

/* A wake that comes while the task runs, before it says that it waits. */
static int wakes_itself(struct zok_task *task)
{
	struct simple *self = ZOK_CONTAINER_OF(task, struct simple, task);

	if (++self->runs >= 3)
		return 0;
	zok__task_wake(&task->waker);
	zok__task_wake(&task->waker);
	return ZOK_PENDING;
}

static int loses_no_wake(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct simple simple = {.result = 0};

	zok_task_spawn(scope, &simple.task, wakes_itself, NULL);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(simple.runs, 3);
	return 0;
}

static void test_a_wake_while_the_task_runs_is_not_lost(void **state)
{
	assert_int_equal(fake_run(loses_no_wake, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_task_runs_to_its_end_and_the_first_error_is_the_scopes),
		cmocka_unit_test(test_finish_is_last_and_may_free_the_frame),
		cmocka_unit_test(test_a_spawn_without_class_scope_or_core_is_refused),
		cmocka_unit_test(test_scope_and_class_are_inherited),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_a_task_waits_until_its_future_is_ready),
		cmocka_unit_test(test_a_cancel_ends_the_await_and_later_ones),
		cmocka_unit_test(test_a_loop_of_canceled_awaits_lets_others_run),
		cmocka_unit_test(test_a_wake_while_the_task_runs_is_not_lost),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
