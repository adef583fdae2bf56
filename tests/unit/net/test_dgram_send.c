/* Datagrams sent: by slots, in batches, in segments; errors told once; back-pressure counted. */
#include "tests/unit/net/dgram_rig.h"

enum { MANY = 300 };

RIG_CASE(many_small_ones_go_at_once_and_in_order)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL);
	struct zok_endpoint peer;
	int raw = raw_open(AF_INET, &peer), size = 1 << 20;
	uint32_t number;

	setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(zok_dgram_send(socket, &i, sizeof i, &peer), sizeof i);
	assert_true(socket->slot_count <= 64);
	rig_settle();
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(recv(raw, &number, sizeof number, 0), sizeof number);
		assert_int_equal(number, i);
	}
	assert_int_equal(zok__core()->counters->stats.datagrams_sent, MANY);
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

/* What a slot holds is copied: the sender's memory is its own again. A close sends what was taken. */
RIG_CASE(what_was_taken_is_sent_by_a_close)
{
	struct zok_endpoint peer;
	int raw = raw_open(AF_INET, &peer);
	char text[8] = "first", peer_text[ZOK_ADDRESS_SIZE], got[8] = "";
	struct zok_dgram_socket *socket;

	assert_int_equal(zok_endpoint_format(&peer, peer_text, sizeof peer_text), 0);
	socket = dgram_open(NULL, &(struct zok_dgram_options){.peer = peer_text});
	assert_int_equal(zok_dgram_send(socket, text, 6, NULL), 6);
	memcpy(text, "other", 6);
	assert_int_equal(zok_dgram_send(socket, NULL, 0, NULL), 0);
	zok_dgram_close(socket);
	assert_int_equal(recv(raw, got, sizeof got, 0), 6);
	assert_string_equal(got, "first");
	assert_int_equal(recv(raw, got, sizeof got, 0), 0);
	close(raw);
	return 0;
}

RIG_CASE(a_batch_of_large_and_small)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL);
	struct zok_endpoint peer;
	int raw = raw_open(AF_INET, &peer);
	static uint8_t bytes[9000], got[9000];
	struct zok_dgram_message messages[] = {
		{.data = bytes, .len = 10, .to = &peer},
		{.data = bytes, .len = sizeof bytes, .to = &peer},
		{.data = NULL, .len = 0, .to = &peer},
		{.data = bytes + 5, .len = 3000, .to = &peer},
	};

	rig_fill(bytes, sizeof bytes, 3);
	assert_int_equal(zok_dgram_send_batch(socket, messages, 4), 4);
	rig_settle();
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(recv(raw, got, sizeof got, 0), messages[i].len);
		if (messages[i].len > 0)
			assert_memory_equal(got, messages[i].data, messages[i].len);
	}
	assert_int_equal(zok_dgram_send_batch(socket, messages, 0), 0);
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

/* More segments than the kernel cuts at a time; segments of which it takes one at a time; and from a socket without checksums, for which it does not cut. */
RIG_CASE(segments_arrive_as_datagrams)
{
	static const uint16_t sizes[] = {100, 64000, 100};
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL);
	struct zok_endpoint peer;
	int raw = raw_open(AF_INET, &peer), size = 4 << 20, one = 1;
	static uint8_t bytes[64000 * 2 + 10], got[65536];

	setsockopt(raw, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	rig_fill(bytes, sizeof bytes, 3);
	for (int i = 0; i < 3; i++) {
		size_t len = i != 1 ? 150 * 100 + 7 : sizeof bytes, at = 0;
		struct zok_dgram_message message = {.data = bytes, .len = len, .to = &peer, .segment_size = sizes[i]};

		if (i == 2)
			assert_int_equal(setsockopt(zok_dgram_fd(socket), SOL_SOCKET, SO_NO_CHECK, &one, sizeof one), 0);
		assert_int_equal(zok_dgram_send_batch(socket, &message, 1), 1);
		rig_settle();
		while (at < len) {
			size_t expected = len - at < sizes[i] ? len - at : sizes[i];

			assert_int_equal(recv(raw, got, sizeof got, 0), expected);
			assert_memory_equal(got, bytes + at, expected);
			at += expected;
		}
	}
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

/* Nobody listens: told by a receive or by a send, once, and the socket goes on. */
RIG_CASE(a_refusal_is_told_once)
{
	struct zok_endpoint peer;
	int raw = raw_open(AF_INET, &peer);
	char peer_text[ZOK_ADDRESS_SIZE], buf[8];
	struct zok_dgram_socket *socket;
	struct zok_scope *scope;

	assert_int_equal(zok_endpoint_format(&peer, peer_text, sizeof peer_text), 0);
	close(raw);
	socket = dgram_open(NULL, &(struct zok_dgram_options){.peer = peer_text});
	assert_int_equal(zok_dgram_send(socket, "a", 1, NULL), 1);
	assert_int_equal(zok_dgram_recv(socket, buf, sizeof buf, NULL), -ECONNREFUSED);
	scope = rig_short_scope();
	assert_int_equal(zok_dgram_recv(socket, buf, sizeof buf, NULL), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	zok_dgram_close(socket);
	return 0;
}

RIG_CASE(an_error_behind_is_the_next_sends)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL);
	struct zok_endpoint broadcast, peer;
	int raw = raw_open(AF_INET, &peer);

	zok_endpoint_parse(&broadcast, "udp://255.255.255.255:9", NULL, 0);
	assert_int_equal(zok_dgram_send(socket, "a", 1, &broadcast), 1);
	rig_settle();
	assert_true(zok_dgram_send(socket, "a", 1, &peer) < 0); /* -EACCES, or -ENETUNREACH where there are no routes */
	assert_int_equal(zok_dgram_send(socket, "a", 1, &peer), 1);
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

RIG_CASE(what_cannot_be_sent_is_refused)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL), *box = dgram_open(dgram_name(2), NULL);
	struct zok_endpoint self = dgram_local(socket), box_name = dgram_local(box);
	static uint8_t bytes[70000];
	int fds[1] = {0};
	struct zok_dgram_message messages[] = {
		{.data = bytes, .len = 1, .to = &self, .fds = fds, .fd_count = 1},
		{.data = bytes, .len = 10, .to = &box_name, .segment_size = 5},
		{.data = bytes, .len = 1, .to = &box_name, .fds = fds, .fd_count = ZOK_DGRAM_FDS_MAX + 1},
	};

	assert_int_equal(zok_dgram_send(socket, "a", 1, NULL), -EDESTADDRREQ);
	assert_int_equal(zok_dgram_send(socket, bytes, sizeof bytes, &self), -EMSGSIZE);
	assert_int_equal(zok_dgram_send_batch(socket, &messages[0], 1), -EOPNOTSUPP);
	assert_int_equal(zok_dgram_send_batch(box, &messages[1], 1), -EOPNOTSUPP);
	assert_int_equal(zok_dgram_send_batch(box, &messages[2], 1), -EINVAL);
	zok_dgram_close(socket);
	zok_dgram_close(box);
	return 0;
}

/* Connected, the sender waits for a full receiver; unconnected it is told; both are counted, and a batch says how many went. */
RIG_CASE(a_full_unix_receiver_pushes_back)
{
	struct zok_dgram_socket *box = dgram_open(dgram_name(1), NULL), *free = dgram_open(dgram_name(0), NULL);
	struct zok_dgram_socket *bound = dgram_open(NULL, &(struct zok_dgram_options){.peer = dgram_name(1)});
	struct zok_endpoint to = dgram_local(box);
	struct zok_scope *scope;
	ssize_t n;
	unsigned sent = 0;
	char byte;

	while ((n = zok_dgram_send(free, "a", 1, &to)) == 1)
		sent++;
	assert_int_equal(n, -ENOBUFS);
	assert_int_equal(zok__core()->counters->stats.send_shortages, 1);
	scope = rig_short_scope();
	assert_int_equal(zok_dgram_send(bound, "b", 1, NULL), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	for (; sent > 0; sent--)
		assert_int_equal(zok_dgram_recv(box, &byte, 1, NULL), 1);
	assert_int_equal(zok_dgram_send(bound, "b", 1, NULL), 1);
	assert_int_equal(zok_dgram_recv(box, &byte, 1, NULL), 1);
	assert_int_equal(byte, 'b');
	zok_dgram_close(box);
	zok_dgram_close(free);
	zok_dgram_close(bound);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(many_small_ones_go_at_once_and_in_order) RIG_ROW(what_was_taken_is_sent_by_a_close)
						   RIG_ROW(a_batch_of_large_and_small) RIG_ROW(segments_arrive_as_datagrams)
							   RIG_ROW(a_refusal_is_told_once) RIG_ROW(an_error_behind_is_the_next_sends)
								   RIG_ROW(what_cannot_be_sent_is_refused)
									   RIG_ROW(a_full_unix_receiver_pushes_back)};

	return cmocka_run_group_tests_name("net/dgram_send", tests, NULL, NULL);
}
