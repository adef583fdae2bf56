/* Events, semaphores, mutexes, wait groups and oneshots: in order, without barging, and a cancelled wait has taken nothing. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/sync.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int wakes;

static void count_wake(struct zok_waker *waker)
{
	wakes++;
}

static struct zok_waker waker = {.wake = count_wake};

static bool is_ready(struct zok_wait *wait)
{
	return zok_future_poll(&wait->future, &waker);
}

static void test_an_event_lets_all_pass_until_it_is_reset(void **state)
{
	struct zok_wait a, b, c;
	struct zok_event event;

	zok_event_init(&event, false);
	zok_event_wait_prepare(&a, &event);
	zok_event_wait_prepare(&b, &event);
	zok_event_wait_prepare(&c, &event);
	assert_false(is_ready(&a));
	assert_false(is_ready(&b));
	zok_future_cancel(&b.future);
	assert_int_equal(b.future.result, -ECANCELED);
	zok_event_set(&event);
	zok_event_reset(&event);
	assert_true(is_ready(&a)); /* served while it was set */
	assert_int_equal(a.future.result, 0);
	assert_false(is_ready(&c));
	assert_false(zok_event_is_set(&event));
	zok_event_set(&event);
	assert_true(is_ready(&c));
	zok_event_finish(&event);
}

static void test_permits_are_served_in_order_without_barging(void **state)
{
	struct zok_semaphore semaphore;
	struct zok_wait large, small;

	zok_semaphore_init(&semaphore, 1);
	zok_semaphore_acquire_prepare(&large, &semaphore, 3);
	zok_semaphore_acquire_prepare(&small, &semaphore, 1);
	assert_false(is_ready(&large));
	assert_false(is_ready(&small)); /* one is there, but the other came first */
	assert_false(zok_semaphore_try_acquire(&semaphore, 1));
	zok_semaphore_release(&semaphore, 2);
	assert_true(is_ready(&large));
	assert_false(is_ready(&small));
	assert_int_equal(zok_semaphore_available(&semaphore), 0);
	zok_semaphore_release(&semaphore, 3);
	assert_true(is_ready(&small));
	assert_int_equal(zok_semaphore_available(&semaphore), 2);
	zok_semaphore_finish(&semaphore);
}

static void test_a_cancelled_large_request_lets_smaller_ones_pass(void **state)
{
	struct zok_semaphore semaphore;
	struct zok_wait large, small;

	zok_semaphore_init(&semaphore, 1);
	zok_semaphore_acquire_prepare(&large, &semaphore, 3);
	zok_semaphore_acquire_prepare(&small, &semaphore, 1);
	assert_false(is_ready(&large));
	assert_false(is_ready(&small));
	zok_future_cancel(&large.future);
	assert_true(is_ready(&small));
	assert_int_equal(small.future.result, 0);
	assert_int_equal(zok_semaphore_available(&semaphore), 0);
	zok_semaphore_finish(&semaphore);
}

static void test_a_permit_that_came_before_the_cancel_is_kept(void **state)
{
	struct zok_semaphore semaphore;
	struct zok_wait wait;

	zok_semaphore_init(&semaphore, 0);
	zok_semaphore_acquire_prepare(&wait, &semaphore, 1);
	assert_false(is_ready(&wait));
	zok_semaphore_release(&semaphore, 1);
	zok_future_cancel(&wait.future);
	assert_int_equal(wait.future.result, 0);
	assert_int_equal(zok_semaphore_available(&semaphore), 0);
	zok_semaphore_finish(&semaphore);
}

static void test_a_mutex_is_handed_over(void **state)
{
	struct zok_wait first, second;
	struct zok_mutex mutex;

	zok_mutex_init(&mutex);
	assert_true(zok_mutex_try_lock(&mutex));
	zok_mutex_lock_prepare(&first, &mutex);
	zok_mutex_lock_prepare(&second, &mutex);
	assert_false(is_ready(&first));
	assert_false(is_ready(&second));
	zok_mutex_unlock(&mutex);
	assert_false(zok_mutex_try_lock(&mutex));
	assert_true(is_ready(&first));
	assert_false(is_ready(&second));
	zok_mutex_unlock(&mutex);
	assert_true(is_ready(&second));
	zok_mutex_unlock(&mutex);
	zok_mutex_finish(&mutex);
}

static void test_a_wait_group_waits_for_the_last(void **state)
{
	struct zok_wait_group group;
	struct zok_wait early, wait;

	zok_wait_group_init(&group);
	zok_wait_group_wait_prepare(&early, &group);
	assert_true(is_ready(&early));
	zok_wait_group_add(&group, 2);
	zok_wait_group_wait_prepare(&wait, &group);
	assert_false(is_ready(&wait));
	zok_wait_group_done(&group);
	assert_false(is_ready(&wait));
	wakes = 0;
	zok_wait_group_done(&group);
	assert_int_equal(wakes, 1);
	assert_true(is_ready(&wait));
	zok_wait_group_finish(&group);
}

static void test_a_oneshot_gives_its_value_to_every_receive(void **state)
{
	struct zok_oneshot oneshot;
	struct zok_wait early, late;
	int value;

	zok_oneshot_init(&oneshot);
	zok_oneshot_receive_prepare(&early, &oneshot);
	assert_false(is_ready(&early));
	assert_int_equal(zok_oneshot_send(&oneshot, &value), 0);
	assert_int_equal(zok_oneshot_send(&oneshot, &value), -EALREADY);
	zok_oneshot_close(&oneshot);
	zok_oneshot_receive_prepare(&late, &oneshot);
	assert_true(is_ready(&early) && is_ready(&late));
	assert_int_equal(early.future.result, 0);
	assert_int_equal(late.future.result, 0);
	assert_ptr_equal(zok_oneshot_value(&oneshot), &value);
	zok_oneshot_finish(&oneshot);
}

static void test_a_closed_oneshot_ends_waits(void **state)
{
	struct zok_oneshot oneshot;
	struct zok_wait wait;

	zok_oneshot_init(&oneshot);
	zok_oneshot_receive_prepare(&wait, &oneshot);
	assert_false(is_ready(&wait));
	zok_oneshot_close(&oneshot);
	assert_true(is_ready(&wait));
	assert_int_equal(wait.future.result, -EPIPE);
	assert_int_equal(zok_oneshot_send(&oneshot, NULL), -EPIPE);
	zok_oneshot_finish(&oneshot);
}

/* ---- With fibers ---- */

static struct zok_mutex lock;
static int inside, passes;

static int locks(void *arg)
{
	for (int i = 0; i < 10; i++) {
		int rc = zok_mutex_lock(&lock);

		if (rc < 0)
			return rc;
		assert_int_equal(++inside, 1);
		zok_yield();
		inside--;
		passes++;
		zok_mutex_unlock(&lock);
	}
	return 0;
}

static int excludes(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_mutex_init(&lock);
	passes = 0;
	for (int i = 0; i < 20; i++)
		zok_spawn(scope, locks, NULL, NULL);
	if (arg)
		for (int i = 0; i < 7; i++)
			zok_yield();
	assert_int_equal(zok_scope_close(scope, arg ? -EINTR : 0), arg ? -EINTR : 0);
	assert_true(arg ? passes < 200 : passes == 200);
	zok_mutex_finish(&lock); /* asserts that it is free */
	return 0;
}

static void test_a_mutex_excludes_and_survives_a_cancel(void **state)
{
	assert_int_equal(fake_run(excludes, NULL), 0);
	assert_int_equal(fake_run(excludes, &lock), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_event_lets_all_pass_until_it_is_reset),
		cmocka_unit_test(test_permits_are_served_in_order_without_barging),
		cmocka_unit_test(test_a_cancelled_large_request_lets_smaller_ones_pass),
		cmocka_unit_test(test_a_permit_that_came_before_the_cancel_is_kept),
		cmocka_unit_test(test_a_mutex_is_handed_over),
		cmocka_unit_test(test_a_wait_group_waits_for_the_last),
		cmocka_unit_test(test_a_oneshot_gives_its_value_to_every_receive),
		cmocka_unit_test(test_a_closed_oneshot_ends_waits),
		cmocka_unit_test(test_a_mutex_excludes_and_survives_a_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
