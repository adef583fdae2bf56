/* The topology without hwloc: from a /sys made up for two nodes, and from no /sys at all. */
#include "numa/topology_affinity.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/numa/fake_tree.h"

#define SYSTEM "/sys/devices/system"

/* Two packages, a physical core of two CPUs in each, n beside n + 2; CPU 4 is there but offline; node 3 has memory only. */
static void write_machine(const char *root)
{
	fake_tree_write(root, SYSTEM "/cpu/online", "0-3\n");
	fake_tree_write(root, SYSTEM "/cpu/present", "0-4\n");
	for (int cpu = 0; cpu < 4; cpu++) {
		char name[128], text[16];

		snprintf(name, sizeof name, SYSTEM "/cpu/cpu%d/topology/physical_package_id", cpu);
		snprintf(text, sizeof text, "%d\n", cpu % 2);
		fake_tree_write(root, name, text);
		snprintf(name, sizeof name, SYSTEM "/cpu/cpu%d/topology/thread_siblings_list", cpu);
		snprintf(text, sizeof text, "%d,%d\n", cpu % 2, cpu % 2 + 2);
		fake_tree_write(root, name, text);
	}
	fake_tree_write(root, SYSTEM "/node/online", "0-1,3\n");
	fake_tree_write(root, SYSTEM "/node/node0/cpulist", "0,2\n");
	fake_tree_write(root, SYSTEM "/node/node1/cpulist", "1,3-4\n");
	fake_tree_write(root, SYSTEM "/node/node3/cpulist", "\n");
}

static struct zok__topology *load(const char *root, const char *affinity_list)
{
	struct zok__topology *topology = calloc(1, sizeof *topology);
	struct zok__bitset affinity;

	assert_non_null(topology);
	assert_int_equal(zok__bitset_parse(affinity_list, &affinity), 0);
	assert_int_equal(zok__topology_load_affinity(topology, root, &affinity), 0);
	return topology;
}

static void assert_set(const struct zok__bitset *set, const char *expected)
{
	char text[64];

	zok__bitset_format(set, text, sizeof text);
	assert_string_equal(text, expected);
}

static void reads_nodes_packages_and_siblings(void **state)
{
	char *root = fake_tree_create();
	struct zok__topology *topology;

	write_machine(root);
	topology = load(root, "1");
	fake_tree_destroy(root);
	assert_int_equal(topology->place_count, 4);
	for (int cpu = 0; cpu < 4; cpu++) {
		const struct zok__place expected = {.cpu = cpu, .node = cpu % 2, .package = cpu % 2, .physical = cpu % 2};

		assert_memory_equal(zok__topology_find(topology, cpu), &expected, sizeof expected);
	}
	assert_null(zok__topology_find(topology, 4));
	assert_set(&topology->present, "0-4");
	assert_set(&topology->nodes, "0-1,3");
	zok__topology_destroy(topology);
}

static void takes_the_mask_for_the_machine_without_sys(void **state)
{
	struct zok__topology *topology = load("/nowhere", "2,5");
	const struct zok__place expected[] = {{.cpu = 2, .physical = 2}, {.cpu = 5, .physical = 5}};

	assert_int_equal(topology->place_count, 2);
	assert_memory_equal(topology->place, expected, sizeof expected);
	assert_set(&topology->present, "2,5");
	assert_set(&topology->nodes, "0");
	zok__topology_destroy(topology);
}

static void survives_files_with_something_else_in_them(void **state)
{
	char *root = fake_tree_create();
	struct zok__topology *topology;
	const struct zok__place expected = {.cpu = 0, .physical = 0};

	fake_tree_write(root, SYSTEM "/cpu/online", "zero\n");
	fake_tree_write(root, SYSTEM "/cpu/cpu0/topology/physical_package_id", "-1\n");
	fake_tree_write(root, SYSTEM "/cpu/cpu0/topology/thread_siblings_list", "7\n");
	fake_tree_write(root, SYSTEM "/node/online", "\n");
	topology = load(root, "0");
	fake_tree_destroy(root);
	assert_int_equal(topology->place_count, 1);
	assert_memory_equal(topology->place, &expected, sizeof expected);
	zok__topology_destroy(topology);
}

static void needs_a_cpu(void **state)
{
	struct zok__topology topology = {.source = "none"};

	assert_int_equal(zok__topology_load_affinity(&topology, "/nowhere", &(struct zok__bitset){{0}}), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_nodes_packages_and_siblings),
		cmocka_unit_test(takes_the_mask_for_the_machine_without_sys),
		cmocka_unit_test(survives_files_with_something_else_in_them),
		cmocka_unit_test(needs_a_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
