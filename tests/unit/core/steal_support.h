/* What the tests of work that moves have in common: options, a runtime on all cores, and a reason for thieves. */
#ifndef TESTS_STEAL_SUPPORT_H
#define TESTS_STEAL_SUPPORT_H

#include "core/core.h"
#include "runtime/runtime.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* cmocka's assertions belong to the first core's thread, and only to tasks that do not move: what moves returns its finding. */
static const struct zok_options cores_option = {.cores = "all", .engine = "epoll"};
static const struct zok_spawn_options bulk __attribute__((unused)) = {.name = "bulk", .task_class = ZOK_CLASS_BULK};
static const struct zok_spawn_options bulk_stays
	__attribute__((unused)) = {.name = "stays", .task_class = ZOK_CLASS_BULK, .stealing = ZOK_STEALING_NEVER};
static const struct zok_spawn_options normal_moves __attribute__((unused)) = {.name = "moves", .stealing = ZOK_STEALING_ALLOWED};

enum { CORES_MAX = 64 };

static inline struct zok_core_stats stats_of(unsigned core)
{
	struct zok_core_stats stats;

	assert_int_equal(zok_stats(core, &stats), 0);
	return stats;
}

static inline uint64_t stolen_everywhere(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < zok_core_count(); i++)
		sum += stats_of(i).tasks_stolen;
	return sum;
}

static inline void run(int (*fn)(void *arg))
{
	assert_int_equal(zok_run(&cores_option, fn, NULL), 0);
}

/* The machine must have two cores for any of this. */
static inline int has_two_cores(void *arg)
{
	return zok_core_count() > 1;
}

/* Keeps the core busy, so that a thief has every reason; and does not suspend, so that nothing else runs here. */
static inline void burn(uint64_t ns)
{
	uint64_t until_ns = zok_now_ns() + ns;

	while (zok_now_ns() < until_ns)
		;
}

static inline void spawn_some(struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options,
			      unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(zok_spawn(scope, fn, arg, options), 0);
}

#endif
