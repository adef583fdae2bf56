/* What the tests of processes stand on: each case runs in the main fiber of a runtime on CPU 0, once on every engine; what a child may leave behind. */
#ifndef TESTS_UNIT_NET_PROCESS_RIG_H
#define TESTS_UNIT_NET_PROCESS_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zokio/zokio.h"

static char log_lines[2048];

static inline void note_line(void *arg, enum zok_log_level level, const char *line)
{
	if (level <= ZOK_LOG_WARN)
		snprintf(log_lines + strlen(log_lines), sizeof log_lines - strlen(log_lines), "%s\n", line);
}

struct body {
	int (*fn)(void);
};

static inline int run_body(void *arg)
{
	return ((struct body *)arg)->fn();
}

static inline void run(void **state, int (*fn)(void))
{
	const struct zok_options options = {.engine = *state, .no_export = true, .cores = "0"};
	struct body body = {fn};
	int rc;

	log_lines[0] = '\0';
	zok_log_set(note_line, NULL);
	rc = zok_run(&options, run_body, &body);
	zok_log_set(NULL, NULL);
	if (rc == -ENOSYS || rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
}

#define CASE(name)                       \
	static int name##_body(void);    \
	static void name(void **state)   \
	{                                \
		run(state, name##_body); \
	}                                \
	static int name##_body(void)

#define ROW(name)                                                   \
	{#name " (uring)", name, NULL, NULL, (void *)"uring"},      \
	{                                                           \
#name " (epoll)", name, NULL, NULL, (void *)"epoll" \
	}

#define SHELL(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

/* ---- What is left behind ---- */

static inline int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Not even a zombie. */
static inline bool is_gone(int pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static inline void await_gone(int pid)
{
	while (!is_gone(pid))
		zok_sleep(ZOK_MS);
}

static inline struct zok_process *spawn(const char *const *argv, const struct zok_process_options *options)
{
	struct zok_process *process = NULL;

	assert_int_equal(zok_process_spawn(&process, argv, options), 0);
	return process;
}

static inline void check_exit(struct zok_process *process, bool is_signaled, int code)
{
	struct zok_process_exit how = {0};

	assert_int_equal(zok_process_wait(process, &how), 0);
	assert_int_equal(how.is_signaled, is_signaled);
	assert_int_equal(how.code, code);
}

/* All that comes until the end, NUL at the end. */
static inline size_t read_text(struct zok_socket *socket, char *text, size_t size)
{
	ssize_t n = zok_read_all(socket, text, size - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(zok_close(socket), 0);
	return (size_t)n;
}

#endif
