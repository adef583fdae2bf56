/*
 * Whether the cores are still where they were put. The kernel takes a thread off its CPU when that goes offline or leaves the cpuset, and anybody with the
 * right may change its mask: the thread goes on elsewhere, and nobody tells it. So each core looks at its own mask, on its own turn, at most once a second.
 */
#include "runtime/runtime.h"

#include "core/log.h"
#include "numa/bind.h"

#include <stdio.h>
#include <string.h>

void zok__placement_begin(struct zok__seat *seat)
{
	int cpu = seat->runtime->config.cores.place[seat->core->options.index].cpu;
	int rc = zok__bind_thread(cpu);

	seat->cpu = rc < 0 ? -1 : cpu;
	if (rc < 0)
		zok__log(ZOK_LOG_WARN, "core %u: not pinned to CPU %d: %s", seat->core->options.index, cpu, strerror(-rc));
}

static bool is_pinned_to(const struct zok__bitset *mask, int cpu)
{
	return zok__bitset_has(mask, cpu) && zok__bitset_next(mask, zok__bitset_next(mask, -1)) < 0;
}

/* It is not put back: whoever moved it had a reason, and a CPU that is gone is gone. */
static void tell_of_loss(struct zok__seat *seat, const struct zok__bitset *mask)
{
	char cpus[64];

	zok__bitset_format(mask, cpus, sizeof cpus);
	zok__count(&seat->core->counters->stats.placements_lost, 1);
	zok__log(ZOK_LOG_WARN,
		 "core %u: no longer pinned to CPU %d: it may run on %s; the CPU went offline, the cpuset shrank or somebody changed the "
		 "mask; going on",
		 seat->core->options.index, seat->cpu, cpus);
}

void zok__placement_check(struct zok_core *core)
{
	struct zok__seat *seat = &zok__runtime()->seats[core->options.index];
	struct zok__bitset mask;
	bool is_lost;

	if (seat->cpu < 0 || zok__affinity_read(&mask) < 0)
		return;
	is_lost = !is_pinned_to(&mask, seat->cpu);
	if (is_lost && !seat->is_displaced)
		tell_of_loss(seat, &mask);
	else if (!is_lost && seat->is_displaced)
		zok__log(ZOK_LOG_WARN, "core %u: pinned to CPU %d again", core->options.index, seat->cpu);
	seat->is_displaced = is_lost;
}

static void warn_of_quota(const struct zok__core_set *cores)
{
	if (cores->quota_cpu_milli != 0 && cores->quota_cpu_milli < 1000 * cores->count)
		zok__log(ZOK_LOG_WARN, "the cgroup allows %.1f CPUs and %zu cores were chosen: they will be throttled",
			 (double)cores->quota_cpu_milli / 1000, cores->count);
}

static void warn_of_isolation(const struct zok__core_set *cores)
{
	char isolated[64], shared[64];
	struct zok__bitset others = {{0}};

	for (size_t i = 0; i < cores->count; i++)
		if (!zok__bitset_has(&cores->isolated, cores->place[i].cpu))
			zok__bitset_add(&others, cores->place[i].cpu);
	if (zok__bitset_is_empty(&cores->isolated) || zok__bitset_is_empty(&others))
		return;
	zok__bitset_format(&cores->isolated, isolated, sizeof isolated);
	zok__bitset_format(&others, shared, sizeof shared);
	zok__log(ZOK_LOG_WARN, "CPUs %s are isolated and these cores are not: %s; they share their CPUs with other work", isolated, shared);
}

void zok__placement_warn(const struct zok__core_set *cores)
{
	warn_of_quota(cores);
	warn_of_isolation(cores);
}
