#include "numa/tier.h"

#include <assert.h>
#include <stdlib.h>

const char *zok__tier_name(enum zok__tier tier)
{
	static const char *const names[ZOK__TIER_COUNT] = {"smt", "cache", "node", "far"};

	assert(tier < ZOK__TIER_COUNT);
	return names[tier];
}

enum zok__tier zok__place_tier(const struct zok__place *a, const struct zok__place *b)
{
	if (a->physical == b->physical)
		return ZOK__TIER_SMT;
	if (a->cache == b->cache)
		return ZOK__TIER_CACHE;
	return a->node == b->node ? ZOK__TIER_NODE : ZOK__TIER_FAR;
}

static int compare_numbers(unsigned a, unsigned b)
{
	return (a > b) - (a < b);
}

static int compare_victims(const void *left, const void *right)
{
	const struct zok__victim *a = left, *b = right;
	int by = compare_numbers(a->tier, b->tier);

	if (by == 0)
		by = compare_numbers(a->distance, b->distance);
	return by != 0 ? by : compare_numbers(a->turn, b->turn);
}

/*
 * Where the firmware gives no distances all far nodes seem alike; those of the thief's own package are nearer all the same. So the others
 * wait one round of turns longer while it is sorted.
 */
static void sort(const struct zok__place *place, size_t count, unsigned thief, struct zok__victim *out)
{
	const unsigned round = (unsigned)count;

	for (size_t i = 0; i + 1 < count; i++)
		if (place[out[i].index].package != place[thief].package)
			out[i].turn += round;
	qsort(out, count - 1, sizeof *out, compare_victims);
	for (size_t i = 0; i + 1 < count; i++)
		out[i].turn %= round;
}

void zok__victims_order(const struct zok__place *place, size_t count, const struct zok__distances *distances, unsigned thief,
			struct zok__victim *out)
{
	struct zok__victim *next = out;

	assert(thief < count);
	for (unsigned turn = 1; turn < count; turn++) {
		unsigned index = (unsigned)((thief + turn) % count);

		*next++ = (struct zok__victim){
			.index = index,
			.tier = zok__place_tier(&place[thief], &place[index]),
			.distance = zok__distance(distances, place[thief].node, place[index].node),
			.turn = turn,
		};
	}
	sort(place, count, thief, out);
}
