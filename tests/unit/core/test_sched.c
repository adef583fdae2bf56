/* Which task runs next: latency first, normal and bulk by their shares, nobody starved; and how a task learns that its time is up. */
#include "core/tick.h"
#include "tests/unit/core/fake_engine.h"
#include "zokio/async.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct zok_spawn_options latency = {.task_class = ZOK_CLASS_LATENCY}, normal = {.task_class = ZOK_CLASS_NORMAL},
				      bulk = {.task_class = ZOK_CLASS_BULK};

static bool is_over;

/* Time is the test's: it passes only while a task burns it, so that shares are exact on a busy machine, too. */
static uint64_t virtual_ns;

static uint64_t read_virtual(void *context)
{
	return virtual_ns;
}

static const struct zok__clock_source virtual_time = {.name = "virtual", .now_ns = read_virtual};

static void take_time_over(void)
{
	virtual_ns = zok_now_ns();
	zok__clock_start(&zok__core()->clock, &virtual_time);
	/* The slice that began in real time ends here, and the classes are level. */
	for (int i = 0; i < 64; i++)
		zok_yield();
}

static void burn(uint64_t ns)
{
	virtual_ns += ns;
}

static int burns(void *arg)
{
	uint64_t *burnt_ns = arg;

	while (!is_over) {
		burn(5 * ZOK_US);
		*burnt_ns += 5 * ZOK_US;
		zok_yield();
	}
	return 0;
}

static int ends_it_later(void *arg)
{
	int rc = zok_sleep(30 * ZOK_MS);

	is_over = true;
	return rc;
}

static void measure_shares(uint64_t *normal_ns, uint64_t *bulk_ns)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	*normal_ns = *bulk_ns = 0;
	is_over = false;
	zok_spawn(scope, burns, bulk_ns, &bulk);
	zok_spawn(scope, burns, normal_ns, &normal);
	zok_spawn(scope, ends_it_later, NULL, &latency);
	zok_scope_close(scope, 0);
}

static int shares_hold(void *arg)
{
	uint64_t normal_ns, bulk_ns;

	take_time_over();
	measure_shares(&normal_ns, &bulk_ns);
	/* As close to four to one as slices of a quarter budget allow. */
	assert_in_range(normal_ns * 100 / bulk_ns, 380, 420);
	return 0;
}

static void test_normal_gets_four_parts_to_one_of_bulk(void **state)
{
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, shares_hold, NULL), 0);
}

/* What latency has used is not charged to normal afterwards. */
static int shares_hold_after_latency(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t burnt_ns = 0;

	take_time_over();
	is_over = false;
	zok_spawn(scope, burns, &burnt_ns, &latency);
	zok_spawn(scope, ends_it_later, NULL, &latency);
	zok_scope_close(scope, 0);
	return shares_hold(NULL);
}

static void test_latency_work_costs_normal_nothing_afterwards(void **state)
{
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, shares_hold_after_latency, NULL), 0);
}

static int other_shares_hold(void *arg)
{
	uint64_t normal_ns, bulk_ns;

	take_time_over();
	measure_shares(&normal_ns, &bulk_ns);
	assert_in_range(bulk_ns * 100 / normal_ns, 240, 260);
	return 0;
}

static void test_shares_are_what_options_say(void **state)
{
	struct zok__core_options options = {.budget_ns = 200 * ZOK_US, .share = {[ZOK_CLASS_NORMAL] = 2, [ZOK_CLASS_BULK] = 5}};

	assert_int_equal(fake_run_with(&options, other_shares_hold, NULL), 0);
}

/* The charges are about to wrap around: nobody is starved then. */
static int shares_hold_over_the_wrap(void *arg)
{
	struct zok_core *core = zok__core();

	take_time_over();
	for (int c = 0; c < ZOK__CLASS_COUNT; c++)
		core->pace[c].used_ns = UINT64_MAX - 5 * ZOK_MS;
	return shares_hold(NULL);
}

static void test_shares_hold_when_the_charges_wrap_around(void **state)
{
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, shares_hold_over_the_wrap, NULL), 0);
}

/* A class that slept does not make up for it. */
static int no_saving_up(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t burnt_ns = 0;

	take_time_over();
	is_over = false;
	zok_spawn(scope, burns, &burnt_ns, &normal);
	zok_spawn(scope, ends_it_later, NULL, &latency);
	zok_scope_close(scope, 0);
	return shares_hold(NULL);
}

static void test_a_class_cannot_save_up_time(void **state)
{
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, no_saving_up, NULL), 0);
}

/* ---- Order ---- */

/* A task's argument: the character that it writes down. */
#define MARK(character) ((void *)(intptr_t)(character))

static char order[64];
static size_t order_count;

static int notes(void *arg)
{
	order[order_count++] = (char)(intptr_t)arg;
	return 0;
}

static int notes_twice(void *arg)
{
	notes(arg);
	zok_yield();
	return notes(arg);
}

static int spawns_latency(void *arg)
{
	notes(arg);
	zok_spawn(NULL, notes, MARK('L'), &latency);
	zok_yield();
	return notes(arg);
}

static int latency_goes_first(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_spawn(scope, notes, MARK('b'), &bulk);
	zok_spawn(scope, notes, MARK('n'), &normal);
	zok_spawn(scope, notes, MARK('l'), &latency);
	zok_spawn(scope, notes, MARK('l'), &latency);
	zok_scope_close(scope, 0);
	assert_memory_equal(order, "ll", 2);
	return 0;
}

static void test_latency_runs_before_the_others(void **state)
{
	order_count = 0;
	assert_int_equal(fake_run(latency_goes_first, NULL), 0);
}

/* A quantum of many tasks is cut short once its running task suspends. */
static int latency_preempts(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	zok__core()->pace[ZOK_CLASS_NORMAL].quantum = 32;
	zok_yield(); /* a slice with that quantum begins */
	zok_spawn(scope, spawns_latency, MARK('s'), &normal);
	for (int i = 0; i < 5; i++)
		zok_spawn(scope, notes, MARK('n'), &normal);
	zok_scope_close(scope, 0);
	assert_memory_equal(order, "sLnnnnns", 8);
	return 0;
}

static void test_latency_ends_the_slice_of_another_class(void **state)
{
	order_count = 0;
	assert_int_equal(fake_run(latency_preempts, NULL), 0);
}

static int first_in_first_out(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_spawn(scope, notes_twice, MARK('a'), NULL);
	zok_spawn(scope, notes_twice, MARK('b'), NULL);
	zok_spawn(scope, notes_twice, MARK('c'), NULL);
	zok_scope_close(scope, 0);
	assert_memory_equal(order, "abcabc", 6);
	return 0;
}

static void test_one_class_runs_in_order(void **state)
{
	order_count = 0;
	assert_int_equal(fake_run(first_in_first_out, NULL), 0);
}

/* Tasks that are always runnable do not keep timers and the engine from their turn. */
static int nobody_starves(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t burnt_ns = 0;

	take_time_over();
	is_over = false;
	for (int i = 0; i < 3; i++)
		zok_spawn(scope, burns, &burnt_ns, &latency);
	zok_spawn(scope, ends_it_later, NULL, &latency);
	zok_scope_close(scope, 0);
	assert_true(burnt_ns > 0);
	return 0;
}

static void test_runnable_tasks_do_not_starve_timers(void **state)
{
	assert_int_equal(fake_run(nobody_starves, NULL), 0);
}

/* ---- The budget ---- */

static int is_due_when_time_is_up(void *arg)
{
	take_time_over();
	zok_yield();
	assert_false(zok_is_due());
	assert_false(zok_yield_if_due());
	burn(300 * ZOK_US);
	/* Without a ticker the clock is read each time; once due it stays due until the fiber yields. */
	assert_true(zok_is_due());
	assert_true(zok_is_due());
	assert_true(zok_yield_if_due());
	return 0;
}

static void test_a_task_is_due_when_its_slice_is_used_up(void **state)
{
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, is_due_when_time_is_up, NULL), 0);
}

static int counts_overruns(void *arg)
{
	uint64_t *overruns = &zok__core()->counters->stats.budget_overruns, before;

	take_time_over();
	zok_yield();
	before = *overruns;
	burn(ZOK_MS);
	/* Counted when the slice ends. */
	for (int i = 0; i < 64; i++)
		zok_yield();
	assert_true(*overruns > before);
	return 0;
}

static void test_overruns_are_counted(void **state)
{
	assert_int_equal(fake_run_with(&(struct zok__core_options){.budget_ns = 200 * ZOK_US}, counts_overruns, NULL), 0);
}

static int counts_gauge(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t *alive = &zok__core()->counters->stats.fibers_alive;

	zok_spawn(scope, notes_twice, MARK('x'), NULL);
	zok_spawn(scope, notes_twice, MARK('x'), NULL);
	zok_sleep(0);
	zok_scope_close(scope, 0);
	zok_sleep(0);
	assert_int_equal(*alive, 1); /* this one */
	return 0;
}

static void test_the_gauge_of_fibers_is_current(void **state)
{
	order_count = 0;
	assert_int_equal(fake_run(counts_gauge, NULL), 0);
}

static int counts_depths(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_core_stats *stats = &zok__core()->counters->stats;

	for (int i = 0; i < 3; i++)
		zok_spawn(scope, notes_twice, MARK('l'), &latency);
	for (int i = 0; i < 5; i++)
		zok_spawn(scope, notes_twice, MARK('b'), &bulk);
	zok__sched_note_depths(zok__core());
	assert_int_equal(stats->runq_depth_latency, 3);
	assert_int_equal(stats->runq_depth_bulk, 5);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	zok_sleep(0); /* a turn of the loop later the gauges say it by themselves */
	zok_sleep(0);
	assert_int_equal(stats->runq_depth_latency + stats->runq_depth_bulk, 0);
	assert_int_equal(stats->is_idle, 0);
	return 0;
}

static void test_the_gauges_of_runnable_tasks_are_current(void **state)
{
	order_count = 0;
	assert_int_equal(fake_run(counts_depths, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_gauges_of_runnable_tasks_are_current),
		cmocka_unit_test(test_normal_gets_four_parts_to_one_of_bulk),
		cmocka_unit_test(test_latency_work_costs_normal_nothing_afterwards),
		cmocka_unit_test(test_shares_are_what_options_say),
		cmocka_unit_test(test_shares_hold_when_the_charges_wrap_around),
		cmocka_unit_test(test_a_class_cannot_save_up_time),
		cmocka_unit_test(test_latency_runs_before_the_others),
		cmocka_unit_test(test_latency_ends_the_slice_of_another_class),
		cmocka_unit_test(test_one_class_runs_in_order),
		cmocka_unit_test(test_runnable_tasks_do_not_starve_timers),
		cmocka_unit_test(test_a_task_is_due_when_its_slice_is_used_up),
		cmocka_unit_test(test_overruns_are_counted),
		cmocka_unit_test(test_the_gauge_of_fibers_is_current),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
