/* Signals as futures on both engines: none is lost between waits, several wait, the runtime's own handler comes back, and what cannot be awaited. */
#include "zokio/zokio.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

struct body {
	int (*fn)(void);
};

static int run_body(void *arg)
{
	return ((struct body *)arg)->fn();
}

static int run_on(const char *engine, int (*fn)(void))
{
	struct body body = {fn};
	int rc = zok_run(&(struct zok_options){.engine = engine, .no_export = true}, run_body, &body);

	if (rc == -ENOSYS || rc == -EPERM)
		skip();
	return rc;
}

#define CASE(name)                                                \
	static int name##_body(void);                             \
	static void name(void **state)                            \
	{                                                         \
		assert_int_equal(run_on(*state, name##_body), 0); \
	}                                                         \
	static int name##_body(void)

#define ROW(name)                                                   \
	{#name " (uring)", name, NULL, NULL, (void *)"uring"},      \
	{                                                           \
#name " (epoll)", name, NULL, NULL, (void *)"epoll" \
	}

static struct zok_signals *open_two(int first, int second)
{
	struct zok_signals *signals = NULL;

	assert_int_equal(zok_signal_open(&signals, (const int[]){first, second, 0}), 0);
	return signals;
}

/* Not through kill(): ThreadSanitizer would deliver the signal within that call. */
static void raise_here(int number)
{
	assert_int_equal(syscall(SYS_kill, getpid(), number), 0);
}

static int wait_briefly(struct zok_signals *signals)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 20 * ZOK_MS});
	int rc = zok_signal_wait(signals);

	zok_scope_close(scope, 0);
	return rc;
}

struct waiting {
	struct zok_signals *signals;
	int result;
};

static int waits(void *arg)
{
	struct waiting *waiting = arg;

	waiting->result = zok_signal_wait(waiting->signals);
	return 0;
}

/* Raised before a wait, and again: one. Both of two, the lower first. */
CASE(none_is_lost_and_equals_are_one)
{
	struct zok_signals *signals = open_two(SIGUSR1, SIGHUP);

	raise_here(SIGUSR1);
	assert_int_equal(zok_signal_wait(signals), SIGUSR1);
	raise_here(SIGHUP);
	assert_int_equal(zok_signal_wait(signals), SIGHUP);
	assert_int_equal(wait_briefly(signals), -ETIMEDOUT);
	raise_here(SIGUSR1);
	raise_here(SIGUSR1);
	assert_int_equal(zok_signal_wait(signals), SIGUSR1);
	assert_int_equal(zok_signal_close(signals), 0);
	assert_int_equal(zok_signal_close(NULL), 0);
	return 0;
}

CASE(several_wait)
{
	struct zok_signals *signals = open_two(SIGUSR1, SIGUSR2), *others = open_two(SIGUSR1, SIGUSR1);
	struct waiting first = {signals, 0}, second = {signals, 0}, other = {others, 0};
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_spawn(scope, waits, &first, NULL), 0);
	assert_int_equal(zok_spawn(scope, waits, &second, NULL), 0);
	assert_int_equal(zok_spawn(scope, waits, &other, NULL), 0);
	zok_yield();
	raise_here(SIGUSR1);
	while (first.result == 0 || other.result == 0)
		zok_sleep(ZOK_MS);
	assert_int_equal(first.result, SIGUSR1);
	assert_int_equal(other.result, SIGUSR1);
	assert_int_equal(second.result, 0);
	raise_here(SIGUSR2);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(second.result, SIGUSR2);
	assert_int_equal(zok_signal_close(signals), 0);
	/* the other still has it */
	raise_here(SIGUSR1);
	assert_int_equal(zok_signal_wait(others), SIGUSR1);
	return zok_signal_close(others);
}

CASE(closed_under_a_waiter)
{
	struct waiting waiting = {open_two(SIGUSR1, SIGUSR2), 0};
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_spawn(scope, waits, &waiting, NULL), 0);
	zok_yield();
	assert_int_equal(zok_signal_close(waiting.signals), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(waiting.result, -EBADF);
	return 0;
}

/* SIGTERM is the program's while it is open, and the runtime's again behind that. */
CASE(lives_with_the_runtimes_own)
{
	struct zok_signals *signals = open_two(SIGTERM, SIGINT);

	raise_here(SIGTERM);
	assert_int_equal(zok_signal_wait(signals), SIGTERM);
	assert_int_equal(zok_scope_status(zok_root_scope()), 0);
	assert_int_equal(zok_signal_close(signals), 0);
	raise_here(SIGTERM);
	assert_int_equal(zok_sleep(1000 * ZOK_S), -ECANCELED);
	return 0;
}

static int refused(int number)
{
	struct zok_signals *signals = NULL;

	return zok_signal_open(&signals, (const int[]){number, 0});
}

CASE(refuses)
{
	struct zok_signals *signals[64];

	zok_log_level_set(ZOK_LOG_OFF);
	assert_int_equal(refused(0), -EINVAL);
	assert_int_equal(refused(SIGKILL), -EINVAL);
	assert_int_equal(refused(-1), -EINVAL);
	assert_int_equal(refused(65), -EINVAL);
	assert_int_equal(refused(33), -EINVAL);
	assert_int_equal(refused(SIGSEGV), -EINVAL);
	for (int i = 0; i < 64; i++)
		signals[i] = open_two(SIGUSR1, SIGUSR1);
	assert_int_equal(refused(SIGUSR1), -EMFILE);
	for (int i = 0; i < 64; i++)
		assert_int_equal(zok_signal_close(signals[i]), 0);
	return 0;
}

CASE(leaves_it_open)
{
	open_two(SIGUSR1, SIGUSR2);
	raise_here(SIGUSR1); /* perhaps on its way when the core ends */
	return 0;
}

static void is_given_back_at_the_end(void **state)
{
	struct sigaction now;

	for (int i = 0; i < 100; i++) /* more than there are seats */
		leaves_it_open(state);
	sigaction(SIGUSR1, NULL, &now);
	assert_true(now.sa_handler == SIG_IGN);
}

struct stackless {
	struct zok_task task;
	struct zok_signal_wait wait;
	struct zok_signals *signals;
	ssize_t result;
};

static int awaits(struct zok_task *task)
{
	struct stackless *frame = ZOK_CONTAINER_OF(task, struct stackless, task);

	ZOK_BEGIN(&task->async);
	zok_signal_wait_prepare(&frame->wait, frame->signals);
	ZOK_AWAIT(frame->result, &frame->wait.future);
	ZOK_END(0);
}

CASE(in_a_stackless_task)
{
	static struct stackless frame;
	struct zok_scope *scope = zok_scope_open(NULL);

	frame = (struct stackless){.signals = open_two(SIGUSR1, SIGUSR2)};
	assert_int_equal(zok_task_spawn(scope, &frame.task, awaits, NULL), 0);
	raise_here(SIGUSR2);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(frame.result, SIGUSR2);
	return zok_signal_close(frame.signals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(none_is_lost_and_equals_are_one),
		ROW(several_wait),
		ROW(closed_under_a_waiter),
		ROW(lives_with_the_runtimes_own),
		ROW(refuses),
		ROW(is_given_back_at_the_end),
		ROW(in_a_stackless_task),
	};

	/* What a signal would end the program by, were it not open. */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
