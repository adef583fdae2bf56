/* Caches, memory and huge pages: of a /sys made up, of machines that hwloc describes, and of this one. */
#include "numa/inventory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/numa/fake_tree.h"
#include "tests/unit/numa/machines.h"

#define CPU  "/sys/devices/system/cpu/cpu"
#define NODE "/sys/devices/system/node/node"

static void write_cache(const char *root, int cpu, int index, const char *const values[4])
{
	static const char *const names[] = {"level", "type", "size", "shared_cpu_list"};

	for (size_t i = 0; i < 4; i++) {
		char path[128];

		snprintf(path, sizeof path, CPU "%d/cache/index%d/%s", cpu, index, names[i]);
		fake_tree_write(root, path, values[i]);
	}
}

static void reads_a_machine_from_files(void **state)
{
	static const char *const data[] = {"1\n", "Data\n", "32K\n", "1\n"};
	static const char *const last[] = {"3\n", "Unified\n", "32M\n", "0-3\n"};
	struct zok__place places[] = {{.cpu = 0}, {.cpu = 1}};
	char *root = fake_tree_create();
	struct zok__topology machine = {.place = places, .place_count = 2, .root = root};
	struct zok__inventory inventory;

	zok__bitset_add(&machine.nodes, 0);
	zok__bitset_add(&machine.nodes, 2);
	write_cache(root, 0, 0, last);
	write_cache(root, 1, 0, data);
	write_cache(root, 1, 1, last);
	fake_tree_write(root, NODE "0/meminfo", "Node 0 MemTotal:       2048 kB\nNode 0 MemFree:        1024 kB\n");
	fake_tree_write(root, NODE "2/meminfo", "rubbish\n");
	fake_tree_write(root, NODE "0/hugepages/hugepages-1048576kB/nr_hugepages", "4\n");
	fake_tree_write(root, NODE "0/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
	fake_tree_write(root, NODE "0/hugepages/hugepages-2048kB/nr_hugepages", "512\n");
	fake_tree_write(root, NODE "0/hugepages/other", "7\n");
	fake_tree_write(root, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: Made Up 9000\nflags : x\n");
	assert_int_equal(zok__inventory_read(&inventory, &machine), 0);
	fake_tree_destroy(root);
	assert_int_equal(inventory.cache_count, 2);
	assert_int_equal(inventory.cache[0].level, 1);
	assert_int_equal(inventory.cache[0].type, 'D');
	assert_int_equal(inventory.cache[0].size_bytes, 32 << 10);
	assert_int_equal(zok__bitset_next(&inventory.cache[0].cpus, -1), 1);
	assert_int_equal(inventory.cache[1].size_bytes, 32 << 20);
	assert_int_equal(zok__bitset_next(&inventory.cache[1].cpus, 1), -1);
	assert_int_equal(inventory.node_count, 2);
	assert_int_equal(inventory.node[0].total_bytes, 2 << 20);
	assert_int_equal(inventory.node[0].free_bytes, 1 << 20);
	assert_int_equal(inventory.node[0].pool_count, 2);
	assert_int_equal(inventory.node[0].pool[0].page_bytes, 2 << 20);
	assert_int_equal(inventory.node[0].pool[0].total, 512);
	assert_int_equal(inventory.node[0].pool[0].free, 0);
	assert_int_equal(inventory.node[0].pool[1].total, 4);
	assert_int_equal(inventory.node[0].pool[1].free, 1);
	assert_int_equal(zok__inventory_node(&inventory, 2)->total_bytes, 0);
	assert_false(zok__inventory_node(&inventory, 2)->has_free);
	assert_null(zok__inventory_node(&inventory, 1));
	assert_string_equal(inventory.model, "Made Up 9000");
	assert_string_equal(inventory.kernel, "");
	zok__inventory_finish(&inventory);
}

static void reads_a_machine_that_is_described(void **state)
{
	struct zok__topology *machine = machine_of(EIGHT_NODES_XML);
	struct zok__inventory inventory;

	assert_null(machine->root);
	setenv("HWLOC_XMLFILE", EIGHT_NODES_XML, 1);
	assert_int_equal(zok__inventory_read(&inventory, machine), 0);
	unsetenv("HWLOC_XMLFILE");
	assert_int_equal(inventory.node_count, 8);
	assert_int_equal(inventory.node[7].total_bytes, 17179869184);
	assert_int_equal(inventory.cache_count, 8);
	assert_int_equal(inventory.cache[7].level, 3);
	assert_int_equal(zok__bitset_next(&inventory.cache[7].cpus, -1), 28);
	assert_string_equal(zok__devices_find(&machine->devices, "eth0", 4)->address, "0000:61:00.0");
	assert_int_equal(zok__devices_find(&machine->devices, "eth0", 4)->node, 3);
	assert_int_equal(zok__devices_find(&machine->devices, "nvme0n1", 7)->kind, ZOK__DEVICE_DISK);
	zok__inventory_finish(&inventory);
	zok__topology_destroy(machine);
}

static void reads_this_machine(void **state)
{
	struct zok__topology *machine;
	struct zok__inventory inventory;

	assert_int_equal(zok__topology_create(&machine), 0);
	assert_int_equal(zok__inventory_read(&inventory, machine), 0);
	assert_true(inventory.node_count > 0 && inventory.node[0].total_bytes > inventory.node[0].free_bytes);
	assert_memory_equal(inventory.kernel, "Linux ", 6);
	for (size_t i = 0; i < inventory.cache_count; i++)
		assert_false(zok__bitset_is_empty(&inventory.cache[i].cpus));
	zok__inventory_finish(&inventory);
	zok__topology_destroy(machine);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_machine_from_files),
		cmocka_unit_test(reads_a_machine_that_is_described),
		cmocka_unit_test(reads_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
