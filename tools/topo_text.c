/* The machine in 100 columns. A big one is summarised: --all shows every cache and core. */
#include "tools/topo.h"

#include <string.h>

enum {
	COLUMNS = 100,
	ROWS_MAX = 16, /* of a table, without --all */
};

const char *topo_format_bytes(char text[16], uint64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit + 1 < sizeof units / sizeof *units) {
		value /= 1024;
		unit++;
	}
	snprintf(text, 16, value < 10 && value != (double)(uint64_t)value ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

/* A set in `width` columns at most; what does not fit ends in "...". */
static const char *format_set(char *text, size_t width, const struct zok__bitset *set)
{
	zok__bitset_format(set, text, width + 1);
	return text;
}

static void print_head(FILE *out, const struct topo *topo)
{
	const struct zok__topology *topology = topo->topology;
	size_t physical = topo_count_physical(topology);

	fprintf(out, "%s%s%s\n", topo->inventory.model[0] != '\0' ? topo->inventory.model : "machine",
		topo->is_described ? ", described, not here" : ", ", topo->inventory.kernel);
	fprintf(out, "%zu package%s, %zu node%s, %zu cores, %zu CPUs online", topo_count_packages(topology),
		topo_count_packages(topology) == 1 ? "" : "s", topo->inventory.node_count, topo->inventory.node_count == 1 ? "" : "s",
		physical, topology->place_count);
	if (topology->place_count > physical)
		fputs(", SMT", out);
	if (topology->kind_count > 1)
		fprintf(out, ", %d kinds of cores", topology->kind_count);
	fprintf(out, "; read by %s\n", topology->source);
	if (strcmp(topology->source, zok__topology_sources[0]->name) != 0)
		fprintf(out, "%s could not read it (a container that hides /sys?): this is what the affinity mask and /sys show\n",
			zok__topology_sources[0]->name);
}

static void print_pools(FILE *out, const struct zok__node_memory *memory)
{
	char size[16];

	for (size_t i = 0; i < memory->pool_count; i++)
		fprintf(out, "%s%llu/%llu of %s", i > 0 ? ", " : "", (unsigned long long)memory->pool[i].free,
			(unsigned long long)memory->pool[i].total, topo_format_bytes(size, memory->pool[i].page_bytes));
	if (memory->pool_count == 0)
		fputs("-", out);
}

static void print_nodes(FILE *out, const struct topo *topo)
{
	fprintf(out, "\nnode  package  CPUs                      memory      free  huge pages free/total\n");
	for (size_t i = 0; i < topo->inventory.node_count; i++) {
		const struct zok__node_memory *memory = &topo->inventory.node[i];
		int package = topo_package_of_node(topo->topology, memory->node);
		char set[25], size[16], name[16] = "-";
		struct zok__bitset cpus;

		topo_cpus_of_node(topo->topology, memory->node, &cpus);
		if (package >= 0)
			snprintf(name, sizeof name, "%d", package);
		fprintf(out, "%4d  %7s  %-24s", memory->node, name, format_set(set, 24, &cpus));
		fprintf(out, "%9s", topo_format_bytes(size, memory->total_bytes));
		fprintf(out, " %9s  ", memory->has_free ? topo_format_bytes(size, memory->free_bytes) : "-");
		print_pools(out, memory);
		fputc('\n', out);
	}
}

static void print_distances(FILE *out, const struct topo *topo)
{
	const struct zok__inventory *inventory = &topo->inventory;
	size_t count = inventory->node_count;

	if (count < 2)
		return;
	if (count > ROWS_MAX && !topo->shows_all) {
		fprintf(out, "\ndistances between %zu nodes: --all shows them\n", count);
		return;
	}
	fprintf(out, "\nfrom\\to");
	for (size_t to = 0; to < count; to++)
		fprintf(out, " %4d", inventory->node[to].node);
	fputc('\n', out);
	for (size_t from = 0; from < count; from++) {
		fprintf(out, "%7d", inventory->node[from].node);
		for (size_t to = 0; to < count; to++)
			fprintf(out, " %4u",
				zok__distance(&topo->topology->distances, inventory->node[from].node, inventory->node[to].node));
		fputc('\n', out);
	}
}

static bool is_alike(const struct zok__cache *a, const struct zok__cache *b)
{
	return a->level == b->level && a->type == b->type && a->size_bytes == b->size_bytes;
}

/* The sets of `count` caches, cut at the right edge. */
static void print_sets(FILE *out, const struct zok__cache *cache, size_t count, size_t room)
{
	char set[TOPO_SET_SIZE];

	for (size_t i = 0; i < count; i++) {
		size_t length;

		zok__bitset_format(&cache[i].cpus, set, sizeof set);
		length = strlen(set) + 3;
		if (length + 4 > room && i + 1 < count) {
			fputs(" ...", out);
			return;
		}
		fprintf(out, "%s%s", i > 0 ? " | " : "", set);
		room -= length < room ? length : room;
	}
}

/* Caches of one level, kind and size are one row. */
static void print_caches(FILE *out, const struct topo *topo)
{
	const struct zok__inventory *inventory = &topo->inventory;
	size_t first = 0, next;

	if (inventory->cache_count > 0)
		fprintf(out, "\ncache       size  number  shared by CPUs\n");
	for (; first < inventory->cache_count; first = next) {
		const struct zok__cache *cache = &inventory->cache[first];
		char name[8], size[16];

		for (next = first + 1; next < inventory->cache_count && is_alike(cache, &inventory->cache[next]);)
			next++;
		snprintf(name, sizeof name, "L%d%s", cache->level, cache->type == 'D' ? "d" : cache->type == 'I' ? "i" : "");
		fprintf(out, "%-5s %10s  %6zu  ", name, topo_format_bytes(size, cache->size_bytes), next - first);
		print_sets(out, cache, next - first, topo->shows_all ? SIZE_MAX : COLUMNS - 25);
		fputc('\n', out);
	}
}

static const char *state_of(const struct topo *topo, const struct zok__bitset *cpus)
{
	for (int cpu = -1; (cpu = zok__bitset_next(cpus, cpu)) >= 0;)
		if (!zok__bitset_has(&topo->allowance.cpus, cpu))
			return "  not allowed";
	for (int cpu = -1; (cpu = zok__bitset_next(cpus, cpu)) >= 0;)
		if (zok__bitset_has(&topo->topology->isolated, cpu))
			return "  isolated";
	return "";
}

static void print_core(FILE *out, const struct topo *topo, const struct zok__place *core)
{
	struct zok__bitset cpus = {{0}};
	char set[25];

	for (size_t i = 0; i < topo->topology->place_count; i++)
		if (topo->topology->place[i].physical == core->physical)
			zok__bitset_add(&cpus, topo->topology->place[i].cpu);
	fprintf(out, "%4d  %-24s  %4d  %7d  %5d  %4d%s\n", core->physical, format_set(set, 24, &cpus), core->node, core->package,
		core->cache, core->kind, state_of(topo, &cpus));
}

static void print_cores(FILE *out, const struct topo *topo)
{
	const struct zok__topology *topology = topo->topology;

	if (!topo->shows_all && topo_count_physical(topology) > ROWS_MAX) {
		fprintf(out, "\n%zu cores: --all shows each\n", topo_count_physical(topology));
		return;
	}
	fprintf(out, "\ncore  CPUs                      node  package  cache  kind\n");
	for (size_t i = 0; i < topology->place_count; i++)
		if (topology->place[i].cpu == topology->place[i].physical)
			print_core(out, topo, &topology->place[i]);
}

static void print_device(FILE *out, const struct zok__device *device)
{
	char node[16] = "-", set[25], size[16] = "-";

	if (device->node >= 0)
		snprintf(node, sizeof node, "%d", device->node);
	if (device->kind == ZOK__DEVICE_DISK)
		topo_format_bytes(size, device->size_bytes);
	else if (device->speed_mbit > 0)
		snprintf(size, sizeof size, "%.4g Gb/s", (double)device->speed_mbit / 1000);
	fprintf(out, "%-5s %-14.14s %4s  %-24s %-13s %-14.14s %9s\n", device->kind == ZOK__DEVICE_NIC ? "NIC" : "disk", device->name, node,
		zok__bitset_is_empty(&device->near) ? "not known" : format_set(set, 24, &device->near),
		device->address[0] != '\0' ? device->address : "-", device->driver[0] != '\0' ? device->driver : "-", size);
}

static void print_devices(FILE *out, const struct topo *topo)
{
	const struct zok__devices *devices = &topo->topology->devices;
	size_t left_out = 0;

	if (devices->count == 0)
		return;
	fprintf(out, "\n%-5s %-14s %4s  %-24s %-13s %-14s %9s\n", "", "device", "node", "near CPUs", "PCI address", "driver", "size");
	for (size_t i = 0; i < devices->count; i++) {
		if (!devices->device[i].is_virtual || topo->shows_all)
			print_device(out, &devices->device[i]);
		else
			left_out++;
	}
	if (left_out > 0)
		fprintf(out, "and %zu without hardware: --all shows them\n", left_out);
}

static void print_set_row(FILE *out, const char *name, const struct zok__bitset *set, const char *what)
{
	char text[61];

	fprintf(out, "%-10s %-24s %s\n", name, format_set(text, 60, set), what);
}

static void print_limits(FILE *out, const struct topo *topo)
{
	const struct zok__topology *topology = topo->topology;
	struct zok__bitset offline = topology->present;

	for (size_t i = 0; i < topology->place_count; i++)
		zok__bitset_remove(&offline, topology->place[i].cpu);
	fputc('\n', out);
	if (!topo->is_described) {
		print_set_row(out, "affinity", &topo->affinity, "of this process");
		print_set_row(out, "allowed", &topo->allowance.cpus, "to it by mask, cpuset and isolation");
	}
	print_set_row(out, "offline", &offline, "of those that exist");
	print_set_row(out, "isolated", &topology->isolated, "isolcpus=");
	print_set_row(out, "nohz_full", &topology->nohz_full, "no timer tick while one thread runs");
	if (topo->allowance.quota_cpu_milli != 0)
		fprintf(out, "%-10s %-24.1f CPUs of time, by the cgroup\n", "quota", (double)topo->allowance.quota_cpu_milli / 1000);
	else if (!topo->is_described)
		fprintf(out, "%-10s %-24s of CPU time by the cgroup\n", "quota", "none");
}

void topo_print(FILE *out, const struct topo *topo)
{
	print_head(out, topo);
	print_nodes(out, topo);
	print_distances(out, topo);
	print_caches(out, topo);
	print_cores(out, topo);
	print_devices(out, topo);
	print_limits(out, topo);
}
