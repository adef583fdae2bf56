/* Which source serves: the first that can; and what any source must hold to. */
#include "numa/topology.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "numa/cpuset.h"

/* As a container that hides /sys does to hwloc, in the middle of its work. */
static int refuse(struct zok__topology *topology)
{
	topology->place = malloc(sizeof *topology->place);
	return -EACCES;
}

static int run_out_of_memory(struct zok__topology *topology)
{
	return -ENOMEM;
}

static const struct zok__topology_source refused = {"refused", refuse};
static const struct zok__topology_source hungry = {"hungry", run_out_of_memory};

static void falls_back_on_the_next_source(void **state)
{
	static const struct zok__topology_source *const sources[] = {&refused, &zok__topology_affinity, NULL};
	struct zok__topology *topology;

	assert_int_equal(zok__topology_create_from(sources, &topology), 0);
	assert_string_equal(topology->source, "affinity");
	zok__topology_destroy(topology);
}

static void says_why_when_no_source_can(void **state)
{
	static const struct zok__topology_source *const all_refused[] = {&refused, &refused, NULL};
	static const struct zok__topology_source *const no_memory[] = {&hungry, &zok__topology_affinity, NULL};
	static const struct zok__topology_source *const none[] = {NULL};
	struct zok__topology *topology = NULL;

	assert_int_equal(zok__topology_create_from(all_refused, &topology), -EACCES);
	assert_int_equal(zok__topology_create_from(no_memory, &topology), -ENOMEM);
	assert_int_equal(zok__topology_create_from(none, &topology), -ENODATA);
	assert_null(topology);
	zok__topology_destroy(NULL);
}

static void check_table(const struct zok__topology *topology)
{
	for (size_t i = 0; i < topology->place_count; i++) {
		const struct zok__place *place = &topology->place[i];

		assert_true(i == 0 || topology->place[i - 1].cpu < place->cpu);
		assert_true(zok__bitset_has(&topology->present, place->cpu));
		assert_true(zok__bitset_has(&topology->nodes, place->node));
		assert_true(place->physical <= place->cpu && place->package >= 0);
		assert_true(place->cache <= place->physical && (place->smt == 0) == (place->physical == place->cpu));
		assert_true(place->kind >= 0 && place->kind < topology->kind_count);
		assert_ptr_equal(zok__topology_find(topology, place->cpu), place);
	}
	assert_null(zok__topology_find(topology, -1));
	assert_null(zok__topology_find(topology, ZOK__BITSET_MAX));
}

static void every_source_gives_the_same_machine(void **state)
{
	static const struct zok__topology_source *const plain[] = {&zok__topology_affinity, NULL};
	struct zok__topology *best, *simple;
	struct zok__bitset affinity;

	assert_int_equal(zok__affinity_read(&affinity), 0);
	assert_int_equal(zok__topology_create(&best), 0);
	assert_int_equal(zok__topology_create_from(plain, &simple), 0);
	check_table(best);
	check_table(simple);
	for (int cpu = -1; (cpu = zok__bitset_next(&affinity, cpu)) >= 0;) {
		const struct zok__place *a = zok__topology_find(best, cpu), *b = zok__topology_find(simple, cpu);

		assert_non_null(a);
		assert_non_null(b);
		assert_memory_equal(a, b, sizeof *a);
	}
	zok__topology_destroy(best);
	zok__topology_destroy(simple);
}

static int load_with_devices(struct zok__topology *topology, int last_node)
{
	for (int i = 0; i < 2; i++) {
		struct zok__device *device = zok__devices_add(&topology->devices);

		assert_non_null(device);
		device->is_virtual = i == 1;
	}
	topology->place = calloc(1, sizeof *topology->place);
	assert_non_null(topology->place);
	topology->place->cpu = 3;
	topology->place_count = 1;
	for (int node = 0; node <= last_node; node++)
		zok__bitset_add(&topology->nodes, node);
	return 0;
}

static int load_one_node(struct zok__topology *topology)
{
	return load_with_devices(topology, 0);
}

static int load_two_nodes(struct zok__topology *topology)
{
	return load_with_devices(topology, 1);
}

static const struct zok__topology_source one_node = {"one node", load_one_node};
static const struct zok__topology_source two_nodes = {"two nodes", load_two_nodes};

static void knows_where_hardware_is_on_a_machine_of_one_node(void **state)
{
	static const struct zok__topology_source *const sources[][2] = {{&two_nodes, NULL}, {&one_node, NULL}};

	for (int is_one = 0; is_one < 2; is_one++) {
		struct zok__topology *topology;

		assert_int_equal(zok__topology_create_from(sources[is_one], &topology), 0);
		assert_int_equal(topology->devices.device[0].node, is_one ? 0 : -1);
		assert_int_equal(zok__bitset_has(&topology->devices.device[0].near, 3), is_one);
		assert_int_equal(topology->devices.device[1].node, -1);
		assert_true(zok__bitset_is_empty(&topology->devices.device[1].near));
		zok__topology_destroy(topology);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(falls_back_on_the_next_source),
		cmocka_unit_test(says_why_when_no_source_can),
		cmocka_unit_test(knows_where_hardware_is_on_a_machine_of_one_node),
		cmocka_unit_test(every_source_gives_the_same_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
