/* What the tests of moves stand on: a runtime a case, on every engine, that ends with nothing left open; and both ends of a connection. */
#ifndef TESTS_UNIT_NET_MOVE_RIG_H
#define TESTS_UNIT_NET_MOVE_RIG_H

#include "tests/unit/net/rig.h"

#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/sync.h"

#include <dirent.h>
#include <errno.h>

/* cmocka's assertions belong to the first core's thread: what runs elsewhere says what it finds to its peer, or counts it. */

static inline unsigned other(void)
{
	return zok_core_count() - 1;
}

/* ---- Memory that can be short ---- */

static struct {
	int until_failure; /* how many allocations may still succeed; negative: all. Atomic */
	int64_t alive;	   /* bytes. Atomic */
} memory = {.until_failure = -1};

static inline void *allocate(void *arg, size_t size, size_t alignment)
{
	if (__atomic_load_n(&memory.until_failure, __ATOMIC_RELAXED) >= 0 &&
	    __atomic_fetch_sub(&memory.until_failure, 1, __ATOMIC_RELAXED) == 0)
		return NULL;
	__atomic_fetch_add(&memory.alive, (int64_t)size, __ATOMIC_RELAXED);
	return aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static inline void release(void *arg, void *block, size_t size)
{
	__atomic_fetch_sub(&memory.alive, (int64_t)size, __ATOMIC_RELAXED);
	free(block);
}

static const struct zok_allocator allocator = {.allocate = allocate, .release = release};

static inline void fail_after(int count)
{
	__atomic_store_n(&memory.until_failure, count, __ATOMIC_RELAXED);
}

/* ---- A runtime a case ---- */

static int line_count;

static inline void count_line(void *arg, enum zok_log_level level, const char *text)
{
	__atomic_fetch_add(&line_count, 1, __ATOMIC_RELAXED);
}

static inline int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static int (*the_case)(void);
static int lines_expected;

/* What was opened, closed and moved, over all cores: each core has what it should have, which is nothing. */
static inline void check_counters(void)
{
	struct zok_core_stats stats;
	uint64_t in = 0, out = 0, opened = 0, closed = 0;

	for (unsigned core = 0; zok_stats(core, &stats) == 0; core++) {
		assert_int_equal(stats.connections_open, 0);
		assert_int_equal(stats.sockets_opened + stats.connections_moved_in, stats.sockets_closed + stats.connections_moved_out);
		in += stats.connections_moved_in;
		out += stats.connections_moved_out;
		opened += stats.sockets_opened;
		closed += stats.sockets_closed;
	}
	assert_int_equal(in, out);
	assert_int_equal(opened, closed);
}

static inline int settle_there(void *arg)
{
	rig_settle();
	return 0;
}

static inline int run_case(void *arg)
{
	int rc = the_case();

	rig_settle();
	zok_call_on(other(), settle_there, NULL);
	check_counters();
	return rc;
}

/* Returns false where the machine has not got it. */
static inline bool run_once(const char *engine)
{
	const struct zok_options options = {.cores = "all",
					    .engine = engine,
					    .receive_buffers = 64,
					    .receive_buffer_size = 512,
					    .stall_detector = "off",
					    .no_export = true,
					    .allocator = &allocator};
	int fd_count = count_fds(), rc;

	line_count = 0;
	rc = zok_run(&options, run_case, NULL);
	if (rc == -ENOSYS || rc == -EPERM || rc == -EINVAL)
		return false;
	assert_int_equal(rc, 0);
	assert_int_equal(line_count, lines_expected);
	assert_int_equal(memory.alive, 0);
	assert_int_equal(count_fds(), fd_count);
	return true;
}

static inline void run_expecting(int (*fn)(void), int lines)
{
	the_case = fn;
	lines_expected = lines;
	zok_log_set(count_line, NULL);
	run_once("uring");
	assert_true(run_once("epoll"));
	zok_log_set(NULL, NULL);
}

static inline void run(int (*fn)(void))
{
	run_expecting(fn, 0);
}

/* ---- What is on both ends ---- */

static inline void make_pair(struct zok_socket **here, struct zok_socket **peer)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(zok_socket_adopt(here, fds[0]), 0);
	assert_int_equal(zok_socket_adopt(peer, fds[1]), 0);
}

static inline void expect_read(struct zok_socket *socket, const char *text)
{
	char buf[64];
	size_t len = strlen(text);

	assert_int_equal(zok_read_all(socket, buf, len), len);
	assert_memory_equal(buf, text, len);
}

static inline void expect_end(struct zok_socket *socket)
{
	char byte;

	assert_int_equal(zok_read(socket, &byte, 1), 0);
}

static inline void say(struct zok_socket *socket, const char *text)
{
	assert_int_equal(zok_write_all(socket, text, strlen(text)), strlen(text));
}

static inline int reads_one(void *arg)
{
	char byte;

	return (int)zok_read(arg, &byte, 1);
}

/* So that its next small send is written behind. */
static inline void make_answering(struct zok_socket *socket, struct zok_socket *peer)
{
	struct zok_scope *scope = zok_scope_open(NULL);

	say(socket, "!");
	expect_read(peer, "!");
	assert_int_equal(zok_spawn(scope, reads_one, socket, NULL), 0);
	rig_settle();
	say(peer, "?");
	assert_int_equal(zok_scope_close(scope, 0), 0);
}

/* Sends back what it gets, behind the number of its core; then closes. */
static inline int echo(void *arg)
{
	struct zok_socket *socket = arg;
	char core = (char)('0' + zok_core_index()), buf[64];
	ssize_t n;

	zok_write_all(socket, &core, 1);
	while ((n = zok_read(socket, buf, sizeof buf)) > 0)
		zok_write_all(socket, buf, (size_t)n);
	zok_close(socket);
	return 0;
}

static inline int arrive_and_echo(struct zok_socket *socket, void *arg)
{
	return zok_spawn(&zok__core()->root, echo, socket, NULL);
}

static inline int refuse(struct zok_socket *socket, void *arg)
{
	return -ECONNREFUSED;
}

static inline void expect_core(struct zok_socket *peer, unsigned core)
{
	expect_read(peer, (char[]){(char)('0' + core), '\0'});
}

#endif
