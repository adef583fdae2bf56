/* What the words of a core list name, how many are taken and in which order, every refusal, and what a watcher is told. */
#include "numa/select.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_device(struct zok__topology *machine, enum zok__device_kind kind, const char *name, const char *address, int node)
{
	struct zok__device *device = zok__devices_add(&machine->devices);

	assert_non_null(device);
	device->kind = kind;
	snprintf(device->name, sizeof device->name, "%s", name);
	snprintf(device->address, sizeof device->address, "%s", address);
	device->node = node;
	if (node >= 0)
		assert_int_equal(zok__bitset_parse(node == 0 ? "0-3,8-11" : "4-7,12-15", &device->near), 0);
}

/*
 * Two packages, each a node with four physical cores of two CPUs (n and n + 8); each two cores share a cache. In a hybrid machine cores 2, 3, 6 and 7 are the
 * fast ones. eth0 is on node 1, nvme0n1 on node 0, nobody knows of vda; lo is virtual.
 */
static struct zok__topology *make_machine(bool is_hybrid, const char *isolated)
{
	struct zok__topology *machine = calloc(1, sizeof *machine);

	assert_non_null(machine);
	machine->source = "made up";
	machine->kind_count = 1 + is_hybrid;
	machine->place_count = 16;
	machine->place = calloc(machine->place_count, sizeof *machine->place);
	assert_non_null(machine->place);
	for (int cpu = 0; cpu < 16; cpu++)
		machine->place[cpu] = (struct zok__place){.cpu = cpu,
							  .node = cpu % 8 / 4,
							  .package = cpu % 8 / 4,
							  .physical = cpu % 8,
							  .cache = cpu % 8 & ~1,
							  .smt = cpu / 8,
							  .kind = is_hybrid && cpu % 4 >= 2};
	assert_int_equal(zok__bitset_parse("0-15", &machine->present), 0);
	assert_int_equal(zok__bitset_parse("0-1", &machine->nodes), 0);
	assert_int_equal(zok__bitset_parse(isolated, &machine->isolated), 0);
	add_device(machine, ZOK__DEVICE_NIC, "eth0", "0000:41:00.1", 1);
	add_device(machine, ZOK__DEVICE_NIC, "lo", "", -1);
	machine->devices.device[1].is_virtual = true;
	add_device(machine, ZOK__DEVICE_DISK, "nvme0n1", "0001:02:00.0", 0);
	add_device(machine, ZOK__DEVICE_DISK, "vda", "", -1);
	return machine;
}

struct row {
	const char *allowed, *list;
	const char *expected; /* the CPUs in order, or the error line */
	bool is_hybrid;
	const char *isolated;
};

/* The CPUs chosen, or the error line. */
static const char *outcome(const struct row *row, const struct zok__cores_watch *watch)
{
	static char text[ZOK__CORES_ERROR_SIZE];
	struct zok__topology *machine = make_machine(row->is_hybrid, row->isolated != NULL ? row->isolated : "");
	struct zok__allowance allowance = {.quota_cpu_milli = 0};
	struct zok__core_set set = {.count = 0};
	size_t used = 0;
	int rc;

	assert_int_equal(zok__bitset_parse(row->allowed, &allowance.cpus), 0);
	rc = zok__cores_explain(machine, &allowance, row->list, &set, text, sizeof text, watch);
	assert_true(rc == 0 || rc == -EINVAL);
	for (size_t i = 0; i < set.count; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%d", i > 0 ? " " : "", set.place[i].cpu);
	zok__core_set_release(&set);
	zok__topology_destroy(machine);
	return text;
}

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(outcome(&rows[i], NULL), rows[i].expected) != 0)
			fail_msg("%s: got \"%s\", not \"%s\"", rows[i].list, outcome(&rows[i], NULL), rows[i].expected);
}

static void names_groups_of_cores(void **state)
{
	static const struct row rows[] = {
		{"0-15", "package:1", "4 5 6 7 12 13 14 15"},
		{"0-15", "cache:2", "2 3 10 11"},
		{"0-15", "cache:11", "2 3 10 11"},
		{"0-1,10", "cache:2", "10"},
		{"0-15", "core:3", "3 11"},
		{"0-15", "core:11", "3 11"},
		{"0-15", "near:eth0", "4 5 6 7 12 13 14 15"},
		{"0-15", "near:0000:41:00.1", "4 5 6 7 12 13 14 15"},
		{"0-15", "near:41:00.1", "4 5 6 7 12 13 14 15"},
		{"0-15", "near:0001:02:00.0:2", "0 1"},
		{"0-15", "near:nvme0n1", "0 1 2 3 8 9 10 11"},
		{"0-15", "near:nvme0n1p12", "0 1 2 3 8 9 10 11"},
		{"0-15", "near:/dev/nvme0n1p1", "0 1 2 3 8 9 10 11"},
		{"0-15", "node:0,near:eth0,!0", "1 2 3 8 9 10 11 4 5 6 7 12 13 14 15"},
		{"0-15", "kind:performance", "2 3 6 7 10 11 14 15", true},
		{"0-15", "kind:1", "2 3 6 7 10 11 14 15", true},
		{"0-15", "kind:efficient", "0 1 4 5 8 9 12 13", true},
		{"0-15", "isolated", "3 4 11", false, "3-4,11"},
		{"0-7", "isolated", "3 4", false, "3-4,11"},
		{"0-15", "node:1,!core:5", "4 6 7 12 14 15"},
		{"0-15", "all,!near:eth0,!cache:0", "2 3 10 11"},
		{"0-15", "!kind:efficient", "2 3 6 7 10 11 14 15", true},
		{"0-3", "!isolated", "0 1 2 3"},
	};

	check_rows(rows, sizeof rows / sizeof *rows);
}

static void prefers_isolated_whole_and_fast_cores(void **state)
{
	static const struct row rows[] = {
		{"0-15", "node:0", "2 10 0 1 3 8 9 11", false, "2,10"},
		{"0-15", "node:0", "2 3 0 1 10 11 8 9", true},
		{"0-15", "node:0", "1 2 3 0 10 11 8 9", true, "1"},
		{"0-15", "0-3", "0 1 2 3", true, "3"},
	};

	check_rows(rows, sizeof rows / sizeof *rows);
}

static void takes_so_many_and_whole_cores(void **state)
{
	static const struct row rows[] = {
		{"0-15", "all:3", "0 1 2"},
		{"0-15", "near:eth0:4", "4 5 6 7"},
		{"0-15", "near:eth0:5", "4 5 6 7 12"},
		{"0-15", "near:eth0:4,!4", "5 6 7 12"},
		{"0-15", "4,near:eth0:2", "4 5 6"},
		{"0-15", "isolated:1", "3", false, "3-4"},
		{"0-15", "all/core", "0 1 2 3 4 5 6 7"},
		{"0-15", "node:1 /core", "4 5 6 7"},
		{"0-15", "near:eth0:2/core", "4 5"},
		{"0-3,8-15", "node:1/core", "12 13 14 15"},
		{"0-15", "8-11,0-3/core", "8 9 10 11"},
		{"0-15", "12,node:1/core", "12 5 6 7"},
		{"0-15", "0-15/core,!1", "0 2 3 4 5 6 7 9"},
		{"0-15", "core:9/core", "1"},
		{"2-15", "node:0,!node:0:2", "8 9 10 11"},
	};

	check_rows(rows, sizeof rows / sizeof *rows);
}

#define DEVICES "; NICs and disks are eth0, nvme0n1, vda"

static void says_what_is_wrong_and_what_would_work(void **state)
{
	static const struct row rows[] = {
		{"0-15", "package:2", "cores: package:2: no such package here; packages are 0-1"},
		{"0-15", "package:x", "cores: package:x: package: takes one number; packages are 0-1"},
		{"0-1", "package:1", "cores: package:1: none of them is in this process's cpuset and affinity; allowed are 0-1"},
		{"0-1",
		 "cache:", "cores: cache:: cache: takes the number of a CPU, for those that share its last-level cache; allowed are 0-1"},
		{"0-1", "cache:16", "cores: cache:16: no such core here; allowed are 0-1"},
		{"0-1", "core:all", "cores: core:all: core: takes the number of a CPU, for it and its SMT siblings; allowed are 0-1"},
		{"0-1", "isolated", "cores: isolated: no core is isolated here (isolcpus= does it); allowed are 0-1"},
		{"0-1", "kind:performance", "cores: kind:performance: all cores are of one kind here; allowed are 0-1"},
		{"0-1", "kind:fast", "cores: kind:fast: kind: takes performance, efficient or a number below 2, the slowest kind being 0",
		 true},
		{"0-1", "kind:2", "cores: kind:2: kind: takes performance, efficient or a number below 2, the slowest kind being 0", true},
		{"0-15", "near:", "cores: near:: near: takes the name of a NIC or a disk" DEVICES},
		{"0-15", "near:eth1", "cores: near:eth1: no such NIC or disk here" DEVICES},
		{"0-15", "near:eth01", "cores: near:eth01: no such NIC or disk here" DEVICES},
		{"0-15", "near:/dev/nothing", "cores: near:/dev/nothing: no such NIC or disk here" DEVICES},
		{"0-15", "near:/etc", "cores: near:/etc: no such NIC or disk here" DEVICES},
		{"0-15", "near:42:00.1", "cores: near:42:00.1: no such NIC or disk here" DEVICES},
		{"0-15", "near:lo", "cores: near:lo: a device without hardware is near no core" DEVICES},
		{"0-15", "near:vda", "cores: near:vda: the firmware does not say where it is: name a node instead; nodes are 0-1"},
		{"0-3", "near:eth0", "cores: near:eth0: none of them is in this process's cpuset and affinity; allowed are 0-3"},
		{"0-4", "near:eth0:2", "cores: near:eth0:2: only 1 of them is to be had; allowed are 0-4"},
		{"0-15", "node:0:4,!1-3,!8-11,!0", "cores: node:0:4: none of them is left to be had; allowed are 0-15"},
		{"0-15", "node:0:9", "cores: node:0:9: only 8 of them are to be had; allowed are 0-15"},
		{"0-15", "node:0/core,node:0:4/core", "cores: node:0:4/core: none of them is left to be had; allowed are 0-15"},
		{"0-15", "node:0:0", "cores: node:0:0: a count of 0 takes no core: leave the item away"},
		{"0-15", "all:x", "cores: all:x: after the : stands how many, a number"},
		{"0-15", "all:", "cores: all:: after the : stands how many, a number"},
		{"0-15", "!0/core", "cores: 0/core: /core chooses; to leave out a whole core, write !core:CPU"},
	};

	check_rows(rows, sizeof rows / sizeof *rows);
}

/* ---- what a watcher is told ---- */

static char told[1024];

static void tell_item(void *arg, const char *item, size_t length, bool is_minus, const char *meaning)
{
	snprintf(told + strlen(told), sizeof told - strlen(told), "[%s%.*s = %s]", is_minus ? "!" : "", (int)length, item, meaning);
}

static void tell_cpu(void *arg, const struct zok__place *place, enum zok__cores_verdict verdict)
{
	static const char letters[] = "+=!osn";

	_Static_assert(sizeof letters == ZOK__CORES_VERDICT_COUNT + 1, "a letter for each verdict");
	snprintf(told + strlen(told), sizeof told - strlen(told), " %d%c", place->cpu, letters[verdict]);
}

static void tells_why_each_cpu_was_taken_or_not(void **state)
{
	static const struct zok__cores_watch watch = {.item = tell_item, .cpu = tell_cpu};
	static const struct row row = {"0-13", "12,near:eth0:3/core,!5,node:1:1"};

	*told = '\0';
	assert_string_equal(outcome(&row, &watch), "12 6 7 13 4");
	assert_string_equal(told, "[!5 = by number][12 = by number] 12+"
				  "[near:eth0:3/core = cores near eth0 at 0000:41:00.1, node 1] 6+ 7+ 13+ 4s 5! 12= 14o 15o"
				  "[node:1:1 = cores of node 1] 4+ 5! 6= 7= 12= 13= 14o 15o");
	*told = '\0';
	assert_string_equal(outcome(&(struct row){"0-3", "node:0:2"}, &watch), "0 1");
	assert_string_equal(told, "[node:0:2 = cores of node 0] 0+ 1+ 2n 3n 8o 9o 10o 11o");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_groups_of_cores),
		cmocka_unit_test(prefers_isolated_whole_and_fast_cores),
		cmocka_unit_test(takes_so_many_and_whole_cores),
		cmocka_unit_test(says_what_is_wrong_and_what_would_work),
		cmocka_unit_test(tells_why_each_cpu_was_taken_or_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
