/*
 * More than one core: telling another core something, doing a thing on every core, and services that have a part on each.
 *
 * Cores share nothing. Data belongs to one of them, and the others ask it: zok_call_on() (runtime.h) runs a fiber there and waits for its result,
 * zok_spawn_on() does not wait, zok_tell() only leaves a few words.
 *
 *	struct counter { uint64_t hits; };
 *
 *	static int hit(void *shard, void *arg)                     runs on the shard's core
 *	{
 *		((struct counter *)shard)->hits++;
 *		return 0;
 *	}
 *	…
 *	zok_sharded_start(&counters, &(struct zok_sharded_options){.name = "counters", .size = sizeof(struct counter)});
 *	zok_sharded_on(counters, hash % zok_core_count(), hit, NULL);
 *	zok_sharded_stop(counters);
 *
 * Unless a line says otherwise functions are called by a fiber on a core, and suspend it.
 */
#ifndef ZOKIO_CORES_H
#define ZOKIO_CORES_H

#include "zokio/base.h"

ZOK_BEGIN_DECLS

/*
 * Has core `core` run fn(arg, value) between its tasks. All three cross in one cache line: the cheapest word that one core can have with another.
 * fn must be short and must not suspend; it may wake, spawn and tell. What one core tells another arrives in the order of the calls, also beside
 * zok_call_on() and zok_spawn_on(), and is run before the runtime ends.
 *
 * Tasks, fibers, and fn itself may call it. Where too much is under way to that core already (some 256 messages) a fiber is suspended until there
 * is room, so that a core that is told more than it can do slows those who tell it; anybody else gets -EAGAIN. A cancel ends the suspension, and
 * then nothing was told: -ECANCELED, -ETIMEDOUT. -EINVAL: no such core, or not on a core.
 */
ZOK_API int zok_tell(unsigned core, void (*fn)(void *arg, uint64_t value), void *arg, uint64_t value);

/*
 * Runs fn(arg) in a fiber on every core at the same time, the calling one too, and suspends until all have ended. Returns 0 or the first error; a
 * cancel reaches all of them. fn must bear being run at several places at once. -EINVAL: not on a core; -ENOMEM: not run everywhere.
 */
ZOK_API int zok_broadcast(int (*fn)(void *arg), void *arg);

/*
 * On every core at the same time map(arg, part), where part is `size` zeroed bytes, aligned for anything; when all have ended, reduce(total, part)
 * here, once for each core in the order of the cores, with plain access to all of it. Returns 0, or the first error of a map: then nothing is
 * reduced. reduce does not suspend. -EINVAL: size 0, or not on a core; -ENOMEM.
 */
ZOK_API int zok_map_reduce(int (*map)(void *arg, void *part), void (*reduce)(void *total, const void *part), void *arg, void *total,
			   size_t size);

/* A service with a shard on every core: memory that only its core touches. */
struct zok_sharded;

struct zok_sharded_options {
	const char *name;		      /* a string that outlives the service; NULL: "sharded" */
	size_t size;			      /* of a shard; zeroed, on lines that it shares with nothing, allocated on its core */
	int (*start)(void *shard, void *arg); /* NULL: nothing to do */
	void (*stop)(void *shard, void *arg); /* NULL: nothing to do */
	void *arg;
};

/*
 * Makes a shard on each core and runs start(shard, arg) there, in fibers, one core after another from the first on: what a shard needs of those
 * before it is there. Where one fails, those that had started are stopped again and its error is returned; `*sharded` is untouched then. What was
 * started is stopped by zok_sharded_stop(), before the runtime ends. -EINVAL: size 0, or not on a core; -ENOMEM.
 */
ZOK_API int zok_sharded_start(struct zok_sharded **sharded, const struct zok_sharded_options *options);

/* Runs stop(shard, arg) on each core, from the last to the first, also in a scope that was cancelled (shielded), and frees it all. NULL is fine. */
ZOK_API void zok_sharded_stop(struct zok_sharded *sharded);

/* The calling core's shard. Any task or fiber; does not suspend. Not kept over a suspension by what may be stolen. NULL: not on a core. */
ZOK_API void *zok_sharded_local(struct zok_sharded *sharded);

/* Runs fn(shard, arg) in a fiber on core `core`, with its shard, and suspends until it has ended; returns its result, or as zok_call_on(). */
ZOK_API int zok_sharded_on(struct zok_sharded *sharded, unsigned core, int (*fn)(void *shard, void *arg), void *arg);

ZOK_END_DECLS

#endif
