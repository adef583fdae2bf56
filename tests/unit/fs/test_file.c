/* A file's life: opened, adopted, closed under those who use it, left open; one core's. */
#include "tests/unit/fs/rig.h"

RIG_CASE(opens_relative_to_a_folder)
{
	struct zok_file *file = rig_create("a", 0), *other = file;

	assert_int_equal(zok_file_open(&other, rig->dir, "none", O_RDONLY, 0), -ENOENT);
	assert_ptr_equal(other, file); /* untouched */
	assert_int_equal(zok_file_open(&other, file, "a", O_RDONLY, 0), -ENOTDIR);
	assert_true(zok_file_fd(file) >= 0);
	assert_int_equal(zok_file_alignment(file).offset, 0);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(adopts_a_descriptor)
{
	struct zok_file *file = NULL;
	char buf[4];
	int fd = open(rig->path, O_TMPFILE | O_RDWR, 0600);

	assert_true(fd >= 0);
	assert_int_equal(zok_file_adopt(&file, 1000000), -EBADF);
	assert_null(file);
	assert_int_equal(zok_file_adopt(&file, fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(zok_file_write(file, "abc", 3), 3);
	assert_int_equal(zok_file_read_at(file, buf, 4, 0), 3);
	assert_int_equal(zok_file_close(file), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(zok_file_close(NULL), 0);
	return 0;
}

/* Who waits on it is told, and the close comes after. */
RIG_CASE(close_ends_who_waits)
{
	struct rig_reader reader = {.result = 1};
	struct zok_file *out = NULL;
	struct zok_scope *scope = zok_scope_open(NULL);
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(zok_file_adopt(&reader.file, fds[0]), 0);
	assert_int_equal(zok_file_adopt(&out, fds[1]), 0);
	assert_int_equal(zok_spawn(scope, rig_reads, &reader, NULL), 0);
	zok_sleep(1); /* it has begun */
	assert_int_equal(zok_file_close(reader.file), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(reader.result, -EBADF);
	assert_int_equal(zok_file_close(out), 0);
	return 0;
}

static int closes(void *arg)
{
	return zok_file_close(arg);
}

/* The second is told, and does not close what may be another's by then. */
RIG_CASE(two_closes_are_one)
{
	struct rig_reader reader = {.result = 1};
	struct zok_scope *scope = zok_scope_open(NULL);
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(zok_file_adopt(&reader.file, fds[0]), 0);
	assert_int_equal(zok_spawn(scope, rig_reads, &reader, NULL), 0);
	zok_sleep(1);
	assert_int_equal(zok_spawn(scope, closes, reader.file, NULL), 0);
	assert_int_equal(zok_spawn(scope, closes, reader.file, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), -EBADF);
	assert_int_equal(reader.result, -EBADF);
	close(fds[1]);
	return 0;
}

static int leaves_open(void *arg)
{
	struct zok_file *file;

	assert_int_equal(zok_file_open(&file, NULL, "/dev/null", O_RDWR, 0), 0);
	*(int *)arg = zok_file_fd(file);
	return 0;
}

static void closed_at_the_end(void **state)
{
	const struct zok_options options = {.engine = *state, .no_export = true};
	int fd = -1, rc;

	rc = zok_run(&options, leaves_open, &fd);
	if (rc == -ENOSYS || rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* A deadline that has passed begins nothing: no file is made. */
RIG_CASE(under_a_cancelled_scope_nothing_begins)
{
	struct zok_file *file = NULL;
	struct zok_file_facts facts;
	struct zok_scope *scope = zok_scope_open(NULL);

	zok_scope_cancel(scope);
	assert_int_equal(zok_file_open(&file, rig->dir, "a", O_RDWR | O_CREAT, 0600), -ECANCELED);
	zok_scope_close(scope, 0);
	assert_null(file);
	assert_int_equal(zok_path_stat(rig->dir, "a", 0, &facts), -ENOENT);
	return 0;
}

/* The descriptor is not lost where there is no room for a file. */
RIG_CASE(futures_are_awaited_like_calls)
{
	struct zok_file_open opens[2];
	struct zok_future *const parts[] = {&opens[0].op.future, &opens[1].op.future};
	struct zok_join join;

	zok_file_open_prepare(&opens[0], rig->dir, "a", O_RDWR | O_CREAT, 0600);
	zok_file_open_prepare(&opens[1], rig->dir, "b", O_RDWR, 0);
	zok_join_prepare(&join, parts, 2);
	assert_int_equal(zok_await(&join.future), -ENOENT);
	assert_int_equal(opens[0].op.future.result, 0);
	rig_remove(opens[0].file, "a");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(opens_relative_to_a_folder),
		RIG_ROW(adopts_a_descriptor),
		RIG_ROW(close_ends_who_waits),
		RIG_ROW(two_closes_are_one),
		RIG_ROW(closed_at_the_end),
		RIG_ROW(under_a_cancelled_scope_nothing_begins),
		RIG_ROW(futures_are_awaited_like_calls),
	};

	return cmocka_run_group_tests_name("fs/file", tests, NULL, NULL);
}
