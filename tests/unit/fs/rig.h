/* What the tests of fs/ stand on: each case runs in the main fiber of a runtime, once on every engine, in a folder of its own. */
#ifndef TESTS_UNIT_FS_RIG_H
#define TESTS_UNIT_FS_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/file.h"
#include "zokio/zokio.h"

#include <zok_config.h>

/* The errors in the log, so that a test can say what it must name. */
static char rig_log[4096];

static inline void rig_note_line(void *arg, enum zok_log_level level, const char *line)
{
	if (level <= ZOK_LOG_ERROR)
		snprintf(rig_log + strlen(rig_log), sizeof rig_log - strlen(rig_log), "%s\n", line);
}

struct rig {
	const char *engine;
	int (*fn)(void);
	struct zok_file *dir; /* the case's folder */
	char path[64];
	uint64_t opened, closed;
};

static struct rig *rig;

static inline int rig_main(void *arg)
{
	struct zok_core_stats stats;

	assert_int_equal(zok_file_open(&rig->dir, NULL, rig->path, O_RDONLY | O_DIRECTORY, 0), 0);
	rig->fn();
	assert_int_equal(zok_file_close(rig->dir), 0);
	assert_int_equal(zok_stats(0, &stats), 0);
	rig->opened = stats.files_opened;
	rig->closed = stats.files_closed;
	return 0;
}

static inline void rig_run(void **state, int (*fn)(void))
{
	struct rig it = {.engine = *state, .fn = fn};
	const struct zok_options options = {.engine = it.engine, .no_export = true};
	int rc;

	rig = &it;
	rig_log[0] = '\0';
	zok_log_set(rig_note_line, NULL);
	snprintf(it.path, sizeof it.path, "/tmp/zokio-fs-XXXXXX");
	assert_non_null(mkdtemp(it.path));
	rc = zok_run(&options, rig_main, NULL);
	zok_log_set(NULL, NULL);
	assert_int_equal(rmdir(it.path), 0); /* the case has removed what it made */
	if (rc == -ENOSYS || rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
	assert_int_equal(it.opened, it.closed);
}

/* A case `name`, whose body runs in a fiber. Follow it with the body in braces. */
#define RIG_CASE(name)                       \
	static int name##_body(void);        \
	static void name(void **state)       \
	{                                    \
		rig_run(state, name##_body); \
	}                                    \
	static int name##_body(void)

#define RIG_ROW(name)                                               \
	{#name " (uring)", name, NULL, NULL, (void *)"uring"},      \
	{                                                           \
#name " (epoll)", name, NULL, NULL, (void *)"epoll" \
	}

/* ---- In the fiber ---- */

static inline struct zok_file *rig_create(const char *name, int flags)
{
	struct zok_file *file = NULL;

	assert_int_equal(zok_file_open(&file, rig->dir, name, O_RDWR | O_CREAT | flags, 0600), 0);
	return file;
}

static inline void rig_remove(struct zok_file *file, const char *name)
{
	assert_int_equal(zok_file_close(file), 0);
	assert_int_equal(zok_path_unlink(rig->dir, name, 0), 0);
}

/* A direct file of some blocks; NULL where the folder's file system has no direct I/O. */
static inline struct zok_file *rig_create_direct(const char *name)
{
	struct zok_file *file = NULL;
	int rc = zok_file_open(&file, rig->dir, name, O_RDWR | O_CREAT | O_DIRECT, 0600);

	if (rc == -EINVAL) {
		print_message("no direct I/O on /tmp\n");
		zok_path_unlink(rig->dir, name, 0);
	} else {
		assert_int_equal(rc, 0);
	}
	return file;
}

/* Reads an end of a pipe that is never written, in a fiber of its own. */
struct rig_reader {
	struct zok_file *file;
	ssize_t result;
};

static inline int rig_reads(void *arg)
{
	struct rig_reader *reader = arg;
	char buf[8];

	reader->result = zok_file_read(reader->file, buf, sizeof buf);
	return 0;
}

#endif
