/* Accept: every connection is given to somebody, and a shortage of descriptors passes. */
#include "core/alloc.h"
#include "net/door.h"
#include "tests/unit/net/rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

/* A client in the test's own hands. */
static void raw_connect_by(int fd, const struct zok_socket *door)
{
	struct sockaddr_in address;
	socklen_t len = sizeof address;

	assert_true(fd >= 0);
	assert_int_equal(getsockname(zok_socket_fd(door), (struct sockaddr *)&address, &len), 0);
	assert_true(connect(fd, (struct sockaddr *)&address, len) == 0 || errno == EINPROGRESS);
}

static int raw_connect(const struct zok_socket *door)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	raw_connect_by(fd, door);
	return fd;
}

enum { MANY = 1000 };

static int echo_once(void *arg)
{
	struct zok_socket *peer = arg;
	char byte;

	assert_int_equal(zok_read(peer, &byte, 1), 1);
	assert_int_equal(zok_write_all(peer, &byte, 1), 1);
	return zok_close(peer);
}

static int accept_many(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_socket *peer;

	for (int i = 0; i < MANY; i++) {
		assert_int_equal(zok_accept(arg, &peer), 0);
		assert_int_equal(zok_spawn(scope, echo_once, peer, &(struct zok_spawn_options){.stack_size = 16384}), 0);
	}
	return zok_scope_close(scope, 0);
}

RIG_CASE(a_thousand_connections_are_served)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), **clients = calloc(MANY, sizeof(*clients));
	struct zok_scope *scope = zok_scope_open(NULL);
	char byte;

	assert_int_equal(zok_spawn(scope, accept_many, door, NULL), 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(zok_connect(&clients[i], address, NULL), 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(zok_write_all(clients[i], "x", 1), 1);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(zok_read(clients[i], &byte, 1), 1);
		assert_int_equal(zok_read(clients[i], &byte, 1), 0);
		assert_int_equal(zok_close(clients[i]), 0);
	}
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(zok_close(door), 0);
	free(clients);
	return 0;
}

RIG_CASE(an_accept_that_times_out_loses_no_connection)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), *peer;

	for (int i = 0; i < 10; i++) {
		struct zok_scope *scope = rig_short_scope();
		int raw;

		assert_int_equal(zok_accept(door, &peer), -ETIMEDOUT);
		raw = raw_connect(door);
		assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
		assert_int_equal(zok_accept(door, &peer), 0);
		assert_int_equal(zok_close(peer), 0);
		close(raw);
	}
	assert_int_equal(zok_close(door), 0);
	return 0;
}

RIG_CASE(no_more_are_taken_ahead_than_asked_for)
{
	const struct zok_listen_options options = {.accept_batch_max = 4};
	struct zok_socket *door, *peer;
	int raw[40];

	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", &options), 0);
	raw[0] = raw_connect(door);
	assert_int_equal(zok_accept(door, &peer), 0);
	assert_int_equal(zok_close(peer), 0);
	for (int i = 1; i < 40; i++) {
		raw[i] = raw_connect(door);
		rig_settle();
	}
	for (int i = 1; i < 40; i++) {
		assert_int_equal(zok_accept(door, &peer), 0);
		assert_int_equal(zok_close(peer), 0);
	}
	for (int i = 0; i < 40; i++)
		close(raw[i]);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

/* ---- More at a time than the door has room for ---- */

enum { BURST = 300, ROOM_FIRST = 64 };

static struct zok_socket *roomy_door(void)
{
	struct zok_socket *door = NULL;

	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", &(struct zok_listen_options){.accept_batch_max = 1024}), 0);
	return door;
}

/* A client that is connected and has said its number. */
static int numbered_client(const struct zok_socket *door, int number)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	raw_connect_by(fd, door);
	assert_int_equal(send(fd, &number, sizeof number, 0), sizeof number);
	return fd;
}

static void accept_number(struct zok_socket *door, int expected)
{
	struct zok_socket *peer;
	int number = -1;

	assert_int_equal(zok_accept(door, &peer), 0);
	assert_int_equal(zok_read_all(peer, &number, sizeof number), sizeof number);
	assert_int_equal(number, expected);
	assert_int_equal(zok_close(peer), 0);
}

static void wait_until_taken(struct zok_socket *door, unsigned count)
{
	while (zok__door_of(door)->count < count)
		zok_sleep(100 * ZOK_US);
}

/* The ring grows twice, the first time while it has come round in part. */
RIG_CASE(a_burst_is_handed_out_in_the_order_it_came)
{
	struct zok_socket *door = roomy_door();
	int raw[BURST], connected = 0, accepted = 0;

	raw[connected] = numbered_client(door, connected);
	connected++;
	accept_number(door, accepted++); /* from here on what comes is taken */
	for (; connected < 50; connected++)
		raw[connected] = numbered_client(door, connected);
	wait_until_taken(door, 49);
	while (accepted < 30)
		accept_number(door, accepted++);
	for (; connected < BURST; connected++)
		raw[connected] = numbered_client(door, connected);
	wait_until_taken(door, BURST - 30);
	assert_true(zok__door_of(door)->count_max > ROOM_FIRST);
	while (accepted < BURST)
		accept_number(door, accepted++);
	assert_int_equal(zok__door_of(door)->count, 0);
	for (int i = 0; i < BURST; i++)
		close(raw[i]);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

static void *no_ring(void *arg, size_t size, size_t alignment)
{
	void *memory = NULL;

	return size != 2 * ROOM_FIRST * sizeof(int) && posix_memalign(&memory, alignment < 16 ? 16 : alignment, size) == 0 ? memory : NULL;
}

static void give_back(void *arg, void *memory, size_t size)
{
	free(memory);
}

static bool is_turned_away(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0 || errno != EAGAIN;
}

/* Without memory for a larger ring the newest are the ones that go; who stands in it stays. */
RIG_CASE(without_memory_the_newest_are_turned_away)
{
	static const struct zok_allocator short_of_memory = {.allocate = no_ring, .release = give_back};
	struct zok_socket *door = roomy_door();
	int raw[ROOM_FIRST + 6];

	raw[0] = numbered_client(door, 0);
	accept_number(door, 0);
	for (int i = 1; i < ROOM_FIRST + 6; i++)
		raw[i] = numbered_client(door, i);
	zok__allocator_set(&short_of_memory);
	for (int i = ROOM_FIRST + 1; i < ROOM_FIRST + 6; i++)
		while (!is_turned_away(raw[i]))
			zok_sleep(100 * ZOK_US);
	zok__allocator_set(NULL);
	assert_int_equal(zok__door_of(door)->count, ROOM_FIRST);
	for (int i = 1; i <= ROOM_FIRST; i++)
		accept_number(door, i);
	for (int i = 0; i < ROOM_FIRST + 6; i++)
		close(raw[i]);
	raw[0] = numbered_client(door, 77);
	accept_number(door, 77);
	close(raw[0]);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

RIG_CASE(out_of_descriptors_it_waits_and_goes_on)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), *peer;
	int raw = raw_connect(door);
	struct rlimit limit, low;
	struct zok_scope *scope;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = (struct rlimit){.rlim_cur = (rlim_t)raw + 1, .rlim_max = limit.rlim_max};
	while (fcntl((int)low.rlim_cur - 1, F_GETFD) < 0) /* none free below */
		low.rlim_cur--;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 20 * ZOK_MS});
	assert_int_equal(zok_accept(door, &peer), -ETIMEDOUT);
	assert_int_equal(zok_scope_close(scope, 0), -ETIMEDOUT);
	assert_true(zok__core()->counters->stats.fd_shortages > 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(zok_accept(door, &peer), 0);
	assert_int_equal(zok_close(peer), 0);
	assert_int_equal(zok_close(door), 0);
	close(raw);
	return 0;
}

static void *refuse_memory(void *arg, size_t size, size_t alignment)
{
	return NULL;
}

static int accept_and_close(void *arg)
{
	struct zok_socket *peer;
	int rc = zok_accept(arg, &peer);

	return rc < 0 ? rc : zok_close(peer);
}

/* Takes all that the pool of sockets has; the sockets are chained by their first word. */
static void *exhaust_sockets(struct zok_pool *pool)
{
	void *taken = NULL, *object;

	while ((object = pool->free_list ? zok_pool_get(pool) : NULL) != NULL) {
		*(void **)object = taken;
		taken = object;
	}
	return taken;
}

static void give_sockets_back(struct zok_pool *pool, void *taken)
{
	while (taken) {
		void *object = taken;

		taken = *(void **)object;
		zok_pool_put(pool, object);
	}
}

enum { ROOM = 32, FILLERS_SIZE = 1024 };

/* Memory is short, and the door waits for the next try; in the meantime its multishot ends for want of descriptors. */
RIG_CASE(two_shortages_at_once_share_a_timer)
{
	static const struct zok_allocator without_memory = {.allocate = refuse_memory};
	const struct zok_allocator *allocator;
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), *peer;
	struct zok_timer *timer = &zok__door_of(door)->retry;
	struct zok_pool *pool = &zok__net()->sockets;
	struct zok_scope *scope = zok_scope_open(NULL);
	int raw[3] = {raw_connect(door), raw_connect(door)}, filler[FILLERS_SIZE];
	struct rlimit limit, low;
	int fillers = 0;
	uint64_t deadline_ns;
	void *taken;

	/* Before the accept begins: io_uring keeps the limit of that time. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	raw[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	low = (struct rlimit){.rlim_cur = (rlim_t)raw[2] + ROOM, .rlim_max = limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(zok_accept(door, &peer), 0);
	assert_int_equal(zok_close(peer), 0);
	rig_settle(); /* the second waits at the door now */
	taken = exhaust_sockets(pool);
	allocator = pool->allocator;
	pool->allocator = &without_memory;
	zok__door_of(door)->retry_ns = 50 * ZOK_MS; /* as long as it gets */
	assert_int_equal(zok_spawn(scope, accept_and_close, door, NULL), 0);
	zok_yield();
	assert_int_equal(timer->future.state, ZOK_FUTURE_PENDING);
	deadline_ns = timer->deadline_ns;
	while (fillers < FILLERS_SIZE && (filler[fillers] = dup(raw[2])) >= 0)
		fillers++;
	raw_connect_by(raw[2], door);
	while (zok__op_is_in_flight(&door->recv_op) && zok_now_ns() < deadline_ns)
		zok_sleep(ZOK_US);
	if (zok_now_ns() < deadline_ns)
		assert_int_equal(timer->deadline_ns, deadline_ns);
	while (fillers > 0)
		close(filler[--fillers]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	pool->allocator = allocator;
	give_sockets_back(pool, taken);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(zok_accept(door, &peer), 0);
	assert_int_equal(zok_close(peer), 0);
	assert_int_equal(zok_close(door), 0);
	for (int i = 0; i < 3; i++)
		close(raw[i]);
	return 0;
}

static int accept_one(void *arg)
{
	struct zok_socket *peer;

	return zok_accept(arg, &peer) == -EBADF ? 0 : -EIO;
}

RIG_CASE(a_close_ends_an_accept)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), *peer;
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_spawn(scope, accept_one, door, NULL), 0);
	rig_settle();
	assert_int_equal(zok_accept(door, &peer), -EBUSY);
	door->closer = &(struct zok_close){.has_begun = true}; /* as between a close's first step and its last */
	assert_int_equal(zok_accept(door, &peer), -EBADF);
	door->closer = NULL;
	assert_int_equal(zok_close(door), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	return 0;
}

RIG_CASE(what_nobody_took_is_closed_with_the_door)
{
	char address[ZOK_ADDRESS_SIZE], byte;
	struct zok_socket *door = rig_door(address), *peer;
	int raw[3];
	ssize_t n;

	for (int i = 0; i < 3; i++)
		raw[i] = raw_connect(door);
	assert_int_equal(zok_accept(door, &peer), 0);
	rig_settle();
	assert_int_equal(zok_close(door), 0);
	assert_int_equal(zok_close(peer), 0);
	for (int i = 0; i < 3; i++) {
		do
			n = recv(raw[i], &byte, 1, 0);
		while (n < 0 && errno == EAGAIN);
		assert_true(n == 0 || errno == ECONNRESET);
		close(raw[i]);
	}
	return 0;
}

RIG_CASE(only_a_door_accepts)
{
	struct pair pair = rig_pair();
	char address[ZOK_ADDRESS_SIZE], byte;
	struct zok_socket *door = rig_door(address), *peer;

	assert_int_equal(zok_accept(pair.socket, &peer), -EINVAL);
	assert_int_equal(zok_read(door, &byte, 1), -ENOTCONN);
	assert_int_equal(zok_close(door), 0);
	rig_pair_close(&pair);
	return 0;
}

/* ---- Drain ---- */

static bool is_refused(const struct zok_socket *door)
{
	struct zok_socket *peer;
	char address[ZOK_ADDRESS_SIZE];

	assert_int_equal(zok_local_address(door, address, sizeof address), 0);
	return zok_connect(&peer, address, NULL) == -ECONNREFUSED;
}

RIG_CASE(a_drain_hands_out_the_backlog_and_refuses_the_rest)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *doors[2] = {rig_door(address), rig_door(address)}, *peer;
	int raw[6];

	for (int i = 0; i < 6; i++)
		raw[i] = raw_connect(doors[i / 3]);
	assert_int_equal(zok_accept(doors[0], &peer), 0); /* the other has never accepted */
	assert_int_equal(zok_close(peer), 0);
	zok__core_drain(zok__core());
	for (int i = 1; i < 6; i++) {
		assert_int_equal(zok_accept(doors[i / 3], &peer), 0);
		assert_int_equal(zok_close(peer), 0);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(zok_accept(doors[i], &peer), -ESHUTDOWN);
		assert_int_equal(zok_accept(doors[i], &peer), -ESHUTDOWN);
		assert_true(is_refused(doors[i]));
		assert_int_equal(zok_close(doors[i]), 0);
	}
	assert_int_equal(zok_listen(&doors[0], "tcp://127.0.0.1:0", NULL), -ESHUTDOWN);
	for (int i = 0; i < 6; i++)
		close(raw[i]);
	return 0;
}

static int accept_until_drained(void *arg)
{
	struct zok_socket *peer;

	return zok_accept(arg, &peer) == -ESHUTDOWN ? 0 : -EIO;
}

RIG_CASE(who_waits_at_a_door_is_told_of_the_drain)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address);
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_spawn(scope, accept_until_drained, door, NULL), 0);
	rig_settle();
	zok__core_drain(zok__core());
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

RIG_CASE(a_drain_takes_a_unix_doors_file_away)
{
	const char *path = "drained_door.sock";
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door, *peer;

	snprintf(address, sizeof address, "unix:%s", path);
	assert_int_equal(zok_listen(&door, address, NULL), 0);
	assert_int_equal(access(path, F_OK), 0);
	zok__core_drain(zok__core());
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(zok_accept(door, &peer), -ESHUTDOWN);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

RIG_CASE(a_drain_leaves_connections_alone)
{
	struct pair pair = rig_pair();
	char byte = 'x';

	zok__core_drain(zok__core());
	assert_int_equal(zok_write_all(pair.socket, &byte, 1), 1);
	assert_int_equal(write(pair.raw, &byte, 1), 1);
	assert_int_equal(zok_read(pair.socket, &byte, 1), 1);
	rig_pair_close(&pair);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(a_thousand_connections_are_served) RIG_ROW(an_accept_that_times_out_loses_no_connection)
			RIG_ROW(no_more_are_taken_ahead_than_asked_for) RIG_ROW(a_burst_is_handed_out_in_the_order_it_came)
				RIG_ROW(without_memory_the_newest_are_turned_away) RIG_ROW(out_of_descriptors_it_waits_and_goes_on)
					RIG_ROW(two_shortages_at_once_share_a_timer) RIG_ROW(a_close_ends_an_accept)
						RIG_ROW(what_nobody_took_is_closed_with_the_door) RIG_ROW(only_a_door_accepts)
							RIG_ROW(a_drain_hands_out_the_backlog_and_refuses_the_rest)
								RIG_ROW(who_waits_at_a_door_is_told_of_the_drain)
									RIG_ROW(a_drain_takes_a_unix_doors_file_away)
										RIG_ROW(a_drain_leaves_connections_alone)};
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
	setrlimit(RLIMIT_NOFILE, &limit);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
