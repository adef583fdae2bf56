#include "numa/select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numa/select_item.h"

int zok__item_refuse(struct zok__selection *selection, struct zok__item item, bool show_allowed, const char *reason)
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

struct zok__item zok__item_trim(struct zok__item item)
{
	while (item.length > 0 && *item.text == ' ') {
		item.text++;
		item.length--;
	}
	while (item.length > 0 && item.text[item.length - 1] == ' ')
		item.length--;
	return item;
}

bool zok__item_split(struct zok__item item, char mark, struct zok__item *before, struct zok__item *after)
{
	const char *at = memchr(item.text, mark, item.length);

	*before = item;
	*after = (struct zok__item){"", 0};
	if (at == NULL)
		return false;
	before->length = (size_t)(at - item.text);
	*after = (struct zok__item){at + 1, item.length - before->length - 1};
	return true;
}

bool zok__item_number(struct zok__item item, int *out)
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

/* ---- choosing ---- */

static void tell_item(const struct zok__selection *selection, struct zok__item item, bool is_minus, const struct zok__named *named)
{
	if (selection->watch != NULL)
		selection->watch->item(selection->watch->arg, item.text, item.length, is_minus, named->meaning);
}

static void tell_cpu(const struct zok__selection *selection, const struct zok__place *place, enum zok__cores_verdict verdict)
{
	if (selection->watch != NULL)
		selection->watch->cpu(selection->watch->arg, place, verdict);
}

static bool has_core_chosen(const struct zok__selection *selection, const struct zok__place *place)
{
	for (size_t i = 0; i < selection->count; i++)
		if (selection->place[i].physical == place->physical)
			return true;
	return false;
}

/* What would become of a CPU that is named, if it came to it. */
static enum zok__cores_verdict judge(const struct zok__selection *selection, const struct zok__named *named, const struct zok__place *place)
{
	if (!zok__bitset_has(&selection->allowed, place->cpu))
		return ZOK__CORES_OUTSIDE;
	if (zok__bitset_has(&selection->removed, place->cpu))
		return ZOK__CORES_REMOVED;
	if (zok__bitset_has(&selection->chosen, place->cpu))
		return ZOK__CORES_TAKEN;
	if (named->is_per_core && has_core_chosen(selection, place))
		return ZOK__CORES_SIBLING;
	return ZOK__CORES_CHOSEN;
}

/* A walk's view of the CPUs that are named: those of one rank, and of each physical core only the first that is free. */
struct walk {
	bool is_isolated;
	struct zok__bitset cores_taken;
};

static void take(struct zok__selection *selection, struct zok__named *named, const struct zok__place *place)
{
	zok__bitset_add(&selection->chosen, place->cpu);
	selection->place[selection->count++] = *place;
	if (named->count > 0)
		named->count--;
	tell_cpu(selection, place, ZOK__CORES_CHOSEN);
}

static void choose_kind(struct zok__selection *selection, struct zok__named *named, struct walk *walk, int kind)
{
	for (int cpu = -1; named->count != 0 && (cpu = zok__bitset_next(&named->cpus, cpu)) >= 0;) {
		const struct zok__place *place = zok__topology_find(selection->topology, cpu);

		if (place == NULL || place->kind != kind || zok__bitset_has(&selection->topology->isolated, cpu) != walk->is_isolated ||
		    zok__bitset_has(&walk->cores_taken, place->physical) || judge(selection, named, place) != ZOK__CORES_CHOSEN)
			continue;
		zok__bitset_add(&walk->cores_taken, place->physical);
		take(selection, named, place);
	}
}

static void walk_once(struct zok__selection *selection, struct zok__named *named, struct walk *walk)
{
	for (int kind = selection->topology->kind_count - 1; kind >= 0; kind--)
		choose_kind(selection, named, walk, kind);
}

/* The first walk keeps to cores that are wholly free. The next ones give each core once, and so the SMT siblings in turn; the last finds nothing. */
static void choose_spread(struct zok__selection *selection, struct zok__named *named, bool is_isolated)
{
	struct walk walk = {.is_isolated = is_isolated};
	size_t before;

	for (size_t i = 0; i < selection->count; i++)
		zok__bitset_add(&walk.cores_taken, selection->place[i].physical);
	walk_once(selection, named, &walk);
	do {
		before = selection->count;
		walk = (struct walk){.is_isolated = is_isolated};
		walk_once(selection, named, &walk);
	} while (selection->count > before);
}

static void choose_in_order(struct zok__selection *selection, struct zok__named *named)
{
	for (int cpu = -1; (cpu = zok__bitset_next(&named->cpus, cpu)) >= 0;) {
		const struct zok__place *place = zok__topology_find(selection->topology, cpu);

		if (place != NULL && judge(selection, named, place) == ZOK__CORES_CHOSEN)
			take(selection, named, place);
	}
}

/* Those of the item that were not chosen now. What was chosen by it stands behind `first` in the table. */
static void tell_others(const struct zok__selection *selection, const struct zok__named *named, size_t first)
{
	struct zok__bitset others = named->cpus;

	if (selection->watch == NULL)
		return;
	for (size_t i = first; i < selection->count; i++)
		zok__bitset_remove(&others, selection->place[i].cpu);
	for (int cpu = -1; (cpu = zok__bitset_next(&others, cpu)) >= 0;) {
		const struct zok__place *place = zok__topology_find(selection->topology, cpu);
		enum zok__cores_verdict verdict = judge(selection, named, place);

		tell_cpu(selection, place, verdict == ZOK__CORES_CHOSEN ? ZOK__CORES_BEYOND : verdict);
	}
}

static void choose(struct zok__selection *selection, struct zok__named *named)
{
	size_t first = selection->count;

	if (named->is_spread) {
		choose_spread(selection, named, true);
		choose_spread(selection, named, false);
	} else {
		choose_in_order(selection, named);
	}
	tell_others(selection, named, first);
}

static int refuse_short(struct zok__selection *selection, struct zok__item item, size_t found)
{
	char reason[64];

	if (found == 0)
		return zok__item_refuse(selection, item, true, "none of them is left to be had");
	snprintf(reason, sizeof reason, "only %zu of them %s to be had", found, found == 1 ? "is" : "are");
	return zok__item_refuse(selection, item, true, reason);
}

static bool has_allowed(const struct zok__selection *selection, const struct zok__named *named)
{
	struct zok__bitset cpus = named->cpus;

	zok__bitset_intersect(&cpus, &selection->allowed);
	return !zok__bitset_is_empty(&cpus);
}

static int take_positive(struct zok__selection *selection, struct zok__item item)
{
	size_t before = selection->count;
	struct zok__named named;
	int rc = zok__item_name(selection, item, false, &named);

	if (rc < 0)
		return rc;
	selection->has_positive = true;
	if (!has_allowed(selection, &named))
		return zok__item_refuse(selection, item, true, "none of them is in this process's cpuset and affinity");
	tell_item(selection, item, false, &named);
	choose(selection, &named);
	return named.count > 0 ? refuse_short(selection, item, selection->count - before) : 0;
}

/* With a COUNT: the lowest of ours, which is where the kernel and its interrupts like to be. */
static int take_minus(struct zok__selection *selection, struct zok__item item)
{
	struct zok__named named;
	int rc = zok__item_name(selection, item, true, &named);

	if (rc < 0)
		return rc;
	tell_item(selection, item, true, &named);
	for (int cpu = -1; named.count != 0 && (cpu = zok__bitset_next(&named.cpus, cpu)) >= 0;) {
		if (named.count > 0 && !zok__bitset_has(&selection->allowed, cpu))
			continue;
		zok__bitset_add(&selection->removed, cpu);
		named.count -= named.count > 0;
	}
	return 0;
}

static int take_item(struct zok__selection *selection, struct zok__item item, bool wants_minus)
{
	bool is_minus = item.length > 0 && *item.text == '!';
	struct zok__item what = is_minus ? zok__item_trim((struct zok__item){item.text + 1, item.length - 1}) : item;

	if (what.length == 0)
		return zok__item_refuse(selection, selection->list, false, "an item is empty; " ZOK__CORES_ACCEPTED);
	if (is_minus != wants_minus)
		return 0;
	return is_minus ? take_minus(selection, what) : take_positive(selection, what);
}

static int take_list(struct zok__selection *selection, bool wants_minus)
{
	struct zok__item rest = selection->list;
	struct zok__item item, after;
	bool is_more;
	int rc = 0;

	if (rest.length == 0)
		return 0;
	do {
		is_more = zok__item_split(rest, ',', &item, &after);
		rc = take_item(selection, zok__item_trim(item), wants_minus);
		rest = after;
	} while (rc == 0 && is_more);
	return rc;
}

/* What is left out is left out wherever it stands, and a COUNT counts what is left: so the "!" items come first. */
static int resolve(struct zok__selection *selection)
{
	int rc = take_list(selection, true);

	if (rc == 0)
		rc = take_list(selection, false);
	if (rc == 0 && !selection->has_positive)
		rc = take_positive(selection, (struct zok__item){"all", 3});
	if (rc == 0 && selection->count == 0)
		rc = zok__item_refuse(selection, selection->list, true, "leaves no core");
	return rc;
}

/* An online CPU that is allowed may still be missing in a topology that was read before it came up: it is then not on offer. */
static void restrict_to_known(struct zok__selection *selection)
{
	struct zok__bitset known = {{0}};

	for (size_t i = 0; i < selection->topology->place_count; i++)
		zok__bitset_add(&known, selection->topology->place[i].cpu);
	zok__bitset_intersect(&selection->allowed, &known);
}

static int refuse_for_memory(struct zok__selection *selection)
{
	snprintf(selection->error, selection->error_size, "cores: out of memory");
	return -ENOMEM;
}

static int copy_distances(struct zok__selection *selection, struct zok__distances *out)
{
	return zok__distances_copy(out, &selection->topology->distances) < 0 ? refuse_for_memory(selection) : 0;
}

int zok__cores_explain(const struct zok__topology *topology, const struct zok__allowance *allowance, const char *list,
		       struct zok__core_set *out, char *error, size_t error_size, const struct zok__cores_watch *watch)
{
	struct zok__selection selection = {
		.topology = topology, .allowed = allowance->cpus, .error = error, .error_size = error_size, .watch = watch};
	struct zok__distances distances;
	int rc;

	selection.place = calloc(topology->place_count, sizeof *selection.place);
	if (selection.place == NULL)
		return refuse_for_memory(&selection);
	if (list == NULL)
		list = "";
	selection.list = (struct zok__item){list, strlen(list)};
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
		.isolated = topology->isolated,
		.source = topology->source,
		.quota_cpu_milli = allowance->quota_cpu_milli,
	};
	return 0;
}

int zok__cores_select_from(const struct zok__topology *topology, const struct zok__allowance *allowance, const char *list,
			   struct zok__core_set *out, char *error, size_t error_size)
{
	return zok__cores_explain(topology, allowance, list, out, error, error_size, NULL);
}

int zok__allowance_read_own(struct zok__allowance *out)
{
	struct zok__bitset affinity;
	int rc = zok__affinity_read(&affinity);

	return rc < 0 ? rc : zok__allowance_read("", &affinity, out);
}

int zok__cores_select(const char *list, struct zok__core_set *out, char *error, size_t error_size)
{
	struct zok__topology *topology = NULL;
	struct zok__allowance allowance;
	int rc = zok__allowance_read_own(&allowance);

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
