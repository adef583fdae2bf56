/* NICs and disks of a /sys made up: hardware, stacks on it, and what is virtual; and every way to name one. */
#include "numa/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/numa/fake_tree.h"

#define PCI "/sys/devices/pci0000:40"

static void make_entry(const char *root, const char *folder, const char *name, const char *target)
{
	char path[PATH_MAX], to[PATH_MAX];

	snprintf(path, sizeof path, "%s%s/%s", root, folder, name);
	snprintf(to, sizeof to, "%s%s", root, target);
	assert_int_equal(symlink(to, path), 0);
}

static void write_bus_device(const char *root, const char *path, const char *node, const char *cpus)
{
	char name[PATH_MAX];

	snprintf(name, sizeof name, "%s/numa_node", path);
	fake_tree_write(root, name, node);
	snprintf(name, sizeof name, "%s/local_cpulist", path);
	fake_tree_write(root, name, cpus);
}

/*
 * eth0 on node 1, eth1 on node 0 with its link down, a virtio NIC whose bus device has no node, bond0 over both eth, vlan5 over bond0, lo; nvme0n1 on node 1, a
 * volume dm-0 on it, loop0.
 */
static char *make_tree(void)
{
	char *root = fake_tree_create();

	write_bus_device(root, PCI "/0000:41:00.0", "1\n", "4-7\n");
	write_bus_device(root, PCI "/0000:42:00.0", "0\n", "0-3\n");
	write_bus_device(root, PCI "/0000:43:00.0", "-1\n", "0-7\n");
	write_bus_device(root, PCI "/0000:44:00.0", "1\n", "4-7\n");
	fake_tree_write(root, PCI "/0000:41:00.0/net/eth0/speed", "25000\n");
	fake_tree_write(root, PCI "/0000:42:00.0/net/eth1/speed", "-1\n");
	fake_tree_write(root, PCI "/0000:43:00.0/virtio2/net/ens3/mtu", "1500\n");
	fake_tree_write(root, PCI "/0000:44:00.0/nvme/nvme0/nvme0n1/size", "2048\n");
	fake_tree_write(root, "/sys/devices/virtual/net/lo/mtu", "65536\n");
	fake_tree_write(root, "/sys/devices/virtual/net/bond0/mtu", "1500\n");
	fake_tree_write(root, "/sys/devices/virtual/net/abond/mtu", "1500\n");
	fake_tree_write(root, "/sys/devices/virtual/block/loop0/size", "0\n");
	fake_tree_write(root, "/sys/devices/virtual/block/dm-0/slaves/.keep", "");
	fake_tree_write(root, "/sys/bus/pci/drivers/mlx5_core/x", "");
	fake_tree_write(root, "/sys/class/net/.keep", "");
	fake_tree_write(root, "/sys/block/.keep", "");
	make_entry(root, PCI "/0000:41:00.0", "driver", "/sys/bus/pci/drivers/mlx5_core");
	make_entry(root, PCI "/0000:41:00.0/net/eth0", "device", PCI "/0000:41:00.0");
	make_entry(root, "/sys/class/net", "eth0", PCI "/0000:41:00.0/net/eth0");
	make_entry(root, "/sys/class/net", "eth1", PCI "/0000:42:00.0/net/eth1");
	make_entry(root, "/sys/class/net", "ens3", PCI "/0000:43:00.0/virtio2/net/ens3");
	make_entry(root, "/sys/class/net", "lo", "/sys/devices/virtual/net/lo");
	make_entry(root, "/sys/class/net", "bond0", "/sys/devices/virtual/net/bond0");
	make_entry(root, "/sys/class/net", "abond", "/sys/devices/virtual/net/abond");
	make_entry(root, "/sys/class/net/bond0", "lower_eth0", PCI "/0000:41:00.0/net/eth0");
	make_entry(root, "/sys/class/net/bond0", "lower_eth1", PCI "/0000:42:00.0/net/eth1");
	make_entry(root, "/sys/class/net/abond", "lower_bond0", "/sys/devices/virtual/net/bond0");
	make_entry(root, "/sys/block", "nvme0n1", PCI "/0000:44:00.0/nvme/nvme0/nvme0n1");
	make_entry(root, "/sys/block", "loop0", "/sys/devices/virtual/block/loop0");
	make_entry(root, "/sys/block", "dm-0", "/sys/devices/virtual/block/dm-0");
	make_entry(root, "/sys/block/dm-0/slaves", "nvme0n1", PCI "/0000:44:00.0/nvme/nvme0/nvme0n1");
	return root;
}

static void reads_where_hardware_is(void **state)
{
	static const struct {
		const char *name, *address, *driver, *near;
		int node;
		bool is_virtual;
	} rows[] = {
		{"abond", "", "", "0-7", -1, false},
		{"bond0", "", "", "0-7", -1, false},
		{"ens3", "0000:43:00.0", "", "none", -1, false},
		{"eth0", "0000:41:00.0", "mlx5_core", "4-7", 1, false},
		{"eth1", "0000:42:00.0", "", "0-3", 0, false},
		{"lo", "", "", "none", -1, true},
		{"dm-0", "", "", "4-7", 1, false},
		{"loop0", "", "", "none", -1, true},
		{"nvme0n1", "0000:44:00.0", "", "4-7", 1, false},
	};
	struct zok__devices devices = {.count = 0};
	char *root = make_tree(), text[64];

	assert_int_equal(zok__devices_read(&devices, root), 0);
	fake_tree_destroy(root);
	assert_int_equal(devices.count, sizeof rows / sizeof *rows);
	for (size_t i = 0; i < devices.count; i++) {
		const struct zok__device *device = &devices.device[i];

		zok__bitset_format(&device->near, text, sizeof text);
		assert_string_equal(device->name, rows[i].name);
		assert_string_equal(device->address, rows[i].address);
		assert_string_equal(device->driver, rows[i].driver);
		assert_string_equal(text, rows[i].near);
		assert_int_equal(device->node, rows[i].node);
		assert_int_equal(device->is_virtual, rows[i].is_virtual);
	}
	assert_int_equal(devices.device[3].speed_mbit, 25000);
	assert_int_equal(devices.device[4].speed_mbit, 0);
	assert_int_equal(devices.device[8].size_bytes, 2048 * 512);
	zok__devices_format(&devices, text, sizeof text);
	assert_string_equal(text, "abond, bond0, ens3, eth0, eth1, dm-0, nvme0n1");
	zok__devices_format(&devices, text, 16);
	assert_string_equal(text, "abond, bond0...");
	zok__devices_finish(&devices);
}

static void finds_a_device_by_any_name(void **state)
{
	static const struct {
		const char *asked, *found;
	} rows[] = {
		{"eth0", "eth0"},
		{"0000:41:00.0", "eth0"},
		{"41:00.0", "eth0"},
		{"nvme0n1", "nvme0n1"},
		{"nvme0n1p3", "nvme0n1"},
		{"/dev/nvme0n1", "nvme0n1"},
		{"/dev/dm-0", "dm-0"},
		{"nvme0n12", NULL},
		{"eth", NULL},
		{"", NULL},
		{"p1", NULL},
		{"1", NULL},
		{"/dev/", NULL},
		{"/sys/block/nvme0n1", NULL},
		{"41:00", NULL},
		{"eth01", NULL},
	};
	struct zok__devices devices = {.count = 0};
	char *root = make_tree();

	assert_int_equal(zok__devices_read(&devices, root), 0);
	fake_tree_destroy(root);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct zok__device *device = zok__devices_find(&devices, rows[i].asked, strlen(rows[i].asked));

		if (rows[i].found == NULL ? device != NULL : device == NULL || strcmp(device->name, rows[i].found) != 0)
			fail_msg("%s: found %s", rows[i].asked, device != NULL ? device->name : "none");
	}
	assert_string_equal(zok__devices_find(&devices, "eth0,all", 4)->name, "eth0");
	zok__devices_finish(&devices);
}

static void has_none_without_sys(void **state)
{
	struct zok__devices devices = {.count = 0};
	char text[8];

	assert_int_equal(zok__devices_read(&devices, "/nowhere"), 0);
	assert_int_equal(devices.count, 0);
	zok__devices_format(&devices, text, sizeof text);
	assert_string_equal(text, "none");
	zok__devices_finish(&devices);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_where_hardware_is),
		cmocka_unit_test(finds_a_device_by_any_name),
		cmocka_unit_test(has_none_without_sys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
