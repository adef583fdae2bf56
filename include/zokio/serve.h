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

ZOK_END_DECLS

#endif
