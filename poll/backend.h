/*
 * The contract between the readiness engine and what the system tells readiness with: epoll, later kqueue.
 *
 * A backend watches descriptors for both directions, edge-triggered, from the first op that has to wait until the descriptor is closed:
 * EPOLLIN | EPOLLOUT | EPOLLET in one registration, or EVFILT_READ and EVFILT_WRITE with EV_CLEAR. There is nothing to change, and closing a
 * descriptor ends its registration; it is taken back only from one that goes to another engine. What comes late is told from what is new by the tag.
 *
 * A backend keeps no state of descriptors and knows nothing of ops. It belongs to the core's thread; wake() alone is for any thread.
 */
#ifndef POLL_BACKEND_H
#define POLL_BACKEND_H

#include "core/engine.h"

struct zok__poll;
struct zok__poll_backend;

/* What an event says. */
enum {
	ZOK__POLL_READ = 1,  /* a read may find something: bytes, a connection, the end, an error */
	ZOK__POLL_WRITE = 2, /* a write may find room, a connect may have ended */
	ZOK__POLL_MARK = 4,  /* there is more than bytes (end of stream, error, urgent mark): a short read no longer means "drained" */
};

struct zok__poll_backend_ops {
	/* -ENOSYS, -EPERM: not to be had here, `reason` says why; everything else is a resource error. */
	int (*create)(struct zok__poll_backend **backend, char *reason, size_t reason_size);

	/* NULL is fine. */
	void (*destroy)(struct zok__poll_backend *backend);

	/*
	 * Watches a descriptor; what is ready already is reported by the next wait. -EPERM: it is of a kind that is always ready (a regular
	 * file). -ENOMEM, -ENOSPC, -EBADF: it is not watched. Watching again under another tag is legal where a descriptor was closed behind
	 * the engine's back.
	 */
	int (*watch)(struct zok__poll_backend *backend, int fd, uint64_t tag);

	/* No more events of a descriptor that is watched and stays open. Where that fails its events still come, under a tag that is nobody's. */
	void (*unwatch)(struct zok__poll_backend *backend, int fd);

	/*
	 * Waits as the engine's wait() does, and reports each event by zok__poll_ready() and each wake() by zok__poll_woken(). Never reports one
	 * that it has forgotten by the next call: what does not fit stays in the kernel.
	 */
	void (*wait)(struct zok__poll_backend *backend, uint64_t timeout_ns, struct zok__poll *poll);

	/* Makes the current or the next wait() report a wake. Any thread, async-signal-safe; not called again before that report. */
	void (*wake)(struct zok__poll_backend *backend);

	/* How it sleeps, for the engine's report: "epoll_pwait2, to the nanosecond". */
	const char *(*describe)(const struct zok__poll_backend *backend);
};

/* The engine over a backend: what the `create` of an engine's table calls. The other calls of the table are those of zok__poll_… below. */
int zok__poll_create(struct zok__engine **engine, const struct zok__engine_ops *ops, const struct zok__poll_backend_ops *backend,
		     const struct zok__engine_options *options, char *reason, size_t reason_size);
void zok__poll_destroy(struct zok__engine *engine);
void zok__poll_submit(struct zok__engine *engine, struct zok_op *op);
void zok__poll_cancel(struct zok__engine *engine, struct zok_op *op);
int zok__poll_wait(struct zok__engine *engine, uint64_t timeout_ns);
void zok__poll_wake(struct zok__engine *engine);
void zok__poll_release(struct zok__engine *engine, struct zok_buf *buf);
void zok__poll_report(const struct zok__engine *engine, struct zok__engine_report *report);

/* From within the backend's wait(). */
void zok__poll_ready(struct zok__poll *poll, uint64_t tag, unsigned ready);
void zok__poll_woken(struct zok__poll *poll);

#endif
