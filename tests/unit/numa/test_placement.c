/*
 * Placement on a machine that really has nodes: every policy on every node, each page touched from a CPU of another node and asked back from the
 * kernel; huge pages where one node has them and another has not; nodes without memory and without CPUs.
 *
 * Takes the machine as it is and changes nothing: a case whose machine is not here says so and is skipped, and on one node the whole program exits
 * with 77. To see every case run: two nodes with memory and CPUs, a third with CPUs only, a fourth with memory only, and 2 MiB
 * pages reserved on one of them (nodeN/hugepages/hugepages-2048kB/nr_hugepages), at least eight. tests/vm boots such machines.
 */
#include "core/core.h"
#include "numa/bind.h"
#include "numa/cpuset.h"
#include "numa/file.h"
#include "numa/memory.h"
#include "numa/node.h"
#include "zokio/runtime.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB  ((size_t)1 << 20)
#define SIZE (4 * MIB)

enum { EXIT_SKIPPED = 77 };

static struct zok__bitset online, usable;
static struct zok__bitset my_cpus;

static bool cpus_of(int node, struct zok__bitset *cpus)
{
	if (zok__file_read_set(cpus, "", "/sys/devices/system/node/node%d/cpulist", node) < 0)
		return false;
	zok__bitset_intersect(cpus, &my_cpus);
	return !zok__bitset_is_empty(cpus);
}

/* Runs the rest of the case on a CPU of any other node than `node`. False where there is none. */
static bool move_away_from(int node)
{
	struct zok__bitset cpus;

	for (int other = -1; (other = zok__bitset_next(&online, other)) >= 0;)
		if (other != node && cpus_of(other, &cpus))
			return zok__bind_thread(zok__bitset_next(&cpus, -1)) == 0;
	return false;
}

/* To everywhere: a runtime takes its choice of cores from the thread that makes it. */
static void move_back(void)
{
	assert_int_equal(sched_setaffinity(0, sizeof my_cpus, (const cpu_set_t *)(const void *)&my_cpus), 0);
}

static int any_other_usable(int node)
{
	int other = -1;

	while ((other = zok__bitset_next(&usable, other)) == node)
		;
	return other;
}

/* Touches every byte from where the thread runs. */
static struct zok__region map(int node, enum zok__memory_policy policy, enum zok__page_wish pages)
{
	struct zok__region_wish wish = {.size = SIZE, .node = node, .policy = policy, .pages = pages};
	struct zok__region region = {.memory = NULL};
	char error[ZOK__MEMORY_TEXT_SIZE] = "", text[128];

	if (zok__region_map(&wish, &region, error, sizeof error) < 0)
		fail_msg("node %d: %s", node, error);
	memset(region.memory, 0x5a, region.size);
	zok__region_describe(&region, text, sizeof text);
	print_message("asked for node %d: %s%s%s\n", node, text, region.why[0] ? ": " : "", region.why);
	return region;
}

/* `expected` -1: the pages may lie on any node. */
static void check_every_page(struct zok__region *region, int expected)
{
	struct zok__residence residence;

	assert_int_equal(zok__region_where(region, NULL, &residence), 0);
	assert_int_equal(residence.absent, 0);
	assert_int_equal(residence.elsewhere, 0);
	assert_true(residence.on_node > 0);
	assert_int_equal(region->node_got, expected);
	zok__region_unmap(region);
}

static void check_on_every_node(enum zok__memory_policy policy, enum zok__page_wish pages)
{
	for (int node = -1; (node = zok__bitset_next(&usable, node)) >= 0;) {
		struct zok__region region;

		if (!move_away_from(node))
			print_message("node %d: no CPU of another node: touched from its own\n", node);
		region = map(node, policy, pages);
		assert_false(region.is_refused);
		check_every_page(&region, node);
	}
}

static void preferred_pages_lie_on_their_node_whoever_touches_them(void **state)
{
	check_on_every_node(ZOK__MEMORY_PREFERRED, ZOK__PAGES_OFF);
	check_on_every_node(ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
}

static void strict_pages_lie_on_their_node_whoever_touches_them(void **state)
{
	check_on_every_node(ZOK__MEMORY_STRICT, ZOK__PAGES_OFF);
	check_on_every_node(ZOK__MEMORY_STRICT, ZOK__PAGES_AUTO);
}

/* Half and half on two nodes: counted with the region passed off as each node's in turn. */
static void interleaved_pages_lie_on_all_nodes_in_equal_parts(void **state)
{
	struct zok__region region = map(-1, ZOK__MEMORY_INTERLEAVE, ZOK__PAGES_OFF);
	size_t nodes = 0, least = SIZE_MAX, most = 0;

	for (int node = -1; (node = zok__bitset_next(&usable, node)) >= 0; nodes++) {
		struct zok__residence residence;

		region.node_got = node;
		assert_int_equal(zok__region_where(&region, NULL, &residence), 0);
		assert_int_equal(residence.absent, 0);
		least = residence.on_node < least ? residence.on_node : least;
		most = residence.on_node > most ? residence.on_node : most;
	}
	if (nodes > 1)
		assert_true(most - least <= 1);
	region.node_got = -1;
	check_every_page(&region, -1);
}

static void strict_memory_is_refused_beyond_what_the_node_has(void **state)
{
	for (int node = -1; (node = zok__bitset_next(&usable, node)) >= 0;) {
		int64_t free_bytes = zok__node_free_bytes("", node);
		struct zok__region_wish wish = {.size = (size_t)free_bytes * 2 + SIZE, .node = node, .policy = ZOK__MEMORY_STRICT};
		struct zok__region region;
		char error[ZOK__MEMORY_TEXT_SIZE] = "";

		assert_true(free_bytes > 0);
		assert_int_equal(zok__region_map(&wish, &region, error, sizeof error), -ENOMEM);
		print_message("%s\n", error);
		assert_non_null(strstr(error, "of strict memory asked for"));
	}
}

/* Free 2 MiB pages on a node, and a node with memory that has none. */
static bool find_lopsided(int *with, int *without)
{
	int64_t needed = SIZE / (2 * MIB);

	*with = *without = -1;
	for (int node = -1; (node = zok__bitset_next(&usable, node)) >= 0;) {
		if (zok__node_huge_free("", node, 2 * MIB) >= needed)
			*with = node;
		else
			*without = node;
	}
	return *with >= 0 && *without >= 0;
}

static void reserved_pages_on_one_node_serve_that_node_only(void **state)
{
	int with, without;
	struct zok__region region;

	if (!find_lopsided(&with, &without)) {
		print_message("skipped: 2 MiB pages are not reserved on one node and missing on another\n");
		skip();
	}
	move_away_from(with);
	region = map(with, ZOK__MEMORY_STRICT, ZOK__PAGES_2M);
	assert_int_equal(region.kind, ZOK__PAGES_RESERVED);
	check_every_page(&region, with);
	move_away_from(without);
	region = map(without, ZOK__MEMORY_PREFERRED, ZOK__PAGES_2M);
	assert_int_not_equal(region.kind, ZOK__PAGES_RESERVED);
	assert_non_null(strstr(region.why, "2 MiB pages: "));
	check_every_page(&region, without);
}

/* More than is reserved: an errno and a smaller page, and no SIGBUS. */
static void more_than_is_reserved_falls_back(void **state)
{
	int with, without;
	struct zok__region_wish wish = {.policy = ZOK__MEMORY_PREFERRED, .pages = ZOK__PAGES_2M};
	struct zok__region region = {.memory = NULL};
	char error[ZOK__MEMORY_TEXT_SIZE] = "";

	if (!find_lopsided(&with, &without)) {
		print_message("skipped: 2 MiB pages are not reserved on one node and missing on another\n");
		skip();
	}
	wish.node = with;
	wish.size = (size_t)(zok__node_huge_free("", with, 2 * MIB) + 1) * 2 * MIB;
	assert_int_equal(zok__region_map(&wish, &region, error, sizeof error), 0);
	assert_int_not_equal(region.kind, ZOK__PAGES_RESERVED);
	print_message("%s\n", region.why);
	memset(region.memory, 0x5a, 2 * MIB);
	zok__region_unmap(&region);
}

static void a_node_without_memory_is_served_by_its_nearest(void **state)
{
	size_t count = 0;

	for (int node = -1; (node = zok__bitset_next(&online, node)) >= 0;) {
		struct zok__region region;
		struct zok__bitset cpus;
		int nearest;

		if (zok__bitset_has(&usable, node))
			continue;
		count++;
		if (cpus_of(node, &cpus))
			assert_int_equal(zok__bind_thread(zok__bitset_next(&cpus, -1)), 0);
		nearest = zok__node_nearest("", node, &usable, NULL);
		region = map(node, ZOK__MEMORY_PREFERRED, ZOK__PAGES_OFF);
		assert_non_null(strstr(region.why, "has no memory that this process may use: took node"));
		check_every_page(&region, nearest);
	}
	if (count == 0) {
		print_message("skipped: every node has memory\n");
		skip();
	}
}

static void a_node_without_cpus_gives_its_memory_all_the_same(void **state)
{
	size_t count = 0;

	for (int node = -1; (node = zok__bitset_next(&usable, node)) >= 0;) {
		struct zok__region region;
		struct zok__bitset cpus;

		if (cpus_of(node, &cpus))
			continue;
		count++;
		assert_true(move_away_from(node));
		region = map(node, ZOK__MEMORY_STRICT, ZOK__PAGES_OFF);
		check_every_page(&region, node);
	}
	if (count == 0) {
		print_message("skipped: every node with memory has a CPU\n");
		skip();
	}
}

/* What runs on a core of the node: the core and this very stack must lie there. */
static int looks_where_it_lies(void *arg)
{
	const struct zok__region *region = zok__heap_region(zok__core()->heap);
	struct zok__residence residence;
	char on_stack = 0;
	void *page = &on_stack;
	int node = *(int *)arg, stack_node = -1;

	assert_int_equal(region->node_got, node);
	assert_int_equal(zok__region_where(region, NULL, &residence), 0);
	assert_int_equal(residence.elsewhere, 0);
	assert_true(residence.on_node > 0);
	assert_int_equal(zok__memory_calls.where(&page, &stack_node, 1), 0);
	assert_int_equal(stack_node, node);
	return 0;
}

/* Made by a thread that runs on another node, so what was touched first would lie there. */
static void a_core_lies_on_its_node_whoever_makes_it(void **state)
{
	static const char *const policies[] = {"preferred", "strict"};

	for (int node = -1; (node = zok__bitset_next(&usable, node)) >= 0;) {
		struct zok__bitset cpus;
		char cores[32];

		if (!cpus_of(node, &cpus))
			continue;
		snprintf(cores, sizeof cores, "%d", zok__bitset_next(&cpus, -1));
		for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
			struct zok_options options = {.cores = cores, .engine = "epoll", .memory = policies[i]};
			struct zok_runtime *runtime;

			move_away_from(node);
			move_back(); /* allowed everywhere, and still there */
			assert_int_equal(zok_runtime_create(&runtime, &options), 0);
			assert_int_equal(zok_runtime_start(runtime, looks_where_it_lies, &node), 0);
			assert_int_equal(zok_runtime_stop(runtime), 0);
			zok_runtime_destroy(runtime);
		}
	}
	move_back();
}

/* The check itself can see a page that is elsewhere. */
static void a_page_on_another_node_is_seen(void **state)
{
	int node = zok__bitset_next(&usable, -1);
	struct zok__residence residence;
	struct zok__region region;

	if (any_other_usable(node) < 0) {
		print_message("skipped: one node has all memory\n");
		skip();
	}
	region = map(node, ZOK__MEMORY_STRICT, ZOK__PAGES_OFF);
	region.node_got = any_other_usable(node);
	assert_int_equal(zok__region_where(&region, NULL, &residence), 0);
	assert_int_equal(residence.on_node, 0);
	assert_true(residence.elsewhere > 0);
	zok__region_unmap(&region);
}

static int look_at_the_machine(void)
{
	struct zok__bitset one = {{0}};
	char text[64];

	if (zok__affinity_read(&my_cpus) < 0 || zok__nodes_online("", &online) < 0 || zok__nodes_usable("", &usable) < 0) {
		printf("skipped: /sys shows no NUMA nodes\n");
		return EXIT_SKIPPED;
	}
	zok__bitset_add(&one, zok__bitset_next(&online, -1));
	if (memcmp(&one, &online, sizeof one) == 0) {
		zok__bitset_format(&online, text, sizeof text);
		printf("skipped: this machine has one NUMA node (%s)\n", text);
		return EXIT_SKIPPED;
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(preferred_pages_lie_on_their_node_whoever_touches_them),
		cmocka_unit_test(strict_pages_lie_on_their_node_whoever_touches_them),
		cmocka_unit_test(interleaved_pages_lie_on_all_nodes_in_equal_parts),
		cmocka_unit_test(strict_memory_is_refused_beyond_what_the_node_has),
		cmocka_unit_test(reserved_pages_on_one_node_serve_that_node_only),
		cmocka_unit_test(more_than_is_reserved_falls_back),
		cmocka_unit_test(a_node_without_memory_is_served_by_its_nearest),
		cmocka_unit_test(a_node_without_cpus_gives_its_memory_all_the_same),
		cmocka_unit_test(a_core_lies_on_its_node_whoever_makes_it),
		cmocka_unit_test(a_page_on_another_node_is_seen),
	};
	int rc = look_at_the_machine();

	return rc != 0 ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
