/*
 * Sockets: TCP and Unix streams over the core's engine.
 *
 * Addresses are text: "tcp://127.0.0.1:7000", "tcp://[::1]:7000", "unix:/run/door", "unix:@abstract". Port 0 lets the kernel choose;
 * zok_local_address() tells.
 *
 * A socket belongs to the core that made it; a task that was stolen from there gets -EXDEV (task.h). At most one receive and one send are under way on it at a time (a second of the same kind gets
 * -EBUSY); they may be in different tasks. Calls that suspend return what POSIX's return, with -errno in place of errno; a deadline comes from
 * the scope, and a call that it cuts short loses nothing: bytes that had arrived are given to the next receive.
 *
 * Each call has two faces over one implementation: the one that suspends the fiber, and the future (struct zok_recv, …) that a stackless task
 * prepares in its frame and awaits. Common errors: -ECANCELED, -ETIMEDOUT (the scope), -EBUSY (see above), -EBADF (closed by another task
 * while it waited), -ENOMEM, and what the kernel reports for the socket: -ECONNRESET, -EPIPE, -ECONNREFUSED, -ENETUNREACH…
 */
#ifndef ZOKIO_NET_H
#define ZOKIO_NET_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"
#include "zokio/op.h"

ZOK_BEGIN_DECLS

struct zok_socket;

/* Room for any address as text, its NUL included. */
#define ZOK_ADDRESS_SIZE 128

struct zok_listen_options {
	int backlog;				   /* 0: the kernel's maximum (SOMAXCONN) */
	bool reuse_port;			   /* SO_REUSEPORT: a listener a core on one address */
	bool without_nodelay;			   /* accepted TCP sockets: leave Nagle's algorithm on */
	int send_buffer_size, receive_buffer_size; /* SO_SNDBUF, SO_RCVBUF of accepted sockets; 0: the kernel's */
	bool keepalive;				   /* on accepted sockets */
	unsigned accept_batch_max;		   /* connections taken ahead of zok_accept(); 0: 64 */
};

struct zok_connect_options {
	bool without_nodelay;
	bool keepalive;
	int send_buffer_size, receive_buffer_size;
	const char *local_address; /* bind to this first; NULL: the kernel chooses */
	bool waits_for_descriptor; /* out of descriptors: waits for one, as long as the scope lasts, and doors rest; else -EMFILE or -ENFILE */
};

enum zok_shutdown_side {
	ZOK_SHUTDOWN_READ,
	ZOK_SHUTDOWN_WRITE, /* half-close: the peer reads end of stream, we go on reading */
	ZOK_SHUTDOWN_BOTH,
};

/* ---- Opening and closing ---- */

/*
 * Listens. -EINVAL: the address does not parse or an option is out of range (the log says which part and what it would accept); -EADDRINUSE,
 * -EADDRNOTAVAIL, -EACCES, -EMFILE. A Unix socket file that nobody listens on is replaced, one that somebody listens on gives
 * -EADDRINUSE (found out by connecting to it). Of processes of one network namespace that start at once on one path, one gets it and the others
 * -EADDRINUSE. The file is removed at close. Does not suspend.
 */
ZOK_API int zok_listen(struct zok_socket **door, const char *address, const struct zok_listen_options *options);

/*
 * Suspends until a connection is there. Out of descriptors or memory it waits and tries again (counted as fd_shortages): the caller sees
 * no error for what will pass. A connection that was accepted while the call was cancelled is given to the next call.
 */
ZOK_API int zok_accept(struct zok_socket *door, struct zok_socket **peer);

/*
 * Suspends until connected. -EINVAL as zok_listen(); -EMFILE, -ENFILE (see waits_for_descriptor); -ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT… A
 * cancel aborts the attempt.
 */
ZOK_API int zok_connect(struct zok_socket **peer, const char *address, const struct zok_connect_options *options);

/* Takes over a connected stream socket's descriptor (close-on-exec is set here, non-blocking cleared: whether a call waits is the
 * engine's business). The descriptor stays the caller's on failure: -ENOMEM, -EBADF. */
ZOK_API int zok_socket_adopt(struct zok_socket **socket, int fd);

/* Half-closes, after what was sent. Suspends. What an earlier send has failed with; -EBADF: closed meanwhile by another task. */
ZOK_API int zok_shutdown(struct zok_socket *socket, enum zok_shutdown_side side);

/*
 * Ends what is under way on the socket (-EBADF in the other task), closes it and frees it. Suspends; a cancel or a deadline of the scope ends only
 * its wait for bytes that were sent. NULL is fine. A fiber only;
 * a stackless task uses struct zok_close.
 */
ZOK_API int zok_close(struct zok_socket *socket);

/* ---- Bytes ---- */

/* Receives up to len bytes; 0: end of stream. */
ZOK_API ssize_t zok_read(struct zok_socket *socket, void *buf, size_t len);

/* Receives exactly len bytes; fewer only at end of stream. A negative errno hides how many came before it: use zok_read() where that matters. */
ZOK_API ssize_t zok_read_all(struct zok_socket *socket, void *buf, size_t len);

/*
 * Sends up to len bytes; may be short.
 *
 * As write(2), all sends return when the bytes are on their way, not when they have arrived. On a socket that answers what it reads, small ones (some
 * 900 bytes) are copied and the call returns at once; they leave when the task suspends next, with everybody else's, and what fails then is the
 * result of the socket's next send or zok_shutdown(). A socket whose task sends and then computes is noticed, and its sends leave first (net/behind.c).
 * zok_shutdown() and zok_close() wait for what was sent, until their scope is cancelled or its deadline passes.
 */
ZOK_API ssize_t zok_write(struct zok_socket *socket, const void *buf, size_t len);
ZOK_API ssize_t zok_writev(struct zok_socket *socket, const struct iovec *vector, int count);

/*
 * Sends all of it, or fails. Returns len. After an error or a cancel some of it may have gone, and the stream is fit only to be closed; who must
 * know how much awaits a struct zok_send and reads `sent`.
 */
ZOK_API ssize_t zok_write_all(struct zok_socket *socket, const void *buf, size_t len);

/*
 * Receives without a copy: `buf` is one of the core's receive buffers, the caller's until zok_buf_release(). Returns its length; 0 (end of
 * stream) and errors give no buffer. A receiver that keeps its buffers stops the sender, not the core: once the pool is empty, receives wait.
 */
ZOK_API ssize_t zok_recv_buf(struct zok_socket *socket, struct zok_buf **buf);
ZOK_API const void *zok_buf_data(const struct zok_buf *buf);
ZOK_API size_t zok_buf_len(const struct zok_buf *buf);
ZOK_API void zok_buf_release(struct zok_buf *buf); /* NULL is fine */

/*
 * Moves bytes from one socket to another until the end of the stream, which it passes on as a half-close. Returns how many, or what failed:
 * *failed (if not NULL) is the socket whose operation it was. What was under way when it was cancelled is lost: close both.
 * The slower side sets the pace.
 */
ZOK_API int64_t zok_forward(struct zok_socket *from, struct zok_socket *to, struct zok_socket **failed);

/* ---- To another core ---- */

/*
 * Moves a connection to core `core`, where it becomes a socket of that core and is given to arrive(peer, arg). That core runs it between its tasks, as what
 * zok_tell() leaves: short, without suspending. Most often it spawns who goes on with the connection, in a scope of that core:
 *
 *	static int arrive(struct zok_socket *peer, void *shards)
 *	{
 *		struct shard *shard = zok_sharded_local(shards);
 *
 *		return shard->clients ? zok_spawn(shard->clients, serve, peer, NULL) : -ESHUTDOWN;
 *	}
 *	…
 *	if (zok_socket_move(peer, 3, arrive, shards) == 0)
 *		return;                               it is not ours any more; else it is, and we go on
 *
 * The bytes keep their order: what was received and not read moves along, and small sends that were taken are the kernel's before. The peer notices nothing.
 * A move by a task of its own core, while nothing is under way on the connection, which is how it is between two requests; other
 * tasks' calls get -EBUSY until it is over, and zok_shutdown() of one that had begun may end with -ECANCELED.
 *
 * 0: arrive() has returned 0 (or more), and `peer` is gone from here. Any error: the connection is the caller's, here and open as before. An error of
 * arrive(), which then must not have begun anything with its peer, is returned. -EBUSY: a read, a send or another move is under way; -ENOMEM: none there
 * for the socket or for what it brings; -EINVAL: no such core, or a door; -EXDEV: another core's socket; -EBADF: closed meanwhile; what an earlier send
 * has failed with; -ECANCELED, -ETIMEDOUT by the scope, until it leaves: then the answer is awaited. A close that finds it on its way waits as well, and
 * gets -EBADF where the connection was taken: it lives there. To the own core nothing moves, and arrive() is called at once, with `peer`.
 *
 * Suspends. Fibers only. Counters: connections_moved_in, connections_moved_out, connections_open.
 */
ZOK_API int zok_socket_move(struct zok_socket *peer, unsigned core, int (*arrive)(struct zok_socket *peer, void *arg), void *arg);

/* ---- The same as futures; the struct belongs to the engine until it is ready ---- */

struct zok_accept {
	struct zok_future future; /* result 0 or negative */
	struct zok_socket *door;
	struct zok_socket *peer; /* set when the result is 0 */
};

struct zok_connect {
	struct zok_op op; /* result 0 or negative; op.future is what is awaited */
	struct zok_socket *peer;
	int fd;
	const struct zok_connect_options *options;
	struct sockaddr_storage address;
	socklen_t address_len;
	int error;
	struct zok_list waiting; /* private: for a descriptor */
	bool is_waiting;	 /* private */
};

struct zok_recv {
	struct zok_future future; /* result: bytes, 0 at end of stream, or negative */
	struct zok_socket *socket;
	void *base; /* NULL: give a buffer of the pool instead */
	size_t len;
	struct zok_buf *buf;
	bool may_give_up; /* private: an empty pool is -ENOBUFS, not a wait */
};

struct zok_send {
	struct zok_op op; /* result: len (all of it), or negative */
	struct zok_socket *socket;
	const uint8_t *base;
	size_t len, sent;  /* `sent` stands also when the result is negative: so much of it the kernel had taken */
	bool may_be_short; /* private: zok_write() */
};

struct zok_close {
	struct zok_op op;
	struct zok_socket *socket;
	bool has_begun; /* private */
};

/* Each as the call of its name: the future's result is what that returns. */
ZOK_API void zok_accept_prepare(struct zok_accept *accept, struct zok_socket *door);
/* -EINVAL comes as the future's result. `address` is read during the call; `options` must stay until the result. */
ZOK_API void zok_connect_prepare(struct zok_connect *connect, const char *address, const struct zok_connect_options *options);
ZOK_API void zok_recv_prepare(struct zok_recv *recv, struct zok_socket *socket, void *buf, size_t len);
ZOK_API void zok_recv_buf_prepare(struct zok_recv *recv, struct zok_socket *socket);
ZOK_API void zok_send_prepare(struct zok_send *send, struct zok_socket *socket, const void *buf, size_t len);
ZOK_API void zok_close_prepare(struct zok_close *close, struct zok_socket *socket);

/* ---- Facts and options ---- */

/* Writes "tcp://…" or "unix:…" into text (ZOK_ADDRESS_SIZE bytes do). -ENOBUFS: too small; -ENOTCONN. */
ZOK_API int zok_local_address(const struct zok_socket *socket, char *text, size_t size);
ZOK_API int zok_peer_address(const struct zok_socket *socket, char *text, size_t size);

/* Nagle's algorithm off or on; probes of an idle connection (0 leaves the kernel's figure); SO_SNDBUF and SO_RCVBUF. -EOPNOTSUPP: not TCP. */
ZOK_API int zok_set_nodelay(struct zok_socket *socket, bool on);
ZOK_API int zok_set_keepalive(struct zok_socket *socket, bool on, unsigned idle_s, unsigned interval_s, unsigned probes);
ZOK_API int zok_set_buffer_sizes(struct zok_socket *socket, int send, int receive); /* bytes; 0: leave as it is */

/*
 * The descriptor, for options that have no call here. It stays the socket's; do not read, write, replace (dup2) or close it: the uring engine may have
 * the file in a table of its own, and the peer would not be told of the end before zok_close().
 */
ZOK_API int zok_socket_fd(const struct zok_socket *socket);

/* Whether text is an address that zok_listen() and zok_connect() would take; why not is written to `why` in one line. 0 or -EINVAL. Any thread. */
ZOK_API int zok_address_check(const char *text, char *why, size_t why_size);

ZOK_END_DECLS

#endif
