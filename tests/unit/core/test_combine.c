/* Join, race, timeout, map and then: who wins, who is cancelled, and what a cancel of the whole leaves. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/sync.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A future that a test completes by hand; `is_slow`: a cancel is only noted. */
struct hand {
	struct zok_future future;
	bool is_slow;
	int polls, cancels;
};

static bool hand_poll(struct zok_future *future)
{
	((struct hand *)(void *)future)->polls++;
	future->state = ZOK_FUTURE_PENDING;
	return false;
}

static void hand_cancel(struct zok_future *future)
{
	struct hand *hand = (struct hand *)(void *)future;

	hand->cancels++;
	if (!hand->is_slow)
		zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops hand_ops = {.poll = hand_poll, .cancel = hand_cancel};

static void hand_prepare(struct hand *hand, bool is_slow)
{
	zok_future_prepare(&hand->future, &hand_ops);
	hand->is_slow = is_slow;
	hand->polls = hand->cancels = 0;
}

static int wakes;

static void count_wake(struct zok_waker *waker)
{
	wakes++;
}

static struct zok_waker waker = {.wake = count_wake};

static struct hand a, b, c;
static struct zok_future *const parts[] = {&a.future, &b.future, &c.future};

static int prepare_hands(void **state)
{
	hand_prepare(&a, false);
	hand_prepare(&b, false);
	hand_prepare(&c, false);
	wakes = 0;
	return 0;
}

static void test_join_waits_for_all_and_gives_the_first_error_by_index(void **state)
{
	struct zok_join join;

	zok_join_prepare(&join, parts, 3);
	assert_false(zok_future_poll(&join.future, &waker));
	zok_future_complete(&c.future, -EIO);
	zok_future_complete(&a.future, 5);
	assert_true(wakes > 0);
	assert_false(zok_future_poll(&join.future, &waker));
	zok_future_complete(&b.future, -EPIPE);
	assert_true(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.future.result, -EPIPE);
}

static void test_join_of_nothing_is_ready(void **state)
{
	struct zok_join join;

	zok_join_prepare(&join, NULL, 0);
	assert_true(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.future.result, 0);
}

static void test_join_cancels_every_part_and_awaits_each(void **state)
{
	struct zok_join join;

	b.is_slow = true;
	zok_join_prepare(&join, parts, 3);
	assert_false(zok_future_poll(&join.future, &waker));
	zok_future_complete(&a.future, 1);
	zok_future_cancel(&join.future);
	assert_int_equal(a.cancels + b.cancels + c.cancels, 2);
	assert_false(zok_future_poll(&join.future, &waker));
	zok_future_complete(&b.future, 7);
	assert_true(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.future.result, -ECANCELED);
	assert_int_equal(b.future.result, 7);
}

/* ---- A join of many ---- */

enum { MANY = 1000 };

static struct hand many[MANY];
static struct zok_future *many_parts[MANY];
static struct zok_join_seat seats[MANY];

static int prepare_many(void **state)
{
	for (int i = 0; i < MANY; i++) {
		hand_prepare(&many[i], false);
		many_parts[i] = &many[i].future;
	}
	wakes = 0;
	return 0;
}

static int polls_of_many(void)
{
	int sum = 0;

	for (int i = 0; i < MANY; i++)
		sum += many[i].polls;
	return sum;
}

static void test_a_join_of_many_polls_each_part_once_whoever_wakes_it(void **state)
{
	struct zok_join_many join;

	zok_join_many_prepare(&join, many_parts, MANY, seats);
	assert_false(zok_future_poll(&join.future, &waker));
	assert_int_equal(polls_of_many(), MANY);
	for (int i = 0; i < MANY; i++) {
		int k = i * 617 % MANY; /* in no order */

		zok_future_complete(&many[k].future, k == 3 || k == 900 ? -k : k);
		assert_int_equal(zok_future_poll(&join.future, &waker), i == MANY - 1);
	}
	assert_int_equal(join.future.result, -3);
	assert_int_equal(polls_of_many(), MANY); /* who is ready is not asked */
	assert_int_equal(wakes, MANY);
}

/* Of what wakes between two polls the whole is woken once, and nobody is forgotten. */
static void test_a_join_of_many_wakes_once_for_all_that_woke(void **state)
{
	struct zok_join_many join;

	zok_join_many_prepare(&join, many_parts, MANY, seats);
	assert_false(zok_future_poll(&join.future, &waker));
	many[5].future.waker->wake(many[5].future.waker); /* for nothing, twice */
	many[5].future.waker->wake(many[5].future.waker);
	for (int i = 0; i < MANY; i++)
		if (i != 5)
			zok_future_complete(&many[i].future, 0);
	assert_int_equal(wakes, 1);
	assert_false(zok_future_poll(&join.future, &waker));
	assert_int_equal(many[5].polls, 2);
	zok_future_complete(&many[5].future, 0);
	assert_int_equal(wakes, 2);
	assert_true(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.future.result, 0);
}

static void test_a_join_of_many_cancels_every_part_and_awaits_each(void **state)
{
	struct zok_join_many join;

	many[7].is_slow = true;
	zok_future_complete(&many[8].future, 1); /* ready before it began */
	zok_join_many_prepare(&join, many_parts, MANY, seats);
	assert_false(zok_future_poll(&join.future, &waker));
	zok_future_cancel(&join.future);
	assert_int_equal(many[8].cancels, 0);
	assert_false(zok_future_poll(&join.future, &waker));
	zok_future_complete(&many[7].future, 2);
	assert_true(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.future.result, -ECANCELED);
	assert_int_equal(many[7].future.result, 2);
}

static bool wakes_next_poll(struct zok_future *future)
{
	struct hand *hand = (struct hand *)(void *)future;

	future->state = ZOK_FUTURE_PENDING;
	if (hand->polls++ == 0 && hand + 1 < many + MANY && zok_future_is_ready(&hand[1].future) == false && hand[1].future.waker)
		hand[1].future.waker->wake(hand[1].future.waker);
	if (hand > many && hand[-1].future.waker)
		zok_future_complete(&hand[-1].future, 0);
	return false;
}

/* Parts that complete others while they are started or polled. */
static void test_a_join_of_many_sees_what_wakes_while_it_polls(void **state)
{
	static const struct zok_future_ops ops = {.poll = wakes_next_poll, .cancel = hand_cancel};
	struct zok_join_many join;

	for (int i = 0; i < MANY; i++)
		zok_future_prepare(&many[i].future, &ops);
	zok_join_many_prepare(&join, many_parts, MANY, seats);
	assert_false(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.left, 1);
	zok_future_complete(&many[MANY - 1].future, 0);
	assert_true(zok_future_poll(&join.future, &waker));
}

static void test_a_join_of_many_of_nothing_is_ready(void **state)
{
	struct zok_join_many join;

	zok_join_many_prepare(&join, NULL, 0, NULL);
	assert_true(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.future.result, 0);
}

static void test_a_prepared_whole_is_cancelled_without_starting_its_parts(void **state)
{
	struct zok_join join;

	zok_join_prepare(&join, parts, 3);
	zok_future_cancel(&join.future);
	assert_true(zok_future_poll(&join.future, &waker));
	assert_int_equal(join.future.result, -ECANCELED);
	assert_int_equal(a.future.state, ZOK_FUTURE_PREPARED);
	assert_int_equal(a.polls, 0);
}

static void test_race_cancels_the_losers_and_awaits_them(void **state)
{
	struct zok_race race;

	a.is_slow = true;
	zok_race_prepare(&race, parts, 3);
	assert_false(zok_future_poll(&race.future, &waker));
	zok_future_complete(&b.future, 9);
	assert_false(zok_future_poll(&race.future, &waker));
	assert_int_equal(a.cancels, 1);
	assert_int_equal(c.future.result, -ECANCELED);
	zok_future_complete(&a.future, 3);
	assert_true(zok_future_poll(&race.future, &waker));
	assert_int_equal(race.future.result, 1);
	assert_int_equal(a.future.result, 3);
}

static void test_a_part_ready_at_the_first_poll_wins_and_later_ones_never_start(void **state)
{
	struct zok_race race;

	zok_future_complete(&b.future, 0);
	zok_race_prepare(&race, parts, 3);
	assert_true(zok_future_poll(&race.future, &waker));
	assert_int_equal(race.future.result, 1);
	assert_int_equal(a.cancels, 1);
	assert_int_equal(c.polls, 0);
	assert_int_equal(c.future.result, -ECANCELED);
}

static void test_the_first_to_be_ready_wins_though_another_follows_before_the_poll(void **state)
{
	struct zok_race race;

	zok_race_prepare(&race, parts, 3);
	assert_false(zok_future_poll(&race.future, &waker));
	zok_future_complete(&c.future, 0);
	zok_future_complete(&a.future, 0);
	assert_false(zok_future_is_ready(&race.future));
	assert_true(zok_future_poll(&race.future, &waker));
	assert_int_equal(race.future.result, 2);
}

static void test_a_cancel_of_the_race_does_not_beat_a_part_that_was_ready(void **state)
{
	struct zok_race race;

	zok_race_prepare(&race, parts, 3);
	assert_false(zok_future_poll(&race.future, &waker));
	zok_future_complete(&b.future, 4);
	zok_future_cancel(&race.future);
	assert_true(zok_future_poll(&race.future, &waker));
	assert_int_equal(race.future.result, 1);
}

static void test_a_cancelled_race_is_cancelled(void **state)
{
	struct zok_race race;

	zok_race_prepare(&race, parts, 3);
	assert_false(zok_future_poll(&race.future, &waker));
	zok_future_cancel(&race.future);
	zok_future_cancel(&race.future);
	assert_int_equal(a.cancels, 1);
	assert_true(zok_future_poll(&race.future, &waker));
	assert_int_equal(race.future.result, -ECANCELED);
}

static void test_a_race_of_nothing_is_refused(void **state)
{
	struct zok_race race;

	zok_race_prepare(&race, parts, 0);
	assert_true(zok_future_poll(&race.future, &waker));
	assert_int_equal(race.future.result, -EINVAL);
}

static void test_a_race_of_joins_nests(void **state)
{
	struct zok_join join;
	struct zok_race race;
	struct zok_future *const two[] = {&join.future, &c.future};

	zok_join_prepare(&join, parts, 2);
	zok_race_prepare(&race, two, 2);
	assert_false(zok_future_poll(&race.future, &waker));
	zok_future_complete(&a.future, 0);
	assert_false(zok_future_poll(&race.future, &waker));
	zok_future_complete(&b.future, 0);
	assert_true(zok_future_poll(&race.future, &waker));
	assert_int_equal(race.future.result, 0);
	assert_int_equal(c.future.result, -ECANCELED);
}

static ssize_t doubled(ssize_t result, void *arg)
{
	++*(int *)arg;
	return 2 * result;
}

static void test_map_sees_the_result_once(void **state)
{
	struct zok_map map;
	int calls = 0;

	zok_map_prepare(&map, &a.future, doubled, &calls);
	assert_false(zok_future_poll(&map.future, &waker));
	zok_future_complete(&a.future, -21);
	assert_int_equal(wakes, 1);
	assert_true(zok_future_poll(&map.future, &waker));
	assert_true(zok_future_poll(&map.future, &waker));
	assert_int_equal(map.future.result, -42);
	assert_int_equal(calls, 1);
}

static void test_map_passes_a_cancel_on(void **state)
{
	struct zok_map map;
	int calls = 0;

	zok_map_prepare(&map, &a.future, doubled, &calls);
	assert_false(zok_future_poll(&map.future, &waker));
	zok_future_cancel(&map.future);
	assert_true(zok_future_poll(&map.future, &waker));
	assert_int_equal(map.future.result, -2 * ECANCELED);
}

static struct zok_future *b_after_success(ssize_t result, void *arg)
{
	++*(int *)arg;
	return result == 1 ? &b.future : NULL;
}

static void test_then_goes_on_to_the_next_and_ends_with_its_result(void **state)
{
	struct zok_then then;
	int calls = 0;

	zok_then_prepare(&then, &a.future, b_after_success, &calls);
	assert_false(zok_future_poll(&then.future, &waker));
	assert_int_equal(b.polls, 0);
	zok_future_complete(&a.future, 1);
	assert_false(zok_future_poll(&then.future, &waker));
	assert_int_equal(b.polls, 1);
	zok_future_complete(&b.future, 17);
	assert_true(zok_future_poll(&then.future, &waker));
	assert_int_equal(then.future.result, 17);
	assert_int_equal(calls, 2);
}

static void test_a_cancelled_then_does_not_start_the_next(void **state)
{
	struct zok_then then;
	int calls = 0;

	a.is_slow = true;
	zok_then_prepare(&then, &a.future, b_after_success, &calls);
	assert_false(zok_future_poll(&then.future, &waker));
	zok_future_cancel(&then.future);
	zok_future_complete(&a.future, 1);
	assert_true(zok_future_poll(&then.future, &waker));
	assert_int_equal(b.polls, 0);
	assert_int_equal(then.future.result, -ECANCELED);
}

/* ---- Timeouts need a core's wheel ---- */

static int timeouts(void *arg)
{
	struct zok_timeout timeout;

	/* Time is up first. */
	hand_prepare(&a, false);
	zok_timeout_prepare(&timeout, &a.future, 100 * ZOK_US);
	assert_int_equal(zok_await(&timeout.future), -ETIMEDOUT);
	assert_int_equal(a.future.result, -ECANCELED);
	/* Ready at the first poll: the timer never starts. */
	hand_prepare(&a, false);
	zok_future_complete(&a.future, 8);
	zok_timeout_prepare(&timeout, &a.future, 0);
	assert_int_equal(zok_await(&timeout.future), 8);
	assert_int_equal(zok__wheel_next_ns(&zok__core()->wheel), ZOK_NEVER);
	/* Cancelled as a whole. */
	hand_prepare(&a, false);
	zok_timeout_prepare(&timeout, &a.future, ZOK_S);
	assert_false(zok_future_poll(&timeout.future, &waker));
	zok_future_cancel(&timeout.future);
	assert_true(zok_future_poll(&timeout.future, &waker));
	assert_int_equal(timeout.future.result, -ECANCELED);
	assert_int_equal(zok__wheel_next_ns(&zok__core()->wheel), ZOK_NEVER);
	return 0;
}

static void test_timeout(void **state)
{
	assert_int_equal(fake_run(timeouts, NULL), 0);
}

static int finishes_slow(void *arg)
{
	while (a.cancels == 0)
		zok_sleep(10 * ZOK_US);
	zok_future_complete(&a.future, 33);
	return 0;
}

/* The part's real result came in spite of the cancel: it stands. */
static int late_result(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_timeout timeout;

	hand_prepare(&a, true);
	zok_spawn(scope, finishes_slow, NULL, NULL);
	zok_timeout_prepare(&timeout, &a.future, 50 * ZOK_US);
	assert_int_equal(zok_await(&timeout.future), 33);
	return zok_scope_close(scope, 0);
}

static void test_a_result_that_beats_the_cancel_stands(void **state)
{
	assert_int_equal(fake_run(late_result, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_join_waits_for_all_and_gives_the_first_error_by_index, prepare_hands),
		cmocka_unit_test_setup(test_join_of_nothing_is_ready, prepare_hands),
		cmocka_unit_test_setup(test_join_cancels_every_part_and_awaits_each, prepare_hands),
		cmocka_unit_test_setup(test_a_join_of_many_polls_each_part_once_whoever_wakes_it, prepare_many),
		cmocka_unit_test_setup(test_a_join_of_many_wakes_once_for_all_that_woke, prepare_many),
		cmocka_unit_test_setup(test_a_join_of_many_cancels_every_part_and_awaits_each, prepare_many),
		cmocka_unit_test_setup(test_a_join_of_many_sees_what_wakes_while_it_polls, prepare_many),
		cmocka_unit_test(test_a_join_of_many_of_nothing_is_ready),
		cmocka_unit_test_setup(test_a_prepared_whole_is_cancelled_without_starting_its_parts, prepare_hands),
		cmocka_unit_test_setup(test_race_cancels_the_losers_and_awaits_them, prepare_hands),
		cmocka_unit_test_setup(test_a_part_ready_at_the_first_poll_wins_and_later_ones_never_start, prepare_hands),
		cmocka_unit_test_setup(test_the_first_to_be_ready_wins_though_another_follows_before_the_poll, prepare_hands),
		cmocka_unit_test_setup(test_a_cancel_of_the_race_does_not_beat_a_part_that_was_ready, prepare_hands),
		cmocka_unit_test_setup(test_a_cancelled_race_is_cancelled, prepare_hands),
		cmocka_unit_test_setup(test_a_race_of_nothing_is_refused, prepare_hands),
		cmocka_unit_test_setup(test_a_race_of_joins_nests, prepare_hands),
		cmocka_unit_test_setup(test_map_sees_the_result_once, prepare_hands),
		cmocka_unit_test_setup(test_map_passes_a_cancel_on, prepare_hands),
		cmocka_unit_test_setup(test_then_goes_on_to_the_next_and_ends_with_its_result, prepare_hands),
		cmocka_unit_test_setup(test_a_cancelled_then_does_not_start_the_next, prepare_hands),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_a_result_that_beats_the_cancel_stands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
