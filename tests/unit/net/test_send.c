/* Send: all of it or an error that says how much, and one sender at a time. */
#include "tests/unit/net/rig.h"

enum { LARGE = 4 << 20 };

/* The raw end's reader: takes what is there in random pieces, and compares. */
struct drain {
	int raw;
	const uint8_t *expected;
	size_t len, done;
};

static size_t take_some(struct drain *drain)
{
	uint8_t bytes[16384];
	ssize_t n = recv(drain->raw, bytes, 1 + (size_t)rand() % sizeof bytes, 0);

	if (n <= 0)
		return 0;
	assert_true(drain->done + (size_t)n <= drain->len);
	assert_memory_equal(bytes, drain->expected + drain->done, (size_t)n);
	drain->done += (size_t)n;
	return (size_t)n;
}

static int drain_all(void *arg)
{
	struct drain *drain = arg;

	while (drain->done < drain->len) {
		take_some(drain);
		rig_settle();
	}
	return 0;
}

static uint8_t *make_bytes(void)
{
	uint8_t *bytes = malloc(LARGE);

	assert_non_null(bytes);
	rig_fill(bytes, LARGE, 3);
	return bytes;
}

RIG_CASE(all_of_it_arrives_though_the_reader_is_slow)
{
	struct pair pair = rig_pair();
	uint8_t *bytes = make_bytes();
	struct drain drain = {.raw = pair.raw, .expected = bytes, .len = LARGE};
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_spawn(scope, drain_all, &drain, NULL), 0);
	assert_int_equal(zok_write_all(pair.socket, bytes, LARGE), LARGE);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	rig_pair_close(&pair);
	free(bytes);
	return 0;
}

RIG_CASE(a_cut_send_says_how_much_was_taken)
{
	struct pair pair = rig_pair();
	uint8_t *bytes = make_bytes();
	struct drain drain = {.raw = pair.raw, .expected = bytes, .len = LARGE};
	struct zok_scope *scope = rig_short_scope();
	struct zok_send send;

	zok_send_prepare(&send, pair.socket, bytes, LARGE);
	assert_int_equal(zok_await(&send.op.future), -ETIMEDOUT);
	assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
	assert_true(send.sent > 0 && send.sent < LARGE);
	while (take_some(&drain) > 0)
		;
	assert_int_equal(drain.done, send.sent);
	assert_int_equal(zok_write_all(pair.socket, bytes + drain.done, 1), 1);
	rig_settle();
	assert_int_equal(take_some(&drain), 1);
	rig_pair_close(&pair);
	free(bytes);
	return 0;
}

RIG_CASE(a_write_may_be_short_but_not_lost)
{
	struct pair pair = rig_pair();
	uint8_t *bytes = make_bytes();
	struct drain drain = {.raw = pair.raw, .expected = bytes, .len = LARGE};
	size_t done = 0;

	while (done < LARGE) {
		ssize_t n = zok_write(pair.socket, bytes + done, LARGE - done);

		assert_true(n > 0);
		done += (size_t)n;
		while (take_some(&drain) > 0)
			;
	}
	assert_int_equal(drain.done, LARGE);
	rig_pair_close(&pair);
	free(bytes);
	return 0;
}

RIG_CASE(vectors_are_sent_in_order)
{
	struct pair pair = rig_pair();
	char ab[] = "ab", cde[] = "cde";
	const struct iovec vector[3] = {{ab, 2}, {NULL, 0}, {cde, 3}};
	char got[8] = "";

	assert_int_equal(zok_writev(pair.socket, vector, 3), 5);
	assert_int_equal(recv(pair.raw, got, sizeof got, 0), 5);
	assert_string_equal(got, "abcde");
	assert_int_equal(zok_writev(pair.socket, vector, 0), 0);
	assert_int_equal(zok_writev(pair.socket, vector, -1), -EINVAL);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(nobody_there_is_an_error_and_no_signal)
{
	struct pair pair = rig_pair();

	close(pair.raw);
	pair.raw = -1;
	assert_int_equal(zok_write_all(pair.socket, "x", 1), -EPIPE);
	rig_pair_close(&pair);
	return 0;
}

struct writer {
	struct zok_socket *socket;
	const uint8_t *bytes;
	ssize_t result;
};

static int write_all(void *arg)
{
	struct writer *writer = arg;

	writer->result = zok_write_all(writer->socket, writer->bytes, LARGE);
	return 0;
}

RIG_CASE(a_second_sender_is_busy)
{
	struct pair pair = rig_pair();
	uint8_t *bytes = make_bytes();
	struct drain drain = {.raw = pair.raw, .expected = bytes, .len = LARGE};
	struct writer writer = {.socket = pair.socket, .bytes = bytes};
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_spawn(scope, write_all, &writer, NULL), 0);
	rig_settle();
	assert_int_equal(zok_write_all(pair.socket, "x", 1), -EBUSY);
	drain_all(&drain);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(writer.result, LARGE);
	rig_pair_close(&pair);
	free(bytes);
	return 0;
}

/* Both directions at once, in two fibers of one socket. */
static int read_large(void *arg)
{
	struct writer *reader = arg;
	uint8_t *got = malloc(LARGE);

	reader->result = zok_read_all(reader->socket, got, LARGE);
	assert_memory_equal(got, reader->bytes, LARGE);
	free(got);
	return 0;
}

RIG_CASE(both_directions_go_on_at_once)
{
	struct zok_socket *client, *server;
	uint8_t *bytes = make_bytes();
	struct zok_scope *scope = zok_scope_open(NULL);
	struct writer row[4];

	rig_tcp(&client, &server);
	row[0] = row[1] = (struct writer){.socket = client, .bytes = bytes};
	row[2] = row[3] = (struct writer){.socket = server, .bytes = bytes};
	for (int i = 0; i < 4; i++)
		assert_int_equal(zok_spawn(scope, i % 2 ? read_large : write_all, &row[i], NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(row[i].result, LARGE);
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(server), 0);
	free(bytes);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(all_of_it_arrives_though_the_reader_is_slow) RIG_ROW(a_cut_send_says_how_much_was_taken)
						   RIG_ROW(a_write_may_be_short_but_not_lost) RIG_ROW(vectors_are_sent_in_order)
							   RIG_ROW(nobody_there_is_an_error_and_no_signal) RIG_ROW(a_second_sender_is_busy)
								   RIG_ROW(both_directions_go_on_at_once)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
