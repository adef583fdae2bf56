/*
 * How far two cores are from each other, and in which order one should turn to the others: for stealing, for waking, for placing threads that
 * work for each other. Places are those of a topology or of a chosen set; nothing here reads the machine.
 */
#ifndef ZOK_NUMA_TIER_H
#define ZOK_NUMA_TIER_H

#include "numa/topology.h"

/* Nearest first: what the two share. */
enum zok__tier {
	ZOK__TIER_SMT,	 /* the physical core, and so its first caches */
	ZOK__TIER_CACHE, /* the last-level cache */
	ZOK__TIER_NODE,	 /* the memory of one NUMA node */
	ZOK__TIER_FAR,	 /* nothing but the machine: struct zok__victim.distance tells how far */
	ZOK__TIER_COUNT,
};

/* "smt", "cache", "node", "far" */
const char *zok__tier_name(enum zok__tier tier);

/* Of two different CPUs; of a CPU and itself ZOK__TIER_SMT. */
enum zok__tier zok__place_tier(const struct zok__place *a, const struct zok__place *b);

/* Another core, as one core sees it. */
struct zok__victim {
	unsigned index; /* in the table of places */
	enum zok__tier tier;
	unsigned distance; /* of its node, in the firmware's units: 10 is local */
	unsigned turn;	   /* how many places behind the thief it stands, counted round */
};

/*
 * Writes the count - 1 other places to `out`, nearest first: by tier, then by distance, then those of the same package, then by turn, so that
 * thieves that are equally far from all do not begin with the same victim. `thief` indexes `place`.
 */
void zok__victims_order(const struct zok__place *place, size_t count, const struct zok__distances *distances, unsigned thief,
			struct zok__victim *out);

#endif
