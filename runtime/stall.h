/*
 * The stall detector: names a task that keeps its core for too long, and shows where it is.
 *
 *   stall.c          the signal, what its handler sees and writes down
 *   stall_trigger.c  what sends the signal: a perf event of the thread, or a timer on its CPU time
 *   stall_report.c   the thread that puts what was written down into words
 *   symbols.c        names for addresses
 *
 * A run is what a task does between two awaits. Nothing is done when one begins or ends: a signal that comes for every half threshold of CPU
 * time reads which run it has interrupted (zok__core_run()), and only a run that an earlier signal has seen, too, can have lasted. What counts
 * is the thread's CPU time since then. A core that sleeps gets no signals; one that polls, or that the host has preempted, gets some and is
 * acquitted: it runs no task, or has had no CPU time. (The two false alarms of Seastar's detector: issues 586 there and 10423 of Redpanda. Its
 * reactor.cc is also where the perf event with the kernel's call chain was seen.)
 */
#ifndef RUNTIME_STALL_H
#define RUNTIME_STALL_H

#include "core/core.h"

#include <semaphore.h>
#include <signal.h>
#include <time.h>

enum zok__stall_trigger {
	ZOK__STALL_OFF,
	ZOK__STALL_AUTO, /* the timer, and the perf event where there is none: the kernel switches a thread with an event at a microsecond or more each time */
	ZOK__STALL_PERF,
	ZOK__STALL_TIMER,
};

struct zok__stall_options {
	uint64_t threshold_ns;
	int signal_number; /* 0: the highest real-time signal that has no handler */
	enum zok__stall_trigger trigger;
};

enum {
	ZOK__STALL_FRAMES_MAX = 40,
	ZOK__STALL_KERNEL_FRAMES_MAX = 24,
	ZOK__STALL_NAME_SIZE = 48,
	ZOK__STALL_RING = 4,		/* a power of two */
	ZOK__STALL_REPORTS_A_MINUTE = 5 /* of one core */
};

/* What the handler writes down. */
struct zok__stall_report {
	char task[ZOK__STALL_NAME_SIZE]; /* copied: the task may be gone before it is told */
	uint8_t task_class;
	bool is_fiber;
	uint64_t ran_ns;
	uint64_t suppressed_count; /* reports of this core that were not made since the one before */
	unsigned frame_count, kernel_count;
	void *frames[ZOK__STALL_FRAMES_MAX];		      /* the interrupted instruction first, then return addresses */
	uint64_t kernel_frames[ZOK__STALL_KERNEL_FRAMES_MAX]; /* empty where it was not in the kernel, or that is not shown */
};

/* At most so many a minute. Time is the caller's. */
struct zok__stall_limit {
	uint64_t minute_ns; /* when the present minute began */
	unsigned count;	    /* reports in it */
	uint64_t suppressed_count;
};

/* One core's. All but the ring is its own thread's. */
struct zok__stall {
	struct zok_core *core;
	enum zok__stall_trigger trigger; /* what is active: OFF, PERF or TIMER */
	int error;			 /* why that is not the perf event, or not anything: a positive errno; 0 */
	uint64_t period_ns;
	int perf_fd;
	void *perf_ring; /* NULL: none */
	size_t page_size;
	timer_t timer;
	void *signal_stack;
	stack_t old_stack;
	sigset_t old_mask;

	/* the handler's */
	struct zok__run seen; /* what the last signal interrupted */
	uint64_t seen_ns;     /* the CPU time then */
	uint64_t began_ns;    /* the CPU time at which the run was there for certain */
	uint64_t tell_at_ns;  /* it is told when it has lasted so long; then at the double, and so on */
	bool is_counted;
	struct zok__stall_limit limit;

	/* A ring from the handler to the thread that reports. Release on one side pairs with acquire on the other. */
	unsigned head, tail;
	struct zok__stall_report reports[ZOK__STALL_RING];
};

struct zok__stalls {
	struct zok__stall_options options;
	struct sigaction old_action;
	pthread_t reporter;
	sem_t written;	 /* posted for each report, and for the end */
	bool is_ending;	 /* atomic, relaxed: the semaphore orders it */
	bool has_warned; /* atomic: said once, whatever the number of cores */
	unsigned core_count;
	struct zok__stall of[];
};

/*
 * Takes the signal and starts the reporter, before any core runs. NULL in `*stalls` where the detector is off. -ENOMEM, -EAGAIN (no thread), -EBUSY
 * (every real-time signal has a handler): the runtime goes on without.
 */
int zok__stalls_start(struct zok__stalls **stalls, unsigned core_count, const struct zok__stall_options *options);

/* Reports what is left, and gives the signal back. No core is watched any more. NULL is fine. */
void zok__stalls_stop(struct zok__stalls *stalls);

/* Begins and ends watching the calling thread, which is `core`. NULL is fine. What cannot be had is said in the log, once. */
void zok__stalls_watch(struct zok__stalls *stalls, struct zok_core *core);
void zok__stalls_unwatch(struct zok__stalls *stalls, struct zok_core *core);

/* One line on what watches core `index`. Returns whether anything does. */
bool zok__stalls_describe(const struct zok__stalls *stalls, unsigned index, char *text, size_t size);

/* Whether one more may be told at `now_ns`; counts what may not. */
bool zok__stall_may_tell(struct zok__stall_limit *limit, uint64_t now_ns);

/* ---- stall_trigger.c: on the core's thread ---- */

/* Whether a signal will come for each period. Where the perf event is not to be had, self->error says why. */
bool zok__stall_trigger_start(struct zok__stall *self, enum zok__stall_trigger wanted, int signal_number);

/* No signal comes any more, once those that are pending have been taken. */
void zok__stall_trigger_stop(struct zok__stall *self);

/*
 * How often the trigger has fired since it was last asked: several times where the thread was in the kernel for long. Writes what the kernel was
 * doing at the last. Async-signal-safe.
 */
unsigned zok__stall_trigger_take(struct zok__stall *self, const siginfo_t *info, uint64_t *frames, unsigned frames_max,
				 unsigned *frame_count);

/* ---- stall_report.c ---- */

/* The reporter's thread: `arg` is the struct zok__stalls. */
void *zok__stall_reporter(void *arg);

#endif
