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
	fake_tree_write(root, SYSTEM "/node/node0/distance", "10 21 30\n");
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
		const struct zok__place expected = {
			.cpu = cpu, .node = cpu % 2, .package = cpu % 2, .physical = cpu % 2, .cache = cpu % 2, .smt = cpu / 2};

		assert_memory_equal(zok__topology_find(topology, cpu), &expected, sizeof expected);
	}
	assert_null(zok__topology_find(topology, 4));
	assert_set(&topology->present, "0-4");
	assert_set(&topology->nodes, "0-1,3");
	assert_int_equal(zok__distance(&topology->distances, 0, 3), 30);
	assert_int_equal(zok__distance(&topology->distances, 1, 0), 20);
	assert_int_equal(topology->kind_count, 1);
	zok__topology_destroy(topology);
}

static void write_cpu(const char *root, int cpu, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof path, SYSTEM "/cpu/cpu%d/%s", cpu, name);
	fake_tree_write(root, path, text);
}

/* CPUs 0-1 and 2-3 share second-level caches; the third level is of 0, 2 and 3, and of the offline 1; a level above holds instructions only. */
static void names_the_last_cache_that_is_shared(void **state)
{
	static const int expected[] = {0, -1, 0, 0};
	char *root = fake_tree_create();
	struct zok__topology *topology;

	fake_tree_write(root, SYSTEM "/cpu/online", "0,2-3\n");
	for (int cpu = 0; cpu < 4; cpu++) {
		write_cpu(root, cpu, "cache/index0/level", "3\n");
		write_cpu(root, cpu, "cache/index0/type", "Unified\n");
		write_cpu(root, cpu, "cache/index0/shared_cpu_list", "0-3\n");
		write_cpu(root, cpu, "cache/index1/level", "2\n");
		write_cpu(root, cpu, "cache/index1/type", "Unified\n");
		write_cpu(root, cpu, "cache/index1/shared_cpu_list", cpu < 2 ? "0-1\n" : "2-3\n");
		write_cpu(root, cpu, "cache/index2/level", "4\n");
		write_cpu(root, cpu, "cache/index2/type", "Instruction\n");
		write_cpu(root, cpu, "cache/index2/shared_cpu_list", cpu == 0 ? "0\n" : "2-3\n");
	}
	topology = load(root, "0");
	fake_tree_destroy(root);
	for (size_t i = 0; i < topology->place_count; i++)
		assert_int_equal(topology->place[i].cache, expected[topology->place[i].cpu]);
	zok__topology_destroy(topology);
}

static void ranks_kinds_by_capacity(void **state)
{
	static const char *const capacity[] = {"250\n", "1024\n", "1024\n", "600\n"};
	static const int kind[] = {0, 2, 2, 1};
	char *root = fake_tree_create();
	struct zok__topology *topology;

	fake_tree_write(root, SYSTEM "/cpu/online", "0-3\n");
	for (int cpu = 0; cpu < 4; cpu++)
		write_cpu(root, cpu, "cpu_capacity", capacity[cpu]);
	topology = load(root, "0");
	fake_tree_destroy(root);
	assert_int_equal(topology->kind_count, 3);
	for (int cpu = 0; cpu < 4; cpu++)
		assert_int_equal(topology->place[cpu].kind, kind[cpu]);
	zok__topology_destroy(topology);
}

static void knows_fast_cores_by_their_counters(void **state)
{
	char *root = fake_tree_create();
	struct zok__topology *topology;

	fake_tree_write(root, SYSTEM "/cpu/online", "0-3\n");
	fake_tree_write(root, "/sys/devices/cpu_core/cpus", "0-1\n");
	fake_tree_write(root, "/sys/devices/cpu_atom/cpus", "2-3\n");
	topology = load(root, "0");
	fake_tree_destroy(root);
	assert_int_equal(topology->kind_count, 2);
	for (int cpu = 0; cpu < 4; cpu++)
		assert_int_equal(topology->place[cpu].kind, cpu < 2);
	zok__topology_destroy(topology);
}

static void takes_the_mask_for_the_machine_without_sys(void **state)
{
	struct zok__topology *topology = load("/nowhere", "2,5");
	const struct zok__place expected[] = {{.cpu = 2, .physical = 2, .cache = 2}, {.cpu = 5, .physical = 5, .cache = 5}};

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
		cmocka_unit_test(names_the_last_cache_that_is_shared),
		cmocka_unit_test(ranks_kinds_by_capacity),
		cmocka_unit_test(knows_fast_cores_by_their_counters),
		cmocka_unit_test(takes_the_mask_for_the_machine_without_sys),
		cmocka_unit_test(survives_files_with_something_else_in_them),
		cmocka_unit_test(needs_a_cpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
