#include "tools/topo.h"

size_t topo_count_set(const struct zok__bitset *set)
{
	size_t count = 0;

	for (int number = -1; (number = zok__bitset_next(set, number)) >= 0;)
		count++;
	return count;
}

size_t topo_count_physical(const struct zok__topology *topology)
{
	size_t count = 0;

	for (size_t i = 0; i < topology->place_count; i++)
		count += topology->place[i].cpu == topology->place[i].physical;
	return count;
}

size_t topo_count_packages(const struct zok__topology *topology)
{
	struct zok__bitset packages = {{0}};

	for (size_t i = 0; i < topology->place_count; i++)
		zok__bitset_add(&packages, topology->place[i].package);
	return topo_count_set(&packages);
}

void topo_cpus_of_node(const struct zok__topology *topology, int node, struct zok__bitset *out)
{
	*out = (struct zok__bitset){{0}};
	for (size_t i = 0; i < topology->place_count; i++)
		if (topology->place[i].node == node)
			zok__bitset_add(out, topology->place[i].cpu);
}

int topo_package_of_node(const struct zok__topology *topology, int node)
{
	for (size_t i = 0; i < topology->place_count; i++)
		if (topology->place[i].node == node)
			return topology->place[i].package;
	return -1;
}
