/*
 * The timer wheel of a core: insert and cancel in constant time, the next expiry exactly, all that is due in one batch.
 *
 * Time is counted in ticks of 1024 ns. A deadline is rounded up to its tick, so a timer never fires early and fires at most one tick late
 * (plus what passes until the core calls zok__wheel_expire()). The wheel never reads a clock: its owner hands in the time, which must not
 * go backwards; an earlier time than the last is taken as the last.
 *
 * Structure. A radix trie of 256-way levels, keyed by the tick as seen from the wheel's present tick: an entry lies on the level of the
 * highest group of 8 bits in which the two differ, in the slot that this group of its own tick names. So all of level n expires before
 * anything on level n + 1, slots of a level expire in their order, and the first occupied slot, two bit scans away, holds the earliest.
 * When time reaches a slot above level 0 its entries are placed anew, lower down: at most once a level in the life of an entry. This is the
 * hashed hierarchical wheel of Varghese and Lauck (SOSP 1987, scheme 7) with the placement of a radix heap (Ahuja et al., JACM 1990).
 *
 * All functions are for the core that owns the wheel. None allocates, none can fail.
 */
#ifndef CORE_WHEEL_H
#define CORE_WHEEL_H

#include "zokio/timer_entry.h"

enum {
	ZOK__WHEEL_TICK_SHIFT = 10,
	ZOK__WHEEL_GROUP_BITS = 8,
	ZOK__WHEEL_LEVELS = (64 - ZOK__WHEEL_TICK_SHIFT + ZOK__WHEEL_GROUP_BITS - 1) / ZOK__WHEEL_GROUP_BITS,
	ZOK__WHEEL_SLOTS = ZOK__WHEEL_LEVELS << ZOK__WHEEL_GROUP_BITS,
	ZOK__WHEEL_WORDS = ZOK__WHEEL_SLOTS / 64,
};

/* The longest that a timer that is due can wait for its tick. */
#define ZOK__WHEEL_TICK_NS (UINT64_C(1) << ZOK__WHEEL_TICK_SHIFT)

struct zok__wheel_slot {
	struct zok_list entries;
	uint64_t earliest_ns; /* no entry's deadline is before it; ZOK_NEVER while the slot is empty */
	bool is_stale;	      /* the entry that earliest_ns belonged to was cancelled, and nobody has looked since */
};

struct zok__wheel {
	uint64_t now_ns;				/* the latest time handed in */
	uint64_t tick;					/* what was due up to and at this tick has left the slots */
	uint64_t words;					/* a bit for each word of `occupied` that is not 0 */
	uint64_t occupied[ZOK__WHEEL_WORDS];		/* a bit for each slot that is not empty */
	struct zok_list due;				/* what was inserted with a deadline already past */
	struct zok__wheel_slot slots[ZOK__WHEEL_SLOTS]; /* level by level, the lowest first: in the order in which they expire */
};

_Static_assert(ZOK__WHEEL_WORDS <= 64, "one word tells of all others");
_Static_assert(sizeof(struct zok__wheel_slot) == 32, "an insert touches one line of the wheel, and two slots share it");

/* Makes the wheel empty and sets it to the time `now_ns`. The wheel must not move in memory afterwards. */
void zok__wheel_init(struct zok__wheel *wheel, uint64_t now_ns);

/*
 * Makes `entry`, which must not be pending, expire at `deadline_ns` (any but ZOK_NEVER). A deadline already past expires at the next
 * zok__wheel_expire(). The entry belongs to the wheel until it was cancelled or popped from a batch. Deadlines within the very last tick of
 * 64 bits expire at that tick's start, for there is no later one.
 */
void zok__wheel_insert(struct zok__wheel *wheel, struct zok_timer_entry *entry, uint64_t deadline_ns);

/*
 * Takes `entry` out, wherever it is: in the wheel or in a batch of zok__wheel_expire() whose handler has not come to it yet. Returns whether
 * it was pending; false means that it was popped or cancelled before, or never inserted.
 */
bool zok__wheel_cancel(struct zok__wheel *wheel, struct zok_timer_entry *entry);

/*
 * When zok__wheel_expire() will next have something to do: the earliest deadline rounded up to its tick; ZOK_NEVER if nothing is pending; a
 * time not after the last one handed in if something is due already. A bit scan or two, unless the earliest was cancelled since: then its
 * slot is searched once. One case is not exact: where the slot of a cancelled earliest timer holds more than a few hundred others, the
 * search stops, and until time reaches that slot the answer is the cancelled timer's. It is early, never late: a wait ends once for nothing.
 */
uint64_t zok__wheel_next_ns(struct zok__wheel *wheel);

/*
 * Sets the wheel to `now_ns` and moves all that is due to the end of `batch` (an initialized list of zok_timer_entry.link): in the order of
 * their ticks, those of one tick in the order of their insertion. The work is in proportion to what expires and what must be placed anew,
 * not to the time that has passed.
 *
 * Handling one entry may cancel or insert any other, also of the same batch, if the handler takes each from the front of the batch just
 * before it handles it:
 *
 *     while ((entry = zok__wheel_pop(&batch)) != NULL)
 *         handle(entry);
 *
 * What waits in the batch is still pending: a cancel takes it out of there and returns true, and it will not be popped. A popped entry is no
 * longer pending and may be inserted again at once; it will not appear in the batch that is being handled.
 */
void zok__wheel_expire(struct zok__wheel *wheel, uint64_t now_ns, struct zok_list *batch);

/* Takes the first entry of a batch; NULL when there is none. */
static inline struct zok_timer_entry *zok__wheel_pop(struct zok_list *batch)
{
	struct zok_list *link = zok_list_pop_front(batch);

	return link ? ZOK_CONTAINER_OF(link, struct zok_timer_entry, link) : NULL;
}

/* Whether `entry` was inserted and has been neither cancelled nor popped. */
static inline bool zok__wheel_is_pending(const struct zok_timer_entry *entry)
{
	return zok_list_is_linked(&entry->link);
}

#endif
