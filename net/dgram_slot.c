/*
 * Small datagrams, written behind: the bytes are copied, the sender goes on, and they go to the kernel with everybody else's at the end of the turn. As
 * with sendto(2), what was taken has not arrived; what fails afterwards is told by the next send (docs/decisions/049-datagrams.md).
 *
 * A slot that the kernel has no room for is handed over again as one that waits for room. A socket that has so many of them out takes no more:
 * its senders wait for the kernel then.
 */
#include "net/dgram.h"

#include <errno.h>
#include <string.h>

/* Twenty-seven lines: an odd number, so that neighbours begin in different sets of the first-level cache. */
enum { SLOT_SIZE = 27 * ZOK_CACHE_LINE, SLOTS_OF_CORE_MAX = 1024, SLOTS_OF_SOCKET_MAX = 64 };

struct slot {
	struct zok_op op;
	struct zok_dgram_socket *socket;
	struct zok_list among;
	bool may_not_wait; /* it was handed over as one that ends at once, whatever op.is_silent says since */
	struct msghdr header;
	struct iovec vector;
	struct sockaddr_in6 to; /* IP only: Unix receivers block their senders, who have to wait for them */
	uint8_t data[];
};

enum { DATA_MAX = SLOT_SIZE - offsetof(struct slot, data) };

ZOK_STATIC_ASSERT(DATA_MAX >= 1472, "what fits an Ethernet frame fits a slot");

void zok__dgram_slots_init(struct zok__net *net)
{
	const struct zok_pool_options options = {.name = "small datagrams",
						 .object_size = SLOT_SIZE,
						 .alignment = ZOK_CACHE_LINE,
						 .count_max = SLOTS_OF_CORE_MAX,
						 .allocator = zok__core_allocator(net->core)};

	zok_pool_init(&net->dgram_slots, &options);
}

static void end(struct slot *slot)
{
	struct zok_dgram_socket *socket = slot->socket;

	zok_list_remove(&slot->among);
	socket->slot_count--;
	zok_pool_put(&socket->net->dgram_slots, slot);
	if (ZOK_UNLIKELY(socket->closer != NULL))
		zok__dgram_close_continue(socket);
}

static void note_result(struct zok_dgram_socket *socket, int result)
{
	struct zok_core_stats *stats = &socket->net->core->counters->stats;

	if (ZOK_LIKELY(result >= 0)) {
		zok__count(&stats->datagrams_sent, 1);
		zok__count(&stats->bytes_sent, (uint64_t)result);
		return;
	}
	if (result == -ENOBUFS)
		zok__count(&stats->send_shortages, 1);
	if (result != -ECANCELED)
		socket->send_error = result;
}

static void deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct slot *slot = ZOK_CONTAINER_OF(op, struct slot, op);
	struct zok_dgram_socket *socket = slot->socket;

	op->future.state = ZOK_FUTURE_READY;
	if (ZOK_UNLIKELY(completion->result == -EAGAIN) && slot->may_not_wait) {
		zok__count(&socket->net->core->counters->stats.send_shortages, 1);
		slot->may_not_wait = false;
		op->is_silent = false;
		if (!socket->closer) {
			zok__op_start(op);
			return;
		}
	} else {
		note_result(socket, completion->result);
	}
	end(slot);
}

static void address_to(struct slot *slot, const struct zok_endpoint *to)
{
	if (!to)
		return;
	memcpy(&slot->to, &to->address, to->len);
	slot->header.msg_name = &slot->to;
	slot->header.msg_namelen = to->len;
}

static void fill(struct slot *slot, struct zok_dgram_socket *socket, const void *data, size_t len, const struct zok_endpoint *to)
{
	zok__op_prepare(&slot->op, to ? ZOK_OP_SENDMSG : ZOK_OP_SEND, socket->fd);
	slot->op.deliver = deliver;
	slot->op.is_silent = true;
	slot->socket = socket;
	slot->may_not_wait = true;
	if (len > 0)
		memcpy(slot->data, data, len);
	if (!to) {
		slot->op.arg.buffer.base = slot->data;
		slot->op.arg.buffer.len = len;
		slot->op.arg.buffer.flags = 0;
		return;
	}
	slot->vector = (struct iovec){slot->data, len};
	slot->header = (struct msghdr){.msg_iov = &slot->vector, .msg_iovlen = 1};
	address_to(slot, to);
	slot->op.arg.message.header = &slot->header;
	slot->op.arg.message.flags = 0;
}

bool zok__dgram_slot_take(struct zok_dgram_socket *socket, const void *data, size_t len, const struct zok_endpoint *to)
{
	struct slot *slot;

	if (len > DATA_MAX || socket->family == AF_UNIX || (to && to->len > sizeof slot->to) || socket->slot_count >= SLOTS_OF_SOCKET_MAX)
		return false;
	slot = zok_pool_get(&socket->net->dgram_slots);
	if (!slot)
		return false;
	fill(slot, socket, data, len, to);
	zok_list_push_back(&socket->slots, &slot->among);
	socket->slot_count++;
	zok__op_start(&slot->op); /* it may have ended by now */
	return true;
}

/* Cancels come one by one: an engine may not deliver from within cancel, so the list stays as it is. */
void zok__dgram_slots_abort(struct zok_dgram_socket *socket)
{
	zok_list_for_each(link, &socket->slots) {
		struct slot *slot = ZOK_CONTAINER_OF(link, struct slot, among);

		if (slot->may_not_wait)
			slot->op.is_silent = false;
		else
			zok__op_cancel(&slot->op);
	}
}
