/* How far cores are from each other, and whom each turns to first: on machines made by hand and on hwloc's big ones. */
#include "numa/tier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/numa/machines.h"

static void tells_what_two_cores_share(void **state)
{
	const struct zok__place a = {.cpu = 0, .physical = 0, .cache = 0, .node = 0};
	const struct zok__place sibling = {.cpu = 9, .physical = 0, .cache = 0, .node = 0};
	const struct zok__place beside = {.cpu = 1, .physical = 1, .cache = 0, .node = 0};
	const struct zok__place same_node = {.cpu = 4, .physical = 4, .cache = 4, .node = 0};
	const struct zok__place far = {.cpu = 8, .physical = 8, .cache = 8, .node = 1};

	assert_int_equal(zok__place_tier(&a, &a), ZOK__TIER_SMT);
	assert_int_equal(zok__place_tier(&a, &sibling), ZOK__TIER_SMT);
	assert_int_equal(zok__place_tier(&a, &beside), ZOK__TIER_CACHE);
	assert_int_equal(zok__place_tier(&a, &same_node), ZOK__TIER_NODE);
	assert_int_equal(zok__place_tier(&a, &far), ZOK__TIER_FAR);
	assert_int_equal(zok__place_tier(&far, &a), ZOK__TIER_FAR);
	assert_string_equal(zok__tier_name(ZOK__TIER_SMT), "smt");
	assert_string_equal(zok__tier_name(ZOK__TIER_CACHE), "cache");
	assert_string_equal(zok__tier_name(ZOK__TIER_NODE), "node");
	assert_string_equal(zok__tier_name(ZOK__TIER_FAR), "far");
}

/* Of those who are equally near, the ones of the thief's package come first, and each thief begins with the one that follows it. */
static unsigned rank_of(const struct zok__topology *machine, unsigned thief, const struct zok__victim *victim)
{
	unsigned count = (unsigned)machine->place_count, turn = (victim->index + count - thief) % count;

	assert_int_equal(victim->turn, turn);
	return machine->place[victim->index].package == machine->place[thief].package ? turn : turn + count;
}

/* Every other core once, and never a farther one before a nearer. */
static void check_order(const struct zok__topology *machine, unsigned thief, const struct zok__victim *order)
{
	struct zok__bitset seen = {{0}};

	for (size_t i = 0; i + 1 < machine->place_count; i++) {
		const struct zok__victim *victim = &order[i];

		assert_true(victim->index < machine->place_count && victim->index != thief);
		assert_false(zok__bitset_has(&seen, (int)victim->index));
		zok__bitset_add(&seen, (int)victim->index);
		assert_int_equal(victim->tier, zok__place_tier(&machine->place[thief], &machine->place[victim->index]));
		if (i == 0)
			continue;
		assert_true(victim->tier >= order[i - 1].tier);
		assert_true(victim->tier > order[i - 1].tier || victim->distance >= order[i - 1].distance);
		if (victim->tier == order[i - 1].tier && victim->distance == order[i - 1].distance)
			assert_true(rank_of(machine, thief, victim) > rank_of(machine, thief, &order[i - 1]));
	}
}

/* How many victims of each tier a core has. */
static void count_tiers(const struct zok__topology *machine, unsigned thief, size_t tiers[ZOK__TIER_COUNT])
{
	struct zok__victim *order = calloc(machine->place_count, sizeof *order);

	assert_non_null(order);
	zok__victims_order(machine->place, machine->place_count, &machine->distances, thief, order);
	check_order(machine, thief, order);
	memset(tiers, 0, ZOK__TIER_COUNT * sizeof *tiers);
	for (size_t i = 0; i + 1 < machine->place_count; i++)
		tiers[order[i].tier]++;
	free(order);
}

static void orders_the_victims_of_big_machines(void **state)
{
	static const struct {
		const char *machine;
		size_t tiers[ZOK__TIER_COUNT];
	} rows[] = {
		{TWO_BY_64, {1, 0, 126, 128}},
		{TWO_BY_64_AS_LINUX, {1, 0, 126, 128}},
		{TWO_BY_64_L3, {1, 14, 112, 128}},
		{EIGHT_NODES, {0, 0, 7, 56}},
		{EIGHT_NODES_XML, {1, 6, 0, 56}},
		{HYBRID_XML, {1, 22, 0, 0}},
		{"pu:1", {0}},
	};

	for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
		struct zok__topology *machine = machine_of(rows[r].machine);
		size_t tiers[ZOK__TIER_COUNT];

		count_tiers(machine, 0, tiers);
		assert_memory_equal(tiers, rows[r].tiers, sizeof tiers);
		for (unsigned thief = 1; thief < machine->place_count; thief += 7)
			count_tiers(machine, thief, tiers);
		zok__topology_destroy(machine);
	}
}

static void goes_by_distance_among_far_nodes(void **state)
{
	static const int nodes[] = {2, 3, 0, 1, 6, 4, 5, 7}; /* by 10, 12, 14, 14, 28 and thrice 32 from node 2 */
	struct zok__topology *machine = machine_of(EIGHT_NODES_XML);
	struct zok__victim order[63];
	const unsigned thief = 8; /* CPU 8, on node 2 */

	assert_int_equal(machine->place[thief].node, 2);
	zok__victims_order(machine->place, 64, &machine->distances, thief, order);
	for (size_t i = 7; i < 63; i++) {
		int node = machine->place[order[i].index].node;
		size_t group = i < 15 ? 1 : i < 31 ? 2 : i < 39 ? 4 : 5;

		assert_true(group == 2 ? node == 0 || node == 1 : group == 5 ? node == 4 || node == 5 || node == 7 : node == nodes[group]);
	}
	assert_int_equal(order[7].distance, 12);
	assert_int_equal(order[62].distance, 32);
	zok__topology_destroy(machine);
}

static void stays_in_its_package_where_no_distance_is_known(void **state)
{
	struct zok__topology *machine = machine_of(EIGHT_NODES);
	struct zok__victim order[63];

	zok__victims_order(machine->place, 64, &machine->distances, 40, order);
	for (size_t i = 0; i < 63; i++)
		assert_int_equal(machine->place[order[i].index].package, i < 31 ? 1 : 0);
	zok__topology_destroy(machine);
}

/* Thieves that are equally far from all begin with different victims. */
static void does_not_send_all_to_the_same_victim(void **state)
{
	struct zok__place place[4];
	struct zok__bitset first = {{0}};

	for (int i = 0; i < 4; i++)
		place[i] = (struct zok__place){.cpu = i, .physical = i};
	for (unsigned thief = 0; thief < 4; thief++) {
		struct zok__victim order[3];

		zok__victims_order(place, 4, &(struct zok__distances){.node_count = 0}, thief, order);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(order[i].index, (thief + 1 + i) % 4);
		zok__bitset_add(&first, (int)order[0].index);
	}
	for (int i = 0; i < 4; i++)
		assert_true(zok__bitset_has(&first, i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_two_cores_share),		cmocka_unit_test(orders_the_victims_of_big_machines),
		cmocka_unit_test(goes_by_distance_among_far_nodes),	cmocka_unit_test(stays_in_its_package_where_no_distance_is_known),
		cmocka_unit_test(does_not_send_all_to_the_same_victim),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
