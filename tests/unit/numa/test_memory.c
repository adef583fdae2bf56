/* Regions on nodes: the policy that the kernel was given, what was got and why, and each system call refused; on made-up machines and on this one. */
#include "numa/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "numa/node.h"
#include "tests/unit/numa/fake_tree.h"

#define NODE_DIR "/sys/devices/system/node"
#define MIB	 ((size_t)1 << 20)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static char *root;

/* What the fake kernel answers, and what it was asked. Reserved huge pages are played by normal memory. */
static struct {
	int map_rc, huge_rc, bind_rc, populate_rc, advise_rc, where_rc;
	int bound_mode, advice;
	size_t populated;
	struct zok__bitset bound;
	int where_node;
} fake;

static int fake_map(size_t size, int flags, void **out)
{
	if ((flags & MAP_HUGETLB) != 0 && fake.huge_rc < 0)
		return fake.huge_rc;
	if (fake.map_rc < 0)
		return fake.map_rc;
	return zok__memory_calls.map(size, 0, out);
}

static int fake_bind(void *memory, size_t size, int mode, const void *mask)
{
	if (fake.bind_rc < 0)
		return fake.bind_rc;
	fake.bound_mode = mode;
	fake.bound = *(const struct zok__bitset *)mask;
	return 0;
}

static int fake_advise(void *memory, size_t size, int advice)
{
	if (advice != MADV_POPULATE_WRITE) {
		fake.advice = advice;
		return fake.advise_rc;
	}
	fake.populated += fake.populate_rc == 0 ? size : 0;
	return fake.populate_rc;
}

static int fake_where(void **pages, int *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		nodes[i] = i % 4 == 0 ? -ENOENT : fake.where_node;
	return fake.where_rc;
}

static const struct zok__memory_calls calls = {.map = fake_map, .bind = fake_bind, .advise = fake_advise, .where = fake_where};

static void set_huge_free(int node, const char *size, const char *count)
{
	char path[128];

	snprintf(path, sizeof path, NODE_DIR "/node%d/hugepages/hugepages-%s/free_hugepages", node, size);
	fake_tree_write(root, path, count);
}

/* Nodes 0 and 1 with memory, 64 MiB of it free on each; node 2 without memory, nearer to 1; two 2 MiB pages free on node 1, none on 0. */
static int make_machine(void **state)
{
	root = fake_tree_create();
	fake_tree_write(root, NODE_DIR "/online", "0-2\n");
	fake_tree_write(root, NODE_DIR "/has_memory", "0-1\n");
	fake_tree_write(root, NODE_DIR "/node2/distance", "30 20 10\n");
	for (int node = 0; node < 2; node++) {
		char path[128];

		snprintf(path, sizeof path, NODE_DIR "/node%d/meminfo", node);
		fake_tree_write(root, path, "Node X MemTotal: 65536 kB\nNode X MemFree: 66560 kB\n");
		set_huge_free(node, "2048kB", node == 1 ? "2\n" : "0\n");
		set_huge_free(node, "1048576kB", "0\n");
	}
	fake_tree_write(root, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	memset(&fake, 0, sizeof fake);
	return 0;
}

static int drop_machine(void **state)
{
	fake_tree_destroy(root);
	return 0;
}

static struct zok__region_wish wish_of(size_t size, int node, enum zok__memory_policy policy, enum zok__page_wish pages)
{
	return (struct zok__region_wish){.size = size, .node = node, .policy = policy, .pages = pages, .root = root, .calls = &calls};
}

static struct zok__region map(const struct zok__region_wish *wish)
{
	struct zok__region region = {.memory = NULL};
	char error[ZOK__MEMORY_TEXT_SIZE] = "";

	if (zok__region_map(wish, &region, error, sizeof error) < 0)
		fail_msg("refused: %s", error);
	assert_int_equal(region.size % region.page_size, 0);
	assert_true(region.size >= wish->size);
	assert_int_equal(((char *)region.memory)[0], 0);
	memset(region.memory, 0x5a, region.size);
	return region;
}

static void expect_error(const struct zok__region_wish *wish, int rc, const char *line)
{
	struct zok__region region = {.node_asked = 77};
	char error[ZOK__MEMORY_TEXT_SIZE] = "";

	assert_int_equal(zok__region_map(wish, &region, error, sizeof error), rc);
	assert_string_equal(error, line);
	assert_int_equal(region.node_asked, 77);
}

static void expect_bound(int mode, const char *nodes)
{
	char text[64];

	zok__bitset_format(&fake.bound, text, sizeof text);
	assert_int_equal(fake.bound_mode, mode);
	assert_string_equal(text, nodes);
}

static void each_policy_names_its_nodes(void **state)
{
	struct zok__region_wish wish = wish_of(100000, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_OFF);
	struct zok__region region = map(&wish);

	expect_bound(MPOL_PREFERRED, "1");
	assert_int_equal(region.node_got, 1);
	assert_string_equal(region.why, "");
	assert_int_equal(region.kind, ZOK__PAGES_NORMAL);
	assert_int_equal(fake.populated, 0);
	zok__region_unmap(&region);
	wish.policy = ZOK__MEMORY_STRICT;
	region = map(&wish);
	expect_bound(MPOL_BIND, "1");
	assert_int_equal(fake.populated, region.size);
	zok__region_unmap(&region);
	wish.policy = ZOK__MEMORY_INTERLEAVE;
	region = map(&wish);
	expect_bound(MPOL_INTERLEAVE, "0-1");
	assert_int_equal(region.node_got, -1);
	zok__region_unmap(&region);
}

static void no_wish_for_a_node_sets_no_policy(void **state)
{
	struct zok__region_wish wish = wish_of(1, -1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	struct zok__region region = map(&wish);

	expect_bound(0, "none");
	assert_string_equal(region.why, "");
	zok__region_unmap(&region);
	zok__region_unmap(&region); /* nothing left, and nothing happens */
}

static void reserved_pages_come_from_their_node_only(void **state)
{
	struct zok__region_wish wish = wish_of(3 * MIB, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_2M);
	struct zok__region region = map(&wish);

	assert_int_equal(region.kind, ZOK__PAGES_RESERVED);
	assert_int_equal(region.size, 4 * MIB);
	assert_int_equal(region.page_size, 2 * MIB);
	assert_int_equal(fake.populated, 4 * MIB);
	assert_string_equal(region.why, "");
	zok__region_unmap(&region);
	wish.node = 0;
	region = map(&wish);
	assert_int_equal(region.kind, ZOK__PAGES_TRANSPARENT);
	assert_int_equal(fake.advice, MADV_HUGEPAGE);
	assert_int_equal((uintptr_t)region.memory % (2 * MIB), 0);
	assert_string_equal(region.why, "2 MiB pages: 2 needed on node 0, 0 free");
	zok__region_unmap(&region);
}

static void by_itself_a_page_size_is_used_where_it_is_filled(void **state)
{
	struct zok__region_wish wish = wish_of(3 * MIB, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	struct zok__region region = map(&wish);

	assert_int_equal(region.kind, ZOK__PAGES_TRANSPARENT); /* a quarter would be wasted */
	assert_string_equal(region.why, "");
	zok__region_unmap(&region);
	wish.size = 4 * MIB - 4096;
	region = map(&wish);
	assert_int_equal(region.kind, ZOK__PAGES_RESERVED);
	zok__region_unmap(&region);
	wish.size = 100000;
	region = map(&wish);
	assert_int_equal(region.kind, ZOK__PAGES_NORMAL);
	zok__region_unmap(&region);
}

static void a_wish_for_1_gib_goes_down_a_size_at_a_time(void **state)
{
	struct zok__region_wish wish = wish_of(4 * MIB, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_1G);
	struct zok__region region = map(&wish);

	assert_int_equal(region.page_size, 2 * MIB);
	assert_int_equal(region.kind, ZOK__PAGES_RESERVED);
	assert_string_equal(region.why, "1 GiB pages: 1 needed on node 1, 0 free");
	zok__region_unmap(&region);
	set_huge_free(1, "2048kB", "1\n");
	fake_tree_write(root, "/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
	region = map(&wish);
	assert_int_equal(region.kind, ZOK__PAGES_NORMAL);
	assert_string_equal(region.why, "1 GiB pages: 1 needed on node 1, 0 free; 2 MiB pages: 2 needed on node 1, 1 free; "
					"transparent huge pages are off");
	zok__region_unmap(&region);
}

/* SIGBUS at the first touch is what the kernel would have answered. */
static void reserved_pages_that_cannot_be_touched_are_given_back(void **state)
{
	struct zok__region_wish wish = wish_of(4 * MIB, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_2M);
	struct zok__region region;

	fake.populate_rc = -EFAULT;
	region = map(&wish);
	assert_int_equal(region.kind, ZOK__PAGES_TRANSPARENT);
	assert_string_equal(region.why, "2 MiB pages: not to be had on touch: Bad address");
	zok__region_unmap(&region);
	fake.populate_rc = 0;
	fake.huge_rc = -ENOMEM;
	region = map(&wish);
	assert_string_equal(region.why, "2 MiB pages: not enough are reserved");
	zok__region_unmap(&region);
}

static void interleaved_reserved_pages_need_their_part_on_each_node(void **state)
{
	struct zok__region_wish wish = wish_of(4 * MIB, -1, ZOK__MEMORY_INTERLEAVE, ZOK__PAGES_2M);
	struct zok__region region = map(&wish);

	assert_string_equal(region.why, "2 MiB pages: 1 needed on node 0, 0 free");
	zok__region_unmap(&region);
	set_huge_free(0, "2048kB", "1\n");
	region = map(&wish);
	assert_int_equal(region.kind, ZOK__PAGES_RESERVED);
	zok__region_unmap(&region);
}

static void strict_is_refused_on_a_short_node_with_its_figures(void **state)
{
	struct zok__region_wish wish = wish_of(64 * MIB, 1, ZOK__MEMORY_STRICT, ZOK__PAGES_AUTO);
	struct zok__region region = map(&wish);

	zok__region_unmap(&region);
	wish.size += 2 * MIB;
	expect_error(&wish, -ENOMEM, "node 1: 66 MiB of strict memory asked for, 64 MiB free there");
	wish.policy = ZOK__MEMORY_PREFERRED;
	region = map(&wish);
	zok__region_unmap(&region);
	wish = wish_of(4 * MIB, 1, ZOK__MEMORY_STRICT, ZOK__PAGES_OFF);
	fake.populate_rc = -ENOMEM;
	expect_error(&wish, -ENOMEM, "4 MiB could not be faulted in: Cannot allocate memory");
}

static void a_memoryless_node_is_served_by_its_neighbour(void **state)
{
	struct zok__region_wish wish = wish_of(MIB, 2, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	struct zok__region region = map(&wish);

	expect_bound(MPOL_PREFERRED, "1");
	assert_int_equal(region.node_asked, 2);
	assert_int_equal(region.node_got, 1);
	assert_string_equal(region.why, "node 2 has no memory that this process may use: took node 1, the nearest that has (distance 20)");
	zok__region_unmap(&region);
	wish.policy = ZOK__MEMORY_STRICT;
	expect_error(&wish, -ENOMEM, "node 2 has no memory that this process may use; the nearest that has is node 1");
	fake_tree_write(root, NODE_DIR "/has_memory", "\n");
	expect_error(&wish, -ENOMEM, "node 2: no node has memory that this process may use");
}

static void a_node_outside_the_cpuset_is_served_by_its_neighbour(void **state)
{
	struct zok__region_wish wish = wish_of(MIB, 0, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	struct zok__region region;

	fake_tree_write(root, "/proc/self/status", "Name:\tx\nMems_allowed_list:\t1\n");
	region = map(&wish);
	assert_int_equal(region.node_got, 1);
	zok__region_unmap(&region);
}

static void a_node_that_is_not_there_is_named(void **state)
{
	static const int missing[] = {3, 64, 1023, ZOK__BITSET_MAX - 1, ZOK__BITSET_MAX};

	for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
		struct zok__region_wish wish = wish_of(MIB, missing[i], ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
		struct zok__region region = map(&wish);
		char line[ZOK__MEMORY_TEXT_SIZE];

		snprintf(line, sizeof line, "node %d: no such node here, memory is on 0-1: left to the kernel", missing[i]);
		assert_string_equal(region.why, line);
		assert_int_equal(region.node_got, -1);
		zok__region_unmap(&region);
		wish.policy = ZOK__MEMORY_STRICT;
		snprintf(line, sizeof line, "node %d: no such node here; memory is on 0-1", missing[i]);
		expect_error(&wish, -EINVAL, line);
	}
}

static void a_sandbox_that_refuses_mbind_leaves_it_to_the_kernel(void **state)
{
	struct zok__region_wish wish = wish_of(MIB, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	struct zok__region region;

	fake.bind_rc = -EPERM;
	region = map(&wish);
	assert_true(region.is_refused);
	assert_int_equal(region.node_got, -1);
	assert_string_equal(region.why, "mbind: Operation not permitted: left to the kernel");
	zok__region_unmap(&region);
	wish.policy = ZOK__MEMORY_INTERLEAVE;
	fake.bind_rc = -ENOSYS;
	region = map(&wish);
	assert_string_equal(region.why, "mbind: Function not implemented: left to the kernel");
	zok__region_unmap(&region);
	wish.policy = ZOK__MEMORY_STRICT;
	expect_error(&wish, -ENOSYS, "node 1: strict memory is not to be had: mbind: Function not implemented");
	/* Where one node has all memory, strict is what one gets anyway. */
	fake_tree_write(root, NODE_DIR "/has_memory", "1\n");
	region = map(&wish);
	assert_true(region.is_refused);
	zok__region_unmap(&region);
}

/* A container without /sys: the kernel is asked all the same. */
static void without_sys_the_kernel_is_asked_all_the_same(void **state)
{
	struct zok__region_wish wish = wish_of(4 * MIB, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	char *empty = fake_tree_create();
	struct zok__region region;

	wish.root = empty;
	fake.huge_rc = -ENOMEM;
	region = map(&wish);
	expect_bound(MPOL_PREFERRED, "1");
	assert_int_equal(region.node_got, 1);
	zok__region_unmap(&region);
	wish.policy = ZOK__MEMORY_INTERLEAVE;
	region = map(&wish);
	assert_non_null(strstr(region.why, "interleave: /sys shows no nodes: left to the kernel"));
	zok__region_unmap(&region);
	fake_tree_destroy(empty);
}

static void each_call_may_be_refused(void **state)
{
	struct zok__region_wish wish = wish_of(4 * MIB, 0, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	struct zok__region region;

	wish.is_populated = true;
	fake.advise_rc = -EINVAL;
	region = map(&wish);
	assert_int_equal(region.kind, ZOK__PAGES_NORMAL);
	assert_string_equal(region.why, "2 MiB pages: 2 needed on node 0, 0 free; transparent huge pages: Invalid argument");
	zok__region_unmap(&region);
	fake.populate_rc = -EINVAL; /* before Linux 5.14: touched by hand */
	region = map(&wish);
	zok__region_unmap(&region);
	fake.map_rc = -ENOMEM;
	expect_error(&wish, -ENOMEM, "4 MiB could not be mapped: Cannot allocate memory");
}

static void sizes_that_cannot_be_are_refused(void **state)
{
	struct zok__region_wish wish = wish_of(0, 0, ZOK__MEMORY_PREFERRED, ZOK__PAGES_AUTO);
	char error[ZOK__MEMORY_TEXT_SIZE] = "";
	struct zok__region region;

	expect_error(&wish, -EINVAL, "0 bytes of memory asked for");
	wish.size = SIZE_MAX / 2 - 8 * MIB;
	assert_int_equal(zok__region_map(&wish, &region, error, sizeof error), -ENOMEM);
	wish.size = SIZE_MAX - 5;
	assert_int_equal(zok__region_map(&wish, &region, error, sizeof error), -ENOMEM);
}

static void a_mapping_of_ones_own_gets_the_policy(void **state)
{
	struct zok__region_wish wish = wish_of(MIB, 1, ZOK__MEMORY_STRICT, ZOK__PAGES_OFF);
	void *memory;

	assert_int_equal(zok__memory_calls.map(MIB, 0, &memory), 0);
	assert_int_equal(zok__region_bind(&wish, memory), 0);
	expect_bound(MPOL_BIND, "1");
	wish.size = 65 * MIB;
	assert_int_equal(zok__region_bind(&wish, memory), -ENOMEM);
	wish.policy = ZOK__MEMORY_PREFERRED;
	fake.bind_rc = -EPERM;
	assert_int_equal(zok__region_bind(&wish, memory), 0);
	munmap(memory, MIB);
}

static void residence_counts_pages_by_where_they_are(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct zok__region_wish wish = wish_of(1000 * page, 1, ZOK__MEMORY_PREFERRED, ZOK__PAGES_OFF);
	struct zok__region region = map(&wish);
	struct zok__residence residence;

	fake.where_node = 1;
	assert_int_equal(zok__region_where(&region, &calls, &residence), 0);
	assert_int_equal(residence.absent, 250);
	assert_int_equal(residence.on_node, 750);
	assert_int_equal(residence.elsewhere, 0);
	fake.where_node = 0;
	assert_int_equal(zok__region_where(&region, &calls, &residence), 0);
	assert_int_equal(residence.elsewhere, 750);
	fake.where_rc = -EPERM;
	assert_int_equal(zok__region_where(&region, &calls, &residence), -EPERM);
	zok__region_unmap(&region);
}

static void a_region_is_described_in_a_line(void **state)
{
	struct zok__region region = {.size = 64 * MIB, .page_size = 2 * MIB, .kind = ZOK__PAGES_RESERVED, .node_got = 1};
	char text[128];

	zok__region_describe(&region, text, sizeof text);
	assert_string_equal(text, "64 MiB on node 1, 2 MiB reserved pages");
	region.node_got = -1;
	region.kind = ZOK__PAGES_NORMAL;
	region.page_size = 4096;
	zok__region_describe(&region, text, sizeof text);
	assert_string_equal(text, "64 MiB on no node in particular, 4 KiB pages");
	region.policy = ZOK__MEMORY_INTERLEAVE;
	zok__region_describe(&region, text, sizeof text);
	assert_string_equal(text, "64 MiB interleaved, 4 KiB pages");
}

/* ---- This machine ---- */

static int policy_of(void *memory)
{
	struct zok__bitset nodes = {{0}};
	int policy = -1;

	if (syscall(SYS_get_mempolicy, &policy, nodes.word, ZOK__BITSET_MAX, memory, MPOL_F_ADDR) < 0)
		return -errno;
	return policy;
}

static void check_for_real(int node, enum zok__memory_policy policy, int mode)
{
	struct zok__region_wish wish = {.size = 3 * MIB, .node = node, .policy = policy, .is_populated = true};
	struct zok__region region = map(&wish);
	struct zok__residence residence;

	if (region.is_refused) {
		print_message("placement is refused here: %s\n", region.why);
	} else {
		assert_int_equal(policy_of(region.memory), mode);
		assert_int_equal(zok__region_where(&region, NULL, &residence), 0);
		assert_int_equal(residence.absent, 0);
		assert_int_equal(residence.elsewhere, 0);
		assert_true(residence.on_node > 0);
	}
	zok__region_unmap(&region);
}

static void the_kernel_says_the_same(void **state)
{
	struct zok__bitset usable;
	int node;

	if (zok__nodes_usable("", &usable) < 0)
		skip();
	node = zok__bitset_next(&usable, -1);
	check_for_real(node, ZOK__MEMORY_PREFERRED, MPOL_PREFERRED);
	check_for_real(node, ZOK__MEMORY_STRICT, MPOL_BIND);
	check_for_real(-1, ZOK__MEMORY_INTERLEAVE, MPOL_INTERLEAVE);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, make_machine, drop_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(each_policy_names_its_nodes),
		CASE(no_wish_for_a_node_sets_no_policy),
		CASE(reserved_pages_come_from_their_node_only),
		CASE(by_itself_a_page_size_is_used_where_it_is_filled),
		CASE(a_wish_for_1_gib_goes_down_a_size_at_a_time),
		CASE(reserved_pages_that_cannot_be_touched_are_given_back),
		CASE(interleaved_reserved_pages_need_their_part_on_each_node),
		CASE(strict_is_refused_on_a_short_node_with_its_figures),
		CASE(a_memoryless_node_is_served_by_its_neighbour),
		CASE(a_node_outside_the_cpuset_is_served_by_its_neighbour),
		CASE(a_node_that_is_not_there_is_named),
		CASE(a_sandbox_that_refuses_mbind_leaves_it_to_the_kernel),
		CASE(without_sys_the_kernel_is_asked_all_the_same),
		CASE(each_call_may_be_refused),
		CASE(sizes_that_cannot_be_are_refused),
		CASE(a_mapping_of_ones_own_gets_the_policy),
		CASE(residence_counts_pages_by_where_they_are),
		CASE(a_region_is_described_in_a_line),
		CASE(the_kernel_says_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
