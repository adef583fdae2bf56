/* Forward: byte-exact under any chunking, the end passed on, the side that failed named. */
#include "tests/unit/net/rig.h"

enum { LEN = 1 << 20 };

struct forwarding {
	struct pair from, to;
	int64_t result;
	struct zok_socket *failed;
};

static int forward(void *arg)
{
	struct forwarding *forwarding = arg;

	forwarding->result = zok_forward(forwarding->from.socket, forwarding->to.socket, &forwarding->failed);
	return 0;
}

static void finish(struct forwarding *forwarding)
{
	rig_pair_close(&forwarding->from);
	rig_pair_close(&forwarding->to);
}

/* Puts and takes random pieces until all has come out at the other end. */
static void push_through(const struct forwarding *forwarding, const uint8_t *bytes)
{
	size_t put = 0, got = 0;
	uint8_t piece[8192];
	ssize_t n;

	srand(5);
	while (got < LEN) {
		size_t chunk = 1 + (size_t)rand() % 30000;

		n = put < LEN ? send(forwarding->from.raw, bytes + put, chunk < LEN - put ? chunk : LEN - put, 0) : 0;
		put += n > 0 ? (size_t)n : 0;
		rig_settle();
		n = recv(forwarding->to.raw, piece, 1 + (size_t)rand() % sizeof piece, 0);
		if (n <= 0)
			continue;
		assert_memory_equal(piece, bytes + got, (size_t)n);
		got += (size_t)n;
	}
}

RIG_CASE(random_chunks_are_byte_exact_and_the_end_is_passed_on)
{
	struct forwarding forwarding = {.from = rig_pair(), .to = rig_pair()};
	struct zok_scope *scope = zok_scope_open(NULL);
	uint8_t *bytes = malloc(LEN), byte;

	rig_fill(bytes, LEN, 9);
	assert_int_equal(zok_spawn(scope, forward, &forwarding, NULL), 0);
	push_through(&forwarding, bytes);
	shutdown(forwarding.from.raw, SHUT_WR);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(forwarding.result, LEN);
	assert_int_equal(recv(forwarding.to.raw, &byte, 1, 0), 0);
	assert_int_equal(send(forwarding.to.raw, "x", 1, 0), 1); /* the other direction is still there */
	assert_int_equal(zok_read(forwarding.to.socket, &byte, 1), 1);
	finish(&forwarding);
	free(bytes);
	return 0;
}

RIG_CASE(the_side_that_takes_no_more_is_named)
{
	struct forwarding forwarding = {.from = rig_pair(), .to = rig_pair()};

	close(forwarding.to.raw);
	forwarding.to.raw = -1;
	assert_int_equal(send(forwarding.from.raw, "abc", 3, 0), 3);
	forward(&forwarding);
	assert_int_equal(forwarding.result, -EPIPE);
	assert_ptr_equal(forwarding.failed, forwarding.to.socket);
	finish(&forwarding);
	return 0;
}

RIG_CASE(the_side_that_gives_no_more_is_named)
{
	const struct linger at_once = {.l_onoff = 1};
	struct forwarding forwarding = {.to = rig_pair()};
	struct zok_socket *client;

	rig_tcp(&client, &forwarding.from.socket);
	assert_int_equal(setsockopt(zok_socket_fd(client), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	assert_int_equal(zok_close(client), 0);
	forward(&forwarding);
	assert_int_equal(forwarding.result, -ECONNRESET);
	assert_ptr_equal(forwarding.failed, forwarding.from.socket);
	forwarding.from.raw = -1;
	finish(&forwarding);
	return 0;
}

RIG_CASE(a_cancel_gives_every_buffer_back)
{
	struct forwarding forwarding = {.from = rig_pair(), .to = rig_pair()};
	struct zok_scope *scope = rig_short_scope();
	uint8_t bytes[4096] = {0};

	for (int i = 0; i < 200; i++) {
		if (send(forwarding.from.raw, bytes, sizeof bytes, 0) < 0)
			break;
	}
	assert_int_equal(zok_forward(forwarding.from.socket, forwarding.to.socket, NULL), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	finish(&forwarding);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(random_chunks_are_byte_exact_and_the_end_is_passed_on) RIG_ROW(the_side_that_takes_no_more_is_named)
			RIG_ROW(the_side_that_gives_no_more_is_named) RIG_ROW(a_cancel_gives_every_buffer_back)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
