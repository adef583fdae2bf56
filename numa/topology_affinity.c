#include "numa/topology_affinity.h"

#include <errno.h>
#include <stdlib.h>

#include "numa/cpuset.h"
#include "numa/file.h"

#define CPU_DIR	 "/sys/devices/system/cpu"
#define NODE_DIR "/sys/devices/system/node"

/* A number below 0 is what the kernel shows where the firmware gives none: then 0 is as good as any. */
static int read_number(const char *root, int cpu, const char *name)
{
	char text[32];
	int value;

	if (zok__file_read(text, sizeof text, root, CPU_DIR "/cpu%d/topology/%s", cpu, name) < 0)
		return 0;
	value = atoi(text);
	return value < 0 ? 0 : value;
}

static int read_physical(const char *root, int cpu)
{
	struct zok__bitset siblings;

	if (zok__file_read_set(&siblings, root, CPU_DIR "/cpu%d/topology/thread_siblings_list", cpu) < 0)
		return cpu;
	return zok__bitset_has(&siblings, cpu) ? zok__bitset_next(&siblings, -1) : cpu;
}

static int load_places(struct zok__topology *topology, const char *root, const struct zok__bitset *online)
{
	struct zok__place *place;
	size_t count = 0;

	for (int cpu = -1; (cpu = zok__bitset_next(online, cpu)) >= 0;)
		count++;
	if (count == 0)
		return -ENODATA;
	place = calloc(count, sizeof *place);
	if (place == NULL)
		return -ENOMEM;
	topology->place = place;
	topology->place_count = count;
	for (int cpu = -1; (cpu = zok__bitset_next(online, cpu)) >= 0; place++) {
		place->cpu = cpu;
		place->package = read_number(root, cpu, "physical_package_id");
		place->physical = read_physical(root, cpu);
	}
	return 0;
}

static void place_on_node(struct zok__topology *topology, const struct zok__bitset *cpus, int node)
{
	for (size_t i = 0; i < topology->place_count; i++)
		if (zok__bitset_has(cpus, topology->place[i].cpu))
			topology->place[i].node = node;
}

static void load_nodes(struct zok__topology *topology, const char *root)
{
	if (zok__file_read_set(&topology->nodes, root, NODE_DIR "/online") < 0 || zok__bitset_is_empty(&topology->nodes)) {
		zok__bitset_add(&topology->nodes, 0); /* a kernel without NUMA: all memory is node 0 */
		return;
	}
	for (int node = -1; (node = zok__bitset_next(&topology->nodes, node)) >= 0;) {
		struct zok__bitset cpus;

		if (zok__file_read_set(&cpus, root, NODE_DIR "/node%d/cpulist", node) == 0)
			place_on_node(topology, &cpus, node);
	}
}

int zok__topology_load_affinity(struct zok__topology *topology, const char *root, const struct zok__bitset *affinity)
{
	struct zok__bitset online = *affinity;
	int rc;

	if (zok__file_read_set(&online, root, CPU_DIR "/online") < 0)
		online = *affinity;
	rc = load_places(topology, root, &online);
	if (rc < 0)
		return rc;
	if (zok__file_read_set(&topology->present, root, CPU_DIR "/present") < 0)
		topology->present = online;
	load_nodes(topology, root);
	return 0;
}

static int load(struct zok__topology *topology)
{
	struct zok__bitset affinity;
	int rc = zok__affinity_read(&affinity);

	return rc < 0 ? rc : zok__topology_load_affinity(topology, "", &affinity);
}

const struct zok__topology_source zok__topology_affinity = {.name = "affinity", .load = load};
