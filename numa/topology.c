#include "numa/topology.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "numa/file.h"

/* Where there is one node, all hardware is there, though the firmware says nothing: virtual machines mostly. */
static void place_devices_on_only_node(struct zok__topology *topology)
{
	int node = zok__bitset_next(&topology->nodes, -1);

	if (zok__bitset_next(&topology->nodes, node) >= 0)
		return;
	for (size_t i = 0; i < topology->devices.count; i++) {
		struct zok__device *device = &topology->devices.device[i];

		if (device->is_virtual || !zok__bitset_is_empty(&device->near))
			continue;
		device->node = node;
		for (size_t k = 0; k < topology->place_count; k++)
			zok__bitset_add(&device->near, topology->place[k].cpu);
	}
}

static int load(const struct zok__topology_source *source, struct zok__topology **out)
{
	struct zok__topology *topology = calloc(1, sizeof *topology);
	int rc;

	if (topology == NULL)
		return -ENOMEM;
	topology->source = source->name;
	topology->kind_count = 1;
	rc = source->load(topology);
	if (rc < 0) {
		zok__topology_destroy(topology);
		return rc;
	}
	place_devices_on_only_node(topology);
	assert(topology->place_count > 0 && topology->kind_count > 0);
	*out = topology;
	return 0;
}

int zok__topology_create_from(const struct zok__topology_source *const *sources, struct zok__topology **out)
{
	int rc = -ENODATA;

	for (; *sources != NULL; sources++) {
		rc = load(*sources, out);
		if (rc == 0 || rc == -ENOMEM)
			break;
	}
	return rc;
}

int zok__topology_create(struct zok__topology **out)
{
	return zok__topology_create_from(zok__topology_sources, out);
}

void zok__topology_destroy(struct zok__topology *topology)
{
	if (topology == NULL)
		return;
	zok__devices_finish(&topology->devices);
	zok__distances_finish(&topology->distances);
	free(topology->place);
	free(topology);
}

static int compare_to_cpu(const void *cpu, const void *place)
{
	return *(const int *)cpu - ((const struct zok__place *)place)->cpu;
}

const struct zok__place *zok__topology_find(const struct zok__topology *topology, int cpu)
{
	return bsearch(&cpu, topology->place, topology->place_count, sizeof *topology->place, compare_to_cpu);
}

void zok__topology_number_siblings(struct zok__topology *topology)
{
	for (size_t i = 0; i < topology->place_count; i++) {
		struct zok__place *place = &topology->place[i];

		place->smt = 0;
		for (size_t before = 0; place->cpu != place->physical && before < i; before++)
			place->smt += topology->place[before].physical == place->physical;
	}
}

/* A file that is missing, or says "(null)" where the kernel was built without the feature, is the empty set. */
static void read_set(struct zok__bitset *out, const char *root, const char *name)
{
	if (zok__file_read_set(out, root, "/sys/devices/system/cpu/%s", name) < 0)
		*out = (struct zok__bitset){{0}};
}

int zok__topology_read_system(struct zok__topology *topology, const char *root)
{
	topology->root = root;
	read_set(&topology->isolated, root, "isolated");
	read_set(&topology->nohz_full, root, "nohz_full");
	return zok__devices_read(&topology->devices, root);
}
