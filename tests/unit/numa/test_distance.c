/* The matrix of distances between nodes: read, copied, and what is said where nothing is known. */
#include "numa/distance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/numa/fake_tree.h"

#define NODES "/sys/devices/system/node"

static struct zok__bitset set_of(const char *list)
{
	struct zok__bitset set;

	assert_int_equal(zok__bitset_parse(list, &set), 0);
	return set;
}

static void says_the_defaults_where_nothing_is_known(void **state)
{
	struct zok__distances none = {.node_count = 0};

	assert_int_equal(zok__distance(&none, 3, 3), 10);
	assert_int_equal(zok__distance(&none, 0, 1), 20);
}

/* Node 1 is missing, node 5's row is cut short, node 7's holds something else. */
static void reads_rows_by_the_order_of_the_nodes(void **state)
{
	const struct zok__bitset nodes = set_of("0,2,5,7");
	char *root = fake_tree_create();
	struct zok__distances distances, copy;

	fake_tree_write(root, NODES "/node0/distance", "10 21 31 41\n");
	fake_tree_write(root, NODES "/node2/distance", "22 11 32 70000\n");
	fake_tree_write(root, NODES "/node5/distance", "33\n");
	fake_tree_write(root, NODES "/node7/distance", "near\n");
	assert_int_equal(zok__distances_read(&distances, root, &nodes), 0);
	fake_tree_destroy(root);
	assert_int_equal(zok__distances_copy(&copy, &distances), 0);
	zok__distances_finish(&distances);
	assert_int_equal(zok__distance(&distances, 0, 2), 20);
	assert_int_equal(zok__distance(&copy, 0, 2), 21);
	assert_int_equal(zok__distance(&copy, 2, 0), 22);
	assert_int_equal(zok__distance(&copy, 2, 2), 11);
	assert_int_equal(zok__distance(&copy, 0, 7), 41);
	assert_int_equal(zok__distance(&copy, 2, 7), UINT16_MAX);
	assert_int_equal(zok__distance(&copy, 5, 0), 33);
	assert_int_equal(zok__distance(&copy, 5, 2), 20);
	assert_int_equal(zok__distance(&copy, 7, 7), 10);
	assert_int_equal(zok__distance(&copy, 0, 1), 20);
	zok__distances_set(&copy, 1, 0, 99);
	assert_int_equal(zok__distance(&copy, 1, 0), 20);
	zok__distances_finish(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(says_the_defaults_where_nothing_is_known),
		cmocka_unit_test(reads_rows_by_the_order_of_the_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
