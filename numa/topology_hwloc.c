/* The topology as hwloc sees it. hwloc's own variables (HWLOC_SYNTHETIC, HWLOC_XMLFILE) work: so tests, and users, look at other machines. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <hwloc.h>

#include "numa/cpuset.h"
#include "numa/topology.h"

static int index_of(hwloc_obj_t object)
{
	if (object == NULL)
		return 0;
	return (int)(object->os_index != HWLOC_UNKNOWN_INDEX ? object->os_index : object->logical_index);
}

/* Caches of data are the ancestors of a CPU; the highest is the last level. */
static int last_cache_of(hwloc_obj_t pu)
{
	hwloc_obj_t last = NULL;

	for (hwloc_obj_t at = pu->parent; at != NULL; at = at->parent)
		if (hwloc_obj_type_is_dcache(at->type))
			last = at;
	return last != NULL ? hwloc_bitmap_first(last->cpuset) : -1;
}

/*
 * The node that stands nearest above a CPU. One without CPUs of its own (slow or fast memory) hangs higher up or behind the other, and counts
 * the CPU as its own too: so the first bit of the CPU's node set will not do.
 */
static int node_of(hwloc_obj_t pu)
{
	for (hwloc_obj_t at = pu; at != NULL; at = at->parent) {
		hwloc_obj_t memory = at->memory_first_child;

		while (memory != NULL && memory->type != HWLOC_OBJ_NUMANODE)
			memory = memory->memory_first_child;
		if (memory != NULL)
			return (int)memory->os_index;
	}
	return 0;
}

static int kind_of(hwloc_topology_t machine, hwloc_obj_t pu)
{
	int kind = hwloc_cpukinds_get_by_cpuset(machine, pu->cpuset, 0);

	return kind < 0 ? 0 : kind;
}

static void describe(hwloc_topology_t machine, hwloc_obj_t pu, struct zok__place *place)
{
	hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_CORE, pu);

	place->cpu = (int)pu->os_index;
	place->package = index_of(hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_PACKAGE, pu));
	place->physical = core != NULL ? hwloc_bitmap_first(core->cpuset) : place->cpu;
	place->cache = last_cache_of(pu);
	if (place->cache < 0)
		place->cache = place->physical;
	place->node = node_of(pu);
}

static int compare_cpus(const void *a, const void *b)
{
	return ((const struct zok__place *)a)->cpu - ((const struct zok__place *)b)->cpu;
}

/* hwloc counts depth first; our table is in the order of Linux's numbers. */
static int fill_places(hwloc_topology_t machine, struct zok__topology *topology)
{
	int count = hwloc_get_nbobjs_by_type(machine, HWLOC_OBJ_PU);

	if (count <= 0)
		return -ENODATA;
	topology->place = calloc((size_t)count, sizeof *topology->place);
	if (topology->place == NULL)
		return -ENOMEM;
	topology->place_count = (size_t)count;
	for (int i = 0; i < count; i++)
		describe(machine, hwloc_get_obj_by_type(machine, HWLOC_OBJ_PU, (unsigned)i), &topology->place[i]);
	qsort(topology->place, topology->place_count, sizeof *topology->place, compare_cpus);
	zok__topology_number_siblings(topology);
	return topology->place[count - 1].cpu < ZOK__BITSET_MAX ? 0 : -ERANGE;
}

/* hwloc orders kinds by their efficiency, ascending, when it knows it; otherwise they are only different, and we do not tell them apart. */
static void fill_kinds(hwloc_topology_t machine, struct zok__topology *topology)
{
	int count = hwloc_cpukinds_get_nr(machine, 0), efficiency = -1;

	if (count <= 1 || hwloc_cpukinds_get_info(machine, 0, NULL, &efficiency, NULL, NULL, 0) < 0 || efficiency < 0)
		return;
	topology->kind_count = count;
	for (size_t i = 0; i < topology->place_count; i++) {
		hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(machine, (unsigned)topology->place[i].cpu);

		topology->place[i].kind = kind_of(machine, pu);
	}
}

static void copy_distances(const struct hwloc_distances_s *from, struct zok__distances *to)
{
	for (unsigned row = 0; row < from->nbobjs; row++)
		for (unsigned column = 0; column < from->nbobjs; column++)
			zok__distances_set(to, (int)from->objs[row]->os_index, (int)from->objs[column]->os_index,
					   from->values[row * from->nbobjs + column]);
}

static int fill_distances(hwloc_topology_t machine, struct zok__topology *topology)
{
	struct hwloc_distances_s *matrix;
	unsigned count = 1;
	int rc = zok__distances_init(&topology->distances, &topology->nodes);

	if (rc < 0 ||
	    hwloc_distances_get_by_type(machine, HWLOC_OBJ_NUMANODE, &count, &matrix, HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) < 0 ||
	    count == 0)
		return rc;
	copy_distances(matrix, &topology->distances);
	hwloc_distances_release(machine, matrix);
	return 0;
}

static void copy_bitmap(hwloc_const_bitmap_t from, struct zok__bitset *to)
{
	/* A bitmap may be infinite ("all nodes there might be"): the set's own bound ends the walk. */
	for (int number = -1; (number = hwloc_bitmap_next(from, number)) >= 0 && number < ZOK__BITSET_MAX;)
		zok__bitset_add(to, number);
}

static hwloc_obj_t parent_of_type(hwloc_obj_t object, hwloc_obj_type_t type)
{
	while (object != NULL && object->type != type)
		object = object->parent;
	return object;
}

static void fill_device(hwloc_topology_t machine, hwloc_obj_t object, struct zok__device *device)
{
	hwloc_obj_t home = hwloc_get_non_io_ancestor_obj(machine, object), pci = parent_of_type(object, HWLOC_OBJ_PCI_DEVICE);

	device->kind = object->attr->osdev.type == HWLOC_OBJ_OSDEV_NETWORK ? ZOK__DEVICE_NIC : ZOK__DEVICE_DISK;
	snprintf(device->name, sizeof device->name, "%s", object->name);
	if (pci != NULL)
		snprintf(device->address, sizeof device->address, "%04x:%02x:%02x.%x", pci->attr->pcidev.domain, pci->attr->pcidev.bus,
			 pci->attr->pcidev.dev, pci->attr->pcidev.func);
	if (hwloc_bitmap_weight(home->nodeset) == 1)
		device->node = hwloc_bitmap_first(home->nodeset);
	if (device->node >= 0)
		copy_bitmap(home->cpuset, &device->near);
}

/* Of a machine that is not this one: /sys is of no use. */
static int fill_devices(hwloc_topology_t machine, struct zok__topology *topology)
{
	for (hwloc_obj_t at = NULL; (at = hwloc_get_next_osdev(machine, at)) != NULL;) {
		struct zok__device *device;

		if (at->name == NULL || (at->attr->osdev.type != HWLOC_OBJ_OSDEV_NETWORK && at->attr->osdev.type != HWLOC_OBJ_OSDEV_BLOCK))
			continue;
		device = zok__devices_add(&topology->devices);
		if (device == NULL)
			return -ENOMEM;
		fill_device(machine, at, device);
	}
	return 0;
}

static int fill_system(hwloc_topology_t machine, struct zok__topology *topology)
{
	const char *root = getenv("HWLOC_FSROOT");

	if (hwloc_topology_is_thissystem(machine) || root != NULL)
		return zok__topology_read_system(topology, root != NULL ? root : "");
	return fill_devices(machine, topology);
}

/* Where it is refused a part of /sys, hwloc counts CPUs and numbers them from 0. A CPU that is ours and that it has not seen gives that away. */
static int check_against_affinity(hwloc_topology_t machine, const struct zok__topology *topology)
{
	struct zok__bitset affinity;
	int rc = zok__affinity_read(&affinity);

	if (rc < 0 || !hwloc_topology_is_thissystem(machine))
		return rc;
	for (int cpu = -1; (cpu = zok__bitset_next(&affinity, cpu)) >= 0;)
		if (zok__topology_find(topology, cpu) == NULL)
			return -ENODATA;
	return 0;
}

static bool is_made_up(void)
{
	return getenv("HWLOC_SYNTHETIC") != NULL || getenv("HWLOC_XMLFILE") != NULL || getenv("HWLOC_FSROOT") != NULL;
}

static int read_machine(hwloc_topology_t machine, struct zok__topology *topology)
{
	int rc;

	if (is_made_up())
		hwloc_topology_set_io_types_filter(machine, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
	/* All of the machine, also what this process may not use: an error then tells "not there" from "not allowed". */
	if (hwloc_topology_set_flags(machine, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) < 0 || hwloc_topology_load(machine) < 0)
		return errno > 0 ? -errno : -ENODATA;
	rc = fill_places(machine, topology);
	if (rc < 0)
		return rc;
	copy_bitmap(hwloc_topology_get_complete_cpuset(machine), &topology->present);
	copy_bitmap(hwloc_topology_get_topology_nodeset(machine), &topology->nodes);
	fill_kinds(machine, topology);
	rc = fill_distances(machine, topology);
	if (rc == 0)
		rc = fill_system(machine, topology);
	return rc < 0 ? rc : check_against_affinity(machine, topology);
}

static int load(struct zok__topology *topology)
{
	hwloc_topology_t machine;
	int rc;

	/* A container that hides /sys: hwloc would say so on stderr, in words for its own developers, and then guess. */
	if (!is_made_up() && access("/sys/devices/system/cpu/online", R_OK) < 0)
		return -errno;
	if (hwloc_topology_init(&machine) < 0)
		return -ENOMEM;
	rc = read_machine(machine, topology);
	hwloc_topology_destroy(machine);
	return rc;
}

static const struct zok__topology_source hwloc = {.name = "hwloc", .load = load};

const struct zok__topology_source *const zok__topology_sources[] = {&hwloc, &zok__topology_affinity, NULL};
