/*
 * Tasks, fibers and scopes.
 *
 * A *task* is what the scheduler runs: a resumable function and a frame in its caller's memory (async.h has the words to write one).
 * A *fiber* is a task with a stack of its own, so that plain C can block: zok_await() and every call built on it suspend only the fiber.
 * A *scope* is the parent of tasks. It ends only when all its children have ended, and it carries the deadline that every await under it obeys.
 *
 * Cancel and deadline. Cancelling a scope cancels what its children await, and every later await under it returns at once with -ECANCELED,
 * or -ETIMEDOUT where a deadline was the reason. A result that came before the cancel is returned as it is. Awaits that must not be lost
 * (close, joins) are shielded.
 *
 * Stealing. A task of class bulk, or one whose spawn allows it, may be taken by an idle core while it is runnable and has no scope of its own
 * open, so at any await or yield, and before it begins. It then goes on on another thread. What it may touch: its arguments and its stack or
 * frame, zok_spawn() and zok_scope_cancel() on its own scope and those above, timers, scopes that it opens, memory that is made for several
 * threads. What it may not keep over an await or a yield: sockets, events, semaphores, mutexes, channels and pools, which belong to a core; a
 * future that was started; the address of a thread-local variable. errno is kept, but compilers may keep its address within a function: read it
 * before the next await. A task that needs any of these is spawned with ZOK_STEALING_NEVER, or under a scope that is pinned; one that opens a
 * scope and uses them only within it need not.
 *
 * Unless a line says otherwise: functions are called on a core, by a task or a fiber of the scope's own core; they do not suspend.
 */
#ifndef ZOKIO_TASK_H
#define ZOKIO_TASK_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"
#include "zokio/timer_entry.h"

ZOK_BEGIN_DECLS

struct zok_core;
struct zok_scope;
struct zok_task;

/* What a task is to the scheduler. */
enum zok_class {
	ZOK_CLASS_INHERIT = 0, /* the spawning task's */
	ZOK_CLASS_LATENCY,     /* runs first, never leaves its core */
	ZOK_CLASS_NORMAL,      /* shares the core with bulk, four parts to one unless options say otherwise */
	ZOK_CLASS_BULK,	       /* the smaller share; may be stolen by other cores */
};

/* What a stackless function returns while it waits; every other int is its result. */
#define ZOK_PENDING INT32_MIN

/* Where a stackless function goes on. Part of every frame; see async.h. */
struct zok_async {
	struct zok_task *task; /* the task whose function this is, however deeply nested */
	uint32_t resume_at;    /* 0: from the start */
};

/* Runs a stackless task's function up to its next await: ZOK_PENDING, or the task's result. */
typedef int (*zok_task_fn)(struct zok_task *task);

/* The scheduler's part of a task, embedded in its frame. Fields are private: read them through functions. */
struct zok_task {
	struct zok_waker waker;	    /* first: waking it makes the task runnable */
	zok_task_fn resume;	    /* the function; a fiber's switches to its stack */
	struct zok_task *run_next;  /* the run queue's link */
	struct zok_future *awaited; /* what it waits for, so that a cancel can reach it */
	struct zok_scope *scope;    /* the innermost scope open in it */
	struct zok_scope *parent;   /* the scope it was spawned in */
	struct zok_core *core;	    /* who has it; NULL while it waits for whoever takes it first */
	struct zok_list sibling;    /* among the parent's children */
	struct zok_list guest;	    /* among the tasks that a core has of other cores' scopes */
	struct zok_async async;
	void (*finish)(struct zok_task *task); /* gives the frame back; NULL: it stays the caller's */
	const char *name;
	uint8_t state;
	uint8_t task_class; /* enum zok_class, never INHERIT once spawned */
	uint8_t flags;
	union {
		uint32_t woken_at;     /* runnable: where it is timed from its wake to its run: when */
		uint32_t suspended_at; /* suspended: since when, in units of 2^20 ns of the core's clock: for reports */
	};
};

ZOK_STATIC_ASSERT(sizeof(struct zok_task) <= 128, "a task is at most 128 bytes of ours beside the caller's frame");

/* Whether other cores may take a task while it is runnable. */
enum zok_stealing {
	ZOK_STEALING_BY_CLASS = 0, /* bulk yes, others no */
	ZOK_STEALING_ALLOWED,	   /* yes; latency: no all the same */
	ZOK_STEALING_NEVER,
};

struct zok_spawn_options {
	const char *
		name; /* a string that outlives the task, and, where it may be stolen, the runtime: for tools and reports. NULL: "task" or "fiber" */
	enum zok_class task_class; /* 0: the spawner's */
	size_t stack_size;	   /* fibers: usable bytes, rounded up; 0: the runtime's default (64 KiB). Tasks: ignored */
	bool without_guard;	   /* fibers: no guard page below the stack: half the memory mappings, an overflow goes unnoticed */
	void (*finish)(struct zok_task *task); /* tasks: called last, when nothing of ours needs the frame any more; it may free it */
	enum zok_stealing stealing;	       /* 0: by class */
};

struct zok_scope_options {
	const char *name;     /* a string that outlives the scope; NULL: "scope" */
	uint64_t timeout_ns;  /* 0: no deadline of its own. The parent's deadline holds in any case */
	uint64_t deadline_ns; /* the same as a point on zok_now_ns()'s clock; 0: none. The earlier of the two counts */
	bool cancel_on_error; /* the first child to end with a negative result cancels its siblings and the host's awaits under the scope */
	bool is_shielded;     /* the parent's cancel and deadline do not reach in: for what must be finished, bounded by its own deadline */
	bool contains_faults; /* a failed ZOK_CHECK() of a fiber under it ends that fiber, not the process: see fault.h */
	bool is_pinned;	      /* nothing spawned under it is stolen, whatever its class and its options say */
};

/* Fields are private; the size is public so that a frame can hold one. */
struct zok_scope {
	struct zok_scope *parent;
	struct zok_task *host; /* who opened it and will close it; NULL: a core's root */
	struct zok_core *core;
	struct zok_list scopes;	 /* opened under it on this core */
	struct zok_list sibling; /* among the parent's scopes, if that is of this core */
	struct zok_timer_entry deadline;
	uint64_t deadline_ns;	  /* ZOK_NEVER: none */
	struct zok_future joined; /* ready when the last child has ended */
	const char *name;
	struct zok_scope *cancel_next; /* among those that a task elsewhere asked to cancel */
	int cancel_code;	       /* atomic, as above: 0, -ECANCELED, -ETIMEDOUT */
	bool is_cancel_asked;	       /* atomic: by a task elsewhere */
	bool is_pinned, contains_faults;
	/* what each child's beginning and end changes: behind what those read that are away */
	uint8_t flags;
	uint32_t live_count;	  /* atomic: read by tasks on other cores */
	int error;		  /* the first negative result of a child */
	struct zok_list children; /* tasks */
};

/* 0, or why the scope was cancelled. Relaxed: a task elsewhere that reads an old 0 is found by the poke that follows (core/away.h). */
static inline int zok__cancel_code(const struct zok_scope *scope)
{
	return __atomic_load_n(&scope->cancel_code, __ATOMIC_RELAXED);
}

/*
 * Spawns a fiber that runs fn(arg) in `scope` (NULL: the calling task's innermost scope). It runs at the earliest when the caller suspends.
 * A negative return of fn is the scope's error (see zok_scope_close). -ENOMEM: no memory or no stack; -EINVAL: no such class or scope.
 * On failure fn is not called: arg is still the caller's.
 */
ZOK_API int zok_spawn(struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options);

/*
 * Spawns a stackless task whose frame holds `task`. No allocation. The frame is the scheduler's until the task has ended and
 * options->finish was called, or, without finish, until the scope is joined. -EINVAL: no such class or scope.
 */
ZOK_API int zok_task_spawn(struct zok_scope *scope, struct zok_task *task, zok_task_fn fn, const struct zok_spawn_options *options);

/* Suspends the fiber until the future is ready and returns its result. Fibers only. -ECANCELED or -ETIMEDOUT by the scope: see above. */
ZOK_API ssize_t zok_await(struct zok_future *future);

/* Lets others of the same class run; the fiber stays runnable. Fibers only; in a stackless task: ZOK_YIELD. */
ZOK_API void zok_yield(void);

/*
 * The same, but only once the fiber has used up the time budget of its slice. Costs two loads while it has not, so it can stand in an inner
 * loop. Returns whether it yielded. Fibers only; a stackless task asks zok_is_due() and then uses ZOK_YIELD.
 */
ZOK_API bool zok_yield_if_due(void);

/* Whether the running task has used up its slice's time budget. Two loads while it has not. */
ZOK_API bool zok_is_due(void);

/*
 * How many bytes of its stack the calling fiber, or one before it on the same stack, has used at most, in whole pages. For choosing stack_size:
 * about a microsecond. The greatest that was seen is stack_used_max in struct zok_core_stats. -EINVAL: not in a fiber.
 */
ZOK_API ssize_t zok_stack_used(void);

/* The running task, or NULL outside of one. */
ZOK_API struct zok_task *zok_task_current(void);

/* The name given at spawn. */
ZOK_API const char *zok_task_name(const struct zok_task *task);

/*
 * Opens a scope under the calling task's innermost one and makes it the innermost. NULL: no memory (the only failure). Close it in the same
 * task, in reverse order of opening.
 */
ZOK_API struct zok_scope *zok_scope_open(const struct zok_scope_options *options);

/*
 * Ends a scope that zok_scope_open() gave: joins all children, then frees it. With rc < 0 the children are cancelled first. Returns rc if it
 * is not 0, else the first child's error, else -ETIMEDOUT if the scope's deadline had passed and cut something short, else 0.
 * Suspends (shielded: it cannot be left before the children have ended). Fibers only.
 */
ZOK_API int zok_scope_close(struct zok_scope *scope, int rc);

/* The same on caller's memory, which a stackless frame can hold. Never fails. */
ZOK_API void zok_scope_init(struct zok_scope *scope, struct zok_task *host, const struct zok_scope_options *options);

/* The future that is ready when no child is alive. Await it, then call zok_scope_finish(). */
ZOK_API struct zok_future *zok_scope_join(struct zok_scope *scope);

/* Ends a joined scope; returns what zok_scope_close() returns. */
ZOK_API int zok_scope_finish(struct zok_scope *scope, int rc);

/* Cancels everything under the scope, its host's awaits included. The first reason stands. */
ZOK_API void zok_scope_cancel(struct zok_scope *scope);

/* The calling task's innermost scope. */
ZOK_API struct zok_scope *zok_scope_current(void);

/* 0, or -ECANCELED / -ETIMEDOUT once the scope was cancelled: for loops that compute without awaiting. NULL: the current scope. */
ZOK_API int zok_scope_status(const struct zok_scope *scope);

/* The calling core's root scope, NULL off the cores: lives as long as the core runs; what is spawned in it is cancelled when the core stops. */
ZOK_API struct zok_scope *zok_root_scope(void);

/* The calling core's index, or -1 off the cores. */
ZOK_API int zok_core_index(void);

/* The point on zok_now_ns()'s clock at which awaits under the scope end; ZOK_NEVER if none. NULL: the current scope. */
ZOK_API uint64_t zok_scope_deadline_ns(const struct zok_scope *scope);

/* How many tasks of the scope have not ended. */
ZOK_API size_t zok_scope_task_count(const struct zok_scope *scope);

ZOK_END_DECLS

#endif
