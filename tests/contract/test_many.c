/* Many ops at once, through queues that are far too small for them: none is lost, none comes twice, and no one starves. */
#include "tests/contract/harness.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OPS = 5000, PAIRS = 500 };

static void thousands_of_nops(void **state)
{
	struct rig *rig = rig_of(state);
	struct call *calls = calloc(OPS, sizeof *calls);

	for (int i = 0; i < OPS; i++) {
		call_prepare(&calls[i], rig, ZOK_OP_NOP, -1);
		call_submit(&calls[i]);
	}
	rig_drain(rig);
	for (int i = 0; i < OPS; i++)
		assert_int_equal(calls[i].completion_count, 1);
	free(calls);
}

/* All of them become ready by one event: more completions at once than any queue holds. */
static void thousands_complete_at_once(void **state)
{
	struct rig *rig = rig_of(state);
	struct call *calls = calloc(OPS, sizeof *calls);
	int fds[2];

	unix_pair(fds);
	for (int i = 0; i < OPS; i++) {
		prepare_poll(&calls[i], rig, fds[1], POLLIN);
		call_submit(&calls[i]);
		if (i % 500 == 0)
			rig_turn(rig, 0);
	}
	rig_turn(rig, 0);
	assert_int_equal(rig->in_flight, OPS);
	assert_int_equal(write(fds[0], "x", 1), 1);
	rig_drain(rig);
	for (int i = 0; i < OPS; i++)
		assert_true(calls[i].completion_count == 1 && (calls[i].result & POLLIN));
	free(calls);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

static void thousands_are_cancelled_at_once(void **state)
{
	struct rig *rig = rig_of(state);
	struct call *calls = calloc(OPS, sizeof *calls);
	int fds[2];

	unix_pair(fds);
	for (int i = 0; i < OPS; i++) {
		prepare_poll(&calls[i], rig, fds[1], POLLIN);
		call_submit(&calls[i]);
	}
	rig_turn(rig, 0);
	for (int i = 0; i < OPS; i++)
		call_cancel(&calls[i]);
	rig_drain(rig);
	for (int i = 0; i < OPS; i++)
		assert_true(calls[i].completion_count == 1 && calls[i].result == -ECANCELED);
	free(calls);
	run_close(rig, fds[0]);
	run_close(rig, fds[1]);
}

/* ---- A thousand sockets ---- */

struct player {
	struct call call;
	int fd, round;
	uint32_t value;
};

enum { ROUNDS = 20 };

static void serve(struct call *call, const struct zok_completion *completion);

static void prepare_turn(struct player *player, struct rig *rig, bool is_sending)
{
	if (is_sending)
		prepare_send(&player->call, rig, player->fd, &player->value, sizeof player->value);
	else
		prepare_recv(&player->call, rig, player->fd, &player->value, sizeof player->value);
	player->call.each = serve;
	player->call.arg = player;
	call_submit(&player->call);
}

/* Ping-pong: who has received adds one and sends, who has sent receives. */
static void serve(struct call *call, const struct zok_completion *completion)
{
	struct player *player = call->arg;
	bool is_sending = call->op.kind == ZOK_OP_RECV;

	assert_int_equal(completion->result, sizeof player->value);
	if (is_sending)
		player->value++;
	if (++player->round < ROUNDS)
		prepare_turn(player, call->rig, is_sending);
}

static void raise_fd_limit(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void a_thousand_sockets_play_ping_pong(void **state)
{
	struct rig *rig = rig_of(state);
	struct player *players = calloc(2 * PAIRS, sizeof *players);

	raise_fd_limit();
	for (int i = 0; i < PAIRS; i++) {
		int fds[2];

		tcp_pair(fds);
		for (int side = 0; side < 2; side++) {
			players[2 * i + side].fd = fds[side];
			prepare_turn(&players[2 * i + side], rig, side == 0);
		}
	}
	rig_drain(rig);
	for (int i = 0; i < 2 * PAIRS; i++) {
		assert_int_equal(players[i].round, ROUNDS);
		assert_true(players[i].value >= ROUNDS / 2 - 1);
		run_close(rig, players[i].fd);
	}
	free(players);
}

/* ---- Fairness ---- */

struct flood {
	struct call call;
	const struct call *drop;
	size_t received, sent;
	int fd; /* the sender's */
};

enum { FLOOD_MAX = 64 << 20 };

static void flood_more(struct flood *flood)
{
	static uint8_t block[4096];
	ssize_t n = send(flood->fd, block, sizeof block, MSG_DONTWAIT);

	flood->sent += n > 0 ? (size_t)n : 0;
}

/* Whatever is received is sent anew, so that there is always more, until the other has been heard. */
static void flood_on(struct call *call, const struct zok_completion *completion)
{
	struct flood *flood = call->arg;

	if (!completion->buf)
		return;
	flood->received += completion->buf->len;
	zok__buf_release(completion->buf);
	if (!flood->drop->is_done && flood->sent < FLOOD_MAX)
		flood_more(flood);
}

static void flood_to_its_end(struct flood *flood, struct rig *rig)
{
	while (flood->received < flood->sent) {
		if (flood->call.is_done) {
			assert_int_equal(flood->call.result, -ENOBUFS);
			call_submit(&flood->call);
		}
		rig_turn(rig, ZOK_S);
	}
	call_cancel(&flood->call);
	rig_drain(rig);
}

/* A multishot that always finds more does not keep out the one that has a single byte. */
static void a_flood_does_not_starve_a_drop(void **state)
{
	struct rig *rig = rig_of(state);
	struct flood flood = {0};
	struct call drop;
	int fds[2], others[2];
	char byte;

	unix_pair(fds);
	unix_pair(others);
	flood.fd = fds[0];
	flood.drop = &drop;
	call_prepare(&flood.call, rig, ZOK_OP_RECV_BUFFERS, fds[1]);
	flood.call.each = flood_on;
	flood.call.arg = &flood;
	call_submit(&flood.call);
	prepare_recv(&drop, rig, others[1], &byte, 1);
	call_submit(&drop);
	rig_turn(rig, 0);
	for (int i = 0; i < 16; i++)
		flood_more(&flood);
	assert_int_equal(write(others[0], "x", 1), 1);
	assert_int_equal(call_await(&drop), 1);
	assert_true(flood.sent < FLOOD_MAX);
	flood_to_its_end(&flood, rig);
	for (int i = 0; i < 2; i++) {
		run_close(rig, fds[i]);
		run_close(rig, others[i]);
	}
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(thousands_of_nops),
	CONTRACT_TEST(thousands_complete_at_once),
	CONTRACT_TEST(thousands_are_cancelled_at_once),
	CONTRACT_TEST(a_thousand_sockets_play_ping_pong),
	CONTRACT_TEST(a_flood_does_not_starve_a_drop),
};

CONTRACT_MAIN(tests)
