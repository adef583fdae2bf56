/* Bytes in and out: whole reads and writes, the position, appends, syncs, and what devices and limits refuse. */
#include "tests/unit/fs/rig.h"

#include <sched.h>
#include <sys/mount.h>

RIG_CASE(reads_what_was_written)
{
	struct zok_file *file = rig_create("a", 0);
	char buf[16] = "";

	assert_int_equal(zok_file_write_at(file, "0123456789", 10, 0), 10);
	assert_int_equal(zok_file_read_at(file, buf, 4, 3), 4);
	assert_memory_equal(buf, "3456", 4);
	assert_int_equal(zok_file_read_at(file, buf, 16, 7), 3);
	assert_int_equal(zok_file_read_at(file, buf, 16, 10), 0);
	assert_int_equal(zok_file_read_at(file, buf, 0, 0), 0);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(position_moves)
{
	struct zok_file *file = rig_create("a", 0);
	char buf[16];

	assert_int_equal(zok_file_write(file, "0123", 4), 4);
	assert_int_equal(zok_file_write(file, "4567", 4), 4);
	assert_int_equal(zok_file_read(file, buf, 4), 0);
	assert_int_equal(zok_file_read_at(file, buf, 16, 0), 8);
	assert_memory_equal(buf, "01234567", 8);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(appends_do_not_overwrite)
{
	struct zok_file *file = rig_create("a", 0);
	struct zok_file_io ios[8];
	struct zok_future *parts[8];
	struct zok_join join;
	char buf[32];

	for (int i = 0; i < 8; i++) {
		zok_file_write_prepare(&ios[i], file, "ab", 2, 0);
		ios[i].flags = ZOK_FILE_APPEND;
		parts[i] = &ios[i].op.future;
	}
	zok_join_prepare(&join, parts, 8);
	assert_int_equal(zok_await(&join.future), 0);
	assert_int_equal(zok_file_append(file, "ab", 2), 2);
	assert_int_equal(zok_file_read_at(file, buf, 32, 0), 18);
	for (int i = 0; i < 18; i += 2)
		assert_memory_equal(buf + i, "ab", 2);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(one_at_the_position_at_a_time)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct rig_reader reader = {.result = 1};
	struct zok_file *out = NULL;
	char buf[8];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(zok_file_adopt(&reader.file, fds[0]), 0);
	assert_int_equal(zok_file_adopt(&out, fds[1]), 0);
	assert_int_equal(zok_spawn(scope, rig_reads, &reader, NULL), 0);
	zok_sleep(1);
	assert_int_equal(zok_file_read(reader.file, buf, 8), -EBUSY);
	assert_int_equal(zok_file_write(out, "x", 1), 1);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(reader.result, 1);
	assert_int_equal(zok_file_close(reader.file), 0);
	assert_int_equal(zok_file_close(out), 0);
	return 0;
}

/* A deadline ends the wait for what does not come, and loses nothing. */
RIG_CASE(deadline_ends_a_read_of_a_pipe)
{
	struct zok_scope *scope;
	struct zok_file *in = NULL;
	char buf[8];
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(zok_file_adopt(&in, fds[0]), 0);
	scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = ZOK_MS});
	assert_int_equal(zok_file_read(in, buf, 8), -ETIMEDOUT);
	assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
	assert_int_equal(write(fds[1], "late", 4), 4);
	assert_int_equal(zok_file_read(in, buf, 8), 4);
	assert_int_equal(zok_file_close(in), 0);
	close(fds[1]);
	return 0;
}

/* Larger than what a pipe or a page holds, in one call. */
RIG_CASE(large_ones_are_whole)
{
	enum { LEN = 3 << 20 };
	struct zok_file *file = rig_create("a", 0);
	uint8_t *out = malloc(LEN), *in = calloc(1, LEN);

	for (size_t i = 0; i < LEN; i++)
		out[i] = (uint8_t)(i * 2654435761u >> 16);
	assert_int_equal(zok_file_write_at(file, out, LEN, 100), LEN);
	assert_int_equal(zok_file_read_at(file, in, LEN, 100), LEN);
	assert_memory_equal(in, out, LEN);
	assert_int_equal(zok_file_advise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
	assert_int_equal(zok_file_read_at(file, in, LEN, 101), LEN - 1);
	assert_memory_equal(in, out + 1, LEN - 1);
	free(out);
	free(in);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(vectors)
{
	struct zok_file *file = rig_create("a", 0);
	char left[4], right[4];
	const struct iovec out[2] = {{(char[]){"0123"}, 4}, {(char[]){"4567"}, 4}}, in[2] = {{left, 4}, {right, 4}};

	assert_int_equal(zok_file_writev_at(file, out, 2, 0, ZOK_FILE_DSYNC), 8);
	assert_int_equal(zok_file_readv_at(file, in, 2, 1, 0), 7);
	assert_memory_equal(left, "1234", 4);
	assert_memory_equal(right, "567", 3);
	assert_int_equal(zok_file_readv_at(file, in, 0, 0, 0), 0);
	assert_int_equal(zok_file_readv_at(file, in, -1, 0, 0), -EINVAL);
	assert_int_equal(zok_file_readv_at(file, in, 1025, 0, 0), -EINVAL);
	assert_int_equal(zok_file_writev_at(file, out, 2, 0, 1u << 30), -EOPNOTSUPP);
	rig_remove(file, "a");
	return 0;
}

RIG_CASE(write_sync_is_all_or_an_error)
{
	struct zok_file *file = rig_create("a", 0), *full = NULL;
	char buf[8];

	assert_int_equal(zok_file_write_sync(file, "kept", 4, 2), 4);
	assert_int_equal(zok_file_write_sync(file, "", 0, 0), 0);
	assert_int_equal(zok_file_read_at(file, buf, 8, 2), 4);
	assert_memory_equal(buf, "kept", 4);
	assert_int_equal(zok_file_open(&full, NULL, "/dev/full", O_WRONLY, 0), 0);
	assert_int_equal(zok_file_write_sync(full, "x", 1, 0), -ENOSPC);
	assert_int_equal(zok_file_write_at(full, "x", 1, 0), -ENOSPC);
	assert_int_equal(zok_file_close(full), 0);
	rig_remove(file, "a");
	return 0;
}

/* The end that is met is the end at that time. */
RIG_CASE(shrinks_while_it_is_read)
{
	enum { LEN = 1 << 20 };
	struct zok_file *file = rig_create("a", 0);
	uint8_t *buf = calloc(1, LEN);
	ssize_t n;

	assert_int_equal(zok_file_write_at(file, buf, LEN, 0), LEN);
	assert_int_equal(zok_file_read_at(file, buf, 4096, 0), 4096);
	assert_int_equal(zok_file_truncate(file, 6000), 0);
	n = zok_file_read_at(file, buf, LEN, 4096);
	assert_int_equal(n, 6000 - 4096);
	assert_int_equal(zok_file_read_at(file, buf, LEN, 8192), 0);
	free(buf);
	rig_remove(file, "a");
	return 0;
}

/* The kernel's own EIO: a process's memory where there is none. */
RIG_CASE(eio_is_told)
{
	struct zok_file *file = NULL;
	char buf[8];

	assert_int_equal(zok_file_open(&file, NULL, "/proc/self/mem", O_RDONLY, 0), 0);
	assert_int_equal(zok_file_read_at(file, buf, 8, 16), -EIO);
	assert_int_equal(zok_file_close(file), 0);
	return 0;
}

/* What fits is written and told; the next call has the error. */
static int fills_a_small_disk(void)
{
	enum { LEN = 256 << 10 };
	struct zok_file *file = rig_create("a", 0);
	uint8_t *buf = calloc(1, LEN);
	ssize_t n = zok_file_write_at(file, buf, LEN, 0);

	assert_in_range(n, 4096, LEN - 4096);
	assert_int_equal(zok_file_write_at(file, buf, LEN, (uint64_t)n), -ENOSPC);
	assert_int_equal(zok_file_write_sync(file, buf, LEN, 0), -ENOSPC);
	assert_int_equal(zok_file_allocate(file, 0, 0, LEN), -ENOSPC);
	free(buf);
	rig_remove(file, "a");
	return 0;
}

static int on_a_small_disk(void)
{
	struct zok_file *there = rig->dir;
	int rc;

	if (mount("none", rig->path, "tmpfs", 0, "size=64k") < 0)
		return 0;
	assert_int_equal(zok_file_open(&rig->dir, NULL, rig->path, O_RDONLY | O_DIRECTORY, 0), 0);
	rc = fills_a_small_disk();
	assert_int_equal(zok_file_close(rig->dir), 0);
	rig->dir = there;
	assert_int_equal(umount2(rig->path, 0), 0);
	return rc;
}

static bool has_namespace;

static void enospc_is_told(void **state)
{
	if (!has_namespace) {
		print_message("no mount namespace of our own: not tried on a small disk\n");
		skip();
	}
	rig_run(state, on_a_small_disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(reads_what_was_written),
		RIG_ROW(position_moves),
		RIG_ROW(appends_do_not_overwrite),
		RIG_ROW(one_at_the_position_at_a_time),
		RIG_ROW(deadline_ends_a_read_of_a_pipe),
		RIG_ROW(large_ones_are_whole),
		RIG_ROW(vectors),
		RIG_ROW(write_sync_is_all_or_an_error),
		RIG_ROW(shrinks_while_it_is_read),
		RIG_ROW(eio_is_told),
		RIG_ROW(enospc_is_told),
	};

	/* While there is one thread: what is mounted is seen by nobody else, and goes with the process. */
	has_namespace = unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return cmocka_run_group_tests_name("fs/io", tests, NULL, NULL);
}
