/*
 * Serving on every core: a door, the connections that come through it, and which core gets which.
 */
#ifndef ZOKIO_SERVE_H
#define ZOKIO_SERVE_H

#include "zokio/base.h"
#include "zokio/net.h"
#include "zokio/task.h"

ZOK_BEGIN_DECLS

/* Zero everywhere is the good default. */
struct zok_serve_options {
	/*
	 * Which core serves a connection:
	 *   "reuseport" (NULL)  a door a core on one address; the kernel spreads connections by a hash of their addresses
	 *   "cpu"               the same, and the door of the core whose CPU has received the connection takes it (a classic BPF program): with as many
	 *                       NIC queues as cores, packets and their reader then share a cache. Where the kernel refuses, as "reuseport", and the log says so
	 *   "load"              one door on the calling core, which gives each connection to the core that serves the fewest
	 * A Unix address has one door, so it is served by "load".
	 */
	const char *distribute;
	struct zok_listen_options listen; /* of every door; reuse_port is set where it is needed */
	struct zok_spawn_options fiber;	  /* of every connection's fiber */
	/*
	 * zok_serve_rebalance() moves a connection when its core serves at least so many more than the one that serves the fewest. 0: it never does.
	 * 1 would turn the difference around with each move: 2 at least. And at most so many moves a second from a core, 0: 100.
	 */
	unsigned rebalance_surplus, rebalance_per_second;
	void (*listening)(const struct zok_socket *door,
			  void *arg); /* called once, when all doors are open, with the calling core's; NULL: nothing */
};

/*
 * Listens at `address` on every core of the runtime and runs fn(peer, arg) in a fiber for each connection, on the core that got it; fn closes peer. Suspends
 * until a drain (drain.h) has let all connections end: 0; or until it is cancelled, which ends the fibers too: -ECANCELED, -ETIMEDOUT. What
 * zok_listen() returns where a door does not open; none is left open then. -EINVAL: no such distribution (the log says what there is), or not in a
 * fiber; -ENOMEM. Counters: connections_accepted, connections_handed. Fibers only.
 */
ZOK_API int zok_serve(const char *address, const struct zok_serve_options *options, void (*fn)(struct zok_socket *peer, void *arg),
		      void *arg);

/*
 * For the fiber that zok_serve() has begun, with its peer, while nothing is under way on it: between two requests, or when nothing has come for
 * a while. Where its core serves many more connections than another (rebalance_surplus, rebalance_per_second) the connection moves to the core that
 * serves the fewest, as by zok_socket_move(), and fn(peer, arg) begins anew for it there.
 *
 *	while ((n = zok_read(peer, buf, sizeof buf)) > 0) {
 *		answer(peer, buf, n);
 *		if (zok_serve_rebalance(peer))
 *			return;
 *	}
 *	zok_close(peer);
 *
 * True: it has moved, and `peer` is not this fiber's any more: return. False: it stays, and the fiber goes on; so it does during a drain, under a cancel, and
 * where a move did not come about. Suspends only where it moves. False without effect in any other fiber, also in a child of this one. A load that no
 * count of connections tells is better balanced by a program's own rule and zok_socket_move(). See examples/rebalance.c.
 */
ZOK_API bool zok_serve_rebalance(struct zok_socket *peer);

ZOK_END_DECLS

#endif
