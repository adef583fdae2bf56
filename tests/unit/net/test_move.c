/* Connections to another core: no byte is lost or changed, and where a move does not come about the connection is as it was. */
#include "tests/unit/net/move_rig.h"

enum { CONNECTIONS = 8, BYTES = 48 << 10, CHUNK_MAX = 700, ECHO_MAX = 200 };

/* Some is read, some was received and is not, some comes after. */
static int bytes_before_and_after(void)
{
	struct zok_socket *socket, *peer;

	make_pair(&socket, &peer);
	say(peer, "abcdef");
	expect_read(socket, "ab");
	say(peer, "gh");
	rig_settle();
	assert_int_equal(zok_socket_move(socket, other(), arrive_and_echo, NULL), 0);
	expect_core(peer, other());
	expect_read(peer, "cdefgh");
	say(peer, "ijk");
	expect_read(peer, "ijk");
	assert_int_equal(zok_shutdown(peer, ZOK_SHUTDOWN_WRITE), 0);
	expect_end(peer);
	return zok_close(peer);
}

static void what_was_received_moves_along(void **state)
{
	run(bytes_before_and_after);
}

static int ended_before(void)
{
	struct zok_socket *socket, *peer;

	make_pair(&socket, &peer);
	say(peer, "abc");
	expect_read(socket, "a");
	assert_int_equal(zok_shutdown(peer, ZOK_SHUTDOWN_WRITE), 0);
	while (socket->recv_state != ZOK__RECV_ENDED)
		rig_settle();
	assert_int_equal(zok_socket_move(socket, other(), arrive_and_echo, NULL), 0);
	expect_core(peer, other());
	expect_read(peer, "bc");
	expect_end(peer);
	return zok_close(peer);
}

static void an_end_that_was_seen_moves_along(void **state)
{
	run(ended_before);
}

static int take_it(struct zok_socket *socket, void *arg)
{
	*(struct zok_socket **)arg = socket;
	return 1;
}

static int close_it(void *arg)
{
	return zok_close(arg);
}

/* The kernel tells a reset once. */
static int reset_before(void)
{
	const struct linger none = {.l_onoff = 1};
	struct zok_socket *socket, *peer, *there = NULL;

	rig_tcp(&socket, &peer);
	say(peer, "a");
	expect_read(socket, "a");
	assert_int_equal(setsockopt(zok_socket_fd(peer), SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
	assert_int_equal(zok_close(peer), 0);
	while (socket->recv_state != ZOK__RECV_ENDED)
		rig_settle();
	assert_int_equal(zok_socket_move(socket, other(), take_it, &there), 0);
	assert_int_equal(zok_call_on(other(), reads_one, there), -ECONNRESET);
	return zok_call_on(other(), close_it, there);
}

static void a_reset_that_was_told_moves_along(void **state)
{
	run(reset_before);
}

/* More than a multishot's queue holds: it is paused when the move begins, and the kernel has the rest. */
static int much_before(void)
{
	struct zok_socket *socket, *peer;
	static uint8_t sent[40 * 512], got[sizeof sent];

	make_pair(&socket, &peer);
	rig_fill(sent, sizeof sent, 3);
	assert_int_equal(zok_write_all(peer, sent, sizeof sent), sizeof sent);
	assert_int_equal(zok_read_all(socket, got, 100), 100);
	while (socket->recv_state != ZOK__RECV_PAUSED)
		rig_settle();
	assert_true(socket->queued_count > 1);
	assert_int_equal(zok_socket_move(socket, other(), arrive_and_echo, NULL), 0);
	expect_core(peer, other());
	assert_int_equal(zok_read_all(peer, got + 100, sizeof got - 100), sizeof got - 100);
	assert_memory_equal(got, sent, sizeof sent);
	return zok_close(peer);
}

static void a_long_queue_moves_along(void **state)
{
	run(much_before);
}

/* ---- Hundreds of moves ---- */

static unsigned move_seed; /* atomic */

static unsigned random_move(void)
{
	uint32_t x = __atomic_fetch_add(&move_seed, 0x9e3779b9, __ATOMIC_RELAXED);

	x ^= x >> 16;
	x *= 0x7feb352d;
	return x ^ x >> 15;
}

static int hop(void *arg);

static int arrive_and_hop(struct zok_socket *socket, void *arg)
{
	return random_move() % 16 == 0 ? -EAGAIN : zok_spawn(&zok__core()->root, hop, socket, NULL);
}

static ssize_t echo_some(struct zok_socket *socket)
{
	char bytes[ECHO_MAX];
	struct zok_buf *buf = NULL;
	ssize_t n;

	if (random_move() % 64 != 0) {
		n = zok_read(socket, bytes, 1 + random_move() % sizeof bytes);
		return n > 0 ? zok_write_all(socket, bytes, (size_t)n) : n;
	}
	n = zok_recv_buf(socket, &buf);
	if (n > 0)
		n = zok_write_all(socket, zok_buf_data(buf), zok_buf_len(buf));
	zok_buf_release(buf);
	return n;
}

/* Echoes, and every now and then goes on on the other core. */
static int hop(void *arg)
{
	struct zok_socket *socket = arg;
	unsigned there = zok_core_index() == 0 ? other() : 0;

	while (echo_some(socket) > 0)
		if (random_move() % 2 == 0 && zok_socket_move(socket, there, arrive_and_hop, NULL) == 0)
			return 0;
	return zok_close(socket);
}

struct talker {
	struct zok_socket *socket;
	uint8_t sent[BYTES], got[BYTES];
	uint32_t seed;
};

static int talk(void *arg)
{
	struct talker *talker = arg;
	uint32_t seed = talker->seed;
	size_t done = 0, len;

	while (done < BYTES) {
		seed = seed * 1664525 + 1013904223;
		len = 1 + (seed >> 8) % CHUNK_MAX;
		len = len < BYTES - done ? len : BYTES - done;
		assert_int_equal(zok_write_all(talker->socket, talker->sent + done, len), len);
		done += len;
		if (seed >> 31)
			rig_settle();
	}
	return zok_shutdown(talker->socket, ZOK_SHUTDOWN_WRITE);
}

static int listen_to(void *arg)
{
	struct talker *talker = arg;

	assert_int_equal(zok_read_all(talker->socket, talker->got, BYTES), BYTES);
	expect_end(talker->socket);
	assert_memory_equal(talker->got, talker->sent, BYTES);
	return zok_close(talker->socket);
}

static int hundreds(void)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct talker *talkers = calloc(CONNECTIONS, sizeof *talkers);
	struct zok_socket *socket;
	struct zok_core_stats stats;

	for (int i = 0; i < CONNECTIONS; i++) {
		if (i % 2 == 0)
			rig_tcp(&talkers[i].socket, &socket);
		else
			make_pair(&socket, &talkers[i].socket);
		talkers[i].seed = (uint32_t)i;
		rig_fill(talkers[i].sent, BYTES, (uint32_t)i);
		zok_spawn(&zok__core()->root, hop, socket, NULL);
		zok_spawn(scope, talk, &talkers[i], NULL);
		zok_spawn(scope, listen_to, &talkers[i], NULL);
	}
	assert_int_equal(zok_scope_close(scope, 0), 0);
	free(talkers);
	assert_int_equal(zok_stats(0, &stats), 0);
	print_message("moved %d times\n", (int)stats.connections_moved_out);
	assert_true(stats.connections_moved_out > 200 || zok_core_count() == 1);
	return 0;
}

static void bytes_are_exact_over_hundreds_of_moves(void **state)
{
	run(hundreds);
}

/* ---- When it does not come about ---- */

/* Closed there, its number is another socket's here. */
static int number_again(void)
{
	struct zok_socket *socket, *peer;
	int fd = -1;

	for (int i = 0; i < 10; i++) {
		make_pair(&socket, &peer);
		assert_true(fd < 0 || zok_socket_fd(socket) == fd);
		fd = zok_socket_fd(socket);
		make_answering(socket, peer); /* its reads have waited here */
		assert_int_equal(zok_socket_move(socket, other(), arrive_and_echo, NULL), 0);
		expect_core(peer, other());
		assert_int_equal(zok_shutdown(peer, ZOK_SHUTDOWN_WRITE), 0);
		expect_end(peer);
		assert_int_equal(zok_close(peer), 0);
		assert_int_equal(zok_call_on(other(), settle_there, NULL), 0); /* the other end is closed, too */
	}
	return 0;
}

static void its_number_is_used_again(void **state)
{
	run(number_again);
}

static int refused(void)
{
	struct zok_socket *socket, *peer;

	make_pair(&socket, &peer);
	say(peer, "abc");
	expect_read(socket, "a");
	assert_int_equal(zok_socket_move(socket, other(), refuse, NULL), -ECONNREFUSED);
	expect_read(socket, "bc");
	say(peer, "def");
	expect_read(socket, "def");
	say(socket, "answer");
	expect_read(peer, "answer");
	assert_int_equal(zok_socket_move(socket, 0, refuse, NULL), -ECONNREFUSED); /* the own core */
	assert_int_equal(zok_close(peer), 0);
	return zok_close(socket);
}

static void who_is_refused_goes_on_here(void **state)
{
	run(refused);
}

static int to_the_own_core(void)
{
	struct zok_socket *socket, *peer, *taken = NULL;

	make_pair(&socket, &peer);
	assert_int_equal(zok_socket_move(socket, 0, take_it, &taken), 0);
	assert_ptr_equal(taken, socket);
	assert_int_equal(zok__core()->counters->stats.connections_moved_out, 0);
	say(peer, "abc");
	expect_read(socket, "abc");
	assert_int_equal(zok_close(peer), 0);
	return zok_close(socket);
}

static void to_the_own_core_nothing_moves(void **state)
{
	run(to_the_own_core);
}

static int moves_foreign(void *arg)
{
	return zok_socket_move(arg, 0, refuse, NULL);
}

static int misuse(void)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *socket, *peer, *door = rig_door(address);
	struct zok_scope *scope = zok_scope_open(NULL);

	make_pair(&socket, &peer);
	assert_int_equal(zok_socket_move(door, other(), refuse, NULL), -EINVAL);
	assert_int_equal(zok_socket_move(socket, zok_core_count(), refuse, NULL), -EINVAL);
	if (zok_core_count() > 1)
		assert_int_equal(zok_call_on(other(), moves_foreign, socket), -EXDEV);
	else
		lines_expected--; /* nobody is foreign */
	zok_spawn(scope, reads_one, socket, NULL);
	rig_settle();
	assert_int_equal(zok_socket_move(socket, other(), refuse, NULL), -EBUSY);
	say(peer, "x");
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(zok_close(door), 0);
	assert_int_equal(zok_close(peer), 0);
	return zok_close(socket);
}

static void misuse_is_told(void **state)
{
	run_expecting(misuse, 3);
}

/* A socket that is full, with a small send behind it that nobody waits for. */
static size_t fill_with_one_behind(struct zok_socket *socket, struct zok_socket *peer)
{
	static const char bytes[1 << 20];
	ssize_t n;

	make_answering(socket, peer);
	n = send(socket->fd, bytes, sizeof bytes, MSG_DONTWAIT);
	assert_true(n > 0 && n < (ssize_t)sizeof bytes);
	assert_int_equal(zok_write_all(socket, bytes, 300), 300);
	rig_settle();
	return (size_t)n + 300;
}

static void drain_peer(struct zok_socket *peer, size_t len)
{
	static char bytes[2 << 20];

	assert_int_equal(zok_read_all(peer, bytes, len), len);
}

static int cut_short(void)
{
	struct zok_socket *socket, *peer;
	struct zok_scope *scope;
	size_t len;

	make_pair(&socket, &peer);
	len = fill_with_one_behind(socket, peer);
	assert_non_null(socket->behind);
	scope = rig_short_scope();
	assert_int_equal(zok_socket_move(socket, other(), arrive_and_echo, NULL), -ETIMEDOUT);
	assert_int_equal(zok_socket_move(socket, other(), arrive_and_echo, NULL), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	assert_null(socket->mover);
	drain_peer(peer, len);
	say(peer, "abc");
	expect_read(socket, "abc");
	assert_int_equal(zok_socket_move(socket, other(), arrive_and_echo, NULL), 0);
	expect_core(peer, other());
	return zok_close(peer);
}

static void a_deadline_leaves_it_here(void **state)
{
	run(cut_short);
}

static int moves(void *arg)
{
	return zok_socket_move(arg, other(), arrive_and_echo, NULL);
}

/* It waits for the small send; then its bytes are first. */
static int behind_comes_first(void)
{
	struct zok_socket *socket, *peer;
	struct zok_scope *scope = zok_scope_open(NULL);
	size_t len;

	make_pair(&socket, &peer);
	len = fill_with_one_behind(socket, peer);
	zok_spawn(scope, moves, socket, NULL);
	rig_settle();
	assert_non_null(socket->mover);
	assert_int_equal(zok_write_all(socket, "x", 1), -EBUSY);
	assert_int_equal(reads_one(socket), -EBUSY);
	assert_int_equal(zok_shutdown(socket, ZOK_SHUTDOWN_WRITE), -EBUSY);
	assert_int_equal(zok_socket_move(socket, other(), refuse, NULL), -EBUSY);
	drain_peer(peer, len);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	expect_core(peer, other());
	return zok_close(peer);
}

static void small_sends_are_settled_first(void **state)
{
	run(behind_comes_first);
}

static int closed_while_it_waits(void)
{
	struct zok_socket *socket, *peer;
	struct zok_scope *scope = zok_scope_open(NULL);

	make_pair(&socket, &peer);
	fill_with_one_behind(socket, peer);
	zok_spawn(scope, moves, socket, NULL);
	rig_settle();
	zok_scope_cancel(zok_scope_open(NULL)); /* so that the close does not linger */
	assert_int_equal(zok_close(socket), 0);
	zok_scope_close(zok_task_current()->scope, 0);
	assert_int_equal(zok_scope_close(scope, 0), -EBADF);
	return zok_close(peer);
}

static void a_close_ends_a_move_that_has_not_left(void **state)
{
	run(closed_while_it_waits);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_received_moves_along),
		cmocka_unit_test(an_end_that_was_seen_moves_along),
		cmocka_unit_test(a_reset_that_was_told_moves_along),
		cmocka_unit_test(a_long_queue_moves_along),
		cmocka_unit_test(bytes_are_exact_over_hundreds_of_moves),
		cmocka_unit_test(its_number_is_used_again),
		cmocka_unit_test(who_is_refused_goes_on_here),
		cmocka_unit_test(to_the_own_core_nothing_moves),
		cmocka_unit_test(misuse_is_told),
		cmocka_unit_test(a_deadline_leaves_it_here),
		cmocka_unit_test(small_sends_are_settled_first),
		cmocka_unit_test(a_close_ends_a_move_that_has_not_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
