/*
 * A core's clock: nanoseconds on CLOCK_MONOTONIC's scale at the price of reading the processor's counter.
 *
 * CLOCK_MONOTONIC is the truth. The clock takes a pair of it and of the counter (an anchor), and until the next one counts cycles from there
 * at the rate that the last two anchors gave. Anchors come after 1 ms, 2 ms, 4 ms… and then every 100 ms, so a rate that was measured badly
 * is used briefly, and one that NTP changes is followed. At an anchor the clock steps forward to the truth; where it is ahead of it, it runs
 * slower until the next anchor instead: it never goes backwards. The error stays within some 100 ns while the core reads the clock. A
 * counter that leaps or starts anew (a virtual machine that moved) is noticed and survived; only one that is set back by less than the time
 * since the anchor is not, which the kernel's trust in it excludes.
 *
 * Where the counter is not to be trusted (see core/cycles.h) each read is a clock_gettime(). Nothing else in core/ and net/ asks the system
 * for the time, so a source that replaces both (the simulator's, a test's) owns all time that they see.
 *
 * A clock is for one thread. Two cores' clocks differ by their errors: order events across cores by messages, not by time.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include "core/cycles.h"
#include "zokio/base.h"

/* Another clock, which the core's reads at each call instead of counting cycles. Must outlive the clocks that were started with it. */
struct zok__clock_source {
	const char *name;
	uint64_t (*now_ns)(void *context);
	void *context;
};

struct zok__clock {
	uint64_t anchor_cycles, anchor_ns;
	uint64_t span_cycles; /* how long the anchor holds; 0 for ever where there is a source */
	uint64_t rate;	      /* ns per cycle × 2^32, as the clock runs until the next anchor */
	uint64_t truth_rate;  /* the same as last measured; `rate` is below it while the clock is ahead */
	uint64_t truth_cycles, truth_ns;
	uint64_t span_ns;
	uint64_t floor_ns; /* of a source: the latest time that it gave */
	const struct zok__clock_source *source;
};

/* One reading of both; `is_tight` if nothing came between them that would spoil a rate. */
struct zok__clock_pair {
	uint64_t cycles, ns;
	bool is_tight;
};

/*
 * Finds out whether the counter can be trusted and how fast it runs: half a millisecond, once in a process; further calls, from any thread,
 * wait for the first and return. zok__clock_start() does it where the program has not.
 */
void zok__clock_init(void);

/* Starts a clock on `source`, or, where that is NULL, on the best that the process has. */
void zok__clock_start(struct zok__clock *clock, const struct zok__clock_source *source);

/* What the clock really reads: the name of the source, "clock_gettime", or the counter's ("tsc", "arch_sys_counter"). */
const char *zok__clock_source_name(const struct zok__clock *clock);

/* The whole of a read that is not simply cycles from the anchor. */
uint64_t zok__clock_now_slowly(struct zok__clock *clock);

/* Goes on from `pair`; zok__clock_now_slowly() does this with a fresh one. Separate for the tests, which make up a counter and a truth. */
void zok__clock_anchor(struct zok__clock *clock, struct zok__clock_pair pair);

/* The time so many cycles after the anchor. Fits 64 bits: within a span the product is below 100 ms × 2^32, whatever the counter's rate. */
static inline uint64_t zok__clock_after(const struct zok__clock *clock, uint64_t elapsed_cycles)
{
	return clock->anchor_ns + (elapsed_cycles * clock->rate >> 32);
}

/* Nanoseconds, never less than the last call gave. */
static inline uint64_t zok__clock_now_ns(struct zok__clock *clock)
{
	if (ZOK_LIKELY(clock->span_cycles != 0)) {
		/* A counter that was set back wraps around to more than any span. */
		uint64_t elapsed_cycles = zok__cycles() - clock->anchor_cycles;

		if (ZOK_LIKELY(elapsed_cycles < clock->span_cycles))
			return zok__clock_after(clock, elapsed_cycles);
	}
	return zok__clock_now_slowly(clock);
}

/* The counter that slices of time are accounted in: raw cycles, or the source's nanoseconds. Only differences mean anything. */
static inline uint64_t zok__clock_cycles(struct zok__clock *clock)
{
	return ZOK_LIKELY(clock->source == NULL) ? zok__cycles() : zok__clock_now_slowly(clock);
}

/* Between spans of zok__clock_cycles() and nanoseconds, rounded down, 64 bits at most. The second divides: for budgets that are set once. */
uint64_t zok__clock_cycles_to_ns(const struct zok__clock *clock, uint64_t cycles);
uint64_t zok__clock_ns_to_cycles(const struct zok__clock *clock, uint64_t ns);

/* CLOCK_MONOTONIC itself, for threads that have no clock of their own. */
uint64_t zok__clock_os_ns(void);

#endif
