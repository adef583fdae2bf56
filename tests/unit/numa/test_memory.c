/* Memory that prefers a node: the policy read back from the kernel, and memory all the same where the node is not there. */
#include "numa/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "numa/bitset.h"

#define SIZE ((size_t)100000)

static void maps_and_prefers_the_node(void **state)
{
	struct zok__bitset nodes = {{0}};
	void *memory;
	int policy = -1, placed = -1;

	assert_int_equal(zok__node_map(SIZE, 0, &memory, &placed), 0);
	memset(memory, 0x5a, SIZE);
	if (placed == 0) {
		assert_int_equal(syscall(SYS_get_mempolicy, &policy, nodes.word, ZOK__BITSET_MAX, memory, MPOL_F_ADDR), 0);
		assert_int_equal(policy, MPOL_PREFERRED);
		assert_int_equal(zok__bitset_next(&nodes, -1), 0);
	} else {
		print_message("mbind is refused here: %s\n", strerror(-placed));
	}
	zok__node_unmap(memory, SIZE);
}

static void gives_memory_also_where_the_node_is_not(void **state)
{
	static const int missing[] = {63, 64, 1023, ZOK__BITSET_MAX - 1, ZOK__BITSET_MAX};

	for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
		char *memory;
		int placed = 0;

		assert_int_equal(zok__node_map(SIZE, missing[i], (void **)&memory, &placed), 0);
		assert_true(placed < 0);
		assert_int_equal(memory[SIZE - 1], 0);
		zok__node_unmap(memory, SIZE);
	}
}

static void has_no_wish_for_node_minus_one(void **state)
{
	void *memory;
	int placed = -1;

	assert_int_equal(zok__node_map(1, -1, &memory, &placed), 0);
	assert_int_equal(placed, 0);
	zok__node_unmap(memory, 1);
	assert_int_equal(zok__node_map(1, 0, &memory, NULL), 0);
	zok__node_unmap(memory, 1);
	zok__node_unmap(NULL, 1);
}

static void refuses_sizes_that_cannot_be(void **state)
{
	void *memory = state;
	int placed = 7;

	assert_int_equal(zok__node_map(0, 0, &memory, &placed), -EINVAL);
	assert_int_equal(zok__node_map(SIZE_MAX / 2, 0, &memory, &placed), -ENOMEM);
	assert_ptr_equal(memory, state);
	assert_int_equal(placed, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(maps_and_prefers_the_node),
		cmocka_unit_test(gives_memory_also_where_the_node_is_not),
		cmocka_unit_test(has_no_wish_for_node_minus_one),
		cmocka_unit_test(refuses_sizes_that_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
