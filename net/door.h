/* A door: a socket that listens. What listen.c makes, accept.c serves and close.c ends. */
#ifndef NET_DOOR_H
#define NET_DOOR_H

#include "net/socket.h"
#include "net/sys.h"
#include "zokio/timer.h"

#include <sys/un.h>

struct zok__door {
	struct zok_socket socket; /* first; its recv_op is the multishot accept */
	struct zok_accept *acceptor;
	struct zok_timer retry;	   /* while descriptors or memory are short */
	struct zok_waker on_retry; /* what the timer wakes */
	uint64_t retry_ns;	   /* how long the next wait is; 0: nothing is short */
	bool is_draining;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of the file; empty: there is none */
	struct zok__sys_file file;
	int *fds; /* accepted and not yet taken: a ring of count_max, a power of two */
	unsigned head, count, count_max;
	unsigned batch_max;    /* more than so many are not taken ahead, if the engine can help it */
	struct zok_list among; /* net->doors */
	int spare;	       /* a descriptor held back for connects that wait for one (shortage.h); -1: none, and nothing is accepted */
};

ZOK_STATIC_ASSERT(offsetof(struct zok__door, socket) == 0, "a door is a socket");

static inline struct zok__door *zok__door_of(struct zok_socket *socket)
{
	return (struct zok__door *)(void *)socket;
}

/* ---- accept.c ---- */

/* -ENOMEM. */
int zok__accept_init(struct zok__door *door, unsigned batch_max);
void zok__accept_finish(struct zok__door *door);

/* Takes no more for now; what is in flight ends soon. Goes on where somebody waits for connections. */
void zok__accept_rest(struct zok__door *door);
void zok__accept_resume(struct zok__door *door);

#endif
