/* A service with a shard on every core (the shape is Seastar's sharded<>). */
#include "runtime/runtime.h"

#include "core/alloc.h"
#include "core/log.h"
#include "zokio/cores.h"

#include <errno.h>
#include <string.h>

struct zok_sharded {
	struct zok_sharded_options options;
	unsigned core_count;
	void *shards[]; /* by core; written by its core while the service starts and stops */
};

static size_t whole_size(unsigned core_count)
{
	return sizeof(struct zok_sharded) + core_count * sizeof(void *);
}

static size_t shard_size(const struct zok_sharded *sharded)
{
	return (sharded->options.size + ZOK_FALSE_SHARING - 1) & ~(size_t)(ZOK_FALSE_SHARING - 1);
}

static void free_shard(struct zok_sharded *sharded, unsigned index)
{
	zok__release(zok_allocator(), sharded->shards[index], shard_size(sharded));
	sharded->shards[index] = NULL;
}

/* On the shard's core, so that its memory is touched first where it belongs. */
static int start_here(void *arg)
{
	struct zok_sharded *sharded = arg;
	unsigned index = (unsigned)zok_core_index();
	void *shard = zok__allocate(zok_allocator(), shard_size(sharded), ZOK_FALSE_SHARING);
	int rc = 0;

	if (!shard)
		return -ENOMEM;
	memset(shard, 0, shard_size(sharded));
	sharded->shards[index] = shard;
	if (sharded->options.start)
		rc = sharded->options.start(shard, sharded->options.arg);
	if (rc < 0)
		free_shard(sharded, index);
	return rc < 0 ? rc : 0;
}

static int stop_here(void *arg)
{
	struct zok_sharded *sharded = arg;
	unsigned index = (unsigned)zok_core_index();

	if (sharded->options.stop)
		sharded->options.stop(sharded->shards[index], sharded->options.arg);
	free_shard(sharded, index);
	return 0;
}

/* Only want of memory for a fiber there can keep it from stopping; that passes, or the shard is lost, and that is told. */
static void stop_at(struct zok_sharded *sharded, unsigned index)
{
	int rc = zok_call_on(index, stop_here, sharded);

	if (rc < 0)
		zok__log(ZOK_LOG_ERROR, "%s: not stopped on core %u: %s", sharded->options.name, index, strerror(-rc));
}

/* From the last that started to the first. A cancel does not reach in: what was started is stopped. */
static void stop_first(struct zok_sharded *sharded, unsigned count)
{
	struct zok_scope shield;

	zok_scope_init(&shield, zok__core()->current, &(struct zok_scope_options){.name = sharded->options.name, .is_shielded = true});
	while (count > 0)
		stop_at(sharded, --count);
	zok_scope_close(&shield, 0);
}

static void free_whole(struct zok_sharded *sharded)
{
	zok__release(zok_allocator(), sharded, whole_size(sharded->core_count));
}

static int refuse(const char *why)
{
	zok__log(ZOK_LOG_ERROR, "zok_sharded_start: %s", why);
	return -EINVAL;
}

static int make_whole(struct zok_sharded **out, const struct zok_sharded_options *options)
{
	unsigned count = zok_core_count();
	struct zok_sharded *sharded = zok__allocate(zok_allocator(), whole_size(count), _Alignof(struct zok_sharded));

	if (!sharded)
		return -ENOMEM;
	memset(sharded, 0, whole_size(count));
	sharded->options = *options;
	sharded->options.name = options->name ? options->name : "sharded";
	sharded->core_count = count;
	*out = sharded;
	return 0;
}

int zok_sharded_start(struct zok_sharded **out, const struct zok_sharded_options *options)
{
	struct zok_sharded *sharded;
	unsigned started = 0;
	int rc;

	if (!zok__core() || !zok__runtime())
		return refuse("can be called on a core only");
	if (options->size == 0 || options->size > SIZE_MAX / 2)
		return refuse("size: must be that of a shard");
	rc = make_whole(&sharded, options);
	if (rc < 0)
		return rc;
	while (rc == 0 && started < sharded->core_count)
		if ((rc = zok_call_on(started, start_here, sharded)) == 0)
			started++;
	if (rc < 0) {
		/* A cancel may have reached the call after the shard had started: then it is there, and is stopped too. */
		stop_first(sharded, started + (sharded->shards[started] ? 1 : 0));
		free_whole(sharded);
		return rc;
	}
	*out = sharded;
	return 0;
}

void zok_sharded_stop(struct zok_sharded *sharded)
{
	if (!sharded)
		return;
	stop_first(sharded, sharded->core_count);
	free_whole(sharded);
}

void *zok_sharded_local(struct zok_sharded *sharded)
{
	int index = zok_core_index();

	return index < 0 ? NULL : sharded->shards[index];
}

struct on {
	struct zok_sharded *sharded;
	int (*fn)(void *shard, void *arg);
	void *arg;
};

static int run_on(void *arg)
{
	struct on *on = arg;

	return on->fn(zok_sharded_local(on->sharded), on->arg);
}

int zok_sharded_on(struct zok_sharded *sharded, unsigned core, int (*fn)(void *shard, void *arg), void *arg)
{
	struct on on = {.sharded = sharded, .fn = fn, .arg = arg};

	return zok_call_on(core, run_on, &on);
}
