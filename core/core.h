/*
 * A core: one scheduler thread's whole world. Read this first.
 *
 * The loop (loop.c) takes messages from other cores and threads, runs slices of runnable tasks (sched.c), expires timers, and lets the engine
 * submit, reap or sleep. A task runs until it awaits. A fiber that suspends switches straight to the next runnable fiber of its slice and
 * comes back to the loop only when the slice is over:
 *
 *	loop ──► slice: task, fiber ─► fiber ─► fiber ─┐
 *	  ▲                                            │
 *	  └── timers ◄── engine wait ◄── slice over ◄──┘
 *
 * Nothing in a core is shared but what stands on lines of its own: the mailboxes and the inbox (others push), `is_parked` (others read it to
 * know whether a wake-up is needed), the counters (others read), and, where stealing is on, what steal.h has beside the core.
 */
#ifndef CORE_CORE_H
#define CORE_CORE_H

#include "core/bufs.h"
#include "core/clock.h"
#include "core/counters.h"
#include "core/engine.h"
#include "core/fiber_switch.h"
#include "core/heap.h"
#include "core/inject.h"
#include "core/latency.h"
#include "core/mailbox.h"
#include "core/runq.h"
#include "core/spin.h"
#include "core/stack.h"
#include "core/steal.h"
#include "core/wheel.h"
#include "zokio/memory.h"
#include "zokio/task.h"

enum { ZOK__CLASS_COUNT = ZOK_CLASS_BULK + 1 };

/* How a core is made; filled by runtime/ from struct zok_options with all defaults in place. */
struct zok__core_options {
	unsigned index, core_count;
	int node;		       /* its CPU's, which its memory is taken from; -1: no wish */
	struct zok_core *const *peers; /* core_count of them, complete before any core runs; this one among them */
	const struct zok__engine_ops *engine;
	enum zok__mode mode;
	enum zok__spin_way spin; /* as chosen: one that the processor has */
	uint64_t budget_ns, spin_ns_max;
	unsigned share[ZOK__CLASS_COUNT]; /* of normal and bulk */
	size_t stack_size;
	uint32_t receive_buffers, receive_buffer_size;
	enum zok__memory_policy memory;
	enum zok__page_wish huge_pages;
	uint32_t sq_entries, cq_entries;
	bool contains_faults;			  /* the root scope does: fault.h */
	void (*housekeep)(struct zok_core *core); /* called on the core's own turn, at most once a second and never while it sleeps; NULL */
	int sqpoll_cpu;				  /* -1: unpinned */
	uint32_t sqpoll_idle_ms;
	int sqpoll_share_fd; /* set before the core is opened: engine.h */
	uint32_t busy_poll_us;
	enum zok__direct_choice direct_descriptors;
	uint32_t direct_after_ops; /* 0: the engine's */
	enum zok__stealing stealing;
	const struct zok__victim *victims;  /* core_count - 1 of them, nearest first; unused without stealing */
	struct zok__thieves *thieves;	    /* the runtime's; unused without stealing */
	const struct zok__threads *threads; /* for what blocks; NULL: file ops that need one end with -ENOSYS */
	struct zok__inject *inject;	    /* the runtime's; NULL: nothing is injected */
	uint64_t stuck_ns;		    /* a slice that lasts longer counts as stuck when others take its backlog */
	struct zok__counters *counters;	    /* zeroed, for as long as the core lives; NULL: the core's own */
};

/* Task states. A wake moves SUSPENDED to RUNNABLE and RUNNING to NOTIFIED; it leaves the others alone. */
enum zok__task_state {
	ZOK__TASK_NEW,
	ZOK__TASK_RUNNABLE,
	ZOK__TASK_RUNNING,
	ZOK__TASK_NOTIFIED, /* woken while it ran: it looks again before it suspends */
	ZOK__TASK_YIELDED,  /* a stackless task that runs, and asked to be run again */
	ZOK__TASK_SUSPENDED,
	ZOK__TASK_ENDED,
	ZOK__TASK_DISPOSED, /* an ended fiber on its way to the core whose pools it is of */
};

enum zok__task_flag {
	ZOK__TASK_IS_FIBER = 1 << 0,
	ZOK__TASK_IS_SAMPLED = 1 << 1, /* woken, and timed until it runs: latency.h. Only while it is runnable */
	ZOK__TASK_MAY_BE_STOLEN = 1 << 2,
	ZOK__TASK_AWAY = 1 << 3,    /* its scope is another core's */
	ZOK__TASK_LISTED = 1 << 4,  /* among its core's guests */
	ZOK__TASK_WAS_CUT = 1 << 5, /* a cancel ended an await of it while it was away */
};

enum zok__scope_flag {
	ZOK__SCOPE_CANCEL_ON_ERROR = 1 << 0,
	ZOK__SCOPE_SHIELDED = 1 << 1,
	ZOK__SCOPE_WAS_CUT = 1 << 2, /* a cancel ended an await under it */
	ZOK__SCOPE_POOLED = 1 << 3,  /* zok_scope_open() allocated it */
};

/* A fiber: a task, where it goes on, and the stack that is reserved for it. */
struct zok__fiber {
	struct zok_task task; /* first */
	struct zok__fiber_state state;
	struct zok__stack *stack;
	int (*fn)(void *arg);
	void *arg;
	struct zok__defer *defers; /* fault.h: what is called at its end; NULL: nothing */
	int result;		   /* once it has ended, and still stands on its stack */
	uint16_t maker;		   /* the core whose pools record and stack are of */
	uint8_t stack_class;
	bool is_guarded;
	bool has_started; /* its stack has been touched; until then it may run on another fiber's */
};

/* Learning how many tasks fit a slice, so that short tasks do not pay for a clock reading each. */
struct zok__pace {
	uint64_t used_ns; /* time charged, weighted: the class with less runs next */
	uint32_t weight;  /* in inverse proportion to the share */
	uint32_t quantum; /* tasks a slice */
};

/* Subtracted from slice_left to end a slice early without losing count of what ran. */
enum { ZOK__SLICE_PREEMPTED = 1 << 24 };

/* What a layer above keeps of its own for each core. finish() is called on the core, when no task is left and the engine still works. */
struct zok__core_part {
	void (*finish)(struct zok__core_part *part);
	void (*drain)(struct zok__core_part *part); /* nothing new is to begin */
};

struct zok_core {
	/* what a switch touches */
	struct zok_task *current;
	int32_t slice_left; /* tasks that may still run in this slice; see ZOK__SLICE_PREEMPTED */
	uint32_t slice_class;
	struct zok__runq *slice_queue;	/* what the slice runs from; an empty one between slices */
	struct zok__steal *steal;	/* NULL: there is nobody to steal from */
	int *errno_address;		/* of this thread: a fiber never keeps that address over a suspension */
	struct zok__counters *counters; /* others read them: they stand where the options said, or in own_counters */
	struct zok__runq runq[ZOK__CLASS_COUNT];
	struct zok__fiber_state loop_state;
	struct zok__engine *engine;
	struct zok_pool fibers;
	struct zok_pool scopes;
	uint64_t tick_seen; /* tick.h: the tick at the slice's start */
	uint64_t slice_end_ns;
	struct zok__sampler samplers[ZOK__CLASS_COUNT];

	struct zok__heap *heap; /* that all of this lies in */

	/* the loop's */
	struct zok__pace pace[ZOK__CLASS_COUNT];
	struct zok__clock clock;
	struct zok__stack_cache stacks;
	uint32_t reaped_count;		     /* stacks left, of which some are measured */
	struct zok__fiber *ended_fiber;	     /* it has ended and has not left its stack yet */
	struct zok__fiber_state ended_state; /* where its registers go to be forgotten */
	struct zok__wheel wheel;
	struct zok__bufs bufs;
	struct zok_scope root;
	struct zok_scope service;      /* the runtime's own fibers: not cancelled with the root, but waited for */
	uint64_t now_ns;	       /* as of the last turn of the loop */
	uint64_t housekeep_ns;	       /* when the core looks after itself */
	uint64_t options_housekeep_ns; /* and when options.housekeep is due with it */
	uint64_t spin_ns;	       /* adaptive: how long it spins, as learned */
	uint64_t spin_wait_cycles;     /* spin.h */
	bool is_stopping;
	bool is_draining;
	struct zok_list drains; /* who waits for the drain: struct zok_drain */
	bool has_injected;	/* `injected` was taken, and waits for memory */
	struct zok__injected injected;
	struct zok__core_part *net;	  /* net/'s; NULL until its first socket */
	struct zok__core_part *fs;	  /* fs/'s; NULL until its first file */
	struct zok__core_part *processes; /* net/'s; NULL until its first process */
	struct zok__core_part *signals;	  /* runtime/'s; NULL until its first signal */

	/* read by everybody, written by nobody while cores run: senders look up `index` for each message, and now_ns changes all the time */
	_Alignas(ZOK_FALSE_SHARING) struct zok__core_options options;

	/* shared, each on lines of its own */
	_Alignas(ZOK_FALSE_SHARING) struct zok__counters own_counters;
	_Alignas(ZOK_FALSE_SHARING) struct zok__mail mail; /* mailbox.h: mailboxes, inbox, is_parked */
};

/*
 * The calling thread's core; NULL off the cores. Never inlined: a fiber that migrates must not use a thread-local address that the compiler
 * kept from before its last suspension.
 */
struct zok_core *zok__core(void);

/* ---- core.c: life. create and destroy: any thread, while the core does not run. The others: the core's own thread ---- */

int zok__core_create(struct zok_core **core, const struct zok__core_options *options);
void zok__core_destroy(struct zok_core *core);

/* Makes the engine on this thread, which is the core from now on. Errors and `reason` as the engine's create(). */
int zok__core_open(struct zok_core *core, char *reason, size_t reason_size);
void zok__core_close(struct zok_core *core);

/* Lets the loop return once nothing is alive in the root scope. */
void zok__core_stop(struct zok_core *core);

/* ---- drain.c ---- */

/* Nothing new begins on the core from here on. On the core, from a message or a task; once more does nothing. */
void zok__core_drain(struct zok_core *core);

/* ---- loop.c ---- */

void zok__loop_run(struct zok_core *core);

/* ---- sched.c ---- */

/* Runs slices until nothing is runnable or the engine is due to be polled. Returns whether tasks are still runnable. */
bool zok__sched_run(struct zok_core *core);

bool zok__sched_is_runnable(const struct zok_core *core);

/* Writes how many tasks are runnable into the gauges. */
void zok__sched_note_depths(struct zok_core *core);

/* Suspends the running fiber; returns when it has been woken (at once if it was woken while it ran). */
void zok__fiber_suspend(struct zok_core *core, struct zok__fiber *fiber);

/* Ends the running fiber from any depth of its calls. */
ZOK_NORETURN void zok__fiber_exit(struct zok__fiber *fiber, int result);

/* A task's first and last step. */
int zok__task_begin(struct zok_core *core, struct zok_scope *scope, struct zok_task *task, uint8_t flags,
		    const struct zok_spawn_options *options);
void zok__task_link(struct zok_core *core, struct zok_task *task);
void zok__task_end(struct zok_core *core, struct zok_task *task, int result);

/* Gives record and stack of a fiber that has ended and that nobody stands on back to the core that made it. */
void zok__fiber_dispose(struct zok_core *core, struct zok__fiber *fiber);

/* Says why a spawn is refused; -EINVAL. */
int zok__spawn_refuse(const char *why);

/* What a task's waker does. */
void zok__task_wake(struct zok_waker *waker);

/* Where stealing is on, thieves may want to say who runs. Relaxed: they take it as a hint. The name outlives the task. */
static inline void zok__set_name(struct zok_core *core, const struct zok_task *task)
{
	__atomic_store_n(&core->steal->running_name, task->name, __ATOMIC_RELAXED);
}

/* About a millisecond, and a shift where a division would be felt: for reports of what is still alive. */
enum { ZOK__SUSPENDED_SHIFT = 20 };

static inline void zok__task_note_suspended(const struct zok_core *core, struct zok_task *task)
{
	task->suspended_at = (uint32_t)(core->now_ns >> ZOK__SUSPENDED_SHIFT);
}

/* Fetches for writing what another core has written: several tasks' lines then cross at a time instead of one after the other. */
static inline void zok__task_prefetch(struct zok_task *task)
{
	/* Also the line behind, a fiber's own: whether it is one would have to be read first, and a prefetch of anything does no harm. */
	for (size_t offset = 0; offset <= sizeof(struct zok_task); offset += ZOK_CACHE_LINE)
		__builtin_prefetch((char *)task + offset, 1);
}

static inline struct zok__fiber *zok__fiber_of(struct zok_task *task)
{
	return (struct zok__fiber *)(void *)task;
}

/* ---- scope.c ---- */

/* The two scopes without a host. */
void zok__scope_init_roots(struct zok_core *core);
void zok__scope_cancel(struct zok_scope *scope, int code);
/* Cancels what a task awaits, if the scope that the task is in was reached by the cancel. Returns whether it did. */
bool zok__scope_cancel_await(struct zok_task *task);
void zok__scope_deadline_passed(struct zok_scope *scope);

/* Which run of which task: what a task does between two awaits. No two are equal. */
struct zok__run {
	const struct zok_task *task; /* NULL: the core runs none */
	uint64_t slice;
	int32_t left;
};

/* By the core's own thread, also from a signal handler: what it reads is stored before each run begins, and costs no store of its own. */
static inline struct zok__run zok__core_run(const struct zok_core *core)
{
	return (struct zok__run){
		.task = *(struct zok_task *const volatile *)&core->current,
		.slice = *(const volatile uint64_t *)&core->counters->stats.tasks_polled,
		.left = *(const volatile int32_t *)&core->slice_left,
	};
}

/* ---- timer.c ---- */

/* Expires what is due at core->now_ns. */
void zok__timers_expire(struct zok_core *core);

/* ---- core_memory.c ---- */

/* Where a core's own objects come from: its heap, unless the program supplied an allocator. On the core. */
const struct zok_allocator *zok__core_allocator(struct zok_core *core);

/* Makes the heap and the core's zeroed struct in it; what remains is the caller's to set up. -ENOMEM and the log says why. */
ZOK_NODISCARD int zok__core_memory_create(struct zok_core **out, const struct zok__core_options *options);

/* The core's own mappings for stacks: of its node, and counted. Belongs to the heap. */
struct zok__stack_source zok__core_stack_source(struct zok_core *core);

#endif
