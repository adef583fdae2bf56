/* Doors: who may listen where, what accepted sockets inherit, and what becomes of a Unix socket's file. */
#include "net/sys.h"
#include "tests/unit/net/rig.h"

#include "zokio/log.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

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

static bool has_lock_file(void)
{
	char lock[ZOK__SYS_CLAIM_SIZE];
	struct stat status;

	snprintf(lock, sizeof lock, "/tmp/.%s.zokio", path + sizeof "/tmp/" - 1);
	return lstat(lock, &status) == 0;
}

/* Another process stands between its bind and its listen: its file looks stale, and is not ours to replace. */
RIG_CASE(a_file_whose_owner_is_just_starting_is_not_touched)
{
	struct zok__sys_file before, after;
	struct zok__sys_claim claim, second;
	struct zok_socket *door = NULL;

	leave_stale_file();
	assert_int_equal(zok__sys_path_claim(path, &claim), 0);
	assert_true(has_lock_file());
	assert_int_equal(zok__sys_path_claim(path, &second), -EADDRINUSE);
	assert_int_equal(second.fd, -1);
	assert_int_equal(zok__sys_file_identity(path, &before), 0);
	assert_int_equal(zok_listen(&door, unix_address(), NULL), -EADDRINUSE);
	assert_null(door);
	assert_int_equal(zok__sys_file_identity(path, &after), 0);
	assert_memory_equal(&before, &after, sizeof before);
	zok__sys_path_unclaim(&claim);
	assert_false(has_lock_file());
	assert_int_equal(zok_listen(&door, unix_address(), NULL), 0);
	/* The claim is of the start only, and leaves nothing. */
	assert_false(has_lock_file());
	assert_int_equal(zok__sys_path_claim(path, &claim), 0);
	zok__sys_path_unclaim(&claim);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

/* However the path is spelled it is the same claim; another name in the folder, or the name in another folder, is another. */
static void the_claim_is_of_the_file_and_not_of_its_spelling(void **state)
{
	struct zok__sys_claim claim, other;
	char too_long[200];

	assert_int_equal(zok__sys_path_claim("/tmp/zokio-claim", &claim), 0);
	assert_string_equal(claim.path, "/tmp/.zokio-claim.zokio");
	assert_int_equal(zok__sys_path_claim("/tmp/../tmp//zokio-claim", &other), -EADDRINUSE);
	assert_int_equal(zok__sys_path_claim("/tmp/zokio-clain", &other), 0);
	zok__sys_path_unclaim(&other);
	assert_int_equal(zok__sys_path_claim("zokio-claim", &other), 0);
	assert_string_equal(other.path, ".zokio-claim.zokio");
	zok__sys_path_unclaim(&other);
	zok__sys_path_unclaim(&claim);
	zok__sys_path_unclaim(&claim); /* once more is nothing */
	assert_int_equal(zok__sys_path_claim("/nonexistent/zokio-claim", &claim), -ENOENT);
	memset(too_long, 'x', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	assert_int_equal(zok__sys_path_claim(too_long, &claim), -ENAMETOOLONG);
}

/* A start that was killed: its lock went with it, its empty file is taken over. */
RIG_CASE(a_lock_file_that_was_left_is_no_hindrance)
{
	struct zok_socket *door;
	struct zok__sys_claim claim;

	leave_stale_file();
	assert_int_equal(zok__sys_path_claim(path, &claim), 0);
	close(claim.fd);
	assert_true(has_lock_file());
	assert_int_equal(zok_listen(&door, unix_address(), NULL), 0);
	assert_false(has_lock_file());
	assert_int_equal(zok_close(door), 0);
	return 0;
}

static char told[ZOK_LOG_LINE_SIZE];

static void hear(void *arg, enum zok_log_level level, const char *text)
{
	snprintf(told, sizeof told, "%s", text);
}

/* A link that leads nowhere stands for whatever does not let us have a lock: the door opens, and what that means is said. */
RIG_CASE(without_a_lock_the_door_opens_and_says_so)
{
	struct zok_socket *door;
	char lock[ZOK__SYS_CLAIM_SIZE], expected[ZOK_LOG_LINE_SIZE];
	const char *address = unix_address();
	int rc;

	snprintf(lock, sizeof lock, "/tmp/.%s.zokio", path + sizeof "/tmp/" - 1);
	assert_int_equal(symlink("/nonexistent", lock), 0);
	zok_log_set(hear, NULL);
	rc = zok_listen(&door, address, NULL);
	zok_log_set(NULL, NULL);
	assert_int_equal(unlink(lock), 0); /* not followed, and not removed */
	assert_int_equal(rc, 0);
	snprintf(expected, sizeof expected, "listen: %s: no lock on %s: ", path, lock);
	assert_memory_equal(told, expected, strlen(expected));
	assert_int_equal(zok_close(door), 0);
	return 0;
}

/* ---- Many at once ---- */

enum { STARTERS = 4, TURNS = 500 };

/* Whoever has the claim makes a file that nobody else may have made. Returns what a process is to end with. */
static int claim_often(const char *name, const char *inside)
{
	struct zok__sys_claim claim;
	int got = 0;

	while (got < TURNS) {
		int fd, rc = zok__sys_path_claim(name, &claim);

		if (rc == -EADDRINUSE)
			continue;
		if (rc < 0)
			return 2;
		fd = open(inside, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return 1;
		close(fd);
		unlink(inside);
		zok__sys_path_unclaim(&claim);
		got++;
	}
	return 0;
}

static void one_at_a_time_has_it_although_each_removes_the_lock_file(void **state)
{
	char name[64], inside[64];
	pid_t pids[STARTERS];
	int status;

	snprintf(name, sizeof name, "/tmp/zokio-claims-%d", (int)getpid());
	snprintf(inside, sizeof inside, "/tmp/zokio-inside-%d", (int)getpid());
	for (int i = 0; i < STARTERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(claim_often(name, inside));
	}
	for (int i = 0; i < STARTERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
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
		cmocka_unit_test(one_at_a_time_has_it_although_each_removes_the_lock_file),
		RIG_ROW(a_lock_file_that_was_left_is_no_hindrance) RIG_ROW(without_a_lock_the_door_opens_and_says_so)
			RIG_ROW(a_file_that_is_no_socket_is_not_touched) RIG_ROW(a_file_that_is_anothers_by_now_stays)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
