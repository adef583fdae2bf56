/*
 * What an engine cannot do without blocking is done by threads that somebody else keeps: the runtime's blocking pool, or a test's own.
 *
 * Two contracts. *Threads* run jobs, and know nothing of ops. An *offload* is an engine's side of them: it makes a job of an op, and hands the
 * result back to the engine's own thread, which delivers it.
 *
 * Ownership. From begin until its end was taken an op and its buffers belong to the job. A job that no thread has begun can be taken back; one that
 * has begun runs to its end, and its result is the op's, also after a cancel: a thread that the kernel holds cannot be made to forget a buffer.
 */
#ifndef CORE_OFFLOAD_H
#define CORE_OFFLOAD_H

#include "zokio/list.h"
#include "zokio/op.h"

#include <pthread.h>

struct zok__engine;

/* Something to be run by a thread. Its memory is its owner's again from within run() on. */
struct zok__job {
	struct zok_list link; /* the threads' */
	void (*run)(struct zok__job *job);
};

/* Both from any thread. */
struct zok__threads {
	/* 0: a thread will run it. -EAGAIN, -ENOMEM: there is none, and it was not taken. */
	int (*start)(struct zok__job *job);

	/* True: no thread had begun it, none will, and it is its owner's again. */
	bool (*take_back)(struct zok__job *job);
};

struct zok__offload_job {
	struct zok__job job;
	struct zok_op *op;
	struct zok__offload *offload;
	struct zok_list begun;	       /* among the offload's */
	struct zok__offload_job *next; /* among those that have ended, or that are free */
	int32_t result;
};

struct zok__offload {
	const struct zok__threads *threads; /* NULL: there are none, and an op that needs one ends with -ENOSYS */
	struct zok__engine *engine;
	struct zok__offload_job *free;	       /* as many as there ever were at a time: a warm engine allocates nothing */
	struct zok_op *refused, *refused_last; /* that never became a job, in order; their results stand in future.result */
	struct zok_list begun;		       /* jobs that were not taken yet */

	/* Threads write from here on. */
	_Alignas(ZOK_FALSE_SHARING) pthread_mutex_t lock;
	struct zok__offload_job *ended, *ended_last; /* in order; under the lock */
	bool has_ended;				     /* atomic: a hint for whoever has not taken the lock */
};

typedef void (*zok__offload_end_fn)(struct zok__engine *engine, struct zok_op *op, const struct zok_completion *completion);

void zok__offload_init(struct zok__offload *offload, struct zok__engine *engine, const struct zok__threads *threads);

/* Nothing may be begun. Waits for a thread that is about to return from its last wake-up. */
void zok__offload_finish(struct zok__offload *offload);

/*
 * Gives the op, whose kind zok__file_call() knows, to a thread. Cannot fail: what found no thread or no memory ends with that at the next take.
 * op->engine_next is the offload's until then.
 */
void zok__offload_begin(struct zok__offload *offload, struct zok_op *op);

/* Ends an op that was begun and that no thread has come to: the next take has it, with -ECANCELED. */
void zok__offload_cancel(struct zok__offload *offload, struct zok_op *op);

/* The same for every op that was begun on a descriptor. */
void zok__offload_cancel_on(struct zok__offload *offload, int fd);

/*
 * Whether there is something to take: asked by the engine in its wait before it sleeps, and again behind that. A thread that ends a job wakes the
 * engine after it has made this true. Relaxed: a hint; the lock orders what it stands for.
 */
static inline bool zok__offload_has_ended(const struct zok__offload *offload)
{
	return offload->refused || __atomic_load_n(&offload->has_ended, __ATOMIC_RELAXED);
}

/* Calls end() for each op that has ended, in order; it may begin and cancel others. Returns how many there were. */
unsigned zok__offload_take(struct zok__offload *offload, zok__offload_end_fn end);

/* ---- file_call.c ---- */

/* What ZOK_OP_FILE_STAT asks for: STATX_BASIC_STATS, STATX_BTIME, and STATX_DIOALIGN (6.1), which a kernel without it leaves unanswered. */
enum { ZOK__FILE_STAT_MASK = 0x7ff | 0x800 | 0x2000 };

/* Does a file op at once, on the calling thread, for as long as it takes. Its result, or a negative errno. */
int32_t zok__file_call(const struct zok_op *op);

#endif
