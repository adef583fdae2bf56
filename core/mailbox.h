/*
 * How work comes to a core from outside: a mailbox from each other core, an inbox from plain threads.
 *
 * A *message* lies in its sender's memory until it was run, so sending allocates nothing and cannot fail: where a mailbox is full the message
 * waits in the sender's own list and is pushed at a later turn of its loop. Two cores that fill each other's mailboxes therefore never wait
 * for one another: each goes on taking.
 *
 * A *note* is a function and two words that lie in the mailbox itself: only its line crosses, where a message's receiver fetches the sender's
 * line as well. Nothing of it stays with its sender, so a full mailbox refuses it: the sender tries again, or waits with it for room.
 *
 * Parking and waking: park.h.
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include "core/park.h"
#include "zokio/future.h"
#include "zokio/memory.h"
#include "zokio/mpsc.h"

struct zok_core;

struct zok__message {
	struct zok_mpsc_node node; /* the inbox's link, and that of the sender's list of messages that wait for room */
	void (*run)(struct zok_core *core, struct zok__message *message); /* on the receiving core; may free the message */
};

typedef void (*zok__mail_fn)(struct zok_core *core, struct zok__message *message);

struct zok__note {
	void (*fn)(void *arg, uint64_t value);
	void *arg;
	uint64_t value;
};

/* What stands in the place of a message's `run` where there is a note; never called. */
void zok__mail_is_note(struct zok_core *core, struct zok__message *message);

/* Full while `run` is not NULL. */
struct zok__mail_slot {
	zok__mail_fn run; /* atomic: publishes the rest, and gives it back */
	union {
		struct zok__message *message;
		struct zok__note note;
	};
};

/*
 * The line between two cores: a slot in either direction. While the two talk in turn (question and answer, or now and then a word) everything
 * goes through it, and one line crosses each time, because whoever answers owns it already: it has just emptied its half. Two lines, one a
 * direction, cost 1.5 to 2.5 as much here: each store then waits for the other's polling to let go of the line (docs/decisions/019).
 */
struct zok__mail_line {
	_Alignas(ZOK_FALSE_SHARING) struct zok__mail_slot half[2]; /* [0] from the core with the lower index */
};

_Static_assert(2 * sizeof(struct zok__mail_slot) == ZOK_CACHE_LINE, "one line crosses");

enum { ZOK__MAILBOX_CAPACITY = 256 };

/*
 * The queue from one core to another, for what does not find the half of the line empty. The indices are each side's own; a slot says itself
 * whether it is full (FastForward: Giacomoni, Moseley, Vachharajani, PPoPP 2008). Two slots share a line, so that bursts cross two by two.
 *
 * Order. The sender goes back to the line only once the receiver has emptied the queue. So what is in the line is older than all in the queue, and
 * the receiver looks at the line again before it takes from the queue.
 */
struct zok__mailbox {
	_Alignas(ZOK_FALSE_SHARING) struct zok__mail_slot slots[ZOK__MAILBOX_CAPACITY];
};

_Static_assert((ZOK__MAILBOX_CAPACITY & (ZOK__MAILBOX_CAPACITY - 1)) == 0, "an index is a slot's number after a mask");

/* One end of the mailboxes between two cores; each core has its own of each pair. */
struct zok__mail_link {
	struct zok__mail_slot *line_out, *line_in;
	struct zok__mailbox *out, *in;
	size_t tail, head; /* of `out` and `in`: the next slot to fill, to empty */
	bool is_queueing;  /* something was put into `out` and was not yet seen to be taken */
	struct {
		struct zok_mpsc_node *first, *last;
	} waiting; /* what waits for room in `out`, first in, first out */
};

static inline struct zok__mail_slot *zok__mailbox_slot(struct zok__mailbox *box, size_t index)
{
	return &box->slots[index & (ZOK__MAILBOX_CAPACITY - 1)];
}

static inline bool zok__mail_slot_is_full(const struct zok__mail_slot *slot)
{
	/* Acquire pairs with the release in zok__mail_slot_run(): the receiver is done with what the slot held. */
	return ZOK__LOAD(&slot->run, ACQUIRE) != (zok__mail_fn)0;
}

/* Sender: the slot to fill, NULL when there is no room. */
static inline struct zok__mail_slot *zok__mail_room(struct zok__mail_link *link)
{
	struct zok__mail_slot *slot;

	if (ZOK_UNLIKELY(link->is_queueing))
		link->is_queueing = zok__mail_slot_is_full(zok__mailbox_slot(link->out, link->tail - 1));
	if (!link->is_queueing && !zok__mail_slot_is_full(link->line_out))
		return link->line_out;
	slot = zok__mailbox_slot(link->out, link->tail);
	return zok__mail_slot_is_full(slot) ? NULL : slot;
}

/* Sender: what was put into the slot is the receiver's from here on. */
static inline void zok__mail_publish(struct zok__mail_link *link, struct zok__mail_slot *slot, zok__mail_fn run)
{
	/* Release: whoever sees `run` sees the rest of the slot, and what a message holds. */
	ZOK__STORE(&slot->run, run, RELEASE);
	if (slot != link->line_out) {
		link->tail++;
		link->is_queueing = true;
	}
}

/* Sender: false when full. */
static inline bool zok__mail_push(struct zok__mail_link *link, struct zok__message *message)
{
	struct zok__mail_slot *slot = zok__mail_room(link);

	if (!slot)
		return false;
	ZOK__PUT(&slot->message, &message);
	zok__mail_publish(link, slot, message->run);
	return true;
}

static inline bool zok__mail_push_note(struct zok__mail_link *link, const struct zok__note *note)
{
	struct zok__mail_slot *slot = zok__mail_room(link);

	if (!slot)
		return false;
	ZOK__PUT(&slot->note, note);
	zok__mail_publish(link, slot, zok__mail_is_note);
	return true;
}

/* Receiver: whether there is something to take. Only a hint without the fences of park.h. */
static inline bool zok__mail_link_is_empty(const struct zok__mail_link *link)
{
	return !ZOK__LOAD(&link->line_in->run, RELAXED) && !ZOK__LOAD(&zok__mailbox_slot(link->in, link->head)->run, RELAXED);
}

/*
 * Receiver: how many there are, as far as it can see. What is full lies together from head on, so that halving finds the end: the fewest looks at
 * the sender's lines.
 */
static inline size_t zok__mail_link_depth(const struct zok__mail_link *link)
{
	size_t least = 0, most = ZOK__MAILBOX_CAPACITY;

	while (least < most) {
		size_t middle = (least + most) / 2;

		/* Relaxed: nothing of the slot is read. */
		if (ZOK__LOAD(&zok__mailbox_slot(link->in, link->head + middle)->run, RELAXED))
			least = middle + 1;
		else
			most = middle;
	}
	/* Relaxed, as above. */
	return least + (ZOK__LOAD(&link->line_in->run, RELAXED) ? 1 : 0);
}

/*
 * Receiver: empties a slot; false if it was empty. It is given back before what it held is run, so that an answer finds the line ours, and the other
 * side never sees an answer beside a half that it takes to be full still.
 */
static inline bool zok__mail_slot_take(struct zok__mail_slot *slot, struct zok__mail_slot *item)
{
	/* Acquire pairs with the release in publish. */
	item->run = ZOK__LOAD(&slot->run, ACQUIRE);
	if (!item->run)
		return false;
	ZOK__GET(&item->note, &slot->note); /* a message is the first word of it */
	/* Release pairs with the acquire in zok__mail_slot_is_full(). */
	ZOK__STORE(&slot->run, (zok__mail_fn)0, RELEASE);
	return true;
}

/* Receiver: the next in order; false when there is none. */
static inline bool zok__mail_pop(struct zok__mail_link *link, struct zok__mail_slot *item)
{
	struct zok__mail_slot *slot;

	if (zok__mail_slot_take(link->line_in, item))
		return true;
	slot = zok__mailbox_slot(link->in, link->head);
	/* Acquire: with the queue's slot we see what the sender had put into the line before it, and that goes first. */
	if (ZOK_LIKELY(!ZOK__LOAD(&slot->run, ACQUIRE)))
		return false;
	if (zok__mail_slot_take(link->line_in, item))
		return true;
	link->head++;
	return zok__mail_slot_take(slot, item);
}

ZOK_MPSC(zok__inbox, struct zok__message, node);

struct zok__mail {
	/* everybody reads these, nobody writes them while cores run */
	struct zok__mailbox *boxes;   /* one from each core, by its index: on the receiver's node */
	struct zok__mail_line *lines; /* one to each core of a higher index, and to itself */
	const struct zok_allocator *allocator;
	unsigned core_count;
	bool never_parks; /* it spins: senders need no fence and no look at is_parked */

	/* the core's own */
	_Alignas(ZOK_FALSE_SHARING) struct zok__mail_link *links; /* one to each core */
	unsigned waiting_count;					  /* messages and notes that wait for room */
	uint64_t notes_sent, notes_run;
	bool wakes_by_ring; /* it wakes its peers by the engine's wake_by() */
	struct zok__inbox inbox;
	_Alignas(ZOK_FALSE_SHARING) bool is_parked; /* atomic, park.h */
};

/* `allocator`: of the receiver's node. -ENOMEM. */
int zok__mail_init(struct zok__mail *mail, const struct zok_allocator *allocator, unsigned core_count, bool never_parks);
void zok__mail_finish(struct zok__mail *mail);

/* Joins the core's ends to those of its peers, of which those with lower indices exist. Before anything is sent to it or by it. */
void zok__mail_connect(struct zok_core *core);

/* From one core to another, on the sender's core. A core may send to itself. */
void zok__mail_send(struct zok_core *from, struct zok_core *to, struct zok__message *message);

/* The same with a note; false, and nothing was sent, where there is no room or something waits for it already. */
bool zok__mail_note(struct zok_core *from, struct zok_core *to, const struct zok__note *note);

/* From any thread. The core must stay open until the message has been run. */
void zok__mail_post(struct zok_core *to, struct zok__message *message);

/* Wakes a core that is parked, after something was left for it that it looks for before it sleeps. Any thread; `from` is its core, or NULL. */
void zok__mail_wake(struct zok_core *from, struct zok_core *to);

/* A note that waits for room, in its sender's memory until `room` is ready: then it was sent (0), or cancelled before it was (-ECANCELED). */
struct zok__waiting_note {
	struct zok__message message; /* first: its place among those that wait */
	struct zok_future room;
	struct zok_core *from, *to;
	struct zok__note note;
};

/* Prepares `waiting->room`; awaiting it puts the note behind all that waits for room at `to`. */
void zok__mail_wait_prepare(struct zok__waiting_note *waiting, struct zok_core *from, struct zok_core *to, const struct zok__note *note);

/* Runs what has come and pushes what waits. Returns whether anything was run, or a note that waited was sent. On the core. */
bool zok__mail_take(struct zok_core *core);

/* Whether nothing has come that was not taken, and nothing waits for room elsewhere. On the core. */
bool zok__mail_is_empty(const struct zok_core *core);

/* Whether something has come from another core: a hint, and the cheapest look that there is. On the core. */
static inline bool zok__mail_from_peers(const struct zok__mail *mail, unsigned self)
{
	for (unsigned i = 0; i < mail->core_count; i++)
		if (i != self && !zok__mail_link_is_empty(&mail->links[i]))
			return true;
	return false;
}

/* Before sleeping: false if there is mail after all. After true the core may sleep and calls unpark. */
bool zok__mail_park(struct zok_core *core);
void zok__mail_unpark(struct zok_core *core);

#endif
