/* Every system call and allocation of an engine fails once in turn: the op says so, and nothing hangs, leaks or aborts. */
#include "tests/contract/faults.h"
#include "tests/contract/harness.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Armed while the engine runs ---- */

static const struct zok__engine_ops *real_ops;

static void armed_submit(struct zok__engine *engine, struct zok_op *op)
{
	bool before = faults_arm(true);

	real_ops->submit(engine, op);
	faults_arm(before);
}

static void armed_cancel(struct zok__engine *engine, struct zok_op *op)
{
	bool before = faults_arm(true);

	real_ops->cancel(engine, op);
	faults_arm(before);
}

static int armed_wait(struct zok__engine *engine, uint64_t timeout_ns)
{
	int n;

	faults_arm(true);
	n = real_ops->wait(engine, timeout_ns);
	faults_arm(false);
	return n;
}

static void armed_wake(struct zok__engine *engine)
{
	faults_arm(true);
	real_ops->wake(engine);
	faults_arm(false);
}

static void armed_release(struct zok__engine *engine, struct zok_buf *buf)
{
	real_ops->release(engine, buf);
}

static const struct zok__engine_ops armed_ops = {
	.submit = armed_submit,
	.cancel = armed_cancel,
	.wait = armed_wait,
	.wake = armed_wake,
	.release = armed_release,
};

static bool open_armed(struct rig *rig)
{
	int rc;

	faults_arm(true);
	rc = rig_open(rig);
	faults_arm(false);
	if (rc < 0)
		return false;
	real_ops = rig->engine->ops;
	rig->engine->ops = &armed_ops;
	return true;
}

static void close_armed(struct rig *rig)
{
	rig->engine->ops = real_ops;
	rig_close(rig);
}

/* ---- What is done meanwhile: a little of everything ---- */

enum { CALLS_MAX = 16 };

struct scene {
	struct rig *rig;
	struct call calls[CALLS_MAX];
	unsigned count;
	int accepted; /* or -1 */
};

static struct call *add(struct scene *scene)
{
	return &scene->calls[scene->count++];
}

/* What a fault has left without its other half would wait for ever: after a few quiet turns it is cancelled. */
static void settle(struct scene *scene)
{
	for (unsigned quiet = 0; scene->rig->in_flight > 0 && quiet < 3;)
		quiet = rig_turn(scene->rig, ZOK_MS) > 0 ? 0 : quiet + 1;
	for (unsigned i = 0; i < scene->count; i++)
		if (scene->calls[i].is_in_flight)
			call_cancel(&scene->calls[i]);
	rig_drain(scene->rig);
	scene->count = 0;
}

static void submit_all(struct scene *scene)
{
	for (unsigned i = 0; i < scene->count; i++)
		call_submit(&scene->calls[i]);
}

static void let_go_by_engine(struct scene *scene, enum zok_op_kind kind, int fd)
{
	if (fd < 0)
		return;
	call_prepare(add(scene), scene->rig, kind, fd);
	call_submit(&scene->calls[scene->count - 1]);
}

static void close_by_engine(struct scene *scene, int fd)
{
	let_go_by_engine(scene, ZOK_OP_CLOSE, fd);
}

static void note_accepted(struct call *call, const struct zok_completion *completion)
{
	if (completion->result >= 0)
		*(int *)call->arg = completion->result;
}

static void play_connect(struct scene *scene, int listener, int client, const struct sockaddr_in *address)
{
	struct call *accept = add(scene), *connecting = add(scene);

	call_prepare(accept, scene->rig, ZOK_OP_ACCEPT, listener);
	accept->each = note_accepted;
	accept->arg = &scene->accepted;
	call_prepare(connecting, scene->rig, ZOK_OP_CONNECT, client);
	connecting->op.arg.address.addr = (const struct sockaddr *)(const void *)address;
	connecting->op.arg.address.len = sizeof *address;
	submit_all(scene);
	settle(scene);
}

static void play_stream(struct scene *scene, int from, int to)
{
	static char buf[64];
	struct iovec vector = {buf, sizeof buf};
	struct msghdr header = {.msg_iov = &vector, .msg_iovlen = 1};
	struct call *call;

	prepare_recv(add(scene), scene->rig, to, buf, 32);
	prepare_poll(add(scene), scene->rig, to, POLLIN);
	submit_all(scene);
	rig_turn(scene->rig, 0);
	prepare_send(call = add(scene), scene->rig, from, "first", 5);
	call_submit(call);
	settle(scene);
	call_prepare(add(scene), scene->rig, ZOK_OP_RECV_BUFFERS, to);
	call_prepare(call = add(scene), scene->rig, ZOK_OP_SENDMSG, from);
	call->op.arg.message.header = &header;
	call_prepare(call = add(scene), scene->rig, ZOK_OP_SHUTDOWN, from);
	call->op.arg.shutdown_how = SHUT_WR;
	submit_all(scene);
	settle(scene);
}

static void play_splice(struct scene *scene, int from, int to, int pipe[2])
{
	struct call *call;

	call_prepare(call = add(scene), scene->rig, ZOK_OP_SPLICE, from);
	call->op.arg.splice.fd_out = pipe[1];
	call->op.arg.splice.len = 4096;
	call_submit(call);
	rig_turn(scene->rig, 0);
	prepare_write(call = add(scene), scene->rig, to, "spliced", 7, UINT64_MAX);
	call_submit(call);
	settle(scene);
}

static void play_files(struct scene *scene, int pipe[2], int file)
{
	static char bufs[2][64];

	prepare_read(add(scene), scene->rig, pipe[0], bufs[0], sizeof bufs[0], UINT64_MAX);
	prepare_write(add(scene), scene->rig, pipe[1], "pipe", 4, UINT64_MAX);
	prepare_write(add(scene), scene->rig, file, "file", 4, 0);
	prepare_read(add(scene), scene->rig, file, bufs[1], sizeof bufs[1], 0);
	submit_all(scene);
	settle(scene);
}

static void play(struct rig *rig)
{
	struct scene scene = {.rig = rig, .accepted = -1};
	struct sockaddr_in address;
	int listener = tcp_listen(&address), client = tcp_socket(), pair[2], pipe[2];
	FILE *file = tmpfile();

	tcp_pair(pair);
	make_pipe(pipe);
	assert_non_null(file);
	rig->engine->ops->wake(rig->engine);
	play_connect(&scene, listener, client, &address);
	play_stream(&scene, pair[0], pair[1]);
	let_go_by_engine(&scene, ZOK_OP_FORGET, pair[0]);
	play_splice(&scene, pair[0], pair[1], pipe);
	play_files(&scene, pipe, fileno(file));
	close_by_engine(&scene, scene.accepted);
	close_by_engine(&scene, listener);
	close_by_engine(&scene, client);
	for (int i = 0; i < 2; i++) {
		close_by_engine(&scene, pair[i]);
		close_by_engine(&scene, pipe[i]);
	}
	settle(&scene);
	fclose(file);
}

/* One run for each call that there is, until none is left to fail. */
static void each_fails_once(bool interrupts)
{
	int fd_count = count_fds();

	for (unsigned target = 1; target < 10000; target++) {
		struct rig rig;

		faults_begin(target, interrupts);
		if (open_armed(&rig)) {
			play(&rig);
			close_armed(&rig);
		}
		if (count_fds() != fd_count)
			fail_msg("descriptors leaked after %s failed (call %u)", faults_hit(), target);
		if (!faults_hit()) {
			print_message("%u calls failed in turn\n", target - 1);
			assert_true(target > 10);
			return;
		}
	}
}

static void each_call_fails_once(void **state)
{
	each_fails_once(false);
}

static void each_call_is_interrupted_once(void **state)
{
	each_fails_once(true);
}

/* Whatever the kernel takes in one go: the sync, -EINVAL on a pipe, begins behind the write's end. */
static void sync_waits_where_batches_are_cut(void **state)
{
	static char block[65536];
	struct rig rig;
	struct call call, other;
	int fds[2];

	assert_int_equal(rig_open(&rig), 0);
	make_pipe(fds);
	assert_int_equal(write(fds[1], block, sizeof block), sizeof block); /* full */
	call_prepare(&call, &rig, ZOK_OP_FILE_WRITE_SYNC, fds[1]);
	call.op.arg.file.base = block;
	call.op.arg.file.len = 4096;
	call.op.arg.file.offset = UINT64_MAX;
	faults_cut(1);
	call_submit(&call);
	for (int i = 0; i < 3; i++) {
		call_prepare(&other, &rig, ZOK_OP_FILE_SYNC, fds[1]);
		assert_int_equal(call_run(&other), -EINVAL);
	}
	faults_cut(UINT_MAX);
	assert_false(call.is_done);
	assert_true(read(fds[0], block, sizeof block) > 0);
	assert_int_equal(call_await(&call), -EINVAL);
	call_prepare(&other, &rig, ZOK_OP_CLOSE, fds[1]);
	assert_int_equal(call_run(&other), 0);
	close(fds[0]);
	rig_close(&rig);
}

/* Whoever asks for it does not wait, even where nothing goes to the kernel any more and a queue stands before it. */
static void memory_is_registered_within_submit(void **state)
{
	enum { MANY = 5000 };
	static char memory[4096];
	struct call *calls = calloc(MANY, sizeof *calls), call;
	struct rig rig;
	int32_t number;

	assert_non_null(calls);
	assert_int_equal(rig_open(&rig), 0);
	faults_cut(0);
	for (int i = 0; i < MANY; i++) {
		call_prepare(&calls[i], &rig, ZOK_OP_NOP, -1);
		call_submit(&calls[i]);
	}
	call_prepare(&call, &rig, ZOK_OP_MEMORY_REGISTER, -1);
	call.op.arg.range.offset = (uintptr_t)memory;
	call.op.arg.range.len = sizeof memory;
	call_submit(&call);
	number = call.result;
	if (call.is_done && number >= 0) {
		call_prepare(&call, &rig, ZOK_OP_MEMORY_UNREGISTER, -1);
		call.op.arg.range.flags = (uint32_t)number;
		call_submit(&call);
		assert_int_equal(call.result, 0);
	}
	faults_cut(UINT_MAX);
	assert_true(call.is_done);
	rig_drain(&rig);
	rig_close(&rig);
	free(calls);
}

static int32_t change_memory(struct rig *rig, enum zok_op_kind kind, void *memory, uint32_t number)
{
	struct call call;

	call_prepare(&call, rig, kind, -1);
	call.op.arg.range.offset = (uintptr_t)memory;
	call.op.arg.range.len = 4096;
	call.op.arg.range.flags = number;
	return call_run(&call);
}

static void *map_at(void *address)
{
	void *memory = mmap(address, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (address ? MAP_FIXED : 0), -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

/* The kernel keeps the pages that it was not able to let go of: what lies at their address later must not be taken for them. */
static void memory_that_stays_pinned_is_not_used(void **state)
{
	void *memory = map_at(NULL);
	struct rig rig;
	struct call call;
	int fds[2];
	int32_t number;

	assert_int_equal(rig_open(&rig), 0);
	number = change_memory(&rig, ZOK_OP_MEMORY_REGISTER, memory, 0);
	if (number < 0) {
		rig_close(&rig);
		munmap(memory, 4096);
		print_message("no memory is registered here: %s\n", strerror(-number));
		skip();
	}
	faults_begin(1, false);
	rig.is_turning = true; /* no op of the harness's own before it */
	faults_arm(true);
	assert_int_equal(change_memory(&rig, ZOK_OP_MEMORY_UNREGISTER, memory, (uint32_t)number), -ENOMEM);
	faults_arm(false);
	rig.is_turning = false;
	assert_string_equal(faults_hit(), "io_uring_register");
	map_at(memory);
	make_pipe(fds);
	assert_int_equal(write(fds[1], "new", 4), 4);
	call_prepare(&call, &rig, ZOK_OP_FILE_READ, fds[0]);
	call.op.arg.file.base = memory;
	call.op.arg.file.len = 4096;
	call.op.arg.file.offset = UINT64_MAX;
	assert_int_equal(call_run(&call), 4);
	assert_string_equal(memory, "new");
	assert_int_equal(change_memory(&rig, ZOK_OP_MEMORY_UNREGISTER, memory, (uint32_t)number), -EINVAL);
	call_prepare(&call, &rig, ZOK_OP_CLOSE, fds[0]);
	assert_int_equal(call_run(&call), 0);
	close(fds[1]);
	rig_close(&rig);
	munmap(memory, 4096);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(memory_that_stays_pinned_is_not_used), cmocka_unit_test(memory_is_registered_within_submit),
	cmocka_unit_test(sync_waits_where_batches_are_cut),	cmocka_unit_test(each_call_fails_once),
	cmocka_unit_test(each_call_is_interrupted_once),
};

CONTRACT_MAIN(tests)
