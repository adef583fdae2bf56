/* `zok topo`: the machine as it is shown, and the ways to show it. */
#ifndef TOOLS_TOPO_H
#define TOOLS_TOPO_H

#include <stdio.h>

#include "numa/inventory.h"
#include "numa/select.h"

/* A bitset as text never needs more than this on a machine that has one name for each run of CPUs; longer ones end in "...". */
enum { TOPO_SET_SIZE = 4096 };

/* What one item of a list named, and what became of it. */
struct topo_item {
	char text[96], meaning[128];
	bool is_minus;
	struct zok__bitset cpus[ZOK__CORES_VERDICT_COUNT];
};

struct topo {
	struct zok__topology *topology;
	struct zok__inventory inventory;
	struct zok__bitset affinity;
	struct zok__allowance allowance;
	bool is_described; /* a machine that is not here: everything is allowed */
	bool shows_all;

	/* with --explain */
	const char *list; /* NULL without */
	struct zok__core_set chosen;
	struct topo_item *item; /* owned */
	size_t item_count;
	bool is_short_of_memory;
};

/* topo_explain.c. -EINVAL or -ENOMEM, and a line in `error`. */
ZOK_NODISCARD int topo_explain(struct topo *topo, char *error, size_t error_size);
void topo_explain_print(FILE *out, const struct topo *topo);

/* "chosen", "left out by a \"!\" item" … */
const char *topo_verdict_text(enum zok__cores_verdict verdict);

/* topo_text.c */
void topo_print(FILE *out, const struct topo *topo);

/* "16 GiB", "2 MiB", in at most 16 bytes. Returns `text`. */
const char *topo_format_bytes(char text[16], uint64_t bytes);

/* topo_json.c */
void topo_write_json(FILE *out, const struct topo *topo);

/* topo_svg.c */
void topo_write_svg(FILE *out, const struct topo *topo);

/* topo_facts.c: how many of a kind there are. */
size_t topo_count_physical(const struct zok__topology *topology);
size_t topo_count_packages(const struct zok__topology *topology);
void topo_cpus_of_node(const struct zok__topology *topology, int node, struct zok__bitset *out);
size_t topo_count_set(const struct zok__bitset *set);

/* The package that a node's CPUs are in, -1 for one without CPUs. */
int topo_package_of_node(const struct zok__topology *topology, int node);

#endif
