/*
 * A socket from inside, and what the files of net/ share. Read first.
 *
 *   socket.c   life: from a descriptor to a socket and back; options, addresses; the core's part of net
 *   recv.c     receive: a multishot fills the core's buffers, readers take them
 *   send.c     send;  behind.c  small ones, which their senders do not wait for
 *   listen.c   doors: listening, stale Unix files
 *   accept.c   connections taken from a door
 *   connect.c  connections made
 *   shortage.c connects that wait for a descriptor, and doors that rest meanwhile
 *   close.c    the end, in order
 *   move.c     to another core
 *   forward.c  from one socket to another
 *   address.c  addresses as text;  sys.c  the system calls that no engine makes
 *   process.c  children, whose streams are sockets;  spawn.c  the system calls that make one
 *
 * Everything here runs on the core that made the socket. What a socket has in flight is embedded in it (recv_op) or belongs to whoever awaits
 * it (send, close); it is freed when nothing is.
 */
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include "core/core.h"
#include "core/op.h"
#include "core/owner.h"
#include "net/address.h"
#include "zokio/net.h"
#include "zokio/timer.h"

/* What is under way to receive, or to accept. */
enum zok__recv_state {
	ZOK__RECV_IDLE,	    /* nothing */
	ZOK__RECV_ARMED,    /* the multishot is in flight */
	ZOK__RECV_PAUSING,  /* it was cancelled because nobody takes what it brings; its end has not come yet */
	ZOK__RECV_PAUSED,   /* it has ended; it is armed again once the queue is short */
	ZOK__RECV_DIRECT,   /* a single receive into the reader's own memory is in flight */
	ZOK__RECV_STARVING, /* a reader of buffers waits for one to come back: in net->starving */
	ZOK__RECV_ENDED,    /* recv_result stands: 0 at end of stream, or the error */
};

struct zok_socket {
	int fd;
	bool is_door;
	uint8_t recv_state;
	uint16_t queued_count;	      /* buffers between first and last */
	struct zok_buf *first, *last; /* received, not yet taken */
	struct zok_recv *reader;      /* who waits for bytes */
	struct zok_send *sender;      /* whose bytes are in flight, or wait for those of `behind` */
	struct zok__behind *behind;   /* a small send that its sender does not wait for (behind.c) */
	struct zok_future *flusher;   /* who waits for the end of `behind` */
	struct zok_close *closer;     /* from here on nothing begins */
	struct zok__move *mover;      /* to another core: nothing begins meanwhile */
	struct zok__net *net;
	int recv_result;
	int send_error;		/* of a send behind: the next one's result */
	bool is_answering;	/* its last send was followed at once by a read that had to wait: see behind.c */
	bool has_sent;		/* since the last such read */
	uint8_t late_shift;	/* how often a send behind came late, so far … */
	uint16_t loud_count;	/* … and how many sends are not written behind for it */
	uint64_t behind_cycles; /* when the last was written behind; 0: it was not */
	struct zok_op recv_op;
	struct zok_list open;	  /* among net->sockets */
	struct zok_list starving; /* among net->starving */
};

ZOK_STATIC_ASSERT(sizeof(struct zok_socket) <= 256, "what an idle connection costs of ours, beside its task");

/* Connects that wait for a descriptor: shortage.h. */
struct zok__shortage {
	struct zok_list waiting; /* by zok_connect.waiting, the longest first */
	struct zok_timer retry;
	struct zok_waker on_retry; /* what the timer wakes */
	uint64_t retry_ns;	   /* how long the last wait was; 0: nobody waits */
	bool is_feeding;
};

/* A core's part of net: made with its first socket. */
struct zok__net {
	struct zok__core_part part; /* first */
	struct zok_core *core;
	struct zok_pool sockets;
	struct zok_pool behinds;
	uint64_t late_cycles;	  /* see behind.c */
	struct zok_list open;	  /* sockets, by zok_socket.open */
	struct zok_list starving; /* those whose receive waits for a buffer, the longest first */
	struct zok_pool dgrams;	  /* dgram.h: datagram sockets and their small sends */
	struct zok_pool dgram_slots;
	struct zok_list dgrams_open;
	struct zok_list dgrams_starving;
	struct zok_list doors; /* by zok__door.among */
	struct zok__shortage shortage;
};

/* ---- socket.c ---- */

/* The calling core's; NULL: no memory. */
struct zok__net *zok__net(void);

/* Makes `fd` a socket; the descriptor stays the caller's if that fails. -ENOMEM. */
int zok__socket_create(struct zok_socket **socket, int fd);

/* One more of the core's; whether it was opened, or has moved here, is counted by the caller. */
void zok__socket_init(struct zok_socket *socket, struct zok__net *net, int fd);

/* The descriptor is closed, nothing is in flight. */
void zok__socket_destroy(struct zok_socket *socket);

/* The memory of one that is no door; the descriptor lives on elsewhere. */
void zok__socket_free(struct zok_socket *socket);

/* Whether the running task's awaits would be cut short. */
static inline bool zok__is_cut(const struct zok__net *net)
{
	const struct zok_task *task = net->core->current;

	return task && zok__cancel_code(task->scope) != 0;
}

/* Whether the running task was stolen from the core whose socket it is: then -EXDEV, and the log says so. */
static inline bool zok__socket_is_foreign(const struct zok_socket *socket)
{
	return zok__is_foreign(socket->net->core, "a socket");
}

/* Ends a future from within its own poll: whoever polls knows already, and is not woken. */
static inline bool zok__end_in_poll(struct zok_future *future, ssize_t result)
{
	future->waker = NULL;
	zok_future_complete(future, result);
	return true;
}

/* ---- recv.c ---- */

/* The next buffer that has been received already, the caller's from here on; NULL: none, or somebody else reads. Does not suspend. */
struct zok_buf *zok__recv_take_queued(struct zok_socket *socket);

/* Gives a buffer back, and to whoever waits for one. */
void zok__recv_give_back(struct zok__net *net, struct zok_buf *buf);

/* zok_recv_buf() that returns -ENOBUFS where that would wait for others to give buffers back. */
ssize_t zok__recv_buf_or_shortage(struct zok_socket *socket, struct zok_buf **buf);

/* For a move: received, not yet taken, linked by `next`, and taken off the socket; and how they come back to where nothing was received meanwhile. */
struct zok_buf *zok__recv_take_all(struct zok_socket *socket);
void zok__recv_put_back(struct zok_socket *socket, struct zok_buf *first);

/* Behind what has been received. */
void zok__recv_queue(struct zok_socket *socket, struct zok_buf *buf);

/* For a move: asks for the end of what is in flight. Returns whether something still is. */
bool zok__recv_stop(struct zok_socket *socket);

/* For close: ends the reader's wait, drops what is queued, asks for the end of what is in flight. */
void zok__recv_abort(struct zok_socket *socket);

/* ---- send.c ---- */

/* What waited for `behind` begins. */
void zok__send_continue(struct zok_socket *socket);

/* For close. */
void zok__send_abort(struct zok_socket *socket);

/* ---- behind.c ---- */

void zok__behind_init(struct zok__net *net);

/* Copies the bytes and sends them later; false: that may not be done with these. Nothing of the socket's may be in flight. */
bool zok__behind_take(struct zok_send *send);

/* A read begins to wait. */
void zok__behind_note_reader(struct zok_socket *socket);

/* From here on somebody waits for its end. */
void zok__behind_hurry(struct zok_socket *socket);

void zok__behind_cancel(struct zok_socket *socket);

/* A close begins to wait for its end: some seconds at most. */
void zok__behind_linger(struct zok_socket *socket);

/* For close: who waits in zok__behind_flush() is told -EBADF. */
void zok__behind_abort_flush(struct zok_socket *socket);

/* Suspends until what was taken is the kernel's. What a send behind failed with, also one before; -EBADF: closed meanwhile; -ECANCELED, -ETIMEDOUT by the scope; -EBUSY: another task does the same. Fibers only. */
int zok__behind_flush(struct zok_socket *socket);

/* ---- move.c ---- */

/* Something has ended: the move that waits for it may go on. */
void zok__move_continue(struct zok_socket *socket);

/* For close: a move that can still be given up is told -EBADF; the close waits for any other. */
void zok__move_abort(struct zok_socket *socket);

/* ---- accept.c ---- */

/* For close. */
void zok__accept_abort(struct zok_socket *socket);

/* For a drain: a door takes what its backlog holds and closes to the world. Other sockets are left alone. */
void zok__accept_drain(struct zok_socket *socket);

/* The next descriptor that was accepted and given to nobody; -1: none. */
int zok__accept_take_left(struct zok_socket *socket);

/* ---- connect.c ---- */

/* A connect that has waited for its descriptor: `fd` is it, or why there is none. */
void zok__connect_go_on(struct zok_connect *connect, int fd);

/* ---- listen.c ---- */

/* For close: removes the file of a Unix door. */
void zok__listen_remove_file(struct zok_socket *socket);

/* The memory of a door that is closed. */
void zok__listen_release(struct zok_socket *socket);

/* ---- close.c ---- */

/* Something has ended: a close that waits for it may go on. */
void zok__close_continue(struct zok_socket *socket);

#endif
