#include "numa/select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCEPTED "accepted are N, N-M, all, node:N, and ! before one of these to leave it out"

/* An item as it stands in the list: not NUL-terminated. */
struct item {
	const char *text;
	size_t length;
};

struct selection {
	const struct zok__topology *topology;
	struct item list;
	struct zok__bitset allowed; /* and online */
	struct zok__bitset chosen;  /* what `place` holds */
	struct zok__bitset removed; /* by "!" */
	struct zok__place *place;   /* in the order chosen */
	size_t count;
	bool has_positive;
	char *error;
	size_t error_size;
};

/* What an item names. */
struct named {
	struct zok__bitset cpus;
	bool is_spread; /* one CPU of each physical core first */
};

/* The line is the option, the item (cut, and safe to print), the reason and, where they help, the cores that would do. */
static int refuse(struct selection *selection, struct item item, bool show_allowed, const char *reason)
{
	char shown[65], allowed[96];
	size_t length = item.length < sizeof shown - 1 ? item.length : sizeof shown - 1;

	for (size_t i = 0; i < length; i++)
		shown[i] = item.text[i] >= ' ' && item.text[i] <= '~' ? item.text[i] : '?';
	shown[length] = '\0';
	zok__bitset_format(&selection->allowed, allowed, sizeof allowed);
	snprintf(selection->error, selection->error_size, "cores: %s: %s%s%s", shown, reason, show_allowed ? "; allowed are " : "",
		 show_allowed ? allowed : "");
	return -EINVAL;
}

static struct item trim(struct item item)
{
	while (item.length > 0 && *item.text == ' ') {
		item.text++;
		item.length--;
	}
	while (item.length > 0 && item.text[item.length - 1] == ' ')
		item.length--;
	return item;
}

static bool is_word(struct item item, const char *word)
{
	return item.length == strlen(word) && memcmp(item.text, word, item.length) == 0;
}

/* Cuts `item` at the first `mark`; false when there is none, and all of it is before. */
static bool split(struct item item, char mark, struct item *before, struct item *after)
{
	const char *at = memchr(item.text, mark, item.length);

	*before = item;
	*after = (struct item){"", 0};
	if (at == NULL)
		return false;
	before->length = (size_t)(at - item.text);
	*after = (struct item){at + 1, item.length - before->length - 1};
	return true;
}

/* Digits only. A number beyond any machine stays one: it is then "not here", as any other. */
static bool parse_number(struct item item, int *out)
{
	int value = 0;

	for (size_t i = 0; i < item.length; i++) {
		if (item.text[i] < '0' || item.text[i] > '9')
			return false;
		value = value >= ZOK__BITSET_MAX ? ZOK__BITSET_MAX : value * 10 + (item.text[i] - '0');
	}
	if (item.length == 0)
		return false;
	*out = value;
	return true;
}

/* Why a CPU cannot be a core of ours, or NULL. */
static const char *fault_of(const struct selection *selection, int cpu)
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
static bool is_fatal(const struct selection *selection, int cpu, bool is_minus)
{
	return is_minus ? !zok__bitset_has(&selection->topology->present, cpu) : fault_of(selection, cpu) != NULL;
}

static int name_range(struct selection *selection, struct item item, int first, int last, bool is_minus, struct named *named)
{
	for (int cpu = first; cpu <= last; cpu++) {
		char reason[96];

		if (!is_fatal(selection, cpu, is_minus)) {
			zok__bitset_add(&named->cpus, cpu);
			continue;
		}
		if (first == last)
			return refuse(selection, item, true, fault_of(selection, cpu));
		snprintf(reason, sizeof reason, "core %d: %s", cpu, fault_of(selection, cpu));
		return refuse(selection, item, true, reason);
	}
	return 0;
}

static int name_numbers(struct selection *selection, struct item item, bool is_minus, struct named *named)
{
	struct item low, high;
	int first, last;

	if (parse_number(item, &first))
		return name_range(selection, item, first, first, is_minus, named);
	if (!split(item, '-', &low, &high) || !parse_number(low, &first) || !parse_number(high, &last))
		return refuse(selection, item, false, "not understood; " ACCEPTED);
	if (last < first)
		return refuse(selection, item, true, "a range counts upwards");
	return name_range(selection, item, first, last, is_minus, named);
}

static bool add_cpus_of_node(const struct selection *selection, int node, struct named *named)
{
	const struct zok__topology *topology = selection->topology;
	bool has_cpus = false;

	for (size_t i = 0; i < topology->place_count; i++) {
		const struct zok__place *place = &topology->place[i];

		if (place->node != node)
			continue;
		has_cpus = true;
		if (zok__bitset_has(&selection->allowed, place->cpu))
			zok__bitset_add(&named->cpus, place->cpu);
	}
	return has_cpus;
}

static int name_node(struct selection *selection, struct item item, struct item argument, bool is_minus, struct named *named)
{
	char nodes[64], reason[128];
	int node;

	zok__bitset_format(&selection->topology->nodes, nodes, sizeof nodes);
	named->is_spread = true;
	if (!parse_number(argument, &node)) {
		snprintf(reason, sizeof reason, "node: takes one number; nodes are %s", nodes);
		return refuse(selection, item, false, reason);
	}
	if (!zok__bitset_has(&selection->topology->nodes, node)) {
		snprintf(reason, sizeof reason, "no such node here; nodes are %s", nodes);
		return refuse(selection, item, false, reason);
	}
	if (!add_cpus_of_node(selection, node, named) && !is_minus)
		return refuse(selection, item, true, "that node has memory only, no cores");
	if (zok__bitset_is_empty(&named->cpus) && !is_minus)
		return refuse(selection, item, true, "no core of that node is in this process's cpuset and affinity");
	return 0;
}

/* The words that take an argument. A new one is a row here and a function. */
static const struct {
	const char *word;
	int (*name)(struct selection *selection, struct item item, struct item argument, bool is_minus, struct named *named);
} words[] = {
	{"node", name_node},
};

static int name_by_word(struct selection *selection, struct item item, struct item word, struct item argument, bool is_minus,
			struct named *named)
{
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (is_word(word, words[i].word))
			return words[i].name(selection, item, argument, is_minus, named);
	return refuse(selection, item, false, "not understood; " ACCEPTED);
}

static int name_item(struct selection *selection, struct item item, bool is_minus, struct named *named)
{
	struct item word, argument;

	if (is_word(item, "all")) {
		*named = (struct named){.cpus = selection->allowed, .is_spread = true};
		return 0;
	}
	if (split(item, ':', &word, &argument))
		return name_by_word(selection, item, word, argument, is_minus, named);
	return name_numbers(selection, item, is_minus, named);
}

/* One walk over the CPUs named that are not chosen yet: all of them, or the first of each physical core. True when it chose any. */
static bool choose_once(struct selection *selection, const struct named *named)
{
	struct zok__bitset taken = {{0}};
	size_t before = selection->count;

	for (int cpu = -1; (cpu = zok__bitset_next(&named->cpus, cpu)) >= 0;) {
		const struct zok__place *place = zok__topology_find(selection->topology, cpu);

		if (zok__bitset_has(&selection->chosen, cpu) || (named->is_spread && zok__bitset_has(&taken, place->physical)))
			continue;
		zok__bitset_add(&taken, place->physical);
		zok__bitset_add(&selection->chosen, cpu);
		selection->place[selection->count++] = *place;
	}
	return selection->count > before;
}

/* As many walks as a physical core has CPUs, and one that finds nothing. */
static void choose(struct selection *selection, const struct named *named)
{
	while (choose_once(selection, named))
		;
}

static void remove_named(struct selection *selection, const struct named *named)
{
	for (int cpu = -1; (cpu = zok__bitset_next(&named->cpus, cpu)) >= 0;)
		zok__bitset_add(&selection->removed, cpu);
}

static int take_item(struct selection *selection, struct item item)
{
	struct named named = {.is_spread = false};
	bool is_minus = item.length > 0 && *item.text == '!';
	struct item what = is_minus ? trim((struct item){item.text + 1, item.length - 1}) : item;
	int rc;

	if (what.length == 0)
		return refuse(selection, selection->list, false, "an item is empty; " ACCEPTED);
	rc = name_item(selection, what, is_minus, &named);
	if (rc < 0)
		return rc;
	if (is_minus) {
		remove_named(selection, &named);
	} else {
		selection->has_positive = true;
		choose(selection, &named);
	}
	return 0;
}

static int take_list(struct selection *selection)
{
	struct item rest = selection->list;
	struct item item, after;
	bool is_more;
	int rc = 0;

	if (rest.length == 0)
		return 0;
	do {
		is_more = split(rest, ',', &item, &after);
		rc = take_item(selection, trim(item));
		rest = after;
	} while (rc == 0 && is_more);
	return rc;
}

static void drop_removed(struct selection *selection)
{
	size_t kept = 0;

	for (size_t i = 0; i < selection->count; i++)
		if (!zok__bitset_has(&selection->removed, selection->place[i].cpu))
			selection->place[kept++] = selection->place[i];
	selection->count = kept;
}

static int resolve(struct selection *selection)
{
	int rc = take_list(selection);

	if (rc < 0)
		return rc;
	if (!selection->has_positive)
		choose(selection, &(struct named){.cpus = selection->allowed, .is_spread = true});
	drop_removed(selection);
	if (selection->count == 0)
		return refuse(selection, selection->list, true, "leaves no core");
	return 0;
}

/* An online CPU that is allowed may still be missing in a topology that was read before it came up: it is then not on offer. */
static void restrict_to_known(struct selection *selection)
{
	struct zok__bitset known = {{0}};

	for (size_t i = 0; i < selection->topology->place_count; i++)
		zok__bitset_add(&known, selection->topology->place[i].cpu);
	zok__bitset_intersect(&selection->allowed, &known);
}

static int refuse_for_memory(struct selection *selection)
{
	snprintf(selection->error, selection->error_size, "cores: out of memory");
	return -ENOMEM;
}

static int copy_distances(struct selection *selection, struct zok__distances *out)
{
	return zok__distances_copy(out, &selection->topology->distances) < 0 ? refuse_for_memory(selection) : 0;
}

int zok__cores_select_from(const struct zok__topology *topology, const struct zok__allowance *allowance, const char *list,
			   struct zok__core_set *out, char *error, size_t error_size)
{
	struct selection selection = {.topology = topology, .allowed = allowance->cpus, .error = error, .error_size = error_size};
	struct zok__distances distances;
	int rc;

	selection.place = calloc(topology->place_count, sizeof *selection.place);
	if (selection.place == NULL)
		return refuse_for_memory(&selection);
	if (list == NULL)
		list = "";
	selection.list = (struct item){list, strlen(list)};
	restrict_to_known(&selection);
	rc = resolve(&selection);
	if (rc == 0)
		rc = copy_distances(&selection, &distances);
	if (rc < 0) {
		free(selection.place);
		return rc;
	}
	*out = (struct zok__core_set){
		.place = selection.place,
		.count = selection.count,
		.distances = distances,
		.source = topology->source,
		.quota_cpu_milli = allowance->quota_cpu_milli,
	};
	return 0;
}

static int read_allowance(struct zok__allowance *out)
{
	struct zok__bitset affinity;
	int rc = zok__affinity_read(&affinity);

	return rc < 0 ? rc : zok__allowance_read("", &affinity, out);
}

int zok__cores_select(const char *list, struct zok__core_set *out, char *error, size_t error_size)
{
	struct zok__topology *topology = NULL;
	struct zok__allowance allowance;
	int rc = read_allowance(&allowance);

	if (rc == 0)
		rc = zok__topology_create(&topology);
	if (rc < 0) {
		snprintf(error, error_size, "cores: the machine's CPUs cannot be read: %s", strerror(-rc));
		return rc;
	}
	rc = zok__cores_select_from(topology, &allowance, list, out, error, error_size);
	zok__topology_destroy(topology);
	return rc;
}

void zok__core_set_release(struct zok__core_set *set)
{
	zok__distances_finish(&set->distances);
	free(set->place);
	*set = (struct zok__core_set){.place = NULL};
}
