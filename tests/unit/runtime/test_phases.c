/* An end in phases: the drain lets what runs finish, its time or a second signal ends it, a third the process; who is alive then is told. */
#include "zokio/drain.h"
#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A child that runs a runtime, its words, and its end ---- */

static int words_pipe[2];

static void say(const char *words)
{
	if (write(words_pipe[1], words, strlen(words)) < 0)
		_exit(99);
}

static void say_line(void *arg, enum zok_log_level level, const char *text)
{
	char line[ZOK_LOG_LINE_SIZE + 2];

	snprintf(line, sizeof line, "%s\n", text);
	say(line);
}

static pid_t start(int (*main_fn)(void *arg), struct zok_options options)
{
	pid_t pid;

	options.engine = "epoll";
	assert_int_equal(pipe(words_pipe), 0);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		close(words_pipe[0]);
		dup2(words_pipe[1], STDERR_FILENO);
		zok_log_set(say_line, NULL);
		_exit(zok_run(&options, main_fn, NULL));
	}
	assert_true(pid > 0);
	close(words_pipe[1]);
	return pid;
}

/* Reads up to and with `word`. */
static void await_word(const char *word)
{
	char seen[4096] = "";
	size_t used = 0;

	while (!strstr(seen, word) && used + 1 < sizeof seen) {
		if (read(words_pipe[0], seen + used, 1) != 1)
			fail_msg("no \"%s\" in \"%s\"", word, seen);
		used++;
	}
}

static int await_exit(pid_t pid, char *rest, size_t size)
{
	size_t used = 0;
	ssize_t n;
	int status;

	while (used + 1 < size && (n = read(words_pipe[0], rest + used, size - 1 - used)) > 0)
		used += (size_t)n;
	rest[used] = '\0';
	close(words_pipe[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* ---- Drain ---- */

/* Works on until it hears of the drain, and then as long as it needs. */
static int finishes_its_work(void *arg)
{
	say("ready ");
	if (zok_drain_wait() != 0)
		return 30;
	return zok_sleep(ZOK_MS) == 0 && zok_is_draining() ? 31 : 32;
}

static void test_what_drains_may_finish(void **state)
{
	pid_t pid = start(finishes_its_work, (struct zok_options){.drain_ns = 1000 * ZOK_S});
	char rest[4096];

	await_word("ready ");
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid, rest, sizeof rest), 31);
	assert_string_equal(rest, "");
}

static int never_ends(void *arg)
{
	int rc;

	say("ready ");
	rc = zok_drain_wait();
	if (rc < 0)
		return 40;
	say("draining ");
	return zok_sleep(1000 * ZOK_S) == -ECANCELED ? 41 : 42;
}

static void test_when_the_time_has_passed_the_rest_is_cancelled(void **state)
{
	pid_t pid = start(never_ends, (struct zok_options){.drain_ns = ZOK_MS});
	char rest[4096];

	await_word("ready");
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid, rest, sizeof rest), 41);
}

static void test_without_a_drain_it_is_cancelled_at_once(void **state)
{
	pid_t pid = start(never_ends, (struct zok_options){0});
	char rest[4096];

	await_word("ready");
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid, rest, sizeof rest), 40);
}

static void test_a_second_signal_ends_the_drain(void **state)
{
	pid_t pid = start(never_ends, (struct zok_options){.drain_ns = 1000 * ZOK_S});
	char rest[4096];

	await_word("ready");
	kill(pid, SIGTERM);
	await_word("draining");
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid, rest, sizeof rest), 41);
}

/* A cancel does not end it. */
static int is_stubborn(void *arg)
{
	struct zok_scope *shield;

	say("ready ");
	if (zok_drain_wait() == 0)
		say("draining ");
	zok_sleep(1000 * ZOK_S);
	say("cancelled ");
	shield = zok_scope_open(&(struct zok_scope_options){.name = "shield", .is_shielded = true});
	zok_sleep(1000 * ZOK_S);
	return zok_scope_close(shield, 0);
}

static void test_a_third_ends_the_process(void **state)
{
	pid_t pid = start(is_stubborn, (struct zok_options){.drain_ns = 1000 * ZOK_S, .grace_ns = 1000 * ZOK_S});
	char rest[4096];

	await_word("ready");
	kill(pid, SIGTERM);
	await_word("draining");
	kill(pid, SIGTERM);
	await_word("cancelled");
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid, rest, sizeof rest), 128 + SIGTERM);
	assert_non_null(strstr(rest, "zokio: a further signal: not waiting any longer\n"));
}

/* Also where there has been no second: the drain's time was up. */
static void test_after_the_drain_a_second_ends_the_process(void **state)
{
	pid_t pid = start(is_stubborn, (struct zok_options){.drain_ns = ZOK_MS, .grace_ns = 1000 * ZOK_S});
	char rest[4096];

	await_word("ready");
	kill(pid, SIGTERM);
	await_word("cancelled");
	kill(pid, SIGINT);
	assert_int_equal(await_exit(pid, rest, sizeof rest), 128 + SIGINT);
}

/* ---- By the program ---- */

static int drains_itself(void *arg)
{
	zok_runtime_drain(NULL);
	zok_runtime_drain(NULL);
	if (zok_drain_wait() != 0)
		return 50;
	return zok_sleep(10 * ZOK_MS) == 0 ? 51 : 52;
}

static void test_the_program_drains_without_a_limit(void **state)
{
	assert_int_equal(zok_runtime_drain(NULL), -EINVAL);
	assert_int_equal(zok_run(&(struct zok_options){.cores = "all", .engine = "epoll"}, drains_itself, NULL), 51);
}

static int drains_itself_for_ever(void *arg)
{
	zok_runtime_drain(NULL);
	return zok_sleep(1000 * ZOK_S) == -ECANCELED ? 53 : 54;
}

static void test_the_program_drains_with_a_limit(void **state)
{
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll", .drain_ns = ZOK_MS}, drains_itself_for_ever, NULL), 53);
}

static int waits_there(void *arg)
{
	return zok_drain_wait();
}

static int waits_everywhere(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	for (unsigned core = 0; core < zok_core_count(); core++)
		zok_spawn_on(core, scope, waits_there, NULL, NULL);
	zok_runtime_drain(NULL);
	return zok_scope_close(scope, 0);
}

/* Again and again: the drain and the end of everything race each other. */
static void test_every_core_is_told(void **state)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(zok_run(&(struct zok_options){.cores = "all", .engine = "epoll"}, waits_everywhere, NULL), 0);
}

static int drains_and_returns(void *arg)
{
	zok_runtime_drain(NULL);
	return 0;
}

static void test_a_drain_at_the_very_end_does_no_harm(void **state)
{
	for (int i = 0; i < 50; i++)
		assert_int_equal(zok_run(&(struct zok_options){.cores = "all", .engine = "epoll"}, drains_and_returns, NULL), 0);
}

/* ---- Who is alive ---- */

static int sleeps_shielded(void *arg)
{
	struct zok_scope *shield = zok_scope_open(&(struct zok_scope_options){.name = "shield", .is_shielded = true});

	zok_sleep(1000 * ZOK_S);
	return zok_scope_close(shield, 0);
}

static int leaves_stubborn_ones(void *arg)
{
	const struct zok_spawn_options bulk = {.name = "stubborn", .task_class = ZOK_CLASS_BULK};
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "workers"});

	zok_spawn_on(zok_core_count() - 1, scope, sleeps_shielded, NULL, &bulk);
	zok_yield();
	say("ready ");
	return zok_scope_close(scope, 0);
}

static void test_who_is_alive_is_told_from_every_core(void **state)
{
	pid_t pid = start(leaves_stubborn_ones, (struct zok_options){.cores = "all", .grace_ns = 50 * ZOK_MS});
	char rest[8192];

	await_word("ready");
	kill(pid, SIGTERM);
	assert_int_equal(await_exit(pid, rest, sizeof rest), 128 + SIGTERM);
	assert_non_null(strstr(rest, "not ended 0.1 s after the cancel, giving up\n"));
	assert_non_null(strstr(rest, "still alive on core 0: main (normal), in scope root, has awaited its scope's children for "));
	assert_non_null(
		strstr(rest, "still alive on core 0: stubborn (normal), in scope workers, has awaited a fiber on another core for "));
	assert_non_null(strstr(rest, ": stubborn (bulk), in scope root, has awaited a timer for "));
}

static bool is_abroad; /* atomic */

/* Another core has taken it, for its own is busy until then; there it has a child. */
static int has_a_child_abroad(void *arg)
{
	const struct zok_spawn_options child = {.name = "stowaway", .stealing = ZOK_STEALING_NEVER};
	struct zok_scope *scope;

	__atomic_store_n(&is_abroad, zok_core_index() != 0, __ATOMIC_RELEASE);
	scope = zok_scope_open(&(struct zok_scope_options){.name = "cabin", .is_shielded = true});
	zok_spawn(scope, sleeps_shielded, NULL, &child);
	zok_yield();
	say("ready ");
	return zok_scope_close(scope, 0);
}

static int sends_a_traveller(void *arg)
{
	const struct zok_spawn_options bulk = {.name = "traveller", .task_class = ZOK_CLASS_BULK};
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "quay", .is_shielded = true});

	if (zok_core_count() < 2)
		say("ready one core only");
	else
		zok_spawn(scope, has_a_child_abroad, NULL, &bulk);
	while (zok_core_count() > 1 && !__atomic_load_n(&is_abroad, __ATOMIC_ACQUIRE))
		;
	return zok_scope_close(scope, 0);
}

static void test_guests_and_their_children_are_told_where_they_are(void **state)
{
	pid_t pid = start(sends_a_traveller, (struct zok_options){.cores = "all:2", .grace_ns = 50 * ZOK_MS});
	char rest[8192];
	int code;

	await_word("ready");
	kill(pid, SIGTERM);
	code = await_exit(pid, rest, sizeof rest);
	if (strstr(rest, "one core only"))
		skip();
	assert_int_equal(code, 128 + SIGTERM);
	assert_non_null(strstr(rest, "still alive on core 0: traveller (bulk), in scope quay, was taken by core 1\n"));
	assert_non_null(strstr(rest, "guest on core 1: traveller (bulk), of scope quay on core 0, has awaited its scope's children for "));
	assert_non_null(strstr(rest, "still alive on core 1: stowaway (bulk), in scope cabin, has awaited a timer for "));
}

static int never_awaits(void *arg)
{
	say("stuck ");
	for (;;)
		__asm__ volatile("");
	return 0;
}

static int leaves_a_stuck_core(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	if (zok_core_count() < 2)
		say("stuck one core only");
	else
		zok_spawn_on(1, scope, never_awaits, NULL, NULL);
	return zok_scope_close(scope, 0);
}

static void test_a_stuck_core_is_told_too(void **state)
{
	const struct zok_options options = {.cores = "all", .grace_ns = ZOK_MS, .stall_detector = "off"};
	pid_t pid = start(leaves_a_stuck_core, options);
	char rest[8192];
	int code;

	await_word("stuck");
	kill(pid, SIGTERM);
	code = await_exit(pid, rest, sizeof rest);
	if (strstr(rest, "one core only"))
		skip();
	assert_int_equal(code, 128 + SIGTERM);
	assert_non_null(strstr(rest, "core 1 does not answer: one of its tasks does not await\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_drains_may_finish),
		cmocka_unit_test(test_when_the_time_has_passed_the_rest_is_cancelled),
		cmocka_unit_test(test_without_a_drain_it_is_cancelled_at_once),
		cmocka_unit_test(test_a_second_signal_ends_the_drain),
		cmocka_unit_test(test_a_third_ends_the_process),
		cmocka_unit_test(test_after_the_drain_a_second_ends_the_process),
		cmocka_unit_test(test_the_program_drains_without_a_limit),
		cmocka_unit_test(test_the_program_drains_with_a_limit),
		cmocka_unit_test(test_every_core_is_told),
		cmocka_unit_test(test_a_drain_at_the_very_end_does_no_harm),
		cmocka_unit_test(test_who_is_alive_is_told_from_every_core),
		cmocka_unit_test(test_guests_and_their_children_are_told_where_they_are),
		cmocka_unit_test(test_a_stuck_core_is_told_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
