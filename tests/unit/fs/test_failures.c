/* Out of memory: each call that allocates says so, leaves nothing behind, and works once there is some again. */
#include "tests/unit/fs/rig.h"

#include <dirent.h>

static bool is_short; /* the program's allocator has nothing to give */

static void *allocate(void *arg, size_t size, size_t alignment)
{
	return is_short ? NULL : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void release(void *arg, void *memory, size_t size)
{
	free(memory);
}

static const struct zok_allocator allocator = {.allocate = allocate, .release = release};

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* The descriptor is there when the memory for the file is not: it must not be lost. */
static void opening(void)
{
	struct zok_file *file = NULL;
	struct zok_watch *watch = NULL;
	int before = count_fds(), fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	is_short = true;
	assert_int_equal(zok_file_open(&file, NULL, "/dev/null", O_RDWR, 0), -ENOMEM);
	assert_int_equal(zok_file_adopt(&file, fd), -ENOMEM);
	assert_int_equal(zok_watch_create(&watch), -ENOMEM);
	is_short = false;
	assert_null(file);
	assert_int_equal(close(fd), 0); /* still the caller's */
	assert_int_equal(count_fds(), before);
}

static void using(struct zok_file *zero)
{
	struct zok_file_buffers *buffers = NULL;
	struct zok_file *sink = NULL;
	struct zok_dir *dir = NULL;

	assert_int_equal(zok_file_open(&sink, NULL, "/dev/null", O_RDWR, 0), 0);
	is_short = true;
	assert_int_equal(zok_dir_begin(&dir, zero), -ENOMEM);
	assert_int_equal(zok_file_buffers_create(&buffers, 1024, 1 << 20), -ENOMEM);
	assert_int_equal(zok_file_copy(zero, 0, sink, 0, 1 << 20), -ENOMEM); /* through a buffer */
	is_short = false;
	assert_int_equal(zok_file_copy(zero, 0, sink, 0, 1 << 20), 1 << 20);
	assert_int_equal(zok_file_close(sink), 0);
}

static int body(void *arg)
{
	struct zok_file *zero = NULL;

	opening();
	assert_int_equal(zok_file_open(&zero, NULL, "/dev/zero", O_RDONLY, 0), 0);
	using(zero);
	assert_int_equal(zok_file_close(zero), 0);
	return 0;
}

static void out_of_memory(void **state)
{
	const struct zok_options options = {.engine = *state, .no_export = true, .allocator = &allocator};
	int rc = zok_run(&options, body, NULL);

	if (rc == -ENOSYS || rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(out_of_memory)};

	return cmocka_run_group_tests_name("fs/failures", tests, NULL, NULL);
}
