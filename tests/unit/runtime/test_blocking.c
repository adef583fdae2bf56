/* The blocking pool: results come home, it grows with its queue and shrinks when idle, a queued job can be cancelled and a begun one not. */
#include "runtime/runtime.h"
#include "zokio/timer.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include <cmocka.h>

enum { THREADS = 3 };

static const struct zok_options options = {.engine = "epoll", .blocking_threads_max = THREADS};

/* Where jobs wait for the test. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open;
static int begun; /* atomic: the core looks at it */

static ssize_t waits_for_the_door(void *arg)
{
	__atomic_fetch_add(&begun, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&lock);
	while (!is_open)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	return (ssize_t)(intptr_t)arg;
}

static void set_door(bool opens)
{
	pthread_mutex_lock(&lock);
	is_open = opens;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static int begun_count(void)
{
	return __atomic_load_n(&begun, __ATOMIC_RELAXED);
}

static int blocks(void *arg)
{
	return (int)zok_blocking(waits_for_the_door, arg);
}

static void begin(void)
{
	set_door(false);
	__atomic_store_n(&begun, 0, __ATOMIC_RELAXED);
}

static int returns_home(void *arg)
{
	set_door(true);
	assert_int_equal(zok_blocking(waits_for_the_door, (void *)77), 77);
	assert_int_equal(zok_blocking(waits_for_the_door, (void *)-5), -5);
	return 0;
}

static void test_a_result_comes_home(void **state)
{
	begin();
	assert_int_equal(zok_run(&options, returns_home, NULL), 0);
	assert_int_equal(zok__blocking_thread_count(), 0);
}

/* Where a job runs, and as whom. */
struct place {
	cpu_set_t affinity;
	char name[16];
};

static ssize_t tells_its_place(void *arg)
{
	struct place *place = arg;

	prctl(PR_GET_NAME, place->name);
	return sched_getaffinity(0, sizeof place->affinity, &place->affinity);
}

/* Not where the core is pinned: it would take turns with what it is to spare. */
static int asks_for_its_place(void *arg)
{
	struct place place;
	struct zok_core_stats before, after;

	assert_int_equal(zok_stats(0, &before), 0);
	assert_int_equal(zok_blocking(tells_its_place, &place), 0);
	assert_int_equal(zok_stats(0, &after), 0);
	assert_true(CPU_EQUAL(&place.affinity, &zok__runtime()->affinity));
	assert_string_equal(place.name, "zok-blocking");
	assert_int_equal(after.wakes_remote, before.wakes_remote + 1);
	return 0;
}

static void test_its_threads_run_on_all_processors_under_a_name(void **state)
{
	begin();
	assert_int_equal(zok_run(&options, asks_for_its_place, NULL), 0);
}

/* Twice as many jobs as threads: the first half begins, the other half is queued. */
static struct zok_scope *fill(void)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	for (int i = 0; i < 2 * THREADS; i++)
		assert_int_equal(zok_spawn(scope, blocks, (void *)(intptr_t)(i + 1), NULL), 0);
	while (begun_count() < THREADS)
		zok_sleep(10 * ZOK_US);
	return scope;
}

static int grows(void *arg)
{
	struct zok_scope *scope = fill();

	assert_int_equal(zok__blocking_thread_count(), THREADS);
	assert_int_equal(begun_count(), THREADS);
	set_door(true);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(begun_count(), 2 * THREADS);
	return 0;
}

static void test_it_grows_to_its_maximum_and_queues_the_rest(void **state)
{
	begin();
	assert_int_equal(zok_run(&options, grows, NULL), 0);
}

/* Those that began end with their result, after the door has opened; the others never begin. */
static int is_cancelled(void *arg)
{
	struct zok_scope *scope = fill();

	zok_scope_cancel(scope);
	while (zok_scope_task_count(scope) > THREADS)
		zok_yield(); /* under a cancelled scope a sleep ends at once */
	assert_int_equal(zok_scope_task_count(scope), THREADS);
	set_door(true);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(begun_count(), THREADS);
	return 0;
}

static void test_a_queued_job_is_cancelled_and_a_begun_one_is_awaited(void **state)
{
	begin();
	assert_int_equal(zok_run(&options, is_cancelled, NULL), 0);
}

/* The pool by itself, with a short patience. */
static int leaves_threads_idle(void *arg)
{
	struct zok_runtime *runtime = zok__runtime();

	zok__blocking_start(THREADS, ZOK_MS, &runtime->affinity);
	set_door(true);
	assert_int_equal(zok_blocking(waits_for_the_door, NULL), 0);
	while (zok__blocking_thread_count() > 0)
		zok_sleep(100 * ZOK_US);
	assert_int_equal(zok_blocking(waits_for_the_door, (void *)9), 9);
	return 0;
}

static void test_it_shrinks_when_idle(void **state)
{
	begin();
	assert_int_equal(zok_run(&options, leaves_threads_idle, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_result_comes_home),
		cmocka_unit_test(test_its_threads_run_on_all_processors_under_a_name),
		cmocka_unit_test(test_it_grows_to_its_maximum_and_queues_the_rest),
		cmocka_unit_test(test_a_queued_job_is_cancelled_and_a_begun_one_is_awaited),
		cmocka_unit_test(test_it_shrinks_when_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
