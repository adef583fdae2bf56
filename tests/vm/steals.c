/*
 * Has one core steal from all others and says in which order it did:
 *
 *	order: cpu 1 (smt) 4, cpu 2 (cache) 4
 *
 * The others are kept busy by a task that never suspends, each with a backlog that can be stolen; the first core, which spins, takes one task at a time.
 * Whatever the machine's pace, it must take all of the nearest core's before any of the next one's, and each only after it has been idle for that
 * tier's time. It ends with 1 where a task was taken too soon; what the order must be is for scenarios.py to say. Usage: steals CORES ENGINE
 */
#include "runtime/runtime.h"
#include "zokio/timer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CORES_MAX = 16, BACKLOG = 4 };

/* As the comment in core/steal.c has them: said here once more, so that a change of either is seen. */
static const uint64_t idle_ns_min[ZOK__TIER_COUNT] = {1000, 5000, 50000, 500000};

/* What the thief writes while it runs what it took: one thread. */
static struct {
	unsigned from[CORES_MAX * BACKLOG];
	uint64_t began_ns[CORES_MAX * BACKLOG], ended_ns[CORES_MAX * BACKLOG];
	unsigned count; /* atomic: the busy ones wait for it */
} taken;

static unsigned busy_count, ready_count; /* atomic */
static bool has_failed;			 /* atomic: nobody waits any more */

static unsigned all_of_them(void)
{
	return (zok_core_count() - 1) * BACKLOG;
}

static int is_taken(void *arg)
{
	unsigned at = taken.count;

	if (zok_core_index() != 0) {
		/* All other cores were to be busy. */
		__atomic_store_n(&has_failed, true, __ATOMIC_RELEASE);
		return -EINVAL;
	}
	taken.from[at] = (unsigned)(uintptr_t)arg;
	taken.began_ns[at] = zok_now_ns();
	taken.ended_ns[at] = zok_now_ns();
	__atomic_store_n(&taken.count, at + 1, __ATOMIC_RELEASE);
	return 0;
}

/* Without suspending. */
static void wait_for(const unsigned *count, unsigned wanted)
{
	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < wanted && !__atomic_load_n(&has_failed, __ATOMIC_ACQUIRE))
		;
}

/* Suspends only when there is nothing left to take. Nobody spawns before all are busy: an idle core would take it. */
static int keep_busy(void *arg)
{
	const struct zok_spawn_options bulk = {.name = "backlog", .task_class = ZOK_CLASS_BULK};
	struct zok_scope *scope = zok_scope_open(NULL);
	int rc = scope ? 0 : -ENOMEM;

	__atomic_fetch_add(&busy_count, 1, __ATOMIC_RELEASE);
	wait_for(&busy_count, zok_core_count() - 1);
	for (unsigned i = 0; rc == 0 && i < BACKLOG; i++)
		rc = zok_spawn(scope, is_taken, (void *)(uintptr_t)zok_core_index(), &bulk);
	__atomic_fetch_add(&ready_count, 1, __ATOMIC_RELEASE);
	if (rc < 0)
		__atomic_store_n(&has_failed, true, __ATOMIC_RELEASE);
	wait_for(&taken.count, all_of_them());
	return scope ? zok_scope_close(scope, rc) : rc;
}

/* The thief's own task suspends once all others are busy, and not before: so it finds all backlogs whole. */
static int lie_in_wait(void)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	int rc = scope ? 0 : -ENOMEM;

	for (unsigned i = 1; rc == 0 && i < zok_core_count(); i++)
		rc = zok_spawn_on(i, scope, keep_busy, NULL, NULL);
	if (rc < 0)
		__atomic_store_n(&has_failed, true, __ATOMIC_RELEASE);
	wait_for(&ready_count, zok_core_count() - 1);
	return scope ? zok_scope_close(scope, rc) : rc;
}

static const struct zok__victim *victim_of(unsigned index)
{
	const struct zok__victim *victim = zok__core()->options.victims;

	while (victim->index != index)
		victim++;
	return victim;
}

/* Runs of steals from one core are told as one. */
static void tell_order(void)
{
	printf("order:");
	for (unsigned at = 0, run; at < taken.count; at += run) {
		const struct zok__victim *victim = victim_of(taken.from[at]);

		for (run = 1; at + run < taken.count && taken.from[at + run] == taken.from[at]; run++)
			;
		printf("%s cpu %d (%s) %u", at ? "," : "", zok__runtime()->config.cores.place[victim->index].cpu,
		       zok__tier_name(victim->tier), run);
	}
	printf("\n");
}

/* The first one's idleness began when main suspended, which nobody has timed. */
static int check_gates(void)
{
	for (unsigned at = 1; at < taken.count; at++) {
		uint64_t idle_ns = taken.began_ns[at] - taken.ended_ns[at - 1];

		if (idle_ns >= idle_ns_min[victim_of(taken.from[at])->tier])
			continue;
		printf("too soon: core %u was taken from %llu ns after the one before\n", taken.from[at], (unsigned long long)idle_ns);
		return -EINVAL;
	}
	return 0;
}

static int check_counters(void)
{
	struct zok_core_stats stats;
	uint64_t expected[ZOK__TIER_COUNT] = {0};
	int rc = zok_stats(0, &stats);

	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < taken.count; i++)
		expected[victim_of(taken.from[i])->tier]++;
	printf("steals: smt %llu, cache %llu, node %llu, far %llu\n", (unsigned long long)stats.steals_by_tier[ZOK__TIER_SMT],
	       (unsigned long long)stats.steals_by_tier[ZOK__TIER_CACHE], (unsigned long long)stats.steals_by_tier[ZOK__TIER_NODE],
	       (unsigned long long)stats.steals_by_tier[ZOK__TIER_FAR]);
	return memcmp(expected, stats.steals_by_tier, sizeof expected) == 0 && taken.count == all_of_them() ? 0 : -EINVAL;
}

static int steal_all(void *arg)
{
	int rc = lie_in_wait();

	if (rc < 0)
		return rc;
	tell_order();
	rc = check_gates();
	return rc < 0 ? rc : check_counters();
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: steals CORES ENGINE\n");
		return 2;
	}
	/* Stuck is what they are meant to be. */
	return zok_run(&(struct zok_options){.cores = argv[1],
					     .engine = argv[2],
					     .mode = "spin",
					     .stealing = "one",
					     .stall_detector = "off",
					     .stuck_ns = 3600 * ZOK_S},
		       steal_all, NULL) == 0
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}
