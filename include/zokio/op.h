/*
 * Operations: futures that an engine completes. An op is embedded in its caller's memory and belongs to the engine from submit until its own
 * completion is delivered, also after a cancel. Gateways use the typed ones of net.h; this header gives them their memory.
 */
#ifndef ZOKIO_OP_H
#define ZOKIO_OP_H

#include "zokio/base.h"
#include "zokio/future.h"

#include <sys/socket.h>
#include <sys/uio.h>

ZOK_BEGIN_DECLS

struct zok_buf;
struct zok_core;
struct zok_op;

enum zok_op_kind {
	ZOK_OP_NOP = 0,
	ZOK_OP_READ, /* file or pipe: buffer, offset (-1: the file's position) */
	ZOK_OP_WRITE,
	ZOK_OP_RECV,	     /* stream or datagram into the caller's buffer; flags as recv(2) */
	ZOK_OP_RECV_BUFFERS, /* multishot: fills buffers of the core's pool until cancelled, end of stream, error, or none is left (-ENOBUFS) */
	ZOK_OP_SEND,	     /* may be short, as send(2); never raises SIGPIPE */
	ZOK_OP_SENDMSG,	     /* a struct msghdr of the caller: vectors */
	ZOK_OP_ACCEPT, /* multishot: a new descriptor (CLOEXEC, NONBLOCK where the engine needs it) a completion until cancelled or error */
	ZOK_OP_CONNECT,
	ZOK_OP_SHUTDOWN,
	ZOK_OP_SPLICE, /* between two descriptors, one of them a pipe */
	ZOK_OP_POLL,   /* until the descriptor is ready for `poll_events` (POLLIN…); the result is what is ready */
	ZOK_OP_CLOSE,  /* the engine forgets what it knew of the descriptor; never cancelled */
	ZOK_OP_KIND_COUNT,
};

/* What came with one completion of an op. */
struct zok_completion {
	int32_t result;	     /* a count, a descriptor, 0; or a negative errno */
	bool has_more;	     /* the op stays in flight: multishot */
	struct zok_buf *buf; /* ZOK_OP_RECV_BUFFERS: the receiver's from here on; result is its length. NULL at end or error */
};

/* Takes one completion; on the op's core, from within the engine's wait or, if the engine could answer at once, from within submit. */
typedef void (*zok_op_deliver_fn)(struct zok_op *op, const struct zok_completion *completion);

/* Fields are private to core, engines and net. */
struct zok_op {
	struct zok_future future;   /* first: an op is a future */
	zok_op_deliver_fn deliver;  /* what a completion does; by default it makes the future ready */
	struct zok_op *engine_next; /* the engine's: a queue of ops that wait for room */
	uint32_t handle;	    /* the engine's: generation and slot while in flight, 0 otherwise */
	uint8_t kind;		    /* enum zok_op_kind */
	uint8_t engine_state;	    /* the engine's */
	bool is_silent;		    /* SEND: nobody waits for its success; see core/engine.h */
	int32_t fd;
	union {
		struct {
			void *base;
			size_t len;
			union {
				uint64_t offset; /* READ, WRITE */
				int flags;	 /* RECV, SEND: MSG_… */
			};
		} buffer;
		struct {
			struct msghdr *header;
			int flags;
		} message;
		struct {
			const struct sockaddr *addr; /* CONNECT: stays until completion */
			socklen_t len;
		} address;
		struct {
			int32_t fd_out; /* from op.fd to this */
			uint32_t len;
			uint32_t flags; /* SPLICE_F_… */
		} splice;
		uint32_t poll_events;
		int shutdown_how;
	} arg;
};

ZOK_STATIC_ASSERT(sizeof(struct zok_op) <= 96, "an op stays within a line and a half");

ZOK_END_DECLS

#endif
