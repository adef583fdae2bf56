/* Scopes join, cancel and time out what is under them, from fibers and from stackless tasks. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/async.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int sleeps_long_result;

static int sleeps_long(void *arg)
{
	sleeps_long_result = zok_sleep(1000 * ZOK_S);
	return sleeps_long_result;
}

static int fails(void *arg)
{
	return -EIO;
}

static int counts(void *arg)
{
	zok_yield();
	++*(int *)arg;
	return 0;
}

static int joins_children(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	int count = 0;

	for (int i = 0; i < 100; i++)
		assert_int_equal(zok_spawn(scope, counts, &count, NULL), 0);
	assert_int_equal(zok_scope_task_count(scope), 100);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(count, 100);
	return 42;
}

static void test_close_joins_all_children(void **state)
{
	assert_int_equal(fake_run(joins_children, NULL), 42);
}

static int cancels_children(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_spawn(scope, sleeps_long, NULL, NULL);
	zok_yield();
	assert_int_equal(zok_scope_close(scope, -EPROTO), -EPROTO);
	assert_int_equal(sleeps_long_result, -ECANCELED);
	return 0;
}

static void test_close_with_an_error_cancels_the_children(void **state)
{
	assert_int_equal(fake_run(cancels_children, NULL), 0);
}

static int first_error_cancels(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.cancel_on_error = true});

	zok_spawn(scope, sleeps_long, NULL, NULL);
	zok_spawn(scope, fails, NULL, NULL);
	assert_int_equal(zok_scope_close(scope, 0), -EIO);
	assert_int_equal(sleeps_long_result, -ECANCELED);
	return 0;
}

static void test_first_error_cancels_siblings_where_asked(void **state)
{
	assert_int_equal(fake_run(first_error_cancels, NULL), 0);
}

static int deadline_is_inherited(void *arg)
{
	struct zok_scope *outer = zok_scope_open(&(struct zok_scope_options){.timeout_ns = ZOK_MS});
	struct zok_scope *inner = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 1000 * ZOK_S});
	uint64_t began_ns = zok_now_ns();

	assert_int_equal(zok_scope_deadline_ns(inner), zok_scope_deadline_ns(outer));
	zok_spawn(inner, sleeps_long, NULL, NULL);
	assert_int_equal(zok_sleep(1000 * ZOK_S), -ETIMEDOUT);
	assert_true(zok_now_ns() - began_ns < 100 * ZOK_S);
	assert_int_equal(zok_scope_close(inner, 0), -ETIMEDOUT);
	assert_int_equal(sleeps_long_result, -ETIMEDOUT);
	/* Every later await under it ends at once. */
	assert_int_equal(zok_sleep(1000 * ZOK_S), -ETIMEDOUT);
	assert_int_equal(zok_scope_close(outer, -ETIMEDOUT), -ETIMEDOUT);
	assert_int_equal(zok_sleep(0), 0);
	return 0;
}

static void test_an_inner_scope_obeys_the_outer_deadline(void **state)
{
	assert_int_equal(fake_run(deadline_is_inherited, NULL), 0);
}

static int shield_holds(void *arg)
{
	struct zok_scope *outer = zok_scope_open(NULL);
	struct zok_scope *shield = zok_scope_open(&(struct zok_scope_options){.is_shielded = true});

	zok_scope_cancel(outer);
	assert_int_equal(zok_scope_status(outer), -ECANCELED);
	assert_int_equal(zok_scope_status(shield), 0);
	assert_int_equal(zok_sleep(ZOK_US), 0);
	assert_int_equal(zok_scope_close(shield, 0), 0);
	assert_int_equal(zok_sleep(ZOK_US), -ECANCELED);
	assert_int_equal(zok_scope_close(outer, 0), 0);
	return 0;
}

static void test_a_shield_keeps_a_cancel_out(void **state)
{
	assert_int_equal(fake_run(shield_holds, NULL), 0);
}

struct napper {
	struct zok_task task;
	struct zok_timer timer;
	struct zok_scope scope;
	ssize_t result;
};

static int napper_run(struct zok_task *task)
{
	struct napper *self = ZOK_CONTAINER_OF(task, struct napper, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	zok_scope_init(&self->scope, task, &(struct zok_scope_options){.timeout_ns = ZOK_MS});
	zok_timer_prepare(&self->timer, 1000 * ZOK_S);
	ZOK_AWAIT(self->result, &self->timer.future);
	ZOK_AWAIT(rc, zok_scope_join(&self->scope));
	ZOK_END(zok_scope_finish(&self->scope, (int)rc));
}

static int stackless_deadline(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct napper napper;

	assert_int_equal(zok_task_spawn(scope, &napper.task, napper_run, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
	assert_int_equal(napper.result, -ETIMEDOUT);
	return 0;
}

static void test_a_stackless_task_obeys_its_own_scope(void **state)
{
	assert_int_equal(fake_run(stackless_deadline, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_joins_all_children),
		cmocka_unit_test(test_close_with_an_error_cancels_the_children),
		cmocka_unit_test(test_first_error_cancels_siblings_where_asked),
		cmocka_unit_test(test_an_inner_scope_obeys_the_outer_deadline),
		cmocka_unit_test(test_a_shield_keeps_a_cancel_out),
		cmocka_unit_test(test_a_stackless_task_obeys_its_own_scope),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
