/* Poll threads: who shares one, and the nearest free CPU for it, on machines that are made up; and two real cores behind one thread. */
#include "runtime/runtime.h"
#include "runtime/sqpoll.h"
#include "zokio/zokio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CPUS = 16 };

/* Two nodes of four physical cores with two CPUs each: CPU i and i + 8 are siblings; nodes are 0-3 and 4-7. */
static struct zok__place places[CPUS];
static struct zok__topology machine = {.place = places, .place_count = CPUS};
static struct zok__sqpoll_seat seats[CPUS];

static int set_up(void **state)
{
	for (int i = 0; i < CPUS; i++) {
		int physical = i % 8, node = physical / 4;

		places[i] =
			(struct zok__place){.cpu = i, .node = node, .package = node, .physical = physical, .cache = node * 4, .smt = i / 8};
	}
	return 0;
}

static void plan(const char *allowed_text, const int *cpus, size_t count)
{
	struct zok__place cores[CPUS];
	struct zok__bitset allowed;

	assert_int_equal(zok__bitset_parse(allowed_text, &allowed), 0);
	for (size_t i = 0; i < count; i++)
		cores[i] = places[cpus[i]];
	memset(seats, 0, sizeof seats);
	zok__sqpoll_plan_from(&machine, &allowed, cores, count, seats);
}

static void test_the_sibling_is_first(void **state)
{
	plan("0-15", (const int[]){1}, 1);
	assert_int_equal(seats[0].cpu, 9);
	assert_int_equal(seats[0].tier, ZOK__TIER_SMT);
}

static void test_then_the_cache_then_far(void **state)
{
	plan("0-7", (const int[]){1}, 1); /* no siblings allowed */
	assert_int_equal(seats[0].cpu, 0);
	assert_int_equal(seats[0].tier, ZOK__TIER_CACHE);
	plan("1,5-6", (const int[]){1}, 1);
	assert_int_equal(seats[0].cpu, 5);
	assert_int_equal(seats[0].tier, ZOK__TIER_FAR);
}

static void test_a_core_is_never_shared_with_the_thread(void **state)
{
	char text[160];

	plan("1,9", (const int[]){1, 9}, 2);
	assert_int_equal(seats[0].cpu, -1);
	zok__sqpoll_describe(seats, 2, text, sizeof text);
	assert_string_equal(text, "1 for 2 cores; unpinned: no CPU that we may use is free of cores");
	plan("1,9", (const int[]){1}, 1);
	zok__sqpoll_describe(seats, 1, text, sizeof text);
	assert_string_equal(text, "1 for 1 cores; the first on CPU 9 (smt)");
}

static void test_a_group_is_of_one_node_and_of_four_at_most(void **state)
{
	static const int cpus[] = {0, 4, 1, 2, 3, 8, 5};
	static const unsigned leaders[] = {0, 1, 0, 0, 0, 5, 1};

	plan("0-15", cpus, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(seats[i].leader, leaders[i]);
	/* Three threads, three CPUs: the sibling of core 0 is a core itself. */
	assert_int_equal(seats[0].cpu, 9);
	assert_int_equal(seats[1].cpu, 12);
	assert_int_equal(seats[5].cpu, 10);
	assert_int_equal(seats[2].cpu, seats[0].cpu);
}

static int report(void *text)
{
	zok_engine_report(text, 4096);
	return 0;
}

static int reports_and_calls(void *text)
{
	report(text);
	return zok_call_on(zok_core_count() - 1, report, (char *)text + 4096);
}

static void test_real_cores_share_a_thread(void **state)
{
	static char text[2 * 4096];
	int rc = zok_run(&(struct zok_options){.cores = "all", .engine = "uring", .mode = "sqpoll"}, reports_and_calls, text);

	if (rc == -ENOSYS || rc == -EPERM)
		skip();
	assert_int_equal(rc, 0);
	assert_non_null(strstr(text, "sqpoll threads"));
	assert_string_equal(text, text + 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_sibling_is_first),
		cmocka_unit_test(test_then_the_cache_then_far),
		cmocka_unit_test(test_a_core_is_never_shared_with_the_thread),
		cmocka_unit_test(test_a_group_is_of_one_node_and_of_four_at_most),
		cmocka_unit_test(test_real_cores_share_a_thread),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
