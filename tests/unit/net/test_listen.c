/* Doors: who may listen where, what accepted sockets inherit, and what becomes of a Unix socket's file. */
#include "net/sys.h"
#include "tests/unit/net/rig.h"

#include "zokio/log.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

static char path[64];

static const char *unix_address(void)
{
	static char address[sizeof path + 8];

	snprintf(path, sizeof path, "/tmp/zokio-test-%d.sock", (int)getpid());
	snprintf(address, sizeof address, "unix:%s", path);
	return address;
}

static bool exists(void)
{
	struct stat status;

	return lstat(path, &status) == 0;
}

RIG_CASE(a_port_in_use_is_refused)
{
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door = rig_door(address), *second = NULL;

	assert_int_equal(zok_listen(&second, address, NULL), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(zok_close(door), 0);
	assert_int_equal(zok_listen(&door, address, NULL), 0);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

RIG_CASE(doors_share_a_port_if_both_ask)
{
	const struct zok_listen_options options = {.reuse_port = true};
	struct zok_socket *first, *second;
	char address[ZOK_ADDRESS_SIZE];

	assert_int_equal(zok_listen(&first, "tcp://[::1]:0", &options), 0);
	assert_int_equal(zok_local_address(first, address, sizeof address), 0);
	assert_int_equal(zok_listen(&second, address, &options), 0);
	assert_int_equal(zok_close(first), 0);
	assert_int_equal(zok_close(second), 0);
	return 0;
}

RIG_CASE(bad_options_are_refused)
{
	struct zok_socket *door = NULL;

	zok_log_level_set(ZOK_LOG_OFF);
	assert_int_equal(zok_listen(&door, "tcp://nowhere", NULL), -EINVAL);
	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", &(struct zok_listen_options){.backlog = -1}), -EINVAL);
	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", &(struct zok_listen_options){.receive_buffer_size = -1}), -EINVAL);
	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", &(struct zok_listen_options){.accept_batch_max = 1000000}), -EINVAL);
	zok_log_level_set(ZOK_LOG_WARN);
	assert_int_equal(zok_listen(&door, "tcp://192.0.2.1:0", NULL), -EADDRNOTAVAIL);
	assert_null(door);
	return 0;
}

static int option_of(const struct zok_socket *socket, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	assert_int_equal(getsockopt(zok_socket_fd(socket), level, name, &value, &len), 0);
	return value;
}

static void check_inherited(const struct zok_listen_options *options, int nodelay, int keepalive)
{
	struct zok_socket *door, *client, *server;
	char address[ZOK_ADDRESS_SIZE];

	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", options), 0);
	assert_int_equal(zok_local_address(door, address, sizeof address), 0);
	assert_int_equal(zok_connect(&client, address, NULL), 0);
	assert_int_equal(zok_accept(door, &server), 0);
	assert_int_equal(option_of(server, IPPROTO_TCP, TCP_NODELAY), nodelay);
	assert_int_equal(option_of(client, IPPROTO_TCP, TCP_NODELAY), 1);
	assert_int_equal(option_of(server, SOL_SOCKET, SO_KEEPALIVE), keepalive);
	if (options->send_buffer_size)
		assert_int_equal(option_of(server, SOL_SOCKET, SO_SNDBUF), 2 * options->send_buffer_size); /* socket(7): doubled */
	assert_int_equal(zok_close(server), 0);
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(door), 0);
}

RIG_CASE(accepted_sockets_inherit_the_doors_options)
{
	check_inherited(&(struct zok_listen_options){0}, 1, 0);
	check_inherited(&(struct zok_listen_options){.without_nodelay = true, .keepalive = true, .send_buffer_size = 8192}, 0, 1);
	return 0;
}

RIG_CASE(options_can_be_changed)
{
	struct zok_socket *client, *server;

	rig_tcp(&client, &server);
	assert_int_equal(zok_set_nodelay(client, false), 0);
	assert_int_equal(option_of(client, IPPROTO_TCP, TCP_NODELAY), 0);
	assert_int_equal(zok_set_keepalive(client, true, 30, 5, 3), 0);
	assert_int_equal(option_of(client, IPPROTO_TCP, TCP_KEEPIDLE), 30);
	assert_int_equal(option_of(client, IPPROTO_TCP, TCP_KEEPINTVL), 5);
	assert_int_equal(option_of(client, IPPROTO_TCP, TCP_KEEPCNT), 3);
	assert_int_equal(zok_set_buffer_sizes(client, 16384, 0), 0);
	assert_int_equal(option_of(client, SOL_SOCKET, SO_SNDBUF), 2 * 16384);
	assert_int_equal(zok_set_buffer_sizes(client, -1, 0), -EINVAL);
	assert_int_equal(zok_close(server), 0);
	assert_int_equal(zok_close(client), 0);
	return 0;
}

/* ---- Unix files ---- */

RIG_CASE(the_file_comes_and_goes_with_the_door)
{
	struct zok_socket *door, *second = NULL;

	assert_int_equal(zok_listen(&door, unix_address(), NULL), 0);
	assert_true(exists());
	assert_int_equal(zok_listen(&second, unix_address(), NULL), -EADDRINUSE);
	assert_true(exists());
	assert_int_equal(zok_close(door), 0);
	assert_false(exists());
	return 0;
}

static void leave_stale_file(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	unix_address();
	memcpy(address.sun_path, path, sizeof path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	close(fd);
	assert_true(exists());
}

RIG_CASE(a_stale_file_is_replaced)
{
	struct zok_socket *door;

	leave_stale_file();
	assert_int_equal(zok_listen(&door, unix_address(), NULL), 0);
	assert_int_equal(zok_close(door), 0);
	assert_false(exists());
	return 0;
}

/* Another process stands between its bind and its listen: its file looks stale, and is not ours to replace. */
RIG_CASE(a_file_whose_owner_is_just_starting_is_not_touched)
{
	struct zok__sys_file before, after;
	struct zok_socket *door = NULL;
	int claim;

	leave_stale_file();
	claim = zok__sys_path_claim(path);
	assert_true(claim >= 0);
	assert_int_equal(zok__sys_path_claim(path), -EADDRINUSE);
	assert_int_equal(zok__sys_file_identity(path, &before), 0);
	assert_int_equal(zok_listen(&door, unix_address(), NULL), -EADDRINUSE);
	assert_null(door);
	assert_int_equal(zok__sys_file_identity(path, &after), 0);
	assert_memory_equal(&before, &after, sizeof before);
	close(claim);
	assert_int_equal(zok_listen(&door, unix_address(), NULL), 0);
	/* The claim is of the start only. */
	claim = zok__sys_path_claim(path);
	assert_true(claim >= 0);
	close(claim);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

/* However the path is spelled it is the same claim; another name in the folder, or the name in another folder, is another. */
static void the_claim_is_of_the_file_and_not_of_its_spelling(void **state)
{
	int claim = zok__sys_path_claim("/tmp/zokio-claim"), other;

	assert_true(claim >= 0);
	assert_int_equal(zok__sys_path_claim("/tmp/../tmp//zokio-claim"), -EADDRINUSE);
	other = zok__sys_path_claim("/tmp/zokio-clain");
	assert_true(other >= 0);
	close(other);
	other = zok__sys_path_claim("zokio-claim");
	assert_true(other >= 0);
	close(other);
	close(claim);
	assert_int_equal(zok__sys_path_claim("/nonexistent/zokio-claim"), -ENOENT);
}

RIG_CASE(a_file_that_is_no_socket_is_not_touched)
{
	struct zok_socket *door;
	int fd;

	unix_address();
	fd = open(path, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(zok_listen(&door, unix_address(), NULL), -EADDRINUSE);
	assert_true(exists());
	unlink(path);
	return 0;
}

RIG_CASE(a_file_that_is_anothers_by_now_stays)
{
	struct zok_socket *door;
	char aside[sizeof path + 8];

	assert_int_equal(zok_listen(&door, unix_address(), NULL), 0);
	snprintf(aside, sizeof aside, "%s.aside", path); /* ours lives on elsewhere, so the new one cannot get its inode */
	assert_int_equal(rename(path, aside), 0);
	leave_stale_file();
	assert_int_equal(zok_close(door), 0);
	assert_true(exists());
	unlink(path);
	unlink(aside);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(a_port_in_use_is_refused) RIG_ROW(doors_share_a_port_if_both_ask) RIG_ROW(bad_options_are_refused)
			RIG_ROW(accepted_sockets_inherit_the_doors_options) RIG_ROW(options_can_be_changed)
				RIG_ROW(the_file_comes_and_goes_with_the_door) RIG_ROW(a_stale_file_is_replaced)
					RIG_ROW(a_file_whose_owner_is_just_starting_is_not_touched)
						cmocka_unit_test(the_claim_is_of_the_file_and_not_of_its_spelling),
		RIG_ROW(a_file_that_is_no_socket_is_not_touched) RIG_ROW(a_file_that_is_anothers_by_now_stays)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
