/* Connections are made, refused, given up and accepted; running out of descriptors is a result that passes. */
#include "tests/contract/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTED_MAX = 512 };

struct accepted {
	int fds[ACCEPTED_MAX];
	unsigned count;
};

static void keep(struct call *call, const struct zok_completion *completion)
{
	struct accepted *accepted = call->arg;

	if (completion->result < 0)
		return;
	assert_true(completion->has_more);
	assert_true(accepted->count < ACCEPTED_MAX);
	accepted->fds[accepted->count++] = completion->result;
}

static void prepare_accept(struct call *call, struct rig *rig, int listener, struct accepted *accepted)
{
	call_prepare(call, rig, ZOK_OP_ACCEPT, listener);
	call->each = keep;
	call->arg = accepted;
}

static void close_all(struct rig *rig, struct accepted *accepted)
{
	for (unsigned i = 0; i < accepted->count; i++)
		assert_int_equal(run_close(rig, accepted->fds[i]), 0);
	accepted->count = 0;
}

static void cancel_and_await(struct call *call)
{
	call_cancel(call);
	assert_int_equal(call_await(call), -ECANCELED);
}

static void prepare_connect(struct call *call, struct rig *rig, int fd, const void *address, socklen_t len)
{
	call_prepare(call, rig, ZOK_OP_CONNECT, fd);
	call->op.arg.address.addr = address;
	call->op.arg.address.len = len;
}

static void connect_then_talk(void **state)
{
	struct rig *rig = rig_of(state);
	struct sockaddr_in address;
	struct accepted accepted = {0};
	struct call accept, connect, send, recv;
	int listener = tcp_listen(&address), fd = tcp_socket();
	char buf[8];

	prepare_accept(&accept, rig, listener, &accepted);
	call_submit(&accept);
	rig_turn(rig, 0);
	prepare_connect(&connect, rig, fd, &address, sizeof address);
	assert_int_equal(call_run(&connect), 0);
	call_await_count(&accept, 1);
	assert_true(fcntl(accepted.fds[0], F_GETFD) & FD_CLOEXEC);
	prepare_recv(&recv, rig, accepted.fds[0], buf, sizeof buf);
	call_submit(&recv);
	prepare_send(&send, rig, fd, "ping", 4);
	assert_int_equal(call_run(&send), 4);
	assert_int_equal(call_await(&recv), 4);
	cancel_and_await(&accept);
	close_all(rig, &accepted);
	run_close(rig, fd);
	run_close(rig, listener);
}

static void connect_to_a_unix_socket(void **state)
{
	struct rig *rig = rig_of(state);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct accepted accepted = {0};
	struct call accept, connect;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len;

	snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "zokio-contract-%d", (int)getpid());
	len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(address.sun_path + 1));
	prepare_connect(&connect, rig, fd, &address, len);
	assert_int_equal(call_run(&connect), -ECONNREFUSED);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 4), 0);
	prepare_accept(&accept, rig, listener, &accepted);
	call_submit(&accept);
	assert_int_equal(call_run(&connect), 0);
	call_await_count(&accept, 1);
	cancel_and_await(&accept);
	close_all(rig, &accepted);
	run_close(rig, fd);
	run_close(rig, listener);
}

static void connect_refused(void **state)
{
	struct rig *rig = rig_of(state);
	struct sockaddr_in address;
	struct call connect;
	int fd = tcp_socket(), listener = tcp_listen(&address);

	close(listener);
	prepare_connect(&connect, rig, fd, &address, sizeof address);
	assert_int_equal(call_run(&connect), -ECONNREFUSED);
	run_close(rig, fd);
}

/* A listener whose queue is full answers no more: connects to it stay in flight. */
static void connect_given_up(void **state)
{
	struct rig *rig = rig_of(state);
	struct sockaddr_in address;
	struct call calls[8];
	int listener = tcp_listen(&address), fds[8];

	assert_int_equal(listen(listener, 0), 0);
	for (int i = 0; i < 8; i++) {
		fds[i] = tcp_socket();
		prepare_connect(&calls[i], rig, fds[i], &address, sizeof address);
		call_submit(&calls[i]);
	}
	for (int i = 0; i < 4; i++)
		rig_turn(rig, 10 * ZOK_MS);
	assert_false(calls[7].is_done);
	for (int i = 0; i < 8; i++)
		call_cancel(&calls[i]);
	for (int i = 0; i < 8; i++) {
		call_await(&calls[i]);
		assert_true(calls[i].result == 0 || calls[i].result == -ECANCELED);
		run_close(rig, fds[i]);
	}
	assert_int_equal(calls[7].result, -ECANCELED);
	run_close(rig, listener);
}

static void one_accept_takes_all(void **state)
{
	struct rig *rig = rig_of(state);
	struct sockaddr_in address;
	struct accepted accepted = {0};
	struct call accept;
	int listener = tcp_listen(&address), clients[300];

	prepare_accept(&accept, rig, listener, &accepted);
	call_submit(&accept);
	for (int i = 0; i < 300; i++) {
		clients[i] = tcp_socket();
		assert_int_equal(connect(clients[i], (struct sockaddr *)&address, sizeof address), 0);
		if (i % 100 == 50)
			call_await_count(&accept, 10);
	}
	call_await_count(&accept, 300);
	cancel_and_await(&accept);
	assert_int_equal(accepted.count, 300);
	close_all(rig, &accepted);
	for (int i = 0; i < 300; i++)
		close(clients[i]);
	run_close(rig, listener);
}

/* No number is left for what is accepted: the accept ends, and once there is one, the connection is still there. */
static void out_of_descriptors(void **state)
{
	struct rig *rig = rig_of(state);
	struct sockaddr_in address;
	struct accepted accepted = {0};
	struct rlimit limit, low;
	struct call accept;
	int listener = tcp_listen(&address), client = tcp_socket(), next;

	assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
	next = dup(client);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	prepare_accept(&accept, rig, listener, &accepted);
	call_submit(&accept);
	call_await(&accept);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(accept.result, -EMFILE);
	assert_int_equal(rig->counters.stats.fd_shortages, 1);
	call_submit(&accept);
	call_await_count(&accept, 1);
	cancel_and_await(&accept);
	close_all(rig, &accepted);
	close(client);
	run_close(rig, listener);
}

static void accept_on_what_does_not_listen(void **state)
{
	struct rig *rig = rig_of(state);
	struct accepted accepted = {0};
	struct call accept;
	int fd = tcp_socket();

	prepare_accept(&accept, rig, fd, &accepted);
	assert_int_equal(call_run(&accept), -EINVAL);
	run_close(rig, fd);
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(connect_then_talk),
	CONTRACT_TEST(connect_to_a_unix_socket),
	CONTRACT_TEST(connect_refused),
	CONTRACT_TEST(connect_given_up),
	CONTRACT_TEST(one_accept_takes_all),
	CONTRACT_TEST(out_of_descriptors),
	CONTRACT_TEST(accept_on_what_does_not_listen),
};

CONTRACT_MAIN(tests)
