/* Which of the conductor's rounds is the last: not the first that finds nothing, for life goes from core to core behind the visits. */
#include "runtime/round.h"

#include "runtime/runtime.h"
#include "runtime/visit.h"
#include "zokio/zokio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct zok__round quiet = {.notes_sent = 7, .notes_run = 7, .spawned = 100};

static void test_the_same_twice_with_nobody_alive_is_the_last(void **state)
{
	assert_true(zok__round_is_last(&quiet, &quiet));
}

/* The second may have been at each core before the life that the first has seen came there. */
static void test_life_in_either_round_goes_on(void **state)
{
	struct zok__round alive = quiet;

	alive.was_alive = true;
	assert_false(zok__round_is_last(&quiet, &alive));
	assert_false(zok__round_is_last(&alive, &quiet));
	assert_false(zok__round_is_last(&alive, &alive));
}

/* A task that was taken from a core not yet visited spawns on one that was: each is found empty. */
static void test_what_was_spawned_in_between_goes_on(void **state)
{
	struct zok__round later = quiet;

	later.spawned++;
	assert_false(zok__round_is_last(&quiet, &later));
}

static void test_a_note_on_its_way_goes_on(void **state)
{
	struct zok__round on_its_way = quiet, passed = quiet, run_late = quiet;

	on_its_way.notes_sent++;
	assert_false(zok__round_is_last(&on_its_way, &on_its_way));
	assert_false(zok__round_is_last(&quiet, &on_its_way));
	/* Sent and run in between: the sums agree again, and are others. */
	passed.notes_sent++;
	passed.notes_run++;
	assert_false(zok__round_is_last(&quiet, &passed));
	assert_true(zok__round_is_last(&passed, &passed));
	/* Sums that were taken one after the other may say anything: each must have stayed. */
	assert_false(zok__round_is_last(&on_its_way, &passed));
	run_late.notes_run++;
	assert_false(zok__round_is_last(&run_late, &passed));
}

/* ---- What a visit brings ---- */

static int ends_at_once(void *arg)
{
	return 0;
}

/* To whom everything else is a child of the root, which the visit waits for. Each spawn there is told. */
static int visits(void *arg)
{
	struct zok_core *there = zok__core()->options.peers ? zok__core()->options.peers[zok_core_count() - 1] : zok__core();
	struct zok__visit_answer before = zok__visit(there, ZOK__VISIT_CANCEL), after;

	if (zok_core_count() < 2)
		return 77;
	for (int i = 0; i < 3; i++)
		assert_int_equal(zok_call_on(zok_core_count() - 1, ends_at_once, NULL), 0);
	after = zok__visit(there, ZOK__VISIT_CANCEL);
	assert_false(after.was_alive);
	assert_int_equal(after.spawned, before.spawned + 3);
	return 0;
}

static void test_a_visit_tells_how_many_were_spawned(void **state)
{
	int rc = zok_run(&(struct zok_options){.cores = "all", .engine = "epoll"}, visits, NULL);

	if (rc == 77)
		skip();
	assert_int_equal(rc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_twice_with_nobody_alive_is_the_last), cmocka_unit_test(test_life_in_either_round_goes_on),
		cmocka_unit_test(test_what_was_spawned_in_between_goes_on),	     cmocka_unit_test(test_a_note_on_its_way_goes_on),
		cmocka_unit_test(test_a_visit_tells_how_many_were_spawned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
