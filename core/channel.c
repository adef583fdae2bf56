/*
 * The bounded channel. Items are in the ring, oldest at head; a sender waits only while the ring is full, a receiver only while it is empty
 * and no sender waits. So at most one of the two lines is not empty, except over a ring of capacity 0, where both are empty or one waits.
 */
#include "core/alloc.h"
#include "core/core.h"
#include "core/owner.h"
#include "zokio/sync.h"
#include "zokio/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static struct zok_channel_wait *wait_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_channel_wait, future);
}

static struct zok_channel_wait *pop(struct zok_list *line)
{
	struct zok_list *link = zok_list_pop_front(line);

	return link ? ZOK_CONTAINER_OF(link, struct zok_channel_wait, link) : NULL;
}

/* ---- The ring ---- */

static uint8_t *slot(const struct zok_channel *channel, uint32_t index)
{
	return channel->ring + (size_t)(index % channel->capacity) * channel->item_size;
}

static void put(struct zok_channel *channel, const void *item)
{
	/* 64 bits: head and count are each below the capacity, their sum may not fit 32. */
	memcpy(slot(channel, (uint32_t)(((uint64_t)channel->head + channel->count) % channel->capacity)), item, channel->item_size);
	channel->count++;
}

static void take(struct zok_channel *channel, void *item)
{
	memcpy(item, slot(channel, channel->head), channel->item_size);
	channel->head = (channel->head + 1) % channel->capacity;
	channel->count--;
}

/* ---- Without waiting ---- */

int zok_channel_try_send(struct zok_channel *channel, const void *item)
{
	struct zok_channel_wait *receiver;

	if (zok__is_foreign(channel->core, "a channel"))
		return -EXDEV;
	if (channel->is_closed)
		return -EPIPE;
	receiver = pop(&channel->receivers);
	if (receiver) {
		memcpy(receiver->item, item, channel->item_size);
		zok_future_complete(&receiver->future, 0);
		return 0;
	}
	if (channel->count == channel->capacity)
		return -EAGAIN;
	put(channel, item);
	return 0;
}

int zok_channel_try_receive(struct zok_channel *channel, void *item)
{
	struct zok_channel_wait *sender;

	if (zok__is_foreign(channel->core, "a channel"))
		return -EXDEV;
	if (channel->count > 0) {
		take(channel, item);
		/* There is room now, for whoever waited first. */
		sender = pop(&channel->senders);
		if (sender) {
			put(channel, sender->item);
			zok_future_complete(&sender->future, 0);
		}
		return 0;
	}
	sender = pop(&channel->senders);
	if (sender) {
		memcpy(item, sender->item, channel->item_size);
		zok_future_complete(&sender->future, 0);
		return 0;
	}
	return channel->is_closed ? -EPIPE : -EAGAIN;
}

/* ---- Waiting ---- */

static bool settle(struct zok_channel_wait *wait, struct zok_list *line, int rc)
{
	if (rc == -EAGAIN) {
		wait->future.state = ZOK_FUTURE_PENDING;
		zok_list_push_back(line, &wait->link);
		return false;
	}
	wait->future.waker = NULL; /* whoever polls knows already */
	zok_future_complete(&wait->future, rc);
	return true;
}

static bool send_poll(struct zok_future *future)
{
	struct zok_channel_wait *wait = wait_of(future);

	if (future->state == ZOK_FUTURE_PENDING)
		return false;
	return settle(wait, &wait->channel->senders, zok_channel_try_send(wait->channel, wait->item));
}

static bool receive_poll(struct zok_future *future)
{
	struct zok_channel_wait *wait = wait_of(future);

	if (future->state == ZOK_FUTURE_PENDING)
		return false;
	return settle(wait, &wait->channel->receivers, zok_channel_try_receive(wait->channel, wait->item));
}

static void leave_line(struct zok_future *future)
{
	zok_list_remove(&wait_of(future)->link);
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops send_ops = {.poll = send_poll, .cancel = leave_line, .name = "room in a channel"};
static const struct zok_future_ops receive_ops = {.poll = receive_poll, .cancel = leave_line, .name = "an item of a channel"};

static void prepare(struct zok_channel_wait *wait, const struct zok_future_ops *ops, struct zok_channel *channel, void *item)
{
	zok_future_prepare(&wait->future, ops);
	wait->link = (struct zok_list){0};
	wait->channel = channel;
	wait->item = item;
}

void zok_channel_send_prepare(struct zok_channel_wait *wait, struct zok_channel *channel, const void *item)
{
	/* A send only reads the item. */
	prepare(wait, &send_ops, channel, (void *)(uintptr_t)item);
}

void zok_channel_receive_prepare(struct zok_channel_wait *wait, struct zok_channel *channel, void *item)
{
	prepare(wait, &receive_ops, channel, item);
}

int zok_channel_send(struct zok_channel *channel, const void *item)
{
	struct zok_channel_wait wait;

	zok_channel_send_prepare(&wait, channel, item);
	return (int)zok_await(&wait.future);
}

int zok_channel_receive(struct zok_channel *channel, void *item)
{
	struct zok_channel_wait wait;

	zok_channel_receive_prepare(&wait, channel, item);
	return (int)zok_await(&wait.future);
}

/* ---- Life ---- */

int zok_channel_init(struct zok_channel *channel, void *ring, uint32_t capacity, size_t item_size)
{
	bool owns_ring = !ring && capacity > 0;

	if (item_size == 0 || (capacity > 0 && item_size > SIZE_MAX / capacity))
		return -EINVAL;
	if (owns_ring) {
		ring = zok__allocate(zok_allocator(), capacity * item_size, ZOK_CACHE_LINE);
		if (!ring)
			return -ENOMEM;
	}
	*channel = (struct zok_channel){
		.ring = ring, .item_size = item_size, .capacity = capacity, .owns_ring = owns_ring, .core = zok__core()};
	zok_list_init(&channel->senders);
	zok_list_init(&channel->receivers);
	return 0;
}

void zok_channel_finish(struct zok_channel *channel)
{
	assert(zok_list_is_empty(&channel->senders) && zok_list_is_empty(&channel->receivers)); /* somebody still waits */
	if (channel->owns_ring)
		zok__release(zok_allocator(), channel->ring, channel->capacity * channel->item_size);
	channel->ring = NULL;
}

static void end_line(struct zok_list *line)
{
	struct zok_channel_wait *wait;

	while ((wait = pop(line)) != NULL)
		zok_future_complete(&wait->future, -EPIPE);
}

void zok_channel_close(struct zok_channel *channel)
{
	zok__assert_own(channel->core, "a channel");
	channel->is_closed = true;
	end_line(&channel->senders);
	end_line(&channel->receivers);
}

bool zok_channel_is_closed(const struct zok_channel *channel)
{
	return channel->is_closed;
}

uint32_t zok_channel_count(const struct zok_channel *channel)
{
	return channel->count;
}
