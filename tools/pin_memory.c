/* Memory policy by the raw system calls: libnuma would be one more library for three of them. set_mempolicy(2), migrate_pages(2), numa_maps in proc(5) */
#include "tools/pin.h"

#include "numa/node.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *pin_policy_name(enum pin_policy policy)
{
	static const char *const names[] = {"default", "preferred", "strict", "interleave", "local"};

	return names[policy];
}

static bool is_several(const struct zok__bitset *nodes)
{
	return zok__bitset_next(nodes, zok__bitset_next(nodes, -1)) >= 0;
}

static int mode_of(enum pin_policy policy, const struct zok__bitset *nodes)
{
	switch (policy) {
	case PIN_MEMORY_PREFERRED: return is_several(nodes) ? MPOL_PREFERRED_MANY : MPOL_PREFERRED;
	case PIN_MEMORY_STRICT: return MPOL_BIND;
	case PIN_MEMORY_INTERLEAVE: return MPOL_INTERLEAVE;
	case PIN_MEMORY_LOCAL: return MPOL_LOCAL;
	default: return MPOL_DEFAULT;
	}
}

/* Numbers of bits: the kernel takes one more than it looks at. */
enum { MASK_BITS = ZOK__BITSET_MAX + 1 };

int pin_memory_set(enum pin_policy policy, const struct zok__bitset *nodes)
{
	const bool takes_nodes = policy != PIN_MEMORY_LOCAL && policy != PIN_MEMORY_DEFAULT;
	int mode = mode_of(policy, nodes), got = -1;
	struct zok__bitset mask = {{0}};

	if (syscall(SYS_set_mempolicy, mode, takes_nodes ? nodes->word : NULL, takes_nodes ? MASK_BITS : 0) < 0)
		return -errno;
	if (syscall(SYS_get_mempolicy, &got, mask.word, MASK_BITS, NULL, 0) < 0)
		return -errno;
	return got == mode && (!takes_nodes || memcmp(&mask, nodes, sizeof mask) == 0) ? 0 : -ENOTSUP;
}

long pin_memory_move(pid_t pid, const struct zok__bitset *nodes)
{
	struct zok__bitset from;
	long rc = zok__nodes_online("", &from);

	if (rc < 0)
		return rc;
	/* A kernel refuses nodes that it is not built for, so none but those that are there. */
	for (int node = -1; (node = zok__bitset_next(nodes, node)) >= 0;)
		zok__bitset_remove(&from, node);
	rc = syscall(SYS_migrate_pages, pid, MASK_BITS, from.word, nodes->word);
	return rc < 0 ? -errno : rc;
}

struct count {
	const struct zok__bitset *nodes;
	uint64_t on_node[64]; /* a gateway's machine has fewer; the rest is summed in the last */
	uint64_t on_wanted, elsewhere;
};

/* "7f… default file=/bin/x mapped=3 N0=2 N1=1 kernelpagesize_kB=4" */
static void count_line(struct count *count, char *line)
{
	char *rest = line, *word;

	while ((word = strtok_r(rest, " \n", &rest)) != NULL) {
		uint64_t pages;
		int node, end = 0;

		if (sscanf(word, "N%d=%" SCNu64 "%n", &node, &pages, &end) != 2 || word[end] != '\0' || node < 0)
			continue;
		count->on_node[node < 63 ? node : 63] += pages;
		if (zok__bitset_has(count->nodes, node))
			count->on_wanted += pages;
		else
			count->elsewhere += pages;
	}
}

static void format_count(const struct count *count, struct pin_pages *out)
{
	size_t used = 0;

	for (int node = 0; node < 64 && used < sizeof out->text; node++)
		if (count->on_node[node] > 0)
			used += (size_t)snprintf(out->text + used, sizeof out->text - used, "%snode %d: %llu", used > 0 ? ", " : "", node,
						 (unsigned long long)count->on_node[node]);
}

void pin_memory_count(pid_t pid, const struct zok__bitset *nodes, struct pin_pages *out)
{
	struct count count = {.nodes = nodes};
	char path[64], *line = NULL;
	size_t size = 0;
	FILE *file;

	*out = (struct pin_pages){.is_known = false};
	snprintf(path, sizeof path, "/proc/%d/numa_maps", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	while (getline(&line, &size, file) > 0)
		count_line(&count, line);
	free(line);
	fclose(file);
	*out = (struct pin_pages){
		.is_known = count.on_wanted + count.elsewhere > 0, .on_wanted = count.on_wanted, .elsewhere = count.elsewhere};
	format_count(&count, out);
}
