/*
 * Datagrams: UDP, multicast and Unix datagram sockets over the core's engine.
 *
 * Addresses are text: "udp://127.0.0.1:7000", "udp://[::1]:7000", "unix-dgram:/run/box", "unix-dgram:@abstract". On the way of data they are
 * struct zok_endpoint, parsed once.
 *
 *	struct zok_dgram_socket *socket;
 *	struct zok_endpoint from;
 *	char buf[1500];
 *	ssize_t n;
 *
 *	zok_dgram_open(&socket, "udp://[::]:7000", NULL);
 *	while ((n = zok_dgram_recv(socket, buf, sizeof buf, &from)) >= 0)
 *		zok_dgram_send(socket, buf, (size_t)n, &from);
 *	zok_dgram_close(socket);
 *
 * A socket belongs to the core that made it; a task that was stolen from there gets -EXDEV. At most one receive is under way on it (a second gets
 * -EBUSY), and any number of sends. Calls that suspend return what POSIX's return, with -errno in place of errno; a deadline comes from the
 * scope, and a receive that it cuts short loses nothing: what had been received is given to the next one.
 *
 * Each call has two faces: the one that suspends the fiber, and the future that a stackless task prepares in its frame and awaits. Common errors:
 * -ECANCELED, -ETIMEDOUT (the scope), -EBADF (closed by another task while it waited), -ENOMEM, and what the network says of a connected
 * socket: -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH… Such an error is told once, by a receive or a send, and the socket goes on.
 */
#ifndef ZOKIO_DGRAM_H
#define ZOKIO_DGRAM_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"
#include "zokio/net.h"
#include "zokio/op.h"

#include <netinet/in.h>

ZOK_BEGIN_DECLS

struct zok_dgram_socket;

/* ---- Who is at the other end ---- */

struct zok_endpoint {
	struct sockaddr_storage address;
	socklen_t len; /* 0: it has no name (a Unix socket that was not bound) */
};

/* -EINVAL: `text` does not parse; `why` (may be NULL) says in one line which part and what it would accept. Any thread. */
ZOK_API int zok_endpoint_parse(struct zok_endpoint *endpoint, const char *text, char *why, size_t why_size);

/* Writes "udp://…" or "unix-dgram:…" (ZOK_ADDRESS_SIZE bytes do). -ENOBUFS: too small. -EAFNOSUPPORT: neither IP nor Unix. Any thread. */
ZOK_API int zok_endpoint_format(const struct zok_endpoint *endpoint, char *text, size_t size);

/* Whether they name the same socket: address, port and, of IPv6, the zone. Any thread. */
ZOK_API bool zok_endpoint_is_equal(const struct zok_endpoint *left, const struct zok_endpoint *right);

/* ---- Opening and closing ---- */

/* Who says when a datagram came in (Documentation/networking/timestamping.rst). */
enum zok_timestamps {
	ZOK_TIMESTAMPS_NONE = 0,
	ZOK_TIMESTAMPS_SOFTWARE, /* the kernel, when the driver hands it over: CLOCK_REALTIME. It begins a little after a machine's first such socket */
	ZOK_TIMESTAMPS_HARDWARE, /* the network card too, by its own clock; needs timestamp_interface */
};

struct zok_dgram_options {
	const char *peer;	  /* connects: sends need no address, others' datagrams are dropped, ICMP errors are told; NULL: no */
	bool reuse_address;	  /* SO_REUSEADDR: several sockets on a group's port, each gets a copy */
	bool reuse_port;	  /* SO_REUSEPORT: several sockets on one port share what comes */
	bool ipv6_only;		  /* "udp://[::]:…" takes IPv4 as well unless this is set */
	bool broadcast;		  /* may send to broadcast addresses */
	bool receive_segments;	  /* UDP_GRO: the kernel hands over a sender's datagrams in one; they are told apart here */
	bool receive_destination; /* fills in zok_datagram.interface and .to */
	int send_buffer_size, receive_buffer_size; /* SO_SNDBUF, SO_RCVBUF in bytes; 0: the kernel's */
	unsigned busy_poll_us;			   /* SO_BUSY_POLL; 0: the system's. -EPERM: more than the system's takes CAP_NET_ADMIN */
	enum zok_timestamps timestamps;
	const char *timestamp_interface; /* whose clock: "eth0" */
	unsigned fds_max;		 /* Unix: descriptors taken with a datagram, at most ZOK_DGRAM_FDS_MAX; 0: none */
	/* of multicast that is sent */
	const char *multicast_interface; /* "eth0"; NULL: by the routes */
	uint8_t multicast_hops;		 /* TTL, hop limit; 0: the kernel's, 1 */
	bool without_multicast_loop;	 /* this machine's own listeners do not get it */
};

enum { ZOK_DGRAM_FDS_MAX = 16 };

/*
 * Opens, binds to `address` (NULL: none, the peer's family; port 0 lets the kernel choose) and connects to options->peer. Does not suspend.
 * -EINVAL: an address or an option is wrong (the log says which and what it would accept), among them receive_segments with receive buffers that are
 * too small for what it brings (66,000 bytes; zok_options.receive_buffer_size). -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE, -ENODEV
 * (no such interface), -ECONNREFUSED (nobody at a Unix peer). -EOPNOTSUPP: the interface has no hardware timestamps, or the kernel no multishot
 * recvmsg (before 6.0). A Unix socket's file that nobody reads from is replaced; the file is removed at close.
 */
ZOK_API int zok_dgram_open(struct zok_dgram_socket **socket, const char *address, const struct zok_dgram_options *options);

/* Ends what is under way (-EBADF in the other tasks), closes and frees. What was sent and waits for room is dropped. Suspends; NULL is fine. */
ZOK_API int zok_dgram_close(struct zok_dgram_socket *socket);

/* ---- Receiving ---- */

/*
 * Receives one datagram and copies it to buf; `from` (may be NULL) is who sent it. Returns its length: 0 is an empty datagram, and more than `len`
 * says that the rest was cut off.
 */
ZOK_API ssize_t zok_dgram_recv(struct zok_dgram_socket *socket, void *buf, size_t len, struct zok_endpoint *from);

/* A datagram in one of the core's receive buffers, the caller's until zok_datagram_release(). */
struct zok_datagram {
	const void *data;
	size_t len;	 /* bytes at data */
	size_t len_sent; /* more than len: it was cut, being longer than a receive buffer (options.receive_buffer_size) has room for */
	const struct sockaddr *from;
	socklen_t from_len;   /* 0: the sender has no name */
	uint32_t interface;   /* receive_destination: the index of the interface; 0: not known */
	struct in6_addr to;   /* receive_destination: what it was sent to; IPv4 as ::ffff:a.b.c.d */
	uint64_t software_ns; /* when it came, CLOCK_REALTIME; 0: not asked for, or not stamped */
	uint64_t hardware_ns; /* by the card's clock; 0: it was not stamped */
	int *fds;	      /* close-on-exec. Set to -1 what you keep: the rest is closed with the release */
	unsigned fd_count;
	bool is_control_cut;	/* descriptors or more were lost: more came than options.fds_max */
	struct zok_buf *buffer; /* private */
};

/*
 * Receives up to count_max datagrams without a copy: waits for the first, and takes what else has been received. Returns how many. A receiver
 * that keeps its buffers stops the socket, not the core: what comes then is the kernel's to keep, and to drop (zok_dgram_dropped()).
 */
ZOK_API int zok_dgram_recv_batch(struct zok_dgram_socket *socket, struct zok_datagram *datagrams, unsigned count_max);

/* Gives the buffer back; what data, from and fds name is gone. On the socket's core; the socket may be closed by then. */
ZOK_API void zok_datagram_release(struct zok_datagram *datagram);

/* ---- Sending ---- */

/*
 * Sends one datagram to `to` (NULL: to the peer of a connected socket). Returns len. Small ones (up to some 1,500 bytes, of UDP) are copied and
 * the call returns at once; they leave when the task suspends next, all in one system call, and what fails then is the result of the next send.
 * Where the kernel has no room, at most 64 of a socket wait so, and further sends suspend until it has. -EMSGSIZE: too long for a datagram;
 * -EDESTADDRREQ: nobody to send to; -ENOBUFS: the kernel has dropped it, or a Unix receiver that we are not connected to is full (both counted
 * as send_shortages): try later.
 */
ZOK_API ssize_t zok_dgram_send(struct zok_dgram_socket *socket, const void *buf, size_t len, const struct zok_endpoint *to);

/* One of several to send. */
struct zok_dgram_message {
	const void *data;
	size_t len;
	const struct zok_endpoint *to; /* NULL: the peer */
	uint16_t segment_size; /* UDP: data is a row of datagrams of so many bytes each, the last may be shorter (UDP_SEGMENT); 0: is one */
	const int *fds;	       /* Unix: descriptors that go with it; they stay the sender's */
	unsigned fd_count;     /* at most ZOK_DGRAM_FDS_MAX */
};

/*
 * Sends several, as zok_dgram_send() each. Returns how many of them went, or what the first failed with. A message in segments is cut by the kernel
 * or the card, up to 64 datagrams a piece; where they cannot, it is cut here.
 */
ZOK_API int zok_dgram_send_batch(struct zok_dgram_socket *socket, const struct zok_dgram_message *messages, unsigned count);

/* ---- Multicast: what a UDP socket receives ---- */

/*
 * Joins a group, of all senders or (source not NULL) of one: numeric addresses such as "239.1.2.3", "ff02::1". `interface` NULL: by the routes. A socket
 * gets datagrams of groups that it has joined itself, not of those that others have joined on the same port. -EINVAL: no multicast address, or not of
 * the socket's family (the log says which); -ENODEV: no such interface; -EADDRINUSE: joined already; -ENOBUFS: more than the system allows
 * (net.ipv4.igmp_max_memberships). Does not suspend.
 */
ZOK_API int zok_dgram_join(struct zok_dgram_socket *socket, const char *group, const char *source, const char *interface);

/* Leaves what was joined with the same words. -EADDRNOTAVAIL: it was not. */
ZOK_API int zok_dgram_leave(struct zok_dgram_socket *socket, const char *group, const char *source, const char *interface);

/* ---- The same as futures; the struct belongs to the engine until it is ready ---- */

struct zok_dgram_recv {
	struct zok_future future; /* result: as the call */
	struct zok_dgram_socket *socket;
	struct zok_datagram *datagrams; /* NULL: copy one */
	unsigned count_max;
	void *base;
	size_t len;
	struct zok_endpoint *from;
};

struct zok_dgram_send {
	struct zok_future future; /* result: as the call */
	struct zok_dgram_socket *socket;
	const struct zok_dgram_message *messages;
	unsigned count, done;	      /* `done` stands also when the result is negative */
	struct zok_dgram_message one; /* private from here on */
	size_t sent;		      /* of the present message */
	struct zok_op op;
	struct msghdr header;
	struct iovec vector;
	uint64_t control[10];
	struct zok_list among; /* the socket's senders */
	int error;
	bool is_single, is_running, is_cut_here;
};

struct zok_dgram_close {
	struct zok_op op;
	struct zok_dgram_socket *socket;
	bool has_begun; /* private */
};

/* Each as the call of its name. What they name (messages, endpoints, bytes) must stay until the result. */
ZOK_API void zok_dgram_recv_prepare(struct zok_dgram_recv *recv, struct zok_dgram_socket *socket, void *buf, size_t len,
				    struct zok_endpoint *from);
ZOK_API void zok_dgram_recv_batch_prepare(struct zok_dgram_recv *recv, struct zok_dgram_socket *socket, struct zok_datagram *datagrams,
					  unsigned count_max);
ZOK_API void zok_dgram_send_prepare(struct zok_dgram_send *send, struct zok_dgram_socket *socket, const void *buf, size_t len,
				    const struct zok_endpoint *to);
ZOK_API void zok_dgram_send_batch_prepare(struct zok_dgram_send *send, struct zok_dgram_socket *socket,
					  const struct zok_dgram_message *messages, unsigned count);
ZOK_API void zok_dgram_close_prepare(struct zok_dgram_close *close, struct zok_dgram_socket *socket);

/* ---- Facts ---- */

/* Where the socket is bound, with the port that the kernel chose. */
ZOK_API int zok_dgram_local(const struct zok_dgram_socket *socket, struct zok_endpoint *endpoint);

/* How many datagrams the kernel has dropped because the socket's buffer was full, modulo 2^32; or a negative errno. */
ZOK_API int64_t zok_dgram_dropped(const struct zok_dgram_socket *socket);

/* The descriptor, for options that have no call here. It stays the socket's; do not read, write or close it. */
ZOK_API int zok_dgram_fd(const struct zok_dgram_socket *socket);

ZOK_END_DECLS

#endif
