/* Receive: nothing lost, nothing doubled, whatever the chunks, the cancels and the shortages. */
#include "tests/unit/net/rig.h"

#include <netinet/in.h>

static void put(const struct pair *pair, const void *bytes, size_t len)
{
	assert_int_equal(send(pair->raw, bytes, len, 0), len);
}

RIG_CASE(bytes_stay_for_the_next_read)
{
	struct pair pair = rig_pair();
	char buf[8] = "";

	put(&pair, "abcdef", 6);
	assert_int_equal(zok_read(pair.socket, buf, 4), 4);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(zok_read(pair.socket, buf, 4), 2);
	assert_memory_equal(buf, "ef", 2);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(random_chunks_are_byte_exact)
{
	enum { LEN = 200000 };
	struct pair pair = rig_pair();
	uint8_t *sent = malloc(LEN), *got = malloc(LEN);
	size_t put_len = 0, got_len = 0;

	rig_fill(sent, LEN, 1);
	srand(7);
	while (got_len < LEN) {
		size_t chunk = 1 + (size_t)rand() % 3000, want = 1 + (size_t)rand() % 3000;
		ssize_t n = put_len < LEN ? send(pair.raw, sent + put_len, chunk < LEN - put_len ? chunk : LEN - put_len, 0) : 0;

		put_len += n > 0 ? (size_t)n : 0;
		n = zok_read(pair.socket, got + got_len, want < LEN - got_len ? want : LEN - got_len);
		assert_true(n > 0);
		got_len += (size_t)n;
		if (got_len == put_len && put_len < LEN)
			put_len += (size_t)send(pair.raw, sent + put_len, 1, 0);
	}
	assert_memory_equal(sent, got, LEN);
	free(sent);
	free(got);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(end_of_stream_comes_after_the_bytes_and_stays)
{
	struct pair pair = rig_pair();
	char buf[8];

	put(&pair, "ab", 2);
	shutdown(pair.raw, SHUT_WR);
	assert_int_equal(zok_read_all(pair.socket, buf, sizeof buf), 2);
	assert_int_equal(zok_read(pair.socket, buf, sizeof buf), 0);
	assert_int_equal(zok_read(pair.socket, buf, sizeof buf), 0);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(nothing_is_asked_of_a_read_of_nothing)
{
	struct pair pair = rig_pair();
	char buf[1];

	assert_int_equal(zok_read(pair.socket, buf, 0), 0);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_read_that_times_out_loses_nothing)
{
	struct pair pair = rig_pair();
	char buf[8];

	for (int i = 0; i < 20; i++) {
		struct zok_scope *scope = rig_short_scope();

		assert_int_equal(zok_read(pair.socket, buf, sizeof buf), -ETIMEDOUT);
		put(&pair, "x", 1); /* it may arrive before the next read or under it */
		assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
		assert_int_equal(zok_read(pair.socket, buf, sizeof buf), 1);
	}
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_cancelled_scope_reads_nothing)
{
	struct pair pair = rig_pair();
	struct zok_scope *scope;
	char buf[8];

	put(&pair, "abcd", 4);
	assert_int_equal(zok_read(pair.socket, buf, 2), 2);
	scope = zok_scope_open(NULL);
	zok_scope_cancel(scope);
	assert_int_equal(zok_read(pair.socket, buf, 2), -ECANCELED); /* though there are two more */
	zok_scope_close(scope, 0);
	assert_int_equal(zok_read(pair.socket, buf, 2), 2);
	rig_pair_close(&pair);
	return 0;
}

static int read_one(void *arg)
{
	char byte;

	return (int)zok_read(arg, &byte, 1);
}

RIG_CASE(a_second_reader_is_busy)
{
	struct pair pair = rig_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	char byte;

	assert_int_equal(zok_spawn(scope, read_one, pair.socket, NULL), 0);
	rig_settle();
	assert_int_equal(zok_read(pair.socket, &byte, 1), -EBUSY);
	put(&pair, "x", 1);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_reset_is_an_error)
{
	const struct linger at_once = {.l_onoff = 1};
	struct zok_socket *client, *server;
	char byte;

	rig_tcp(&client, &server);
	assert_int_equal(setsockopt(zok_socket_fd(server), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	assert_int_equal(zok_close(server), 0);
	assert_int_equal(zok_read(client, &byte, 1), -ECONNRESET);
	assert_int_equal(zok_close(client), 0);
	return 0;
}

/* ---- Buffers handed over ---- */

RIG_CASE(a_buffer_is_the_receivers)
{
	struct pair pair = rig_pair();
	struct zok_buf *buf = NULL;
	char head[2];

	put(&pair, "abcdef", 6);
	assert_int_equal(zok_read(pair.socket, head, 2), 2);
	assert_int_equal(zok_recv_buf(pair.socket, &buf), 4); /* what a read has left of it */
	assert_int_equal(zok_buf_len(buf), 4);
	assert_memory_equal(zok_buf_data(buf), "cdef", 4);
	zok_buf_release(buf);
	zok_buf_release(NULL);
	shutdown(pair.raw, SHUT_WR);
	buf = NULL;
	assert_int_equal(zok_recv_buf(pair.socket, &buf), 0);
	assert_null(buf);
	rig_pair_close(&pair);
	return 0;
}

/* ---- Shortage ---- */

/* Fills the socket as far as it goes without a reader. Returns how much that was. */
static size_t put_until_full(const struct pair *pair)
{
	uint8_t bytes[1024];
	size_t total = 0;
	ssize_t n;

	for (int quiet = 0; quiet < 4;) {
		for (size_t i = 0; i < sizeof bytes; i++)
			bytes[i] = (uint8_t)((total + i) % 251);
		n = send(pair->raw, bytes, sizeof bytes, 0);
		total += n > 0 ? (size_t)n : 0;
		quiet = n > 0 ? 0 : quiet + 1;
		rig_settle();
		assert_true(total < 64 << 20);
	}
	return total;
}

RIG_CASE(a_slow_reader_stops_the_writer_and_nobody_else)
{
	struct pair slow = rig_pair(), quick = rig_pair();
	uint8_t byte;
	size_t total;

	put(&slow, "\0", 1); /* arms the receive: from here on it runs ahead of the reader */
	assert_int_equal(zok_read(slow.socket, &byte, 1), 1);
	total = put_until_full(&slow);
	assert_true(slow.socket->queued_count < RIG_BUFFERS / 2);
	put(&quick, "q", 1);
	assert_int_equal(zok_read(quick.socket, &byte, 1), 1);
	for (size_t i = 0; i < total; i++) {
		assert_int_equal(zok_read(slow.socket, &byte, 1), 1);
		assert_int_equal(byte, i % 251);
	}
	rig_pair_close(&slow);
	rig_pair_close(&quick);
	return 0;
}

enum { MANY = 100, ROUNDS = 20 };

static int read_rounds(void *arg)
{
	struct zok_socket *socket = arg;
	uint8_t bytes[3];

	for (int i = 0; i < ROUNDS; i++) {
		assert_int_equal(zok_read_all(socket, bytes, sizeof bytes), sizeof bytes);
		assert_int_equal(bytes[0], i);
	}
	return 0;
}

/* Every other one wants whole buffers. */
static int take_rounds(void *arg)
{
	struct zok_socket *socket = arg;
	struct zok_buf *buf;
	size_t done = 0;
	ssize_t n;

	while (done < ROUNDS * 3) {
		n = zok_recv_buf(socket, &buf);
		assert_true(n > 0);
		assert_int_equal(*(const uint8_t *)zok_buf_data(buf), done % 3 == 0 ? done / 3 : 0);
		zok_yield();
		done += (size_t)n;
		zok_buf_release(buf);
	}
	return 0;
}

static int two_buffers_body(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct pair pairs[MANY];

	for (int i = 0; i < MANY; i++) {
		pairs[i] = rig_pair();
		assert_int_equal(zok_spawn(scope, i % 2 ? take_rounds : read_rounds, pairs[i].socket, NULL), 0);
	}
	for (int round = 0; round < ROUNDS; round++) {
		const uint8_t bytes[3] = {(uint8_t)round};

		for (int i = 0; i < MANY; i++)
			put(&pairs[i], bytes, sizeof bytes);
		zok_yield();
	}
	assert_int_equal(zok_scope_close(scope, 0), 0);
	for (int i = 0; i < MANY; i++)
		rig_pair_close(&pairs[i]);
	return 0;
}

static void two_buffers_serve_a_hundred_sockets(void **state)
{
	rig_run_with(*state, 2, two_buffers_body, NULL);
}

/* Both buffers of the pool are held. */
struct holding {
	struct pair pair;
	struct zok_buf *bufs[2];
};

static struct holding hold_all(void)
{
	struct holding holding = {.pair = rig_pair()};

	for (int i = 0; i < 2; i++) {
		put(&holding.pair, "h", 1);
		assert_int_equal(zok_recv_buf(holding.pair.socket, &holding.bufs[i]), 1);
	}
	return holding;
}

static int starved_body(void *arg)
{
	struct holding holding = hold_all();
	struct pair pair = rig_pair();
	struct zok_scope *scope;
	struct zok_buf *buf;
	char byte = 0;

	put(&pair, "ab", 2);
	assert_int_equal(zok_read(pair.socket, &byte, 1), 1); /* goes without */
	assert_int_equal(byte, 'a');
	scope = rig_short_scope();
	assert_int_equal(zok_recv_buf(pair.socket, &buf), -ETIMEDOUT);
	assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
	assert_int_equal(zok_read(pair.socket, &byte, 1), 1);
	assert_int_equal(byte, 'b');
	scope = rig_short_scope();
	assert_int_equal(zok_read(pair.socket, &byte, 1), -ETIMEDOUT); /* into our memory: its op has ended when this returns */
	assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
	zok_buf_release(holding.bufs[0]);
	zok_buf_release(holding.bufs[1]);
	put(&pair, "c", 1);
	assert_int_equal(zok_recv_buf(pair.socket, &buf), 1);
	zok_buf_release(buf);
	rig_pair_close(&pair);
	rig_pair_close(&holding.pair);
	return 0;
}

static void without_a_buffer_a_read_goes_on_and_a_taker_waits(void **state)
{
	rig_run_with(*state, 2, starved_body, NULL);
}

static int take_one(void *arg)
{
	struct zok_buf *buf;
	ssize_t n = zok_recv_buf(arg, &buf);

	zok_buf_release(n > 0 ? buf : NULL);
	return n == 1 ? 0 : -EIO;
}

static int fed_body(void *arg)
{
	struct holding holding = hold_all();
	struct pair pairs[5];
	struct zok_scope *scope = zok_scope_open(NULL);

	for (int i = 0; i < 5; i++) {
		pairs[i] = rig_pair();
		put(&pairs[i], "x", 1);
		assert_int_equal(zok_spawn(scope, take_one, pairs[i].socket, NULL), 0);
	}
	rig_settle();
	assert_int_equal(zok_scope_task_count(scope), 5);
	zok_buf_release(holding.bufs[0]); /* one is enough for all, one after the other */
	assert_int_equal(zok_scope_close(scope, 0), 0);
	zok_buf_release(holding.bufs[1]);
	for (int i = 0; i < 5; i++)
		rig_pair_close(&pairs[i]);
	rig_pair_close(&holding.pair);
	return 0;
}

static void a_buffer_that_comes_back_feeds_the_starving(void **state)
{
	rig_run_with(*state, 2, fed_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(bytes_stay_for_the_next_read) RIG_ROW(random_chunks_are_byte_exact)
			RIG_ROW(end_of_stream_comes_after_the_bytes_and_stays) RIG_ROW(nothing_is_asked_of_a_read_of_nothing)
				RIG_ROW(a_read_that_times_out_loses_nothing) RIG_ROW(a_cancelled_scope_reads_nothing)
					RIG_ROW(a_second_reader_is_busy) RIG_ROW(a_reset_is_an_error) RIG_ROW(a_buffer_is_the_receivers)
						RIG_ROW(a_slow_reader_stops_the_writer_and_nobody_else)
							RIG_ROW(two_buffers_serve_a_hundred_sockets)
								RIG_ROW(without_a_buffer_a_read_goes_on_and_a_taker_waits)
									RIG_ROW(a_buffer_that_comes_back_feeds_the_starving)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
