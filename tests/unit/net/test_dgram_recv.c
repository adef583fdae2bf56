/* Datagrams received: whole, cut, empty, in batches, stamped, split; a cut wait loses none; an empty pool and a full queue pass. */
#include "tests/unit/net/dgram_rig.h"

#include <netinet/udp.h>
#include <time.h>

enum { MANY = 200 };

RIG_CASE(each_comes_whole_with_who_sent_it)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (int i = 0; i < 2; i++) {
		struct zok_dgram_socket *socket = dgram_open(families[i] == AF_INET ? ANY_PORT : ANY_PORT6, NULL);
		struct zok_endpoint self = dgram_local(socket), peer, from;
		int raw = raw_open(families[i], &peer);
		char buf[64];

		raw_send(raw, "abc", 3, &self);
		raw_send(raw, "", 0, &self);
		raw_send(raw, "defg", 4, &self);
		assert_int_equal(zok_dgram_recv(socket, buf, sizeof buf, &from), 3);
		assert_memory_equal(buf, "abc", 3);
		assert_true(zok_endpoint_is_equal(&from, &peer));
		assert_int_equal(zok_dgram_recv(socket, buf, sizeof buf, NULL), 0);
		assert_int_equal(zok_dgram_recv(socket, buf, 2, &from), 4); /* two of them were cut off */
		assert_memory_equal(buf, "de", 2);
		zok_dgram_close(socket);
		close(raw);
	}
	return 0;
}

RIG_CASE(longer_than_a_buffer_is_cut_and_told)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL);
	struct zok_endpoint self = dgram_local(socket), peer;
	int raw = raw_open(AF_INET, &peer);
	static uint8_t bytes[4000];
	struct zok_datagram datagram;

	rig_fill(bytes, sizeof bytes, 1);
	raw_send(raw, bytes, sizeof bytes, &self);
	assert_int_equal(zok_dgram_recv_batch(socket, &datagram, 1), 1);
	assert_int_equal(datagram.len_sent, sizeof bytes);
	assert_int_equal(datagram.len, RIG_BUFFER_SIZE - 16 - 32); /* its head and its sender's address */
	assert_memory_equal(datagram.data, bytes, datagram.len);
	zok_datagram_release(&datagram);
	assert_int_equal(zok__core()->counters->stats.datagrams_cut, 1);
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

RIG_CASE(a_cut_wait_loses_nothing)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL);
	struct zok_endpoint self = dgram_local(socket), peer;
	int raw = raw_open(AF_INET, &peer);
	uint32_t number;

	for (uint32_t i = 0; i < 50; i++) {
		struct zok_scope *scope = rig_short_scope();
		ssize_t n = 0;

		assert_int_equal(zok_dgram_recv(socket, &number, sizeof number, NULL), -ETIMEDOUT);
		raw_send(raw, &i, sizeof i, &self);
		n = zok_dgram_recv(socket, &number, sizeof number, NULL); /* cut at once, whatever came meanwhile */
		assert_int_equal(n, -ETIMEDOUT);
		zok_scope_close(scope, 0);
		assert_int_equal(zok_dgram_recv(socket, &number, sizeof number, NULL), sizeof number);
		assert_int_equal(number, i);
	}
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

/* More than a socket queues and than the pool has; what the kernel has room for arrives, each once and in order. */
RIG_CASE(a_slow_reader_gets_them_in_order)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, &(struct zok_dgram_options){.receive_buffer_size = 1 << 20});
	struct zok_endpoint self = dgram_local(socket), peer;
	int raw = raw_open(AF_INET, &peer);
	uint32_t number;

	raw_send(raw, "", 0, &self);
	assert_int_equal(zok_dgram_recv(socket, &number, sizeof number, NULL), 0);
	for (uint32_t i = 0; i < MANY; i++)
		raw_send(raw, &i, sizeof i, &self);
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(zok_dgram_recv(socket, &number, sizeof number, NULL), sizeof number);
		assert_int_equal(number, i);
		if (i % 16 == 0)
			rig_settle();
	}
	assert_int_equal(zok_dgram_dropped(socket), 0);
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

/* Nobody reads: the socket stops far below what the pool has, and what it left with the kernel comes afterwards. */
static int leave_unread(void *arg)
{
	enum { LEFT = 400 };
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, &(struct zok_dgram_options){.receive_buffer_size = 1 << 20});
	struct zok_endpoint self = dgram_local(socket), peer;
	int raw = raw_open(AF_INET, &peer);
	uint32_t number;

	raw_send(raw, "", 0, &self);
	assert_int_equal(zok_dgram_recv(socket, &number, sizeof number, NULL), 0);
	for (uint32_t i = 0; i < LEFT; i++) {
		raw_send(raw, &i, sizeof i, &self);
		if (i % 20 == 0)
			rig_settle();
	}
	rig_settle();
	assert_in_range(socket->queued_count, 64, 200); /* 64, and what was under way when it was stopped */
	for (uint32_t i = 0; i < LEFT; i++) {
		assert_int_equal(zok_dgram_recv(socket, &number, sizeof number, NULL), sizeof number);
		assert_int_equal(number, i);
	}
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

static void a_socket_that_nobody_reads_stops(void **state)
{
	rig_run_with(*state, 512, leave_unread, NULL);
}

struct keeper {
	struct zok_dgram_socket *socket;
	struct zok_datagram kept[RIG_BUFFERS];
	unsigned count;
	ssize_t result;
};

static int take_one_more(void *arg)
{
	struct keeper *keeper = arg;
	char byte;

	keeper->result = zok_dgram_recv(keeper->socket, &byte, 1, NULL);
	return 0;
}

RIG_CASE(an_empty_pool_is_waited_for)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct keeper keeper = {.socket = dgram_open(ANY_PORT, &(struct zok_dgram_options){.receive_buffer_size = 1 << 20})};
	struct zok_endpoint self = dgram_local(keeper.socket), peer;
	int raw = raw_open(AF_INET, &peer);

	for (unsigned i = 0; i < RIG_BUFFERS; i++)
		raw_send(raw, "x", 1, &self);
	while (keeper.count < RIG_BUFFERS) {
		int n = zok_dgram_recv_batch(keeper.socket, &keeper.kept[keeper.count], RIG_BUFFERS - keeper.count);

		assert_true(n > 0);
		keeper.count += (unsigned)n;
	}
	raw_send(raw, "y", 1, &self);
	zok_spawn(scope, take_one_more, &keeper, NULL);
	rig_settle();
	assert_int_equal(keeper.result, 0); /* it waits */
	for (unsigned i = 0; i < RIG_BUFFERS; i++)
		zok_datagram_release(&keeper.kept[i]);
	zok_scope_close(scope, 0);
	assert_int_equal(keeper.result, 1);
	zok_dgram_close(keeper.socket);
	close(raw);
	return 0;
}

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

/* A stamp, or 0: the kernel switches its stamps on a little after the first socket has asked for them. */
static uint64_t check_stamp(struct zok_dgram_socket *socket, int raw, const struct zok_endpoint *self)
{
	struct zok_datagram datagram;
	uint64_t before = realtime_ns(), stamp;

	raw_send(raw, "abc", 3, self);
	assert_int_equal(zok_dgram_recv_batch(socket, &datagram, 1), 1);
	stamp = datagram.software_ns;
	if (stamp != 0)
		assert_in_range(stamp, before, realtime_ns());
	assert_int_equal(datagram.hardware_ns, 0);
	assert_int_equal(datagram.interface, 1); /* lo is the first of any namespace */
	assert_true(IN6_IS_ADDR_V4MAPPED(&datagram.to));
	assert_int_equal(datagram.to.s6_addr[12], 127);
	zok_datagram_release(&datagram);
	return stamp;
}

RIG_CASE(software_stamps_lie_between_send_and_receive)
{
	struct zok_dgram_options options = {.timestamps = ZOK_TIMESTAMPS_SOFTWARE, .receive_destination = true};
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, &options);
	struct zok_endpoint self = dgram_local(socket), peer;
	int raw = raw_open(AF_INET, &peer), stamped = 0;
	uint64_t deadline_ns = realtime_ns() + 10 * ZOK_S;

	while (stamped < 20) {
		stamped += check_stamp(socket, raw, &self) != 0;
		assert_true(realtime_ns() < deadline_ns);
	}
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

RIG_CASE(destinations_of_ipv6)
{
	struct zok_dgram_socket *socket = dgram_open("udp://[::]:0", &(struct zok_dgram_options){.receive_destination = true});
	struct zok_endpoint self = dgram_local(socket), peer, to;
	struct zok_datagram datagram;
	int raw = raw_open(AF_INET6, &peer);

	zok_endpoint_parse(&to, ANY_PORT6, NULL, 0);
	((struct sockaddr_in6 *)&to.address)->sin6_port = ((struct sockaddr_in6 *)&self.address)->sin6_port;
	raw_send(raw, "a", 1, &to);
	assert_int_equal(zok_dgram_recv_batch(socket, &datagram, 1), 1);
	assert_true(IN6_IS_ADDR_LOOPBACK(&datagram.to));
	assert_int_equal(datagram.interface, 1);
	zok_datagram_release(&datagram);
	zok_dgram_close(socket);
	close(raw);
	return 0;
}

/* ---- UDP_GRO: buffers that hold what it brings ---- */

enum { SEGMENT = 100, SEGMENTS = 21, LAST = 40 };

static void rig_run_large(const struct zok__engine_ops *engine, int (*fn)(void *arg))
{
	struct zok_core *core = NULL;
	struct rig_main rig_main = {fn, NULL};
	const struct zok__core_options options = {
		.core_count = 1,
		.peers = (struct zok_core *const *)&core,
		.engine = engine,
		.budget_ns = 500 * ZOK_US,
		.share = {[ZOK_CLASS_NORMAL] = 4, [ZOK_CLASS_BULK] = 1},
		.stack_size = 65536,
		.receive_buffers = 8,
		.receive_buffer_size = 66000,
		.sqpoll_cpu = -1,
	};
	char reason[128];

	assert_int_equal(zok__core_create(&core, &options), 0);
	if (zok__core_open(core, reason, sizeof reason) < 0) {
		zok__core_destroy(core);
		print_message("%s\n", reason);
		skip();
	}
	assert_int_equal(zok_spawn(&core->root, rig_fiber, &rig_main, NULL), 0);
	zok__loop_run(core);
	zok__core_close(core);
	assert_int_equal(core->bufs.out_count, 0);
	zok__core_destroy(core);
}

static void check_piece(const struct zok_datagram *datagram, const uint8_t *bytes, unsigned index)
{
	size_t len = index < SEGMENTS - 1 ? SEGMENT : LAST;

	assert_int_equal(datagram->len, len);
	assert_int_equal(datagram->len_sent, len);
	assert_memory_equal(datagram->data, bytes + (size_t)index * SEGMENT, len);
}

/* Sent as one by UDP_SEGMENT, received as one on loopback, and told apart here; buffers go back in any order. */
static int split(void *arg)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, &(struct zok_dgram_options){.receive_segments = true});
	struct zok_dgram_socket *sender = dgram_open(ANY_PORT, NULL);
	struct zok_endpoint self = dgram_local(socket);
	static uint8_t bytes[SEGMENT * (SEGMENTS - 1) + LAST];
	struct zok_dgram_message message = {.data = bytes, .len = sizeof bytes, .to = &self, .segment_size = SEGMENT};
	struct zok_datagram datagrams[SEGMENTS];
	unsigned count = 0;

	rig_fill(bytes, sizeof bytes, 5);
	assert_int_equal(zok_dgram_send_batch(sender, &message, 1), 1);
	while (count < SEGMENTS) {
		int n = zok_dgram_recv_batch(socket, datagrams + count, 2); /* in between the buffer stays in the queue */

		assert_true(n > 0);
		count += (unsigned)n;
	}
	for (unsigned i = 0; i < SEGMENTS; i++)
		check_piece(&datagrams[i], bytes, i);
	assert_ptr_equal(datagrams[0].buffer, datagrams[SEGMENTS - 1].buffer); /* or GRO was not at work */
	for (unsigned i = SEGMENTS; i-- > 0;)
		zok_datagram_release(&datagrams[i]);
	assert_int_equal(zok_dgram_send_batch(sender, &message, 1), 1);
	assert_int_equal(zok_dgram_recv_batch(socket, datagrams, 1), 1);
	zok_datagram_release(&datagrams[0]);
	zok_dgram_close(socket); /* with the rest of them in the queue */
	zok_dgram_close(sender);
	return 0;
}

static void segments_are_told_apart(void **state)
{
	rig_run_large(*state, split);
}

/* ---- Unix ---- */

static int new_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

RIG_CASE(descriptors_come_along_and_those_not_kept_are_closed)
{
	struct zok_dgram_options options = {.fds_max = 2};
	struct zok_dgram_socket *box = dgram_open(dgram_name(1), &options);
	struct zok_dgram_socket *sender = dgram_open(NULL, &(struct zok_dgram_options){.peer = dgram_name(1)});
	int fds[3] = {new_fd(), new_fd(), new_fd()}, kept;
	struct zok_dgram_message message = {.data = "x", .len = 1, .fds = fds, .fd_count = 2};
	struct zok_datagram datagram;
	int dropped;

	assert_int_equal(zok_dgram_send_batch(sender, &message, 1), 1);
	assert_int_equal(zok_dgram_recv_batch(box, &datagram, 1), 1);
	assert_int_equal(datagram.fd_count, 2);
	assert_false(datagram.is_control_cut);
	assert_int_equal(datagram.from_len, 0);
	kept = datagram.fds[0];
	dropped = datagram.fds[1];
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	datagram.fds[0] = -1;
	zok_datagram_release(&datagram);
	assert_int_equal(fcntl(kept, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(dropped, F_GETFD), -1);
	close(kept);
	message.fd_count = 3;
	assert_int_equal(zok_dgram_send_batch(sender, &message, 1), 1);
	assert_int_equal(zok_dgram_recv_batch(box, &datagram, 1), 1);
	assert_true(datagram.is_control_cut);
	assert_int_equal(datagram.fd_count, 2);
	zok_datagram_release(&datagram);
	assert_int_equal(zok_dgram_send_batch(sender, &message, 1), 1); /* dropped with the close */
	rig_settle();
	zok_dgram_close(box);
	zok_dgram_close(sender);
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	return 0;
}

RIG_CASE(unix_senders_have_their_names)
{
	struct zok_dgram_socket *box = dgram_open(dgram_name(0), NULL);
	struct zok_dgram_socket *sender = dgram_open(dgram_name(2), NULL);
	struct zok_endpoint to = dgram_local(box), from, name = dgram_local(sender);
	char buf[8];

	assert_int_equal(zok_dgram_send(sender, "hello", 5, &to), 5);
	assert_int_equal(zok_dgram_recv(box, buf, sizeof buf, &from), 5);
	assert_true(zok_endpoint_is_equal(&from, &name));
	assert_int_equal(zok_dgram_send(box, "back", 4, &from), 4);
	assert_int_equal(zok_dgram_recv(sender, buf, sizeof buf, &from), 4);
	assert_true(zok_endpoint_is_equal(&from, &to));
	zok_dgram_close(box);
	zok_dgram_close(sender);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(each_comes_whole_with_who_sent_it) RIG_ROW(longer_than_a_buffer_is_cut_and_told) RIG_ROW(a_cut_wait_loses_nothing)
			RIG_ROW(a_slow_reader_gets_them_in_order) RIG_ROW(a_socket_that_nobody_reads_stops)
				RIG_ROW(an_empty_pool_is_waited_for) RIG_ROW(software_stamps_lie_between_send_and_receive)
					RIG_ROW(destinations_of_ipv6) RIG_ROW(segments_are_told_apart)
						RIG_ROW(descriptors_come_along_and_those_not_kept_are_closed)
							RIG_ROW(unix_senders_have_their_names)};

	return cmocka_run_group_tests_name("net/dgram_recv", tests, NULL, NULL);
}
