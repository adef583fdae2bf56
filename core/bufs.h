/*
 * A core's receive buffers: one block of memory cut into equal buffers, from which an engine lets the kernel choose (io_uring's provided
 * buffer ring) or takes itself before it reads (epoll). A buffer is either free, and then the engine's, or given out with a completion, and
 * then the receiver's until zok__buf_release(). Single owner: the core's thread.
 */
#ifndef CORE_BUFS_H
#define CORE_BUFS_H

#include "zokio/base.h"
#include "zokio/memory.h"

struct zok__engine;

/* One buffer as its receiver sees it. The header stands apart from the memory, so that data stays aligned and dense. */
struct zok_buf {
	uint8_t *data;		/* this buffer's memory */
	uint32_t len;		/* what was received into it */
	uint32_t read_offset;	/* the receiver's: how much of it has been consumed */
	struct zok_buf *next;	/* the receiver's list while given out, the engine's free list otherwise */
	struct zok__bufs *bufs; /* NULL: a loose one, of no pool */
	uint16_t id;		/* its index, and the kernel's buffer id */
	bool is_out;		/* given out; a release of a free buffer is a fault */
	uint32_t use_count;	/* the receiver's: how many datagrams in it are still in use */
};

struct zok__bufs {
	uint8_t *memory;      /* count × stride bytes */
	struct zok_buf *bufs; /* count headers */
	uint32_t size;	      /* bytes each */
	uint32_t stride;      /* from one buffer to the next: a line more than size, see bufs.c */
	uint32_t count;	      /* a power of two, at most 32,768 (the kernel's limit on a buffer ring) */
	uint32_t out_count;   /* given out */
	struct zok__engine *engine;
	const struct zok_allocator *allocator;
};

/* Buffers begin on cache lines. allocator: their memory's, NULL for zok_allocator(). -EINVAL: count no power of two or too large, no size or one of almost 4 GiB; -ENOMEM. */
int zok__bufs_init(struct zok__bufs *bufs, const struct zok_allocator *allocator, uint32_t count, uint32_t size);

/* Nothing may be given out. */
void zok__bufs_finish(struct zok__bufs *bufs);

/* For engines: notes that a buffer went out with `len` bytes in it. */
struct zok_buf *zok__bufs_give(struct zok__bufs *bufs, uint16_t id, uint32_t len);

/* For receivers: gives it back to the engine, or frees a loose one. */
void zok__buf_release(struct zok_buf *buf);

/* One of no pool, for `len` bytes that came from elsewhere: received on another core, say. NULL: no memory, or more than a buffer can hold. */
struct zok_buf *zok__buf_make_loose(size_t len);

static inline bool zok__buf_is_loose(const struct zok_buf *buf)
{
	return !buf->bufs;
}

#endif
