/*
 * A histogram with HdrHistogram's layout: values are kept to a fixed number of significant decimal digits over the whole range, recording is
 * a handful of instructions and never allocates. Same buckets, same percentile definition, same encoding (payload.h) as
 * https://hdrhistogram.org, so that its tools read ours and ours read theirs.
 *
 * The layout. A value's bucket is the power of two that it falls into, its sub-bucket a linear step inside it. The first bucket has
 * sub_bucket_count steps; each later one shares its lower half with those before it, so that it adds sub_bucket_count / 2.
 *
 * Not safe for concurrent use: one thread records, and another reads only after it was handed over.
 */
#ifndef PERF_HISTOGRAM_H
#define PERF_HISTOGRAM_H

#include "zokio/base.h"

struct perf_histogram {
	uint64_t lowest;  /* lowest discernible value; values below it share a step */
	uint64_t highest; /* highest trackable value */
	int significant_digits;
	int unit_magnitude;		     /* log2 of lowest */
	int sub_bucket_half_count_magnitude; /* log2 of half of sub_bucket_count */
	uint32_t sub_bucket_count;
	uint32_t bucket_count;
	uint64_t sub_bucket_mask;
	size_t counts_length;
	uint64_t *counts;
	uint64_t total;	    /* values recorded */
	uint64_t saturated; /* of these, above `highest` and recorded as `highest` */
	uint64_t min;	    /* UINT64_MAX while empty */
	uint64_t max;
};

/*
 * Makes a histogram for values 0 to `highest` (at least 2 × lowest, at most 2^62), told apart down to `lowest` (at least 1) and to
 * `significant_digits` (1 to 5). Allocates. -EINVAL for other arguments, -ENOMEM. Finish it with perf_histogram_finish, which takes a
 * zeroed one too.
 */
ZOK_NODISCARD int perf_histogram_create(struct perf_histogram *histogram, uint64_t lowest, uint64_t highest, int significant_digits);
void perf_histogram_destroy(struct perf_histogram *histogram);

/* Forgets what was recorded and keeps the layout. */
void perf_histogram_reset(struct perf_histogram *histogram);

/* Records a value `count` times; never fails: what is too large is recorded as the highest trackable value and counted in `saturated`. */
void perf_histogram_record(struct perf_histogram *histogram, uint64_t value, uint64_t count);

/* Adds all of `from`. Layouts may differ: then values are recorded anew at the precision of `into`. */
void perf_histogram_add(struct perf_histogram *into, const struct perf_histogram *from);

/*
 * The largest value that `percentile` (0 to 100) percent of the recorded values do not exceed, as HdrHistogram defines it: the highest value
 * equivalent to the one at rank ceil(percentile / 100 × total). 0 when empty.
 */
uint64_t perf_histogram_percentile(const struct perf_histogram *histogram, double percentile);

uint64_t perf_histogram_min(const struct perf_histogram *histogram); /* lowest equivalent of the smallest value */
uint64_t perf_histogram_max(const struct perf_histogram *histogram); /* highest equivalent of the largest value */
double perf_histogram_mean(const struct perf_histogram *histogram);
double perf_histogram_deviation(const struct perf_histogram *histogram);

/* Which counter a value lies in, and the smallest and the largest value that lie in counter `index`. */
size_t perf_histogram_index(const struct perf_histogram *histogram, uint64_t value);
uint64_t perf_histogram_value_low(const struct perf_histogram *histogram, size_t index);
uint64_t perf_histogram_value_high(const struct perf_histogram *histogram, size_t index);

/*
 * Walks the percentiles as HdrHistogram's percentile iterator does: `ticks_per_half_distance` steps for each halving of the distance to
 * 100 %, one step a line of an .hgrm file or a point of a plot.
 */
struct perf_percentile_step {
	uint64_t value;	   /* highest equivalent value of this step */
	double percentile; /* 0 to 100: the level asked for, 100 in the last step */
	uint64_t count;	   /* values recorded up to and with this one */
};

struct perf_percentiles {
	const struct perf_histogram *histogram;
	int ticks_per_half_distance;
	size_t index;
	uint64_t count;
	double level;
	bool has_last_value;
	bool is_done;
};

void perf_percentiles_init(struct perf_percentiles *walk, const struct perf_histogram *histogram, int ticks_per_half_distance);

/* Fills the next step; false after the last one, and for an empty histogram at once. */
bool perf_percentiles_next(struct perf_percentiles *walk, struct perf_percentile_step *step);

#endif
