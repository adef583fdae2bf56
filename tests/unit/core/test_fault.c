/* A failed check ends its fiber where that is contained, after its children and with what it had deferred; otherwise the process, with a name. */
#include "core/alloc.h"
#include "core/fault.h"
#include "tests/unit/core/fake_engine.h"
#include "zokio/fault.h"
#include "zokio/log.h"
#include "zokio/sync.h"
#include "zokio/timer.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char last_line[ZOK_LOG_LINE_SIZE];
static char story[64]; /* a letter for each thing that has happened */

static void keep_line(void *arg, enum zok_log_level level, const char *text)
{
	snprintf(last_line, sizeof last_line, "%s", text);
}

static int begin(void **state)
{
	memset(story, 0, sizeof story);
	last_line[0] = '\0';
	zok_log_set(keep_line, NULL);
	return 0;
}

static int end(void **state)
{
	zok_log_set(NULL, NULL);
	return 0;
}

static void tell(char letter)
{
	size_t length = strlen(story);

	assert_true(length + 1 < sizeof story);
	story[length] = letter;
}

static void tell_letter(void *arg)
{
	tell(*(const char *)arg);
}

static struct zok_scope *containing(void)
{
	return zok_scope_open(&(struct zok_scope_options){.name = "clients", .contains_faults = true});
}

/* ---- Containment ---- */

static int one = 1;

static __attribute__((noinline)) void fails_deep(int depth)
{
	char memory[200];

	memset(memory, depth, sizeof memory);
	if (depth > 0)
		fails_deep(depth - 1);
	ZOK_CHECK(memory[100] != depth);
	tell('!'); /* never */
}

static int fails(void *arg)
{
	if (arg)
		zok_yield();
	fails_deep(10);
	tell('!');
	return 0;
}

static int goes_on(void *arg)
{
	for (int i = 0; i < 5; i++)
		zok_yield();
	tell('g');
	return 0;
}

static int one_of_three_fails(void *arg)
{
	struct zok_scope *scope = containing();

	zok_spawn(scope, goes_on, NULL, NULL);
	zok_spawn(scope, fails, &one, &(struct zok_spawn_options){.name = "client"});
	zok_spawn(scope, goes_on, NULL, NULL);
	assert_int_equal(zok_scope_close(scope, 0), -ENOTRECOVERABLE);
	assert_int_equal(zok__core()->counters->stats.faults_contained, 1);
	return 7;
}

static void test_only_the_fiber_that_failed_ends(void **state)
{
	assert_int_equal(fake_run(one_of_three_fails, NULL), 7);
	assert_string_equal(story, "gg");
	assert_non_null(strstr(last_line, "core 0: fiber 'client' in scope 'clients': check failed: memory[100] != depth, "));
	assert_non_null(strstr(last_line, "test_fault.c:"));
}

/* Their stacks come back and carry others: new fibers, which begin on them, and ones that fail again. */
static int many_fail(void *arg)
{
	for (int round = 0; round < 200; round++) {
		struct zok_scope *scope = containing();

		for (int i = 0; i < 10; i++)
			zok_spawn(scope, i % 3 ? fails : goes_on, i % 2 ? &one : NULL, NULL);
		assert_int_equal(zok_scope_close(scope, 0), -ENOTRECOVERABLE);
		memset(story, 0, sizeof story);
	}
	assert_true(zok__core()->stacks.acquired_count <= 2);
	return 0;
}

static void test_what_failed_leaves_nothing_behind(void **state)
{
	assert_int_equal(fake_run(many_fail, NULL), 0);
}

static int cancels_siblings(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.contains_faults = true, .cancel_on_error = true});

	zok_spawn(scope, fails, NULL, NULL);
	assert_int_equal(zok_sleep(1000 * ZOK_S), -ECANCELED);
	assert_int_equal(zok_scope_close(scope, 0), -ENOTRECOVERABLE);
	return 0;
}

static void test_it_is_an_error_as_any_other(void **state)
{
	assert_int_equal(fake_run(cancels_siblings, NULL), 0);
}

/* ---- What it had open ---- */

static int sleeps_until_canceled(void *arg)
{
	assert_int_equal(zok_sleep(1000 * ZOK_S), -ECANCELED);
	tell(*(const char *)arg);
	return 0;
}

static int fails_with_scopes_open(void *arg)
{
	struct zok_scope on_its_stack;
	struct zok_scope *outer = zok_scope_open(NULL);

	assert_int_equal(zok_defer(tell_letter, (void *)(uintptr_t) "1"), 0);
	zok_spawn(outer, sleeps_until_canceled, (void *)(uintptr_t) "o", NULL);
	zok_scope_init(&on_its_stack, zok_task_current(), &(struct zok_scope_options){.is_shielded = true});
	zok_spawn(NULL, sleeps_until_canceled, (void *)(uintptr_t) "i", NULL);
	zok_defer(tell_letter, (void *)(uintptr_t) "2");
	zok_yield();
	zok_fail("%s number %d", "reason", 3);
}

static int opens_and_fails(void *arg)
{
	struct zok_scope *scope = containing();

	zok_spawn(scope, fails_with_scopes_open, NULL, NULL);
	assert_int_equal(zok_scope_close(scope, 0), -ENOTRECOVERABLE);
	return 0;
}

static void test_children_end_first_then_what_was_deferred(void **state)
{
	assert_int_equal(fake_run(opens_and_fails, NULL), 0);
	assert_string_equal(story, "io21");
	assert_non_null(strstr(last_line, "': reason number 3; "));
}

/* ---- Deferred ---- */

static void fails_while_it_cleans(void *arg)
{
	tell('f');
	zok_sleep(ZOK_US);
	zok_fail("again");
}

static int cleanup_fails(void *arg)
{
	zok_defer(tell_letter, (void *)(uintptr_t) "a");
	zok_defer(fails_while_it_cleans, NULL);
	zok_defer(tell_letter, (void *)(uintptr_t) "b");
	zok_fail("first");
}

static int cleanup_fails_in_it(void *arg)
{
	struct zok_scope *scope = containing();

	zok_spawn(scope, cleanup_fails, NULL, NULL);
	return zok_scope_close(scope, 0);
}

static void test_a_cleanup_that_fails_does_not_keep_the_others(void **state)
{
	assert_int_equal(fake_run(cleanup_fails_in_it, NULL), -ENOTRECOVERABLE);
	assert_string_equal(story, "bfa");
}

static int returns_with_two(void *arg)
{
	static const char a = 'a', b = 'b', c = 'c';

	zok_defer(tell_letter, (void *)(uintptr_t)&a);
	zok_defer(tell_letter, (void *)(uintptr_t)&b);
	zok_defer(tell_letter, (void *)(uintptr_t)&c);
	assert_true(zok_undefer(tell_letter, (void *)(uintptr_t)&b));
	assert_false(zok_undefer(tell_letter, (void *)(uintptr_t)&b));
	tell('r');
	return 5;
}

static void test_a_return_runs_them_too(void **state)
{
	assert_int_equal(fake_run(returns_with_two, NULL), 5);
	assert_string_equal(story, "rca");
}

static void tell_other(void *arg)
{
	tell((char)(*(const char *)arg + 'A' - 'a'));
}

/* Function and argument both count, and what was called off is not called. */
static int calls_off(void *arg)
{
	static char a = 'a', b = 'b';

	zok_defer(tell_letter, &a);
	zok_defer(tell_other, &b);
	assert_false(zok_undefer(tell_letter, &b));
	assert_false(zok_undefer(tell_other, &a));
	assert_true(zok_undefer(tell_letter, &a));
	return 0;
}

static void test_only_the_same_call_is_called_off(void **state)
{
	assert_int_equal(fake_run(calls_off, NULL), 0);
	assert_string_equal(story, "B");
}

static void test_outside_of_fibers_nothing_is_deferred(void **state)
{
	assert_int_equal(zok_defer(tell_letter, NULL), -EINVAL);
	assert_false(zok_undefer(tell_letter, NULL));
}

static void *no_memory(void *arg, size_t size, size_t alignment)
{
	return NULL;
}

static void never_called(void *arg, void *memory, size_t size)
{
	fail();
}

static int defers_without_memory(void *arg)
{
	static const struct zok_allocator none = {.allocate = no_memory, .release = never_called};

	zok__allocator_set(&none);
	assert_int_equal(zok_defer(tell_letter, NULL), -ENOMEM);
	zok__allocator_set(NULL);
	return 0;
}

static void test_without_memory_it_is_not_called(void **state)
{
	assert_int_equal(fake_run(defers_without_memory, NULL), 0);
	assert_string_equal(story, "");
}

/* ---- Not contained ---- */

static int fails_alone(void *arg)
{
	zok_fail("nobody catches this");
}

static int task_fails(struct zok_task *task)
{
	zok_fail("no stack to give up");
}

static int spawns_a_task_that_fails(void *arg)
{
	struct zok_scope *scope = containing();
	struct zok_task task;

	zok_task_spawn(scope, &task, task_fails, &(struct zok_spawn_options){.name = "frame"});
	return zok_scope_close(scope, 0);
}

static void write_line(void *arg, enum zok_log_level level, const char *text)
{
	if (write(*(int *)arg, text, strlen(text)) < 0)
		_exit(1);
}

static void aborts_with(int (*main_fn)(void *arg), const char *words)
{
	char text[ZOK_LOG_LINE_SIZE] = "";
	int ends[2], status;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		zok_log_set(write_line, &ends[1]);
		if (main_fn)
			fake_run(main_fn, NULL);
		else
			zok_fail("nowhere");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(read(ends[0], text, sizeof text - 1) > 0);
	if (!strstr(text, words))
		fail_msg("%s", text);
	close(ends[0]);
	close(ends[1]);
}

static void test_elsewhere_the_process_ends(void **state)
{
	aborts_with(fails_alone, "fiber 'main' in scope 'root': nobody catches this");
	aborts_with(spawns_a_task_that_fails, "task 'frame' in scope 'clients': no stack to give up");
	aborts_with(NULL, "outside of all tasks: nowhere");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_only_the_fiber_that_failed_ends, begin, end),
		cmocka_unit_test_setup_teardown(test_what_failed_leaves_nothing_behind, begin, end),
		cmocka_unit_test_setup_teardown(test_it_is_an_error_as_any_other, begin, end),
		cmocka_unit_test_setup_teardown(test_children_end_first_then_what_was_deferred, begin, end),
		cmocka_unit_test_setup_teardown(test_a_cleanup_that_fails_does_not_keep_the_others, begin, end),
		cmocka_unit_test_setup_teardown(test_a_return_runs_them_too, begin, end),
		cmocka_unit_test_setup_teardown(test_only_the_same_call_is_called_off, begin, end),
		cmocka_unit_test_setup_teardown(test_outside_of_fibers_nothing_is_deferred, begin, end),
		cmocka_unit_test_setup_teardown(test_without_memory_it_is_not_called, begin, end),
		cmocka_unit_test_setup_teardown(test_elsewhere_the_process_ends, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
