/* What a cgroup allows, read from made-up trees of version 1 and 2, with and without what containers leave out. */
#include "numa/cpuset.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/numa/fake_tree.h"

#define MOUNT_V2	"31 23 0:28 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1_CPUSET "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
#define MOUNT_V1_CPU	"35 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
#define MOUNT_V2_BESIDE "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define MOUNT_V2_DOCKER "31 23 0:28 /docker/f00 /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
#define GROUPS_V1(path) "4:cpu,cpuacct:" path "\n3:cpuset:" path "\n1:name=systemd:/\n0::/user.slice\n"
#define V2		"/sys/fs/cgroup"
#define CPU		"/sys/devices/system/cpu"
#define V1_CPUSET	"/sys/fs/cgroup/cpuset"
#define V1_CPU		"/sys/fs/cgroup/cpu,cpuacct"

struct row {
	const char *name;
	const char *groups; /* /proc/self/cgroup, NULL: not there */
	const char *mounts; /* /proc/self/mountinfo */
	const char *files[6][2];
	const char *cpus; /* of an affinity of 0-7 */
	uint64_t quota_cpu_milli;
};

static const struct row rows[] = {
	{"no /proc at all", NULL, NULL, {{NULL}}, "0-7", 0},
	{"no cgroup mounted", "0::/\n", "23 1 0:2 / / rw - ext4 /dev/vda rw\n", {{NULL}}, "0-7", 0},
	{"version 2",
	 "0::/a/b\n",
	 MOUNT_V2,
	 {{V2 "/a/b/cpuset.cpus.effective", "2-9\n"}, {V2 "/cpuset.cpus.effective", "0-63\n"}, {V2 "/a/b/cpu.max", "150000 100000\n"}},
	 "2-7",
	 1500},
	{"version 2, the controller enabled only above",
	 "0::/a/b\n",
	 MOUNT_V2,
	 {{V2 "/a/cpuset.cpus.effective", "1,3\n"}, {V2 "/cpuset.cpus.effective", "0-63\n"}, {V2 "/a/b/cpu.max", "max 100000\n"}},
	 "1,3",
	 0},
	{"version 2, the tightest quota is above",
	 "0::/a/b\n",
	 MOUNT_V2,
	 {{V2 "/a/b/cpu.max", "400000 100000\n"}, {V2 "/a/cpu.max", "50000 100000\n"}},
	 "0-7",
	 500},
	{"version 2, a quota of next to nothing", "0::/a\n", MOUNT_V2, {{V2 "/a/cpu.max", "1 1000000\n"}}, "0-7", 1},
	{"version 2, in a container without a cgroup namespace",
	 "0::/docker/f00/inner\n",
	 MOUNT_V2_DOCKER,
	 {{V2 "/inner/cpuset.cpus.effective", "4-5\n"}},
	 "4-5",
	 0},
	{"version 2, a group whose name only begins like the mount's",
	 "0::/docker/f00dd\n",
	 MOUNT_V2_DOCKER,
	 {{V2 "/cpuset.cpus.effective", "6\n"}, {V2 "dd/cpuset.cpus.effective", "1\n"}},
	 "6",
	 0},
	{"version 2, a group outside the namespace",
	 "0::/../other\n",
	 MOUNT_V2,
	 {{V2 "/cpuset.cpus.effective", "0-1\n"}, {"/sys/fs/other/cpuset.cpus.effective", "5\n"}},
	 "0-1",
	 0},
	{"version 2, mounted where the name has a blank",
	 "0::/a\n",
	 "31 23 0:28 / /my\\040groups\\7 rw - cgroup2 cgroup2 rw\n",
	 {{"/my groups\\7/a/cpuset.cpus.effective", "3\n"}},
	 "3",
	 0},
	{"version 1, beside a version 2 without controllers",
	 GROUPS_V1("/a"),
	 MOUNT_V2_BESIDE MOUNT_V1_CPU MOUNT_V1_CPUSET,
	 {{V1_CPUSET "/a/cpuset.effective_cpus", "0-2\n"},
	  {V1_CPUSET "/a/cpuset.cpus", "0-5\n"},
	  {V1_CPU "/a/cpu.cfs_quota_us", "250000\n"},
	  {V1_CPU "/a/cpu.cfs_period_us", "100000\n"},
	  {V2 "/unified/user.slice/cpuset.cpus.effective", "7\n"}},
	 "0-2",
	 2500},
	{"version 1 of an old kernel, no quota",
	 GROUPS_V1("/"),
	 MOUNT_V1_CPU MOUNT_V1_CPUSET,
	 {{V1_CPUSET "/cpuset.cpus", "3-4\n"}, {V1_CPU "/cpu.cfs_quota_us", "-1\n"}, {V1_CPU "/cpu.cfs_period_us", "100000\n"}},
	 "3-4",
	 0},
	{"files with something else in them",
	 "0::/a\n\nrubbish\n7:\n",
	 "rubbish\n - \n" MOUNT_V2,
	 {{V2 "/a/cpuset.cpus.effective", "all of them\n"}, {V2 "/a/cpu.max", "much\n"}},
	 "0-7",
	 0},
	{"isolated CPUs that the boot took out of the mask",
	 "0::/a\n",
	 MOUNT_V2,
	 {{V2 "/a/cpuset.cpus.effective", "0-9,12\n"}, {CPU "/isolated", "8-11\n"}, {CPU "/online", "0-11\n"}},
	 "0-9",
	 0},
	{"isolated CPUs, and no cpuset to be read", NULL, NULL, {{CPU "/isolated", "8\n"}, {CPU "/online", "0-8\n"}}, "0-8", 0},
	{"isolated CPUs outside a mask that somebody made", NULL, NULL, {{CPU "/isolated", "9\n"}, {CPU "/online", "0-9\n"}}, "0-7", 0},
	{"isolated CPUs within the mask", NULL, NULL, {{CPU "/isolated", "7\n"}, {CPU "/online", "0-8\n"}}, "0-7", 0},
	{"nothing in common with the mask", "0::/\n", MOUNT_V2, {{V2 "/cpuset.cpus.effective", "8-9\n"}}, "0-7", 0},
};

static void write_row(const char *root, const struct row *row)
{
	if (row->groups != NULL)
		fake_tree_write(root, "/proc/self/cgroup", row->groups);
	if (row->mounts != NULL)
		fake_tree_write(root, "/proc/self/mountinfo", row->mounts);
	for (size_t i = 0; i < sizeof row->files / sizeof *row->files && row->files[i][0] != NULL; i++)
		fake_tree_write(root, row->files[i][0], row->files[i][1]);
}

static void reads_what_the_cgroup_grants(void **state)
{
	struct zok__bitset affinity;

	assert_int_equal(zok__bitset_parse("0-7", &affinity), 0);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__allowance allowance;
		char *root = fake_tree_create();
		char cpus[64];

		write_row(root, &rows[i]);
		assert_int_equal(zok__allowance_read(root, &affinity, &allowance), 0);
		fake_tree_destroy(root);
		zok__bitset_format(&allowance.cpus, cpus, sizeof cpus);
		if (strcmp(cpus, rows[i].cpus) != 0 || allowance.quota_cpu_milli != rows[i].quota_cpu_milli)
			fail_msg("%s: CPUs %s, quota %llu", rows[i].name, cpus, (unsigned long long)allowance.quota_cpu_milli);
	}
}

static void agrees_with_the_kernel_here(void **state)
{
	struct zok__bitset affinity, allowed;
	struct zok__allowance allowance;

	assert_int_equal(zok__affinity_read(&affinity), 0);
	assert_false(zok__bitset_is_empty(&affinity));
	assert_int_equal(zok__allowance_read("", &affinity, &allowance), 0);
	allowed = allowance.cpus;
	assert_false(zok__bitset_is_empty(&allowed));
	zok__bitset_intersect(&allowed, &affinity);
	assert_memory_equal(&allowed, &allowance.cpus, sizeof allowed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_the_cgroup_grants),
		cmocka_unit_test(agrees_with_the_kernel_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
