#include "numa/node.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "numa/file.h"

#define NODE_DIR "/sys/devices/system/node"

/* What the kernel keeps for itself (its watermarks): min_free_kbytes is about 1 % of a machine with 4 GiB, less on larger ones. */
enum { KIB = 1024, KEPT_PART = 64 };

int zok__nodes_online(const char *root, struct zok__bitset *out)
{
	return zok__file_read_set(out, root, NODE_DIR "/online");
}

/* The set after `key` in a file of "key:\tvalue" lines; -ENOENT: no such line. */
static int read_set_line(const char *text, const char *key, struct zok__bitset *out)
{
	const char *line = strstr(text, key);
	char value[4096];
	size_t length;

	if (line == NULL)
		return -ENOENT;
	line += strlen(key);
	line += strspn(line, " \t");
	length = strcspn(line, "\n");
	if (length >= sizeof value)
		return -EFBIG;
	memcpy(value, line, length);
	value[length] = '\0';
	return zok__bitset_parse(value, out);
}

/* A cpuset that cannot be read limits nothing here: the kernel applies it all the same. */
static void limit_to_cpuset(const char *root, struct zok__bitset *nodes)
{
	struct zok__bitset allowed;
	char text[16384];

	if (zok__file_read(text, sizeof text, root, "/proc/self/status") > 0 && read_set_line(text, "\nMems_allowed_list:", &allowed) == 0)
		zok__bitset_intersect(nodes, &allowed);
}

int zok__nodes_usable(const char *root, struct zok__bitset *out)
{
	struct zok__bitset nodes;
	int rc = zok__file_read_set(&nodes, root, NODE_DIR "/has_memory");

	if (rc < 0)
		rc = zok__nodes_online(root, &nodes);
	if (rc < 0)
		return rc;
	limit_to_cpuset(root, &nodes);
	*out = nodes;
	return 0;
}

/* The numbers of nodeN/distance stand in the order of the nodes that are online, not by their number. */
static int distance_in(const char *text, const struct zok__bitset *online, int to)
{
	for (int node = -1; (node = zok__bitset_next(online, node)) >= 0;) {
		char *end;
		long distance = strtol(text, &end, 10);

		if (end == text || distance <= 0 || distance > INT_MAX)
			return INT_MAX;
		if (node == to)
			return (int)distance;
		text = end;
	}
	return INT_MAX;
}

int zok__node_nearest(const char *root, int node, const struct zok__bitset *among, int *distance)
{
	struct zok__bitset online;
	char text[8192];
	int nearest = zok__bitset_next(among, -1), least = INT_MAX;

	if (nearest < 0)
		return -ENOENT;
	if (zok__nodes_online(root, &online) == 0 && zok__file_read(text, sizeof text, root, NODE_DIR "/node%d/distance", node) > 0) {
		for (int other = -1; (other = zok__bitset_next(among, other)) >= 0;) {
			int one = distance_in(text, &online, other);

			if (one < least) {
				least = one;
				nearest = other;
			}
		}
	}
	if (distance != NULL)
		*distance = least == INT_MAX ? 0 : least;
	return nearest;
}

/* The "Node 0 MemFree:  123 kB" lines of nodeN/meminfo; 0 for a line that is not there. */
static int64_t meminfo_bytes(const char *text, const char *key)
{
	const char *line = strstr(text, key);

	return line != NULL ? strtoll(line + strlen(key), NULL, 10) * KIB : 0;
}

int64_t zok__node_free_bytes(const char *root, int node)
{
	char text[8192];
	int rc = zok__file_read(text, sizeof text, root, NODE_DIR "/node%d/meminfo", node);
	int64_t bytes;

	if (rc < 0)
		return rc;
	if (strstr(text, " MemFree:") == NULL)
		return -EINVAL;
	bytes = meminfo_bytes(text, " MemFree:") + meminfo_bytes(text, " Active(file):") + meminfo_bytes(text, " Inactive(file):");
	bytes -= meminfo_bytes(text, " MemTotal:") / KEPT_PART;
	return bytes > 0 ? bytes : 0;
}

int64_t zok__node_huge_free(const char *root, int node, size_t page_size)
{
	char text[64];
	int rc =
		zok__file_read(text, sizeof text, root, NODE_DIR "/node%d/hugepages/hugepages-%zukB/free_hugepages", node, page_size / KIB);

	return rc < 0 ? rc : strtoll(text, NULL, 10);
}

bool zok__transparent_is_on(const char *root)
{
	char text[128];

	return zok__file_read(text, sizeof text, root, "/sys/kernel/mm/transparent_hugepage/enabled") > 0 &&
	       strstr(text, "[never]") == NULL;
}
