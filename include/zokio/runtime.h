/*
 * Starting and stopping: one scheduler a core, each pinned, each with its engine.
 *
 * Most programs are one call: zok_run(&options, main_fn, arg). Programs that live in a host of their own use create, start, stop, destroy.
 * One runtime a process at a time.
 */
#ifndef ZOKIO_RUNTIME_H
#define ZOKIO_RUNTIME_H

#include "zokio/base.h"
#include "zokio/memory.h"
#include "zokio/stats.h"
#include "zokio/task.h"

ZOK_BEGIN_DECLS

struct zok_runtime;

/*
 * Profiles, for those who would rather say what they want than how. What an option says itself stands; the profile gives the rest:
 *
 *	profile         mode       budget_ns   spin_ns_max   sq, cq entries        for
 *	"low-latency"   spin       100 µs      200 µs        the engine's          a processor a core to spare: answers without a wake-up
 *	"balanced"      park       500 µs       50 µs        the engine's          the default: sleeps when there is nothing to do
 *	"throughput"    adaptive     2 ms       20 µs        4,096 and 32,768      thousands of busy connections: long slices, large batches
 *	"power-saving"  park         2 ms        5 µs        the engine's          few wake-ups before all
 *
 * spin_ns_max counts in the mode adaptive only.
 */
/* Zero everywhere is the good default. Text options are read during the call only. */
struct zok_options {
	/*
	 * Which processors, one scheduler each: "0", "0,2-3", "all", "node:0", "package:1", "cache:4" (that share CPU 4's last-level cache), "near:eth0" (a NIC, a
	 * disk, a PCI address), "kind:performance", "isolated"; ":4" behind takes so many, "/core" one a physical core; "!0" leaves out. NULL: the first one
	 * allowed. `zok topo --explain LIST` shows what a list gives and why; zok-topo(1) has the whole grammar.
	 */
	const char *cores;
	const char
		*engine;  /* "uring", "epoll"; NULL or "auto": $ZOK_ENGINE if set, else uring, and epoll where io_uring is not to be had */
	const char *mode; /* how a core waits: "park" (default), "adaptive", "spin", "sqpoll" */
	const char *
		wake; /* how a core wakes a parked one: "auto" (default: $ZOK_WAKE, else what a short calibration finds faster), "eventfd", "msg-ring" */
	const char *
		spin; /* what a core that spins does between its looks: "auto" (NULL: the best that the processor has), "pause", "tpause", "umwait",
			     "mwaitx". Where the processor has not what was asked for: "pause"; zok_engine_report() says what it is */
	const char *profile; /* fills in what stands at zero: see below. NULL: "balanced" */

	uint64_t budget_ns;	      /* a slice: after so long a task is due to yield. 0: 500 µs */
	uint64_t spin_ns_max;	      /* adaptive: never spins longer than this before it parks. 0: 50 µs */
	uint64_t drain_ns;	      /* after SIGINT/SIGTERM: nothing new, what runs may finish (drain.h), then the cancel. 0: no drain */
	uint64_t grace_ns;	      /* between the cancel by SIGINT/SIGTERM and giving up. 0: 5 s */
	unsigned share_normal;	      /* parts of the core for normal, 0: 4 … */
	unsigned share_bulk;	      /* … and for bulk, 0: 1 */
	size_t stack_size;	      /* of a fiber that does not say, in bytes. 0: 64 KiB */
	uint32_t receive_buffers;     /* a core's pool: how many (a power of two; 0: 1,024) … */
	uint32_t receive_buffer_size; /* … of how many bytes (0: 4,096) */
	uint32_t sq_entries;	      /* submission queue; 0: the engine's default */
	uint32_t cq_entries;
	const char *
		stealing; /* what idle cores may take of others' bulk work: "off"; "one" task at a time; "half" of it; NULL or "auto": half */
	uint64_t stuck_ns;     /* a task that runs longer and whose backlog others take meanwhile is counted and reported. 0: 10 ms */
	uint32_t busy_poll_us; /* before it sleeps a core polls its sockets' network devices for so long (NAPI, Linux 6.9). 0: not */
	/* uring: busy descriptors get a slot in the ring's own file table: "on", "off"; NULL or "auto": $ZOK_DIRECT if set, else as measured */
	const char *direct_descriptors;
	unsigned blocking_threads_max; /* 0: 64 */
	bool keep_signals;	       /* SIGINT and SIGTERM are left to the program */
	bool contains_faults;	       /* a failed ZOK_CHECK() of a fiber ends only that fiber, main's included: see fault.h */
	bool no_overflow_report; /* SIGSEGV is left alone. Else a fiber that runs into its guard page is named on stderr before the signal goes to the handler that
				    the program had before the runtime, or does what it does by default */
	bool no_export;			       /* `zok top` does not see it: see <zokio/export.h>, and $ZOK_EXPORT (on, off, a folder) */
	const struct zok_allocator *allocator; /* NULL: malloc */

	/*
	 * Where a core's memory comes from: "preferred" (NULL), its node, and another when that is short; "strict", its node or -ENOMEM;
	 * "interleave", all nodes in turn. And on which pages: "auto" (NULL), the largest that are to be had; "off", normal ones; "2M" and "1G", which
	 * also say so when there are none. zok_memory_stats() says what was got.
	 */
	const char *memory;
	const char *huge_pages;

	/*
	 * The stall detector: a task that keeps its core for stall_ns of CPU time without an await is named in the log, with where it is. A core
	 * that waits, polls, or is preempted does not stall. At most five reports a minute and core; zok_core_stats counts all. What watches is
	 * a perf event of each core's thread ("perf", shows the kernel's part too) or a timer on its CPU time ("timer"), which sends a signal.
	 */
	uint64_t stall_ns;	    /* 0: 25 ms; at least 1 ms */
	const char *stall_detector; /* NULL or "auto": the timer; "perf": some microseconds a park more; "off" */
	int stall_signal; /* a real-time signal; the program leaves it alone while the runtime runs. 0: the highest below SIGRTMAX without a handler */

	/*
	 * SCHED_FIFO of this priority, 1 to 99, for the cores' threads (not the blocking pool's); 0: none. Needs RLIMIT_RTPRIO or CAP_SYS_NICE; without, the
	 * runtime goes on as if it was not asked, says so once, and zok_engine_report() tells. A core that spins with it leaves its processor to
	 * nobody, the kernel's own threads there included, but for what kernel.sched_rt_runtime_us takes back (50 ms of each second).
	 */
	unsigned realtime_priority;
};

/*
 * Creates a runtime, runs main_fn(arg) in a fiber of the root scope on the first core, joins everything, and destroys it. Returns main_fn's
 * result, or a negative errno where nothing was started:
 *   -EINVAL  an option is wrong; one line in the log says which and what it would accept (programs exit with 2)
 *   -EBUSY   a runtime runs already
 *   -ENOSYS, -EPERM  the engine that was asked for by name is not to be had here
 *   -ENOMEM, -EMFILE, …  a resource ran out
 * SIGINT and SIGTERM begin a drain, if drain_ns says so, and then cancel the root scope; awaits then end with -ECANCELED and main_fn is expected
 * to return. When grace_ns have passed since the cancel, the process says what is still alive and what that awaits, and exits with 128 + the
 * signal. A second signal during the drain ends the drain; any other further one ends the process. Blocks the calling thread, which becomes the
 * first core.
 */
ZOK_API int zok_run(const struct zok_options *options, int (*main_fn)(void *arg), void *arg);

/* Checks the options and claims what is needed, but runs nothing. Any thread. Errors as zok_run(). */
ZOK_API int zok_runtime_create(struct zok_runtime **runtime, const struct zok_options *options);

/* Starts every core on a thread of its own and main_fn in the root scope of the first. Any thread. -EALREADY; -EAGAIN: no thread. */
ZOK_API int zok_runtime_start(struct zok_runtime *runtime, int (*main_fn)(void *arg), void *arg);

/* Cancels the root scope. Any thread, also a signal handler. Does not wait. */
ZOK_API void zok_runtime_cancel(struct zok_runtime *runtime);

/*
 * Begins a drain (drain.h) of `runtime`, or of the one that runs where that is NULL; drain_ns later, or never where that is 0, the root scope is
 * cancelled. Any thread, also a signal handler. Does not wait. -EINVAL: none runs.
 */
ZOK_API int zok_runtime_drain(struct zok_runtime *runtime);

/* Waits until main_fn has returned and all cores have ended; returns main_fn's result. Not on a core. -EINVAL: not started. */
ZOK_API int zok_runtime_stop(struct zok_runtime *runtime);

/* Not while it runs. NULL is fine. */
ZOK_API void zok_runtime_destroy(struct zok_runtime *runtime);

/* Cores of the running runtime. Any thread; 0 if none runs. */
ZOK_API unsigned zok_core_count(void);

/*
 * Runs fn(arg) in a fiber on core `core` as a child of `scope` (NULL: the current one): a cancel reaches it there, its error comes back as the
 * scope's. fn is called in any case, also under a scope that was cancelled already, unless there is no memory for a fiber there: the scope's
 * error is then -ENOMEM. By a task or fiber of the scope's core. -EINVAL: no such core or scope, or not on a core; -ENOMEM.
 */
ZOK_API int zok_spawn_on(unsigned core, struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options);

/* Runs fn(arg) in a fiber on core `core` and suspends until it has ended; returns its result, or what zok_spawn_on() would return. */
ZOK_API int zok_call_on(unsigned core, int (*fn)(void *arg), void *arg);

/*
 * Runs fn(arg) in a fiber of the root scope of whichever core comes to it first: for threads that are no cores; on a core, too. A core that is
 * parked is woken. The options are copied, `name` is kept; a task class of 0 is normal. fn is called in any case once this returned 0, also when
 * the runtime is being cancelled: it owns its argument. Does not block. Any thread, while the runtime is not being destroyed.
 * -ENOBUFS: 1,024 are waiting already; -ESHUTDOWN: main_fn has returned, or has not begun; -EINVAL: an option is wrong, or no runtime.
 */
ZOK_API int zok_inject(int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options);

/*
 * Runs fn(arg) on a thread of the blocking pool, which grows with its queue and shrinks when idle; suspends until it has ended and returns its
 * result. fn may block; it runs outside of every core and must not call functions that need one. Once it has begun it cannot be cancelled:
 * the await is then shielded. -ENOMEM, -EAGAIN: no thread; -ECANCELED: cancelled before it had begun.
 */
ZOK_API ssize_t zok_blocking(ssize_t (*fn)(void *arg), void *arg);

/* A snapshot of core `index` of the running runtime. Any thread. -ENOENT: no such core; -EINVAL: no runtime runs. */
ZOK_API int zok_stats(unsigned index, struct zok_core_stats *stats);

/*
 * How long the tasks of a class waited on core `index` between wake and run, since the runtime's start: see <zokio/latency.h> for what is
 * sampled and how precise it is. Any thread. -ENOENT: no such core; -EINVAL: no such class, or no runtime runs.
 */
ZOK_API int zok_latency(unsigned index, enum zok_class task_class, struct zok_latency *latency);

/* The memory of core `index` of the running runtime. Any thread. -ENOENT: no such core; -EINVAL: no runtime runs. */
ZOK_API int zok_memory_stats(unsigned index, struct zok_memory_stats *stats);

/*
 * The sums over the cores whose memory lies on `node`; -1: those on no node in particular. Peaks are added too: their sum is no peak. Any
 * thread. -ENOENT: no core of the runtime has its memory there; -EINVAL: no runtime runs.
 */
ZOK_API int zok_node_memory_stats(int node, struct zok_memory_stats *stats);

/* One line per feature of the running engine, as found on a live ring: what is active and why not. Any thread. Returns the length as snprintf(). */
ZOK_API int zok_engine_report(char *text, size_t size);

/* Library version: 0xMMmmpp, and as text. */
ZOK_API uint32_t zok_version(void);
ZOK_API const char *zok_version_text(void);

ZOK_END_DECLS

#endif
