/* A core's life: made by the runtime, run by its own thread. */
#include "core/core.h"

#include "core/away.h"
#include "core/leak.h"
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* initial-exec: one load from the thread's block, where the default for a shared library is a call; the library cannot be dlopen()ed late for it
 * to fail, as it needs eight bytes of the reserve that the C library keeps. */
static _Thread_local struct zok_core *this_core __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) struct zok_core *zok__core(void)
{
	/* The compiler may neither inline this nor take two calls for one: after a suspension the answer may differ. */
	__asm__ volatile("");
	return this_core;
}

int zok_core_index(void)
{
	struct zok_core *core = zok__core();

	return core ? (int)core->options.index : -1;
}

/* Time charged is multiplied by the weight: the class with the larger share pays less for the same time. */
static void init_pace(struct zok_core *core)
{
	unsigned normal = core->options.share[ZOK_CLASS_NORMAL], bulk = core->options.share[ZOK_CLASS_BULK];

	for (int c = 0; c < ZOK__CLASS_COUNT; c++)
		core->pace[c] = (struct zok__pace){.weight = 1, .quantum = 1};
	core->pace[ZOK_CLASS_NORMAL].weight = bulk;
	core->pace[ZOK_CLASS_BULK].weight = normal;
}

static int init_pools(struct zok_core *core)
{
	struct zok_pool_options fibers = {
		.name = "fibers", .object_size = sizeof(struct zok__fiber), .allocator = zok__core_allocator(core)};
	struct zok_pool_options scopes = {
		.name = "scopes", .object_size = sizeof(struct zok_scope), .allocator = zok__core_allocator(core)};
	int rc = zok_pool_init(&core->fibers, &fibers);

	return rc < 0 ? rc : zok_pool_init(&core->scopes, &scopes);
}

int zok__core_create(struct zok_core **out, const struct zok__core_options *options)
{
	struct zok__stack_source stacks;
	struct zok_core *core;
	int rc = zok__core_memory_create(&core, options);

	if (rc < 0)
		return rc;
	core->counters = options->counters ? options->counters : &core->own_counters;
	init_pace(core);
	for (int c = 0; c < ZOK__CLASS_COUNT; c++) {
		zok__runq_init(&core->runq[c]);
		zok__sampler_init(&core->samplers[c], options->index * ZOK__CLASS_COUNT + (uint32_t)c + 1);
	}
	core->slice_queue = &core->runq[ZOK_CLASS_INHERIT];
	stacks = zok__core_stack_source(core);
	zok__stack_cache_init(&core->stacks, &(struct zok__stack_cache_options){.source = &stacks});
	rc = init_pools(core);
	if (rc == 0)
		rc = zok__bufs_init(&core->bufs, zok__heap_allocator(core->heap), options->receive_buffers, options->receive_buffer_size);
	if (rc == 0)
		rc = zok__mail_init(&core->mail, zok__heap_allocator(core->heap), options->core_count, options->mode == ZOK__MODE_SPIN);
	if (rc == 0 && options->core_count > 1 && options->stealing != ZOK__STEALING_OFF)
		rc = zok__steal_create(core);
	if (rc < 0) {
		zok__core_destroy(core);
		return rc;
	}
	*out = core;
	return 0;
}

void zok__core_destroy(struct zok_core *core)
{
	if (!core)
		return;
	assert(!core->engine);
	zok__steal_destroy(core);
	zok__mail_finish(&core->mail);
	zok__bufs_finish(&core->bufs);
	zok__stack_cache_finish(&core->stacks);
	zok_pool_finish(&core->scopes);
	zok_pool_finish(&core->fibers);
	zok__leak_forget(core);
	zok__heap_destroy(core->heap); /* the core lies in it */
}

int zok__core_open(struct zok_core *core, char *reason, size_t reason_size)
{
	struct zok__engine_options options = {
		.mode = core->options.mode,
		.sq_entries = core->options.sq_entries,
		.cq_entries = core->options.cq_entries,
		.sqpoll_cpu = core->options.sqpoll_cpu,
		.sqpoll_idle_ms = core->options.sqpoll_idle_ms,
		.sqpoll_share_fd = core->options.sqpoll_share_fd,
		.busy_poll_us = core->options.busy_poll_us,
		.direct_descriptors = core->options.direct_descriptors,
		.direct_after_ops = core->options.direct_after_ops,
		.bufs = &core->bufs,
		.threads = core->options.threads,
		.counters = core->counters,
	};
	int rc = core->options.engine->create(&core->engine, &options, reason, reason_size);

	if (rc < 0)
		return rc;
	core->bufs.engine = core->engine;
	this_core = core;
	zok__mail_connect(core);
	core->errno_address = &errno;
	zok__clock_start(&core->clock, NULL);
	core->now_ns = zok__clock_now_ns(&core->clock);
	core->spin_ns = core->options.spin_ns_max;
	core->spin_wait_cycles = zok__clock_ns_to_cycles(&core->clock, ZOK__SPIN_WAIT_NS);
	zok__wheel_init(&core->wheel, core->now_ns);
	zok_list_init(&core->drains);
	zok__scope_init_roots(core);
	zok__fiber_state_init_thread(&core->loop_state);
	return 0;
}

void zok__core_close(struct zok_core *core)
{
	/* All loops are over: what others have sent home last is there. */
	if (core->steal)
		zok__away_take(core);
	if (core->signals)
		core->signals->finish(core->signals);
	if (core->processes)
		core->processes->finish(core->processes);
	if (core->net)
		core->net->finish(core->net);
	if (core->fs)
		core->fs->finish(core->fs);
	core->options.engine->destroy(core->engine);
	core->engine = NULL;
	this_core = NULL;
}

void zok__core_stop(struct zok_core *core)
{
	core->is_stopping = true;
}
