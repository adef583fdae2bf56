/* Fibers: their stacks are reused, errno is their own, they yield, await, and begin on one another's stacks. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/fault.h"
#include "zokio/log.h"
#include "zokio/sync.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Behind a call, for the compiler may keep the address of errno over a suspension (core/fiber_switch.h). */
static __attribute__((noinline)) void set_errno(int value)
{
	errno = value;
	__asm__ volatile("");
}

static __attribute__((noinline)) int get_errno(void)
{
	__asm__ volatile("");
	return errno;
}

static int keeps_errno(void *arg)
{
	int mine = (int)(intptr_t)arg;

	set_errno(mine);
	zok_yield();
	assert_int_equal(get_errno(), mine);
	zok_sleep(ZOK_US);
	assert_int_equal(get_errno(), mine);
	return 0;
}

static int errno_is_kept(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	for (intptr_t i = 1; i <= 20; i++)
		zok_spawn(scope, keeps_errno, (void *)i, NULL);
	return zok_scope_close(scope, 0);
}

static void test_errno_is_kept_per_fiber(void **state)
{
	assert_int_equal(fake_run(errno_is_kept, NULL), 0);
}

/* ---- Stacks ---- */

static int fills_its_stack(void *arg)
{
	char memory[3000];
	int value = (int)(intptr_t)arg;

	memset(memory, value, sizeof memory);
	__asm__ volatile("" : : "r"(memory) : "memory");
	if (value % 3 == 0)
		zok_yield();
	if (value % 5 == 0)
		zok_sleep(ZOK_US);
	for (size_t i = 0; i < sizeof memory; i++)
		if (memory[i] != (char)value)
			return -EIO;
	return 0;
}

/* Some end at once and lend their stack to the next, some wait; sizes and guards are mixed, so that not every stack will do. */
static int many_shapes(void *arg)
{
	static const size_t sizes[] = {0, 16384, 8192, 16384};
	struct zok_scope *scope = zok_scope_open(NULL);

	for (intptr_t i = 0; i < 2000; i++) {
		struct zok_spawn_options options = {.stack_size = sizes[i % 4], .without_guard = i % 7 == 0};

		assert_int_equal(zok_spawn(scope, fills_its_stack, (void *)i, &options), 0);
	}
	return zok_scope_close(scope, 0);
}

static void test_stacks_are_no_two_fibers_at_once(void **state)
{
	assert_int_equal(fake_run(many_shapes, NULL), 0);
}

static int gives_all_back(void *arg)
{
	struct zok_core *core = zok__core();
	size_t before = core->stacks.acquired_count, fibers = core->fibers.used_count;

	assert_int_equal(many_shapes(NULL), 0);
	zok_sleep(0);
	assert_int_equal(core->stacks.acquired_count, before);
	assert_int_equal(core->fibers.used_count, fibers);
	return 0;
}

static void test_ended_fibers_give_stack_and_record_back(void **state)
{
	assert_int_equal(fake_run(gives_all_back, NULL), 0);
}

static int spawns_deeper(void *arg)
{
	intptr_t depth = (intptr_t)arg;
	struct zok_scope *scope;
	int rc;

	if (depth == 0)
		return 0;
	scope = zok_scope_open(NULL);
	rc = zok_spawn(scope, spawns_deeper, (void *)(depth - 1), NULL);
	if (rc == 0)
		rc = zok_spawn(scope, spawns_deeper, (void *)(depth - 1), NULL);
	return zok_scope_close(scope, rc);
}

static int a_tree(void *arg)
{
	return spawns_deeper((void *)8);
}

static void test_a_tree_of_fibers_joins(void **state)
{
	assert_int_equal(fake_run(a_tree, NULL), 0);
}

/* ---- Await ---- */

struct nudge {
	struct zok_future future;
	int polls;
};

static bool nudge_poll(struct zok_future *future)
{
	struct nudge *nudge = (struct nudge *)(void *)future;

	future->state = ZOK_FUTURE_PENDING;
	/* Wakes whoever polls, from within the poll: a wake that must not be lost, though the fiber still runs. */
	if (++nudge->polls < 5) {
		future->waker->wake(future->waker);
		return false;
	}
	future->waker = NULL;
	zok_future_complete(future, nudge->polls);
	return true;
}

static void nudge_cancel(struct zok_future *future)
{
}

static const struct zok_future_ops nudge_ops = {.poll = nudge_poll, .cancel = nudge_cancel};

static int is_nudged(void *arg)
{
	struct nudge nudge = {.polls = 0};

	zok_future_prepare(&nudge.future, &nudge_ops);
	assert_int_equal(zok_await(&nudge.future), 5);
	/* A second await of a ready future gives the same. */
	assert_int_equal(zok_await(&nudge.future), 5);
	return 0;
}

static void test_a_wake_during_the_poll_is_not_lost(void **state)
{
	assert_int_equal(fake_run(is_nudged, NULL), 0);
}

static bool is_enough;

/* Goes on although every await ends at once. */
static int naps_in_vain(void *arg)
{
	int *rounds = arg;

	for (*rounds = 0; !is_enough && *rounds < 1000; ++*rounds)
		assert_int_equal(zok_sleep(ZOK_S), -ECANCELED);
	return 0;
}

static int is_not_starved(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	int rounds = 0;

	is_enough = false;
	zok_scope_cancel(scope);
	assert_int_equal(zok_spawn(scope, naps_in_vain, &rounds, NULL), 0);
	zok_yield();
	is_enough = true;
	zok_scope_close(scope, 0);
	assert_int_equal(rounds, 1);
	return 0;
}

static void test_a_loop_of_canceled_awaits_lets_others_run(void **state)
{
	assert_int_equal(fake_run(is_not_starved, NULL), 0);
}

/* ---- What is refused ---- */

static int never(void *arg)
{
	assert_true(false);
	return 0;
}

static int refusals(void *arg)
{
	struct zok_core *core = zok__core();
	size_t stacks = core->stacks.acquired_count, fibers = core->fibers.used_count;

	assert_int_equal(zok_spawn(NULL, never, NULL, &(struct zok_spawn_options){.task_class = (enum zok_class)7}), -EINVAL);
	assert_int_equal(zok_spawn(NULL, never, NULL, &(struct zok_spawn_options){.stack_size = (size_t)1 << 40}), -EINVAL);
	assert_int_equal(core->stacks.acquired_count, stacks);
	assert_int_equal(core->fibers.used_count, fibers);
	return 0;
}

static void test_a_bad_spawn_leaves_nothing_behind(void **state)
{
	zok_log_level_set(ZOK_LOG_OFF);
	assert_int_equal(fake_run(refusals, NULL), 0);
	zok_log_level_set(ZOK_LOG_WARN);
}

static void *map_nothing(void *arg, size_t size)
{
	return NULL;
}

static int no_stack(void *arg)
{
	struct zok_core *core = zok__core();
	void *(*map)(void *arg, size_t size) = core->stacks.source.map;
	size_t fibers = core->fibers.used_count;
	int rc = 0, count = 0;

	core->stacks.source.map = map_nothing;
	while (rc == 0 && count++ < 1000)
		rc = zok_spawn(NULL, fills_its_stack, NULL, NULL);
	core->stacks.source.map = map;
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(core->fibers.used_count, fibers + (size_t)count - 1);
	return 0;
}

static void test_no_stack_is_enomem(void **state)
{
	assert_int_equal(fake_run(no_stack, NULL), 0);
}

static int names(void *arg)
{
	assert_string_equal(zok_task_name(zok_task_current()), "main");
	return 0;
}

static void test_a_fiber_has_its_name(void **state)
{
	assert_int_equal(fake_run(names, NULL), 0);
	assert_null(zok_task_current());
	assert_int_equal(zok_core_index(), -1);
}

static int uses_stack(void *arg)
{
	volatile char block[20000];

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = 1;
	*(ssize_t *)arg = zok_stack_used();
	return 0;
}

static int measures_stacks(void *arg)
{
	struct zok_core_stats *stats = &zok__core()->counters->stats;
	ssize_t used = 0;
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_spawn(scope, uses_stack, &used, NULL);
	zok_scope_close(scope, 0);
	assert_in_range(used, 20000, 65536);
	assert_true(stats->stack_used_max >= (uint64_t)used);
	return 0;
}

static void test_the_high_water_mark_of_a_stack_is_seen(void **state)
{
	assert_int_equal(fake_run(measures_stacks, NULL), 0);
	assert_int_equal(zok_stack_used(), -EINVAL);
}

/* ---- The end ---- */

static int finished_count;

/* It may give the task's memory away, so nothing may name the task any more: no log line, no handler of a signal. */
static void is_nobodys_run(struct zok_task *task)
{
	assert_null(zok_task_current());
	assert_null(zok__core_run(zok__core()).task);
	finished_count++;
}

static int ends(void *arg)
{
	return 0;
}

static int fails(void *arg)
{
	zok_fail("on purpose");
}

static int ends_in_all_ways(void *arg)
{
	const struct zok_spawn_options options = {.finish = is_nobodys_run};
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.contains_faults = true});

	zok_spawn(scope, ends, NULL, &options);
	zok_spawn(scope, ends, NULL, &options); /* begins where that one ended */
	zok_spawn(scope, fails, NULL, &options);
	assert_int_equal(zok_scope_close(scope, 0), -ENOTRECOVERABLE);
	return 0;
}

static void test_an_ended_fiber_is_not_the_current_task(void **state)
{
	finished_count = 0;
	zok_log_level_set(ZOK_LOG_OFF);
	assert_int_equal(fake_run(ends_in_all_ways, NULL), 0);
	zok_log_level_set(ZOK_LOG_WARN);
	assert_int_equal(finished_count, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_ended_fiber_is_not_the_current_task),
		cmocka_unit_test(test_the_high_water_mark_of_a_stack_is_seen),
		cmocka_unit_test(test_errno_is_kept_per_fiber),
		cmocka_unit_test(test_stacks_are_no_two_fibers_at_once),
		cmocka_unit_test(test_ended_fibers_give_stack_and_record_back),
		cmocka_unit_test(test_a_tree_of_fibers_joins),
		cmocka_unit_test(test_a_wake_during_the_poll_is_not_lost),
		cmocka_unit_test(test_a_loop_of_canceled_awaits_lets_others_run),
		cmocka_unit_test(test_a_bad_spawn_leaves_nothing_behind),
		cmocka_unit_test(test_no_stack_is_enomem),
		cmocka_unit_test(test_a_fiber_has_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
