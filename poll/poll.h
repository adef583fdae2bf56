/*
 * Readiness turned into completions: what the files of this folder share.
 *
 * An op is tried at once, without blocking, unless it is known that it would find nothing; if it must wait it joins its descriptor's list, and
 * the next event tries it again. No op is allocated: waiting ops are linked through their own memory, and what is known of a descriptor stands
 * in a table indexed by its number.
 *
 * What is known is two bits a descriptor: a read may succeed, a write may succeed. An event sets them; -EAGAIN clears them, and so does a short
 * read or write on TCP, so that a request costs what it costs a bare edge-triggered loop: one recv, one send, its share of epoll_wait.
 */
#ifndef POLL_POLL_H
#define POLL_POLL_H

#include "core/bufs.h"
#include "core/counters.h"
#include "core/offload.h"
#include "core/park.h"
#include "poll/backend.h"

enum {
	/* A multishot, or a queue of ops, that always finds something gets so many tries in a turn; then the other descriptors have theirs. */
	POLL_TRIES_PER_TURN = 16,
	/* Who submits from within deliver gets an answer at once down to this depth; below it the op waits for the next turn. Bounds the stack. */
	POLL_DEPTH_MAX = 4,
};

/* zok_op.engine_state: where an op in flight is linked. */
enum zok__poll_place {
	POLL_AT_NOTHING = 0,
	POLL_AT_READERS,  /* of op->fd */
	POLL_AT_WRITERS,  /* of op->fd */
	POLL_AT_OUT,	  /* a splice: among the writers of its other descriptor */
	POLL_AT_WATCHERS, /* of op->fd: polls for events */
	POLL_AT_LATER,	  /* submitted too deep: done at the next wait */
	POLL_AT_THREADS,  /* a file op: with a thread, or on its way to or from one */
	POLL_AT_CLOSING,  /* a close that waits for the threads' ops on its descriptor */
	POLL_AT_ENDINGS,  /* ended by cancel or close: its result stands in future.result, the next wait delivers it */
};

/* What kind of thing a descriptor is, which decides the system calls and what a short read says. */
enum zok__poll_kind {
	POLL_UNKNOWN = 0,
	POLL_TCP,
	POLL_SOCKET, /* datagrams, Unix: a receive may be short though there is more */
	POLL_FILE,   /* always ready */
	POLL_OTHER,  /* pipe, terminal, eventfd */
};

/* What is known of a descriptor. Lists are in the order of submission. */
struct zok__poll_fd {
	struct zok_op *readers;
	struct zok_op *writers;
	struct zok_op *watchers;
	struct zok__poll_fd *turn_next;
	int fd;
	uint32_t generation; /* of the number: events of an older one are stale */
	uint8_t ready; /* ZOK__POLL_READ, WRITE, MARK: as far as is known. At first it is assumed: a try is the cheapest way to learn */
	uint8_t kind;
	bool is_watched;
	bool is_nonblocking; /* O_NONBLOCK is set */
	bool is_connecting;
	bool is_in_turn;
	uint16_t offloaded_count; /* file ops on it that threads do */
};

ZOK_STATIC_ASSERT(sizeof(struct zok__poll_fd) == 48, "what a descriptor costs");

enum { POLL_CHUNK = 128 };

/* A list that ops join at its end. */
struct zok__poll_queue {
	struct zok_op *first, *last;
};

struct zok__poll {
	struct zok__engine engine; /* first */
	const struct zok__poll_backend_ops *backend_ops;
	struct zok__poll_backend *backend;
	struct zok__counters *counters;
	struct zok__bufs *bufs;
	struct zok_buf *free_bufs;

	struct zok__poll_fd **chunks; /* of POLL_CHUNK, so that growing moves none of them */
	size_t chunk_count;

	struct zok__poll_fd *turn_first, *turn_last; /* descriptors with something to try without an event */
	struct zok__poll_queue later;		     /* ops without a descriptor's list: POLL_AT_LATER, POLL_AT_ENDINGS */

	struct zok__poll_queue closing; /* POLL_AT_CLOSING */
	struct zok__offload offload;

	unsigned depth;
	int delivered;
	bool is_woken; /* atomic, core/park.h: a wake is on its way that no wait has reported yet */

	enum zok__mode mode;
	struct zok__engine_feature features[6];
};

/* ---- table.c: what is known of descriptors ---- */

/* The descriptor's entry, made if need be; NULL and -ENOMEM, -EBADF in *error. */
struct zok__poll_fd *zok__poll_fd_get(struct zok__poll *poll, int fd, int *error);

/* The entry if there is one. */
static inline struct zok__poll_fd *zok__poll_fd_find(struct zok__poll *poll, int fd)
{
	size_t index = (unsigned)fd / POLL_CHUNK; /* a negative one is beyond any table */

	if (ZOK_UNLIKELY(index >= poll->chunk_count || !poll->chunks[index]))
		return NULL;
	return &poll->chunks[index][(unsigned)fd % POLL_CHUNK];
}

/* Nothing is known any more: the number is of another file from now on. Its lists must be empty. */
void zok__poll_fd_forget(struct zok__poll_fd *state);

/* Finds out what kind of thing it is. 0; -EBADF, or what else the system says. */
int zok__poll_fd_look(struct zok__poll_fd *state, int fd);

/* Sets O_NONBLOCK, once. 0, -EBADF… */
int zok__poll_fd_set_nonblocking(struct zok__poll_fd *state, int fd);

void zok__poll_table_finish(struct zok__poll *poll);

/* ---- attempt.c: each operation once, without blocking ---- */

/*
 * Tries an op that waits for readiness; `state` is op->fd's. -EAGAIN: it has to wait, and the bit of what it waits for is cleared (a splice
 * has chosen its side: engine_state); everything else is its result. A receive buffer that was filled is in *buf.
 */
int32_t zok__poll_attempt(struct zok__poll *poll, struct zok__poll_fd *state, struct zok_op *op, struct zok_buf **buf);

/* Which descriptors a splice began with: the sum changes when either of them is closed. */
static inline uint32_t zok__poll_splice_handle(const struct zok__poll_fd *in, const struct zok__poll_fd *out)
{
	return in->generation + out->generation;
}

/* ---- files.c: what threads do ---- */

enum zok__poll_file_way {
	POLL_FILE_DONE,	     /* *result is its result */
	POLL_FILE_WAITS,     /* it has become a READ or WRITE, which waits for readiness */
	POLL_FILE_OFFLOADED, /* zok__offload_take() will have it */
};

/* The first step of a file op. */
enum zok__poll_file_way zok__poll_file_submit(struct zok__poll *poll, struct zok_op *op, int32_t *result);

/* Delivers what threads have ended; whether there was any. */
bool zok__poll_files_take(struct zok__poll *poll);

/* ---- engine.c ---- */

/* The op is in no list. */
void zok__poll_deliver(struct zok__poll *poll, struct zok_op *op, const struct zok_completion *completion);

/* Ends whatever waits on a descriptor, at the next wait: its number is going away. */
void zok__poll_end_all(struct zok__poll *poll, struct zok__poll_fd *state);

#endif
