/*
 * Who searches for work to steal, and who wakes whom: the accesses, and nothing else, so that the model check (tests/model/model_search.c) runs these
 * very functions. What it is for: steal.h.
 *
 * A thief that is about to sleep says so, puts a fence, and looks at all deques; who shares work puts a fence behind it and looks whether anybody waits.
 * One searcher at a time: who finds that somebody searches already leaves its work to that one, which looks again behind a fence when it is over.
 */
#ifndef CORE_SEARCH_H
#define CORE_SEARCH_H

#include "zokio/atomic.h"

#include <stdbool.h>
#include <stdint.h>

struct zok_core;

/* What all cores of a runtime have in common. */
struct zok__thieves {
	_Alignas(ZOK_FALSE_SHARING) unsigned parked_count; /* cores whose is_waiting is set. Changes with it, a little later or earlier */
	unsigned searching_count;			   /* cores that were woken to search and have not found or given up */
	uint64_t reported_ns;				   /* when a stuck core was last reported */
};

/* How the functions below reach the cores. */
struct zok__search_ways {
	struct zok_core *(*nearest_waiting)(const struct zok_core *core);  /* by zok__search_is_waiting(); NULL: nobody waits */
	bool (*pick)(struct zok__thieves *thieves, struct zok_core *peer); /* zok__search_pick(), and wakes it. False: it has gone */
	bool (*is_anything_left)(const struct zok_core *core);		   /* in any core's deques */
};

/* ---- The thief ---- */

/* Before the fence of parking. Relaxed: that orders both. */
static inline void zok__search_wait(struct zok__thieves *thieves, bool *is_waiting)
{
	ZOK__STORE(is_waiting, true, RELAXED);
	(void)ZOK__ADD(&thieves->parked_count, 1, RELAXED);
}

/* After waking. False: somebody has picked this core to search, and counts it as such until zok__search_end(). */
static inline bool zok__search_was_not_picked(struct zok__thieves *thieves, bool *is_waiting)
{
	/* Acquire pairs with the fence before zok__search_pick(): what it is woken for is found. */
	if (!ZOK__EXCHANGE(is_waiting, false, ACQUIRE))
		return false;
	(void)ZOK__ADD(&thieves->parked_count, -1, RELAXED);
	return true;
}

/* ---- Who shares ---- */

/* Relaxed: behind a fence. */
static inline bool zok__search_is_waiting(const bool *is_waiting)
{
	return ZOK__LOAD(is_waiting, RELAXED);
}

/* Makes a core that waits the one that searches. Whoever clears the flag, we or the core itself, has its share of parked_count to give back. */
static inline bool zok__search_pick(struct zok__thieves *thieves, bool *is_waiting)
{
	/* Relaxed: the fence before it is a release fence, too, which the acquire in zok__search_was_not_picked() pairs with. */
	if (!ZOK__EXCHANGE(is_waiting, false, RELAXED))
		return false;
	(void)ZOK__ADD(&thieves->parked_count, -1, RELAXED);
	return true;
}

/* Makes us the one that looks for a searcher, if nobody searches. Relaxed: the fences around it order it. */
static inline bool zok__search_claim(struct zok__thieves *thieves)
{
	unsigned nobody = 0;

	return ZOK__LOAD(&thieves->searching_count, RELAXED) == 0 && ZOK__CAS(&thieves->searching_count, &nobody, 1, RELAXED);
}

/*
 * Wakes a core that waits to search, if nobody searches. Where the core that we have seen has gone when we pick it, we have seemed to search meanwhile:
 * others have left their work to us, and a core may have begun to wait behind our back. So we look again, until nobody waits; a bounded number of tries
 * would leave the last to nobody.
 */
static inline void zok__search_hand_over(struct zok__thieves *thieves, const struct zok_core *core, const struct zok__search_ways *ways)
{
	struct zok_core *peer;

	while (ZOK__LOAD(&thieves->parked_count, RELAXED) > 0 && (peer = ways->nearest_waiting(core)) != NULL) {
		if (!zok__search_claim(thieves) || ways->pick(thieves, peer))
			return;
		(void)ZOK__ADD(&thieves->searching_count, -1, RELAXED);
		/* Pairs with the fence of zok__search_begin() in others: who saw our claim has pushed before our look. */
		ZOK__FENCE_SEQ_CST();
		if (!ways->is_anything_left(core))
			return;
	}
}

/* There is something to steal on this core: a core that parks sees it, or we see that core. */
static inline void zok__search_begin(struct zok__thieves *thieves, const struct zok_core *core, const struct zok__search_ways *ways)
{
	/* Pairs with the fence in zok__park_announce(), between a thief's zok__search_wait() and its look. */
	ZOK__FENCE_SEQ_CST();
	zok__search_hand_over(thieves, core, ways);
}

/* A core that was picked has looked for work. */
static inline void zok__search_end(struct zok__thieves *thieves, const struct zok_core *core, const struct zok__search_ways *ways,
				   bool has_found)
{
	(void)ZOK__ADD(&thieves->searching_count, -1, RELAXED);
	/* Pairs with the fence in zok__search_begin(): who saw us search left its work to the look below, or sees that we do not. */
	ZOK__FENCE_SEQ_CST();
	/* Without a find we look again before parking; with one somebody else should. */
	if (has_found && ways->is_anything_left(core))
		zok__search_begin(thieves, core, ways);
}

#endif
