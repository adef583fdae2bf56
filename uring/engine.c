/*
 * The io_uring engine: one ring a core, completions as the kernel gives them. This file makes and unmakes it; then read
 *
 *   submit.c   op -> SQE, cancel, and the queue of those that find no room
 *   enter.c    wait(): the one system call
 *   reap.c     CQE -> op, delivery, multishots armed again
 *   close.c    a close ends those who wait on its descriptor
 *   slots.h    the generation-tagged table between the two
 *   buffers.c  the provided buffer ring
 *   wake.c     wake() from other threads
 *   setup.c    the ring's flags and sizes
 *   probe.c    what this kernel can do, tried
 */
#include "uring/uring.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOTS_DEFAULT = 4096, SLOTS_MAX = 1 << 24 };

static void destroy(struct zok__engine *engine)
{
	struct zok__uring *uring;

	if (!engine)
		return;
	uring = zok__uring_of(engine);
	if (uring->ring.ring_fd >= 0)
		io_uring_queue_exit(&uring->ring);
	zok__uring_buffers_finish(uring);
	zok__uring_wake_finish(uring);
	free(uring->descriptors.counts);
	if (uring->slots.table)
		zok__slots_finish(&uring->slots);
	free(uring);
}

/* Its owner is who enables it. By the bare call: Debian's liburing 2.3 forgot to export io_uring_enable_rings(). */
static int enable(struct zok__uring *uring)
{
	return io_uring_register((unsigned)uring->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int init(struct zok__uring *uring, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	int rc = zok__uring_setup(uring, options, reason, reason_size);

	if (rc == 0)
		rc = zok__slots_init(&uring->slots, SLOTS_DEFAULT, SLOTS_MAX);
	if (rc == 0 && options->bufs)
		rc = zok__uring_buffers_init(uring, options->bufs);
	if (rc == 0)
		rc = enable(uring);
	if (rc == 0)
		rc = zok__uring_wake_init(uring);
	return rc;
}

static int create(struct zok__engine **engine, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	struct zok__uring *uring = aligned_alloc(ZOK_FALSE_SHARING, sizeof *uring);
	int rc;

	if (!uring)
		return -ENOMEM;
	if (reason_size > 0)
		reason[0] = '\0';
	*uring = (struct zok__uring){.engine.ops = &zok__engine_uring, .ring.ring_fd = -1, .wake_fd = -1, .counters = options->counters};
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
