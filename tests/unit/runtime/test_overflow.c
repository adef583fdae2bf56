/* A fiber that overflows its stack is named before the process ends as it would have, or before the program's own handler; nothing else is. */
#include "zokio/runtime.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- What goes wrong ---- */

/* Not a tail call, and each frame smaller than a page: none steps over the guard. */
static __attribute__((noinline)) int go_deeper(int depth)
{
	volatile char frame[512];

	frame[0] = (char)depth;
	return depth < 1000000 ? go_deeper(depth + 1) + frame[0] : 0;
}

static int overflows(void *arg)
{
	return go_deeper(0);
}

static int spawns_one_that_overflows(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_spawn_on(zok_core_count() - 1, scope, overflows, NULL, &(struct zok_spawn_options){.name = "digger", .stack_size = 16384});
	return zok_scope_close(scope, 0);
}

static __attribute__((no_sanitize("undefined"))) int writes_nowhere(void *arg)
{
	volatile int *volatile nowhere = NULL;

	*nowhere = 1;
	return 0;
}

static int is_sent_a_signal(void *arg)
{
	raise(SIGSEGV);
	return 0;
}

/* ---- A child that does it ---- */

struct end {
	char words[16384];
	int status;
};

static void run_child(int (*main_fn)(void *arg), const struct zok_options *options, void (*before)(void), struct end *end)
{
	size_t used = 0;
	ssize_t n;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		alarm(30);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		dup2(fds[1], STDERR_FILENO);
		signal(SIGSEGV, SIG_DFL); /* cmocka's, or a sanitizer's */
		if (before)
			before();
		_exit(zok_run(options, main_fn, NULL) == 0 ? 0 : 99);
	}
	assert_true(pid > 0);
	close(fds[1]);
	while (used + 1 < sizeof end->words && (n = read(fds[0], end->words + used, sizeof end->words - 1 - used)) > 0)
		used += (size_t)n;
	end->words[used] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &end->status, 0), pid);
}

static void ended_by_the_signal(const struct end *end)
{
	if (!WIFSIGNALED(end->status) || WTERMSIG(end->status) != SIGSEGV)
		fail_msg("status %#x: %s", (unsigned)end->status, end->words);
}

static const struct zok_options two = {.cores = "all:2", .engine = "epoll"};

/* ---- Told ---- */

static void test_the_fiber_is_named_and_the_process_ends_by_the_signal(void **state)
{
	static const char *const detectors[] = {"auto", "off"}; /* with the detector's stack for signals, and with our own */

	for (size_t i = 0; i < 2; i++) {
		struct zok_options options = two;
		struct end end;
		unsigned core, size, used;
		const char *line;

		options.stall_detector = detectors[i];
		run_child(spawns_one_that_overflows, &options, NULL, &end);
		ended_by_the_signal(&end);
		line = strstr(end.words, "zokio: error: core ");
		assert_non_null(line);
		assert_int_equal(sscanf(line,
					"zokio: error: core %u: fiber digger has overflowed its stack of %u bytes, of which %u were used;",
					&core, &size, &used),
				 3);
		assert_in_range(size, 15000, 16384);
		assert_in_range(used, size - 4096, size);
		assert_null(strstr(line + 1, "zokio: error"));
	}
}

static void say_mine(int number)
{
	if (write(STDERR_FILENO, "mine\n", 5) == 5)
		_exit(7);
}

static void say_mine_too(int number, siginfo_t *info, void *context)
{
	if (info->si_addr)
		say_mine(number);
}

static void take_signal(void)
{
	sigaction(SIGSEGV, &(struct sigaction){.sa_handler = say_mine, .sa_flags = SA_ONSTACK}, NULL);
}

static void take_signal_with_info(void)
{
	sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = say_mine_too, .sa_flags = SA_SIGINFO | SA_ONSTACK}, NULL);
}

static void test_the_programs_own_handler_has_the_signal_next(void **state)
{
	void (*const takes[])(void) = {take_signal, take_signal_with_info};

	for (size_t i = 0; i < 2; i++) {
		struct end end;
		const char *line;

		run_child(spawns_one_that_overflows, &two, takes[i], &end);
		assert_true(WIFEXITED(end.status));
		assert_int_equal(WEXITSTATUS(end.status), 7);
		line = strstr(end.words, "fiber digger has overflowed");
		assert_non_null(line);
		assert_non_null(strstr(line, "\nmine\n"));
	}
}

/* ---- Not told ---- */

static void test_other_faults_and_signals_are_what_they_were(void **state)
{
	int (*const faults[])(void *arg) = {writes_nowhere, is_sent_a_signal};

	for (size_t i = 0; i < 2; i++) {
		struct end end;

		run_child(faults[i], &two, NULL, &end);
		ended_by_the_signal(&end);
		assert_null(strstr(end.words, "overflowed its stack"));
	}
}

static void test_it_can_be_switched_off(void **state)
{
	struct zok_options options = two;
	struct end end;

	options.no_overflow_report = true;
	run_child(spawns_one_that_overflows, &options, NULL, &end);
	ended_by_the_signal(&end);
	assert_null(strstr(end.words, "overflowed its stack"));
}

static struct sigaction predecessor;

/* Says so, and passes the signal to whom it found, as a crash reporter does. */
static void say_and_pass_on(int number, siginfo_t *info, void *context)
{
	if (write(STDERR_FILENO, "mine\n", 5) == 5 && (predecessor.sa_flags & SA_SIGINFO))
		predecessor.sa_sigaction(number, info, context);
}

static int takes_it_from_the_runtime(void *arg)
{
	return sigaction(SIGSEGV, &(struct sigaction){.sa_sigaction = say_and_pass_on, .sa_flags = SA_SIGINFO | SA_ONSTACK}, &predecessor);
}

static void run_once_with_a_reporter(void)
{
	zok_run(&two, takes_it_from_the_runtime, NULL);
}

/* What the first runtime's handler was passed to has the second's as its own predecessor. */
static void test_a_chain_that_comes_back_ends(void **state)
{
	struct end end;
	const char *line;

	run_child(spawns_one_that_overflows, &two, run_once_with_a_reporter, &end);
	ended_by_the_signal(&end);
	line = strstr(end.words, "mine\n");
	assert_non_null(line);
	assert_null(strstr(line + 1, "mine\n"));
}

static int has_ours(void *arg)
{
	struct sigaction now;

	return sigaction(SIGSEGV, NULL, &now) == 0 && (now.sa_flags & SA_ONSTACK);
}

static int puts_its_own(void *arg)
{
	take_signal();
	return 1;
}

static void test_the_signal_is_given_back_unless_it_was_taken(void **state)
{
	struct sigaction before, after;

	sigaction(SIGSEGV, NULL, &before);
	assert_int_equal(zok_run(&two, has_ours, NULL), 1);
	sigaction(SIGSEGV, NULL, &after);
	assert_ptr_equal(before.sa_handler, after.sa_handler);
	assert_int_equal(zok_run(&two, puts_its_own, NULL), 1);
	sigaction(SIGSEGV, NULL, &after);
	assert_ptr_equal(after.sa_handler, say_mine);
	sigaction(SIGSEGV, &before, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_fiber_is_named_and_the_process_ends_by_the_signal),
		cmocka_unit_test(test_the_programs_own_handler_has_the_signal_next),
		cmocka_unit_test(test_a_chain_that_comes_back_ends),
		cmocka_unit_test(test_other_faults_and_signals_are_what_they_were),
		cmocka_unit_test(test_it_can_be_switched_off),
		cmocka_unit_test(test_the_signal_is_given_back_unless_it_was_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
