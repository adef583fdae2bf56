/* Big machines that are not here, made up by hwloc (HWLOC_SYNTHETIC), and the cores chosen on them. Skipped in a build without hwloc. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "numa/select.h"
#include "tests/unit/numa/machines.h"

static int select_on(const struct zok__topology *machine, const char *list, struct zok__core_set *set, char *error)
{
	struct zok__allowance all = {.quota_cpu_milli = 0};

	memset(&all.cpus, 0xff, sizeof all.cpus);
	return zok__cores_select_from(machine, &all, list, set, error, ZOK__CORES_ERROR_SIZE);
}

static void gives_each_physical_core_once_before_siblings(void **state)
{
	static const char *const machines[] = {TWO_BY_64, TWO_BY_64_AS_LINUX};

	for (size_t m = 0; m < sizeof machines / sizeof *machines; m++) {
		struct zok__topology *machine = machine_of(machines[m]);
		struct zok__bitset physical = {{0}};
		struct zok__core_set set;
		char error[ZOK__CORES_ERROR_SIZE];

		assert_int_equal(machine->place_count, 256);
		assert_int_equal(select_on(machine, NULL, &set, error), 0);
		assert_int_equal(set.count, 256);
		for (size_t i = 0; i < 128; i++) {
			assert_false(zok__bitset_has(&physical, set.place[i].physical));
			zok__bitset_add(&physical, set.place[i].physical);
		}
		for (size_t i = 128; i < 256; i++)
			assert_true(zok__bitset_has(&physical, set.place[i].physical));
		zok__core_set_release(&set);
		zok__topology_destroy(machine);
	}
}

static void numbers_siblings_as_the_machine_does(void **state)
{
	struct zok__topology *machine = machine_of(TWO_BY_64);

	assert_int_equal(zok__topology_find(machine, 3)->physical, 2);
	zok__topology_destroy(machine);
	machine = machine_of(TWO_BY_64_AS_LINUX);
	assert_int_equal(zok__topology_find(machine, 131)->physical, 3);
	assert_int_equal(zok__topology_find(machine, 131)->package, 0);
	zok__topology_destroy(machine);
}

static void selects_a_node(void **state)
{
	struct zok__topology *machine = machine_of(TWO_BY_64);
	struct zok__core_set set;
	char error[ZOK__CORES_ERROR_SIZE];

	assert_int_equal(select_on(machine, "node:1,!128", &set, error), 0);
	assert_int_equal(set.count, 127);
	assert_int_equal(set.place[0].cpu, 129);
	for (size_t i = 0; i < set.count; i++) {
		assert_int_equal(set.place[i].node, 1);
		assert_int_equal(set.place[i].package, 1);
	}
	zok__core_set_release(&set);
	assert_int_equal(select_on(machine, "node:2", &set, error), -EINVAL);
	assert_string_equal(error, "cores: node:2: no such node here; nodes are 0-1");
	assert_int_equal(select_on(machine, "256", &set, error), -EINVAL);
	assert_string_equal(error, "cores: 256: no such core here; allowed are 0-255");
	zok__topology_destroy(machine);
}

static void tells_nodes_from_packages(void **state)
{
	struct zok__topology *machine = machine_of(EIGHT_NODES);
	struct zok__core_set set;
	char error[ZOK__CORES_ERROR_SIZE];

	assert_int_equal(select_on(machine, "node:5", &set, error), 0);
	assert_int_equal(set.count, 8);
	assert_int_equal(set.place[0].cpu, 40);
	assert_int_equal(set.place[0].node, 5);
	assert_int_equal(set.place[0].package, 1);
	zok__core_set_release(&set);
	zok__topology_destroy(machine);
}

static void names_caches_and_counts_siblings(void **state)
{
	struct zok__topology *machine = machine_of(TWO_BY_64_L3);
	const struct zok__place *sibling = zok__topology_find(machine, 137);

	assert_int_equal(sibling->physical, 9);
	assert_int_equal(sibling->cache, 8);
	assert_int_equal(sibling->smt, 1);
	assert_int_equal(zok__topology_find(machine, 9)->smt, 0);
	assert_int_equal(machine->kind_count, 1);
	zok__topology_destroy(machine);
	machine = machine_of(TWO_BY_64);
	assert_int_equal(zok__topology_find(machine, 3)->cache, 2);
	zok__topology_destroy(machine);
}

static void tells_kinds_of_cores_apart(void **state)
{
	struct zok__topology *machine = machine_of(HYBRID_XML);

	assert_int_equal(machine->kind_count, 2);
	for (size_t i = 0; i < machine->place_count; i++)
		assert_int_equal(machine->place[i].kind, machine->place[i].cpu < 16);
	zok__topology_destroy(machine);
}

static void reads_distances(void **state)
{
	struct zok__topology *machine = machine_of(EIGHT_NODES_XML);

	assert_int_equal(zok__distance(&machine->distances, 0, 1), 12);
	assert_int_equal(zok__distance(&machine->distances, 0, 4), 28);
	assert_int_equal(zok__distance(&machine->distances, 7, 7), 10);
	zok__topology_destroy(machine);
}

/* Slow memory beside all: it counts every CPU as its own, and is nobody's node. */
static void is_not_misled_by_a_node_without_cpus(void **state)
{
	struct zok__topology *machine = machine_of("[numanode] package:2 [numanode(memory=0)] core:2 pu:1");

	assert_int_equal(machine->place_count, 4);
	assert_true(machine->place[0].node == machine->place[1].node && machine->place[2].node == machine->place[3].node);
	assert_true(machine->place[0].node != machine->place[2].node);
	assert_true(zok__bitset_has(&machine->nodes, 0) && zok__bitset_has(&machine->nodes, 1) && zok__bitset_has(&machine->nodes, 2));
	zok__topology_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_each_physical_core_once_before_siblings),
		cmocka_unit_test(numbers_siblings_as_the_machine_does),
		cmocka_unit_test(selects_a_node),
		cmocka_unit_test(tells_nodes_from_packages),
		cmocka_unit_test(names_caches_and_counts_siblings),
		cmocka_unit_test(tells_kinds_of_cores_apart),
		cmocka_unit_test(reads_distances),
		cmocka_unit_test(is_not_misled_by_a_node_without_cpus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
