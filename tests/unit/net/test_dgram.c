/* A datagram socket's life: what opens, what is refused, what a close ends. */
#include "tests/unit/net/dgram_rig.h"

RIG_CASE(options_that_make_no_sense_are_refused)
{
	const struct zok_dgram_options wrong[] = {
		{.send_buffer_size = -1},
		{.busy_poll_us = 1000001},
		{.timestamps = (enum zok_timestamps)7},
		{.timestamps = ZOK_TIMESTAMPS_HARDWARE},
		{.fds_max = 1},
		{.peer = "udp://[::1]:5"},
		{.peer = "tcp://127.0.0.1:5"},
		{.receive_segments = true}, /* with buffers of 512 bytes */
	};
	struct zok_dgram_socket *socket = NULL;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		assert_int_equal(zok_dgram_open(&socket, ANY_PORT, &wrong[i]), -EINVAL);
	assert_int_equal(zok_dgram_open(&socket, dgram_name(0), &(struct zok_dgram_options){.broadcast = true}), -EINVAL);
	assert_int_equal(zok_dgram_open(&socket, NULL, NULL), -EINVAL);
	assert_int_equal(zok_dgram_open(&socket, "udp://nowhere:1", NULL), -EINVAL);
	assert_int_equal(zok_dgram_open(&socket, ANY_PORT, &(struct zok_dgram_options){.multicast_interface = "nosuchcard"}), -ENODEV);
	assert_null(socket);
	assert_int_equal(zok_dgram_close(NULL), 0);
	return 0;
}

RIG_CASE(the_loopback_has_no_hardware_timestamps)
{
	struct zok_dgram_options options = {.timestamps = ZOK_TIMESTAMPS_HARDWARE, .timestamp_interface = "lo"};
	struct zok_dgram_socket *socket = NULL;

	assert_int_equal(zok_dgram_open(&socket, ANY_PORT, &options), -EOPNOTSUPP);
	options.timestamp_interface = "nosuchcard";
	assert_int_equal(zok_dgram_open(&socket, ANY_PORT, &options), -ENODEV);
	return 0;
}

static int option_of(const struct zok_dgram_socket *socket, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	assert_int_equal(getsockopt(zok_dgram_fd(socket), level, name, &value, &len), 0);
	return value;
}

RIG_CASE(options_reach_the_kernel)
{
	struct zok_dgram_options options = {.reuse_port = true,
					    .reuse_address = true,
					    .broadcast = true,
					    .receive_buffer_size = 65536,
					    .send_buffer_size = 32768,
					    .multicast_hops = 7,
					    .without_multicast_loop = true};
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, &options);
	unsigned busy_poll;
	FILE *file = fopen("/proc/sys/net/core/busy_read", "re");

	assert_int_equal(option_of(socket, SOL_SOCKET, SO_REUSEPORT), 1);
	assert_int_equal(option_of(socket, SOL_SOCKET, SO_REUSEADDR), 1);
	assert_int_equal(option_of(socket, SOL_SOCKET, SO_BROADCAST), 1);
	assert_int_equal(option_of(socket, SOL_SOCKET, SO_RCVBUF), 131072); /* the kernel doubles it */
	assert_int_equal(option_of(socket, SOL_SOCKET, SO_SNDBUF), 65536);
	assert_int_equal(option_of(socket, IPPROTO_IP, IP_MULTICAST_TTL), 7);
	assert_int_equal(option_of(socket, IPPROTO_IP, IP_MULTICAST_LOOP), 0);
	assert_int_equal(option_of(socket, IPPROTO_IP, IP_MULTICAST_ALL), 0);
	assert_int_equal(zok_dgram_dropped(socket), 0);
	zok_dgram_close(socket);
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%u", &busy_poll), 1);
	fclose(file);
	options = (struct zok_dgram_options){.busy_poll_us = busy_poll + 50};
	if (zok_dgram_open(&socket, ANY_PORT, &options) == 0) { /* raising it takes CAP_NET_ADMIN */
		assert_int_equal(option_of(socket, SOL_SOCKET, SO_BUSY_POLL), (int)busy_poll + 50);
		zok_dgram_close(socket);
	}
	return 0;
}

RIG_CASE(ipv6_takes_ipv4_as_well_unless_told_not_to)
{
	struct zok_dgram_socket *both = dgram_open("udp://[::]:0", NULL);
	struct zok_dgram_socket *one = dgram_open("udp://[::]:0", &(struct zok_dgram_options){.ipv6_only = true});

	assert_int_equal(option_of(both, IPPROTO_IPV6, IPV6_V6ONLY), 0);
	assert_int_equal(option_of(one, IPPROTO_IPV6, IPV6_V6ONLY), 1);
	zok_dgram_close(both);
	zok_dgram_close(one);
	return 0;
}

RIG_CASE(a_stale_file_is_replaced_and_a_live_one_is_not)
{
	char path[64], address[96];
	struct zok_dgram_socket *first, *second = NULL;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(path, sizeof path, "/tmp/zokio-dgram-%d", getpid());
	snprintf(address, sizeof address, "unix-dgram:%s", path);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	assert_int_equal(zok_dgram_open(&second, address, NULL), -EADDRINUSE);
	close(fd); /* and leaves the file */
	first = dgram_open(address, NULL);
	assert_int_equal(zok_dgram_open(&second, address, NULL), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	zok_dgram_close(first);
	assert_int_equal(access(path, F_OK), -1);
	return 0;
}

struct waiting {
	struct zok_dgram_socket *socket;
	ssize_t result;
};

static int wait_for_one(void *arg)
{
	struct waiting *waiting = arg;
	char byte;

	waiting->result = zok_dgram_recv(waiting->socket, &byte, 1, NULL);
	return 0;
}

RIG_CASE(a_close_ends_who_waits)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct waiting waiting = {.socket = dgram_open(ANY_PORT, NULL)};
	char byte;

	zok_spawn(scope, wait_for_one, &waiting, NULL);
	rig_settle();
	assert_int_equal(zok_dgram_recv(waiting.socket, &byte, 1, NULL), -EBUSY);
	assert_int_equal(zok_dgram_close(waiting.socket), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(waiting.result, -EBADF);
	return 0;
}

/* The rig's core closes it, and counts that it is closed. */
RIG_CASE(what_is_left_open_is_closed_with_the_core)
{
	struct zok_dgram_socket *socket = dgram_open(ANY_PORT, NULL);
	struct zok_scope *scope = rig_short_scope();
	char byte;

	assert_int_equal(zok_dgram_recv(socket, &byte, 1, NULL), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(options_that_make_no_sense_are_refused) RIG_ROW(the_loopback_has_no_hardware_timestamps)
						   RIG_ROW(options_reach_the_kernel) RIG_ROW(ipv6_takes_ipv4_as_well_unless_told_not_to)
							   RIG_ROW(a_stale_file_is_replaced_and_a_live_one_is_not)
								   RIG_ROW(a_close_ends_who_waits)
									   RIG_ROW(what_is_left_open_is_closed_with_the_core)};

	return cmocka_run_group_tests_name("net/dgram", tests, NULL, NULL);
}
