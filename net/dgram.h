/*
 * A datagram socket from inside. Read first.
 *
 *   dgram.c       life: from an address to a socket and back
 *   dgram_open.c  options, what they ask of the kernel
 *   dgram_recv.c  a multishot fills the core's buffers; readers take them
 *   dgram_take.c  from a buffer to struct zok_datagram: control data, GRO
 *   dgram_send.c  sends that are awaited, and batches;  dgram_slot.c  small ones, which their senders do not wait for
 *   multicast.c   groups;  endpoint.c  addresses
 *
 * As with streams (socket.h), what a socket has in flight is embedded in it or belongs to whoever awaits it; only slots come from a pool.
 */
#ifndef NET_DGRAM_H
#define NET_DGRAM_H

#include "core/dgram_head.h"
#include "net/socket.h"
#include "net/sys.h"
#include "zokio/dgram.h"

#include <sys/un.h>

struct zok_dgram_socket {
	int fd;
	int family;
	uint8_t recv_state; /* enum zok__recv_state: IDLE, ARMED, PAUSING, PAUSED, STARVING */
	bool is_connected;
	bool is_timestamped;   /* by the card, and by the kernel where that did not */
	uint16_t queued_count; /* buffers between first and last */
	uint16_t slot_count;   /* of `slots` */
	uint32_t split_offset; /* how much of the first buffer's payload has been taken: it holds several datagrams */
	struct zok_buf *first, *last;
	struct zok_dgram_recv *reader;
	struct zok_dgram_close *closer; /* from here on nothing begins */
	struct zok_list senders;	/* by zok_dgram_send.among: their op is in flight */
	struct zok_list slots;		/* by zok__dgram_slot.among: in flight */
	struct zok__net *net;
	int recv_error, send_error; /* told once, by the next receive or send */
	struct msghdr recv_header;  /* the rooms of the multishot's buffers */
	struct zok__dgram_layout layout;
	struct zok_op recv_op;
	struct zok_list open;					/* among net->dgrams_open */
	struct zok_list starving;				/* among net->dgrams_starving */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of a Unix socket's file; empty: none */
	struct zok__sys_file file;
};

static inline const struct sockaddr *zok__endpoint_sockaddr(const struct zok_endpoint *endpoint)
{
	return (const struct sockaddr *)(const void *)&endpoint->address;
}

static inline bool zok__dgram_is_foreign(const struct zok_dgram_socket *socket)
{
	return zok__is_foreign(socket->net->core, "a datagram socket");
}

/* An error that is told once: it is taken away. */
static inline int zok__dgram_take_error(int *error)
{
	int taken = *error;

	*error = 0;
	return taken;
}

/* ---- dgram.c ---- */

void zok__dgram_init(struct zok__net *net);
void zok__dgram_finish(struct zok__net *net);

/* Something has ended: a close that waits for it may go on. */
void zok__dgram_close_continue(struct zok_dgram_socket *socket);

/* ---- dgram_open.c ---- */

/* The address as endpoints have it. -EINVAL and the log says why, behind `what`. */
int zok__endpoint_parse_or_log(const char *text, struct zok__address *address, const char *what);

/* -EINVAL and the log says which. `family` is the socket's. */
int zok__dgram_check_options(const struct zok_dgram_options *options, int family);
int zok__dgram_set_options(int fd, int family, const struct zok_dgram_options *options);

/* The rooms for name and control data. */
void zok__dgram_size_rooms(struct zok_dgram_socket *socket, const struct zok_dgram_options *options);

/* Binds, and replaces a Unix socket's file that nobody reads from. */
int zok__dgram_bind(struct zok_dgram_socket *socket, const struct zok__address *address);

/* ---- dgram_recv.c ---- */

/* A buffer has come back: the socket, which has waited longest for one, goes on. */
void zok__dgram_feed(struct zok_dgram_socket *socket);

/* For close. */
void zok__dgram_recv_abort(struct zok_dgram_socket *socket);

/* ---- dgram_take.c ---- */

/* The next datagram of the socket's first buffer; whether that buffer is used up. */
bool zok__dgram_read(struct zok_dgram_socket *socket, struct zok_datagram *datagram);

/* ---- dgram_send.c ---- */

/* For close. */
void zok__dgram_send_abort(struct zok_dgram_socket *socket);

/* ---- dgram_slot.c ---- */

void zok__dgram_slots_init(struct zok__net *net);

/* Copies the bytes and sends them later; false: that cannot be done with these, or there is no slot. */
bool zok__dgram_slot_take(struct zok_dgram_socket *socket, const void *data, size_t len, const struct zok_endpoint *to);

/* For close: what has been handed over ends soon, what waits for room is dropped. */
void zok__dgram_slots_abort(struct zok_dgram_socket *socket);

#endif
