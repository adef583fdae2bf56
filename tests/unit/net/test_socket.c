/* Sockets as a whole: a warm request allocates nothing and takes no lock, memory that runs out is an error, and both faces do the same. */
#include "tests/unit/net/rig.h"

#include "core/alloc.h"
#include "zokio/async.h"

#include <pthread.h>

/* ---- What the linker sends through here (--wrap in meson.build): every allocation and lock of the library's own code ---- */

static unsigned calls;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

void *__wrap_malloc(size_t size)
{
	calls++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	calls++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	calls++;
	return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	calls++;
	return __real_aligned_alloc(alignment, size);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
	calls++;
	return __real_pthread_mutex_lock(lock);
}

static int echo(void *arg)
{
	struct zok_socket *peer = arg;
	char buf[256];
	ssize_t n;

	while ((n = zok_read(peer, buf, sizeof buf)) > 0)
		assert_int_equal(zok_write_all(peer, buf, (size_t)n), n);
	return zok_close(peer);
}

static void ask(struct zok_socket *client, int rounds)
{
	char sent[64] = "request", got[64];

	for (int i = 0; i < rounds; i++) {
		sent[63] = (char)i;
		assert_int_equal(zok_write_all(client, sent, sizeof sent), sizeof sent);
		assert_int_equal(zok_read_all(client, got, sizeof got), sizeof got);
		assert_memory_equal(sent, got, sizeof sent);
	}
}

RIG_CASE(a_warm_request_allocates_nothing_and_takes_no_lock)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_socket *client, *server;
	unsigned before;

	rig_tcp(&client, &server);
	assert_int_equal(zok_spawn(scope, echo, server, NULL), 0);
	ask(client, 100);
	before = calls;
	assert_true(before > 0); /* the wrapping works */
	ask(client, 1000);
	assert_int_equal(calls, before);
	assert_int_equal(zok_close(client), 0);
	return zok_scope_close(scope, 0);
}

/* ---- The same stackless ---- */

struct echo_task {
	struct zok_task task;
	struct zok_socket *peer;
	union {
		struct zok_recv recv;
		struct zok_send send;
		struct zok_close close;
	} op;
	char buf[16];
};

static int echo_task_run(struct zok_task *task)
{
	struct echo_task *self = ZOK_CONTAINER_OF(task, struct echo_task, task);
	ssize_t n;

	ZOK_BEGIN(&task->async);
	for (;;) {
		zok_recv_prepare(&self->op.recv, self->peer, self->buf, sizeof self->buf);
		ZOK_AWAIT(n, &self->op.recv.future);
		if (n <= 0)
			break;
		zok_send_prepare(&self->op.send, self->peer, self->buf, (size_t)n);
		ZOK_AWAIT(n, &self->op.send.op.future);
	}
	zok_close_prepare(&self->op.close, self->peer);
	ZOK_AWAIT(n, &self->op.close.op.future);
	ZOK_END((int)n);
}

RIG_CASE(a_stackless_task_does_the_same)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct echo_task echo_task;
	struct zok_socket *client;

	rig_tcp(&client, &echo_task.peer);
	assert_int_equal(zok_task_spawn(scope, &echo_task.task, echo_task_run, NULL), 0);
	ask(client, 100);
	assert_int_equal(zok_close(client), 0);
	return zok_scope_close(scope, 0);
}

/* A race of two reads: the loser's bytes are still there. */
RIG_CASE(a_lost_race_loses_no_bytes)
{
	struct pair left = rig_pair(), right = rig_pair();
	struct zok_recv recv[2];
	struct zok_future *const parts[] = {&recv[0].future, &recv[1].future};
	struct zok_race race;
	char bytes[2][4], rest[4];

	zok_recv_prepare(&recv[0], left.socket, bytes[0], 4);
	zok_recv_prepare(&recv[1], right.socket, bytes[1], 4);
	zok_race_prepare(&race, parts, 2);
	assert_int_equal(send(right.raw, "rr", 2, 0), 2);
	assert_int_equal(zok_await(&race.future), 1);
	assert_int_equal(recv[0].future.result, -ECANCELED);
	assert_int_equal(recv[1].future.result, 2);
	assert_int_equal(send(left.raw, "ll", 2, 0), 2);
	assert_int_equal(zok_read(left.socket, rest, sizeof rest), 2);
	rig_pair_close(&left);
	rig_pair_close(&right);
	return 0;
}

/* ---- Memory runs out: the n-th allocation fails, for every n ---- */

static unsigned allocations_until_failure; /* 0: none fails */

static void *allocate(void *arg, size_t size, size_t alignment)
{
	if (allocations_until_failure > 0 && --allocations_until_failure == 0)
		return NULL;
	return __real_aligned_alloc(alignment, (size + alignment - 1) & ~(alignment - 1));
}

static void release(void *arg, void *memory, size_t size)
{
	free(memory);
}

/* Listens, connects, accepts, sends a byte, closes: 0, or what failed. Whatever was made is closed. */
static int whole_life(void)
{
	struct zok_socket *door = NULL, *client = NULL, *server = NULL;
	char address[ZOK_ADDRESS_SIZE], byte;
	int rc = zok_listen(&door, "tcp://127.0.0.1:0", NULL);

	if (rc == 0)
		rc = zok_local_address(door, address, sizeof address);
	if (rc == 0)
		rc = zok_connect(&client, address, NULL);
	if (rc == 0)
		rc = zok_accept(door, &server);
	if (rc == 0)
		rc = zok_write_all(client, "x", 1) == 1 && zok_read(server, &byte, 1) == 1 ? 0 : -EIO;
	assert_int_equal(zok_close(server), 0);
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(door), 0);
	return rc;
}

static int shortage_body(void *arg)
{
	unsigned n = 0, failures = 0;
	int rc;

	do {
		allocations_until_failure = ++n;
		rc = whole_life();
		assert_true(rc == 0 || rc == -ENOMEM);
		failures += rc == -ENOMEM;
	} while (allocations_until_failure == 0);
	allocations_until_failure = 0;
	assert_true(failures > 0);
	return 0;
}

static void memory_that_runs_out_is_an_error_each_time(void **state)
{
	const struct zok_allocator failing = {.allocate = allocate, .release = release};

	zok__allocator_set(&failing);
	rig_run_with(*state, RIG_BUFFERS, shortage_body, NULL);
	zok__allocator_set(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(a_warm_request_allocates_nothing_and_takes_no_lock) RIG_ROW(
		a_stackless_task_does_the_same) RIG_ROW(a_lost_race_loses_no_bytes) RIG_ROW(memory_that_runs_out_is_an_error_each_time)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
