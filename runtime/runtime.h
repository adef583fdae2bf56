/*
 * The running runtime, as the files of this folder see it. Read runtime.c first.
 *
 * Stopping. The conductor (stop.c), a fiber of the first core's service scope, runs main_fn in the root scope. When that has returned it cancels
 * every core's root scope and visits the cores until a whole round finds nothing alive anywhere, because a task that ends late may still have
 * sent work to a core visited before. A task that was stolen counts where its scope is; what was injected counts from then on until a core has
 * taken it, and no more is let in. Then it lets the loops end. The engines go last: when all loops are over, the blocking pool's threads have
 * ended, and no cancel is being posted, so that nobody is left who could wake one.
 */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include "core/core.h"
#include "runtime/calibrate.h"
#include "runtime/export.h"
#include "runtime/gate.h"
#include "runtime/options.h"
#include "runtime/sqpoll.h"
#include "runtime/stall.h"
#include "zokio/runtime.h"

#include <pthread.h>
#include <sched.h>

enum { ZOK__REPORT_SIZE = 4096 };

/* What a core's thread is told and tells. */
struct zok__seat {
	struct zok_runtime *runtime;
	struct zok_core *core;
	pthread_t thread;
	bool has_thread;
	int cpu;	      /* that it was pinned to; -1: to none */
	bool is_displaced;    /* the core's own: it was found elsewhere */
	bool has_priority;    /* its thread is a real-time one: priority.c */
	void *overflow_stack; /* of its signals; NULL: it has another, or none */
	int priority_error, policy_before;
	struct sched_param param_before;
	int result; /* of opening the core */
	char reason[256];
};

/* How far an end that was asked for has come: phases.c. The first core's, but for has_drained. */
struct zok__phases {
	struct zok_scope *draining; /* what a second signal cancels; NULL: nothing drains */
	bool is_cut;		    /* there was one */
	bool is_over;		    /* the cores are being stopped */
	bool has_drained;	    /* atomic: a further signal has nothing to cut short */
};

struct zok_runtime {
	struct zok__config config;
	unsigned core_count;
	struct zok_core **cores;
	struct zok__seat *seats;
	struct zok__export export; /* where the cores' counters are */
	struct zok__thieves thieves;
	struct zok__inject *inject;
	struct zok__victim *victims; /* core_count rows of core_count - 1 */
	cpu_set_t affinity;	     /* of the process before anything was pinned: for threads that are no cores */
	struct zok__gate gate;	     /* where the cores meet: see run_core() */
	int start_result;	     /* atomic: 0, or why a core could not be opened: then none runs */
	bool has_claim, is_started, has_threads;
	bool has_told_of_priority; /* atomic: that it was refused */
	int (*main_fn)(void *arg);
	void *arg;
	int result;
	struct zok__message by_program, by_drain, by_signal, by_second_signal; /* what is posted to the first core: each once */
	bool is_canceled, is_draining;					       /* atomic: it was asked for by the program */
	unsigned signal_count;						       /* atomic */
	struct zok__phases phases;
	unsigned posting_count;	    /* atomic: who is just about it */
	int signal_number;	    /* atomic: of the first signal */
	struct zok__stalls *stalls; /* NULL: there is no detector */
	struct zok__calibration calibration;
	struct zok__sqpoll_seat *sqpoll; /* by core; NULL in other modes */
	char report[ZOK__REPORT_SIZE];
};

/* The runtime that runs, NULL if none does. Acquire/release: who sees it sees it whole. */
struct zok_runtime *zok__runtime(void);

/* ---- spawn.c ---- */

/* Core `index` of the running runtime, for a caller on a core; NULL otherwise, and a line in the log that says why. */
struct zok_core *zok__core_at(unsigned index);

/* ---- placement.c ---- */

/* Pins the core's thread, which calls it. Where that is refused the core runs unpinned, and the log says so. */
void zok__placement_begin(struct zok__seat *seat);

/* A core looks whether it is still where it was put; says so once, and counts it, when it is not. */
void zok__placement_check(struct zok_core *core);

/* What the user should know of the cores that were chosen: a quota that throttles them, isolated CPUs that they are not on. */
void zok__placement_warn(const struct zok__core_set *cores);

/* ---- overflow.c ---- */

/* From here on a fiber that overflows its stack is named. Before the cores' threads start, and after they have ended. */
void zok__overflow_start(void);
void zok__overflow_stop(void);

/* Gives the calling thread a stack for that, where it has none; and takes it back. */
void zok__overflow_watch(struct zok__seat *seat);
void zok__overflow_unwatch(struct zok__seat *seat);

/* ---- priority.c: on the core's thread ---- */

/* Takes the real-time priority that was asked for. Where that is refused the core runs without, and the log says so once. */
void zok__priority_begin(struct zok__seat *seat);

/* Gives back what the thread was: for the caller of zok_run(). */
void zok__priority_end(struct zok__seat *seat);

/* A few words on what the core really has. Returns whether that is a real-time priority. */
bool zok__priority_describe(const struct zok__seat *seat, char *text, size_t size);

/* ---- stop.c ---- */

/* Ask for the end: the first core's root scope is cancelled. Async-signal-safe. A second signal ends the drain, or the process. */
void zok__runtime_cancel(struct zok_runtime *runtime);
void zok__runtime_drain(struct zok_runtime *runtime);
void zok__runtime_signal(struct zok_runtime *runtime, int signal_number);

/* Returns when no cancel will touch an engine any more. After all loops are over. */
void zok__cancels_wait(struct zok_runtime *runtime);

/* Makes the message that a cancel posts. Before anything can cancel. */
void zok__cancel_prepare(struct zok_runtime *runtime);

/* Spawns the conductor, which runs main_fn and then ends the runtime. On the first core, before its loop. -ENOMEM. */
int zok__conductor_spawn(struct zok_runtime *runtime);

/* ---- signals.c ---- */

/* From here on SIGINT and SIGTERM cancel the runtime that runs. Before the cores' threads start. */
void zok__signals_take(bool has_tick);
void zok__signals_give_back(void);

/* ---- report.c ---- */

/* Writes what the first core's engine has found into runtime->report, and shows the runtime to other processes. On that core. */
void zok__report_take(struct zok_runtime *runtime);

/* ---- blocking.c ---- */

/* The pool, for the cores' engines. */
extern const struct zok__threads zok__blocking_threads;

/* `idle_ns`: a thread that has had nothing to do for so long ends. */
void zok__blocking_start(unsigned threads_max, uint64_t idle_ns, const cpu_set_t *affinity);

/* How many there are now. Any thread. */
unsigned zok__blocking_thread_count(void);

/* Waits for the threads, which have nothing left to do. */
void zok__blocking_stop(void);

/* ---- leaks.c ---- */

/* Names in the log who allocated what is still alive since zok__leak_begin(). In builds that watch for leaks. */
void zok__leaks_report(void);

#endif
