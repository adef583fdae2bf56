/* SIGTERM cancels the root scope, a second one ends the process, and so does the end of the grace period. Each in a child of its own. */
#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/timer.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int ready_pipe[2];

static void tell_ready(void)
{
	if (write(ready_pipe[1], "r", 1) != 1)
		_exit(99);
}

/* Ends as a cancelled program should. */
static int sleeps(void *arg)
{
	tell_ready();
	return zok_sleep(1000 * ZOK_S) == -ECANCELED ? 7 : 8;
}

/* Not through kill(): ThreadSanitizer would deliver the signal within that call. */
static bool signal_poll(struct zok_future *future)
{
	if (future->state == ZOK_FUTURE_PREPARED) {
		future->state = ZOK_FUTURE_PENDING;
		if (syscall(SYS_kill, getpid(), SIGTERM) < 0)
			_exit(97);
	}
	return false;
}

static void signal_cancel(struct zok_future *future)
{
	zok_future_complete(future, -ECANCELED);
}

/* Nothing happens between the signal and the fiber's suspension. */
static int signals_and_waits(void *arg)
{
	static const struct zok_future_ops ops = {.poll = signal_poll, .cancel = signal_cancel};
	struct zok_future future;

	tell_ready();
	zok_future_prepare(&future, &ops);
	return zok_await(&future) == -ECANCELED ? 7 : 8;
}

/* A cancel does not end it: it waits in a shielded scope. The second line is for the second signal. */
static int is_stubborn(void *arg)
{
	struct zok_scope *outer = zok_scope_open(NULL), *shield;

	tell_ready();
	zok_sleep(1000 * ZOK_S);
	shield = zok_scope_open(&(struct zok_scope_options){.is_shielded = true});
	tell_ready();
	zok_sleep(1000 * ZOK_S);
	zok_scope_close(shield, 0);
	return zok_scope_close(outer, 0);
}

static int cancels_itself_first(void *arg)
{
	zok_scope_cancel(zok_root_scope());
	return is_stubborn(arg);
}

static pid_t start(int (*main_fn)(void *arg), uint64_t grace_ns, bool keeps_signals)
{
	pid_t pid;

	assert_int_equal(pipe(ready_pipe), 0);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		zok_log_level_set(ZOK_LOG_OFF);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(98);
		_exit(zok_run(&(struct zok_options){.engine = "epoll", .grace_ns = grace_ns, .keep_signals = keeps_signals}, main_fn,
			      NULL));
	}
	assert_true(pid > 0);
	close(ready_pipe[1]);
	return pid;
}

static void await_ready(void)
{
	char byte;

	assert_int_equal(read(ready_pipe[0], &byte, 1), 1);
}

static int await_end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready_pipe[0]);
	return status;
}

static void check_cancel_by(int signal_number)
{
	pid_t pid = start(sleeps, 0, false);
	int status;

	await_ready();
	kill(pid, signal_number);
	status = await_end(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_a_signal_cancels_the_root_scope(void **state)
{
	check_cancel_by(SIGTERM);
	check_cancel_by(SIGINT);
}

static void test_a_signal_that_comes_while_a_fiber_suspends_is_not_lost(void **state)
{
	pid_t pid = start(signals_and_waits, 0, false);
	int status;

	await_ready();
	status = await_end(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
}

static void test_a_second_signal_ends_the_process(void **state)
{
	pid_t pid = start(is_stubborn, 0, false);
	int status;

	await_ready();
	kill(pid, SIGTERM);
	await_ready();
	kill(pid, SIGTERM);
	status = await_end(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
}

static void test_the_grace_period_ends(void **state)
{
	pid_t pid = start(is_stubborn, ZOK_MS, false);
	int status;

	await_ready();
	kill(pid, SIGINT);
	status = await_end(pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
}

/* A cancel by the program is no signal: the first signal after it starts the grace period. */
static void test_the_first_signal_after_a_cancel_is_the_first(void **state)
{
	pid_t pid = start(cancels_itself_first, ZOK_MS, false);
	int status;

	await_ready();
	await_ready();
	kill(pid, SIGTERM);
	status = await_end(pid);
	assert_int_equal(WEXITSTATUS(status), 128 + SIGTERM);
}

static void test_signals_are_left_to_the_program_where_asked(void **state)
{
	pid_t pid = start(sleeps, 0, true);
	int status;

	await_ready();
	kill(pid, SIGTERM);
	status = await_end(pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static int returns_zero(void *arg)
{
	return 0;
}

static void test_handlers_are_given_back(void **state)
{
	struct sigaction mine = {.sa_handler = SIG_IGN}, after;

	sigaction(SIGTERM, &mine, NULL);
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll"}, returns_zero, NULL), 0);
	sigaction(SIGTERM, NULL, &after);
	assert_true(after.sa_handler == SIG_IGN);
	signal(SIGTERM, SIG_DFL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_signal_cancels_the_root_scope),
		cmocka_unit_test(test_a_signal_that_comes_while_a_fiber_suspends_is_not_lost),
		cmocka_unit_test(test_a_second_signal_ends_the_process),
		cmocka_unit_test(test_the_grace_period_ends),
		cmocka_unit_test(test_the_first_signal_after_a_cancel_is_the_first),
		cmocka_unit_test(test_signals_are_left_to_the_program_where_asked),
		cmocka_unit_test(test_handlers_are_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
