/* What a core list gives on the machine, and what became of each CPU that it names. */
#include "tools/topo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void on_item(void *arg, const char *item, size_t length, bool is_minus, const char *meaning)
{
	struct topo *topo = arg;
	struct topo_item *grown = realloc(topo->item, (topo->item_count + 1) * sizeof *grown);

	if (grown == NULL) {
		topo->is_short_of_memory = true;
		return;
	}
	topo->item = grown;
	grown = &grown[topo->item_count++];
	*grown = (struct topo_item){.is_minus = is_minus};
	snprintf(grown->text, sizeof grown->text, "%.*s", (int)length, item);
	snprintf(grown->meaning, sizeof grown->meaning, "%s", meaning);
}

static void on_cpu(void *arg, const struct zok__place *place, enum zok__cores_verdict verdict)
{
	struct topo *topo = arg;

	if (topo->item_count > 0)
		zok__bitset_add(&topo->item[topo->item_count - 1].cpus[verdict], place->cpu);
}

int topo_explain(struct topo *topo, char *error, size_t error_size)
{
	const struct zok__cores_watch watch = {.item = on_item, .cpu = on_cpu, .arg = topo};
	int rc = zok__cores_explain(topo->topology, &topo->allowance, topo->list, &topo->chosen, error, error_size, &watch);

	if (rc == 0 && topo->is_short_of_memory) {
		snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	return rc;
}

const char *topo_verdict_text(enum zok__cores_verdict verdict)
{
	static const char *const texts[ZOK__CORES_VERDICT_COUNT] = {
		[ZOK__CORES_CHOSEN] = "chosen",
		[ZOK__CORES_TAKEN] = "chosen before",
		[ZOK__CORES_REMOVED] = "left out by a ! item",
		[ZOK__CORES_OUTSIDE] = "outside this process's cpuset or affinity",
		[ZOK__CORES_SIBLING] = "SMT sibling of one that is chosen",
		[ZOK__CORES_BEYOND] = "not needed: the count is reached",
	};

	return texts[verdict];
}

static void print_item(FILE *out, const struct topo_item *item)
{
	char text[TOPO_SET_SIZE];

	fprintf(out, "\n%s%s: %s%s\n", item->is_minus ? "!" : "", item->text, item->is_minus ? "leaves out what is named " : "",
		item->meaning);
	for (int verdict = 0; verdict < ZOK__CORES_VERDICT_COUNT; verdict++) {
		if (zok__bitset_is_empty(&item->cpus[verdict]))
			continue;
		zok__bitset_format(&item->cpus[verdict], text, sizeof text);
		fprintf(out, "  %s %-24s %s\n", verdict == ZOK__CORES_CHOSEN ? "+" : "-", text, topo_verdict_text(verdict));
	}
}

/* The first of the chosen cores before `index` that shares its physical core, or -1. */
static long shares_core_with(const struct zok__core_set *set, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (set->place[i].physical == set->place[index].physical)
			return (long)i;
	return -1;
}

static void print_chosen(FILE *out, const struct topo *topo)
{
	const struct zok__core_set *set = &topo->chosen;

	fprintf(out, "\ncore   CPU  node  package  physical  cache  kind\n");
	for (size_t i = 0; i < set->count; i++) {
		const struct zok__place *place = &set->place[i];
		long other = shares_core_with(set, i);

		fprintf(out, "%4zu  %4d  %4d  %7d  %8d  %5d  %4d", i, place->cpu, place->node, place->package, place->physical,
			place->cache, place->kind);
		if (zok__bitset_has(&set->isolated, place->cpu))
			fputs("  isolated", out);
		if (other >= 0)
			fprintf(out, "  shares its physical core with core %ld", other);
		fputc('\n', out);
	}
}

static size_t count_nodes(const struct zok__core_set *set)
{
	struct zok__bitset nodes = {{0}};

	for (size_t i = 0; i < set->count; i++)
		zok__bitset_add(&nodes, set->place[i].node);
	return topo_count_set(&nodes);
}

static size_t count_siblings(const struct zok__core_set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += shares_core_with(set, i) >= 0;
	return count;
}

static size_t count_shared_with_others(const struct zok__core_set *set)
{
	size_t count = 0;

	for (size_t i = 0; i < set->count; i++)
		count += !zok__bitset_has(&set->isolated, set->place[i].cpu);
	return count;
}

/* What the user may not have meant. */
static void print_notes(FILE *out, const struct topo *topo)
{
	const struct zok__core_set *set = &topo->chosen;
	size_t siblings = count_siblings(set), nodes = count_nodes(set), shared = count_shared_with_others(set);
	char isolated[TOPO_SET_SIZE];

	fputc('\n', out);
	if (siblings > 0)
		fprintf(out, "note: %zu of them share a physical core with another: /core behind an item takes one CPU a core\n", siblings);
	if (nodes > 1)
		fprintf(out, "note: they are spread over %zu nodes: what one of them sends to another may cross\n", nodes);
	zok__bitset_format(&set->isolated, isolated, sizeof isolated);
	if (!zok__bitset_is_empty(&set->isolated) && shared > 0)
		fprintf(out, "note: %zu of them are not isolated, and CPUs %s are: the kernel puts other work on the former only\n", shared,
			isolated);
	if (set->quota_cpu_milli != 0 && set->quota_cpu_milli < 1000 * set->count)
		fprintf(out, "warning: the cgroup allows %.1f CPUs of time and these are %zu: they will be throttled\n",
			(double)set->quota_cpu_milli / 1000, set->count);
}

void topo_explain_print(FILE *out, const struct topo *topo)
{
	fprintf(out, "%s gives %zu core%s:", topo->list[0] != '\0' ? topo->list : "all", topo->chosen.count,
		topo->chosen.count == 1 ? "" : "s");
	for (size_t i = 0; i < topo->chosen.count; i++)
		fprintf(out, " %d", topo->chosen.place[i].cpu);
	fputc('\n', out);
	for (size_t i = 0; i < topo->item_count; i++)
		print_item(out, &topo->item[i]);
	print_chosen(out, topo);
	print_notes(out, topo);
}
