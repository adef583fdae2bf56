/*
 * How a datagram lies in a receive buffer (ZOK_OP_RECVMSG_BUFFERS), on every engine: its head, room for the sender's address, room for control data,
 * the payload. It is io_uring's layout of a multishot recvmsg (struct io_uring_recvmsg_out), which the kernel itself writes.
 */
#ifndef CORE_DGRAM_HEAD_H
#define CORE_DGRAM_HEAD_H

#include "zokio/base.h"

#include <sys/socket.h>

struct zok__dgram_head {
	uint32_t name_len;    /* as the kernel has it: may be more than there was room for */
	uint32_t control_len; /* used of the room */
	uint32_t payload_len; /* with MSG_TRUNC among the op's flags what was sent, however little of it had room */
	uint32_t flags;	      /* MSG_TRUNC, MSG_CTRUNC */
};

/* Offsets in the buffer. The rooms' sizes are the op's header's: multiples of eight, so that control data is aligned. */
struct zok__dgram_layout {
	size_t name_at, control_at, payload_at;
};

static inline struct zok__dgram_layout zok__dgram_layout(const struct msghdr *header)
{
	const size_t name_at = sizeof(struct zok__dgram_head), control_at = name_at + header->msg_namelen;

	return (struct zok__dgram_layout){name_at, control_at, control_at + header->msg_controllen};
}

#endif
