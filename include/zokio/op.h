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
	ZOK_OP_RECVMSG_BUFFERS, /* the same for datagrams: each with its head, sender and control data in front (core/dgram_head.h); an empty one, too */
	ZOK_OP_SEND,	/* may be short, as send(2); never raises SIGPIPE */
	ZOK_OP_SENDMSG, /* a struct msghdr of the caller: vectors */
	ZOK_OP_ACCEPT, /* multishot: a new descriptor (CLOEXEC, NONBLOCK where the engine needs it) a completion until cancelled or error */
	ZOK_OP_CONNECT,
	ZOK_OP_SHUTDOWN,
	ZOK_OP_SPLICE, /* between two descriptors, one of them a pipe */
	ZOK_OP_POLL,   /* until the descriptor is ready for `poll_events` (POLLIN…); the result is what is ready */
	ZOK_OP_CLOSE,  /* the engine forgets what it knew of the descriptor; never cancelled */
	ZOK_OP_FORGET, /* the same, and the descriptor stays open: it goes to another engine; never cancelled */
	/* Files and paths: fs.h has the calls. Done by the kernel's own asynchrony or by a thread, never on the core's time. */
	ZOK_OP_FILE_OPEN, /* `fd` is the folder that a relative path begins at, or AT_FDCWD; the result is a descriptor (CLOEXEC) */
	ZOK_OP_FILE_READ, /* offset -1: the file's position; may be short */
	ZOK_OP_FILE_WRITE,
	ZOK_OP_FILE_READV, /* `base` is a struct iovec of the caller, `len` their number */
	ZOK_OP_FILE_WRITEV,
	ZOK_OP_FILE_WRITE_SYNC, /* a write and an fsync behind it. 0: all is written and synced; a count: so much was written and nothing synced */
	ZOK_OP_FILE_SYNC, /* flags: 1 leaves out what is not needed to read the data again (fdatasync) */
	ZOK_OP_FILE_SYNC_RANGE,
	ZOK_OP_FILE_ALLOCATE,
	ZOK_OP_FILE_TRUNCATE,
	ZOK_OP_FILE_ADVISE,
	ZOK_OP_FILE_STAT,   /* `data` is a struct statx */
	ZOK_OP_FILE_RENAME, /* `fd` and fd_to are folders, as all `fd` from here on that have a path */
	ZOK_OP_FILE_LINK,
	ZOK_OP_FILE_UNLINK,
	ZOK_OP_FILE_MKDIR,
	ZOK_OP_FILE_LIST,     /* fills `base` with directory entries as getdents64(2) */
	ZOK_OP_FILE_COPY,     /* copy_file_range(2), up to `len` bytes */
	ZOK_OP_FILE_WATCH,    /* `fd` is an inotify instance, flags the mask; the result is a watch descriptor */
	ZOK_OP_MEMORY_ADVISE, /* madvise(2); fd is AT_FDCWD */
	ZOK_OP_MEMORY_UNMAP,
	ZOK_OP_MEMORY_REGISTER, /* file ops on this memory spare its pinning from here on: its number, or -EOPNOTSUPP. Done within submit */
	ZOK_OP_MEMORY_UNREGISTER, /* `flags` is the number; nothing may be in flight on it */
	ZOK_OP_KIND_COUNT,
};

/* What came with one completion of an op. */
struct zok_completion {
	int32_t result; /* a count, a descriptor, 0; or a negative errno */
	bool has_more;	/* the op stays in flight: multishot */
	struct zok_buf
		*buf; /* ZOK_OP_RECV_BUFFERS, RECVMSG_BUFFERS: the receiver's from here on; result is its length. NULL at end or error */
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
	bool is_silent;		    /* SEND, SENDMSG: nobody waits for its success; see core/engine.h */
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
			struct msghdr *header; /* RECVMSG_BUFFERS: only the sizes of name and control data; it stays until completion */
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
		struct {
			void *base;
			uint32_t len;
			uint32_t rw_flags; /* RWF_… */
			uint64_t offset;
		} file; /* READ to WRITE_SYNC, LIST */
		struct {
			uint64_t offset; /* MEMORY_…: the address */
			uint64_t len;	 /* TRUNCATE: the file's */
			uint32_t flags;	 /* SYNC_RANGE: which; ALLOCATE: its mode; ADVISE: the advice; SYNC */
		} range;
		struct {
			const char *path; /* these stay until completion */
			union {
				const char *path_to;
				void *data;
				uint32_t mode; /* OPEN, MKDIR */
			};
			int32_t fd_to;
			uint32_t flags;
		} path;
		struct {
			uint64_t offset, offset_to;
			int32_t fd_to;
			uint32_t len;
		} copy;
		uint32_t poll_events;
		int shutdown_how;
	} arg;
};

ZOK_STATIC_ASSERT(sizeof(struct zok_op) <= 96, "an op stays within a line and a half");

/* Whether an op is a multishot that fills buffers of the core's pool. */
static inline bool zok__op_fills_buffers(const struct zok_op *op)
{
	return op->kind == ZOK_OP_RECV_BUFFERS || op->kind == ZOK_OP_RECVMSG_BUFFERS;
}

/* Whether an op is one of those that are done without readiness. */
static inline bool zok__op_is_of_file(const struct zok_op *op)
{
	return op->kind >= ZOK_OP_FILE_OPEN && op->kind < ZOK_OP_KIND_COUNT;
}

ZOK_END_DECLS

#endif
