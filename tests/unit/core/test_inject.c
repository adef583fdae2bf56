/* Work from plain threads: it is run once, wakes a core that sleeps, is refused when there is no room or no runtime, and is not lost. */
#include "core/inject.h"
#include "tests/unit/core/fake_engine.h"
#include "zokio/zokio.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 3, EACH = 3000, CAPACITY = 1024 };

static const struct zok_options all_cores = {.cores = "all", .engine = "epoll"}, one_core = {.engine = "epoll"};

static unsigned run_count;

static int count(void *arg)
{
	__atomic_fetch_add(&run_count, 1, __ATOMIC_RELAXED);
	return 0;
}

static unsigned counted(void)
{
	return __atomic_load_n(&run_count, __ATOMIC_RELAXED);
}

static uint64_t injected_everywhere(void)
{
	struct zok_core_stats stats;
	uint64_t sum = 0;

	for (unsigned i = 0; zok_stats(i, &stats) == 0; i++)
		sum += stats.tasks_injected;
	return sum;
}

/* ---- From many threads ---- */

static void *inject_many(void *arg)
{
	static const struct zok_spawn_options bulk = {.task_class = ZOK_CLASS_BULK, .name = "injected"};
	uintptr_t failed = 0;

	for (int i = 0; i < EACH; i++) {
		int rc;

		while ((rc = zok_inject(count, NULL, i % 2 ? &bulk : NULL)) == -ENOBUFS)
			sched_yield();
		failed += rc != 0;
	}
	return (void *)failed;
}

static int waits_for_all(void *arg)
{
	pthread_t threads[THREADS];
	void *failed;

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, inject_many, NULL), 0);
	while (counted() < THREADS * EACH)
		zok_sleep(100 * ZOK_US);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(injected_everywhere(), THREADS * EACH);
	return 0;
}

static void test_what_many_threads_inject_runs_once(void **state)
{
	run_count = 0;
	assert_int_equal(zok_run(&all_cores, waits_for_all, NULL), 0);
	assert_int_equal(counted(), THREADS * EACH);
}

/* ---- A core that sleeps ---- */

static struct zok_event *awaited;

static int sets_event(void *arg)
{
	zok_event_set(awaited);
	return 0;
}

static void *inject_one(void *arg)
{
	return (void *)(intptr_t)zok_inject(sets_event, NULL, NULL);
}

/* Nothing else would wake it: no timer, no other core. */
static int sleeps_until_woken(void *arg)
{
	struct zok_event event;
	pthread_t thread;
	void *rc;

	for (int i = 0; i < 200; i++) {
		zok_event_init(&event, false);
		awaited = &event;
		assert_int_equal(pthread_create(&thread, NULL, inject_one, NULL), 0);
		assert_int_equal(zok_event_wait(&event), 0);
		pthread_join(thread, &rc);
		assert_null(rc);
		zok_event_finish(&event);
	}
	return 0;
}

static void test_a_core_that_sleeps_is_woken(void **state)
{
	assert_int_equal(zok_run(&one_core, sleeps_until_woken, NULL), 0);
}

/* ---- Who is woken ---- */

/* A core without a thread, whose engine counts. */
struct sleeper {
	struct zok__engine engine; /* first */
	unsigned woken;
	struct zok_core *core;
};

static void count_wake(struct zok__engine *engine)
{
	((struct sleeper *)(void *)engine)->woken++;
}

static const struct zok__engine_ops counting = {.name = "counting", .wake = count_wake};

static void sleeper_init(struct sleeper *sleeper, bool is_parked)
{
	*sleeper = (struct sleeper){.engine.ops = &counting, .core = aligned_alloc(_Alignof(struct zok_core), sizeof(struct zok_core))};
	assert_non_null(sleeper->core);
	memset(sleeper->core, 0, sizeof *sleeper->core);
	sleeper->core->engine = &sleeper->engine;
	sleeper->core->mail.is_parked = is_parked;
}

static struct zok__inject *make_queue(void)
{
	struct zok__inject *inject = aligned_alloc(_Alignof(struct zok__inject), sizeof *inject);

	assert_non_null(inject);
	*inject = (struct zok__inject){0};
	zok__injected_queue_init(&inject->queue);
	zok__inject_open(inject);
	return inject;
}

static const struct zok__injected counts = {.fn = count};

static void test_the_first_that_sleeps_is_woken_and_nobody_else(void **state)
{
	struct zok__inject *inject = make_queue();
	struct sleeper sleepers[3];
	struct zok_core *cores[3];

	for (int i = 0; i < 3; i++) {
		sleeper_init(&sleepers[i], i > 0);
		cores[i] = sleepers[i].core;
	}
	assert_int_equal(zok__inject(inject, cores, 3, &counts), 0);
	assert_int_equal(sleepers[0].woken, 0);
	assert_int_equal(sleepers[1].woken, 1);
	assert_int_equal(sleepers[2].woken, 0);
	cores[1]->mail.is_parked = cores[2]->mail.is_parked = false;
	assert_int_equal(zok__inject(inject, cores, 3, &counts), 0);
	assert_int_equal(sleepers[0].woken + sleepers[1].woken + sleepers[2].woken, 1);
	for (int i = 0; i < 3; i++)
		free(cores[i]);
	free(inject);
}

/* On a core that has eleven to take, and seems to sleep itself: it takes eight, and wakes the other one for what it leaves. */
static int takes_some(void *arg)
{
	struct sleeper *other = arg;
	struct zok_core *core = zok__core(), *peers[] = {core, other->core};
	struct zok__inject *inject = core->options.inject;
	struct zok__core_options options = core->options;

	assert_false(zok__inject_take(core));
	core->options.peers = peers;
	core->options.core_count = 2;
	core->mail.is_parked = true;
	for (int i = 0; i < 11; i++)
		assert_true(zok__injected_queue_push(&inject->queue, &counts));
	assert_true(zok__inject_take(core));
	assert_int_equal(core->counters->stats.tasks_injected, 8);
	assert_int_equal(other->woken, 1);
	assert_true(zok__inject_take(core));
	assert_int_equal(core->counters->stats.tasks_injected, 11);
	assert_int_equal(other->woken, 1); /* nothing is left */
	assert_false(zok__inject_take(core));
	core->mail.is_parked = false;
	core->options = options;
	return 0;
}

static void test_what_a_core_leaves_is_the_next_ones(void **state)
{
	struct zok__inject *inject = make_queue();
	struct sleeper other;

	run_count = 0;
	sleeper_init(&other, true);
	assert_int_equal(fake_run_with(&(struct zok__core_options){.inject = inject}, takes_some, &other), 0);
	assert_int_equal(counted(), 11);
	free(other.core);
	free(inject);
}

static int close_is_over;

static void *closes(void *arg)
{
	zok__inject_close(arg);
	__atomic_store_n(&close_is_over, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void test_the_close_waits_for_who_is_about_to_push(void **state)
{
	struct zok__inject *inject = make_queue();
	pthread_t thread;

	__atomic_fetch_add(&inject->injecting_count, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(pthread_create(&thread, NULL, closes, inject), 0);
	while (__atomic_load_n(&inject->is_open, __ATOMIC_ACQUIRE))
		sched_yield();
	for (int i = 0; i < 1000; i++) {
		sched_yield();
		assert_int_equal(__atomic_load_n(&close_is_over, __ATOMIC_ACQUIRE), 0);
	}
	__atomic_fetch_sub(&inject->injecting_count, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_int_equal(zok__inject(inject, NULL, 0, &counts), -ESHUTDOWN);
	free(inject);
}

/* ---- Refusals ---- */

static int fills(void *arg)
{
	for (int i = 0; i < CAPACITY; i++)
		assert_int_equal(zok_inject(count, NULL, NULL), 0);
	assert_int_equal(zok_inject(count, NULL, NULL), -ENOBUFS);
	zok_yield();
	while (counted() < CAPACITY)
		zok_sleep(10 * ZOK_US);
	assert_int_equal(zok_inject(count, NULL, NULL), 0);
	return 0;
}

static void test_a_full_queue_refuses_and_the_rest_runs(void **state)
{
	run_count = 0;
	assert_int_equal(zok_run(&one_core, fills, NULL), 0);
	/* Also the last one, of which main did not wait for the end. */
	assert_int_equal(counted(), CAPACITY + 1);
}

static int wrong_options(void *arg)
{
	assert_int_equal(zok_inject(count, NULL, &(struct zok_spawn_options){.task_class = (enum zok_class)9}), -EINVAL);
	assert_int_equal(zok_inject(count, NULL, &(struct zok_spawn_options){.stack_size = (size_t)1 << 40}), -EINVAL);
	return 0;
}

static void test_wrong_options_are_refused(void **state)
{
	run_count = 0;
	assert_int_equal(zok_inject(count, NULL, NULL), -EINVAL);
	assert_int_equal(zok_run(&one_core, wrong_options, NULL), 0);
	assert_int_equal(counted(), 0);
}

static int injects_late(void *arg)
{
	int rc = zok_sleep(1000 * ZOK_S);

	assert_int_equal(rc, -ECANCELED);
	assert_int_equal(zok_inject(count, NULL, NULL), -ESHUTDOWN);
	return 0;
}

static int returns_early(void *arg)
{
	for (int i = 0; i < 500; i++)
		assert_int_equal(zok_inject(count, NULL, NULL), 0);
	return zok_spawn(zok_root_scope(), injects_late, NULL, NULL);
}

static void test_the_end_runs_what_came_and_lets_in_no_more(void **state)
{
	run_count = 0;
	assert_int_equal(zok_run(&one_core, returns_early, NULL), 0);
	assert_int_equal(counted(), 500);
}

/* ---- No memory ---- */

static bool is_memory_short;

static void *short_allocate(void *arg, size_t size, size_t alignment)
{
	return is_memory_short ? NULL : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void short_release(void *arg, void *memory, size_t size)
{
	free(memory);
}

static int counts_and_waits(void *arg)
{
	count(NULL);
	return zok_event_wait(arg);
}

/* More fibers at a time than a slab has, while there is no memory for a second one. */
static int runs_short(void *arg)
{
	struct zok_event event;
	unsigned seen;

	zok_event_init(&event, false);
	is_memory_short = true;
	for (int i = 0; i < CAPACITY; i++)
		assert_int_equal(zok_inject(counts_and_waits, &event, NULL), 0);
	do {
		seen = counted();
		zok_sleep(ZOK_MS);
	} while (seen == 0 || counted() > seen);
	assert_in_range(seen, 1, CAPACITY - 1);
	is_memory_short = false;
	while (counted() < CAPACITY)
		zok_sleep(ZOK_MS);
	assert_int_equal(injected_everywhere(), CAPACITY); /* not what was tried */
	zok_event_set(&event);
	return 0;
}

static void test_what_there_is_no_memory_for_waits(void **state)
{
	static const struct zok_allocator allocator = {.allocate = short_allocate, .release = short_release};
	struct zok_options options = one_core;

	options.allocator = &allocator;
	run_count = 0;
	assert_int_equal(zok_run(&options, runs_short, NULL), 0);
	assert_int_equal(counted(), CAPACITY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_many_threads_inject_runs_once),
		cmocka_unit_test(test_a_core_that_sleeps_is_woken),
		cmocka_unit_test(test_the_first_that_sleeps_is_woken_and_nobody_else),
		cmocka_unit_test(test_what_a_core_leaves_is_the_next_ones),
		cmocka_unit_test(test_the_close_waits_for_who_is_about_to_push),
		cmocka_unit_test(test_a_full_queue_refuses_and_the_rest_runs),
		cmocka_unit_test(test_wrong_options_are_refused),
		cmocka_unit_test(test_the_end_runs_what_came_and_lets_in_no_more),
		cmocka_unit_test(test_what_there_is_no_memory_for_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
