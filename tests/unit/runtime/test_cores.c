/* Broadcast, map-reduce and sharded services: every core once, in order where it is promised, and nothing left behind when one fails. */
#include "runtime/runtime.h"
#include "zokio/zokio.h"

#include "tests/unit/runtime/log_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct zok_options all_cores = {.cores = "all", .engine = "epoll"};

static unsigned visits[64]; /* atomic */

static int visit(void *arg)
{
	__atomic_fetch_add(&visits[zok_core_index()], 1, __ATOMIC_RELAXED);
	return 0;
}

static int broadcasts(void *arg)
{
	return zok_broadcast(visit, NULL);
}

static void test_a_broadcast_runs_once_on_each_core(void **state)
{
	unsigned count = 0;

	memset(visits, 0, sizeof visits);
	assert_int_equal(zok_run(&all_cores, broadcasts, NULL), 0);
	for (size_t i = 0; i < 64; i++) {
		assert_in_range(visits[i], 0, 1);
		count += visits[i];
	}
	assert_true(visits[0] == 1 && count >= 1);
}

static int fail_on_last(void *arg)
{
	visit(NULL);
	return (unsigned)zok_core_index() == zok_core_count() - 1 ? -EPROTO : 0;
}

static int broadcasts_a_failure(void *arg)
{
	return zok_broadcast(fail_on_last, NULL);
}

static void test_a_broadcast_tells_the_error_after_all_have_ended(void **state)
{
	memset(visits, 0, sizeof visits);
	assert_int_equal(zok_run(&all_cores, broadcasts_a_failure, NULL), -EPROTO);
	assert_int_equal(visits[0], 1);
}

struct sum {
	uint64_t value, cores;
	int last;
	bool is_out_of_order;
};

static int add_here(void *arg, void *part)
{
	struct sum *sum = part;

	if (sum->value != 0 || (uintptr_t)part % 16 != 0)
		return -EBADMSG;
	sum->value = *(uint64_t *)arg + (uint64_t)zok_core_index();
	sum->last = zok_core_index();
	return 0;
}

static void add_up(void *total, const void *part)
{
	struct sum *sum = total;
	const struct sum *more = part;

	sum->value += more->value;
	sum->is_out_of_order |= more->last != (int)sum->cores++;
}

static int sums(void *arg)
{
	uint64_t base = 100, count = zok_core_count();
	struct sum total = {0};
	int rc = zok_map_reduce(add_here, add_up, &base, &total, sizeof total);

	return rc < 0 ? rc : total.cores == count && !total.is_out_of_order && total.value == 100 * count + count * (count - 1) / 2;
}

static void test_map_reduce_adds_up_in_the_order_of_the_cores(void **state)
{
	assert_int_equal(zok_run(&all_cores, sums, NULL), 1);
}

static int fail_to_map(void *arg, void *part)
{
	return zok_core_index() == 0 ? -ENODATA : 0;
}

static int sums_nothing(void *arg)
{
	struct sum total = {0};
	int rc = zok_map_reduce(fail_to_map, add_up, NULL, &total, sizeof total);

	assert_int_equal(zok_map_reduce(fail_to_map, add_up, NULL, &total, 0), -EINVAL);
	return total.cores == 0 ? rc : 0;
}

static void test_nothing_is_reduced_where_a_map_failed(void **state)
{
	struct log_lines lines;

	log_lines_begin(&lines);
	assert_int_equal(zok_run(&all_cores, sums_nothing, NULL), -ENODATA);
	assert_int_equal(zok_broadcast(visit, NULL), -EINVAL);
	log_lines_end();
}

/* ---- Sharded ---- */

struct shard {
	uint64_t hits;
	int core;
};

static struct {
	int order[128];
	int count, fail_at;
} history;

/* One core after another: the array needs no lock. */
static int start(void *shard, void *arg)
{
	struct shard *self = shard;

	if (zok_core_index() == history.fail_at)
		return -EADDRINUSE;
	assert_int_equal(self->hits, 0);
	self->core = zok_core_index();
	history.order[history.count++] = self->core;
	return 0;
}

static void stop(void *shard, void *arg)
{
	struct shard *self = shard;

	assert_int_equal(self->core, zok_core_index());
	history.order[history.count++] = -1 - self->core;
}

static const struct zok_sharded_options counters = {.name = "counters", .size = sizeof(struct shard), .start = start, .stop = stop};

static int hit(void *shard, void *arg)
{
	struct shard *self = shard;

	self->hits += *(uint64_t *)arg;
	return self->core == zok_core_index() ? (int)self->hits : -EXDEV;
}

static int uses_shards(void *arg)
{
	unsigned last = zok_core_count() - 1;
	struct zok_sharded *sharded = NULL;
	uint64_t two = 2;
	int rc = zok_sharded_start(&sharded, &counters);

	if (rc < 0)
		return sharded ? 1 : rc;
	assert_int_equal(zok_sharded_on(sharded, last, hit, &two), 2);
	assert_int_equal(zok_sharded_on(sharded, last, hit, &two), 4);
	assert_int_equal(((struct shard *)zok_sharded_local(sharded))->core, 0);
	assert_int_equal(zok_sharded_on(sharded, last + 1, hit, &two), -EINVAL);
	if (arg)
		zok_scope_cancel(zok_root_scope());
	zok_sharded_stop(sharded);
	return (int)last + 1;
}

static void check_history(int cores)
{
	assert_int_equal(history.count, 2 * cores);
	for (int i = 0; i < cores; i++) {
		assert_int_equal(history.order[i], i);
		assert_int_equal(history.order[2 * cores - 1 - i], -1 - i);
	}
}

static void test_shards_start_in_order_and_stop_in_reverse(void **state)
{
	struct log_lines lines;
	int cores;

	log_lines_begin(&lines); /* of the core that is not there */
	history.count = 0;
	history.fail_at = -1;
	cores = zok_run(&all_cores, uses_shards, NULL);
	log_lines_end();
	check_history(cores);
}

static void test_shards_are_stopped_also_under_a_cancel(void **state)
{
	struct log_lines lines;
	int cores;

	log_lines_begin(&lines);
	history.count = 0;
	history.fail_at = -1;
	cores = zok_run(&all_cores, uses_shards, &history);
	log_lines_end();
	check_history(cores);
}

static int asks_for_nonsense(void *arg)
{
	struct zok_sharded *sharded = NULL;

	assert_int_equal(zok_sharded_start(&sharded, &(struct zok_sharded_options){.size = 0}), -EINVAL);
	assert_int_equal(zok_sharded_start(&sharded, &(struct zok_sharded_options){.size = SIZE_MAX / 2 + 1}), -EINVAL);
	assert_null(sharded);
	zok_sharded_stop(NULL);
	assert_int_equal(zok_map_reduce(add_here, add_up, NULL, NULL, SIZE_MAX / 2), -EINVAL);
	return 0;
}

static void test_what_makes_no_sense_is_refused_with_a_line(void **state)
{
	struct zok_sharded *sharded = NULL;
	struct log_lines lines;

	log_lines_begin(&lines);
	assert_int_equal(zok_run(&all_cores, asks_for_nonsense, NULL), 0);
	assert_int_equal(lines.count, 3);
	/* Off the cores there is nowhere to start it. */
	assert_int_equal(zok_sharded_start(&sharded, &counters), -EINVAL);
	assert_string_equal(lines.last, "zok_sharded_start: can be called on a core only");
	assert_int_equal(zok_map_reduce(add_here, add_up, NULL, NULL, 8), -EINVAL);
	assert_string_equal(lines.last, "zok_map_reduce: can be called on a core only");
	assert_int_equal(zok_broadcast(visit, NULL), -EINVAL);
	assert_string_equal(lines.last, "zok_broadcast: can be called on a core only");
	log_lines_end();
}

static int last_fails(void *arg)
{
	history.fail_at = (int)zok_core_count() - 1;
	return uses_shards(NULL);
}

static void test_a_shard_that_fails_stops_those_before_it(void **state)
{
	history.count = 0;
	assert_int_equal(zok_run(&all_cores, last_fails, NULL), -EADDRINUSE);
	check_history(history.fail_at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_broadcast_runs_once_on_each_core),
		cmocka_unit_test(test_a_broadcast_tells_the_error_after_all_have_ended),
		cmocka_unit_test(test_map_reduce_adds_up_in_the_order_of_the_cores),
		cmocka_unit_test(test_nothing_is_reduced_where_a_map_failed),
		cmocka_unit_test(test_shards_start_in_order_and_stop_in_reverse),
		cmocka_unit_test(test_shards_are_stopped_also_under_a_cancel),
		cmocka_unit_test(test_what_makes_no_sense_is_refused_with_a_line),
		cmocka_unit_test(test_a_shard_that_fails_stops_those_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
