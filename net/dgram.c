/* A datagram socket's life: from an address to a socket and back; the core's part. */
#include "net/dgram.h"

#include "core/log.h"
#include "zokio/task.h"

#include <errno.h>
#include <string.h>

/* ---- The core's part ---- */

void zok__dgram_init(struct zok__net *net)
{
	const struct zok_pool_options options = {.name = "datagram sockets",
						 .object_size = sizeof(struct zok_dgram_socket),
						 .alignment = ZOK_CACHE_LINE,
						 .allocator = zok__core_allocator(net->core)};

	zok_list_init(&net->dgrams_open);
	zok_list_init(&net->dgrams_starving);
	zok_pool_init(&net->dgrams, &options);
	zok__dgram_slots_init(net);
}

static void wake_nobody(struct zok_waker *waker)
{
}

/* No task is left to await anything: the engine is driven by hand until the close has been delivered. */
static void close_left_open(struct zok__net *net, struct zok_dgram_socket *socket)
{
	struct zok__engine *engine = net->core->engine;
	struct zok_dgram_close close;
	struct zok_waker nobody = {.wake = wake_nobody};

	zok_dgram_close_prepare(&close, socket);
	if (zok_future_poll(&close.op.future, &nobody))
		return;
	while (!zok_future_is_ready(&close.op.future))
		engine->ops->wait(engine, ZOK_NEVER);
}

void zok__dgram_finish(struct zok__net *net)
{
	unsigned count = 0;

	for (; !zok_list_is_empty(&net->dgrams_open); count++)
		close_left_open(net, ZOK_CONTAINER_OF(net->dgrams_open.next, struct zok_dgram_socket, open));
	if (count > 0)
		zok__log(ZOK_LOG_WARN, "core %u: %u datagram sockets were left open; closed now", net->core->options.index, count);
	zok_pool_finish(&net->dgrams);
	zok_pool_finish(&net->dgram_slots);
}

/* ---- Opening ---- */

static int create(struct zok_dgram_socket **out, int family)
{
	struct zok__net *net = zok__net();
	struct zok_dgram_socket *socket = net ? zok_pool_get(&net->dgrams) : NULL;
	int fd;

	if (!socket)
		return -ENOMEM;
	fd = zok__sys_dgram_socket(family);
	if (fd < 0) {
		zok_pool_put(&net->dgrams, socket);
		return fd;
	}
	memset(socket, 0, sizeof *socket);
	socket->fd = fd;
	socket->family = family;
	socket->net = net;
	zok_list_init(&socket->senders);
	zok_list_init(&socket->slots);
	zok_list_push_back(&net->dgrams_open, &socket->open);
	zok__count(&net->core->counters->stats.sockets_opened, 1);
	*out = socket;
	return 0;
}

static void destroy(struct zok_dgram_socket *socket)
{
	struct zok__net *net = socket->net;

	zok_list_remove(&socket->open);
	zok__count(&net->core->counters->stats.sockets_closed, 1);
	zok_pool_put(&net->dgrams, socket);
}

static void remove_file(struct zok_dgram_socket *socket)
{
	if (socket->path[0] != '\0')
		zok__sys_unlink_if_same(socket->path, &socket->file);
	socket->path[0] = '\0';
}

static bool has_multishot(const struct zok_core *core)
{
	struct zok__engine_report report;

	core->engine->ops->report(core->engine, &report);
	for (size_t i = 0; i < report.feature_count; i++)
		if (strcmp(report.features[i].name, ZOK__FEATURE_RECVMSG) == 0)
			return report.features[i].is_active;
	return false;
}

static int check_buffers(const struct zok_dgram_socket *socket, const struct zok_dgram_options *options)
{
	const struct zok__bufs *bufs = &socket->net->core->bufs;
	size_t least = socket->layout.payload_at + (options->receive_segments ? 65536 : 1);

	if (!has_multishot(socket->net->core)) {
		zok__log(ZOK_LOG_ERROR, "datagrams: the kernel has no multishot recvmsg (6.0 and later have); take the engine epoll");
		return -EOPNOTSUPP;
	}
	if (bufs->size >= least)
		return 0;
	zok__log(ZOK_LOG_ERROR,
		 "datagrams: receive buffers of %u bytes are too small for these options; receive_buffer_size takes %zu or more",
		 bufs->size, least);
	return -EINVAL;
}

static int set_up(struct zok_dgram_socket *socket, const struct zok__address *local, const struct zok__address *peer,
		  const struct zok_dgram_options *options)
{
	int rc;

	zok__dgram_size_rooms(socket, options);
	rc = check_buffers(socket, options);
	if (rc == 0)
		rc = zok__dgram_set_options(socket->fd, socket->family, options);
	if (rc == 0 && local)
		rc = zok__dgram_bind(socket, local);
	if (rc == 0 && peer)
		rc = zok__sys_dgram_connect(socket->fd, peer);
	socket->is_connected = rc == 0 && peer;
	return rc;
}

static int parse_both(const char *text, const char *peer_text, struct zok__address *local, struct zok__address *peer)
{
	int rc = 0;

	if (text || !peer_text)
		rc = zok__endpoint_parse_or_log(text, local, "datagrams");
	if (rc == 0 && peer_text)
		rc = zok__endpoint_parse_or_log(peer_text, peer, "datagrams: peer");
	if (rc == 0 && text && peer_text && local->storage.ss_family != peer->storage.ss_family) {
		zok__log(ZOK_LOG_ERROR, "datagrams: peer \"%s\" is of another kind of address than \"%s\"", peer_text, text);
		rc = -EINVAL;
	}
	return rc;
}

int zok_dgram_open(struct zok_dgram_socket **out, const char *text, const struct zok_dgram_options *options)
{
	static const struct zok_dgram_options defaults;
	struct zok__address local = {0}, peer = {0};
	struct zok_dgram_socket *socket = NULL;
	int family, rc;

	options = options ? options : &defaults;
	rc = parse_both(text, options->peer, &local, &peer);
	if (rc < 0)
		return rc;
	family = text ? local.storage.ss_family : peer.storage.ss_family;
	rc = zok__dgram_check_options(options, family);
	if (rc == 0)
		rc = create(&socket, family);
	if (rc < 0)
		return rc;
	rc = set_up(socket, text ? &local : NULL, options->peer ? &peer : NULL, options);
	if (rc < 0) {
		remove_file(socket);
		zok__sys_close(socket->fd); /* no engine knows of it yet */
		destroy(socket);
		return rc;
	}
	*out = socket;
	return 0;
}

/* ---- Closing ---- */

static struct zok_dgram_close *close_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_dgram_close, op.future);
}

static bool is_quiet(const struct zok_dgram_socket *socket)
{
	return !zok__op_is_in_flight(&socket->recv_op) && zok_list_is_empty(&socket->senders) && zok_list_is_empty(&socket->slots);
}

static void closed_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_dgram_close *close = ZOK_CONTAINER_OF(op, struct zok_dgram_close, op);

	destroy(close->socket);
	zok_future_complete(&op->future, completion->result);
}

void zok__dgram_close_continue(struct zok_dgram_socket *socket)
{
	struct zok_dgram_close *close = socket->closer;

	if (close->has_begun || !is_quiet(socket))
		return;
	close->has_begun = true;
	remove_file(socket);
	close->op.fd = socket->fd;
	close->op.deliver = closed_deliver;
	zok__op_start(&close->op);
}

static bool close_poll(struct zok_future *future)
{
	struct zok_dgram_close *close = close_of(future);
	struct zok_dgram_socket *socket = close->socket;
	struct zok_waker *waker = future->waker;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (zok__dgram_is_foreign(socket))
		return zok__end_in_poll(future, -EXDEV);
	if (socket->closer)
		return zok__end_in_poll(future, -EBADF);
	future->state = ZOK_FUTURE_PENDING;
	future->waker = NULL;
	socket->closer = close;
	close->has_begun = true; /* not while there is something left to abort */
	zok__dgram_recv_abort(socket);
	zok__dgram_send_abort(socket);
	zok__dgram_slots_abort(socket);
	close->has_begun = false;
	zok__dgram_close_continue(socket);
	if (zok_future_is_ready(future))
		return true;
	future->waker = waker;
	return false;
}

/* A close ends by itself, and soon: nothing of a socket waits for its peer any more. */
static void close_cancel(struct zok_future *future)
{
}

static const struct zok_future_ops close_ops = {.poll = close_poll, .cancel = close_cancel, .name = "a close of datagrams"};

void zok_dgram_close_prepare(struct zok_dgram_close *close, struct zok_dgram_socket *socket)
{
	zok__op_prepare(&close->op, ZOK_OP_CLOSE, socket->fd);
	close->op.future.ops = &close_ops;
	close->op.future.is_shielded = true;
	close->socket = socket;
	close->has_begun = false;
}

int zok_dgram_close(struct zok_dgram_socket *socket)
{
	struct zok_dgram_close close;

	if (!socket)
		return 0;
	zok_dgram_close_prepare(&close, socket);
	return (int)zok_await(&close.op.future);
}

/* ---- Facts ---- */

int zok_dgram_local(const struct zok_dgram_socket *socket, struct zok_endpoint *endpoint)
{
	struct zok__address address;
	int rc = zok__sys_local_address(socket->fd, &address);

	if (rc < 0)
		return rc;
	endpoint->address = address.storage;
	endpoint->len = address.len > sizeof(sa_family_t) ? address.len : 0;
	return 0;
}

int64_t zok_dgram_dropped(const struct zok_dgram_socket *socket)
{
	return zok__sys_dropped(socket->fd);
}

int zok_dgram_fd(const struct zok_dgram_socket *socket)
{
	return socket->fd;
}
