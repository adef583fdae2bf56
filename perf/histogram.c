#include "perf/histogram.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t buckets_needed(uint64_t highest, uint32_t sub_bucket_count, int unit_magnitude)
{
	uint64_t smallest_untrackable = (uint64_t)sub_bucket_count << unit_magnitude;
	uint32_t count = 1;

	for (; smallest_untrackable <= highest; smallest_untrackable <<= 1)
		count++;
	return count;
}

static int log2_floor(uint64_t value)
{
	return 63 - __builtin_clzll(value);
}

static int log2_ceil(uint64_t value)
{
	return value <= 1 ? 0 : log2_floor(value - 1) + 1;
}

/* Fills all but the counters. Single steps must be told apart up to 2 × 10^digits: that sets the number of sub-buckets. */
static void lay_out(struct perf_histogram *h, uint64_t lowest, uint64_t highest, int significant_digits)
{
	uint64_t single_step_max = 2;
	int magnitude;

	for (int i = 0; i < significant_digits; i++)
		single_step_max *= 10;
	magnitude = log2_ceil(single_step_max);
	*h = (struct perf_histogram){
		.lowest = lowest,
		.highest = highest,
		.significant_digits = significant_digits,
		.unit_magnitude = log2_floor(lowest),
		.sub_bucket_half_count_magnitude = magnitude - 1,
		.sub_bucket_count = UINT32_C(1) << magnitude,
		.min = UINT64_MAX,
	};
	h->sub_bucket_mask = (uint64_t)(h->sub_bucket_count - 1) << h->unit_magnitude;
	h->bucket_count = buckets_needed(highest, h->sub_bucket_count, h->unit_magnitude);
	h->counts_length = (size_t)(h->bucket_count + 1) * (h->sub_bucket_count / 2);
}

/* Has every page in memory before the first record: a page fault would be inside somebody's latency. */
static void touch(struct perf_histogram *h)
{
	volatile uint64_t *counts = h->counts;

	for (size_t i = 0; i < h->counts_length; i += 4096 / sizeof *counts)
		counts[i] = 0;
}

int perf_histogram_create(struct perf_histogram *histogram, uint64_t lowest, uint64_t highest, int significant_digits)
{
	struct perf_histogram made;

	if (lowest < 1 || highest > UINT64_C(1) << 62 || highest / 2 < lowest || significant_digits < 1 || significant_digits > 5)
		return -EINVAL;
	if (log2_floor(lowest) > 40) /* the mask must stay below 2^62 whatever the digits */
		return -EINVAL;
	lay_out(&made, lowest, highest, significant_digits);
	made.counts = calloc(made.counts_length, sizeof *made.counts);
	if (!made.counts)
		return -ENOMEM;
	touch(&made);
	*histogram = made;
	return 0;
}

void perf_histogram_destroy(struct perf_histogram *histogram)
{
	if (!histogram)
		return;
	free(histogram->counts);
	histogram->counts = NULL;
}

void perf_histogram_reset(struct perf_histogram *histogram)
{
	/* Only what was touched: an interval's histogram is mostly empty, and clearing it is on the clock of whoever reads it. */
	if (histogram->total > 0) {
		size_t first = perf_histogram_index(histogram, histogram->min);
		size_t last = perf_histogram_index(histogram, histogram->max);

		memset(histogram->counts + first, 0, (last - first + 1) * sizeof *histogram->counts);
	}
	histogram->total = 0;
	histogram->saturated = 0;
	histogram->min = UINT64_MAX;
	histogram->max = 0;
}

/* The bucket of a value. OR-ing the mask in puts everything below sub_bucket_count into bucket 0 without a branch. */
static int bucket_of(const struct perf_histogram *h, uint64_t value)
{
	return log2_floor(value | h->sub_bucket_mask) - h->unit_magnitude - h->sub_bucket_half_count_magnitude;
}

size_t perf_histogram_index(const struct perf_histogram *histogram, uint64_t value)
{
	int bucket = bucket_of(histogram, value);
	uint64_t sub_bucket = value >> (bucket + histogram->unit_magnitude);

	/* Bucket 0 fills both of its halves; from then on the sub-bucket is in the upper half, so the base is one half-bucket back. */
	return ((size_t)bucket << histogram->sub_bucket_half_count_magnitude) + sub_bucket;
}

/* How far the values of counter `index` are shifted: its bucket, given back from the index. */
static int shift_at(const struct perf_histogram *h, size_t index)
{
	size_t half = index >> h->sub_bucket_half_count_magnitude;

	return h->unit_magnitude + (half > 1 ? (int)half - 1 : 0);
}

uint64_t perf_histogram_value_low(const struct perf_histogram *histogram, size_t index)
{
	int shift = shift_at(histogram, index);
	size_t bucket = (size_t)(shift - histogram->unit_magnitude);

	assert(index < histogram->counts_length);
	return (uint64_t)(index - (bucket << histogram->sub_bucket_half_count_magnitude)) << shift;
}

uint64_t perf_histogram_value_high(const struct perf_histogram *histogram, size_t index)
{
	return perf_histogram_value_low(histogram, index) + (UINT64_C(1) << shift_at(histogram, index)) - 1;
}

static uint64_t value_middle(const struct perf_histogram *h, size_t index)
{
	return perf_histogram_value_low(h, index) + ((UINT64_C(1) << shift_at(h, index)) >> 1);
}

void perf_histogram_record(struct perf_histogram *histogram, uint64_t value, uint64_t count)
{
	if (ZOK_UNLIKELY(value > histogram->highest)) {
		value = histogram->highest;
		histogram->saturated += count;
	}
	histogram->counts[perf_histogram_index(histogram, value)] += count;
	histogram->total += count;
	if (value < histogram->min)
		histogram->min = value;
	if (value > histogram->max)
		histogram->max = value;
}

static bool same_layout(const struct perf_histogram *a, const struct perf_histogram *b)
{
	return a->lowest == b->lowest && a->significant_digits == b->significant_digits && a->highest == b->highest;
}

static void add_counts(struct perf_histogram *into, const struct perf_histogram *from)
{
	size_t first = perf_histogram_index(from, from->min), last = perf_histogram_index(from, from->max);

	for (size_t i = first; i <= last; i++)
		into->counts[i] += from->counts[i];
	into->total += from->total;
	into->saturated += from->saturated;
	if (from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
}

void perf_histogram_add(struct perf_histogram *into, const struct perf_histogram *from)
{
	if (from->total == 0)
		return;
	if (same_layout(into, from)) {
		add_counts(into, from);
		return;
	}
	for (size_t i = 0; i < from->counts_length; i++)
		if (from->counts[i] > 0)
			perf_histogram_record(into, value_middle(from, i), from->counts[i]);
	into->saturated += from->saturated;
}

/* The rank of a percentile. One step towards zero first: 99.9 as a double is a hair above, and must not ask for one value more. */
static uint64_t rank_of(const struct perf_histogram *h, double percentile)
{
	double below = fmin(fmax(nextafter(percentile, -INFINITY), 0.0), 100.0);
	uint64_t rank = (uint64_t)ceil(below / 100.0 * (double)h->total);

	return rank > 0 ? rank : 1;
}

uint64_t perf_histogram_percentile(const struct perf_histogram *histogram, double percentile)
{
	uint64_t rank = rank_of(histogram, percentile), seen = 0;

	if (histogram->total == 0)
		return 0;
	for (size_t i = 0; i < histogram->counts_length; i++) {
		seen += histogram->counts[i];
		if (seen >= rank)
			return percentile <= 0 ? perf_histogram_value_low(histogram, i) : perf_histogram_value_high(histogram, i);
	}
	return perf_histogram_max(histogram);
}

uint64_t perf_histogram_min(const struct perf_histogram *histogram)
{
	return histogram->total == 0 ? 0 : perf_histogram_value_low(histogram, perf_histogram_index(histogram, histogram->min));
}

uint64_t perf_histogram_max(const struct perf_histogram *histogram)
{
	return histogram->total == 0 ? 0 : perf_histogram_value_high(histogram, perf_histogram_index(histogram, histogram->max));
}

double perf_histogram_mean(const struct perf_histogram *histogram)
{
	double sum = 0;

	if (histogram->total == 0)
		return 0;
	for (size_t i = 0; i < histogram->counts_length; i++)
		if (histogram->counts[i] > 0)
			sum += (double)value_middle(histogram, i) * (double)histogram->counts[i];
	return sum / (double)histogram->total;
}

double perf_histogram_deviation(const struct perf_histogram *histogram)
{
	double mean = perf_histogram_mean(histogram), sum = 0;

	if (histogram->total == 0)
		return 0;
	for (size_t i = 0; i < histogram->counts_length; i++) {
		double distance = (double)value_middle(histogram, i) - mean;

		sum += distance * distance * (double)histogram->counts[i];
	}
	return sqrt(sum / (double)histogram->total);
}

void perf_percentiles_init(struct perf_percentiles *walk, const struct perf_histogram *histogram, int ticks_per_half_distance)
{
	assert(ticks_per_half_distance > 0);
	*walk = (struct perf_percentiles){
		.histogram = histogram,
		.ticks_per_half_distance = ticks_per_half_distance,
		.count = histogram->total > 0 ? histogram->counts[0] : 0,
		.is_done = histogram->total == 0,
	};
}

/* The next level: the nearer to 100 %, the finer, by a power of two for each halving of the distance. */
static double level_after(const struct perf_percentiles *walk)
{
	double halvings = floor(log2(100.0 / (100.0 - walk->level))) + 1;
	double ticks = walk->ticks_per_half_distance * exp2(halvings);
	double next = walk->level + 100.0 / ticks;

	return next > walk->level ? next : 100.0; /* beyond 2^50 values a step is too small for a double to hold */
}

bool perf_percentiles_next(struct perf_percentiles *walk, struct perf_percentile_step *step)
{
	const struct perf_histogram *h = walk->histogram;

	if (walk->is_done)
		return false;
	while (walk->count < h->total && (walk->level >= 100 || 100.0 * (double)walk->count / (double)h->total < walk->level))
		walk->count += h->counts[++walk->index];
	while (h->counts[walk->index] == 0) /* an empty counter is never a step */
		walk->count += h->counts[++walk->index];
	step->value = perf_histogram_value_high(h, walk->index);
	step->count = walk->count;
	step->percentile = walk->level;
	if (walk->count < h->total) {
		walk->level = level_after(walk);
		return true;
	}
	/* All values seen: HdrHistogram gives the level that was due, and then closes with 100 %. */
	if (walk->has_last_value) {
		step->percentile = 100.0;
		walk->is_done = true;
	}
	walk->has_last_value = true;
	return true;
}
