/* The engine over readiness from create to destroy, and what it says of itself. */
#include "poll/poll.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The lowest buffer on top; later the one that was released last, whose memory is warmest. */
static void take_buffers(struct zok__poll *poll, struct zok__bufs *bufs)
{
	poll->bufs = bufs;
	if (!bufs)
		return;
	bufs->engine = &poll->engine;
	for (uint32_t i = bufs->count; i-- > 0;)
		if (!bufs->bufs[i].is_out)
			zok__poll_release(&poll->engine, &bufs->bufs[i]);
}

static void describe(struct zok__poll *poll)
{
	const struct zok__engine_feature features[] = {
		{"edge-triggered", true, "one registration a descriptor"},
		{"wait-precision", true, ""},
		{"multishot-accept", true, "repeated by the engine"},
		{"multishot-recv", true, "repeated by the engine, into pool buffers"},
		{ZOK__FEATURE_RECVMSG, true, "repeated by the engine, into pool buffers"},
		{"asynchronous-files", false, "by threads, or at once out of the page cache"},
	};

	_Static_assert(sizeof features == sizeof poll->features, "one row each");
	for (size_t i = 0; i < sizeof features / sizeof *features; i++)
		poll->features[i] = features[i];
	snprintf(poll->features[1].reason, sizeof poll->features[1].reason, "%s", poll->backend_ops->describe(poll->backend));
}

int zok__poll_create(struct zok__engine **engine, const struct zok__engine_ops *ops, const struct zok__poll_backend_ops *backend,
		     const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	struct zok__poll *poll = aligned_alloc(ZOK_FALSE_SHARING, sizeof *poll);
	int rc;

	assert(options->counters);
	if (!poll)
		return -ENOMEM;
	*poll = (struct zok__poll){.engine.ops = ops, .backend_ops = backend, .mode = options->mode, .counters = options->counters};
	zok__offload_init(&poll->offload, &poll->engine, options->threads);
	rc = backend->create(&poll->backend, reason, reason_size);
	if (rc < 0) {
		zok__offload_finish(&poll->offload);
		free(poll);
		return rc;
	}
	take_buffers(poll, options->bufs);
	describe(poll);
	*engine = &poll->engine;
	return 0;
}

void zok__poll_destroy(struct zok__engine *engine)
{
	struct zok__poll *poll = (struct zok__poll *)(void *)engine;

	if (!poll)
		return;
	assert(!poll->later.first && !poll->closing.first && poll->depth == 0);
	zok__offload_finish(&poll->offload);
	poll->backend_ops->destroy(poll->backend);
	zok__poll_table_finish(poll);
	free(poll);
}

/* There is no thread of the kernel's that could submit for us: who asks for sqpoll gets park and is told. */
void zok__poll_report(const struct zok__engine *engine, struct zok__engine_report *report)
{
	static const char *const modes[] = {
		[ZOK__MODE_PARK] = "park",
		[ZOK__MODE_ADAPTIVE] = "adaptive",
		[ZOK__MODE_SPIN] = "spin",
		[ZOK__MODE_SQPOLL] = "park",
	};
	const struct zok__poll *poll = (const struct zok__poll *)(const void *)engine;

	*report = (struct zok__engine_report){
		.engine = engine->ops->name,
		.mode = modes[poll->mode],
		.features = poll->features,
		.feature_count = sizeof poll->features / sizeof *poll->features,
	};
}
