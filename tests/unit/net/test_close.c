/* Close: whoever waits is told, nothing is in flight when it returns, and nothing is left open by a program that forgets. */
#include "tests/unit/net/rig.h"

#include "zokio/log.h"

#include <sys/stat.h>

struct waiter {
	struct zok_socket *socket;
	ssize_t result;
	uint8_t *bytes;
	size_t len;
};

static int wait_in_read(void *arg)
{
	struct waiter *waiter = arg;
	char byte;

	waiter->result = zok_read(waiter->socket, &byte, 1);
	return 0;
}

static int wait_in_write(void *arg)
{
	struct waiter *waiter = arg;

	waiter->result = zok_write_all(waiter->socket, waiter->bytes, waiter->len);
	return 0;
}

RIG_CASE(read_and_write_under_way_are_told)
{
	enum { LEN = 4 << 20 };
	struct pair pair = rig_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	struct waiter reader = {.socket = pair.socket}, writer = {.socket = pair.socket, .bytes = calloc(1, LEN), .len = LEN};

	assert_int_equal(zok_spawn(scope, wait_in_read, &reader, NULL), 0);
	assert_int_equal(zok_spawn(scope, wait_in_write, &writer, NULL), 0);
	rig_settle();
	assert_int_equal(zok_close(pair.socket), 0);
	free(writer.bytes); /* the kernel has done with it */
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(reader.result, -EBADF);
	assert_int_equal(writer.result, -EBADF);
	close(pair.raw);
	return 0;
}

/* With the pool empty a read is done by an op of its own into the reader's memory. */
static int direct_body(void *arg)
{
	struct pair pair = rig_pair(), holder = rig_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	struct waiter reader = {.socket = pair.socket};
	struct zok_buf *buf;

	assert_int_equal(send(holder.raw, "x", 1, 0), 1);
	assert_int_equal(zok_recv_buf(holder.socket, &buf), 1);
	assert_int_equal(zok_spawn(scope, wait_in_read, &reader, NULL), 0);
	rig_settle();
	assert_int_equal(pair.socket->recv_state, ZOK__RECV_DIRECT);
	assert_int_equal(zok_close(pair.socket), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(reader.result, -EBADF);
	zok_buf_release(buf);
	rig_pair_close(&holder);
	close(pair.raw);
	return 0;
}

static void a_read_into_the_callers_memory_is_told(void **state)
{
	rig_run_with(*state, 1, direct_body, NULL);
}

RIG_CASE(unread_bytes_are_dropped_with_the_socket)
{
	struct pair pair = rig_pair();
	char byte;

	assert_int_equal(send(pair.raw, "abc", 3, 0), 3);
	assert_int_equal(zok_read(pair.socket, &byte, 1), 1);
	assert_int_equal(send(pair.raw, "def", 3, 0), 3);
	rig_pair_close(&pair);
	return 0;
}

RIG_CASE(a_cancelled_scope_closes_all_the_same)
{
	struct pair pair = rig_pair();
	struct zok_scope *scope = zok_scope_open(NULL);
	char byte;

	zok_scope_cancel(scope);
	assert_int_equal(zok_close(pair.socket), 0);
	assert_int_equal(recv(pair.raw, &byte, 1, 0), 0);
	zok_scope_close(scope, 0);
	close(pair.raw);
	assert_int_equal(zok_close(NULL), 0);
	return 0;
}

RIG_CASE(a_half_close_lets_the_other_half_go_on)
{
	struct zok_socket *client, *server;
	char byte;

	rig_tcp(&client, &server);
	assert_int_equal(zok_shutdown(client, ZOK_SHUTDOWN_WRITE), 0);
	assert_int_equal(zok_read(server, &byte, 1), 0);
	assert_int_equal(zok_write_all(server, "x", 1), 1);
	assert_int_equal(zok_read(client, &byte, 1), 1);
	assert_int_equal(zok_shutdown(client, (enum zok_shutdown_side)7), -EINVAL);
	assert_int_equal(zok_close(client), 0);
	assert_int_equal(zok_close(server), 0);
	return 0;
}

RIG_CASE(what_is_no_socket_is_not_adopted)
{
	struct zok_socket *socket = NULL;

	assert_int_equal(zok_socket_adopt(&socket, -1), -EBADF);
	assert_null(socket);
	return 0;
}

static int forgetful_body(void *arg)
{
	static struct pair pair; /* what is forgotten must not look like a leak of the test's */
	char address[64], byte;
	struct zok_socket *door;

	snprintf(address, sizeof address, "unix:%s", (const char *)arg);
	assert_int_equal(zok_listen(&door, address, NULL), 0);
	pair = rig_pair();
	assert_int_equal(send(pair.raw, "abc", 3, 0), 3);
	assert_int_equal(zok_read(pair.socket, &byte, 1), 1);
	close(pair.raw);
	return 0;
}

static void what_a_program_forgets_is_closed_at_its_end(void **state)
{
	struct stat status;
	char path[48];

	snprintf(path, sizeof path, "/tmp/zokio-test-%d.sock", (int)getpid());
	zok_log_level_set(ZOK_LOG_OFF);
	rig_run_with(*state, RIG_BUFFERS, forgetful_body, path);
	zok_log_level_set(ZOK_LOG_WARN);
	assert_int_not_equal(lstat(path, &status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ROW(read_and_write_under_way_are_told) RIG_ROW(a_read_into_the_callers_memory_is_told)
			RIG_ROW(unread_bytes_are_dropped_with_the_socket) RIG_ROW(a_cancelled_scope_closes_all_the_same)
				RIG_ROW(a_half_close_lets_the_other_half_go_on) RIG_ROW(what_is_no_socket_is_not_adopted)
					RIG_ROW(what_a_program_forgets_is_closed_at_its_end)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
