/* Every allocation of core, engine and runtime fails once in turn: nothing aborts, hangs or stays behind, and the error says what it was. */
#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/sync.h"
#include "zokio/timer.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

/* How many calls may still succeed; the one after them fails. Negative: none fails any more. */
static int until_failure = -1;

static bool fails_now(void)
{
	return __atomic_load_n(&until_failure, __ATOMIC_RELAXED) >= 0 && __atomic_fetch_sub(&until_failure, 1, __ATOMIC_RELAXED) == 0;
}

/* The linker puts these in place of the library's calls (--wrap). */
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *arg), void *arg);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
void *__real_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *arg), void *arg);

void *__wrap_malloc(size_t size)
{
	return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails_now() ? NULL : __real_aligned_alloc(alignment, size);
}

int __wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
	return fails_now() ? ENOMEM : __real_posix_memalign(memory, alignment, size);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (fails_now()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(address, size, protection, flags, fd, offset);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*fn)(void *arg), void *arg)
{
	return fails_now() ? EAGAIN : __real_pthread_create(thread, attributes, fn, arg);
}

/* ---- A program that uses a little of everything ---- */

static int naps(void *arg)
{
	int rc = zok_sleep(ZOK_US);

	return rc < 0 ? rc : 1;
}

static ssize_t blocks(void *arg)
{
	return 0;
}

static int uses_a_channel(void)
{
	struct zok_channel channel;
	int item = 1, rc = zok_channel_init(&channel, NULL, 4, sizeof item);

	if (rc < 0)
		return rc;
	rc = zok_channel_send(&channel, &item);
	zok_channel_finish(&channel);
	return rc;
}

static int program(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	int rc;

	if (!scope)
		return -ENOMEM;
	rc = zok_spawn(scope, naps, NULL, NULL);
	if (rc == 0)
		rc = zok_spawn(scope, naps, NULL, &(struct zok_spawn_options){.stack_size = 16384});
	if (rc == 0)
		rc = zok_spawn_on(zok_core_count() - 1, scope, naps, NULL, NULL);
	if (rc == 0)
		rc = zok_call_on(zok_core_count() - 1, naps, NULL);
	if (rc >= 0)
		rc = (int)zok_blocking(blocks, NULL);
	if (rc == 0)
		rc = uses_a_channel();
	return zok_scope_close(scope, rc);
}

static size_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* A failure may also be survived: the tick is a hint, some memory is a cache. */
static void fail_each_in_turn(const struct zok_options *options)
{
	size_t fds;
	int count, rc;

	assert_int_equal(zok_run(options, program, NULL), 0);
	fds = count_fds();
	for (count = 0; count < 10000; count++) {
		__atomic_store_n(&until_failure, count, __ATOMIC_RELAXED);
		rc = zok_run(options, program, NULL);
		if (__atomic_exchange_n(&until_failure, -1, __ATOMIC_RELAXED) >= 0)
			break;
		if (rc != 0 && rc != -ENOMEM && rc != -EAGAIN)
			fail_msg("the failure of allocation %d gave %d", count, rc);
		assert_int_equal(count_fds(), fds);
	}
	assert_in_range(count, 10, 9999);
	assert_int_equal(rc, 0);
}

static void test_on_one_core(void **state)
{
	fail_each_in_turn(&(struct zok_options){.engine = "epoll"});
}

static void test_on_all_cores(void **state)
{
	fail_each_in_turn(&(struct zok_options){.engine = "epoll", .cores = "all"});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_on_one_core),
		cmocka_unit_test(test_on_all_cores),
	};

	zok_log_level_set(ZOK_LOG_OFF);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
