#include "core/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TAKE_BURST = 16 };

int zok__mail_init(struct zok__mail *mail, unsigned core_count)
{
	mail->core_count = core_count;
	mail->boxes = aligned_alloc(ZOK_FALSE_SHARING, core_count * sizeof *mail->boxes);
	mail->outboxes = calloc(core_count, sizeof *mail->outboxes);
	if (!mail->boxes || !mail->outboxes) {
		zok__mail_finish(mail);
		return -ENOMEM;
	}
	memset(mail->boxes, 0, core_count * sizeof *mail->boxes);
	zok__inbox_init(&mail->inbox);
	return 0;
}

void zok__mail_finish(struct zok__mail *mail)
{
	free(mail->boxes);
	free(mail->outboxes);
	mail->boxes = NULL;
	mail->outboxes = NULL;
}

/* The sender's half of the protocol, after its push. */
static void wake_if_parked(struct zok_core *to)
{
	/* Pairs with the fence in zok__mail_park(): our push is before this, its look at the mail is after that one. */
	ZOK__FENCE_SEQ_CST();
	if (__atomic_load_n(&to->mail.is_parked, __ATOMIC_RELAXED))
		to->engine->ops->wake(to->engine);
}

static bool push(struct zok_core *from, struct zok_core *to, struct zok__message *message)
{
	if (!zok__mailbox_push(&to->mail.boxes[from->options.index], message))
		return false;
	wake_if_parked(to);
	return true;
}

static void wait_for_room(struct zok_core *from, unsigned to_index, struct zok__message *message)
{
	struct zok__outbox *outbox = &from->mail.outboxes[to_index];

	message->node.next = NULL;
	if (outbox->last)
		outbox->last->next = &message->node;
	else
		outbox->first = &message->node;
	outbox->last = &message->node;
	from->mail.waiting_count++;
}

void zok__mail_send(struct zok_core *from, struct zok_core *to, struct zok__message *message)
{
	unsigned index = to->options.index;

	zok__count(&from->counters->stats.messages_sent, 1);
	/* What waits already goes first: messages between two cores keep their order. */
	if (from->mail.outboxes[index].first || !push(from, to, message))
		wait_for_room(from, index, message);
}

void zok__mail_post(struct zok_core *to, struct zok__message *message)
{
	zok__inbox_push(&to->mail.inbox, message);
	wake_if_parked(to);
}

static void push_waiting(struct zok_core *core, unsigned to_index)
{
	struct zok__outbox *outbox = &core->mail.outboxes[to_index];
	struct zok_mpsc_node *node, *next;

	while ((node = outbox->first) != NULL) {
		/* Once pushed, the message is the receiver's. */
		next = node->next;
		if (!push(core, core->options.peers[to_index], ZOK_CONTAINER_OF(node, struct zok__message, node)))
			return;
		outbox->first = next;
		core->mail.waiting_count--;
	}
	outbox->last = NULL;
}

static size_t take_from(struct zok_core *core, struct zok__mailbox *box)
{
	struct zok__message *message;
	size_t count = 0;

	while (count < TAKE_BURST && (message = zok__mailbox_pop(box)) != NULL) {
		message->run(core, message);
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
	size_t count = take_inbox(core), left = 0;

	for (unsigned i = 0; i < core->mail.core_count; i++) {
		size_t taken = take_from(core, &core->mail.boxes[i]);

		count += taken;
		if (ZOK_UNLIKELY(taken == TAKE_BURST))
			left += zok__mailbox_depth(&core->mail.boxes[i]);
	}
	note_depth(core, count + left);
	if (ZOK_UNLIKELY(core->mail.waiting_count > 0))
		for (unsigned i = 0; i < core->mail.core_count; i++)
			push_waiting(core, i);
	if (count > 0)
		zok__count(&core->counters->stats.messages_received, count);
	return count > 0;
}

static bool is_empty(const struct zok__mail *mail)
{
	if (!zok__inbox_is_empty(&mail->inbox) || mail->waiting_count > 0)
		return false;
	for (unsigned i = 0; i < mail->core_count; i++)
		if (!zok__mailbox_is_empty(&mail->boxes[i]))
			return false;
	return true;
}

bool zok__mail_park(struct zok_core *core)
{
	__atomic_store_n(&core->mail.is_parked, true, __ATOMIC_RELAXED);
	/* Pairs with the fence in wake_if_parked(): whoever pushes after this look at the mail sees is_parked. */
	ZOK__FENCE_SEQ_CST();
	if (is_empty(&core->mail))
		return true;
	zok__mail_unpark(core);
	return false;
}

void zok__mail_unpark(struct zok_core *core)
{
	/* Relaxed: a sender that still sees true wakes a core that is awake, which costs a system call and nothing else. */
	__atomic_store_n(&core->mail.is_parked, false, __ATOMIC_RELAXED);
}
