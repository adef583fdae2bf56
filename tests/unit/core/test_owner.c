/* What a stolen task may not touch: said with who, what and where, and never of anything else. */
#include "core/owner.h"

#include "tests/unit/core/fake_engine.h"
#include "zokio/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char last_line[ZOK_LOG_LINE_SIZE];

static void keep_line(void *arg, enum zok_log_level level, const char *text)
{
	snprintf(last_line, sizeof last_line, "%s", text);
}

/* Another core, number 3; it never runs. */
static struct zok_core *make_other(void)
{
	struct zok_core *core = aligned_alloc(_Alignof(struct zok_core), sizeof *core);

	assert_non_null(core);
	memset(core, 0, sizeof *core);
	core->options.index = 3;
	return core;
}

/* As where the other core steals: this one has no peers. */
static void seem_stolen(bool is_so)
{
	struct zok_task *task = zok_task_current();

	__atomic_store_n(&zok__stealing_count, is_so ? 2 : 0, __ATOMIC_RELAXED);
	if (is_so)
		task->flags |= ZOK__TASK_MAY_BE_STOLEN;
	else
		task->flags &= (uint8_t)~ZOK__TASK_MAY_BE_STOLEN;
}

static int touches(void *other)
{
	struct zok_core *core = zok__core();
	struct zok_task *task = core->current;

	assert_false(zok__is_foreign(other, "a thing"));
	assert_false(zok__is_foreign_to_task(other, "a thing")); /* it cannot have been stolen */
	seem_stolen(true);
	assert_false(zok__is_foreign(NULL, "a thing"));
	assert_false(zok__is_foreign(core, "a thing"));
	core->current = NULL; /* as in a message */
	assert_false(zok__is_foreign(other, "a thing"));
	core->current = task;
	assert_string_equal(last_line, "");
	assert_true(zok__is_foreign(other, "a thing"));
	seem_stolen(false);
	return 0;
}

static void test_only_what_is_anothers_is_refused_to_who_may_be_stolen(void **state)
{
	struct zok_core *other = make_other();

	last_line[0] = '\0';
	zok_log_set(keep_line, NULL);
	assert_int_equal(fake_run(touches, other), 0);
	assert_string_equal(last_line, "a thing of core 3 touched by main, which was stolen, on core 0: spawn it with ZOK_STEALING_NEVER");
	/* Off the cores nobody is stolen. */
	last_line[0] = '\0';
	assert_false(zok__is_foreign_to_task(other, "a thing"));
	assert_string_equal(last_line, "");
	zok_log_set(NULL, NULL);
	free(other);
}

static int cannot_fail(void *other)
{
	seem_stolen(true);
	zok__assert_own(zok__core(), "a thing");
	zok__assert_own(other, "a thing");
	return 0;
}

static void test_where_it_cannot_be_refused_the_process_ends(void **state)
{
	struct zok_core *other = make_other();
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		zok_log_set(keep_line, NULL);
		fake_run(cannot_fail, other);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_anothers_is_refused_to_who_may_be_stolen),
		cmocka_unit_test(test_where_it_cannot_be_refused_the_process_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
