/* What /sys says of nodes' memory: which have some, who is near, what is free; and answers where it says nothing. */
#include "numa/node.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/numa/fake_tree.h"

#define NODE_DIR "/sys/devices/system/node"

static char *root;

static int make_root(void **state)
{
	root = fake_tree_create();
	return 0;
}

static int drop_root(void **state)
{
	fake_tree_destroy(root);
	return 0;
}

static void assert_set(const struct zok__bitset *set, const char *expected)
{
	char text[64];

	zok__bitset_format(set, text, sizeof text);
	assert_string_equal(text, expected);
}

static void without_sys_every_answer_is_an_errno(void **state)
{
	struct zok__bitset set = {{0}}, among = {{0}};
	int distance = -1;

	assert_int_equal(zok__nodes_online(root, &set), -ENOENT);
	assert_int_equal(zok__nodes_usable(root, &set), -ENOENT);
	assert_int_equal(zok__node_free_bytes(root, 0), -ENOENT);
	assert_int_equal(zok__node_huge_free(root, 0, 2 << 20), -ENOENT);
	assert_false(zok__transparent_is_on(root));
	assert_int_equal(zok__node_nearest(root, 0, &among, &distance), -ENOENT);
	zok__bitset_add(&among, 5);
	zok__bitset_add(&among, 2);
	assert_int_equal(zok__node_nearest(root, 0, &among, &distance), 2);
	assert_int_equal(distance, 0);
}

static void memory_is_where_the_kernel_and_the_cpuset_say(void **state)
{
	struct zok__bitset set;

	fake_tree_write(root, NODE_DIR "/online", "0-3\n");
	assert_int_equal(zok__nodes_usable(root, &set), 0);
	assert_set(&set, "0-3"); /* an old kernel without has_memory */
	fake_tree_write(root, NODE_DIR "/has_memory", "0,2-3\n");
	assert_int_equal(zok__nodes_usable(root, &set), 0);
	assert_set(&set, "0,2-3");
	fake_tree_write(root, "/proc/self/status", "Name:\tx\nMems_allowed:\t0000000c\nMems_allowed_list:\t2-3\nend:\t1\n");
	assert_int_equal(zok__nodes_usable(root, &set), 0);
	assert_set(&set, "2-3");
}

/* What cannot be read limits nothing: a list that is longer than any there is, and one that is none. */
static void a_cpuset_that_makes_no_sense_is_left_alone(void **state)
{
	char status[8192] = "Name:\tx\nMems_allowed_list:\t";
	struct zok__bitset set;

	fake_tree_write(root, NODE_DIR "/online", "0-3\n");
	while (strlen(status) + 8 < sizeof status)
		strcat(status, "0,");
	strcat(status, "0\n");
	fake_tree_write(root, "/proc/self/status", status);
	assert_int_equal(zok__nodes_usable(root, &set), 0);
	assert_set(&set, "0-3");
	fake_tree_write(root, "/proc/self/status", "Name:\tx\nMems_allowed_list:\tsome\n");
	assert_int_equal(zok__nodes_usable(root, &set), 0);
	assert_set(&set, "0-3");
	fake_tree_write(root, "/proc/self/status", "Name:\tx\n");
	assert_int_equal(zok__nodes_usable(root, &set), 0);
	assert_set(&set, "0-3");
}

/* The numbers in a distance file follow the nodes that are online: 0, 2 and 5 here. */
static void the_nearest_is_by_the_firmwares_distances(void **state)
{
	struct zok__bitset among = {{0}};
	int distance;

	fake_tree_write(root, NODE_DIR "/online", "0,2,5\n");
	fake_tree_write(root, NODE_DIR "/node2/distance", "21 10 17\n");
	zok__bitset_add(&among, 0);
	zok__bitset_add(&among, 5);
	assert_int_equal(zok__node_nearest(root, 2, &among, &distance), 5);
	assert_int_equal(distance, 17);
	zok__bitset_add(&among, 2);
	assert_int_equal(zok__node_nearest(root, 2, &among, NULL), 2);
	fake_tree_write(root, NODE_DIR "/node2/distance", "20 10 20\n");
	zok__bitset_remove(&among, 2);
	assert_int_equal(zok__node_nearest(root, 2, &among, &distance), 0);
	/* A row with a 0 is none, and what is not there is not near. */
	fake_tree_write(root, NODE_DIR "/node2/distance", "0 10 17\n");
	assert_int_equal(zok__node_nearest(root, 2, &among, &distance), 0);
	assert_int_equal(distance, 0);
	fake_tree_write(root, NODE_DIR "/node2/distance", "30 10\n");
	assert_int_equal(zok__node_nearest(root, 2, &among, &distance), 0);
	assert_int_equal(distance, 30);
	fake_tree_write(root, NODE_DIR "/node2/distance", "rubbish\n");
	assert_int_equal(zok__node_nearest(root, 2, &among, &distance), 0);
	assert_int_equal(distance, 0);
}

static void free_memory_counts_the_page_cache_and_what_the_kernel_keeps(void **state)
{
	fake_tree_write(root, NODE_DIR "/node1/meminfo",
			"Node 1 MemTotal:       64000 kB\nNode 1 MemFree:        5000 kB\nNode 1 Active(file):    200 kB\n"
			"Node 1 Inactive(file):  300 kB\n");
	assert_int_equal(zok__node_free_bytes(root, 1), (5000 + 200 + 300 - 1000) * 1024);
	fake_tree_write(root, NODE_DIR "/node2/meminfo", "Node 2 MemTotal:  64000 kB\nNode 2 MemFree:  10 kB\n");
	assert_int_equal(zok__node_free_bytes(root, 2), 0);
	fake_tree_write(root, NODE_DIR "/node3/meminfo", "rubbish\n");
	assert_int_equal(zok__node_free_bytes(root, 3), -EINVAL);
}

static void huge_pages_are_counted_by_size_and_node(void **state)
{
	fake_tree_write(root, NODE_DIR "/node1/hugepages/hugepages-2048kB/free_hugepages", "7\n");
	fake_tree_write(root, NODE_DIR "/node1/hugepages/hugepages-1048576kB/free_hugepages", "1\n");
	assert_int_equal(zok__node_huge_free(root, 1, (size_t)2 << 20), 7);
	assert_int_equal(zok__node_huge_free(root, 1, (size_t)1 << 30), 1);
	assert_int_equal(zok__node_huge_free(root, 0, (size_t)2 << 20), -ENOENT);
}

static void transparent_pages_are_on_unless_never(void **state)
{
	fake_tree_write(root, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	assert_true(zok__transparent_is_on(root));
	fake_tree_write(root, "/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
	assert_false(zok__transparent_is_on(root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_sys_every_answer_is_an_errno, make_root, drop_root),
		cmocka_unit_test_setup_teardown(memory_is_where_the_kernel_and_the_cpuset_say, make_root, drop_root),
		cmocka_unit_test_setup_teardown(a_cpuset_that_makes_no_sense_is_left_alone, make_root, drop_root),
		cmocka_unit_test_setup_teardown(the_nearest_is_by_the_firmwares_distances, make_root, drop_root),
		cmocka_unit_test_setup_teardown(free_memory_counts_the_page_cache_and_what_the_kernel_keeps, make_root, drop_root),
		cmocka_unit_test_setup_teardown(huge_pages_are_counted_by_size_and_node, make_root, drop_root),
		cmocka_unit_test_setup_teardown(transparent_pages_are_on_unless_never, make_root, drop_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
