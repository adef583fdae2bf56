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
	struct zok_timer retry;					/* while descriptors or memory are short */
	struct zok_waker on_retry;				/* what the timer wakes */
	uint64_t retry_ns;					/* how long the next wait is; 0: nothing is short */
	size_t size;						/* of this allocation */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* of the file; empty: there is none */
	struct zok__sys_file file;
	unsigned head, count, count_max; /* accepted and not yet taken: a ring */
	int fds[];
};

static inline struct zok__door *zok__door_of(struct zok_socket *socket)
{
	return (struct zok__door *)(void *)socket;
}

/* accept.c: what a new door has not begun yet. */
void zok__accept_init(struct zok__door *door);

#endif
