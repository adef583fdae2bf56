#include "numa/inventory.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "numa/file.h"

#define CACHE_DIR "/sys/devices/system/cpu/cpu%d/cache/index%d"
#define NODE_DIR  "/sys/devices/system/node/node%d"

struct zok__cache *zok__inventory_add_cache(struct zok__inventory *inventory)
{
	struct zok__cache *grown = realloc(inventory->cache, (inventory->cache_count + 1) * sizeof *grown);

	if (grown == NULL)
		return NULL;
	inventory->cache = grown;
	grown[inventory->cache_count] = (struct zok__cache){.level = 0};
	return &grown[inventory->cache_count++];
}

struct zok__node_memory *zok__inventory_node(struct zok__inventory *inventory, int node)
{
	for (size_t i = 0; i < inventory->node_count; i++)
		if (inventory->node[i].node == node)
			return &inventory->node[i];
	return NULL;
}

static int make_nodes(struct zok__inventory *inventory, const struct zok__topology *topology)
{
	size_t count = 0;

	for (int node = -1; (node = zok__bitset_next(&topology->nodes, node)) >= 0;)
		count++;
	inventory->node = calloc(count + 1, sizeof *inventory->node);
	if (inventory->node == NULL)
		return -ENOMEM;
	for (int node = -1; (node = zok__bitset_next(&topology->nodes, node)) >= 0;)
		inventory->node[inventory->node_count++].node = node;
	return 0;
}

/* ---- caches ---- */

static bool read_text(char *text, size_t size, const char *root, int cpu, int index, const char *name)
{
	return zok__file_read(text, size, root, CACHE_DIR "/%s", cpu, index, name) >= 0;
}

/* "32768K" */
static uint64_t parse_size(const char *text)
{
	char *unit;
	uint64_t size = strtoull(text, &unit, 10);

	return *unit == 'K' ? size << 10 : *unit == 'M' ? size << 20 : size;
}

/* False when the CPU has no such cache (index). */
static bool read_cache(struct zok__cache *cache, const char *root, int cpu, int index)
{
	char text[32];

	if (!read_text(text, sizeof text, root, cpu, index, "level") ||
	    zok__file_read_set(&cache->cpus, root, CACHE_DIR "/shared_cpu_list", cpu, index) < 0)
		return false;
	cache->level = atoi(text);
	cache->type = 'U';
	if (read_text(text, sizeof text, root, cpu, index, "type") && (text[0] == 'D' || text[0] == 'I'))
		cache->type = text[0];
	cache->size_bytes = read_text(text, sizeof text, root, cpu, index, "size") ? parse_size(text) : 0;
	return true;
}

/* Each cache is told of by all its CPUs: the first of them counts. */
static int read_caches(struct zok__inventory *inventory, const struct zok__topology *topology)
{
	struct zok__bitset online = {{0}};

	for (size_t i = 0; i < topology->place_count; i++)
		zok__bitset_add(&online, topology->place[i].cpu);
	for (int cpu = -1; (cpu = zok__bitset_next(&online, cpu)) >= 0;) {
		struct zok__cache cache;

		for (int index = 0; read_cache(&cache, topology->root, cpu, index); index++) {
			struct zok__cache *kept;

			zok__bitset_intersect(&cache.cpus, &online);
			if (zok__bitset_next(&cache.cpus, -1) != cpu)
				continue;
			kept = zok__inventory_add_cache(inventory);
			if (kept == NULL)
				return -ENOMEM;
			*kept = cache;
		}
	}
	return 0;
}

static int compare_caches(const void *left, const void *right)
{
	const struct zok__cache *a = left, *b = right;

	if (a->level != b->level)
		return a->level - b->level;
	if (a->type != b->type)
		return a->type - b->type;
	return zok__bitset_next(&a->cpus, -1) - zok__bitset_next(&b->cpus, -1);
}

/* ---- memory ---- */

/* "Node 0 MemTotal:       16318096 kB" */
static bool find_meminfo(const char *text, const char *key, uint64_t *bytes)
{
	const char *at = strstr(text, key);
	uint64_t kib;

	if (at == NULL || sscanf(at + strlen(key), " %" SCNu64, &kib) != 1)
		return false;
	*bytes = kib << 10;
	return true;
}

/* A kernel without NUMA shows no node: its memory is in /proc/meminfo, in the same words. */
static void read_memory(struct zok__node_memory *memory, const char *root)
{
	char text[8192];

	if (zok__file_read(text, sizeof text, root, NODE_DIR "/meminfo", memory->node) < 0 &&
	    (memory->node != 0 || zok__file_read(text, sizeof text, root, "/proc/meminfo") < 0))
		return;
	find_meminfo(text, "MemTotal:", &memory->total_bytes);
	memory->has_free = find_meminfo(text, "MemFree:", &memory->free_bytes);
}

static uint64_t read_count(const char *root, const char *folder, const char *entry, const char *name)
{
	char text[32];

	return zok__file_read(text, sizeof text, root, "%s/%s/%s", folder, entry, name) < 0 ? 0 : strtoull(text, NULL, 10);
}

static int compare_pools(const void *left, const void *right)
{
	const struct zok__huge_pool *a = left, *b = right;

	return (a->page_bytes > b->page_bytes) - (a->page_bytes < b->page_bytes);
}

/* Entries are called "hugepages-2048kB". */
static void read_pools(struct zok__node_memory *memory, const char *root)
{
	char folder[128], path[PATH_MAX];
	struct dirent *entry;
	uint64_t kib;
	DIR *pools;

	snprintf(folder, sizeof folder, NODE_DIR "/hugepages", memory->node);
	snprintf(path, sizeof path, "%s%s", root, folder);
	pools = opendir(path);
	if (pools == NULL)
		return;
	while (memory->pool_count < ZOK__HUGE_SIZES_MAX && (entry = readdir(pools)) != NULL) {
		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &kib) != 1)
			continue;
		memory->pool[memory->pool_count++] = (struct zok__huge_pool){
			.page_bytes = kib << 10,
			.total = read_count(root, folder, entry->d_name, "nr_hugepages"),
			.free = read_count(root, folder, entry->d_name, "free_hugepages"),
		};
	}
	closedir(pools);
	qsort(memory->pool, memory->pool_count, sizeof *memory->pool, compare_pools);
}

/* ---- the whole ---- */

/* x86 says "model name", others leave it out. */
static void read_model(struct zok__inventory *inventory, const char *root)
{
	char text[4096], *at, *end;
	int rc = zok__file_read(text, sizeof text, root, "/proc/cpuinfo");

	/* The file is longer with many CPUs; the first of them fits. */
	if (rc == -EFBIG)
		text[sizeof text - 1] = '\0';
	else if (rc < 0)
		return;
	at = strstr(text, "model name");
	at = at != NULL ? strchr(at, ':') : NULL;
	if (at == NULL)
		return;
	at += strspn(at, ": ");
	end = at + strcspn(at, "\n");
	snprintf(inventory->model, sizeof inventory->model, "%.*s", (int)(end - at), at);
}

static int read_files(struct zok__inventory *inventory, const struct zok__topology *topology)
{
	struct utsname system;

	for (size_t i = 0; i < inventory->node_count; i++) {
		read_memory(&inventory->node[i], topology->root);
		read_pools(&inventory->node[i], topology->root);
	}
	read_model(inventory, topology->root);
	if (topology->root[0] == '\0' && uname(&system) == 0)
		snprintf(inventory->kernel, sizeof inventory->kernel, "%.24s %.64s", system.sysname, system.release);
	return read_caches(inventory, topology);
}

int zok__inventory_read(struct zok__inventory *inventory, const struct zok__topology *topology)
{
	int rc;

	*inventory = (struct zok__inventory){.cache_count = 0};
	rc = make_nodes(inventory, topology);
	if (rc == 0)
		rc = topology->root != NULL ? read_files(inventory, topology) : zok__inventory_load_described(inventory);
	if (rc < 0)
		zok__inventory_finish(inventory);
	else if (inventory->cache_count > 0)
		qsort(inventory->cache, inventory->cache_count, sizeof *inventory->cache, compare_caches);
	return rc;
}

void zok__inventory_finish(struct zok__inventory *inventory)
{
	free(inventory->cache);
	free(inventory->node);
	*inventory = (struct zok__inventory){.cache_count = 0};
}
