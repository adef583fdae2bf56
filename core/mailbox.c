#include "core/alloc.h"
#include "core/core.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { TAKE_BURST = 16 };

static size_t shared_size(const struct zok__mail *mail)
{
	return mail->core_count * (sizeof *mail->boxes + sizeof *mail->lines);
}

/* The mailboxes and behind them the lines. Of the receiver's node: it looks at them at every turn, a sender writes now and then. */
static int allocate_shared(struct zok__mail *mail)
{
	mail->boxes = zok__allocate(mail->allocator, shared_size(mail), ZOK_FALSE_SHARING);
	if (!mail->boxes)
		return -ENOMEM;
	memset(mail->boxes, 0, shared_size(mail));
	mail->lines = (struct zok__mail_line *)&mail->boxes[mail->core_count];
	return 0;
}

static int allocate_links(struct zok__mail *mail)
{
	mail->links = zok__allocate(mail->allocator, mail->core_count * sizeof *mail->links, _Alignof(struct zok__mail_link));
	if (!mail->links)
		return -ENOMEM;
	memset(mail->links, 0, mail->core_count * sizeof *mail->links);
	return 0;
}

int zok__mail_init(struct zok__mail *mail, const struct zok_allocator *allocator, unsigned core_count, bool never_parks)
{
	int rc;

	*mail = (struct zok__mail){.allocator = allocator, .core_count = core_count, .never_parks = never_parks};
	zok__inbox_init(&mail->inbox);
	rc = allocate_shared(mail);
	if (rc == 0)
		rc = allocate_links(mail);
	if (rc < 0)
		zok__mail_finish(mail);
	return rc;
}

void zok__mail_finish(struct zok__mail *mail)
{
	if (mail->boxes)
		zok__release(mail->allocator, mail->boxes, shared_size(mail));
	if (mail->links)
		zok__release(mail->allocator, mail->links, mail->core_count * sizeof *mail->links);
	mail->boxes = NULL;
	mail->links = NULL;
}

void zok__mail_connect(struct zok_core *core)
{
	unsigned self = core->options.index;

	for (unsigned i = 0; i < core->mail.core_count; i++) {
		struct zok__mail_link *link = &core->mail.links[i];
		struct zok__mail_line *line = i < self ? &core->options.peers[i]->mail.lines[self] : &core->mail.lines[i];

		link->line_out = &line->half[i < self];
		link->line_in = &line->half[i > self];
		link->in = &core->mail.boxes[i];
	}
}

/* The peers' mailboxes are looked up at the first use, because a peer of a higher index may have been created later. */
static struct zok__mail_link *link_to(struct zok_core *from, struct zok_core *to)
{
	struct zok__mail_link *link = &from->mail.links[to->options.index];

	if (ZOK_UNLIKELY(!link->out))
		link->out = &to->mail.boxes[from->options.index];
	return link;
}

/* `from` is the calling core, NULL where a plain thread or a signal handler calls. */
static void wake(struct zok_core *from, struct zok_core *to)
{
	const struct zok__engine_ops *ops = to->engine->ops;

	if (from && from->mail.wakes_by_ring && ops == from->engine->ops && ops->wake_by(to->engine, from->engine)) {
		zok__count(&from->counters->stats.wakes_by_ring, 1);
		return;
	}
	ops->wake(to->engine);
}

/* The sender's half of the protocol, after its push. */
void zok__mail_wake(struct zok_core *from, struct zok_core *to)
{
	if (!to->mail.never_parks && zok__park_is_seen(&to->mail.is_parked))
		wake(from, to);
}

static void wait_for_room(struct zok_core *from, struct zok__mail_link *link, struct zok__message *message)
{
	message->node.next = NULL;
	if (link->waiting.last)
		link->waiting.last->next = &message->node;
	else
		link->waiting.first = &message->node;
	link->waiting.last = &message->node;
	from->mail.waiting_count++;
}

void zok__mail_send(struct zok_core *from, struct zok_core *to, struct zok__message *message)
{
	struct zok__mail_link *link = link_to(from, to);

	zok__count(&from->counters->stats.messages_sent, 1);
	/* What waits already goes first: messages between two cores keep their order. */
	if (!link->waiting.first && zok__mail_push(link, message))
		zok__mail_wake(from, to);
	else
		wait_for_room(from, link, message);
}

static void count_note(struct zok_core *from)
{
	from->mail.notes_sent++;
	zok__count(&from->counters->stats.messages_sent, 1);
}

bool zok__mail_note(struct zok_core *from, struct zok_core *to, const struct zok__note *note)
{
	struct zok__mail_link *link = link_to(from, to);

	if (link->waiting.first || !zok__mail_push_note(link, note))
		return false;
	zok__mail_wake(from, to);
	count_note(from);
	return true;
}

void zok__mail_post(struct zok_core *to, struct zok__message *message)
{
	zok__inbox_push(&to->mail.inbox, message);
	zok__mail_wake(NULL, to);
}

/* ---- Notes that wait for room ---- */

void zok__mail_is_note(struct zok_core *core, struct zok__message *message)
{
	assert(!"a note was run as a message");
}

static struct zok__waiting_note *waiting_of(struct zok_future *room)
{
	return ZOK_CONTAINER_OF(room, struct zok__waiting_note, room);
}

static bool room_poll(struct zok_future *room)
{
	struct zok__waiting_note *waiting = waiting_of(room);

	if (room->state == ZOK_FUTURE_PREPARED) {
		room->state = ZOK_FUTURE_PENDING;
		waiting->message.run = zok__mail_is_note;
		wait_for_room(waiting->from, link_to(waiting->from, waiting->to), &waiting->message);
	}
	return false;
}

/* Takes it out of the list again. Linear, but only for what is cancelled while it waits for room. */
static void room_cancel(struct zok_future *room)
{
	struct zok__waiting_note *waiting = waiting_of(room);
	struct zok_mpsc_node *node = &waiting->message.node, *before = NULL;
	struct zok__mail_link *link = link_to(waiting->from, waiting->to);

	for (struct zok_mpsc_node *at = link->waiting.first; at != node; at = at->next)
		before = at;
	if (before)
		before->next = node->next;
	else
		link->waiting.first = node->next;
	if (link->waiting.last == node)
		link->waiting.last = before;
	waiting->from->mail.waiting_count--;
	zok_future_complete(room, -ECANCELED);
}

void zok__mail_wait_prepare(struct zok__waiting_note *waiting, struct zok_core *from, struct zok_core *to, const struct zok__note *note)
{
	static const struct zok_future_ops room_ops = {.poll = room_poll, .cancel = room_cancel};

	waiting->from = from;
	waiting->to = to;
	waiting->note = *note;
	zok_future_prepare(&waiting->room, &room_ops);
}

/* ---- What waits is pushed, what has come is run ---- */

/* Pushes the first that waits, if there is room. A message is the receiver's from then on, a note that of who waits with it. */
static bool push_first(struct zok_core *core, struct zok_core *to, struct zok__mail_link *link, size_t *notes)
{
	struct zok__message *message = ZOK_CONTAINER_OF(link->waiting.first, struct zok__message, node);
	struct zok__waiting_note *waiting = message->run == zok__mail_is_note ? (struct zok__waiting_note *)message : NULL;
	struct zok_mpsc_node *next = message->node.next;

	if (!(waiting ? zok__mail_push_note(link, &waiting->note) : zok__mail_push(link, message)))
		return false;
	zok__mail_wake(core, to);
	link->waiting.first = next;
	if (!next)
		link->waiting.last = NULL;
	core->mail.waiting_count--;
	if (waiting) {
		count_note(core);
		++*notes;
		zok_future_complete(&waiting->room, 0);
	}
	return true;
}

/* Returns how many of them were notes: whoever waits with one has been woken. */
static size_t push_waiting(struct zok_core *core)
{
	size_t notes = 0;

	for (unsigned i = 0; i < core->mail.core_count; i++) {
		struct zok__mail_link *link = &core->mail.links[i];

		while (link->waiting.first && push_first(core, core->options.peers[i], link, &notes))
			;
	}
	return notes;
}

static void run(struct zok_core *core, const struct zok__mail_slot *item)
{
	if (item->run == zok__mail_is_note) {
		item->note.fn(item->note.arg, item->note.value);
		core->mail.notes_run++;
	} else {
		item->run(core, item->message);
	}
}

static size_t take_from(struct zok_core *core, struct zok__mail_link *link)
{
	struct zok__mail_slot item;
	size_t count = 0;

	while (count < TAKE_BURST && zok__mail_pop(link, &item)) {
		run(core, &item);
		count++;
	}
	return count;
}

static size_t take_inbox(struct zok_core *core)
{
	struct zok__message *message;
	size_t count = 0;

	while (count < TAKE_BURST && (message = zok__inbox_pop(&core->mail.inbox)) != NULL) {
		message->run(core, message);
		count++;
	}
	return count;
}

static void note_depth(struct zok_core *core, size_t depth)
{
	struct zok_core_stats *stats = &core->counters->stats;

	if (depth == stats->mail_depth)
		return;
	zok__set(&stats->mail_depth, depth);
	if (depth > stats->mail_depth_max)
		zok__set(&stats->mail_depth_max, depth);
}

bool zok__mail_take(struct zok_core *core)
{
	size_t count = take_inbox(core), left = 0, notes = 0;

	for (unsigned i = 0; i < core->mail.core_count; i++) {
		size_t taken = take_from(core, &core->mail.links[i]);

		count += taken;
		if (ZOK_UNLIKELY(taken == TAKE_BURST))
			left += zok__mail_link_depth(&core->mail.links[i]);
	}
	note_depth(core, count + left);
	if (ZOK_UNLIKELY(core->mail.waiting_count > 0))
		notes = push_waiting(core);
	if (count > 0)
		zok__count(&core->counters->stats.messages_received, count);
	return count + notes > 0;
}

/* ---- Parking ---- */

bool zok__mail_is_empty(const struct zok_core *core)
{
	const struct zok__mail *mail = &core->mail;

	if (!zok__inbox_is_empty(&mail->inbox) || mail->waiting_count > 0)
		return false;
	for (unsigned i = 0; i < mail->core_count; i++)
		if (!zok__mail_link_is_empty(&mail->links[i]))
			return false;
	return true;
}

bool zok__mail_park(struct zok_core *core)
{
	zok__park_announce(&core->mail.is_parked);
	if (zok__mail_is_empty(core))
		return true;
	zok__mail_unpark(core);
	return false;
}

void zok__mail_unpark(struct zok_core *core)
{
	zok__park_retract(&core->mail.is_parked);
}
