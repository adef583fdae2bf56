/* Tasks away from home: cancels and deadlines reach them, what they spawn and cancel reaches home, what is home's is refused them. */
#include "core/away.h"
#include "tests/unit/core/steal_support.h"
#include "zokio/async.h"
#include "zokio/net.h"
#include "zokio/sync.h"

#include <sys/socket.h>
#include <unistd.h>

/* ---- Cancel and deadline ---- */

/* Until somebody has taken it: then it waits there for a cancel. */
static int waits_elsewhere(void *arg)
{
	int *where = arg;

	for (unsigned i = 0; zok_core_index() == 0 && i < 200000; i++)
		zok_yield();
	__atomic_store_n(where, zok_core_index(), __ATOMIC_RELEASE);
	return zok_sleep(1000 * ZOK_S);
}

static void wait_until_set(const int *where, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		while (__atomic_load_n(&where[i], __ATOMIC_ACQUIRE) < 0)
			zok_sleep(10 * ZOK_US);
}

enum { WAITERS = 20 };

static unsigned spawn_waiters(struct zok_scope *scope, int (*fn)(void *arg), int *where)
{
	unsigned away = 0;

	for (unsigned i = 0; i < WAITERS; i++) {
		where[i] = -1;
		assert_int_equal(zok_spawn(scope, fn, &where[i], &bulk), 0);
	}
	wait_until_set(where, WAITERS);
	for (unsigned i = 0; i < WAITERS; i++)
		away += where[i] != 0;
	return away;
}

static int cancels(void *arg)
{
	int where[WAITERS];
	unsigned away = 0;

	for (unsigned tries = 0; away < 20 && tries < 500; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		away += spawn_waiters(scope, waits_elsewhere, where);
		zok_scope_cancel(scope);
		assert_int_equal(zok_scope_close(scope, 0), 0);
	}
	assert_in_range(away, 20, UINT32_MAX);
	return 0;
}

static void test_a_cancel_reaches_those_who_are_away(void **state)
{
	run(cancels);
}

static int deadlines(void *arg)
{
	int where[WAITERS];
	unsigned away = 0;

	for (unsigned tries = 0; away < 10 && tries < 500; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL), *timed;

		timed = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 100 * ZOK_MS});
		for (unsigned i = 0; i < WAITERS; i++) {
			where[i] = -1;
			assert_int_equal(zok_spawn(timed, waits_elsewhere, &where[i], &bulk), 0);
		}
		assert_int_equal(zok_scope_close(timed, 0), -ETIMEDOUT);
		for (unsigned i = 0; i < WAITERS; i++)
			away += where[i] > 0;
		assert_int_equal(zok_scope_close(scope, 0), 0);
	}
	assert_in_range(away, 10, UINT32_MAX);
	return 0;
}

static void test_a_deadline_reaches_those_who_are_away(void **state)
{
	run(deadlines);
}

/* Away with a scope of its own, whose child waits there as well; the cancel ends both. */
static int waits_in_own_scope(void *arg)
{
	struct zok_scope *own;
	int *where = arg, rc;

	for (unsigned i = 0; zok_core_index() == 0 && i < 200000; i++)
		zok_yield();
	own = zok_scope_open(&(struct zok_scope_options){.name = "own"});
	if (!own)
		return -ENOMEM;
	rc = zok_spawn(own, waits_elsewhere, where, &bulk_stays);
	return zok_scope_close(own, rc);
}

static int cancels_own_scopes(void *arg)
{
	int where[WAITERS];
	unsigned away = 0;

	for (unsigned tries = 0; away < 20 && tries < 500; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		away += spawn_waiters(scope, waits_in_own_scope, where);
		zok_scope_cancel(scope);
		assert_int_equal(zok_scope_close(scope, 0), 0);
	}
	assert_in_range(away, 20, UINT32_MAX);
	return 0;
}

static void test_a_cancel_reaches_the_scopes_of_those_who_are_away(void **state)
{
	run(cancels_own_scopes);
}

/* A shield holds also there: the sleep under it is not cut. */
static int waits_shielded(void *arg)
{
	struct zok_scope *own;
	int *where = arg, rc;

	for (unsigned i = 0; zok_core_index() == 0 && i < 200000; i++)
		zok_yield();
	own = zok_scope_open(&(struct zok_scope_options){.is_shielded = true});
	if (!own)
		return -ENOMEM;
	__atomic_store_n(where, zok_core_index(), __ATOMIC_RELEASE);
	rc = zok_sleep(5 * ZOK_MS);
	rc = zok_scope_close(own, rc);
	return rc < 0 ? -EDOM : 0;
}

static int shields(void *arg)
{
	int where[WAITERS];
	unsigned away = 0;

	for (unsigned tries = 0; away < 20 && tries < 500; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		away += spawn_waiters(scope, waits_shielded, where);
		zok_scope_cancel(scope);
		assert_int_equal(zok_scope_close(scope, 0), 0);
	}
	assert_in_range(away, 20, UINT32_MAX);
	return 0;
}

static void test_a_shield_holds_away_from_home(void **state)
{
	run(shields);
}

/* The first to arrive elsewhere cancels all, through a scope that is not of its core. */
static int cancels_the_others(void *arg)
{
	struct zok_scope *home = zok_scope_current();
	int *where = arg;

	for (unsigned i = 0; zok_core_index() == 0 && i < 200000; i++)
		zok_yield();
	__atomic_store_n(where, zok_core_index(), __ATOMIC_RELEASE);
	zok_scope_cancel(home);
	return zok_sleep(1000 * ZOK_S);
}

static int first_wins(void *arg)
{
	int where[WAITERS];
	unsigned away = 0;

	for (unsigned tries = 0; away < 20 && tries < 500; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		for (unsigned i = 0; i < WAITERS; i++) {
			where[i] = 0;
			assert_int_equal(zok_spawn(scope, i == 0 ? cancels_the_others : waits_elsewhere, &where[i], &bulk), 0);
		}
		assert_int_equal(zok_scope_close(scope, 0), 0);
		away += where[0] > 0;
	}
	assert_in_range(away, 1, UINT32_MAX);
	return 0;
}

static void test_a_task_that_is_away_cancels_its_own_scope(void **state)
{
	run(first_wins);
}

/* Cancels at odd moments, among tasks that move, wait and end. */
static int moves_until_cancelled(void *arg)
{
	unsigned *ended = arg;
	int rc = 0;

	while (rc == 0) {
		zok_yield();
		rc = zok_sleep(ZOK_US);
	}
	__atomic_fetch_add(ended, 1, __ATOMIC_RELAXED);
	return rc;
}

static int cancels_at_random(void *arg)
{
	unsigned ended = 0, random = 1;

	for (unsigned round = 0; round < 60; round++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		spawn_some(scope, moves_until_cancelled, &ended, &bulk, 30);
		random = random * 1664525 + 1013904223;
		zok_sleep((random >> 16) % 300 * ZOK_US);
		zok_scope_cancel(scope);
		assert_int_equal(zok_scope_close(scope, 0), 0);
		assert_int_equal(ended, 30 * (round + 1));
	}
	return 0;
}

static void test_cancels_at_random_moments_end_everybody(void **state)
{
	run(cancels_at_random);
}

/* ---- Stackless tasks ---- */

struct stackless {
	struct zok_task task;
	struct zok_timer pause;
	struct zok_future nudge;
	bool is_nudged; /* it awaits `nudge`, else a sleep */
	bool is_told;	/* atomic: of the first core, whose cancel has sent what it sends */
	int where;	/* atomic */
	unsigned yields;
	int result;
};

/* The first core's message to the one that we are on has come, if it was sent. */
static bool has_poke_come(const struct zok_future *nudge)
{
	const struct stackless *self = ZOK_CONTAINER_OF(nudge, struct stackless, nudge);
	const struct zok_core *home = self->task.parent->core;

	return __atomic_load_n(&self->is_told, __ATOMIC_ACQUIRE) &&
	       !__atomic_load_n(&home->steal->pokes[zok_core_index()].is_out, __ATOMIC_ACQUIRE);
}

/* Wakes its task each time that it is looked at, so that it is never suspended, until the cancel should have reached it. */
static bool nudge_poll(struct zok_future *nudge)
{
	nudge->state = ZOK_FUTURE_PENDING;
	if (!has_poke_come(nudge)) {
		nudge->waker->wake(nudge->waker);
		return false;
	}
	nudge->waker = NULL;
	zok_future_complete(nudge, -EDOM);
	return true;
}

static void nudge_cancel(struct zok_future *nudge)
{
	zok_future_complete(nudge, -ECANCELED);
}

static int stackless_waits_elsewhere(struct zok_task *task)
{
	static const struct zok_future_ops nudge_ops = {.poll = nudge_poll, .cancel = nudge_cancel, .name = "a nudge"};
	struct stackless *self = ZOK_CONTAINER_OF(task, struct stackless, task);
	ssize_t rc = 0;

	ZOK_BEGIN(&task->async);
	while (zok_core_index() == 0 && self->yields++ < 200000)
		ZOK_YIELD();
	__atomic_store_n(&self->where, zok_core_index(), __ATOMIC_RELEASE);
	if (self->is_nudged && zok_core_index() != 0) {
		zok_future_prepare(&self->nudge, &nudge_ops);
		ZOK_AWAIT(rc, &self->nudge);
	} else {
		zok_timer_prepare(&self->pause, 1000 * ZOK_S);
		ZOK_AWAIT(rc, &self->pause.future);
	}
	self->result = (int)rc;
	ZOK_END((int)rc);
}

/* Returns how many of them were away. */
static unsigned cancel_stackless(bool is_nudged)
{
	static struct stackless tasks[WAITERS];
	struct zok_scope *scope = zok_scope_open(NULL);
	unsigned away = 0;

	for (unsigned i = 0; i < WAITERS; i++) {
		tasks[i] = (struct stackless){.is_nudged = is_nudged, .where = -1};
		assert_int_equal(zok_task_spawn(scope, &tasks[i].task, stackless_waits_elsewhere, &bulk), 0);
	}
	for (unsigned i = 0; i < WAITERS; i++)
		wait_until_set(&tasks[i].where, 1);
	zok_scope_cancel(scope);
	for (unsigned i = 0; i < WAITERS; i++)
		__atomic_store_n(&tasks[i].is_told, true, __ATOMIC_RELEASE);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	for (unsigned i = 0; i < WAITERS; i++) {
		assert_int_equal(tasks[i].result, -ECANCELED);
		away += tasks[i].where != 0;
	}
	return away;
}

static int cancels_stackless(void *is_nudged)
{
	unsigned away = 0;

	for (unsigned tries = 0; away < 20 && tries < 500; tries++)
		away += cancel_stackless(is_nudged != NULL);
	assert_in_range(away, 20, UINT32_MAX);
	return 0;
}

static void test_a_cancel_reaches_stackless_tasks_that_are_away(void **state)
{
	run(cancels_stackless);
}

/* One that was woken while it ran waits for its turn, with something that it awaits: nobody could know that from a suspension. */
static void test_a_cancel_reaches_stackless_tasks_that_were_woken_in_vain(void **state)
{
	int yes;

	assert_int_equal(zok_run(&cores_option, cancels_stackless, &yes), 0);
}

/* ---- Spawning from away ---- */

static unsigned leaves;

/* Into the scope of its parent, whichever core's that is. */
static int grow(void *arg)
{
	uintptr_t depth = (uintptr_t)arg;
	int rc = 0;

	if (depth == 0)
		__atomic_fetch_add(&leaves, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2 && depth > 0 && rc == 0; i++)
		rc = zok_spawn(NULL, grow, (void *)(depth - 1), &bulk);
	return rc;
}

static int grows(void *arg)
{
	for (unsigned tries = 1; tries < 20000; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		leaves = 0;
		assert_int_equal(zok_spawn(scope, grow, (void *)(uintptr_t)10, &bulk), 0);
		assert_int_equal(zok_scope_close(scope, 0), 0);
		assert_int_equal(leaves, 1024);
		if (stats_of(0).tasks_adopted > 1000)
			return 0;
	}
	return -ETIME;
}

static void test_a_task_that_is_away_spawns_into_its_parents_scope(void **state)
{
	run(grows);
}

/* From away into a third core's scope, and work on a named core: the proxy goes home, the fiber where it was sent. */
static int tells_core(void *arg)
{
	*(int *)arg = zok_core_index();
	return 0;
}

static int sends_from_elsewhere(void *arg)
{
	static int told[CORES_MAX];
	int *where = arg, rc = 0;

	for (unsigned i = 0; zok_core_index() == 0 && i < 200000; i++)
		zok_yield();
	*where = zok_core_index();
	for (unsigned i = 0; i < zok_core_count() && rc == 0; i++)
		rc = zok_spawn_on(i, NULL, tells_core, &told[i], NULL);
	for (unsigned i = 0; i < zok_core_count() && rc == 0; i++) {
		int there = -1;

		rc = zok_call_on(i, tells_core, &there);
		if (there != (int)i)
			rc = -EDOM;
	}
	return rc;
}

static int sends(void *arg)
{
	unsigned away = 0;

	for (unsigned tries = 0; away < 20 && tries < 500; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);
		int where = 0;

		assert_int_equal(zok_spawn(scope, sends_from_elsewhere, &where, &bulk), 0);
		burn(50 * ZOK_US);
		assert_int_equal(zok_scope_close(scope, 0), 0);
		away += where != 0;
	}
	assert_in_range(away, 20, UINT32_MAX);
	return 0;
}

static void test_work_for_a_named_core_is_sent_from_away(void **state)
{
	run(sends);
}

/* ---- What belongs to another core ---- */

static struct {
	struct zok_event event;
	struct zok_semaphore permits;
	struct zok_wait_group group;
	struct zok_oneshot oneshot;
	struct zok_channel channel;
	struct zok_socket *socket;
} of_home;

/* At home each would wait or fail otherwise; away none is touched. */
static int touch_from_away(void *arg)
{
	int *where = arg, item = 0;
	void *value;

	for (unsigned i = 0; zok_core_index() == 0 && i < 200000; i++)
		zok_yield();
	*where = zok_core_index();
	if (*where == 0)
		return 0;
	if (zok_event_wait(&of_home.event) != -EXDEV || zok_semaphore_acquire(&of_home.permits, 1) != -EXDEV)
		return -EDOM;
	if (zok_semaphore_try_acquire(&of_home.permits, 1) || zok_wait_group_wait(&of_home.group) != -EXDEV)
		return -EDOM;
	if (zok_oneshot_receive(&of_home.oneshot, &value) != -EXDEV || zok_oneshot_send(&of_home.oneshot, NULL) != -EXDEV)
		return -EDOM;
	if (zok_channel_send(&of_home.channel, &item) != -EXDEV || zok_channel_receive(&of_home.channel, &item) != -EXDEV)
		return -EDOM;
	if (zok_read(of_home.socket, &item, sizeof item) != -EXDEV || zok_write(of_home.socket, &item, sizeof item) != -EXDEV)
		return -EDOM;
	if (zok_shutdown(of_home.socket, ZOK_SHUTDOWN_BOTH) != -EXDEV || zok_close(of_home.socket) != -EXDEV)
		return -EDOM;
	return zok_channel_try_send(&of_home.channel, &item) == -EXDEV ? 0 : -EDOM;
}

static int touches(void *arg)
{
	unsigned away = 0;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(zok_socket_adopt(&of_home.socket, fds[0]), 0);
	zok_event_init(&of_home.event, true);
	zok_semaphore_init(&of_home.permits, 9);
	zok_wait_group_init(&of_home.group);
	zok_oneshot_init(&of_home.oneshot);
	assert_int_equal(zok_channel_init(&of_home.channel, NULL, 4, sizeof(int)), 0);
	for (unsigned tries = 0; away < 3 && tries < 500; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);
		int where = 0;

		assert_int_equal(zok_spawn(scope, touch_from_away, &where, &bulk), 0);
		burn(50 * ZOK_US);
		assert_int_equal(zok_scope_close(scope, 0), 0);
		away += where != 0;
	}
	assert_in_range(away, 3, UINT32_MAX);
	assert_int_equal(zok_semaphore_available(&of_home.permits), 9);
	assert_int_equal(zok_channel_count(&of_home.channel), 0);
	zok_channel_finish(&of_home.channel);
	assert_int_equal(zok_close(of_home.socket), 0);
	close(fds[1]);
	return 0;
}

static void test_what_belongs_to_home_is_refused_away(void **state)
{
	run(touches);
}

static int refused_there(void *arg)
{
	return zok_spawn(arg, tells_core, NULL, NULL);
}

/* A scope that is neither of this core nor above the task. */
static int refusals(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_call_on(1, refused_there, scope), -EINVAL);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	return 0;
}

static void test_a_strangers_scope_is_refused(void **state)
{
	run(refusals);
}

/* The runtime ends while work is away: the scope's core waits for it. */
static int ends_in_the_middle(void *arg)
{
	spawn_some(zok_root_scope(), moves_until_cancelled, arg, &bulk, 100);
	zok_sleep(ZOK_MS);
	return 0;
}

static void test_the_runtime_ends_with_work_away(void **state)
{
	for (int i = 0; i < 20; i++) {
		unsigned ended = 0;

		assert_int_equal(zok_run(&cores_option, ends_in_the_middle, &ended), 0);
		assert_int_equal(ended, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_cancel_reaches_those_who_are_away),
		cmocka_unit_test(test_a_deadline_reaches_those_who_are_away),
		cmocka_unit_test(test_a_cancel_reaches_the_scopes_of_those_who_are_away),
		cmocka_unit_test(test_a_shield_holds_away_from_home),
		cmocka_unit_test(test_a_task_that_is_away_cancels_its_own_scope),
		cmocka_unit_test(test_cancels_at_random_moments_end_everybody),
		cmocka_unit_test(test_a_cancel_reaches_stackless_tasks_that_are_away),
		cmocka_unit_test(test_a_cancel_reaches_stackless_tasks_that_were_woken_in_vain),
		cmocka_unit_test(test_a_task_that_is_away_spawns_into_its_parents_scope),
		cmocka_unit_test(test_work_for_a_named_core_is_sent_from_away),
		cmocka_unit_test(test_what_belongs_to_home_is_refused_away),
		cmocka_unit_test(test_a_strangers_scope_is_refused),
		cmocka_unit_test(test_the_runtime_ends_with_work_away),
	};

	if (zok_run(&cores_option, has_two_cores, NULL) != 1) {
		printf("needs two cores\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
