/* The counters' file: that it is complete, comes and goes with the runtime, survives each call that fails, and that what the dead leave is removed. */
#include "runtime/export.h"
#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/timer.h"

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
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATH_SIZE = 512 };

static char folder[] = "/tmp/zok-export-XXXXXX";

/* ---- Calls that fail ---- */

enum call { OPEN, STATFS, FALLOCATE, MMAP, RENAME, CALL_COUNT, NO_CALL };

static enum call failing = NO_CALL;

static bool fails(enum call call)
{
	if (failing != call)
		return false;
	failing = NO_CALL; /* once */
	errno = ENOSPC;
	return true;
}

/* The linker puts these in place of the library's calls (--wrap). */
int __wrap_open64(const char *path, int flags, ...);
int __wrap_fstatfs64(int fd, struct statfs *status);
int __wrap_posix_fallocate64(int fd, off_t offset, off_t length);
void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_rename(const char *from, const char *to);
int __real_open64(const char *path, int flags, ...);
int __real_fstatfs64(int fd, struct statfs *status);
int __real_posix_fallocate64(int fd, off_t offset, off_t length);
void *__real_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_rename(const char *from, const char *to);

int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
		if (fails(OPEN))
			return -1;
	}
	return __real_open64(path, flags, mode);
}

int __wrap_fstatfs64(int fd, struct statfs *status)
{
	return fails(STATFS) ? -1 : __real_fstatfs64(fd, status);
}

int __wrap_posix_fallocate64(int fd, off_t offset, off_t length)
{
	return fails(FALLOCATE) ? ENOSPC : __real_posix_fallocate64(fd, offset, length);
}

void *__wrap_mmap64(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	return fails(MMAP) ? MAP_FAILED : __real_mmap64(address, size, protection, flags, fd, offset);
}

int __wrap_rename(const char *from, const char *to)
{
	return fails(RENAME) ? -1 : __real_rename(from, to);
}

/* ---- What lies in the folder ---- */

static int make_folder(void **state)
{
	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	return mkdtemp(folder) ? 0 : -1;
}

/* How many files there are; the name of one of them in `name`. */
static int count_files(char name[PATH_SIZE])
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		count++;
		if (name)
			snprintf(name, PATH_SIZE, "%s/%s", folder, entry->d_name);
	}
	closedir(dir);
	return count;
}

static int remove_folder(void **state)
{
	char name[PATH_SIZE];

	while (count_files(name) > 0)
		if (unlink(name) < 0)
			assert_int_equal(rmdir(name), 0);
	return rmdir(folder);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static const struct zok__engine_report report = {.engine = "uring", .mode = "park"};

/* ---- The layout ---- */

static void test_every_counter_has_a_row_and_no_two_rows_meet(void **state)
{
	enum { WORDS = sizeof(struct zok__export_core) / 8 };
	bool is_told[WORDS] = {false};

	for (unsigned i = 0; i < zok__export_field_count; i++) {
		const struct zok_export_field *field = &zok__export_fields[i];

		assert_non_null(memchr(field->name, 0, sizeof field->name));
		assert_in_range(field->kind, ZOK_EXPORT_COUNTER, ZOK_EXPORT_LATENCY);
		assert_int_equal(field->offset % 8, 0);
		for (unsigned k = 0; k < field->count; k++) {
			assert_in_range(field->offset / 8 + k, 0, WORDS - 1);
			assert_false(is_told[field->offset / 8 + k]);
			is_told[field->offset / 8 + k] = true;
		}
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(field->name, zok__export_fields[k].name);
	}
	for (unsigned i = 0; i < WORDS; i++)
		if (!is_told[i])
			fail_msg("the counter at byte %u of struct zok__export_core has no row in runtime/export_fields.c", 8 * i);
}

static void read_header(const char *path, struct zok_export_header *header, struct stat *status)
{
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, header, sizeof *header, 0), sizeof *header);
	assert_int_equal(fstat(fd, status), 0);
	close(fd);
}

static void test_what_a_core_counts_is_in_the_file(void **state)
{
	struct zok__export export;
	struct zok_export_header header;
	struct stat status;
	char path[PATH_SIZE];
	uint64_t loops = 0;
	int fd;

	assert_int_equal(zok__export_create(&export, folder, true, 3), 0);
	assert_int_equal(count_files(path), 1);
	assert_int_equal(strrchr(path, '/')[1], '.'); /* nobody looks at it yet */
	zok__export_publish(&export, &report, 77);
	zok__export_core(&export, 2)->counters.stats.loops = 12345;
	assert_int_equal(count_files(path), 1);
	read_header(path, &header, &status);
	assert_memory_equal(header.magic, ZOK_EXPORT_MAGIC, 8);
	assert_int_equal(header.core_count, 3);
	assert_int_equal(header.pid, getpid());
	assert_int_equal(header.budget_ns, 77);
	assert_string_equal(header.engine, "uring");
	assert_int_equal(header.core_offset + header.core_count * header.core_size, status.st_size);
	assert_int_equal(status.st_mode & 0777, 0600);
	fd = open(path, O_RDONLY);
	assert_int_equal(pread(fd, &loops, 8, (off_t)(header.core_offset + 2 * header.core_size + offsetof(struct zok_core_stats, loops))),
			 8);
	close(fd);
	assert_int_equal(loops, 12345);
	zok__export_destroy(&export);
	assert_int_equal(count_files(NULL), 0);
}

/* ---- What goes wrong ---- */

static void test_each_call_that_fails_is_survived(void **state)
{
	struct zok__export export;
	int fds = count_fds();

	for (int call = 0; call < CALL_COUNT; call++) {
		/* Asked for by name, a folder may be on any file system: only the default one is looked at. */
		failing = (enum call)call;
		assert_int_equal(zok__export_create(&export, folder, call != STATFS, 2), 0);
		zok__export_publish(&export, &report, 1);
		assert_int_equal(failing, NO_CALL);
		assert_int_equal(count_files(NULL), call == RENAME ? 1 : 0);
		zok__export_core(&export, 1)->counters.stats.loops = 1;
		zok__export_destroy(&export);
		assert_int_equal(count_files(NULL), 0);
		assert_int_equal(count_fds(), fds);
	}
	failing = MMAP;
	assert_int_equal(zok__export_create(&export, NULL, false, 2), -ENOSPC);
	zok__export_destroy(&export);
}

static void test_a_folder_that_is_not_there_or_too_long_is_survived(void **state)
{
	struct zok__export export;
	char path[1000];

	assert_int_equal(zok__export_create(&export, "/nowhere/at/all", true, 1), 0);
	zok__export_destroy(&export);
	memset(path, 'x', sizeof path - 1);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	assert_int_equal(zok__export_create(&export, path, true, 1), 0);
	assert_false(export.is_in_file);
	zok__export_destroy(&export);
}

static void test_a_limit_to_the_size_of_files_is_no_signal(void **state)
{
	struct rlimit old, limit;
	struct zok__export export;

	getrlimit(RLIMIT_FSIZE, &old);
	limit = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(zok__export_create(&export, folder, true, 1), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_false(export.is_in_file);
	assert_int_equal(count_files(NULL), 0);
	zok__export_destroy(&export);
}

static void test_a_link_under_our_name_is_replaced_not_followed(void **state)
{
	struct zok__export export;
	char target[64], hidden[ZOK__EXPORT_PATH_SIZE];
	struct stat status;

	assert_int_equal(zok__export_create(&export, folder, true, 1), 0);
	memcpy(hidden, export.hidden, sizeof hidden);
	zok__export_destroy(&export);
	snprintf(target, sizeof target, "%s/target", folder);
	assert_int_equal(symlink(target, hidden), 0);
	assert_int_equal(zok__export_create(&export, folder, true, 1), 0);
	assert_true(export.is_in_file);
	assert_int_equal(lstat(target, &status), -1);
	assert_int_equal(lstat(hidden, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	zok__export_destroy(&export);
}

static void test_a_forked_child_removes_nothing(void **state)
{
	struct zok__export export;
	int status;
	pid_t child;

	assert_int_equal(zok__export_create(&export, folder, true, 1), 0);
	child = fork();
	if (child == 0) {
		zok__export_destroy(&export);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(count_files(NULL), 1);
	zok__export_destroy(&export);
}

/* ---- What the dead leave ---- */

static void leave(const char *prefix, long pid, uint64_t start_ticks, uint64_t pid_namespace)
{
	char path[PATH_SIZE];
	int fd;

	snprintf(path, sizeof path, "%s/%s%ld-%llu-%llu", folder, prefix, pid, (unsigned long long)start_ticks,
		 (unsigned long long)pid_namespace);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
}

static void test_only_what_dead_processes_left_is_removed(void **state)
{
	uint64_t here = zok__pid_namespace(), start_ticks = zok__process_start_ticks(0);
	pid_t dead = fork();
	char path[PATH_SIZE];

	if (dead == 0)
		_exit(0);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	leave("zokio-", dead, 1, here);
	leave(".zokio-", dead, 1, here);
	leave("zokio-", getpid(), start_ticks + 1, here); /* the number has been given again */
	assert_int_equal(zok_export_clean(folder), 3);
	assert_int_equal(count_files(NULL), 0);

	leave("zokio-", getpid(), start_ticks, here);
	leave("zokio-", dead, 1, here + 1); /* of another namespace */
	leave("zokio", dead, 1, here);
	leave("zokio--", dead, 1, here);
	leave("other-", dead, 1, here);
	leave("zokio-99999999999", dead, 1, here); /* no such number */
	snprintf(path, sizeof path, "%s/zokio-%ld-1-%llu", folder, (long)dead, (unsigned long long)here);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(zok_export_clean(folder), 0);
	assert_int_equal(count_files(NULL), 7);
	assert_int_equal(zok_export_clean("/nowhere"), -ENOENT);
}

static void test_the_next_runtime_removes_what_a_killed_one_left(void **state)
{
	struct zok__export export;
	pid_t dead = fork();

	if (dead == 0) {
		if (zok__export_create(&export, folder, true, 1) < 0)
			_exit(1);
		zok__export_publish(&export, &report, 1);
		raise(SIGKILL);
	}
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	assert_int_equal(count_files(NULL), 1);
	assert_int_equal(zok__export_create(&export, folder, true, 1), 0);
	assert_int_equal(count_files(NULL), 1);
	zok__export_destroy(&export);
	assert_int_equal(count_files(NULL), 0);
}

/* ---- With a runtime ---- */

static int is_shown(void *arg)
{
	struct zok_export_header header;
	struct stat status;
	char path[PATH_SIZE];

	assert_int_equal(count_files(path), *(int *)arg);
	if (*(int *)arg == 0)
		return 0;
	read_header(path, &header, &status);
	assert_int_equal(header.core_count, zok_core_count());
	assert_string_equal(header.engine, "epoll");
	assert_true(header.began_ns > 0);
	return 0;
}

static void test_a_runtime_is_shown_while_it_runs_unless_it_should_not(void **state)
{
	struct zok_options options = {.engine = "epoll", .cores = "all"};
	int one = 1, none = 0;

	setenv("ZOK_EXPORT", folder, 1);
	assert_int_equal(zok_run(&options, is_shown, &one), 0);
	assert_int_equal(count_files(NULL), 0);
	options.no_export = true;
	assert_int_equal(zok_run(&options, is_shown, &none), 0);
	options.no_export = false;
	setenv("ZOK_EXPORT", "off", 1);
	assert_int_equal(zok_run(&options, is_shown, &none), 0);
	setenv("ZOK_EXPORT", "on", 1);
	assert_int_equal(zok_run(&options, is_shown, &none), 0); /* elsewhere */
	setenv("ZOK_EXPORT", "here", 1);
	assert_int_equal(zok_run(&options, is_shown, &none), -EINVAL);
	unsetenv("ZOK_EXPORT");
}

static int hears_no_signal(void *arg)
{
	int fd = *(int *)arg;

	if (write(fd, "x", 1) != 1)
		return -EIO;
	for (;;) {
		/* Spins, so that its core never learns of the cancel. */
	}
}

static void run_deaf(int fd)
{
	setenv("ZOK_EXPORT", folder, 1);
	zok_run(&(struct zok_options){.engine = "epoll"}, hears_no_signal, &fd);
	_exit(0);
}

static void test_a_second_signal_removes_the_file_on_its_way_out(void **state)
{
	int ends[2], status;
	char byte;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0)
		run_deaf(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(count_files(NULL), 1);
	kill(child, SIGTERM);
	kill(child, SIGINT); /* another one: the same could be delivered once for both */
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_in_range(WEXITSTATUS(status), 128 + SIGINT, 128 + SIGTERM);
	assert_int_equal(count_files(NULL), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_counter_has_a_row_and_no_two_rows_meet),
		cmocka_unit_test_setup_teardown(test_what_a_core_counts_is_in_the_file, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_each_call_that_fails_is_survived, make_folder, remove_folder),
		cmocka_unit_test(test_a_folder_that_is_not_there_or_too_long_is_survived),
		cmocka_unit_test_setup_teardown(test_a_limit_to_the_size_of_files_is_no_signal, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_a_link_under_our_name_is_replaced_not_followed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_a_forked_child_removes_nothing, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_only_what_dead_processes_left_is_removed, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_the_next_runtime_removes_what_a_killed_one_left, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_a_runtime_is_shown_while_it_runs_unless_it_should_not, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_a_second_signal_removes_the_file_on_its_way_out, make_folder, remove_folder),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
