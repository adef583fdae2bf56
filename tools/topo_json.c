/* The machine, or the outcome of a core list, for programs: docs/schemas/topo.schema.json says what stands where. */
#include "tools/topo.h"

#include "perf/json.h"

static void write_set(struct perf_json *json, const char *key, const struct zok__bitset *set)
{
	char text[TOPO_SET_SIZE];

	zok__bitset_format(set, text, sizeof text);
	perf_json_text(json, key, zok__bitset_is_empty(set) ? "" : text);
}

static void write_number_or_null(struct perf_json *json, const char *key, int number)
{
	if (number >= 0)
		perf_json_count(json, key, (uint64_t)number);
	else
		perf_json_null(json, key);
}

static void write_node(struct perf_json *json, const struct topo *topo, const struct zok__node_memory *memory)
{
	struct zok__bitset cpus;

	topo_cpus_of_node(topo->topology, memory->node, &cpus);
	perf_json_open(json, NULL, '{');
	perf_json_count(json, "node", (uint64_t)memory->node);
	write_number_or_null(json, "package", topo_package_of_node(topo->topology, memory->node));
	write_set(json, "cpus", &cpus);
	perf_json_count(json, "memory_total_bytes", memory->total_bytes);
	if (memory->has_free)
		perf_json_count(json, "memory_free_bytes", memory->free_bytes);
	else
		perf_json_null(json, "memory_free_bytes");
	perf_json_open(json, "huge_pages", '[');
	for (size_t i = 0; i < memory->pool_count; i++) {
		perf_json_open(json, NULL, '{');
		perf_json_count(json, "page_bytes", memory->pool[i].page_bytes);
		perf_json_count(json, "total", memory->pool[i].total);
		perf_json_count(json, "free", memory->pool[i].free);
		perf_json_close(json, '}');
	}
	perf_json_close(json, ']');
	perf_json_open(json, "distances", '[');
	for (size_t i = 0; i < topo->inventory.node_count; i++)
		perf_json_count(json, NULL, zok__distance(&topo->topology->distances, memory->node, topo->inventory.node[i].node));
	perf_json_close(json, ']');
	perf_json_close(json, '}');
}

static void write_caches(struct perf_json *json, const struct zok__inventory *inventory)
{
	perf_json_open(json, "caches", '[');
	for (size_t i = 0; i < inventory->cache_count; i++) {
		const struct zok__cache *cache = &inventory->cache[i];

		perf_json_open(json, NULL, '{');
		perf_json_count(json, "level", (uint64_t)cache->level);
		perf_json_text(json, "type", cache->type == 'D' ? "data" : cache->type == 'I' ? "instruction" : "unified");
		perf_json_count(json, "size_bytes", cache->size_bytes);
		write_set(json, "cpus", &cache->cpus);
		perf_json_close(json, '}');
	}
	perf_json_close(json, ']');
}

static void write_place(struct perf_json *json, const struct topo *topo, const struct zok__place *place)
{
	perf_json_open(json, NULL, '{');
	perf_json_count(json, "cpu", (uint64_t)place->cpu);
	perf_json_count(json, "node", (uint64_t)place->node);
	perf_json_count(json, "package", (uint64_t)place->package);
	perf_json_count(json, "core", (uint64_t)place->physical);
	perf_json_count(json, "cache", (uint64_t)place->cache);
	perf_json_count(json, "smt", (uint64_t)place->smt);
	perf_json_count(json, "kind", (uint64_t)place->kind);
	perf_json_bool(json, "allowed", zok__bitset_has(&topo->allowance.cpus, place->cpu));
	perf_json_bool(json, "isolated", zok__bitset_has(&topo->topology->isolated, place->cpu));
	perf_json_close(json, '}');
}

static void write_places(struct perf_json *json, const char *key, const struct topo *topo, const struct zok__place *place, size_t count)
{
	perf_json_open(json, key, '[');
	for (size_t i = 0; i < count; i++)
		write_place(json, topo, &place[i]);
	perf_json_close(json, ']');
}

static void write_device(struct perf_json *json, const struct zok__device *device)
{
	perf_json_open(json, NULL, '{');
	perf_json_text(json, "kind", device->kind == ZOK__DEVICE_NIC ? "nic" : "disk");
	perf_json_text(json, "name", device->name);
	perf_json_text(json, "address", device->address);
	perf_json_text(json, "driver", device->driver);
	write_number_or_null(json, "node", device->node);
	write_set(json, "near", &device->near);
	perf_json_bool(json, "virtual", device->is_virtual);
	if (device->kind == ZOK__DEVICE_NIC)
		perf_json_count(json, "speed_mbit", device->speed_mbit);
	else
		perf_json_count(json, "size_bytes", device->size_bytes);
	perf_json_close(json, '}');
}

static void write_quota(struct perf_json *json, uint64_t quota_cpu_milli)
{
	if (quota_cpu_milli != 0)
		perf_json_number(json, "quota_cpus", (double)quota_cpu_milli / 1000);
	else
		perf_json_null(json, "quota_cpus");
}

static void write_machine(struct perf_json *json, const struct topo *topo)
{
	const struct zok__topology *topology = topo->topology;

	perf_json_text(json, "model", topo->inventory.model);
	perf_json_text(json, "kernel", topo->inventory.kernel);
	perf_json_open(json, "nodes", '[');
	for (size_t i = 0; i < topo->inventory.node_count; i++)
		write_node(json, topo, &topo->inventory.node[i]);
	perf_json_close(json, ']');
	write_caches(json, &topo->inventory);
	perf_json_count(json, "kinds", (uint64_t)topology->kind_count);
	write_places(json, "cpus", topo, topology->place, topology->place_count);
	perf_json_open(json, "devices", '[');
	for (size_t i = 0; i < topology->devices.count; i++)
		write_device(json, &topology->devices.device[i]);
	perf_json_close(json, ']');
	write_set(json, "present", &topology->present);
	write_set(json, "affinity", &topo->affinity);
	write_set(json, "allowed", &topo->allowance.cpus);
	write_set(json, "isolated", &topology->isolated);
	write_set(json, "nohz_full", &topology->nohz_full);
}

static void write_item(struct perf_json *json, const struct topo_item *item)
{
	static const char *const names[ZOK__CORES_VERDICT_COUNT] = {
		[ZOK__CORES_CHOSEN] = "chosen",	  [ZOK__CORES_TAKEN] = "chosen_before", [ZOK__CORES_REMOVED] = "left_out",
		[ZOK__CORES_OUTSIDE] = "outside", [ZOK__CORES_SIBLING] = "sibling",	[ZOK__CORES_BEYOND] = "beyond_count",
	};

	perf_json_open(json, NULL, '{');
	perf_json_text(json, "item", item->text);
	perf_json_bool(json, "leaves_out", item->is_minus);
	perf_json_text(json, "meaning", item->meaning);
	for (int verdict = 0; verdict < ZOK__CORES_VERDICT_COUNT; verdict++)
		write_set(json, names[verdict], &item->cpus[verdict]);
	perf_json_close(json, '}');
}

static void write_explanation(struct perf_json *json, const struct topo *topo)
{
	perf_json_text(json, "list", topo->list);
	perf_json_open(json, "items", '[');
	for (size_t i = 0; i < topo->item_count; i++)
		write_item(json, &topo->item[i]);
	perf_json_close(json, ']');
	write_places(json, "cores", topo, topo->chosen.place, topo->chosen.count);
}

void topo_write_json(FILE *out, const struct topo *topo)
{
	struct perf_json json;

	perf_json_init(&json, out);
	perf_json_open(&json, NULL, '{');
	perf_json_count(&json, "schema", 1);
	perf_json_text(&json, "source", topo->topology->source);
	perf_json_bool(&json, "described", topo->is_described);
	write_quota(&json, topo->allowance.quota_cpu_milli);
	if (topo->list != NULL)
		write_explanation(&json, topo);
	else
		write_machine(&json, topo);
	perf_json_close(&json, '}');
	fputc('\n', out);
}
