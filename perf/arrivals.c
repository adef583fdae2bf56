#include "perf/arrivals.h"

#include <assert.h>
#include <math.h>

/* SplitMix64 (Steele, Lea, Flood 2014) spreads one seed over the generator's state. */
static uint64_t split_mix(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint64_t rotate_left(uint64_t value, int by)
{
	return value << by | value >> (64 - by);
}

/* xoshiro256++ 1.0 (Blackman, Vigna 2019). */
static uint64_t draw(uint64_t s[4])
{
	uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* In (0, 1]: never 0, whose logarithm is not finite. */
static double draw_unit(uint64_t s[4])
{
	return (double)((draw(s) >> 11) + 1) * 0x1p-53;
}

void perf_arrivals_init(struct perf_arrivals *arrivals, enum perf_arrivals_kind kind, double rate, uint64_t seed, unsigned stream,
			unsigned stream_count)
{
	uint64_t state = seed + stream * UINT64_C(0xd1342543de82ef95);

	assert(rate > 0 && stream < stream_count);
	*arrivals = (struct perf_arrivals){.kind = kind, .interval_ns = 1e9 / rate};
	arrivals->offset_ns = arrivals->interval_ns * stream / stream_count;
	for (int i = 0; i < 4; i++)
		arrivals->random[i] = split_mix(&state);
}

uint64_t perf_arrivals_next(struct perf_arrivals *arrivals)
{
	/* From the index and not by adding up, so that rounding does not drift away from the rate. */
	if (arrivals->kind == PERF_ARRIVALS_CONSTANT)
		return (uint64_t)(arrivals->offset_ns + arrivals->interval_ns * (double)arrivals->index++);
	arrivals->index++;
	arrivals->at_ns -= arrivals->interval_ns * log(draw_unit(arrivals->random));
	return (uint64_t)arrivals->at_ns;
}
