/*
 * How work comes to a core from outside: a mailbox from each other core, an inbox from plain threads.
 *
 * A message lies in its sender's memory until it was run, so sending allocates nothing and cannot fail: where a mailbox is full the message
 * waits in the sender's own list and is pushed at a later turn of its loop. Two cores that fill each other's mailboxes therefore never wait
 * for one another: each goes on taking.
 *
 * Parking and waking. A core that is about to sleep says so, then looks again; a sender pushes, then looks whether the core sleeps. Each has a
 * full fence between its two steps, so at least one of them sees the other (Dekker): no message is left to a core that sleeps.
 *
 *	core                          sender
 *	is_parked = true              push message
 *	fence                         fence
 *	mail empty? then sleep        is_parked? then engine->wake()
 *
 * Several senders may see the core parked and wake it more than once; the engine's wake is idempotent while it is pending.
 */
#ifndef CORE_MAILBOX_H
#define CORE_MAILBOX_H

#include "zokio/base.h"
#include "zokio/mpsc.h"

struct zok_core;

struct zok__message {
	struct zok_mpsc_node node; /* the inbox's link, and that of the sender's list of messages that wait for room */
	void (*run)(struct zok_core *core, struct zok__message *message); /* on the receiving core; may free the message */
};

enum { ZOK__MAILBOX_CAPACITY = 256 };

/*
 * The queue from one core to another: a slot that is not NULL holds a message. The indices are each side's own, so that one line crosses, the
 * slot's, where a queue with shared indices moves two (FastForward: Giacomoni, Moseley, Vachharajani, PPoPP 2008). Each slot has a line to
 * itself, which the sender fetches for writing one message ahead: its last writer was the receiver. For bursts <zokio/spsc.h> is the better one;
 * messages come one by one.
 */
struct zok__mail_slot {
	_Alignas(ZOK_CACHE_LINE) struct zok__message *message;
};

struct zok__mailbox {
	_Alignas(ZOK_FALSE_SHARING) size_t tail; /* the sender's: the next slot to fill */
	_Alignas(ZOK_FALSE_SHARING) size_t head; /* the receiver's: the next to empty */
	_Alignas(ZOK_FALSE_SHARING) struct zok__mail_slot slots[ZOK__MAILBOX_CAPACITY];
};

_Static_assert((ZOK__MAILBOX_CAPACITY & (ZOK__MAILBOX_CAPACITY - 1)) == 0, "an index is a slot's number after a mask");

static inline struct zok__message **zok__mailbox_slot(const struct zok__mailbox *box, size_t index)
{
	return (struct zok__message **)(uintptr_t)&box->slots[index & (ZOK__MAILBOX_CAPACITY - 1)].message;
}

/* Sender: false when full. */
static inline bool zok__mailbox_push(struct zok__mailbox *box, struct zok__message *message)
{
	struct zok__message **slot = zok__mailbox_slot(box, box->tail);

	/* Acquire pairs with the release in pop: the receiver is done with what the slot held. */
	if (__atomic_load_n(slot, __ATOMIC_ACQUIRE))
		return false;
	/* Release: whoever sees the message sees what it holds. */
	__atomic_store_n(slot, message, __ATOMIC_RELEASE);
	__builtin_prefetch(zok__mailbox_slot(box, ++box->tail), 1);
	return true;
}

/* Receiver: whether there is something to pop. */
static inline bool zok__mailbox_is_empty(const struct zok__mailbox *box)
{
	/* Relaxed: only a hint without the fences of park and wake. */
	return !__atomic_load_n(zok__mailbox_slot(box, box->head), __ATOMIC_RELAXED);
}

/*
 * Receiver: how many messages there are, as far as it can see. What is full lies together from head on, so that halving finds the end: the
 * fewest looks at the sender's lines.
 */
static inline size_t zok__mailbox_depth(const struct zok__mailbox *box)
{
	size_t least = 0, most = ZOK__MAILBOX_CAPACITY;

	while (least < most) {
		size_t middle = (least + most) / 2;

		/* Relaxed: nothing of the message is read. */
		if (__atomic_load_n(zok__mailbox_slot(box, box->head + middle), __ATOMIC_RELAXED))
			least = middle + 1;
		else
			most = middle;
	}
	return least;
}

/* Receiver: NULL when empty. */
static inline struct zok__message *zok__mailbox_pop(struct zok__mailbox *box)
{
	struct zok__message **slot = zok__mailbox_slot(box, box->head);
	/* Acquire pairs with the release in push. */
	struct zok__message *message = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

	if (!message)
		return NULL;
	/* Release pairs with the acquire in push. */
	__atomic_store_n(slot, NULL, __ATOMIC_RELEASE);
	box->head++;
	return message;
}

ZOK_MPSC(zok__inbox, struct zok__message, node);

/* What waits on the sender's side for room in another core's mailbox: the sender's own, first in, first out. */
struct zok__outbox {
	struct zok_mpsc_node *first, *last;
};

struct zok__mail {
	struct zok__mailbox *boxes;   /* one from each core, by its index; the receiver allocates them */
	struct zok__outbox *outboxes; /* one to each core */
	unsigned core_count;
	unsigned waiting_count; /* messages in all outboxes */
	struct zok__inbox inbox;
	_Alignas(ZOK_FALSE_SHARING) bool is_parked; /* atomic, see above */
};

int zok__mail_init(struct zok__mail *mail, unsigned core_count);
void zok__mail_finish(struct zok__mail *mail);

/* From one core to another, on the sender's core. A core may send to itself. */
void zok__mail_send(struct zok_core *from, struct zok_core *to, struct zok__message *message);

/* From any thread. The core must stay open until the message has been run. */
void zok__mail_post(struct zok_core *to, struct zok__message *message);

/* Runs what has come and pushes what waits. Returns whether anything was run. On the core. */
bool zok__mail_take(struct zok_core *core);

/* Before sleeping: false if there is mail after all. After true the core may sleep and calls unpark. */
bool zok__mail_park(struct zok_core *core);
void zok__mail_unpark(struct zok_core *core);

#endif
