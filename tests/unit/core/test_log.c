/* The log hook: thresholds, long and hostile lines, the default on stderr, and the pair of hook and argument changed under readers. */
#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	char text[ZOK_LOG_LINE_SIZE];
	enum zok_log_level level;
	int lines;
};

static void remember(void *arg, enum zok_log_level level, const char *text)
{
	struct seen *seen = arg;

	assert_true(strlen(text) < sizeof seen->text);
	memcpy(seen->text, text, strlen(text) + 1);
	seen->level = level;
	seen->lines++;
	errno = EBADF; /* a hook may do this; the caller must not see it */
}

static int back_to_default(void **state)
{
	zok_log_set(NULL, NULL);
	zok_log_level_set(ZOK_LOG_WARN);
	return unsetenv("ZOK_LOG");
}

static int count_calls(int *calls)
{
	return ++*calls;
}

static void lets_through_what_the_threshold_allows(void **state)
{
	struct seen seen = {.lines = 0};
	int calls = 0;

	zok_log_set(remember, &seen);
	errno = ENOENT;
	zok__log(ZOK_LOG_WARN, "core %d", count_calls(&calls));
	assert_int_equal(errno, ENOENT);
	assert_string_equal(seen.text, "core 1");
	assert_int_equal(seen.level, ZOK_LOG_WARN);
	zok__log(ZOK_LOG_INFO, "core %d", count_calls(&calls));
	zok_log_level_set(ZOK_LOG_OFF);
	zok__log(ZOK_LOG_ERROR, "core %d", count_calls(&calls));
	assert_int_equal(seen.lines, 1);
	assert_int_equal(calls, 1);
	zok_log_level_set((enum zok_log_level)99);
	assert_int_equal(zok_log_level_get(), ZOK_LOG_DEBUG);
	zok__log(ZOK_LOG_DEBUG, "fine");
	assert_int_equal(seen.lines, 2);
}

static void cuts_a_long_line_and_keeps_it_one_line(void **state)
{
	struct seen seen = {.lines = 0};
	char longest[2 * ZOK_LOG_LINE_SIZE];

	memset(longest, 'x', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	zok_log_set(remember, &seen);
	zok__log(ZOK_LOG_ERROR, "%s", longest);
	assert_int_equal(strlen(seen.text), ZOK_LOG_LINE_SIZE - 1);
	assert_string_equal(seen.text + ZOK_LOG_LINE_SIZE - 5, "x...");
	zok__log(ZOK_LOG_ERROR, "a\nb\033[31mc\x7f");
	assert_string_equal(seen.text, "a b [31mc ");
}

static void writes_one_line_to_stderr_by_default(void **state)
{
	char line[256];
	int ends[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_true(saved >= 0);
	assert_int_equal(pipe(ends), 0);
	dup2(ends[1], STDERR_FILENO);
	zok__log(ZOK_LOG_WARN, "epoll serves: %s", "io_uring is forbidden");
	dup2(saved, STDERR_FILENO);
	n = read(ends[0], line, sizeof line - 1);
	assert_true(n > 0);
	line[n] = '\0';
	assert_string_equal(line, "zokio: warn: epoll serves: io_uring is forbidden\n");
	close(ends[0]);
	close(ends[1]);
	close(saved);
}

static void takes_the_threshold_from_option_or_environment(void **state)
{
	char error[128] = "";

	assert_int_equal(zok__log_start(NULL, error, sizeof error), 0);
	assert_int_equal(zok_log_level_get(), ZOK_LOG_WARN);
	setenv("ZOK_LOG", "debug", 1);
	assert_int_equal(zok__log_start("error", error, sizeof error), 0);
	assert_int_equal(zok_log_level_get(), ZOK_LOG_ERROR);
	assert_int_equal(zok__log_start(NULL, error, sizeof error), 0);
	assert_int_equal(zok_log_level_get(), ZOK_LOG_DEBUG);
	setenv("ZOK_LOG", "loud", 1);
	assert_int_equal(zok__log_start(NULL, error, sizeof error), -EINVAL);
	assert_string_equal(error, "ZOK_LOG: loud: no such level; accepted are off, error, warn, info, debug");
	assert_int_equal(zok__log_start("LOUD", error, sizeof error), -EINVAL);
	assert_string_equal(error, "log: LOUD: no such level; accepted are off, error, warn, info, debug");
	assert_int_equal(zok_log_level_get(), ZOK_LOG_DEBUG);
}

/* Each hook knows its own argument: a torn pair would give one the other's. */
static int first_arg, second_arg, torn;

static void first(void *arg, enum zok_log_level level, const char *text)
{
	if (arg != &first_arg)
		__atomic_store_n(&torn, 1, __ATOMIC_RELAXED);
}

static void second(void *arg, enum zok_log_level level, const char *text)
{
	if (arg != &second_arg)
		__atomic_store_n(&torn, 1, __ATOMIC_RELAXED);
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 20000; i++)
		zok__log(ZOK_LOG_ERROR, "%d", i);
	return NULL;
}

static void *swap_many(void *arg)
{
	for (int i = 0; i < 20000; i++)
		zok_log_set(i % 2 ? first : second, i % 2 ? &first_arg : &second_arg);
	return NULL;
}

static void never_gives_a_hook_the_argument_of_another(void **state)
{
	void *(*const bodies[])(void *) = {log_many, log_many, swap_many, swap_many};
	pthread_t threads[4];

	zok_log_set(first, &first_arg);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, bodies[i], NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(torn, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(lets_through_what_the_threshold_allows, back_to_default),
		cmocka_unit_test_teardown(cuts_a_long_line_and_keeps_it_one_line, back_to_default),
		cmocka_unit_test_teardown(writes_one_line_to_stderr_by_default, back_to_default),
		cmocka_unit_test_teardown(takes_the_threshold_from_option_or_environment, back_to_default),
		cmocka_unit_test_teardown(never_gives_a_hook_the_argument_of_another, back_to_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
