/*
 * The io_uring engine: one ring a core, completions as the kernel gives them. This file makes and unmakes it; then read
 *
 *   submit.c   op -> SQE, cancel, and the queue of those that find no room
 *   enter.c    wait(): the one system call
 *   reap.c     CQE -> op, delivery, multishots armed again
 *   files.c    file ops: the ring's own, and those that threads do
 *   pinned.c   memory that file ops need not pin each time
 *   close.c    a close ends those who wait on its descriptor
 *   direct.c   the ring's file table: descriptors that do many ops
 *   slots.h    the generation-tagged table between the two
 *   buffers.c  the provided buffer ring
 *   wake.c     wake() from other threads
 *   setup.c    the ring's flags and sizes
 *   probe.c    what this kernel can do, tried
 */
#include "uring/uring.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_DEFAULT = 4096, SLOTS_MAX = 1 << 24 };

static void destroy(struct zok__engine *engine)
{
	struct zok__uring *uring;

	if (!engine)
		return;
	uring = zok__uring_of(engine);
	zok__uring_direct_finish(uring);
	if (uring->ring.ring_fd >= 0)
		io_uring_queue_exit(&uring->ring);
	zok__uring_buffers_finish(uring);
	zok__uring_wake_finish(uring);
	zok__offload_finish(&uring->offload);
	free(uring->descriptors.table);
	if (uring->slots.table)
		zok__slots_finish(&uring->slots);
	free(uring);
}

/* Its owner is who enables it. By the bare call: Debian's liburing 2.3 forgot to export io_uring_enable_rings(). */
static int enable(struct zok__uring *uring)
{
	return io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* After the ring is enabled, by its owner. Whether a device really polls is its driver's affair; the loopback device has nothing to poll. */
static void poll_devices(struct zok__uring *uring, uint32_t busy_poll_us)
{
	struct zok__uring_napi napi = {.busy_poll_to = busy_poll_us, .prefer_busy_poll = 1};
	char reason[sizeof uring->features[0].reason] = "not asked for";
	int rc = -1;

	if (busy_poll_us > 0) {
		rc = io_uring_register((unsigned)uring->ring.ring_fd, ZOK__URING_REGISTER_NAPI, &napi, 1);
		if (rc < 0)
			snprintf(reason, sizeof reason, "kernel refuses it: %s", strerror(-rc));
		else
			snprintf(reason, sizeof reason, "%u us before a sleep", busy_poll_us);
	}
	zok__uring_note_feature(uring, "napi-busy-poll", rc >= 0, reason);
}

static int init(struct zok__uring *uring, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	int rc = zok__uring_setup(uring, options, reason, reason_size);

	if (rc == 0)
		rc = zok__slots_init(&uring->slots, SLOTS_DEFAULT, SLOTS_MAX);
	if (rc == 0 && options->bufs)
		rc = zok__uring_buffers_init(uring, options->bufs);
	if (rc == 0) {
		zok__uring_direct_init(uring, options);
		rc = enable(uring);
	}
	if (rc == 0) {
		poll_devices(uring, options->busy_poll_us);
		rc = zok__uring_wake_init(uring);
	}
	return rc;
}

static int create(struct zok__engine **engine, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	struct zok__uring *uring = aligned_alloc(ZOK_FALSE_SHARING, sizeof *uring);
	int rc;

	assert(options->counters);
	if (!uring)
		return -ENOMEM;
	if (reason_size > 0)
		reason[0] = '\0';
	*uring = (struct zok__uring){.engine.ops = &zok__engine_uring, .ring.ring_fd = -1, .wake_fd = -1, .counters = options->counters};
	zok__offload_init(&uring->offload, &uring->engine, options->threads);
	rc = init(uring, options, reason, reason_size);
	if (rc < 0) {
		if (reason_size > 0 && reason[0] == '\0')
			zok__uring_explain_refusal(rc, reason, reason_size);
		destroy(&uring->engine);
		return rc;
	}
	*engine = &uring->engine;
	return 0;
}

static void report(const struct zok__engine *engine, struct zok__engine_report *report)
{
	const struct zok__uring *uring = (const struct zok__uring *)engine;

	*report = (struct zok__engine_report){
		.engine = zok__engine_uring.name,
		.mode = uring->mode,
		.features = uring->features,
		.feature_count = uring->feature_count,
		.sqpoll_share_fd = uring->is_sqpoll ? uring->ring.ring_fd : 0,
	};
}

const struct zok__engine_ops zok__engine_uring = {
	.name = "uring",
	.create = create,
	.destroy = destroy,
	.submit = zok__uring_submit,
	.cancel = zok__uring_cancel,
	.wait = zok__uring_wait,
	.wake = zok__uring_wake,
	.wake_by = zok__uring_wake_by,
	.release = zok__uring_release,
	.report = report,
};
