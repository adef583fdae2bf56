/*
 * What the files of the io_uring engine share. Everything here belongs to the thread that made the engine, but for what wake() touches.
 *
 * The submission queue's index array is the identity for the ring's whole life (or is not there at all), so an SQE is taken by raising our
 * tail, and a batch is published by one store. liburing sets the ring up and takes it down; its submit and get_sqe are not used.
 */
#ifndef URING_URING_H
#define URING_URING_H

#include "core/bufs.h"
#include "core/counters.h"
#include "core/engine.h"
#include "core/offload.h"
#include "uring/descriptors.h"
#include "uring/direct.h"
#include "uring/kernel.h"
#include "uring/slots.h"

/* user_data of the engine's own SQEs; tags of ops are 2^32 and above. */
enum zok__uring_tag {
	ZOK__URING_TAG_IGNORED, /* a cancel's own completion */
	ZOK__URING_TAG_WAKE,
	ZOK__URING_TAG_RUNG,		   /* a message from another core's ring: it wakes us */
	ZOK__URING_TAG_JOINED,		   /* a batch of descriptors was put into the file table */
	ZOK__URING_TAG_NOT_LEFT,	   /* a slot of the file table could not be emptied */
	ZOK__URING_TAG_NOT_RUNG = 1 << 30, /* our message to another's ring failed; with it, the eventfd to use instead */
};

/* zok_op.engine_state */
enum {
	ZOK__URING_OP_CANCELED = 1,	/* a cancel was asked for: a multishot is not armed again */
	ZOK__URING_OP_WAITS = 2,	/* in the queue `waiting`: the kernel has not seen it */
	ZOK__URING_OP_CANCEL_WAITS = 4, /* in the queue `cancels`: its cancel has no SQE yet */
	ZOK__URING_OP_POLLS_IN = 8,	/* its present step is a poll of op.fd, or of the splice's other end: see goes_on() in reap.c */
	ZOK__URING_OP_POLLS_OUT = 16,
	ZOK__URING_OP_IS_COUNTED = 32,	  /* in `descriptors` */
	ZOK__URING_OP_SYNCS = 64,	  /* its present step is the fsync behind its write */
	ZOK__URING_OP_IS_OFFLOADED = 128, /* a thread does it: files.c */
	ZOK__URING_OP_POLLS = ZOK__URING_OP_POLLS_IN | ZOK__URING_OP_POLLS_OUT,
};

/* Ops in order, linked by engine_next. */
struct zok__uring_queue {
	struct zok_op *first, *last;
};

/* What the kernel of this machine can do; tried once a process (probe.c). */
struct zok__uring_abilities {
	/* 0: it works. Otherwise what the kernel said. */
	int ext_arg_error;
	int no_iowait_error;
	int multishot_accept_error;
	int multishot_recv_error;
	int multishot_recvmsg_error;
	int direct_descriptors_error;
	int msg_ring_error;
	uint64_t file_kinds; /* a bit for each kind of file op that the ring does itself */
};

enum { ZOK__URING_FEATURES_MAX = 24, ZOK__URING_SILENT_MAX = 256, ZOK__URING_PINNED_MAX = 16 };

/* Memory that the kernel has pinned once for all file ops on it (pinned.c). */
struct zok__uring_pinned {
	uintptr_t base;
	size_t len;   /* 0: a free place */
	bool is_dead; /* given back, but the kernel did not let go of it: names memory that may be another's by now */
};

/* An SQE that posts a completion only if it fails (silent.c). */
struct zok__uring_silent {
	uint64_t tag;
	struct zok_op *op; /* while the tag finds it */
	uint32_t sq_end;   /* the queue's tail behind its SQE */
};

struct zok__uring {
	struct zok__engine engine; /* first */
	struct io_uring ring;

	/* submission */
	uint32_t sq_tail;      /* what is filled; the kernel knows of it once it is published */
	uint32_t sq_head_seen; /* what the kernel had taken when we last looked */
	uint32_t enter_flags;  /* of every io_uring_enter: registered ring, no iowait */
	bool is_sqpoll;
	bool is_wake_unarmed;	   /* the poll on wake_fd has to be submitted (again) */
	bool has_canceled_waiting; /* an op in `waiting` was cancelled */
	struct zok__slots slots;
	struct zok__counters *counters;
	struct zok__uring_queue waiting;			/* ops for which there was no SQE or no slot */
	struct zok__uring_queue cancels;			/* ops in flight whose cancel found no SQE */
	struct zok__uring_silent silent[ZOK__URING_SILENT_MAX]; /* in the order of their SQEs */
	uint32_t silent_count;
	struct zok__uring_queue closing; /* closes and forgets that wait for the end of the ops on their descriptor */
	struct zok__descriptors descriptors;
	struct zok__direct direct;
	struct zok__uring_pinned pinned[ZOK__URING_PINNED_MAX]; /* by the number that the kernel knows it under */
	uint32_t pinned_end;					/* behind the last one in use */
	bool has_pinned_table;

	/* completion */
	uint32_t cq_head; /* what was reaped; published after each batch */

	/* buffers (buffers.c) */
	struct zok__bufs *bufs;
	struct io_uring_buf_ring *buf_ring;
	size_t buf_ring_size;
	uint16_t buf_tail; /* what was given back; published before the kernel is entered */

	uint16_t accept_ioprio, recv_ioprio; /* multishot, or where that is refused single shots that reap.c repeats */
	struct zok__uring_abilities abilities;

	/* files.c and wake.c; the only fields that other threads touch */
	struct zok__offload offload;
	int wake_fd;
	bool is_woken __attribute__((aligned(ZOK_FALSE_SHARING))); /* core/park.h */

	/* what report() tells; cold */
	const char *mode __attribute__((aligned(ZOK_FALSE_SHARING)));
	struct zok__engine_feature features[ZOK__URING_FEATURES_MAX];
	size_t feature_count;
};

ZOK_STATIC_ASSERT(offsetof(struct zok__uring, engine) == 0, "a pointer to the engine is a pointer to its uring");

static inline struct zok__uring *zok__uring_of(struct zok__engine *engine)
{
	return (struct zok__uring *)engine;
}

static inline bool zok__uring_queue_is_empty(const struct zok__uring_queue *queue)
{
	return !queue->first;
}

static inline void zok__uring_queue_push(struct zok__uring_queue *queue, struct zok_op *op)
{
	op->engine_next = NULL;
	if (queue->first)
		queue->last->engine_next = op;
	else
		queue->first = op;
	queue->last = op;
}

static inline struct zok_op *zok__uring_queue_pop(struct zok__uring_queue *queue)
{
	struct zok_op *op = queue->first;

	queue->first = op->engine_next;
	return op;
}

/* The op must be in the queue. Linear: only where something was short. */
void zok__uring_queue_remove(struct zok__uring_queue *queue, struct zok_op *op);

/* setup.c: the ring itself. Notes mode and features. Errors as zok__engine_ops.create. */
int zok__uring_setup(struct zok__uring *uring, const struct zok__engine_options *options, char *reason, size_t reason_size);
void zok__uring_note_feature(struct zok__uring *uring, const char *name, bool is_active, const char *reason);

/* probe.c */
int zok__uring_probe(struct zok__uring_abilities *abilities);
void zok__uring_explain_refusal(int error, char *reason, size_t reason_size);

/* enter.c: the one door to the kernel. */
void zok__uring_flush(struct zok__uring *uring);
int zok__uring_wait(struct zok__engine *engine, uint64_t timeout_ns);

/* submit.c */
void zok__uring_submit(struct zok__engine *engine, struct zok_op *op);
void zok__uring_cancel(struct zok__engine *engine, struct zok_op *op);
void zok__uring_submit_again(struct zok__uring *uring, struct zok_op *op);
unsigned zok__uring_pump(struct zok__uring *uring);
struct io_uring_sqe *zok__uring_take_sqe(struct zok__uring *uring);

void zok__uring_finish_op(struct zok__uring *uring, struct zok_op *op, const struct zok_completion *completion);

/* Whether the op ends what the engine knows of its descriptor, and so waits for the ops on it. */
static inline bool zok__uring_lets_go(const struct zok_op *op)
{
	return op->kind == ZOK_OP_CLOSE || op->kind == ZOK_OP_FORGET;
}

/* close.c */
bool zok__uring_close_waits(struct zok__uring *uring, struct zok_op *op);
void zok__uring_close_go_on(struct zok__uring *uring);

/* files.c */
int zok__uring_files_try(struct io_uring *ring, uint64_t *kinds);
/* False: there is no SQE. An op that was issued is the kernel's, or a thread's. */
bool zok__uring_file_issue(struct zok__uring *uring, struct zok_op *op);
/* A MEMORY_REGISTER or MEMORY_UNREGISTER, within submit. */
static inline bool zok__uring_file_is_answered(const struct zok_op *op)
{
	return op->kind == ZOK_OP_MEMORY_REGISTER || op->kind == ZOK_OP_MEMORY_UNREGISTER;
}
void zok__uring_file_answer(struct zok__uring *uring, struct zok_op *op);
/* Of a WRITE_SYNC: false when it ends with completion->result; true: its fsync is under way. */
bool zok__uring_file_goes_on(struct zok__uring *uring, struct zok_op *op, struct zok_completion *completion);
/* Delivers what threads have ended. */
unsigned zok__uring_files_take(struct zok__uring *uring);
/* direct.c: see direct.h */
void zok__uring_direct_init(struct zok__uring *uring, const struct zok__engine_options *options);
void zok__uring_direct_finish(struct zok__uring *uring);
void zok__uring_direct_want(struct zok__uring *uring, struct zok__descriptor *descriptor, int fd);
void zok__uring_direct_hand_over(struct zok__uring *uring);
void zok__uring_direct_joined(struct zok__uring *uring, int result);
bool zok__uring_direct_is_joining(const struct zok__uring *uring, int fd);
bool zok__uring_direct_leave(struct zok__uring *uring, int fd);
void zok__uring_direct_forget(struct zok__uring *uring, int fd);
void zok__uring_direct_fill(const struct zok__uring *uring, struct io_uring_sqe *sqe);

/* pinned.c */
/* Does a MEMORY_REGISTER or UNREGISTER; its result. */
int32_t zok__uring_pinned_change(struct zok__uring *uring, const struct zok_op *op);
/* Makes a READ or WRITE, which is filled, one of pinned memory where its buffer lies in such. */
void zok__uring_pinned_use(const struct zok__uring *uring, struct io_uring_sqe *sqe);

/* silent.c */
bool zok__uring_silent_can(const struct zok__uring *uring, const struct zok_op *op);
void zok__uring_silent_note(struct zok__uring *uring, struct zok_op *op, struct io_uring_sqe *sqe);
bool zok__uring_silent_is_awaited(const struct zok__uring *uring);
unsigned zok__uring_silent_settle(struct zok__uring *uring, uint32_t sq_head);

/* reap.c */
unsigned zok__uring_reap(struct zok__uring *uring);

/* buffers.c */
int zok__uring_buffers_init(struct zok__uring *uring, struct zok__bufs *bufs);
void zok__uring_buffers_finish(struct zok__uring *uring);
void zok__uring_release(struct zok__engine *engine, struct zok_buf *buf);
void zok__uring_buffers_give_back(struct zok__uring *uring, uint16_t id);
void zok__uring_buffers_publish(struct zok__uring *uring);

/* wake.c */
int zok__uring_wake_init(struct zok__uring *uring);
void zok__uring_wake_finish(struct zok__uring *uring);
void zok__uring_wake_arm(struct zok__uring *uring);
void zok__uring_wake_seen(struct zok__uring *uring, bool is_still_armed);
void zok__uring_wake(struct zok__engine *engine);
bool zok__uring_wake_by(struct zok__engine *engine, struct zok__engine *from_engine);
void zok__uring_rung(struct zok__uring *uring);
void zok__uring_not_rung(uint64_t tag);

#endif
