/* Doors: making a socket listen, and what becomes of a Unix socket's file. */
#include "net/shortage.h"

#include "core/alloc.h"
#include "core/log.h"
#include "zokio/drain.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

enum { BATCH_DEFAULT = 64, BATCH_MAX = 65536 };

/* ---- Options ---- */

static int check_options(const struct zok_listen_options *options)
{
	const char *wrong = NULL;

	if (options->backlog < 0)
		wrong = "backlog: it takes 0 (the kernel's maximum) or more";
	else if (options->send_buffer_size < 0 || options->receive_buffer_size < 0)
		wrong = "buffer sizes: they take 0 (the kernel's) or more";
	else if (options->accept_batch_max > BATCH_MAX)
		wrong = "accept_batch_max: it takes 0 (64) to 65536";
	if (!wrong)
		return 0;
	zok__log(ZOK_LOG_ERROR, "listen: %s", wrong);
	return -EINVAL;
}

static int set_if(int rc, bool is_wanted, int fd, int level, int name, int value)
{
	return rc < 0 || !is_wanted ? rc : zok__sys_option_set(fd, level, name, value);
}

/* Linux hands all of these down from the listener to what it accepts, so no connection costs a system call for them. */
static int set_options(int fd, int family, const struct zok_listen_options *options)
{
	bool is_tcp = family != AF_UNIX;
	int rc = 0;

	rc = set_if(rc, is_tcp, fd, SOL_SOCKET, SO_REUSEADDR, 1);
	rc = set_if(rc, is_tcp && options->reuse_port, fd, SOL_SOCKET, SO_REUSEPORT, 1);
	rc = set_if(rc, is_tcp && !options->without_nodelay, fd, IPPROTO_TCP, TCP_NODELAY, 1);
	rc = set_if(rc, is_tcp && options->keepalive, fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	rc = set_if(rc, options->send_buffer_size > 0, fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_size);
	return set_if(rc, options->receive_buffer_size > 0, fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_size);
}

/* ---- Unix files ---- */

/* A file that nobody listens on was left by a process that was killed. Under the claim: nobody else is between its bind and its listen. */
static int remove_stale(const struct zok__address *address)
{
	const char *path = zok__address_path(address);
	struct zok__sys_file file;
	int rc = zok__sys_file_identity(path, &file);

	if (rc < 0)
		return rc == -EEXIST ? -EADDRINUSE : rc; /* not a socket: never ours to remove */
	if (zok__sys_probe(address) != -ECONNREFUSED)
		return -EADDRINUSE;
	zok__sys_unlink_if_same(path, &file);
	return 0;
}

static int bind_to(int fd, const struct zok__address *address)
{
	int rc = zok__sys_bind(fd, address);

	if (rc != -EADDRINUSE || !zok__address_path(address))
		return rc;
	rc = remove_stale(address);
	return rc < 0 ? rc : zok__sys_bind(fd, address);
}

static int note_file(struct zok__door *door, const struct zok__address *address)
{
	const char *path = zok__address_path(address);

	if (!path)
		return 0;
	memcpy(door->path, path, strlen(path) + 1);
	return zok__sys_file_identity(path, &door->file);
}

void zok__listen_remove_file(struct zok_socket *socket)
{
	struct zok__door *door = zok__door_of(socket);

	if (!socket->is_door || door->path[0] == '\0')
		return;
	zok__sys_unlink_if_same(door->path, &door->file);
	door->path[0] = '\0';
}

/* ---- Listening ---- */

static int bind_and_listen(struct zok__door *door, const struct zok__address *address, int backlog)
{
	int fd = door->socket.fd, rc = bind_to(fd, address);

	if (rc == 0)
		rc = note_file(door, address);
	if (rc == 0)
		rc = zok__shortage_take_spare(door);
	if (rc == 0)
		rc = zok__sys_listen(fd, backlog);
	return rc;
}

/*
 * Who has bound a file and does not listen yet looks like one that was killed, so processes that start at once take turns, and one gets it. Where
 * there can be no lock (a profile that allows the socket only, a file system without) the door opens all the same.
 */
static int listen_on_file(struct zok__door *door, const struct zok__address *address, int backlog)
{
	const char *path = zok__address_path(address);
	struct zok__sys_claim claim;
	int claimed = zok__sys_path_claim(path, &claim), rc;

	if (zok__sys_claim_is_fatal(claimed))
		return claimed;
	rc = bind_and_listen(door, address, backlog);
	if (rc == 0 && claimed < 0)
		zok__log(ZOK_LOG_WARN, "listen: %s: no lock on %s: %s: others that start on that path at once could remove its file", path,
			 claim.path, strerror(-claimed));
	zok__sys_path_unclaim(&claim);
	return rc;
}

static int open_door(struct zok__door *door, const struct zok__address *address, const struct zok_listen_options *options)
{
	int rc = set_options(door->socket.fd, address->storage.ss_family, options);
	int backlog = options->backlog ? options->backlog : SOMAXCONN;

	if (rc < 0)
		return rc;
	return zok__address_path(address) ? listen_on_file(door, address, backlog) : bind_and_listen(door, address, backlog);
}

static int allocate(struct zok__door **out, const struct zok_listen_options *options)
{
	struct zok__door *door = zok__allocate(zok_allocator(), sizeof *door, _Alignof(struct zok__door));
	int rc;

	if (!door)
		return -ENOMEM;
	memset(door, 0, sizeof *door);
	door->spare = -1;
	rc = zok__accept_init(door, options->accept_batch_max ? options->accept_batch_max : BATCH_DEFAULT);
	if (rc < 0)
		zok__release(zok_allocator(), door, sizeof *door);
	else
		*out = door;
	return rc;
}

static void release(struct zok__door *door)
{
	zok__shortage_drop_spare(door);
	zok__accept_finish(door);
	zok__release(zok_allocator(), door, sizeof *door);
}

static int create(struct zok__door **out, const struct zok__address *address, const struct zok_listen_options *options)
{
	struct zok__net *net = zok__net();
	struct zok__door *door = NULL;
	int fd, rc = net ? allocate(&door, options) : -ENOMEM;

	if (rc < 0)
		return rc;
	fd = zok__sys_socket(address->storage.ss_family);
	if (fd < 0) {
		release(door);
		return fd;
	}
	zok__socket_init(&door->socket, net, fd);
	zok__count(&net->core->counters->stats.sockets_opened, 1);
	door->socket.is_door = true;
	zok_list_push_back(&net->doors, &door->among);
	*out = door;
	return 0;
}

void zok__listen_release(struct zok_socket *socket)
{
	zok_list_remove(&zok__door_of(socket)->among);
	release(zok__door_of(socket));
}

/* No engine knows of the descriptor yet. */
static void destroy_unopened(struct zok__door *door)
{
	zok__listen_remove_file(&door->socket);
	zok__sys_close(door->socket.fd);
	zok__socket_destroy(&door->socket);
}

int zok_listen(struct zok_socket **out, const char *text, const struct zok_listen_options *options)
{
	static const struct zok_listen_options defaults;
	struct zok__door *door = NULL;
	struct zok__address address;
	int rc;

	options = options ? options : &defaults;
	rc = zok__address_parse_or_log(text, &address, "listen");
	if (rc == 0)
		rc = check_options(options);
	if (rc == 0 && zok_is_draining())
		rc = -ESHUTDOWN;
	if (rc == 0)
		rc = create(&door, &address, options);
	if (rc < 0)
		return rc;
	rc = open_door(door, &address, options);
	if (rc < 0) {
		destroy_unopened(door);
		return rc;
	}
	*out = &door->socket;
	return 0;
}
