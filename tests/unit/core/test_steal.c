/* Work that moves: fibers and tasks taken by other cores keep stack, errno and result; who must stay stays; a stuck core's backlog is taken. */
#include "tests/unit/core/steal_support.h"
#include "zokio/async.h"

#include <errno.h>
#include <string.h>

/* errno through a call that the compiler cannot see into: the address must not be kept over a suspension (task.h). */
static __attribute__((noinline)) int read_errno(void)
{
	__asm__ volatile("");
	return errno;
}

static __attribute__((noinline)) void write_errno(int value)
{
	__asm__ volatile("");
	errno = value;
}

/* ---- A fiber that moves ---- */

struct traveller {
	unsigned rounds, moves, faults;
	unsigned seen[CORES_MAX];
};

static int travel(void *arg)
{
	struct traveller *self = arg;
	volatile unsigned here[64];
	int core = zok_core_index();

	for (unsigned i = 0; i < 64; i++)
		here[i] = i * 7 + (unsigned)(uintptr_t)arg;
	for (unsigned round = 0; round < self->rounds; round++) {
		int now;

		write_errno((int)round + 1);
		if (round % 5 == 4)
			self->faults += zok_sleep(ZOK_US) != 0;
		else
			zok_yield();
		self->faults += read_errno() != (int)round + 1;
		self->faults += here[round % 64] != round % 64 * 7 + (unsigned)(uintptr_t)arg;
		self->faults += zok__core() != zok_task_current()->core;
		now = zok_core_index();
		self->moves += now != core;
		core = now;
		self->seen[core]++;
	}
	return 0;
}

enum { TRAVELLERS = 40 };

static int travels(void *arg)
{
	static struct traveller travellers[TRAVELLERS];
	unsigned moves = 0, faults = 0, tries = 0;

	/* Until fibers have moved two thousand times: on a busy machine the other core may get little time. */
	while (moves < 2000 && tries++ < 2000) {
		struct zok_scope *scope = zok_scope_open(NULL);

		for (unsigned i = 0; i < TRAVELLERS; i++) {
			travellers[i] = (struct traveller){.rounds = 200};
			assert_int_equal(zok_spawn(scope, travel, &travellers[i], i % 2 ? &bulk : &normal_moves), 0);
		}
		assert_int_equal(zok_scope_task_count(scope), TRAVELLERS);
		assert_int_equal(zok_scope_close(scope, 0), 0);
		for (unsigned i = 0; i < TRAVELLERS; i++) {
			moves += travellers[i].moves;
			faults += travellers[i].faults;
		}
	}
	assert_int_equal(faults, 0);
	assert_in_range(moves, 2000, UINT32_MAX);
	return 0;
}

static void test_fibers_move_thousands_of_times_and_keep_what_they_have(void **state)
{
	run(travels);
}

/* ---- Stackless tasks ---- */

struct walker {
	struct zok_task task;
	struct zok_timer pause;
	unsigned left, moves, faults;
	int core;
	bool is_finished;
	int finished_on;
};

static int walk(struct zok_task *task)
{
	struct walker *self = ZOK_CONTAINER_OF(task, struct walker, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	for (; self->left > 0; self->left--) {
		self->core = zok_core_index();
		ZOK_YIELD();
		self->moves += self->core != zok_core_index();
		zok_timer_prepare(&self->pause, ZOK_US);
		ZOK_AWAIT(rc, &self->pause.future);
		self->faults += rc != 0;
	}
	ZOK_END(-EXDEV);
}

static void note_finish(struct zok_task *task)
{
	struct walker *self = ZOK_CONTAINER_OF(task, struct walker, task);

	self->is_finished = true;
	self->finished_on = zok_core_index();
}

enum { WALKERS = 60 };

static int walks(void *arg)
{
	static struct walker walkers[WALKERS];
	unsigned moves = 0;

	for (unsigned tries = 0; moves < 200 && tries < 2000; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);
		struct zok_spawn_options options = {.task_class = ZOK_CLASS_BULK, .finish = note_finish};

		for (unsigned i = 0; i < WALKERS; i++) {
			walkers[i] = (struct walker){.left = 20, .finished_on = -1};
			assert_int_equal(zok_task_spawn(scope, &walkers[i].task, walk, &options), 0);
		}
		/* The first error is the scope's, from wherever it comes. */
		assert_int_equal(zok_scope_close(scope, 0), -EXDEV);
		for (unsigned i = 0; i < WALKERS; i++) {
			moves += walkers[i].moves;
			assert_int_equal(walkers[i].faults, 0);
			assert_true(walkers[i].is_finished);
			assert_int_equal(walkers[i].finished_on, zok_core_index());
		}
	}
	assert_in_range(moves, 200, UINT32_MAX);
	return 0;
}

static void test_stackless_tasks_move_and_finish_at_home(void **state)
{
	run(walks);
}

/* ---- Who stays ---- */

static unsigned strayed;

static int must_stay(void *arg)
{
	for (int i = 0; i < 20; i++) {
		strayed += zok_core_index() != 0;
		zok_yield();
	}
	return 0;
}

static int some_stay(void *arg)
{
	static const struct zok_spawn_options latency = {.task_class = ZOK_CLASS_LATENCY, .stealing = ZOK_STEALING_ALLOWED};
	struct zok_scope *pinned = zok_scope_open(&(struct zok_scope_options){.is_pinned = true});
	struct zok_scope *inner = zok_scope_open(NULL);
	uint64_t stolen = stolen_everywhere();

	strayed = 0;
	spawn_some(inner, must_stay, NULL, &bulk, 50);
	burn(2 * ZOK_MS);
	assert_int_equal(zok_scope_close(inner, 0), 0);
	assert_int_equal(zok_scope_close(pinned, 0), 0);
	inner = zok_scope_open(NULL);
	spawn_some(inner, must_stay, NULL, &bulk_stays, 50);
	spawn_some(inner, must_stay, NULL, &latency, 50);
	spawn_some(inner, must_stay, NULL, NULL, 50);
	burn(2 * ZOK_MS);
	assert_int_equal(zok_scope_close(inner, 0), 0);
	assert_int_equal(strayed, 0);
	assert_int_equal(stolen_everywhere(), stolen);
	return 0;
}

static void test_pinned_latency_and_normal_tasks_stay(void **state)
{
	run(some_stay);
}

static int without_stealing(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	strayed = 0;
	spawn_some(scope, must_stay, NULL, &bulk, 100);
	burn(2 * ZOK_MS);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(strayed, 0);
	return 0;
}

static void test_without_stealing_nothing_moves(void **state)
{
	struct zok_options options = cores_option;

	options.stealing = "off";
	assert_int_equal(zok_run(&options, without_stealing, NULL), 0);
}

/* ---- A core that is stuck ---- */

static unsigned done_elsewhere;

static int count_elsewhere(void *arg)
{
	if (zok_core_index() != 0)
		__atomic_fetch_add(&done_elsewhere, 1, __ATOMIC_RELAXED);
	return 0;
}

enum { BACKLOG = 100 };

static bool is_stuck_over(uint64_t deadline_ns)
{
	return __atomic_load_n(&done_elsewhere, __ATOMIC_RELAXED) == BACKLOG || zok_now_ns() > deadline_ns;
}

/* The spawner never suspends: all that it has spawned must be run by somebody else. */
static int gets_stuck(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t deadline_ns = zok_now_ns() + 20 * ZOK_S;

	done_elsewhere = 0;
	burn(ZOK_MS);
	spawn_some(scope, count_elsewhere, NULL, &bulk, BACKLOG);
	while (!is_stuck_over(deadline_ns))
		;
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(done_elsewhere, BACKLOG);
	assert_int_equal(stats_of(0).stuck, 1);
	assert_int_equal(stats_of(0).tasks_returned, BACKLOG);
	assert_in_range(stats_of(1).tasks_rescued, 1, BACKLOG);
	return 0;
}

static void test_the_backlog_of_a_stuck_core_is_taken_and_counted(void **state)
{
	struct zok_options options = cores_option;

	options.stuck_ns = ZOK_US;
	assert_int_equal(zok_run(&options, gets_stuck, NULL), 0);
}

/* ---- Fork and join, and more than fits ---- */

static unsigned leaves;

/* Fork and join: a scope of its own at each node. */
static int fork_and_join(void *arg)
{
	uintptr_t depth = (uintptr_t)arg;
	struct zok_scope *own;
	int rc = 0;

	if (depth == 0) {
		__atomic_fetch_add(&leaves, 1, __ATOMIC_RELAXED);
		return 0;
	}
	own = zok_scope_open(NULL);
	if (!own)
		return -ENOMEM;
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = zok_spawn(own, fork_and_join, (void *)(depth - 1), NULL);
	return zok_scope_close(own, rc);
}

static int forks(void *arg)
{
	uint64_t stolen = stolen_everywhere();

	for (unsigned tries = 1; tries < 20000; tries++) {
		struct zok_scope *scope = zok_scope_open(NULL);

		leaves = 0;
		assert_int_equal(zok_spawn(scope, fork_and_join, (void *)(uintptr_t)8, &bulk), 0);
		assert_int_equal(zok_scope_close(scope, 0), 0);
		assert_int_equal(leaves, 256);
		if (stolen_everywhere() - stolen > 500)
			return 0;
	}
	return -ETIME;
}

static void test_fork_and_join_across_cores(void **state)
{
	run(forks);
}

static unsigned held, in_order;
static bool may_go;

/* Keeps its core, so that it takes nothing. */
static int holds(void *arg)
{
	__atomic_fetch_add(&held, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&may_go, __ATOMIC_ACQUIRE))
		;
	return 0;
}

/* On the one core that is left: from the oldest to the youngest. */
static int is_next(void *arg)
{
	if ((uintptr_t)arg == in_order && zok_core_index() == 0)
		in_order++;
	return 0;
}

/* More than the deque holds, and nobody who takes any of it meanwhile. */
static int overflows(void *arg)
{
	enum { COUNT = 3 * ZOK__SHARED_CAPACITY + 100 };
	struct zok_scope *holders = zok_scope_open(NULL), *scope;
	const struct zok__shared *shared = &zok__core()->steal->shared[ZOK_CLASS_BULK - ZOK_CLASS_NORMAL];

	held = in_order = 0;
	may_go = false;
	for (unsigned core = 1; core < zok_core_count(); core++)
		assert_int_equal(zok_spawn_on(core, holders, holds, NULL, NULL), 0);
	while (__atomic_load_n(&held, __ATOMIC_ACQUIRE) < zok_core_count() - 1)
		zok_yield();
	scope = zok_scope_open(NULL);
	for (uintptr_t i = 0; i < COUNT; i++)
		assert_int_equal(zok_spawn(scope, is_next, (void *)i, &bulk), 0);
	assert_int_equal(shared->overflow_count, COUNT - ZOK__SHARED_CAPACITY);
	assert_int_equal(zok__steal_depth(zok__core(), ZOK_CLASS_BULK), COUNT);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(in_order, COUNT);
	assert_int_equal(shared->overflow_count, 0);
	assert_int_equal(zok__steal_depth(zok__core(), ZOK_CLASS_BULK), 0);
	__atomic_store_n(&may_go, true, __ATOMIC_RELEASE);
	return zok_scope_close(holders, 0);
}

static void test_more_than_a_deque_holds(void **state)
{
	struct zok_options options = cores_option;

	options.stall_detector = "off"; /* who holds a core does nothing else */
	assert_int_equal(zok_run(&options, overflows, NULL), 0);
}

/* And again with thieves that help themselves. */
static int overflows_and_is_helped(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	leaves = 0;
	spawn_some(scope, fork_and_join, NULL, &bulk, 5 * ZOK__SHARED_CAPACITY);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(leaves, 5 * ZOK__SHARED_CAPACITY);
	return 0;
}

static void test_more_than_a_deque_holds_under_thieves(void **state)
{
	run(overflows_and_is_helped);
}

/* A theft is of one task, whatever there is. */
static int steals_one_at_a_time(void *arg)
{
	assert_int_equal(forks(arg), 0);
	for (unsigned core = 0; core < zok_core_count(); core++)
		assert_int_equal(stats_of(core).tasks_stolen, stats_of(core).steals);
	return 0;
}

static void test_one_is_one(void **state)
{
	struct zok_options options = cores_option;

	options.stealing = "one";
	assert_int_equal(zok_run(&options, steals_one_at_a_time, NULL), 0);
}

/* ---- In which order a thief looks, and how far after so long ---- */

/* Five cores that do not run; the first is the thief. One task can be stolen from each of the others. */
static struct neighbours {
	struct zok__thieves thieves;
	struct zok_core *cores[5];
	struct zok__victim victims[4];
	struct zok_task tasks[5];
} around;

static void fill_deque_of(unsigned core)
{
	around.tasks[core] = (struct zok_task){.task_class = ZOK_CLASS_BULK, .parent = &around.cores[core]->root};
	assert_true(zok__runnable_push(&around.cores[core]->steal->shared[1].deque, &around.tasks[core]));
}

/* What the thief has taken comes into its batch; it is not run. */
static struct zok_task *sweep(uint64_t idle_ns)
{
	struct zok__runq *batch = &around.cores[0]->steal->shared[1].batch;
	bool has_found = zok__steal_sweep(around.cores[0], idle_ns);

	assert_int_equal(has_found, batch->head != NULL);
	return has_found ? zok__runq_take(batch) : NULL;
}

static const struct zok_core_stats *thief_stats(void)
{
	return &around.cores[0]->counters->stats;
}

static int make_neighbours(void **state)
{
	static const enum zok__tier tiers[] = {ZOK__TIER_SMT, ZOK__TIER_CACHE, ZOK__TIER_NODE, ZOK__TIER_FAR};

	memset(&around, 0, sizeof around);
	/* The nearest is the last in the table: the order is the victims', not the table's. */
	for (unsigned i = 0; i < 4; i++)
		around.victims[i] = (struct zok__victim){.index = 4 - i, .tier = tiers[i]};
	for (unsigned i = 0; i < 5; i++) {
		const struct zok__core_options options = {
			.index = i,
			.core_count = 5,
			.node = -1,
			.peers = around.cores,
			.victims = around.victims,
			.thieves = &around.thieves,
			.stealing = ZOK__STEALING_HALF,
			.share = {[ZOK_CLASS_NORMAL] = 1, [ZOK_CLASS_BULK] = 1},
			.stack_size = 16384,
			.receive_buffers = 1,
			.receive_buffer_size = 64,
			.stuck_ns = ZOK_S,
		};

		assert_int_equal(zok__core_create(&around.cores[i], &options), 0);
		around.cores[i]->root.core = around.cores[i];
	}
	return 0;
}

static int drop_neighbours(void **state)
{
	for (unsigned i = 0; i < 5; i++)
		zok__core_destroy(around.cores[i]);
	return 0;
}

static void test_each_tier_has_its_gate(void **state)
{
	static const struct {
		uint64_t gate_ns;
		unsigned victim;
	} gates[] = {{1000, 4}, {5000, 3}, {50000, 2}, {500000, 1}};

	for (unsigned i = 0; i < 4; i++) {
		uint64_t attempts = thief_stats()->steal_attempts, failed = thief_stats()->sweeps_failed;

		fill_deque_of(gates[i].victim);
		assert_null(sweep(gates[i].gate_ns - 1));
		assert_int_equal(thief_stats()->steal_attempts, attempts + i); /* at those who are nearer, and have nothing */
		assert_int_equal(thief_stats()->sweeps_failed, failed + (i > 0));
		assert_ptr_equal(sweep(gates[i].gate_ns), &around.tasks[gates[i].victim]);
		assert_int_equal(thief_stats()->steals_by_tier[i], 1);
		assert_int_equal(thief_stats()->sweeps_failed, failed + (i > 0));
	}
	assert_null(sweep(ZOK_NEVER));
	assert_int_equal(thief_stats()->steals, 4);
}

static void test_the_nearest_is_taken_from_first(void **state)
{
	for (unsigned i = 1; i < 5; i++)
		fill_deque_of(i);
	for (unsigned i = 0; i < 4; i++) {
		assert_ptr_equal(sweep(ZOK_NEVER), &around.tasks[4 - i]);
		for (unsigned tier = 0; tier < 4; tier++)
			assert_int_equal(thief_stats()->steals_by_tier[tier], tier <= i);
	}
	assert_null(sweep(ZOK_NEVER));
	assert_int_equal(thief_stats()->sweeps_failed, 1);
}

int main(void)
{
	const struct CMUnitTest order[] = {
		cmocka_unit_test_setup_teardown(test_each_tier_has_its_gate, make_neighbours, drop_neighbours),
		cmocka_unit_test_setup_teardown(test_the_nearest_is_taken_from_first, make_neighbours, drop_neighbours),
	};
	int failed = cmocka_run_group_tests_name("order", order, NULL, NULL);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fibers_move_thousands_of_times_and_keep_what_they_have),
		cmocka_unit_test(test_stackless_tasks_move_and_finish_at_home),
		cmocka_unit_test(test_pinned_latency_and_normal_tasks_stay),
		cmocka_unit_test(test_without_stealing_nothing_moves),
		cmocka_unit_test(test_the_backlog_of_a_stuck_core_is_taken_and_counted),
		cmocka_unit_test(test_fork_and_join_across_cores),
		cmocka_unit_test(test_more_than_a_deque_holds),
		cmocka_unit_test(test_more_than_a_deque_holds_under_thieves),
		cmocka_unit_test(test_one_is_one),
	};

	if (zok_run(&cores_option, has_two_cores, NULL) != 1) {
		printf("moving needs two cores\n");
		return failed ? failed : 77;
	}
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
