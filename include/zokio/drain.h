/*
 * Draining: the first part of a graceful end. Nothing new begins, what runs may finish.
 *
 * With struct zok_options.drain_ns, or at zok_runtime_drain(), every core's doors take what waits in their backlog and close to the world: a TCP port
 * refuses, a Unix socket's file is gone. zok_accept() hands out what was taken and then ends with -ESHUTDOWN, as does a later zok_listen(). A
 * server that treats this as no error (zok_scope_close(clients, 0)) so waits for its connections, which go on. Those that live long ask
 * zok_is_draining() between two requests, or await a struct zok_drain beside the next one, and end. When drain_ns have passed the rest is
 * cancelled.
 */
#ifndef ZOKIO_DRAIN_H
#define ZOKIO_DRAIN_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"

ZOK_BEGIN_DECLS

/* A future that is ready, with 0, once the core that it was begun on drains. */
struct zok_drain {
	struct zok_future future;
	struct zok_list waiting; /* private */
};

/* Prepares it; await it on the core whose drain is meant. It may be given up by a cancel. Does not suspend. */
ZOK_API void zok_drain_prepare(struct zok_drain *drain);

/* Suspends until the core drains: 0. -ECANCELED, -ETIMEDOUT: the scope. Fibers only. */
ZOK_API int zok_drain_wait(void);

/* Whether the calling core drains: from its beginning to the end. False off the cores. Does not suspend. */
ZOK_API bool zok_is_draining(void);

ZOK_END_DECLS

#endif
