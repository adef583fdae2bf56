/* Work on another core: results, errors, deadlines and cancels travel; mailboxes may be full both ways; everything ends. */
#include "runtime/runtime.h"
#include "zokio/fault.h"
#include "zokio/log.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* cmocka's assertions belong to the first core's thread: what runs elsewhere returns its finding. */
static const struct zok_options all_cores = {.cores = "all", .engine = "epoll"};

static unsigned other(void)
{
	return zok_core_count() - 1;
}

static int tells_core(void *arg)
{
	return 100 + zok_core_index();
}

static int calls(void *arg)
{
	for (unsigned i = 0; i < zok_core_count(); i++)
		assert_int_equal(zok_call_on(i, tells_core, NULL), 100 + i);
	assert_int_equal(zok_call_on(zok_core_count(), tells_core, NULL), -EINVAL);
	assert_int_equal(zok_spawn_on(zok_core_count(), NULL, tells_core, NULL, NULL), -EINVAL);
	return 0;
}

static void test_a_call_runs_there_and_returns_here(void **state)
{
	assert_int_equal(zok_call_on(0, tells_core, NULL), -EINVAL);
	assert_int_equal(zok_run(&all_cores, calls, NULL), 0);
}

static int fails(void *arg)
{
	return -EDOM;
}

static int sleeps_long(void *arg)
{
	int rc = zok_sleep(1000 * ZOK_S);

	if (arg)
		*(int *)arg = rc;
	return rc;
}

static int errors(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.cancel_on_error = true});
	int rc = 0;

	assert_int_equal(zok_spawn_on(other(), scope, sleeps_long, &rc, NULL), 0);
	assert_int_equal(zok_spawn_on(other(), scope, fails, NULL, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), -EDOM);
	assert_int_equal(rc, -ECANCELED);
	return 0;
}

static void test_an_error_there_is_the_scopes_and_cancels_siblings_there(void **state)
{
	assert_int_equal(zok_run(&all_cores, errors, NULL), 0);
}

static int deadlines(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = ZOK_MS});
	int rc = 0;

	assert_int_equal(zok_call_on(other(), sleeps_long, &rc), -ETIMEDOUT);
	assert_true(rc == -ETIMEDOUT || rc == -ECANCELED); /* whose timer was first */
	zok_scope_close(scope, 0);
	return 0;
}

static void test_a_deadline_holds_there(void **state)
{
	assert_int_equal(zok_run(&all_cores, deadlines, NULL), 0);
}

/* fn returns at once and leaves a child to its scope there, which only a cancel ends. */
static int leaves_a_child(void *arg)
{
	return zok_spawn(NULL, sleeps_long, arg, NULL);
}

static int cancels_a_join_there(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	int rc = 0;

	assert_int_equal(zok_spawn_on(other(), scope, leaves_a_child, &rc, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(zok_call_on(other(), tells_core, NULL), 100 + (int)other());
	zok_scope_cancel(scope);
	zok_scope_close(scope, 0);
	assert_int_equal(rc, -ECANCELED);
	return 0;
}

static void test_a_cancel_reaches_what_was_left_behind_there(void **state)
{
	assert_int_equal(zok_run(&all_cores, cancels_a_join_there, NULL), 0);
}

static int notes_call(void *arg)
{
	*(int *)arg = zok_scope_status(NULL);
	return 0;
}

static int spawns_under_a_cancel(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	int status = 1;

	zok_scope_cancel(scope);
	assert_int_equal(zok_spawn_on(other(), scope, notes_call, &status, NULL), 0);
	zok_scope_close(scope, 0);
	assert_true(status <= 0); /* it was called */
	return 0;
}

static void test_what_was_accepted_runs_also_under_a_cancelled_scope(void **state)
{
	assert_int_equal(zok_run(&all_cores, spawns_under_a_cancel, NULL), 0);
}

/* ---- Many ---- */

enum { MANY = 20000, CANCELS = 2000 };

static int ran[64];

static int counts(void *arg)
{
	__atomic_fetch_add(&ran[zok_core_index() % 64], 1, __ATOMIC_RELAXED);
	return 0;
}

static int floods(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	unsigned there = (unsigned)(zok_core_index() + 1) % zok_core_count();
	int rc = 0;

	for (int i = 0; i < MANY && rc == 0; i++)
		rc = zok_spawn_on(there, scope, counts, NULL, &(struct zok_spawn_options){.stack_size = 8192, .without_guard = true});
	return zok_scope_close(scope, rc);
}

/* Each core sends to the next, far more than mailboxes hold, at the same time. */
static int floods_everywhere(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	for (unsigned i = 0; i < zok_core_count(); i++)
		assert_int_equal(zok_spawn_on(i, scope, floods, NULL, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	for (unsigned i = 0; i < zok_core_count(); i++)
		assert_int_equal(ran[i % 64], MANY);
	return 0;
}

static void test_full_mailboxes_both_ways_lose_nothing(void **state)
{
	assert_int_equal(zok_run(&all_cores, floods_everywhere, NULL), 0);
}

static int sleeps_a_little(void *arg)
{
	return zok_sleep(5 * ZOK_US);
}

/* The cancel meets the call on its way there, at work, and on its way back. */
static int cancels_at_any_time(void *arg)
{
	for (int i = 0; i < CANCELS; i++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		zok_spawn_on(other(), scope, sleeps_a_little, NULL, NULL);
		zok_spawn_on(other(), scope, leaves_a_child, NULL, NULL);
		for (int j = i % 8; j > 0; j--)
			zok_yield();
		if (i % 16 == 0)
			zok_sleep(5 * ZOK_US);
		zok_scope_cancel(scope);
		assert_int_equal(zok_scope_close(scope, 0), 0);
	}
	return 0;
}

static void test_a_cancel_may_come_at_any_time(void **state)
{
	assert_int_equal(zok_run(&all_cores, cancels_at_any_time, NULL), 0);
}

/* ---- A failed check over there ---- */

static int deferred_count; /* of the core that runs fails_there(); read after it has come home */

static void count_deferred(void *arg)
{
	zok_sleep(ZOK_US);
	deferred_count++;
}

static int fails_there(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_defer(count_deferred, NULL);
	zok_spawn(scope, fails, NULL, NULL);
	zok_fail("over there");
}

/* What the scope here contains is contained there, and what was deferred there is done before anybody hears of it here. */
static int contains_what_fails_there(void *arg)
{
	struct zok_scope *scope;

	for (int i = 1; i <= 20; i++) {
		scope = zok_scope_open(&(struct zok_scope_options){.contains_faults = true});
		assert_int_equal(zok_call_on(other(), fails_there, NULL), -ENOTRECOVERABLE);
		assert_int_equal(deferred_count, 2 * i - 1);
		assert_int_equal(zok_spawn_on(other(), scope, fails_there, NULL, NULL), 0);
		assert_int_equal(zok_scope_close(scope, 0), -ENOTRECOVERABLE);
		assert_int_equal(deferred_count, 2 * i);
	}
	return 3;
}

static void test_a_failed_check_there_is_contained_here(void **state)
{
	assert_int_equal(zok_run(&all_cores, contains_what_fails_there, NULL), 3);
}

static void test_the_runtimes_option_contains_main(void **state)
{
	struct zok_options options = all_cores;

	options.contains_faults = true;
	assert_int_equal(zok_run(&options, fails_there, NULL), -ENOTRECOVERABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_runs_there_and_returns_here),
		cmocka_unit_test(test_an_error_there_is_the_scopes_and_cancels_siblings_there),
		cmocka_unit_test(test_a_deadline_holds_there),
		cmocka_unit_test(test_a_cancel_reaches_what_was_left_behind_there),
		cmocka_unit_test(test_what_was_accepted_runs_also_under_a_cancelled_scope),
		cmocka_unit_test(test_full_mailboxes_both_ways_lose_nothing),
		cmocka_unit_test(test_a_cancel_may_come_at_any_time),
		cmocka_unit_test(test_a_failed_check_there_is_contained_here),
		cmocka_unit_test(test_the_runtimes_option_contains_main),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
