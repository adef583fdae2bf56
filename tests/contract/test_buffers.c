/* Receive buffers: each byte once and in order, each buffer back, and a shortage that passes. */
#include "tests/contract/harness.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a receiver has, in order, and the buffers that it has not given back. */
struct inbox {
	uint8_t bytes[65536];
	size_t len;
	struct zok_buf *kept[BUFS_COUNT];
	unsigned kept_count;
	bool keeps;
};

static void take(struct call *call, const struct zok_completion *completion)
{
	struct inbox *inbox = call->arg;

	assert_int_equal(completion->has_more, completion->buf != NULL);
	if (!completion->buf)
		return;
	assert_int_equal(completion->buf->len, completion->result);
	assert_true(inbox->len + completion->buf->len <= sizeof inbox->bytes);
	memcpy(inbox->bytes + inbox->len, completion->buf->data, completion->buf->len);
	inbox->len += completion->buf->len;
	if (inbox->keeps)
		inbox->kept[inbox->kept_count++] = completion->buf;
	else
		zok__buf_release(completion->buf);
}

static void release_kept(struct inbox *inbox)
{
	while (inbox->kept_count > 0)
		zok__buf_release(inbox->kept[--inbox->kept_count]);
}

static void prepare_receive(struct call *call, struct rig *rig, int fd, struct inbox *inbox)
{
	call_prepare(call, rig, ZOK_OP_RECV_BUFFERS, fd);
	call->each = take;
	call->arg = inbox;
}

static void fill(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
}

static void until_the_end_of_the_stream(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	struct call call;
	int fds[2];

	tcp_pair(fds);
	inbox = (struct inbox){0};
	prepare_receive(&call, rig, fds[1], &inbox);
	call_submit(&call);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(write(fds[0], "abc", 3), 3);
		while (inbox.len < (size_t)(i + 1) * 3)
			rig_turn(rig, ZOK_S);
	}
	shutdown(fds[0], SHUT_WR);
	assert_int_equal(call_await(&call), 0);
	assert_int_equal(inbox.len, 60);
	assert_int_equal(rig->bufs.out_count, 0);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* The end that comes together with more bytes than a buffer holds. */
static void bytes_and_end_at_once(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	static uint8_t bytes[BUF_SIZE * 5 / 2];
	struct call call;
	int fds[2];

	fill(bytes, sizeof bytes);
	for (int is_tcp = 0; is_tcp < 2; is_tcp++) {
		if (is_tcp)
			tcp_pair(fds);
		else
			unix_pair(fds);
		inbox = (struct inbox){0};
		assert_int_equal(write(fds[0], bytes, sizeof bytes), sizeof bytes);
		shutdown(fds[0], SHUT_WR);
		prepare_receive(&call, rig, fds[1], &inbox);
		assert_int_equal(call_run(&call), 0);
		assert_int_equal(inbox.len, sizeof bytes);
		assert_memory_equal(inbox.bytes, bytes, sizeof bytes);
		run_close(rig, fds[0]);
		run_close(rig, fds[1]);
	}
}

/* The receiver keeps all that there is; gives some back and goes on, again and again. */
static void none_left_then_on(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	static uint8_t bytes[BUF_SIZE * BUFS_COUNT * 3];
	struct call call;
	unsigned shortages = 0;
	int fds[2];

	tcp_pair(fds);
	inbox = (struct inbox){.keeps = true};
	fill(bytes, sizeof bytes);
	assert_int_equal(write(fds[0], bytes, sizeof bytes), sizeof bytes);
	shutdown(fds[0], SHUT_WR);
	prepare_receive(&call, rig, fds[1], &inbox);
	while (call_run(&call) == -ENOBUFS) {
		assert_int_equal(inbox.kept_count, BUFS_COUNT);
		release_kept(&inbox);
		shortages++;
	}
	assert_int_equal(call.result, 0);
	release_kept(&inbox);
	assert_true(shortages >= 2);
	assert_int_equal(rig->counters.stats.buffer_shortages, shortages);
	assert_int_equal(inbox.len, sizeof bytes);
	assert_memory_equal(inbox.bytes, bytes, sizeof bytes);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* Connections that say nothing hold no buffer: more of them wait than there are buffers, and each is heard. */
static void more_receivers_than_buffers(void **state)
{
	enum { COUNT = BUFS_COUNT * 4 };
	struct rig *rig = rig_of(state);
	static struct inbox inboxes[COUNT];
	static struct call calls[COUNT];
	int fds[COUNT][2];

	memset(inboxes, 0, sizeof inboxes);
	for (int i = 0; i < COUNT; i++) {
		tcp_pair(fds[i]);
		prepare_receive(&calls[i], rig, fds[i][1], &inboxes[i]);
		call_submit(&calls[i]);
	}
	rig_turn(rig, 0);
	for (int i = 0; i < COUNT; i++)
		assert_int_equal(write(fds[i][0], &i, sizeof i), sizeof i);
	for (int i = 0; i < COUNT; i++) {
		while (inboxes[i].len < sizeof i) {
			call_await_count(&calls[i], 1);
			if (calls[i].is_done) { /* all buffers were out for a moment */
				assert_int_equal(calls[i].result, -ENOBUFS);
				call_submit(&calls[i]);
			}
		}
		assert_memory_equal(inboxes[i].bytes, &i, sizeof i);
	}
	for (int i = 0; i < COUNT; i++) {
		call_cancel(&calls[i]);
		call_await(&calls[i]);
		run_close(rig, fds[i][0]);
		run_close(rig, fds[i][1]);
	}
	assert_int_equal(rig->bufs.out_count, 0);
}

/* A cancel while buffers are out, and while one may be on its way. */
static void cancel_gives_every_buffer_back(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	struct call call;
	int fds[2];

	tcp_pair(fds);
	inbox = (struct inbox){.keeps = true};
	prepare_receive(&call, rig, fds[1], &inbox);
	for (int i = 0; i < 200; i++) {
		call_submit(&call);
		rig_turn(rig, 0);
		assert_int_equal(write(fds[0], "x", 1), 1);
		if (i & 1)
			rig_turn(rig, 0);
		call_cancel(&call);
		call_await(&call);
		assert_int_equal(rig->bufs.out_count, inbox.kept_count);
		release_kept(&inbox);
	}
	assert_int_equal(rig->bufs.out_count, 0);
	while (inbox.len < 200) { /* none of the bytes was lost with a buffer */
		call_submit(&call);
		rig_turn(rig, ZOK_S);
		call_cancel(&call);
		call_await(&call);
		release_kept(&inbox);
	}
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* The pool is empty and nothing has arrived: that is no shortage until something does. */
static void an_empty_pool_waits_with_an_idle_peer(void **state)
{
	struct rig *rig = rig_of(state);
	static struct inbox inbox;
	struct call keeper, idle;
	static uint8_t bytes[BUF_SIZE * BUFS_COUNT];
	int fds[2], others[2];

	tcp_pair(fds);
	tcp_pair(others);
	inbox = (struct inbox){.keeps = true};
	assert_int_equal(write(fds[0], bytes, sizeof bytes), sizeof bytes);
	prepare_receive(&keeper, rig, fds[1], &inbox);
	call_submit(&keeper);
	while (inbox.kept_count < BUFS_COUNT)
		rig_turn(rig, ZOK_S);
	prepare_receive(&idle, rig, others[1], &inbox);
	call_submit(&idle);
	for (int i = 0; i < 3; i++)
		rig_turn(rig, 0);
	assert_false(idle.is_done);
	assert_int_equal(write(others[0], "x", 1), 1);
	assert_int_equal(call_await(&idle), -ENOBUFS);
	release_kept(&inbox);
	call_submit(&idle);
	call_await_count(&idle, 1);
	release_kept(&inbox);
	if (!keeper.is_done) {
		call_cancel(&keeper);
		call_await(&keeper);
	}
	call_cancel(&idle);
	assert_int_equal(call_await(&idle), -ECANCELED);
	for (int i = 0; i < 2; i++) {
		run_close(rig, fds[i]);
		run_close(rig, others[i]);
	}
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(until_the_end_of_the_stream),
	CONTRACT_TEST(bytes_and_end_at_once),
	CONTRACT_TEST(none_left_then_on),
	CONTRACT_TEST(more_receivers_than_buffers),
	CONTRACT_TEST(cancel_gives_every_buffer_back),
	CONTRACT_TEST(an_empty_pool_waits_with_an_idle_peer),
};

CONTRACT_MAIN(tests)
