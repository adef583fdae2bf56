/* Connect: made, refused, cut short; and nothing is left behind by those that failed. */
#include "tests/unit/net/rig.h"

#include "zokio/log.h"

static unsigned count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

RIG_CASE(both_ends_know_each_other)
{
	char client_local[ZOK_ADDRESS_SIZE], client_peer[ZOK_ADDRESS_SIZE], server_local[ZOK_ADDRESS_SIZE], server_peer[ZOK_ADDRESS_SIZE];
	struct zok_socket *client, *server;

	rig_tcp(&client, &server);
	assert_int_equal(zok_local_address(client, client_local, sizeof client_local), 0);
	assert_int_equal(zok_peer_address(client, client_peer, sizeof client_peer), 0);
	assert_int_equal(zok_local_address(server, server_local, sizeof server_local), 0);
	assert_int_equal(zok_peer_address(server, server_peer, sizeof server_peer), 0);
	assert_string_equal(client_local, server_peer);
	assert_string_equal(client_peer, server_local);
	assert_int_equal(zok_local_address(client, client_local, 5), -ENOBUFS);
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(server), 0);
	return 0;
}

RIG_CASE(refused_is_an_error_and_leaves_nothing)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), *peer = NULL;
	unsigned fds;

	assert_int_equal(zok_close(door), 0);
	fds = count_fds();
	assert_int_equal(zok_connect(&peer, address, NULL), -ECONNREFUSED);
	assert_null(peer);
	assert_int_equal(zok_connect(&peer, "unix:/nonexistent/door", NULL), -ENOENT);
	assert_int_equal(count_fds(), fds);
	return 0;
}

RIG_CASE(a_bad_address_or_option_is_refused)
{
	struct zok_socket *peer = NULL;

	zok_log_level_set(ZOK_LOG_OFF);
	assert_int_equal(zok_connect(&peer, "tcp://nowhere", NULL), -EINVAL);
	assert_int_equal(zok_connect(&peer, NULL, NULL), -EINVAL);
	assert_int_equal(zok_connect(&peer, "tcp://127.0.0.1:1", &(struct zok_connect_options){.send_buffer_size = -1}), -EINVAL);
	assert_int_equal(zok_connect(&peer, "tcp://127.0.0.1:1", &(struct zok_connect_options){.local_address = "nowhere"}), -EINVAL);
	assert_int_equal(zok_connect(&peer, "tcp://127.0.0.1:1", &(struct zok_connect_options){.local_address = "tcp://[::1]:0"}), -EINVAL);
	zok_log_level_set(ZOK_LOG_WARN);
	assert_null(peer);
	return 0;
}

RIG_CASE(the_local_address_is_the_one_asked_for)
{
	char address[ZOK_ADDRESS_SIZE], local[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), *peer;

	assert_int_equal(zok_connect(&peer, address, &(struct zok_connect_options){.local_address = "tcp://127.0.0.2:0"}), 0);
	assert_int_equal(zok_local_address(peer, local, sizeof local), 0);
	assert_int_equal(strncmp(local, "tcp://127.0.0.2:", 16), 0);
	assert_int_equal(zok_close(peer), 0);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

/* A listener whose backlog is full answers no more: on Linux the SYN is dropped, and the attempt lasts. */
RIG_CASE(an_attempt_that_lasts_can_be_cut_short)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door, *peers[8];
	int count = 0, rc = 0;
	unsigned fds;

	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", &(struct zok_listen_options){.backlog = 1}), 0);
	assert_int_equal(zok_local_address(door, address, sizeof address), 0);
	while (rc == 0 && count < 8) {
		struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = 50 * ZOK_MS});

		fds = count_fds();
		rc = zok_connect(&peers[count], address, NULL);
		count += rc == 0;
		zok_scope_close(scope, rc);
	}
	assert_int_equal(rc, -ETIMEDOUT);
	assert_int_equal(count_fds(), fds);
	while (count-- > 0)
		assert_int_equal(zok_close(peers[count]), 0);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

RIG_CASE(an_abstract_name_is_reached)
{
	struct zok_socket *door, *client, *server;
	char address[ZOK_ADDRESS_SIZE], text[ZOK_ADDRESS_SIZE];

	snprintf(address, sizeof address, "unix:@zokio-test-%d", (int)getpid());
	assert_int_equal(zok_listen(&door, address, NULL), 0);
	assert_int_equal(zok_local_address(door, text, sizeof text), 0);
	assert_string_equal(text, address);
	assert_int_equal(zok_connect(&client, address, NULL), 0);
	assert_int_equal(zok_accept(door, &server), 0);
	assert_int_equal(zok_peer_address(client, text, sizeof text), 0);
	assert_string_equal(text, address);
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(server), 0);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(both_ends_know_each_other) RIG_ROW(refused_is_an_error_and_leaves_nothing) RIG_ROW(
		a_bad_address_or_option_is_refused) RIG_ROW(the_local_address_is_the_one_asked_for)
						   RIG_ROW(an_attempt_that_lasts_can_be_cut_short) RIG_ROW(an_abstract_name_is_reached)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
