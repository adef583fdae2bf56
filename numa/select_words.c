/* What an item of a core list names: numbers, and the words. A new word is a row of the table here and a function. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "numa/select_item.h"

static bool is_word(struct zok__item item, const char *word)
{
	return item.length == strlen(word) && memcmp(item.text, word, item.length) == 0;
}

/* ---- by number ---- */

/* Why a CPU cannot be a core of ours, or NULL. */
static const char *fault_of(const struct zok__selection *selection, int cpu)
{
	if (!zok__bitset_has(&selection->topology->present, cpu))
		return "no such core here";
	if (zok__topology_find(selection->topology, cpu) == NULL)
		return "offline";
	if (!zok__bitset_has(&selection->allowed, cpu))
		return "outside this process's cpuset or affinity";
	return NULL;
}

/* To leave out what we may not use anyway is no fault; to name what the machine does not have is a slip in either case. */
static bool is_fatal(const struct zok__selection *selection, int cpu, bool is_minus)
{
	return is_minus ? !zok__bitset_has(&selection->topology->present, cpu) : fault_of(selection, cpu) != NULL;
}

static int name_range(struct zok__selection *selection, struct zok__item item, int first, int last, struct zok__named *named)
{
	for (int cpu = first; cpu <= last; cpu++) {
		char reason[96];

		if (!is_fatal(selection, cpu, named->is_minus)) {
			zok__bitset_add(&named->cpus, cpu);
			continue;
		}
		if (first == last)
			return zok__item_refuse(selection, item, true, fault_of(selection, cpu));
		snprintf(reason, sizeof reason, "core %d: %s", cpu, fault_of(selection, cpu));
		return zok__item_refuse(selection, item, true, reason);
	}
	snprintf(named->meaning, sizeof named->meaning, "by number");
	return 0;
}

static int name_numbers(struct zok__selection *selection, struct zok__item item, struct zok__named *named)
{
	struct zok__item low, high;
	int first, last;

	if (zok__item_number(item, &first))
		return name_range(selection, item, first, first, named);
	if (!zok__item_split(item, '-', &low, &high) || !zok__item_number(low, &first) || !zok__item_number(high, &last))
		return zok__item_refuse(selection, item, false, "not understood; " ZOK__CORES_ACCEPTED);
	if (last < first)
		return zok__item_refuse(selection, item, true, "a range counts upwards");
	return name_range(selection, item, first, last, named);
}

/* ---- by word ---- */

/* Adds the CPUs of which `member` of their place is `value`; false when there is none. */
static bool add_members(const struct zok__selection *selection, size_t member, int value, struct zok__named *named)
{
	const struct zok__topology *topology = selection->topology;
	bool has_cpus = false;

	for (size_t i = 0; i < topology->place_count; i++) {
		const struct zok__place *place = &topology->place[i];

		if (*(const int *)(const void *)((const char *)place + member) != value)
			continue;
		has_cpus = true;
		zok__bitset_add(&named->cpus, place->cpu);
	}
	return has_cpus;
}

static int name_all(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	for (size_t i = 0; i < selection->topology->place_count; i++)
		zok__bitset_add(&named->cpus, selection->topology->place[i].cpu);
	snprintf(named->meaning, sizeof named->meaning, "all cores");
	return 0;
}

static int name_isolated(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	for (size_t i = 0; i < selection->topology->place_count; i++)
		if (zok__bitset_has(&selection->topology->isolated, selection->topology->place[i].cpu))
			zok__bitset_add(&named->cpus, selection->topology->place[i].cpu);
	snprintf(named->meaning, sizeof named->meaning, "isolated cores");
	if (zok__bitset_is_empty(&named->cpus) && !named->is_minus)
		return zok__item_refuse(selection, item, true, "no core is isolated here (isolcpus= does it)");
	return 0;
}

static int refuse_number(struct zok__selection *selection, struct zok__item item, const char *problem, const char *what,
			 const struct zok__bitset *there_are)
{
	char numbers[64], reason[160];

	zok__bitset_format(there_are, numbers, sizeof numbers);
	snprintf(reason, sizeof reason, "%s; %s are %s", problem, what, numbers);
	return zok__item_refuse(selection, item, false, reason);
}

static int name_node(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	const struct zok__bitset *nodes = &selection->topology->nodes;
	int node;

	if (!zok__item_number(argument, &node))
		return refuse_number(selection, item, "node: takes one number", "nodes", nodes);
	if (!zok__bitset_has(nodes, node))
		return refuse_number(selection, item, "no such node here", "nodes", nodes);
	snprintf(named->meaning, sizeof named->meaning, "cores of node %d", node);
	if (!add_members(selection, offsetof(struct zok__place, node), node, named) && !named->is_minus)
		return zok__item_refuse(selection, item, true, "that node has memory only, no cores");
	return 0;
}

static int name_package(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	struct zok__bitset packages = {{0}};
	int package;

	for (size_t i = 0; i < selection->topology->place_count; i++)
		zok__bitset_add(&packages, selection->topology->place[i].package);
	if (!zok__item_number(argument, &package))
		return refuse_number(selection, item, "package: takes one number", "packages", &packages);
	snprintf(named->meaning, sizeof named->meaning, "cores of package %d", package);
	if (!add_members(selection, offsetof(struct zok__place, package), package, named))
		return refuse_number(selection, item, "no such package here", "packages", &packages);
	return 0;
}

/* The place of the CPU that cache: and core: go by; NULL after an error line. It need not be ours: what it shares may be. */
static const struct zok__place *find_example(struct zok__selection *selection, struct zok__item item, struct zok__item argument,
					     const char *what)
{
	const struct zok__place *place = NULL;
	int cpu;

	if (!zok__item_number(argument, &cpu))
		zok__item_refuse(selection, item, true, what);
	else if ((place = zok__topology_find(selection->topology, cpu)) == NULL)
		zok__item_refuse(selection, item, true, fault_of(selection, cpu));
	return place;
}

static int name_cache(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	const struct zok__place *example =
		find_example(selection, item, argument, "cache: takes the number of a CPU, for those that share its last-level cache");

	if (example == NULL)
		return -EINVAL;
	snprintf(named->meaning, sizeof named->meaning, "cores that share the last-level cache with CPU %d", example->cpu);
	add_members(selection, offsetof(struct zok__place, cache), example->cache, named);
	return 0;
}

static int name_core(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	const struct zok__place *example =
		find_example(selection, item, argument, "core: takes the number of a CPU, for it and its SMT siblings");

	if (example == NULL)
		return -EINVAL;
	snprintf(named->meaning, sizeof named->meaning, "CPUs of the physical core of CPU %d", example->cpu);
	add_members(selection, offsetof(struct zok__place, physical), example->physical, named);
	return 0;
}

static int name_kind(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	int count = selection->topology->kind_count, kind;
	char reason[96];

	if (is_word(argument, "performance"))
		kind = count - 1;
	else if (is_word(argument, "efficient"))
		kind = 0;
	else if (!zok__item_number(argument, &kind) || kind >= count) {
		snprintf(reason, sizeof reason, "kind: takes performance, efficient or a number below %d, the slowest kind being 0", count);
		return zok__item_refuse(selection, item, false, reason);
	}
	if (count == 1)
		return zok__item_refuse(selection, item, true, "all cores are of one kind here");
	snprintf(named->meaning, sizeof named->meaning, "cores of kind %d, of 0 (slowest) to %d", kind, count - 1);
	add_members(selection, offsetof(struct zok__place, kind), kind, named);
	return 0;
}

static int refuse_device(struct zok__selection *selection, struct zok__item item, const char *problem)
{
	char devices[96], reason[192];

	zok__devices_format(&selection->topology->devices, devices, sizeof devices);
	snprintf(reason, sizeof reason, "%s; NICs and disks are %s", problem, devices);
	return zok__item_refuse(selection, item, false, reason);
}

static int name_near(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named)
{
	const struct zok__topology *topology = selection->topology;
	const struct zok__device *device = zok__devices_find(&topology->devices, argument.text, argument.length);

	if (device == NULL)
		return refuse_device(selection, item,
				     argument.length == 0 ? "near: takes the name of a NIC or a disk" : "no such NIC or disk here");
	if (device->is_virtual)
		return refuse_device(selection, item, "a device without hardware is near no core");
	if (zok__bitset_is_empty(&device->near))
		return refuse_number(selection, item, "the firmware does not say where it is: name a node instead", "nodes",
				     &topology->nodes);
	for (size_t i = 0; i < topology->place_count; i++)
		if (zok__bitset_has(&device->near, topology->place[i].cpu))
			zok__bitset_add(&named->cpus, topology->place[i].cpu);
	snprintf(named->meaning, sizeof named->meaning, "cores near %s%s%s", device->name, device->address[0] != '\0' ? " at " : "",
		 device->address);
	if (device->node >= 0)
		snprintf(named->meaning + strlen(named->meaning), sizeof named->meaning - strlen(named->meaning), ", node %d",
			 device->node);
	return 0;
}

static const struct {
	const char *word;
	bool has_argument;
	int (*name)(struct zok__selection *selection, struct zok__item item, struct zok__item argument, struct zok__named *named);
} words[] = {
	{"all", false, name_all},    {"isolated", false, name_isolated}, {"node", true, name_node}, {"package", true, name_package},
	{"cache", true, name_cache}, {"core", true, name_core},		 {"kind", true, name_kind}, {"near", true, name_near},
};

/* The count stands behind the last ":". The arguments have colons too (PCI addresses), but none that only digits follow. */
static int take_count(struct zok__selection *selection, struct zok__item item, struct zok__item *argument, bool has_argument,
		      struct zok__named *named)
{
	const char *colon = argument->length > 0 ? memrchr(argument->text, ':', argument->length) : NULL;
	struct zok__item digits = *argument;

	if (has_argument && colon == NULL)
		return 0;
	if (colon != NULL)
		digits = (struct zok__item){colon + 1, argument->length - (size_t)(colon + 1 - argument->text)};
	if (!zok__item_number(digits, &named->count)) {
		named->count = -1;
		return has_argument ? 0 : zok__item_refuse(selection, item, false, "after the : stands how many, a number");
	}
	argument->length = colon != NULL ? (size_t)(colon - argument->text) : 0;
	return named->count > 0 ? 0 : zok__item_refuse(selection, item, false, "a count of 0 takes no core: leave the item away");
}

static int name_by_word(struct zok__selection *selection, struct zok__item item, struct zok__item word, struct zok__item argument,
			bool has_colon, struct zok__named *named)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		int rc = 0;

		if (!is_word(word, words[i].word))
			continue;
		named->is_spread = true;
		if (has_colon)
			rc = take_count(selection, item, &argument, words[i].has_argument, named);
		return rc < 0 ? rc : words[i].name(selection, item, argument, named);
	}
	return has_colon ? zok__item_refuse(selection, item, false, "not understood; " ZOK__CORES_ACCEPTED) : 1;
}

static bool take_per_core(struct zok__item *item)
{
	static const char suffix[] = "/core";
	const size_t length = sizeof suffix - 1;

	if (item->length < length || memcmp(item->text + item->length - length, suffix, length) != 0)
		return false;
	item->length -= length;
	*item = zok__item_trim(*item);
	return true;
}

int zok__item_name(struct zok__selection *selection, struct zok__item item, bool is_minus, struct zok__named *named)
{
	struct zok__item whole = item, word, argument;
	bool has_colon;
	int rc;

	*named = (struct zok__named){.count = -1, .is_minus = is_minus};
	named->is_per_core = take_per_core(&item);
	if (named->is_per_core && is_minus)
		return zok__item_refuse(selection, whole, false, "/core chooses; to leave out a whole core, write !core:CPU");
	has_colon = zok__item_split(item, ':', &word, &argument);
	rc = name_by_word(selection, item, word, argument, has_colon, named);
	return rc <= 0 ? rc : name_numbers(selection, item, named);
}
