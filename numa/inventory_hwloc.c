/* Caches and memory of a machine that hwloc describes and that is not here. */
#include <errno.h>
#include <stdio.h>

#include <hwloc.h>

#include "numa/inventory.h"

static char type_of(hwloc_obj_t cache)
{
	switch (cache->attr->cache.type) {
	case HWLOC_OBJ_CACHE_DATA: return 'D';
	case HWLOC_OBJ_CACHE_INSTRUCTION: return 'I';
	default: return 'U';
	}
}

static int fill_cache(struct zok__inventory *inventory, hwloc_obj_t from)
{
	struct zok__cache *cache = zok__inventory_add_cache(inventory);

	if (cache == NULL)
		return -ENOMEM;
	cache->level = (int)from->attr->cache.depth;
	cache->type = type_of(from);
	cache->size_bytes = from->attr->cache.size;
	for (int cpu = -1; (cpu = hwloc_bitmap_next(from->cpuset, cpu)) >= 0;)
		zok__bitset_add(&cache->cpus, cpu);
	return 0;
}

/* The smallest page is no huge one. */
static void fill_memory(struct zok__inventory *inventory, hwloc_obj_t from)
{
	struct zok__node_memory *memory = zok__inventory_node(inventory, (int)from->os_index);

	if (memory == NULL)
		return;
	memory->total_bytes = from->attr->numanode.local_memory;
	for (unsigned i = 1; i < from->attr->numanode.page_types_len && memory->pool_count < ZOK__HUGE_SIZES_MAX; i++)
		memory->pool[memory->pool_count++] = (struct zok__huge_pool){
			.page_bytes = from->attr->numanode.page_types[i].size,
			.total = from->attr->numanode.page_types[i].count,
			.free = from->attr->numanode.page_types[i].count,
		};
}

static int fill(struct zok__inventory *inventory, hwloc_topology_t machine)
{
	hwloc_obj_t package = hwloc_get_obj_by_type(machine, HWLOC_OBJ_PACKAGE, 0);
	const char *model = package != NULL ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
	int rc = 0;

	if (model != NULL)
		snprintf(inventory->model, sizeof inventory->model, "%s", model);
	for (hwloc_obj_t at = NULL; (at = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_NUMANODE, at)) != NULL;)
		fill_memory(inventory, at);
	for (int depth = 0; rc == 0 && depth < hwloc_topology_get_depth(machine); depth++)
		if (hwloc_obj_type_is_cache(hwloc_get_depth_type(machine, depth)))
			for (hwloc_obj_t at = NULL; rc == 0 && (at = hwloc_get_next_obj_by_depth(machine, depth, at)) != NULL;)
				rc = fill_cache(inventory, at);
	return rc;
}

int zok__inventory_load_described(struct zok__inventory *inventory)
{
	hwloc_topology_t machine;
	int rc = -ENODATA;

	if (hwloc_topology_init(&machine) < 0)
		return -ENOMEM;
	if (hwloc_topology_load(machine) == 0 && !hwloc_topology_is_thissystem(machine))
		rc = fill(inventory, machine);
	hwloc_topology_destroy(machine);
	return rc;
}
