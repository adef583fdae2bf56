/*
 * More than one core: telling another core something, doing a thing on every core, and services that have a part on each.
 *
 * Cores share nothing. Data belongs to one of them, and the others ask it: zok_call_on() (runtime.h) runs a fiber there and waits for its result,
 * zok_spawn_on() does not wait, zok_tell() only leaves a few words.
 *
 *	struct counter { uint64_t hits; };
 *	static struct zok_sharded *counters;
 *
 *	static int hit(void *shard, void *arg)                     runs on the shard's core
 *	{
 *		((struct counter *)shard)->hits++;
 *		return 0;
 *	}
 *	…
 *	zok_sharded_start(&counters, &(struct zok_sharded_options){.size = sizeof(struct counter)});
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

ZOK_END_DECLS

#endif
