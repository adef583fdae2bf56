#include "runtime/sqpoll.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static size_t group_size(const struct zok__sqpoll_seat *seats, size_t count, unsigned leader)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += seats[i].leader == leader;
	return size;
}

/* The first leader before core `index` on its node whose group has room; the core itself where there is none. */
static unsigned find_leader(const struct zok__place *cores, const struct zok__sqpoll_seat *seats, unsigned index)
{
	for (unsigned i = 0; i < index; i++)
		if (seats[i].leader == i && cores[i].node == cores[index].node && group_size(seats, index, i) < ZOK__SQPOLL_GROUP_MAX)
			return i;
	return index;
}

/* Nearest first, then the lowest number. */
static void seat_thread(const struct zok__topology *topology, struct zok__bitset *free_cpus, const struct zok__place *leader,
			struct zok__sqpoll_seat *seat)
{
	seat->cpu = -1;
	seat->tier = ZOK__TIER_COUNT;
	for (size_t i = 0; i < topology->place_count; i++) {
		const struct zok__place *place = &topology->place[i];
		enum zok__tier tier = zok__place_tier(leader, place);

		if (tier < seat->tier && zok__bitset_has(free_cpus, place->cpu)) {
			seat->tier = tier;
			seat->cpu = place->cpu;
		}
	}
	if (seat->cpu >= 0)
		zok__bitset_remove(free_cpus, seat->cpu);
}

void zok__sqpoll_plan_from(const struct zok__topology *topology, const struct zok__bitset *allowed, const struct zok__place *cores,
			   size_t count, struct zok__sqpoll_seat *seats)
{
	struct zok__bitset free_cpus = *allowed;

	for (size_t i = 0; i < count; i++)
		zok__bitset_remove(&free_cpus, cores[i].cpu);
	for (unsigned i = 0; i < count; i++) {
		unsigned leader = find_leader(cores, seats, i);

		if (leader == i)
			seat_thread(topology, &free_cpus, &cores[i], &seats[i]);
		else
			seats[i] = seats[leader];
		seats[i].leader = leader;
	}
}

static int read_machine(struct zok__topology **topology, struct zok__allowance *allowance)
{
	struct zok__bitset affinity;
	int rc = zok__affinity_read(&affinity);

	if (rc == 0)
		rc = zok__allowance_read("", &affinity, allowance);
	return rc < 0 ? rc : zok__topology_create(topology);
}

int zok__sqpoll_plan(const struct zok__core_set *cores, struct zok__sqpoll_seat **out)
{
	struct zok__topology *topology;
	struct zok__allowance allowance;
	struct zok__sqpoll_seat *seats;
	int rc = read_machine(&topology, &allowance);

	if (rc < 0)
		return rc;
	seats = calloc(cores->count, sizeof *seats);
	if (seats)
		zok__sqpoll_plan_from(topology, &allowance.cpus, cores->place, cores->count, seats);
	zok__topology_destroy(topology);
	*out = seats;
	return seats ? 0 : -ENOMEM;
}

int zok__sqpoll_describe(const struct zok__sqpoll_seat *seats, size_t count, char *text, size_t size)
{
	size_t threads = 0;

	for (unsigned i = 0; i < count; i++)
		threads += seats[i].leader == i;
	if (seats[0].cpu < 0)
		return snprintf(text, size, "%zu for %zu cores; unpinned: no CPU that we may use is free of cores", threads, count);
	return snprintf(text, size, "%zu for %zu cores; the first on CPU %d (%s)", threads, count, seats[0].cpu,
			zok__tier_name(seats[0].tier));
}
