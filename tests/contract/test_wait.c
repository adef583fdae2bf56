/* wait() and wake(): neither early nor late, and no wake-up is ever lost. */
#include "tests/contract/harness.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

static void zero_does_not_sleep(void **state)
{
	uint64_t start_ns = now_ns();

	for (int i = 0; i < 1000; i++)
		assert_int_equal(rig_turn(rig_of(state), 0), 0);
	assert_true(now_ns() - start_ns < ZOK_S);
}

/* It may return early (a signal), but then it has not slept to the end: whoever asks again gets there, and not before its time. */
static void a_timeout_is_kept(void **state)
{
	static const uint64_t timeouts_ns[] = {1, 100 * ZOK_US, ZOK_MS, 1500 * ZOK_US, 20 * ZOK_MS};

	for (size_t i = 0; i < sizeof timeouts_ns / sizeof *timeouts_ns; i++) {
		uint64_t start_ns = now_ns();

		assert_int_equal(rig_turn(rig_of(state), timeouts_ns[i]), 0);
		assert_true(now_ns() - start_ns >= timeouts_ns[i]);
	}
}

static void a_wake_before_the_wait_counts(void **state)
{
	struct rig *rig = rig_of(state);
	uint64_t start_ns = now_ns();

	for (int i = 0; i < 5; i++) {
		rig->engine->ops->wake(rig->engine);
		rig->engine->ops->wake(rig->engine);
		assert_int_equal(rig_turn(rig, 10 * ZOK_S), 0);
	}
	assert_true(now_ns() - start_ns < 5 * ZOK_S);
}

static struct rig *signal_rig;

static void wake_from_handler(int number)
{
	signal_rig->engine->ops->wake(signal_rig->engine);
}

static void a_signal_handler_wakes(void **state)
{
	struct sigaction action = {.sa_handler = wake_from_handler, .sa_flags = SA_RESTART}, before;
	uint64_t start_ns = now_ns();

	signal_rig = rig_of(state);
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	raise(SIGUSR1);
	rig_turn(rig_of(state), 10 * ZOK_S);
	assert_true(now_ns() - start_ns < 5 * ZOK_S);
	sigaction(SIGUSR1, &before, NULL);
}

/* ---- The race ---- */

enum { WAKES = 100000 };

struct race {
	struct rig *rig;
	uint32_t asked, seen;
	bool is_given_up;
};

/* Asks, wakes, waits for the answer without sleeping, and lets a moment of varying length go by. */
static void *ask(void *arg)
{
	struct race *race = arg;
	uint32_t seed = 11;

	for (uint32_t i = 1; i <= WAKES; i++) {
		__atomic_store_n(&race->asked, i, __ATOMIC_RELAXED); /* wake() itself must order it */
		race->rig->engine->ops->wake(race->rig->engine);
		while (__atomic_load_n(&race->seen, __ATOMIC_ACQUIRE) != i && !__atomic_load_n(&race->is_given_up, __ATOMIC_ACQUIRE))
			sched_yield();
		for (uint32_t spin = random_next(&seed) % 256; spin > 0; spin--)
			__asm__ volatile("" ::: "memory");
	}
	return NULL;
}

/* A wake-up that is lost shows as a wait that slept to its end. */
static void no_wake_is_lost(void **state)
{
	struct race race = {.rig = rig_of(state)};
	pthread_t thread;
	bool is_lost = false;

	assert_int_equal(pthread_create(&thread, NULL, ask, &race), 0);
	while (race.seen < WAKES && !is_lost) {
		uint64_t start_ns = now_ns();

		rig_turn(race.rig, 20 * ZOK_S);
		is_lost = now_ns() - start_ns >= 20 * ZOK_S;
		__atomic_store_n(&race.seen, __atomic_load_n(&race.asked, __ATOMIC_RELAXED), __ATOMIC_RELEASE);
	}
	__atomic_store_n(&race.is_given_up, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	assert_false(is_lost);
}

/* Wakes and completions come together; neither hides the other. */
static void wakes_among_completions(void **state)
{
	struct rig *rig = rig_of(state);
	struct call recv;
	int fds[2];
	char buf[4];

	unix_pair(fds);
	prepare_recv(&recv, rig, fds[1], buf, sizeof buf);
	for (int i = 0; i < 1000; i++) {
		call_submit(&recv);
		rig_turn(rig, 0);
		assert_int_equal(write(fds[0], "x", 1), 1);
		rig->engine->ops->wake(rig->engine);
		assert_int_equal(call_await(&recv), 1);
	}
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(zero_does_not_sleep),    CONTRACT_TEST(a_timeout_is_kept), CONTRACT_TEST(a_wake_before_the_wait_counts),
	CONTRACT_TEST(a_signal_handler_wakes), CONTRACT_TEST(no_wake_is_lost),	 CONTRACT_TEST(wakes_among_completions),
};

CONTRACT_MAIN(tests)
