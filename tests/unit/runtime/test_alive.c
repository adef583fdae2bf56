/* Who is alive, in words: each task under each root once, with its class, its scope, and what it awaits and for how long. */
#include "runtime/alive.h"

#include "zokio/log.h"
#include "zokio/timer.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- What was said: cores answer one after the other ---- */

static char said[16384];

static void keep(void *arg, enum zok_log_level level, const char *text)
{
	size_t length = strlen(said);

	snprintf(said + length, sizeof said - length, "%s\n", text);
}

static void assert_said(const char *line)
{
	if (!strstr(said, line))
		fail_msg("no \"%s\" in:\n%s", line, said);
}

static unsigned lines_said(void)
{
	unsigned count = 0;

	for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
		count++;
	return count;
}

/* ---- Who there is ---- */

static bool gate_poll(struct zok_future *future)
{
	future->state = ZOK_FUTURE_PENDING;
	return false;
}

static void gate_cancel(struct zok_future *future)
{
	zok_future_complete(future, -ECANCELED);
}

static int waits_at_a_gate(void *arg)
{
	static const struct zok_future_ops nameless = {.poll = gate_poll, .cancel = gate_cancel};
	struct zok_future gate;

	zok_future_prepare(&gate, &nameless);
	return (int)zok_await(&gate);
}

static int sleeps(void *arg)
{
	return zok_sleep(1000 * ZOK_S);
}

static int sleeps_in_a_scope(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "inner"});

	zok_spawn(scope, sleeps, NULL, &(struct zok_spawn_options){.name = "deep", .task_class = ZOK_CLASS_NORMAL});
	return zok_scope_close(scope, zok_sleep(1000 * ZOK_S));
}

static struct zok_task *task_of(struct zok_scope *scope, const char *name)
{
	zok_list_for_each(link, &scope->children) {
		struct zok_task *task = ZOK_CONTAINER_OF(link, struct zok_task, sibling);

		if (strcmp(zok_task_name(task), name) == 0)
			return task;
	}
	fail_msg("there is no task %s", name);
	return NULL;
}

static void seem_to_wait_for(struct zok_task *task, uint64_t ns)
{
	task->suspended_at = (uint32_t)((zok__core()->now_ns - ns) >> ZOK__SUSPENDED_SHIFT);
}

static void tell(void)
{
	said[0] = '\0';
	zok__alive_tell(zok__runtime());
}

static void tell_of_suspended_ones(struct zok_scope *scope)
{
	struct zok_task *gate = task_of(scope, "gate");
	struct zok_future *awaited = gate->awaited;

	seem_to_wait_for(task_of(scope, "sleeper"), 5 * ZOK_S);
	seem_to_wait_for(gate, 72 * ZOK_S);
	tell();
	assert_said("still alive on core 0: main (normal), in scope root, is runnable\n");
	assert_said("still alive on core 0: sleeper (latency), in scope outer, has awaited a timer for 5.0 s\n");
	assert_said("still alive on core 0: gate (bulk), in scope outer, has awaited a future for 72.0 s\n");
	assert_said("still alive on core 0: new (normal), in scope outer, is runnable\n");
	assert_said("still alive on core 0: host (normal), in scope outer, has awaited a timer for ");
	assert_said("still alive on core 0: deep (normal), in scope inner, has awaited a timer for ");
	assert_int_equal(lines_said(), 6);
	gate->awaited = NULL;
	tell();
	assert_said("still alive on core 0: gate (bulk), in scope outer, has been suspended for 72.0 s\n");
	gate->awaited = awaited;
}

/* Where it is is all that is said of one that was taken. */
static void tell_of_those_elsewhere(struct zok_scope *scope)
{
	struct zok_task *gate = task_of(scope, "gate");
	struct zok_core *here = gate->core;

	gate->core = NULL;
	tell();
	assert_said("still alive on core 0: gate (bulk), in scope outer, is runnable on any core\n");
	if (zok_core_count() > 1) {
		gate->core = zok__runtime()->cores[1];
		tell();
		assert_said("still alive on core 0: gate (bulk), in scope outer, was taken by core 1\n");
	}
	gate->core = here;
}

static int tells(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "outer"});

	zok_spawn(scope, sleeps, NULL, &(struct zok_spawn_options){.name = "sleeper", .task_class = ZOK_CLASS_LATENCY});
	zok_spawn(scope, waits_at_a_gate, NULL,
		  &(struct zok_spawn_options){.name = "gate", .task_class = ZOK_CLASS_BULK, .stealing = ZOK_STEALING_NEVER});
	zok_spawn(scope, sleeps_in_a_scope, NULL, &(struct zok_spawn_options){.name = "host"});
	while (task_of(scope, "gate")->state != ZOK__TASK_SUSPENDED || task_of(scope, "host")->state != ZOK__TASK_SUSPENDED)
		zok_yield();
	zok_yield(); /* the host's child, too */
	zok_spawn(scope, sleeps, NULL, &(struct zok_spawn_options){.name = "new"});
	zok_log_set(keep, NULL);
	tell_of_suspended_ones(scope);
	tell_of_those_elsewhere(scope);
	zok_log_set(NULL, NULL);
	zok_scope_cancel(scope);
	return zok_scope_close(scope, 0);
}

static void test_each_is_told_of_with_what_it_awaits(void **state)
{
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll"}, tells, NULL), 0);
}

static void test_no_core_is_left_out(void **state)
{
	assert_int_equal(zok_run(&(struct zok_options){.cores = "all", .engine = "epoll"}, tells, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_is_told_of_with_what_it_awaits),
		cmocka_unit_test(test_no_core_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
