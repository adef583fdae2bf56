/* A socket's life, its options and addresses; the core's part of net. */
#include "net/socket.h"

#include "core/alloc.h"
#include "core/log.h"
#include "net/dgram.h"
#include "net/shortage.h"
#include "net/sys.h"
#include "zokio/task.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* ---- The core's part ---- */

static void wake_nobody(struct zok_waker *waker)
{
}

/* No task is left to await anything: the engine is driven by hand until the close has been delivered. */
static void close_left_open(struct zok__net *net, struct zok_socket *socket)
{
	struct zok__engine *engine = net->core->engine;
	struct zok_close close;
	struct zok_waker nobody = {.wake = wake_nobody};

	zok_close_prepare(&close, socket);
	if (zok_future_poll(&close.op.future, &nobody))
		return;
	while (!zok_future_is_ready(&close.op.future))
		engine->ops->wait(engine, ZOK_NEVER);
}

static void finish(struct zok__core_part *part)
{
	struct zok__net *net = (struct zok__net *)(void *)part;
	struct zok_core *core = net->core;
	unsigned count = 0;

	for (; !zok_list_is_empty(&net->open); count++)
		close_left_open(net, ZOK_CONTAINER_OF(net->open.next, struct zok_socket, open));
	if (count > 0)
		zok__log(ZOK_LOG_WARN, "core %u: %u sockets were left open; closed now", net->core->options.index, count);
	zok__dgram_finish(net);
	core->net = NULL;
	zok_pool_finish(&net->sockets);
	zok_pool_finish(&net->behinds);
	zok__release(zok__core_allocator(core), net, sizeof *net);
}

static void drain(struct zok__core_part *part)
{
	struct zok__net *net = (struct zok__net *)(void *)part;

	zok_list_for_each(link, &net->open)
		zok__accept_drain(ZOK_CONTAINER_OF(link, struct zok_socket, open));
}

static struct zok__net *create(struct zok_core *core)
{
	const struct zok_allocator *allocator = zok__core_allocator(core);
	struct zok__net *net = zok__allocate(allocator, sizeof *net, _Alignof(struct zok__net));
	const struct zok_pool_options options = {
		.name = "sockets", .object_size = sizeof(struct zok_socket), .alignment = ZOK_CACHE_LINE, .allocator = allocator};

	if (!net)
		return NULL;
	*net = (struct zok__net){.part = {.finish = finish, .drain = drain}, .core = core};
	zok_list_init(&net->open);
	zok_list_init(&net->starving);
	zok__shortage_init(net);
	zok_pool_init(&net->sockets, &options);
	zok__behind_init(net);
	zok__dgram_init(net);
	core->net = &net->part;
	return net;
}

struct zok__net *zok__net(void)
{
	struct zok_core *core = zok__core();

	return core->net ? (struct zok__net *)(void *)core->net : create(core);
}

/* ---- Life ---- */

void zok__socket_init(struct zok_socket *socket, struct zok__net *net, int fd)
{
	memset(socket, 0, sizeof *socket);
	socket->fd = fd;
	socket->net = net;
	zok_list_push_back(&net->open, &socket->open);
	zok__set(&net->core->counters->stats.connections_open, net->sockets.used_count);
}

int zok__socket_create(struct zok_socket **out, int fd)
{
	struct zok__net *net = zok__net();
	struct zok_socket *socket = net ? zok_pool_get(&net->sockets) : NULL;

	if (!socket)
		return -ENOMEM;
	zok__socket_init(socket, net, fd);
	zok__count(&net->core->counters->stats.sockets_opened, 1);
	*out = socket;
	return 0;
}

void zok__socket_free(struct zok_socket *socket)
{
	struct zok__net *net = socket->net;

	zok_list_remove(&socket->open);
	zok_pool_put(&net->sockets, socket);
	zok__set(&net->core->counters->stats.connections_open, net->sockets.used_count);
}

void zok__socket_destroy(struct zok_socket *socket)
{
	struct zok__net *net = socket->net;

	zok__count(&net->core->counters->stats.sockets_closed, 1);
	if (socket->is_door) {
		zok_list_remove(&socket->open);
		zok__listen_release(socket);
	} else {
		zok__socket_free(socket);
	}
	zok__shortage_feed(net);
}

int zok_socket_adopt(struct zok_socket **socket, int fd)
{
	int rc = zok__sys_adopt(fd);

	return rc < 0 ? rc : zok__socket_create(socket, fd);
}

int zok_socket_fd(const struct zok_socket *socket)
{
	return socket->fd;
}

int zok_shutdown(struct zok_socket *socket, enum zok_shutdown_side side)
{
	static const int how[] = {
		[ZOK_SHUTDOWN_READ] = SHUT_RD,
		[ZOK_SHUTDOWN_WRITE] = SHUT_WR,
		[ZOK_SHUTDOWN_BOTH] = SHUT_RDWR,
	};
	struct zok_op op;
	int rc;

	if (zok__socket_is_foreign(socket))
		return -EXDEV;
	if (socket->closer || socket->mover)
		return socket->closer ? -EBADF : -EBUSY;
	if ((unsigned)side >= sizeof how / sizeof *how)
		return -EINVAL;
	rc = side == ZOK_SHUTDOWN_READ ? 0 : zok__behind_flush(socket);
	if (rc < 0)
		return rc;
	if (socket->closer)
		return -EBADF;
	zok__op_prepare(&op, ZOK_OP_SHUTDOWN, socket->fd);
	op.arg.shutdown_how = how[side];
	return (int)zok_await(&op.future);
}

/* ---- Addresses and options ---- */

int zok_local_address(const struct zok_socket *socket, char *text, size_t size)
{
	struct zok__address address;
	int rc = zok__sys_local_address(socket->fd, &address);

	return rc < 0 ? rc : zok__address_format(&address, text, size);
}

int zok_peer_address(const struct zok_socket *socket, char *text, size_t size)
{
	struct zok__address address;
	int rc = zok__sys_peer_address(socket->fd, &address);

	return rc < 0 ? rc : zok__address_format(&address, text, size);
}

int zok_set_nodelay(struct zok_socket *socket, bool on)
{
	return zok__sys_option_set(socket->fd, IPPROTO_TCP, TCP_NODELAY, on);
}

/* 0 leaves the kernel's own figure. */
static int set_probe(int rc, int fd, int name, unsigned value)
{
	if (rc < 0 || value == 0)
		return rc;
	return value > INT32_MAX ? -EINVAL : zok__sys_option_set(fd, IPPROTO_TCP, name, (int)value);
}

int zok_set_keepalive(struct zok_socket *socket, bool on, unsigned idle_s, unsigned interval_s, unsigned probes)
{
	int rc = zok__sys_option_set(socket->fd, SOL_SOCKET, SO_KEEPALIVE, on);

	rc = set_probe(rc, socket->fd, TCP_KEEPIDLE, idle_s);
	rc = set_probe(rc, socket->fd, TCP_KEEPINTVL, interval_s);
	return set_probe(rc, socket->fd, TCP_KEEPCNT, probes);
}

int zok_set_buffer_sizes(struct zok_socket *socket, int send, int receive)
{
	int rc = 0;

	if (send < 0 || receive < 0)
		return -EINVAL;
	if (send > 0)
		rc = zok__sys_option_set(socket->fd, SOL_SOCKET, SO_SNDBUF, send);
	if (rc == 0 && receive > 0)
		rc = zok__sys_option_set(socket->fd, SOL_SOCKET, SO_RCVBUF, receive);
	return rc;
}
