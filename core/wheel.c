#include "core/wheel.h"

#include <assert.h>

enum {
	GROUP_BITS = ZOK__WHEEL_GROUP_BITS,
	/*
	 * How far zok__wheel_next_ns() searches a slot. A search is a chain of dependent loads, some microseconds if none is cached, and a core
	 * that is about to wait must not pay more than that for a better answer: an early one costs it one empty wait.
	 */
	SEARCH_MAX = 256,
};

/* The last tick that begins within 64 bits of nanoseconds. */
#define TICK_LAST (UINT64_MAX >> ZOK__WHEEL_TICK_SHIFT)

static struct zok_timer_entry *entry_of(struct zok_list *link)
{
	return ZOK_CONTAINER_OF(link, struct zok_timer_entry, link);
}

/* The first tick that begins at or after `deadline_ns`. */
static uint64_t tick_of(uint64_t deadline_ns)
{
	if (ZOK_UNLIKELY(deadline_ns > TICK_LAST << ZOK__WHEEL_TICK_SHIFT))
		return TICK_LAST;
	return (deadline_ns + ZOK__WHEEL_TICK_NS - 1) >> ZOK__WHEEL_TICK_SHIFT;
}

/*
 * The slot of a tick after the wheel's own. It stays true while the wheel's time moves on, up to the moment when that reaches the slot and
 * empties it: until then the highest group in which the two differ is the same. So a cancel finds the slot without having stored it.
 */
static unsigned slot_of(const struct zok__wheel *wheel, uint64_t tick)
{
	unsigned level;

	assert(tick > wheel->tick);
	level = (63 - (unsigned)__builtin_clzll(wheel->tick ^ tick)) / GROUP_BITS;
	return level << GROUP_BITS | (tick >> level * GROUP_BITS & ((1u << GROUP_BITS) - 1));
}

static unsigned level_of(unsigned slot)
{
	return slot >> GROUP_BITS;
}

/* The first tick of a slot. */
static uint64_t start_of(const struct zok__wheel *wheel, unsigned slot)
{
	unsigned shift = level_of(slot) * GROUP_BITS;
	uint64_t index = slot & ((1u << GROUP_BITS) - 1);

	return (wheel->tick >> shift >> GROUP_BITS << GROUP_BITS | index) << shift;
}

/* The occupied slot that expires first. Not to be asked where none is. */
static unsigned first_slot(const struct zok__wheel *wheel)
{
	unsigned word = (unsigned)__builtin_ctzll(wheel->words);

	return word * 64 + (unsigned)__builtin_ctzll(wheel->occupied[word]);
}

static void mark_occupied(struct zok__wheel *wheel, unsigned slot)
{
	wheel->occupied[slot / 64] |= UINT64_C(1) << slot % 64;
	wheel->words |= UINT64_C(1) << slot / 64;
}

static void mark_empty(struct zok__wheel *wheel, unsigned slot)
{
	wheel->slots[slot].earliest_ns = ZOK_NEVER;
	wheel->occupied[slot / 64] &= ~(UINT64_C(1) << slot % 64);
	if (wheel->occupied[slot / 64] == 0)
		wheel->words &= ~(UINT64_C(1) << slot / 64);
}

/* Files an entry by its deadline. What its links held before does not matter. */
static void file(struct zok__wheel *wheel, struct zok_timer_entry *entry)
{
	uint64_t tick = tick_of(entry->deadline_ns);
	struct zok__wheel_slot *slot;
	unsigned index;

	if (tick <= wheel->tick) {
		zok_list_push_back(&wheel->due, &entry->link);
		return;
	}
	index = slot_of(wheel, tick);
	slot = &wheel->slots[index];
	zok_list_push_back(&slot->entries, &entry->link);
	mark_occupied(wheel, index);
	if (entry->deadline_ns < slot->earliest_ns) {
		slot->earliest_ns = entry->deadline_ns;
		slot->is_stale = false;
	}
}

void zok__wheel_init(struct zok__wheel *wheel, uint64_t now_ns)
{
	wheel->now_ns = now_ns;
	wheel->tick = now_ns >> ZOK__WHEEL_TICK_SHIFT;
	wheel->words = 0;
	zok_list_init(&wheel->due);
	for (unsigned word = 0; word < ZOK__WHEEL_WORDS; word++)
		wheel->occupied[word] = 0;
	for (unsigned slot = 0; slot < ZOK__WHEEL_SLOTS; slot++) {
		wheel->slots[slot] = (struct zok__wheel_slot){.earliest_ns = ZOK_NEVER};
		zok_list_init(&wheel->slots[slot].entries);
	}
}

void zok__wheel_insert(struct zok__wheel *wheel, struct zok_timer_entry *entry, uint64_t deadline_ns)
{
	assert(!zok__wheel_is_pending(entry) && deadline_ns != ZOK_NEVER);
	/*
	 * A deadline that has passed counts as the tick that the wheel is at. Otherwise one that passed within this very tick would be rounded
	 * up to the next, and a timer of no length at all would wait.
	 */
	entry->deadline_ns = deadline_ns > wheel->now_ns ? deadline_ns : wheel->tick << ZOK__WHEEL_TICK_SHIFT;
	file(wheel, entry);
}

/* What the slot of a cancelled entry must learn from it. */
static void note_cancelled(struct zok__wheel *wheel, uint64_t deadline_ns, uint64_t tick)
{
	unsigned index = slot_of(wheel, tick);
	struct zok__wheel_slot *slot = &wheel->slots[index];

	if (zok_list_is_empty(&slot->entries))
		mark_empty(wheel, index);
	else if (deadline_ns == slot->earliest_ns)
		slot->is_stale = true;
}

bool zok__wheel_cancel(struct zok__wheel *wheel, struct zok_timer_entry *entry)
{
	uint64_t tick;

	if (!zok__wheel_is_pending(entry))
		return false;
	zok_list_remove(&entry->link);
	tick = tick_of(entry->deadline_ns);
	/* Otherwise it was due already, in our list or in a batch: no slot knew of it. */
	if (tick > wheel->tick)
		note_cancelled(wheel, entry->deadline_ns, tick);
	return true;
}

/* Replaces the deadline of a cancelled entry by the earliest that is there, if the slot is small enough to look; it remains a bound if not. */
static void find_earliest(struct zok__wheel_slot *slot)
{
	uint64_t earliest_ns = ZOK_NEVER;
	unsigned searched = 0;

	slot->is_stale = false;
	zok_list_for_each(link, &slot->entries) {
		if (searched++ == SEARCH_MAX)
			return;
		if (entry_of(link)->deadline_ns < earliest_ns)
			earliest_ns = entry_of(link)->deadline_ns;
	}
	slot->earliest_ns = earliest_ns;
}

uint64_t zok__wheel_next_ns(struct zok__wheel *wheel)
{
	struct zok__wheel_slot *slot;
	unsigned index;

	if (!zok_list_is_empty(&wheel->due))
		return wheel->now_ns;
	if (wheel->words == 0)
		return ZOK_NEVER;
	index = first_slot(wheel);
	slot = &wheel->slots[index];
	/* A slot of level 0 is one tick: whichever deadline it remembers says the same. */
	if (slot->is_stale && level_of(index) > 0)
		find_earliest(slot);
	return tick_of(slot->earliest_ns) << ZOK__WHEEL_TICK_SHIFT;
}

/* Files anew all that lies in a slot that time has reached: each entry goes to a lower level, or is due. */
static void cascade(struct zok__wheel *wheel, struct zok_list *entries)
{
	struct zok_list *link = entries->next;

	while (link != entries) {
		struct zok_list *next = link->next;

		file(wheel, entry_of(link));
		link = next;
	}
	zok_list_init(entries);
}

/* Moves the time to the start of the first occupied slot and empties it. */
static void enter(struct zok__wheel *wheel, unsigned slot, uint64_t start)
{
	struct zok_list *entries = &wheel->slots[slot].entries;

	assert(start > wheel->tick);
	wheel->tick = start;
	mark_empty(wheel, slot);
	if (level_of(slot) == 0)
		zok_list_splice(&wheel->due, entries);
	else
		cascade(wheel, entries);
}

void zok__wheel_expire(struct zok__wheel *wheel, uint64_t now_ns, struct zok_list *batch)
{
	uint64_t now_tick = now_ns >> ZOK__WHEEL_TICK_SHIFT;

	if (now_ns > wheel->now_ns)
		wheel->now_ns = now_ns;
	while (wheel->words != 0) {
		unsigned slot = first_slot(wheel);
		uint64_t start = start_of(wheel, slot);

		if (start > now_tick)
			break;
		enter(wheel, slot, start);
	}
	if (now_tick > wheel->tick)
		wheel->tick = now_tick;
	zok_list_splice(batch, &wheel->due);
}
