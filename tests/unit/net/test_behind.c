/* Small sends that their senders do not wait for: when they are made, that they keep their order, and what becomes of them at the end. */
#include "tests/unit/net/rig.h"

#include <errno.h>

enum { LARGE = 1 << 20 };

/* The other side asks once the reader waits. */
static int ask(void *arg)
{
	const struct pair *pair = arg;

	assert_int_equal(send(pair->raw, "?", 1, 0), 1);
	return 0;
}

static void read_question(struct pair *pair)
{
	char question;

	assert_int_equal(zok_spawn(NULL, ask, pair, NULL), 0);
	assert_int_equal(zok_read(pair->socket, &question, 1), 1);
}

/* A socket that has answered once: its next small send is written behind. */
static struct pair answering_pair(void)
{
	struct pair pair = rig_pair();
	char byte;

	read_question(&pair);
	assert_int_equal(zok_write_all(pair.socket, "!", 1), 1);
	assert_int_equal(recv(pair.raw, &byte, 1, 0), 1);
	read_question(&pair);
	return pair;
}

/* Whatever there is to receive, after the engine's turn. */
static size_t receive(struct pair *pair, void *into, size_t len)
{
	ssize_t n;

	rig_settle();
	n = recv(pair->raw, into, len, 0);
	return n < 0 ? 0 : (size_t)n;
}

RIG_CASE(who_answers_does_not_wait)
{
	struct pair pair = answering_pair();
	uint64_t polled = pair.socket->net->core->counters->stats.tasks_polled;
	char got[8] = "";

	assert_int_equal(zok_write_all(pair.socket, "abc", 3), 3);
	assert_int_equal(pair.socket->net->core->counters->stats.tasks_polled, polled);
	assert_int_not_equal(pair.socket->behind_cycles, 0);
	assert_int_equal(receive(&pair, got, sizeof got), 3);
	assert_string_equal(got, "abc");
	assert_null(pair.socket->behind);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(who_only_sends_waits_for_each)
{
	struct pair pair = rig_pair();
	char got;

	for (int i = 0; i < 8; i++) {
		assert_int_equal(zok_write_all(pair.socket, "x", 1), 1);
		assert_int_equal(recv(pair.raw, &got, 1, 0), 1); /* it has left */
		assert_int_equal(pair.socket->behind_cycles, 0);
	}
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_large_send_is_not_copied)
{
	struct pair pair = answering_pair();
	uint8_t bytes[2048] = {0}, got[sizeof bytes];

	assert_int_equal(zok_write_all(pair.socket, bytes, sizeof bytes), sizeof bytes);
	assert_int_equal(pair.socket->behind_cycles, 0);
	assert_int_equal(recv(pair.raw, got, sizeof got, 0), sizeof got);
	rig_pair_close(&pair);
	return 0;
}

static void compute(uint64_t ns)
{
	uint64_t until_ns = zok_now_ns() + ns;

	while (zok_now_ns() < until_ns)
		;
}

RIG_CASE(who_computes_before_it_reads_sends_at_once_the_next_times)
{
	struct pair pair = answering_pair();
	char got[8];

	assert_int_equal(zok_write_all(pair.socket, "a", 1), 1);
	assert_int_not_equal(pair.socket->behind_cycles, 0);
	compute(100 * ZOK_US);
	read_question(&pair);
	assert_true(pair.socket->loud_count > 0);
	assert_int_equal(receive(&pair, got, sizeof got), 1);
	for (unsigned left = pair.socket->loud_count; left > 0; left--) {
		assert_int_equal(zok_write_all(pair.socket, "b", 1), 1);
		assert_int_equal(pair.socket->behind_cycles, 0);
		assert_int_equal(recv(pair.raw, got, 1, 0), 1);
		read_question(&pair);
	}
	assert_int_equal(zok_write_all(pair.socket, "c", 1), 1);
	assert_int_not_equal(pair.socket->behind_cycles, 0);
	rig_pair_close(&pair);
	return 0;
}

/* Twice as many each time, up to 2^9 times: long after a send, without the wait for it. */
RIG_CASE(who_goes_on_computing_is_loud_for_longer_each_time)
{
	struct pair pair = rig_pair();
	struct zok_socket *socket = pair.socket;
	uint64_t late_cycles = socket->net->late_cycles;

	socket->net->late_cycles = 0;
	for (unsigned times = 0; times < 12; times++) {
		socket->has_sent = true;
		socket->behind_cycles = zok__clock_cycles(&socket->net->core->clock) - 1000000;
		zok__behind_note_reader(socket);
		assert_int_equal(socket->loud_count, 64u << (times < 9 ? times : 9));
		assert_false(socket->has_sent);
	}
	/* Not where nothing was behind, nor in time. */
	socket->loud_count = 0;
	socket->has_sent = true;
	zok__behind_note_reader(socket);
	assert_int_equal(socket->loud_count, 0);
	socket->net->late_cycles = UINT64_MAX / 4;
	socket->has_sent = true;
	socket->behind_cycles = zok__clock_cycles(&socket->net->core->clock);
	zok__behind_note_reader(socket);
	assert_int_equal(socket->loud_count, 0);
	socket->net->late_cycles = late_cycles;
	rig_pair_close(&pair);
	return 0;
}

/* One send an answer: the next one is perhaps the first of many. */
RIG_CASE(a_second_send_without_a_read_waits)
{
	struct pair pair = answering_pair();
	uint64_t sent = pair.socket->net->core->counters->stats.bytes_sent;
	char got[8];

	assert_int_equal(zok_write_all(pair.socket, "abc", 3), 3);
	assert_int_equal(receive(&pair, got, sizeof got), 3);
	assert_int_equal(pair.socket->net->core->counters->stats.bytes_sent, sent + 3);
	assert_int_equal(zok_write_all(pair.socket, "d", 1), 1);
	assert_int_equal(pair.socket->behind_cycles, 0);
	assert_int_equal(recv(pair.raw, got, 1, 0), 1);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(vectors_are_gathered_in_order)
{
	struct pair pair = answering_pair();
	char ab[] = "ab", cde[] = "cde", got[8] = "";
	const struct iovec vector[3] = {{ab, 2}, {NULL, 0}, {cde, 3}};

	assert_int_equal(zok_writev(pair.socket, vector, 3), 5);
	assert_int_not_equal(pair.socket->behind_cycles, 0);
	memset(ab, 'x', sizeof ab); /* the sender's again */
	assert_int_equal(receive(&pair, got, sizeof got), 5);
	assert_string_equal(got, "abcde");
	rig_pair_close(&pair);
	return 0;
}

struct sink {
	struct pair *pair;
	const uint8_t *expected;
	size_t done, len;
};

/* A slow reader: some bytes a turn. */
static int take_all(void *arg)
{
	struct sink *sink = arg;
	uint8_t got[3000];

	while (sink->done < sink->len) {
		ssize_t n = recv(sink->pair->raw, got, sizeof got, 0);

		if (n > 0) {
			assert_memory_equal(got, sink->expected + sink->done, (size_t)n);
			sink->done += (size_t)n;
		}
		zok_yield();
	}
	return 0;
}

RIG_CASE(what_is_sent_after_it_comes_after_it)
{
	struct pair pair = answering_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	uint8_t *bytes = malloc(LARGE);
	struct sink sink = {.pair = &pair, .expected = bytes, .len = LARGE};

	rig_fill(bytes, LARGE, 7);
	assert_int_equal(zok_spawn(scope, take_all, &sink, NULL), 0);
	assert_int_equal(zok_write_all(pair.socket, bytes, 100), 100);
	assert_int_equal(zok_write_all(pair.socket, bytes + 100, LARGE - 150), LARGE - 150);
	assert_int_equal(zok_write_all(pair.socket, bytes + LARGE - 50, 50), 50);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	rig_pair_close(&pair);
	free(bytes);
	return 0;
}

/* Sends until the socket takes no more; returns how much went. */
static size_t fill_up(struct pair *pair, const uint8_t *bytes, size_t len)
{
	ssize_t n = send(zok_socket_fd(pair->socket), bytes, len, MSG_DONTWAIT);

	assert_true(n > 0 && (size_t)n < len);
	return (size_t)n;
}

/* A socket that is full, with 400 bytes behind it that were taken from the sender. */
static size_t send_behind_a_full_one(struct pair *pair, const uint8_t *bytes)
{
	size_t filled = fill_up(pair, bytes, LARGE);

	assert_int_equal(zok_write_all(pair->socket, bytes + filled, 400), 400);
	assert_non_null(pair->socket->behind);
	rig_settle();
	assert_non_null(pair->socket->behind); /* the reader has not come */
	return filled + 400;
}

/* A pair that is full in this way, its bytes, and who takes them if he is spawned. */
struct full {
	struct pair pair;
	uint8_t *bytes;
	struct sink sink;
};

static void full_init(struct full *full)
{
	full->pair = answering_pair();
	full->bytes = malloc(LARGE);
	rig_fill(full->bytes, LARGE, 8);
	full->sink = (struct sink){.pair = &full->pair, .expected = full->bytes};
	full->sink.len = send_behind_a_full_one(&full->pair, full->bytes);
}

/* Its socket is closed already. */
static void full_finish(struct full *full)
{
	close(full->pair.raw);
	free(full->bytes);
}

RIG_CASE(close_waits_for_a_slow_reader)
{
	const struct zok_core_stats *stats = &zok__core()->counters->stats;
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t sent = stats->bytes_sent;
	struct full full;

	full_init(&full);
	assert_int_equal(zok_spawn(scope, take_all, &full.sink, NULL), 0);
	assert_int_equal(zok_close(full.pair.socket), 0);
	assert_int_equal(stats->bytes_sent, sent + 1 + 400); /* the answer that made it one that answers, and what was behind */
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(full.sink.done, full.sink.len);
	full_finish(&full);
	return 0;
}

/* The engine has not seen the send when somebody begins to wait for it. */
RIG_CASE(what_is_waited_for_before_it_was_tried_is_not_lost)
{
	struct pair pair = answering_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	uint8_t *bytes = malloc(LARGE);
	struct sink sink = {.pair = &pair, .expected = bytes};
	size_t filled;

	rig_fill(bytes, LARGE, 14);
	filled = fill_up(&pair, bytes, LARGE - 600);
	sink.len = filled + 600;
	assert_int_equal(zok_write_all(pair.socket, bytes + filled, 400), 400);
	assert_int_not_equal(pair.socket->behind_cycles, 0);
	assert_int_equal(zok_spawn(scope, take_all, &sink, NULL), 0);
	assert_int_equal(zok_write_all(pair.socket, bytes + filled + 400, 200), 200);
	assert_int_equal(zok_close(pair.socket), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	close(pair.raw);
	free(bytes);
	return 0;
}

RIG_CASE(a_half_close_at_once_comes_after_all_bytes)
{
	struct pair pair = answering_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	uint8_t *bytes = malloc(LARGE);
	struct sink sink = {.pair = &pair, .expected = bytes};
	size_t filled;
	char byte;

	rig_fill(bytes, LARGE, 15);
	filled = fill_up(&pair, bytes, LARGE - 400);
	sink.len = filled + 400;
	assert_int_equal(zok_write_all(pair.socket, bytes + filled, 400), 400);
	assert_int_equal(zok_spawn(scope, take_all, &sink, NULL), 0);
	assert_int_equal(zok_shutdown(pair.socket, ZOK_SHUTDOWN_WRITE), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(recv(pair.raw, &byte, 1, 0), 0);
	rig_pair_close(&pair);
	free(bytes);
	return 0;
}

RIG_CASE(a_half_close_tells_what_an_earlier_send_failed_with)
{
	struct pair pair = answering_pair();

	close(pair.raw);
	pair.raw = -1;
	assert_int_equal(zok_write_all(pair.socket, "a", 1), 1);
	assert_int_equal(zok_shutdown(pair.socket, ZOK_SHUTDOWN_WRITE), -EPIPE);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_deadline_ends_a_close_that_waits)
{
	struct zok_scope *scope;
	struct full full;

	full_init(&full);
	scope = rig_short_scope();
	assert_int_equal(zok_close(full.pair.socket), 0);
	zok_scope_close(scope, 0);
	full_finish(&full);
	return 0;
}

static uint64_t later_ns;

static uint64_t later(void *context)
{
	return zok__clock_os_ns() + later_ns;
}

static void go_on_by(uint64_t ns)
{
	static const struct zok__clock_source source = {.name = "later", .now_ns = later};

	later_ns += ns;
	zok__clock_start(&zok__core()->clock, &source);
	for (int i = 0; i < 8; i++)
		rig_settle();
}

struct closing {
	struct zok_socket *socket;
	bool is_over;
};

static int closes(void *arg)
{
	struct closing *closing = arg;
	int rc = zok_close(closing->socket);

	closing->is_over = true;
	return rc;
}

/* Without any deadline: a reader that never reads does not hold the descriptor. */
RIG_CASE(a_close_does_not_wait_for_ever)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct closing closing = {0};
	struct full full;

	later_ns = 0;
	full_init(&full);
	closing.socket = full.pair.socket;
	assert_int_equal(zok_spawn(scope, closes, &closing, NULL), 0);
	rig_settle();
	go_on_by(2 * ZOK_S);
	assert_false(closing.is_over);
	/* Five seconds from the close, and some for the wheel. */
	go_on_by(4 * ZOK_S);
	assert_true(closing.is_over);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	full_finish(&full);
	return 0;
}

RIG_CASE(a_close_under_a_cancel_does_not_wait)
{
	struct zok_scope *scope;
	struct full full;

	full_init(&full);
	scope = zok_scope_open(NULL);
	zok_scope_cancel(scope);
	assert_int_equal(zok_close(full.pair.socket), 0);
	zok_scope_close(scope, 0);
	full_finish(&full);
	return 0;
}

RIG_CASE(a_deadline_ends_a_send_that_waits_behind_it)
{
	struct zok_scope *scope;
	struct full full;

	full_init(&full);
	scope = rig_short_scope();
	assert_int_equal(zok_write_all(full.pair.socket, "x", 1), -ETIMEDOUT);
	assert_int_equal(zok_shutdown(full.pair.socket, ZOK_SHUTDOWN_WRITE), -ETIMEDOUT);
	assert_int_equal(zok_close(full.pair.socket), 0);
	zok_scope_close(scope, 0);
	full_finish(&full);
	return 0;
}

static int close_it(void *arg)
{
	const struct pair *pair = arg;

	return zok_close(pair->socket);
}

struct half_close {
	struct zok_socket *socket;
	int result;
};

static int half_closes(void *arg)
{
	struct half_close *half = arg;

	half->result = zok_shutdown(half->socket, ZOK_SHUTDOWN_WRITE);
	return 0;
}

/* One half close waits for the bytes behind; another is refused, and leaves it in its place. */
RIG_CASE(only_one_half_close_waits)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct half_close first, second;
	struct full full;

	full_init(&full);
	first = second = (struct half_close){.socket = full.pair.socket, .result = 1};
	assert_int_equal(zok_spawn(scope, half_closes, &first, NULL), 0);
	assert_int_equal(zok_spawn(scope, half_closes, &second, NULL), 0);
	rig_settle();
	assert_int_equal(first.result, 1);
	assert_int_equal(second.result, -EBUSY);
	assert_int_equal(zok_spawn(scope, take_all, &full.sink, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(first.result, 0);
	assert_int_equal(zok_close(full.pair.socket), 0);
	full_finish(&full);
	return 0;
}

/* It gives its place up: the next one waits there. */
RIG_CASE(a_deadline_ends_a_half_close_that_waits)
{
	struct zok_scope *scope;
	struct full full;

	full_init(&full);
	for (int i = 0; i < 2; i++) {
		scope = rig_short_scope();
		assert_int_equal(zok_shutdown(full.pair.socket, ZOK_SHUTDOWN_WRITE), -ETIMEDOUT);
		zok_scope_close(scope, 0);
		assert_null(full.pair.socket->flusher);
	}
	scope = zok_scope_open(NULL);
	assert_int_equal(zok_spawn(scope, take_all, &full.sink, NULL), 0);
	assert_int_equal(zok_shutdown(full.pair.socket, ZOK_SHUTDOWN_WRITE), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(zok_close(full.pair.socket), 0);
	full_finish(&full);
	return 0;
}

RIG_CASE(a_close_tells_the_half_close_that_waits)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct half_close half;
	struct full full;

	full_init(&full);
	half = (struct half_close){.socket = full.pair.socket, .result = 1};
	assert_int_equal(zok_spawn(scope, half_closes, &half, NULL), 0);
	rig_settle();
	assert_int_equal(zok_spawn(scope, take_all, &full.sink, NULL), 0);
	assert_int_equal(zok_close(full.pair.socket), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(half.result, -EBADF);
	full_finish(&full);
	return 0;
}

RIG_CASE(a_close_tells_who_waits_behind_it)
{
	struct zok_scope *scope = zok_scope_open(NULL), *short_scope;
	struct full full;

	full_init(&full);
	short_scope = rig_short_scope();
	assert_int_equal(zok_spawn(short_scope, close_it, &full.pair, NULL), 0);
	assert_int_equal(zok_write_all(full.pair.socket, "x", 1), -EBADF);
	assert_int_equal(zok_scope_close(short_scope, 0), -ETIMEDOUT); /* it cut the close short */
	zok_scope_close(scope, 0);
	full_finish(&full);
	return 0;
}

RIG_CASE(a_half_close_comes_after_the_bytes)
{
	struct pair pair = answering_pair();
	char got[8] = "";

	assert_int_equal(zok_write_all(pair.socket, "abc", 3), 3);
	assert_int_equal(zok_shutdown(pair.socket, ZOK_SHUTDOWN_WRITE), 0);
	assert_int_equal(recv(pair.raw, got, sizeof got, 0), 3);
	assert_string_equal(got, "abc");
	assert_int_equal(recv(pair.raw, got, sizeof got, 0), 0);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_failure_is_the_next_sends)
{
	struct pair pair = answering_pair();

	close(pair.raw);
	pair.raw = -1;
	assert_int_equal(zok_write_all(pair.socket, "a", 1), 1);
	rig_settle();
	assert_int_equal(zok_write_all(pair.socket, "b", 1), -EPIPE);
	assert_int_equal(zok_write_all(pair.socket, "c", 1), -EPIPE);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_socket_left_open_does_not_hold_up_the_end)
{
	struct full full;

	full_init(&full);
	free(full.bytes);
	return 0; /* the core closes the socket; the raw end is left to the process */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(who_answers_does_not_wait) RIG_ROW(who_only_sends_waits_for_each) RIG_ROW(a_large_send_is_not_copied) RIG_ROW(
			who_computes_before_it_reads_sends_at_once_the_next_times)
			RIG_ROW(who_goes_on_computing_is_loud_for_longer_each_time) RIG_ROW(a_second_send_without_a_read_waits) RIG_ROW(
				vectors_are_gathered_in_order) RIG_ROW(what_is_sent_after_it_comes_after_it)
				RIG_ROW(close_waits_for_a_slow_reader) RIG_ROW(what_is_waited_for_before_it_was_tried_is_not_lost) RIG_ROW(
					a_half_close_at_once_comes_after_all_bytes)
					RIG_ROW(a_half_close_tells_what_an_earlier_send_failed_with) RIG_ROW(
						a_deadline_ends_a_close_that_waits) RIG_ROW(a_close_does_not_wait_for_ever)
						RIG_ROW(a_close_under_a_cancel_does_not_wait) RIG_ROW(
							a_deadline_ends_a_send_that_waits_behind_it) RIG_ROW(only_one_half_close_waits)
							RIG_ROW(a_deadline_ends_a_half_close_that_waits)
								RIG_ROW(a_close_tells_the_half_close_that_waits)
									RIG_ROW(a_close_tells_who_waits_behind_it) RIG_ROW(
										a_half_close_comes_after_the_bytes)
										RIG_ROW(a_failure_is_the_next_sends) RIG_ROW(
											a_socket_left_open_does_not_hold_up_the_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
