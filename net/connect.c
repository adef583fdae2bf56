/* Connections made: the socket, its options, the connect op; and the descriptor's close through the engine where that failed. */
#include "net/shortage.h"
#include "net/socket.h"

#include "core/log.h"
#include "net/sys.h"
#include "zokio/task.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

static struct zok_connect *connect_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_connect, op.future);
}

static int set_if(int rc, bool is_wanted, int fd, int level, int name, int value)
{
	return rc < 0 || !is_wanted ? rc : zok__sys_option_set(fd, level, name, value);
}

static int set_options(int fd, int family, const struct zok_connect_options *options)
{
	int rc = set_if(0, family != AF_UNIX && !options->without_nodelay, fd, IPPROTO_TCP, TCP_NODELAY, 1);

	rc = set_if(rc, family != AF_UNIX && options->keepalive, fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	rc = set_if(rc, options->send_buffer_size > 0, fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_size);
	return set_if(rc, options->receive_buffer_size > 0, fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_size);
}

static int check_options(const struct zok_connect_options *options)
{
	if (options->send_buffer_size >= 0 && options->receive_buffer_size >= 0)
		return 0;
	zok__log(ZOK_LOG_ERROR, "connect: buffer sizes: they take 0 (the kernel's) or more");
	return -EINVAL;
}

static int bind_local(int fd, const struct zok_connect_options *options, int family)
{
	struct zok__address local;
	int rc;

	if (!options->local_address)
		return 0;
	rc = zok__address_parse_or_log(options->local_address, &local, "connect: local");
	if (rc < 0)
		return rc;
	if (local.storage.ss_family == family)
		return zok__sys_bind(fd, &local);
	zok__log(ZOK_LOG_ERROR, "connect: local address \"%s\" is of another kind than the peer's", options->local_address);
	return -EINVAL;
}

/* ---- The end: the socket, or the descriptor closed ---- */

static void closed_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_connect *connect = ZOK_CONTAINER_OF(op, struct zok_connect, op);

	zok_future_complete(&op->future, connect->error);
	zok__shortage_feed(zok__net());
}

static void give_up(struct zok_connect *connect, int error)
{
	connect->error = error;
	connect->op.kind = ZOK_OP_CLOSE;
	connect->op.deliver = closed_deliver;
	zok__op_start(&connect->op);
}

static void connected_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_connect *connect = ZOK_CONTAINER_OF(op, struct zok_connect, op);
	int rc = completion->result;

	if (rc == 0)
		rc = zok__socket_create(&connect->peer, connect->fd);
	if (rc < 0)
		give_up(connect, rc);
	else
		zok_future_complete(&op->future, 0);
}

/* ---- The future ---- */

static void submit(struct zok_connect *connect)
{
	connect->op.fd = connect->fd;
	connect->op.kind = ZOK_OP_CONNECT;
	connect->op.deliver = connected_deliver;
	connect->op.arg.address.addr = (const struct sockaddr *)(const void *)&connect->address;
	connect->op.arg.address.len = connect->address_len;
	zok__op_start(&connect->op);
}

static const struct zok_connect_options *options_of(const struct zok_connect *connect)
{
	static const struct zok_connect_options defaults;

	return connect->options ? connect->options : &defaults;
}

void zok__connect_go_on(struct zok_connect *connect, int fd)
{
	int family = connect->address.ss_family, rc;

	if (fd < 0) {
		zok_future_complete(&connect->op.future, fd);
		return;
	}
	connect->fd = fd;
	rc = set_options(fd, family, options_of(connect));
	if (rc == 0)
		rc = bind_local(fd, options_of(connect), family);
	if (rc == 0) {
		submit(connect);
	} else {
		zok__sys_close(fd); /* no engine knows of it yet */
		zok_future_complete(&connect->op.future, rc);
	}
}

/* Who is ready to wait does not overtake those who wait already. */
static int open_socket(const struct zok_connect *connect, const struct zok__net *net)
{
	if (net && zok__shortage_is_on(net) && options_of(connect)->waits_for_descriptor)
		return -EMFILE;
	return zok__sys_socket(connect->address.ss_family);
}

static void begin(struct zok_connect *connect)
{
	struct zok__net *net = zok__net();
	int rc = connect->error;

	if (rc == 0)
		rc = check_options(options_of(connect));
	if (rc == 0)
		rc = open_socket(connect, net);
	if (zok__shortage_is(rc))
		zok__count(&zok__core()->counters->stats.fd_shortages, 1);
	if (zok__shortage_is(rc) && net && options_of(connect)->waits_for_descriptor)
		zok__shortage_wait(net, connect);
	else
		zok__connect_go_on(connect, rc);
}

static bool connect_poll(struct zok_future *future)
{
	struct zok_waker *waker = future->waker;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	future->waker = NULL;
	begin(connect_of(future));
	if (zok_future_is_ready(future))
		return true;
	future->waker = waker;
	return false;
}

static void connect_cancel(struct zok_future *future)
{
	struct zok_connect *connect = connect_of(future);

	if (connect->is_waiting) {
		zok__shortage_leave(zok__net(), connect);
		zok_future_complete(future, -ECANCELED);
	} else if (connect->op.kind == ZOK_OP_CONNECT) {
		zok__op_cancel(&connect->op);
	}
}

static const struct zok_future_ops connect_ops = {.poll = connect_poll, .cancel = connect_cancel, .name = "a connect"};

void zok_connect_prepare(struct zok_connect *connect, const char *text, const struct zok_connect_options *options)
{
	struct zok__address address;

	zok__op_prepare(&connect->op, ZOK_OP_CONNECT, -1);
	connect->op.future.ops = &connect_ops;
	connect->peer = NULL;
	connect->fd = -1;
	connect->is_waiting = false;
	connect->options = options;
	connect->error = zok__address_parse_or_log(text, &address, "connect");
	if (connect->error == 0) {
		connect->address = address.storage;
		connect->address_len = address.len;
	}
}

int zok_connect(struct zok_socket **peer, const char *address, const struct zok_connect_options *options)
{
	struct zok_connect connect;
	int rc;

	zok_connect_prepare(&connect, address, options);
	rc = (int)zok_await(&connect.op.future);
	if (rc == 0)
		*peer = connect.peer;
	return rc;
}
