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

/* The set of CPUs that share a cache, its level and what it holds; false when there is no such cache (index). */
static bool read_cache(const char *root, int cpu, int index, int *level, struct zok__bitset *shared)
{
	char text[32];

	if (zok__file_read(text, sizeof text, root, CPU_DIR "/cpu%d/cache/index%d/level", cpu, index) < 0)
		return false;
	*level = atoi(text);
	if (zok__file_read(text, sizeof text, root, CPU_DIR "/cpu%d/cache/index%d/type", cpu, index) < 0 || text[0] == 'I')
		*level = 0; /* of instructions only: no data to share */
	return zok__file_read_set(shared, root, CPU_DIR "/cpu%d/cache/index%d/shared_cpu_list", cpu, index) == 0;
}

/* The largest level is the last one. What is offline shares nothing. */
static int read_last_cache(const char *root, const struct zok__bitset *online, const struct zok__place *place)
{
	struct zok__bitset shared;
	int name = place->physical, level_max = 0, level;

	for (int index = 0; read_cache(root, place->cpu, index, &level, &shared); index++) {
		zok__bitset_intersect(&shared, online);
		if (level <= level_max || !zok__bitset_has(&shared, place->cpu))
			continue;
		level_max = level;
		name = zok__bitset_next(&shared, -1);
	}
	return name;
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
		place->cache = read_last_cache(root, online, place);
	}
	zok__topology_number_siblings(topology);
	return 0;
}

/* Intel's hybrid machines have a unit of performance counters for each kind of core, and that lists the CPUs. */
static bool load_kinds_of_counters(struct zok__topology *topology, const char *root)
{
	struct zok__bitset fast, slow;

	if (zok__file_read_set(&fast, root, "/sys/devices/cpu_core/cpus") < 0 ||
	    zok__file_read_set(&slow, root, "/sys/devices/cpu_atom/cpus") < 0)
		return false;
	for (size_t i = 0; i < topology->place_count; i++)
		topology->place[i].kind = zok__bitset_has(&fast, topology->place[i].cpu);
	topology->kind_count = 2;
	return true;
}

/* The relative speed that the kernel keeps for a CPU of an asymmetric machine (arm64), 1024 for the fastest; 0 where it keeps none. */
static int read_capacity(const char *root, int cpu)
{
	char text[32];

	if (zok__file_read(text, sizeof text, root, CPU_DIR "/cpu%d/cpu_capacity", cpu) < 0)
		return 0;
	return atoi(text);
}

/* The next higher capacity than `above` on the machine, or -1. */
static int next_capacity(const struct zok__topology *topology, int above)
{
	int next = -1;

	for (size_t i = 0; i < topology->place_count; i++) {
		int capacity = topology->place[i].kind;

		if (capacity > above && (next < 0 || capacity < next))
			next = capacity;
	}
	return next;
}

/* `kind` holds the capacity at first; then its rank: what was ranked is negative until all is. */
static void load_kinds_of_capacity(struct zok__topology *topology, const char *root)
{
	int rank = 0;

	for (size_t i = 0; i < topology->place_count; i++)
		topology->place[i].kind = read_capacity(root, topology->place[i].cpu);
	for (int capacity = -1; (capacity = next_capacity(topology, capacity)) >= 0; rank++)
		for (size_t i = 0; i < topology->place_count; i++)
			if (topology->place[i].kind == capacity)
				topology->place[i].kind = -1 - rank;
	for (size_t i = 0; i < topology->place_count; i++)
		topology->place[i].kind = -1 - topology->place[i].kind;
	topology->kind_count = rank;
}

static void load_kinds(struct zok__topology *topology, const char *root)
{
	if (!load_kinds_of_counters(topology, root))
		load_kinds_of_capacity(topology, root);
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
	load_kinds(topology, root);
	if (zok__file_read_set(&topology->present, root, CPU_DIR "/present") < 0)
		topology->present = online;
	load_nodes(topology, root);
	rc = zok__distances_read(&topology->distances, root, &topology->nodes);
	return rc < 0 ? rc : zok__topology_read_system(topology, root);
}

static int load(struct zok__topology *topology)
{
	struct zok__bitset affinity;
	int rc = zok__affinity_read(&affinity);

	return rc < 0 ? rc : zok__topology_load_affinity(topology, "", &affinity);
}

const struct zok__topology_source zok__topology_affinity = {.name = "affinity", .load = load};
