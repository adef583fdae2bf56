/*
 * How long woken tasks waited until they ran: a histogram for each core and class, of fixed size, written with plain stores.
 *
 * Each power of two has four buckets, so a value is told at most a quarter too high and never too low; below 8 ns it is exact. What waited for
 * longer than 36 minutes counts in the last bucket. The counts only grow: take two, subtract, and ask the difference for its percentiles.
 * Percentiles are not averaged: add histograms, then ask the sum.
 *
 * The runtime samples. Of each class's wakes it times one in a number that it learns and picks at random around, so that about a thousand to four
 * thousand a second are timed: all of a class that is woken seldom, at least one in 1,024 of one that is woken always. Times are counted in
 * units of 16 ns; a wait of more than 68 seconds is counted without its multiples of that.
 */
#ifndef ZOKIO_LATENCY_H
#define ZOKIO_LATENCY_H

#include "zokio/base.h"

/* Up to 2^41 ns. */
#define ZOK_LATENCY_BUCKETS 160

struct zok_latency {
	uint64_t counts[ZOK_LATENCY_BUCKETS];
};

/* The bucket that a time falls into. */
static inline unsigned zok_latency_bucket(uint64_t ns)
{
	unsigned power, bucket;

	if (ns < 4)
		return (unsigned)ns;
	power = 63 - (unsigned)__builtin_clzll(ns);
	bucket = 4 * (power - 1) + (unsigned)(ns >> (power - 2) & 3);
	return bucket < ZOK_LATENCY_BUCKETS ? bucket : ZOK_LATENCY_BUCKETS - 1;
}

/* The longest time that falls into the bucket. */
static inline uint64_t zok_latency_bucket_ns_max(unsigned bucket)
{
	unsigned power = bucket / 4 + 1;

	if (bucket < 4)
		return bucket;
	return ((UINT64_C(5) + bucket % 4) << (power - 2)) - 1;
}

/* How many times were counted. */
static inline uint64_t zok_latency_count(const struct zok_latency *latency)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < ZOK_LATENCY_BUCKETS; i++)
		count += latency->counts[i];
	return count;
}

/* Leaves in `later` what has been counted since `earlier`. */
static inline void zok_latency_subtract(struct zok_latency *later, const struct zok_latency *earlier)
{
	for (unsigned i = 0; i < ZOK_LATENCY_BUCKETS; i++)
		later->counts[i] -= later->counts[i] < earlier->counts[i] ? later->counts[i] : earlier->counts[i];
}

/* Adds what another core or class counted. */
static inline void zok_latency_add(struct zok_latency *sum, const struct zok_latency *latency)
{
	for (unsigned i = 0; i < ZOK_LATENCY_BUCKETS; i++)
		sum->counts[i] += latency->counts[i];
}

/* The time that `percentile` percent (0 to 100) of those counted did not exceed, as the longest of its bucket. 100: the maximum. 0 when empty. */
static inline uint64_t zok_latency_percentile_ns(const struct zok_latency *latency, double percentile)
{
	uint64_t count = zok_latency_count(latency), seen = 0;
	double wanted = (double)count * percentile / 100;
	unsigned last = 0;

	for (unsigned i = 0; i < ZOK_LATENCY_BUCKETS; i++) {
		if (latency->counts[i] == 0)
			continue;
		last = i;
		seen += latency->counts[i];
		if ((double)seen >= wanted)
			break;
	}
	return zok_latency_bucket_ns_max(last);
}

#endif
