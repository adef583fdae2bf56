/*
 * The tail-latency harness: read this first. It is what `zok perf` stands on; it is no part of libzokio and does not use it, because a generator
 * must not depend on the runtime that it measures. Names are perf_*.
 *
 * How a run flows through the folder:
 *
 *   arrivals.h   the plan: when each request is due, fixed before the first is sent
 *   protocol.h   what a request and its reply look like; each reply is checked byte for byte
 *   load_setup.c turns options into a plan, with a word about what would do where they make none
 *   load.c       starts the generator's threads, takes their histograms at each interval, adds them up
 *   load_tcp.c   one generator thread: non-blocking sockets and epoll; sends what is due, times what comes back
 *   histogram.h  what is recorded: HdrHistogram's layout; hgrm.h, hlog.h, payload.h are its formats
 *   machine.h    what the machine did meanwhile: stolen time, preemption, governor, load
 *   verdict.c    whether the figures may be believed: VALID, SUSPECT or INVALID, with reasons
 *   result.h     all of it as JSON, and back; report_text.c and report_html.c show one result or several
 *
 * Two latencies are kept side by side, of exactly the same requests:
 *
 *   corrected   reply − planned send. A request that falls due while every connection waits for a stalled server is queued in the plan: it is
 *               never skipped and never re-timed, so its waiting counts. This is what a user of a busy server feels.
 *   raw         reply − real send. What one gets from a generator that waits before it sends: a long stall is one bad sample. Shown so that the
 *               difference can be seen. In a closed loop there is no plan and this is all there is.
 *
 * Which requests count: those planned inside the measured window, which begins after the warm-up. After its end the generator sends what is still
 * queued and waits for replies, at most drain_ns. What then has no reply is counted as unanswered and recorded with the time that it has waited
 * so far, a lower bound, rather than left out of the tail.
 *
 * Times are nanoseconds of CLOCK_MONOTONIC unless named otherwise. Functions return 0 or a negative errno.
 */
#ifndef PERF_HARNESS_H
#define PERF_HARNESS_H

#include "perf/arrivals.h"
#include "perf/histogram.h"
#include "perf/machine.h"

#include <signal.h>

enum perf_loop {
	PERF_LOOP_OPEN,	  /* requests are sent when the plan says */
	PERF_LOOP_CLOSED, /* each connection sends again when its reply is there */
};

enum perf_wait {
	PERF_WAIT_DEFAULT, /* spin in an open loop, block in a closed one */
	PERF_WAIT_SPIN,	   /* the generator never sleeps: its own wake-up is not in the figures */
	PERF_WAIT_BLOCK,   /* it sleeps in epoll until a reply is there or a request is due */
};

enum perf_error {
	PERF_ERROR_CONNECT,    /* a connection could not be made again */
	PERF_ERROR_RESET,      /* a connection was reset or failed */
	PERF_ERROR_CLOSED,     /* the server closed a connection */
	PERF_ERROR_REPLY,      /* a reply's bytes were not those expected */
	PERF_ERROR_LOST,       /* requests whose connection ended before the reply */
	PERF_ERROR_UNANSWERED, /* requests without a reply at the end of the drain */
	PERF_ERROR_KINDS
};

/* Which latency a histogram holds. */
enum perf_measure { PERF_CORRECTED, PERF_RAW, PERF_MEASURES };

enum { PERF_CPUS_MAX = 256, PERF_THREADS_MAX = 64, PERF_REASONS_MAX = 16, PERF_TEXT_MAX = 256 };

/* One interval of a run. The histograms belong to the harness and are valid during the call that shows them. */
struct perf_interval {
	uint64_t start_ns; /* since the start of the measured window */
	uint64_t length_ns;
	uint64_t sent;
	uint64_t errors;
	bool is_warmup; /* nothing is recorded in it */
	const struct perf_histogram *latency[PERF_MEASURES];
};

struct perf_load_options {
	const char *target;   /* tcp://HOST:PORT with a numeric host, or unix:/PATH */
	const char *protocol; /* a name of protocol.h's table; NULL: "echo" */
	size_t size;	      /* payload bytes; 0: the protocol's default */
	enum perf_loop loop;
	double rate; /* requests a second, open loop */
	enum perf_arrivals_kind arrivals;
	enum perf_wait wait;
	unsigned connections; /* 0: one */
	unsigned depth;	      /* requests in flight on one connection; 0: one */
	unsigned threads;     /* 0: one, or one a CPU named in `cpus` */
	const int *cpus;      /* threads are pinned to these in turn; NULL: not pinned */
	size_t cpu_count;
	uint64_t warmup_ns;
	uint64_t duration_ns;
	uint64_t drain_ns;	     /* 0: 5 s */
	uint64_t interval_ns;	     /* 0: a twentieth of the duration, from 100 ms to 1 s */
	uint64_t connect_timeout_ns; /* 0: 10 s for all connections together */
	uint64_t seed;
	int significant_digits; /* 0: three */
	const char *label;	/* the run's name in reports; NULL: the target */

	/* Called on the caller's thread after each interval; may be NULL. Neither may take longer than an interval. */
	void (*on_interval)(void *arg, const struct perf_interval *interval);
	void *arg;

	/* When not NULL and it becomes true (in a signal handler), the run ends early and its result says so. */
	const volatile sig_atomic_t *stop;
};

/* An interval as the result keeps it. */
struct perf_interval_summary {
	uint64_t start_ns, length_ns;
	uint64_t count;
	uint64_t p50_ns, p99_ns, max_ns; /* corrected; raw in a closed loop */
};

enum perf_verdict { PERF_VALID, PERF_SUSPECT, PERF_INVALID };

struct perf_reason {
	enum perf_verdict level;
	char text[PERF_TEXT_MAX];
};

struct perf_result {
	char label[PERF_TEXT_MAX], target[PERF_TEXT_MAX], protocol[32];
	char version[32]; /* of the harness */
	uint64_t size;
	enum perf_loop loop;
	enum perf_arrivals_kind arrivals;
	enum perf_wait wait; /* what was active, never PERF_WAIT_DEFAULT */
	unsigned connections, depth, threads;
	uint64_t seed;
	double started_s; /* wall clock, seconds since 1970 */

	uint64_t warmup_ns;
	uint64_t duration_ns; /* of the window as it was; shorter than asked for when interrupted */
	bool is_interrupted;
	double rate_asked;  /* requests a second; 0 in a closed loop */
	uint64_t planned;   /* requests due in the window, as drawn */
	uint64_t sent;	    /* of these, sent */
	uint64_t in_window; /* replies that came inside the window: what was reached */
	uint64_t errors[PERF_ERROR_KINDS];

	struct perf_histogram latency[PERF_MEASURES]; /* PERF_CORRECTED is empty in a closed loop */
	struct perf_histogram lateness;		      /* real send − the moment it could have been sent: the generator's own fault */
	uint64_t pause_ns_total;		      /* the loop's own pauses above PERF_PAUSE_NS, of the worst thread */
	uint64_t pause_ns_max;

	struct perf_interval_summary *intervals;
	size_t interval_count, interval_room;

	struct perf_machine machine;
	enum perf_verdict verdict;
	struct perf_reason reasons[PERF_REASONS_MAX];
	size_t reason_count;
};

/* A turn of a generator's loop that took longer than this is a pause: it was preempted, or has too much to do. */
#define PERF_PAUSE_NS (100 * ZOK_US)

/*
 * Runs one load and fills *result, verdict included; perf_result_finish it. On failure *result is untouched and `why` (PERF_TEXT_MAX bytes) holds
 * one line that names what went wrong. -EINVAL for options that make no sense, else the errno of what failed. Creates and joins threads;
 * may raise the process's limit of open files.
 */
ZOK_NODISCARD int perf_load_run(const struct perf_load_options *options, struct perf_result *result, char *why);

/* Frees what a result holds. A zeroed one is fine. */
void perf_result_finish(struct perf_result *result);

/* Sets verdict and reasons from the rest of the result. */
void perf_verdict_judge(struct perf_result *result);

/* Whether so many samples support this percentile: at least ten of them lie beyond it. 100, the maximum, always is. */
bool perf_percentile_is_supported(uint64_t count, double percentile);

/* The histogram that the headline percentiles come from: corrected, or raw in a closed loop. */
const struct perf_histogram *perf_result_headline(const struct perf_result *result);

/* Replies a second inside the window, and the fraction of what was planned there (1 in a closed loop). */
double perf_result_rate(const struct perf_result *result);
double perf_result_reached(const struct perf_result *result);

uint64_t perf_result_error_sum(const struct perf_result *result);

/* The words that text, JSON and HTML use. */
const char *perf_error_name(enum perf_error error);
const char *perf_verdict_name(enum perf_verdict verdict);
const char *perf_loop_name(enum perf_loop loop);
const char *perf_arrivals_name(enum perf_arrivals_kind arrivals);
const char *perf_wait_name(enum perf_wait wait);

/* The percentiles that every report shows. */
extern const double perf_percentiles_shown[];
enum { PERF_PERCENTILES_SHOWN = 6 };

uint64_t perf_now_ns(void);

#endif
