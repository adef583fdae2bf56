/*
 * The plan of an open loop: when each request is due, whatever the server does. Fixed by the rate and the seed before the first byte is sent, so
 * that a slow reply cannot move the requests behind it (coordinated omission: Gil Tene, "How NOT to Measure Latency").
 */
#ifndef PERF_ARRIVALS_H
#define PERF_ARRIVALS_H

#include "zokio/base.h"

enum perf_arrivals_kind {
	PERF_ARRIVALS_CONSTANT, /* one request every 1/rate seconds */
	PERF_ARRIVALS_POISSON,	/* independent arrivals: exponential gaps, as from many users who do not know of each other */
};

struct perf_arrivals {
	enum perf_arrivals_kind kind;
	double interval_ns; /* mean gap */
	double at_ns;	    /* Poisson: the last arrival */
	double offset_ns;   /* constant: the first arrival */
	uint64_t index;	    /* arrivals given */
	uint64_t random[4];
};

/*
 * Starts a plan of `rate` requests a second that is one of `stream_count` which together make `rate × stream_count`. Constant streams are
 * staggered so that their union is evenly spaced; Poisson streams are independent, and so their union is Poisson again.
 */
void perf_arrivals_init(struct perf_arrivals *arrivals, enum perf_arrivals_kind kind, double rate, uint64_t seed, unsigned stream,
			unsigned stream_count);

/* When the next request is due, in nanoseconds since the start of the plan. Never earlier than the one before it. */
uint64_t perf_arrivals_next(struct perf_arrivals *arrivals);

#endif
