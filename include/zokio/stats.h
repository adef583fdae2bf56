/*
 * What a core has done since it started. Counters only grow; take two snapshots and subtract. Reading costs the core nothing.
 */
#ifndef ZOKIO_STATS_H
#define ZOKIO_STATS_H

#include "zokio/base.h"
#include "zokio/latency.h"
#include "zokio/op.h"

/* How far stolen work has come: from an SMT sibling, a core of the same last-level cache, of the same node, of another node. */
enum { ZOK_STEAL_TIER_COUNT = 4 };

struct zok_core_stats {
	/* tasks: fibers are tasks too */
	uint64_t tasks_spawned;
	uint64_t tasks_finished;
	uint64_t tasks_polled; /* how often one was run */
	uint64_t fibers_spawned;
	uint64_t wakes;		  /* a suspended task became runnable */
	uint64_t wakes_remote;	  /* of which asked for by another core or thread */
	uint64_t budget_overruns; /* a slice lasted longer than twice its budget */
	uint64_t yields;

	/* operations */
	uint64_t ops[ZOK_OP_KIND_COUNT]; /* by kind, when submitted */
	uint64_t completions;		 /* delivered */
	uint64_t cancels;		 /* asked for by us */
	uint64_t submits;		 /* system calls that handed work to the kernel */
	uint64_t waits;			 /* system calls that could sleep */
	uint64_t sqe_shortages;		 /* an op had to wait for room in the submission queue */
	uint64_t cq_overflows;		 /* the kernel had to keep completions back */
	uint64_t buffer_shortages;	 /* a receive ended for want of a free buffer */
	uint64_t fd_shortages;		 /* EMFILE or ENFILE: an accept backs off, a connect waits or fails */
	uint64_t direct_joins;		 /* descriptors that got a slot in the ring's file table (uring) … */
	uint64_t direct_refusals;	 /* … and that got none, although they had ops enough: full, or the kernel refused */

	/* sockets */
	uint64_t sockets_opened;
	uint64_t sockets_closed;
	uint64_t bytes_received;
	uint64_t bytes_sent;

	/* datagrams */
	uint64_t datagrams_received; /* those that came in one by UDP_GRO each */
	uint64_t datagrams_sent;     /* taken by the kernel, those of UDP_SEGMENT as one */
	uint64_t datagrams_cut;	     /* received, and longer than a receive buffer */
	uint64_t send_shortages;     /* the kernel, or a Unix receiver, had no room for a datagram */

	/* files */
	uint64_t files_opened;
	uint64_t files_closed;
	uint64_t bytes_read; /* from files */
	uint64_t bytes_written;

	/* timers */
	uint64_t timers_expired;

	/* messages between cores */
	uint64_t messages_sent;
	uint64_t messages_received;
	uint64_t wakes_by_ring; /* parked cores woken through their ring; those woken by eventfd are not counted */

	/* work that moved: of this core as the one that took it … */
	uint64_t steal_attempts; /* looks at another core */
	uint64_t steals;	 /* of which found something: the sum of the next */
	uint64_t steals_by_tier[ZOK_STEAL_TIER_COUNT];
	uint64_t sweeps_failed;	 /* looked at all that it may look at after so long, and found nothing */
	uint64_t tasks_stolen;	 /* taken from other cores */
	uint64_t tasks_rescued;	 /* of which from behind a task that ran too long */
	uint64_t tasks_injected; /* taken from what plain threads have injected */
	/* … and as the one that it is at home with */
	uint64_t tasks_returned; /* ended on another core */
	uint64_t tasks_adopted;	 /* spawned on another core, by a task that was away */
	uint64_t stuck;		 /* a task ran too long while others took its backlog */

	/* time, in nanoseconds; busy + idle = total */
	uint64_t time_total_ns;
	uint64_t time_idle_ns;	    /* asleep in the engine's wait */
	uint64_t time_kernel_ns;    /* in the engine, not asleep: submitting, reaping, delivering */
	uint64_t time_callbacks_ns; /* in tasks */
	uint64_t loops;

	/* gauges of the loop: as its last turn found it */
	uint64_t runq_depth_latency; /* runnable tasks, by class */
	uint64_t runq_depth_normal;
	uint64_t runq_depth_bulk;
	uint64_t mail_depth;	 /* messages of other cores and threads: those that it took, and what was left in mailboxes */
	uint64_t mail_depth_max; /* since the start */
	uint64_t is_idle;	 /* 1 while it sleeps or spins for want of work: then time passes that time_idle_ns does not tell yet */

	/* gauges: how it is now */
	uint64_t tasks_alive;
	uint64_t fibers_alive;
	uint64_t stack_used_max; /* bytes, in pages: the greatest high-water mark that was seen; one stack in 256 is looked at */

	/* placement: the kernel or somebody took the core off the CPU that it was pinned to */
	uint64_t placements_lost;

	/* stalls: a task that did not await for stall_ns of CPU time */
	uint64_t stalls;
	uint64_t stall_ns_max;	   /* the longest, as last seen: it may have lasted half of stall_ns longer */
	uint64_t faults_contained; /* fibers that a failed check has ended */

	/* connections; sockets open, doors included: sockets_opened - sockets_closed + connections_moved_in - connections_moved_out */
	uint64_t connections_accepted;	/* on this core, whoever serves them */
	uint64_t connections_handed;	/* of which to another core, by zok_serve() */
	uint64_t connections_moved_in;	/* by zok_socket_move(): from other cores … */
	uint64_t connections_moved_out; /* … and to them */
	uint64_t connections_open;	/* a gauge: how many there are now, made here or moved here */
};

#endif
