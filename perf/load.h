/*
 * Between load.c, which runs the threads, and load_tcp.c, which is one of them.
 *
 * Histograms change hands without a lock and without stopping the generator: a thread records into one of two sets and the controller reads the
 * other. The controller asks for a flip, the thread obeys at its next turn and says so; from then on the set it left is the controller's.
 */
#ifndef PERF_LOAD_H
#define PERF_LOAD_H

#include "perf/address.h"
#include "perf/harness.h"
#include "perf/protocol.h"

#include <pthread.h>

/* What all threads of a run share and none changes while it runs. */
struct load_plan {
	struct perf_load_options options; /* with defaults filled in */
	struct perf_exchange exchange;
	struct perf_address address;
	uint64_t start_ns;  /* the plan's zero */
	uint64_t window_ns; /* absolute: the measured window begins */
	uint64_t end_ns;    /* absolute: and ends */
};

/* What a thread records into between two flips. */
struct load_set {
	struct perf_histogram latency[PERF_MEASURES];
	struct perf_histogram lateness;
	uint64_t sent, in_window;
	uint64_t errors[PERF_ERROR_KINDS];
};

struct load_request {
	uint64_t number;
	uint64_t planned_ns, sent_ns;
};

enum load_state { LOAD_DOWN, LOAD_CONNECTING, LOAD_UP };

struct load_connection {
	int fd;
	enum load_state state;
	bool is_write_armed;
	unsigned oldest; /* index of the oldest request in flight, in a ring of `depth` */
	unsigned in_flight;
	unsigned unsent;	     /* of these, the youngest so many are not wholly sent */
	size_t sent_size;	     /* bytes of the oldest unsent request that are */
	struct load_request *flight; /* the ring */
	struct perf_reply reply;
};

/* A place on a connection where a request may go, and since when. */
struct load_slot {
	uint32_t connection;
	uint64_t free_ns;
};

struct load_thread {
	/* Shared with the controller. The generator's own fields start on a line of their own. */
	unsigned flips_asked; /* controller writes, thread reads */
	unsigned flips_done;  /* thread writes with release, controller reads with acquire */
	bool must_stop;	      /* controller writes */
	bool is_finished;     /* thread writes with release, after its last record */

	_Alignas(ZOK_FALSE_SHARING) const struct load_plan *plan;
	unsigned index;
	unsigned connection_count;
	struct load_connection *connections;
	struct load_request *requests; /* backing of all flight rings */
	struct load_slot *slots;       /* ring of free slots, in the order in which they became free */
	size_t slot_room, slot_first, slot_count;
	struct load_set sets[2];
	struct load_set *set; /* the one being recorded into */
	struct perf_arrivals arrivals;
	uint64_t due_ns; /* absolute: the next planned send */
	uint64_t next_number;
	uint64_t planned; /* requests drawn inside the window */
	uint64_t busy;	  /* requests in flight */
	unsigned up_count, down_count;
	unsigned connecting_count;
	unsigned down_first; /* no connection before this one is down */
	uint64_t retry_ns;   /* when connections that are down are tried again */
	uint64_t turn_ns;    /* the last look at the clock */
	uint64_t pause_ns_total, pause_ns_max;
	int epoll_fd;
	uint8_t *buffer;
	size_t buffer_size;

	pthread_t handle;
	int cpu; /* -1: not pinned */
	int rc;
	char why[PERF_TEXT_MAX];
	struct perf_thread_sample before, after;
};

/*
 * Fills defaults into plan->options, checks them, makes the rest of the plan but its times, and does the protocol's set-up, which blocks. On failure
 * `why` says what went wrong and what would do; plan->exchange is the caller's to destroy either way.
 */
ZOK_NODISCARD int perf_load_plan_make(struct load_plan *plan, char *why);

/* Makes a thread's memory and opens its epoll. -ENOMEM, -EMFILE. */
ZOK_NODISCARD int perf_load_thread_init(struct load_thread *thread, const struct load_plan *plan, unsigned index);
void perf_load_thread_finish(struct load_thread *thread);

/* Connects all of the thread's connections; on failure fills thread->why. Runs on the thread. */
ZOK_NODISCARD int perf_load_connect(struct load_thread *thread);

/* Generates the load from plan->start_ns on, until all is answered, the drain is over or must_stop is set. Runs on the thread. */
void perf_load_generate(struct load_thread *thread);

#endif
