/*
 * The contract between the scheduler and what completes its operations: `uring`, `epoll`, later `kqueue` and `sim`.
 *
 * One engine a core, made, used and destroyed by that core's thread only; wake() alone may be called from any thread.
 *
 * Ownership. From submit() an op and the buffers that it names belong to the engine, until the completion without has_more is delivered.
 * cancel() asks for that completion to come soon; it comes in any case, exactly once: -ECANCELED, or the real result where that was first.
 * A completion is matched by op->handle (slot and generation), never by a pointer that might have been reused.
 *
 * Delivery. The engine calls op->deliver(op, completion) on the core. The receiver may submit and cancel from within deliver (also this op,
 * again, after its last completion); it never waits there. A multishot op is delivered with has_more until its last completion. An engine
 * that cannot do a multishot natively repeats the single shot itself.
 *
 * Descriptors. What an engine keeps of a descriptor (that it is watched, how it was found, a slot in a table of its own) is kept until a
 * ZOK_OP_CLOSE or a ZOK_OP_FORGET. Either ends who waits on the descriptor, and is completed after the last of them. After a FORGET the engine holds
 * nothing of it: another engine, of any core, may be given it, and what becomes of it there is no event here.
 *
 * Silence. Nobody waits for the success of a ZOK_OP_SEND or SENDMSG that is_silent: it alone ends no wait, and is delivered with whatever ends one. The op
 * may end with -EAGAIN where another would wait for room. Its owner may clear the flag while it is in flight: the next wait then delivers
 * it without sleeping, if the kernel has taken it. An engine may treat it as any other op.
 *
 * Running out. submit() cannot fail: where the submission queue is full the op waits in the engine's own queue (counted as a shortage).
 * What the kernel refuses for want of memory or descriptors is delivered as that op's result. A multishot receive that finds no free buffer
 * ends with -ENOBUFS and is submitted again by its owner once it has given buffers back.
 *
 * Every system call that core/ and net/ need on their way passes here, so that a simulated engine can own the world.
 */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include "zokio/op.h"

struct zok__bufs;
struct zok__counters;
struct zok__engine;
struct zok__threads;

/* How the core waits; what is really active is reported, never only what was asked for. */
enum zok__mode {
	ZOK__MODE_PARK,
	ZOK__MODE_ADAPTIVE, /* the core spins for a learned time, then parks: the engine sees wait(0), then wait(timeout) */
	ZOK__MODE_SPIN,
	ZOK__MODE_SQPOLL,
};

/* Whether descriptors get a slot in the ring's own file table: uring/direct.h. */
enum zok__direct_choice {
	ZOK__DIRECT_AUTO, /* where the kernel can: docs/decisions/036-busy-descriptors-get-a-slot.md */
	ZOK__DIRECT_ON,	  /* the same, whatever is measured later */
	ZOK__DIRECT_OFF,
};

struct zok__engine_options {
	enum zok__mode mode;
	uint32_t sq_entries; /* 0: the engine's default. 2 is legal: tests force shortage with it */
	uint32_t cq_entries; /* 0: the engine's default */
	int sqpoll_cpu;	     /* -1: unpinned */
	uint32_t sqpoll_idle_ms;
	int sqpoll_share_fd;	/* another engine's, from its report: its poll thread serves this one too; 0: a thread of its own */
	uint32_t busy_poll_us;	/* a sleeping wait polls the network devices for so long first (NAPI); 0: not */
	struct zok__bufs *bufs; /* the core's receive buffers (core/bufs.h); the engine may register their memory */
	const struct zok__threads
		*threads; /* for what the engine cannot do without blocking (core/offload.h); NULL: such ops end with -ENOSYS */
	enum zok__direct_choice direct_descriptors;
	uint32_t direct_after_ops;	/* how many ops make a descriptor worth a slot, at most 255; 0: the engine's default */
	struct zok__counters *counters; /* where submits, completions and shortages are counted (core/counters.h); required */
};

/* One feature of an engine, as it was found on a live ring. */
struct zok__engine_feature {
	const char *name; /* "multishot-recv" */
	bool is_active;
	char reason[56]; /* why not, or what was chosen: "kernel lacks it (-EINVAL)", "off in this mode" */
};

/* The one that a layer above asks for: whether ZOK_OP_RECVMSG_BUFFERS works. */
#define ZOK__FEATURE_RECVMSG "multishot-recvmsg"

struct zok__engine_report {
	const char *engine; /* "uring" */
	const char *mode;   /* what is really active */
	const struct zok__engine_feature *features;
	size_t feature_count;
	int sqpoll_share_fd; /* 0: nothing to share */
};

struct zok__engine_ops {
	const char *name;

	/*
	 * Makes an engine on the calling thread, which owns it from then on. -ENOSYS or -EPERM: not to be had here, `reason` says in one line
	 * which it was and how to mend it (the caller may fall back on another engine). Every other error is a resource error and no ground to
	 * fall back: -ENOMEM, -EMFILE, -EINVAL…
	 */
	int (*create)(struct zok__engine **engine, const struct zok__engine_options *options, char *reason, size_t reason_size);

	/* Nothing may be in flight. NULL is fine. */
	void (*destroy)(struct zok__engine *engine);

	/* Takes a prepared op. The kernel may see it only at the next wait(). */
	void (*submit)(struct zok__engine *engine, struct zok_op *op);

	/* Asks for the end of an op in flight; a no-op for any other. */
	void (*cancel)(struct zok__engine *engine, struct zok_op *op);

	/*
	 * Hands everything submitted to the kernel, delivers what has completed, and returns how many completions that were. If there is none it
	 * waits for one, for wake(), or for timeout_ns (0: does not wait; ZOK_NEVER: for ever). It may return 0 early. Never negative: what
	 * cannot be mended aborts with a message.
	 */
	int (*wait)(struct zok__engine *engine, uint64_t timeout_ns);

	/* Makes the current or the next wait() return. Any thread, any time between create and destroy; async-signal-safe. */
	void (*wake)(struct zok__engine *engine);

	/*
	 * The same by way of `from`, the calling core's own engine, of the same kind. False: it cannot, and nothing was done. NULL: this kind never can.
	 */
	bool (*wake_by)(struct zok__engine *engine, struct zok__engine *from);

	/* Takes back a buffer that a completion gave. */
	void (*release)(struct zok__engine *engine, struct zok_buf *buf);

	/* Fills in what is active. The strings live as long as the engine. */
	void (*report)(const struct zok__engine *engine, struct zok__engine_report *report);
};

/* Every engine embeds this first, so that a call finds its table. */
struct zok__engine {
	const struct zok__engine_ops *ops;
};

extern const struct zok__engine_ops zok__engine_uring;
extern const struct zok__engine_ops zok__engine_epoll;

#endif
