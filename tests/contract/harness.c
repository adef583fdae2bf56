/* The engines to choose from, the calls, and the sockets of the contract suite. */
#include "tests/contract/harness.h"
#include "tests/contract/threads.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zok_config.h>

/* How long nothing may be completed while something is in flight. */
#define STALL_NS (10 * ZOK_S)

static const struct zok__engine_ops *const engines[] = {
	&zok__engine_epoll,
#ifdef ZOK_HAVE_URING
	&zok__engine_uring,
#endif
};

static const struct zok__engine_ops *engine_ops;
static bool is_tiny, is_direct;
static enum zok__mode mode;

const char *rig_engine_name(void)
{
	return engine_ops->name;
}

const struct zok__engine_ops *rig_engine_ops(void)
{
	return engine_ops;
}

bool rig_is_direct(void)
{
	return is_direct;
}

bool rig_is_tiny(void)
{
	return is_tiny;
}

enum zok__mode rig_mode(void)
{
	return mode;
}

/* ---- The rig ---- */

static int open_engine(struct rig *rig, char *reason, size_t reason_size)
{
	struct zok__engine_options options = {
		.mode = mode,
		.sqpoll_cpu = -1,
		.direct_descriptors = is_direct ? ZOK__DIRECT_ON : ZOK__DIRECT_OFF,
		.direct_after_ops = 1,
		.sq_entries = is_tiny ? 2 : 0,
		.cq_entries = is_tiny ? 2 : 0,
		.bufs = &rig->bufs,
		.threads = &test_threads,
		.counters = &rig->counters,
	};
	int rc = zok__bufs_init(&rig->bufs, NULL, BUFS_COUNT, BUF_SIZE);

	if (rc < 0)
		return rc;
	rc = engine_ops->create(&rig->engine, &options, reason, reason_size);
	if (rc < 0)
		zok__bufs_finish(&rig->bufs);
	else
		rig->bufs.engine = rig->engine;
	return rc;
}

int rig_open(struct rig *rig)
{
	char reason[256];

	*rig = (struct rig){0};
	return open_engine(rig, reason, sizeof reason);
}

void rig_close(struct rig *rig)
{
	assert_int_equal(rig->in_flight, 0);
	assert_int_equal(rig->bufs.out_count, 0);
	engine_ops->destroy(rig->engine);
	threads_settle();
	zok__bufs_finish(&rig->bufs);
}

int rig_setup(void **state)
{
	struct rig *rig = malloc(sizeof *rig);
	int fd_count = count_fds();

	assert_non_null(rig);
	assert_int_equal(rig_open(rig), 0);
	rig->fd_count = fd_count;
	*state = rig;
	return 0;
}

int rig_teardown(void **state)
{
	struct rig *rig = *state;
	int fd_count = rig->fd_count;

	rig_close(rig);
	free(rig);
	assert_int_equal(count_fds(), fd_count);
	return 0;
}

int rig_turn(struct rig *rig, uint64_t timeout_ns)
{
	int n;

	rig->is_turning = true;
	n = rig->engine->ops->wait(rig->engine, timeout_ns);
	rig->is_turning = false;
	assert_true(n >= 0);
	return n;
}

/* The engine is waited for in pieces, so that a completion that never comes fails the test instead of hanging it. */
static void turn_or_fail(struct rig *rig, uint64_t *deadline_ns, const char *what)
{
	if (rig_turn(rig, STALL_NS / 10) > 0)
		*deadline_ns = now_ns() + STALL_NS;
	else if (now_ns() > *deadline_ns)
		fail_msg("%s: nothing was completed for a long time, %u in flight", what, rig->in_flight);
}

void rig_drain(struct rig *rig)
{
	uint64_t deadline_ns = now_ns() + STALL_NS;

	while (rig->in_flight > 0)
		turn_or_fail(rig, &deadline_ns, "drain");
}

/* ---- Calls ---- */

static void call_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct call *call = (struct call *)(void *)op;

	assert_true(call->is_in_flight); /* once, and never after the last */
	call->completion_count++;
	call->result = completion->result;
	assert_true(completion->buf == NULL || (completion->result > 0 && completion->buf->is_out));
	if (!completion->has_more) {
		call->is_in_flight = false;
		call->is_done = true;
		call->rig->in_flight--;
	}
	if (call->each)
		call->each(call, completion);
	else if (completion->buf)
		zok__buf_release(completion->buf);
}

/* What an engine needs of core's own preparation. */
void call_prepare(struct call *call, struct rig *rig, enum zok_op_kind kind, int fd)
{
	memset(call, 0, sizeof *call);
	call->rig = rig;
	call->op.deliver = call_deliver;
	call->op.kind = (uint8_t)kind;
	call->op.fd = fd;
}

static void warm_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	op->future.state = ZOK_FUTURE_READY;
}

/* An op that tells nothing, so that the one to come is not its descriptor's first: that one still goes by the plain descriptor. */
static void warm(struct rig *rig, int fd)
{
	struct zok_op op = {.deliver = warm_deliver, .kind = ZOK_OP_POLL, .fd = fd, .future.state = ZOK_FUTURE_PENDING};
	uint64_t deadline_ns = now_ns() + STALL_NS;

	rig->engine->ops->submit(rig->engine, &op);
	rig_turn(rig, 0);
	rig->engine->ops->cancel(rig->engine, &op);
	while (op.future.state == ZOK_FUTURE_PENDING)
		turn_or_fail(rig, &deadline_ns, "warm");
	rig_turn(rig, 0);
}

static bool is_to_be_warmed(const struct call *call)
{
	return is_direct && !call->rig->is_turning && call->rig->in_flight == 0 && call->op.kind != ZOK_OP_NOP &&
	       call->op.kind != ZOK_OP_CLOSE;
}

void call_submit(struct call *call)
{
	assert_false(call->is_in_flight);
	if (is_to_be_warmed(call))
		warm(call->rig, call->op.fd);
	call->is_in_flight = true;
	call->is_done = false;
	call->completion_count = 0;
	call->rig->in_flight++;
	call->op.future.state = ZOK_FUTURE_PENDING;
	call->rig->engine->ops->submit(call->rig->engine, &call->op);
}

void call_cancel(struct call *call)
{
	call->rig->engine->ops->cancel(call->rig->engine, &call->op);
}

int32_t call_await(struct call *call)
{
	uint64_t deadline_ns = now_ns() + STALL_NS;

	while (!call->is_done)
		turn_or_fail(call->rig, &deadline_ns, "await");
	return call->result;
}

void call_await_count(struct call *call, unsigned count)
{
	uint64_t deadline_ns = now_ns() + STALL_NS;

	while (call->completion_count < count && !call->is_done)
		turn_or_fail(call->rig, &deadline_ns, "await count");
	assert_true(call->completion_count >= count);
}

int32_t call_run(struct call *call)
{
	call_submit(call);
	return call_await(call);
}

static void prepare_buffer(struct call *call, struct rig *rig, enum zok_op_kind kind, int fd, const void *buf, size_t len)
{
	call_prepare(call, rig, kind, fd);
	call->op.arg.buffer.base = (void *)(uintptr_t)buf;
	call->op.arg.buffer.len = len;
}

void prepare_read(struct call *call, struct rig *rig, int fd, void *buf, size_t len, uint64_t offset)
{
	prepare_buffer(call, rig, ZOK_OP_READ, fd, buf, len);
	call->op.arg.buffer.offset = offset;
}

void prepare_write(struct call *call, struct rig *rig, int fd, const void *buf, size_t len, uint64_t offset)
{
	prepare_buffer(call, rig, ZOK_OP_WRITE, fd, buf, len);
	call->op.arg.buffer.offset = offset;
}

void prepare_recv(struct call *call, struct rig *rig, int fd, void *buf, size_t len)
{
	prepare_buffer(call, rig, ZOK_OP_RECV, fd, buf, len);
}

void prepare_send(struct call *call, struct rig *rig, int fd, const void *buf, size_t len)
{
	prepare_buffer(call, rig, ZOK_OP_SEND, fd, buf, len);
}

void prepare_poll(struct call *call, struct rig *rig, int fd, uint32_t events)
{
	call_prepare(call, rig, ZOK_OP_POLL, fd);
	call->op.arg.poll_events = events;
}

int32_t run_close(struct rig *rig, int fd)
{
	struct call call;

	call_prepare(&call, rig, ZOK_OP_CLOSE, fd);
	return call_run(&call);
}

/* ---- Sockets ---- */

int tcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one), 0);
	return fd;
}

int tcp_listen(struct sockaddr_in *address)
{
	int fd = tcp_socket();
	socklen_t len = sizeof *address;

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

void tcp_pair(int fds[2])
{
	struct sockaddr_in address;
	int listener = tcp_listen(&address);

	fds[0] = tcp_socket();
	assert_int_equal(connect(fds[0], (struct sockaddr *)&address, sizeof address), 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[1] >= 0);
	close(listener);
}

void unix_pair(int fds[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

void make_pipe(int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

uint32_t random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

/* ---- main ---- */

static bool choose_engine(const char *name)
{
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++)
		if (strcmp(engines[i]->name, name) == 0)
			engine_ops = engines[i];
	return engine_ops != NULL;
}

static bool has_direct(const struct zok__engine_report *report, char *reason, size_t reason_size)
{
	for (size_t i = 0; i < report->feature_count; i++) {
		if (strcmp(report->features[i].name, "direct-descriptors") == 0) {
			snprintf(reason, reason_size, "no direct descriptors: %s", report->features[i].reason);
			return report->features[i].is_active;
		}
	}
	return false;
}

/* 0, or why the engine cannot be tested here. */
static int try_engine(char *reason, size_t reason_size)
{
	struct rig rig = {0};
	struct zok__engine_report report;
	int rc = open_engine(&rig, reason, reason_size);

	if (rc < 0)
		return rc;
	rig.engine->ops->report(rig.engine, &report);
	if (mode == ZOK__MODE_SQPOLL && strcmp(report.mode, "sqpoll") != 0) {
		snprintf(reason, reason_size, "no sqpoll: it runs as %s", report.mode);
		rc = -EPERM;
	} else if (is_direct && !has_direct(&report, reason, reason_size)) {
		rc = -EPERM;
	}
	rig_close(&rig);
	return rc;
}

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 2; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

int contract_main(int argc, char **argv, const char *name, const struct CMUnitTest *tests, size_t count)
{
	char reason[256] = "no reason given";
	int rc;

	if (argc < 2) {
		fprintf(stderr, "usage: %s ENGINE [tiny] [sqpoll] [direct]\n", argv[0]);
		return 2;
	}
	is_tiny = has_word(argc, argv, "tiny");
	is_direct = has_word(argc, argv, "direct");
	mode = has_word(argc, argv, "sqpoll") ? ZOK__MODE_SQPOLL : ZOK__MODE_PARK;
	if (!choose_engine(argv[1])) {
		printf("skipped: the engine %s is not in this build\n", argv[1]);
		return 77;
	}
	rc = try_engine(reason, sizeof reason);
	if (rc == -ENOSYS || rc == -EPERM) {
		printf("skipped: the engine %s is not to be had here: %s\n", argv[1], reason);
		return 77;
	}
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}
