/* The cores option: every form and order on machines made up by hand, and every error line. */
#include "numa/select.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Two nodes with four physical cores each, SMT siblings numbered n and n + 8 as Linux does; node 2 has memory only. CPU 15 is offline. */
static struct zok__topology *make_machine(void)
{
	struct zok__topology *machine = calloc(1, sizeof *machine);

	assert_non_null(machine);
	machine->source = "made up";
	machine->kind_count = 1;
	machine->place_count = 15;
	machine->place = calloc(machine->place_count, sizeof *machine->place);
	assert_non_null(machine->place);
	for (int cpu = 0; cpu < 15; cpu++)
		machine->place[cpu] = (struct zok__place){.cpu = cpu, .node = cpu % 8 / 4, .package = cpu % 8 / 4, .physical = cpu % 8};
	assert_int_equal(zok__bitset_parse("0-15", &machine->present), 0);
	assert_int_equal(zok__bitset_parse("0-2", &machine->nodes), 0);
	return machine;
}

struct row {
	const char *allowed;
	const char *list;
	const char *expected; /* the CPUs in order, or the error line */
};

static int select_row(const struct row *row, struct zok__core_set *set, char *error, size_t error_size)
{
	struct zok__topology *machine = make_machine();
	struct zok__allowance allowance = {.quota_cpu_milli = 1500};
	int rc = zok__bitset_parse(row->allowed, &allowance.cpus);

	assert_int_equal(rc, 0);
	rc = zok__cores_select_from(machine, &allowance, row->list, set, error, error_size);
	zok__topology_destroy(machine);
	return rc;
}

static void format_cpus(const struct zok__core_set *set, char *text, size_t size)
{
	size_t used = 0;

	*text = '\0';
	for (size_t i = 0; i < set->count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%d", i > 0 ? " " : "", set->place[i].cpu);
}

static void gives_the_cores_in_the_order_asked_for(void **state)
{
	static const struct row rows[] = {
		{"0-15", NULL, "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14"},
		{"0-15", "", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14"},
		{"0-15", "all", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14"},
		{"0,1,8,9", "all", "0 1 8 9"},
		{"9-12", "all", "9 10 11 12"},
		{"0,8,1", "all", "0 1 8"},
		{"0-15", "3", "3"},
		{"0-15", "003", "3"},
		{"0-15", "2,0", "2 0"},
		{"0-15", "0,2-3", "0 2 3"},
		{"0-15", " 0 , 2-3 ", "0 2 3"},
		{"0-15", "0,0-1,1", "0 1"},
		{"0-15", "8,0-1", "8 0 1"},
		{"0-15", "node:0", "0 1 2 3 8 9 10 11"},
		{"0-15", "node:1", "4 5 6 7 12 13 14"},
		{"2,10,4", "node:0", "2 10"},
		{"0-15", "node:1,node:0", "4 5 6 7 12 13 14 0 1 2 3 8 9 10 11"},
		{"0-15", "9,node:0", "9 0 2 3 1 8 10 11"},
		{"0-3", "!0", "1 2 3"},
		{"0-3", "! 0", "1 2 3"},
		{"0-3", "!0-1,!3", "2"},
		{"0-15", "!0,node:0", "1 2 3 8 9 10 11"},
		{"0-15", "node:0,!8-11,!0", "1 2 3"},
		{"0-15", "!node:0", "4 5 6 7 12 13 14"},
		{"0-3", "!node:1", "0 1 2 3"},
		{"0-3", "!node:2,!7,!15", "0 1 2 3"},
		{"0-40", "all", "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__core_set set;
		char error[ZOK__CORES_ERROR_SIZE] = "untouched", cpus[128];

		if (select_row(&rows[i], &set, error, sizeof error) != 0)
			fail_msg("%s: %s", rows[i].list, error);
		assert_string_equal(error, "untouched");
		format_cpus(&set, cpus, sizeof cpus);
		assert_string_equal(cpus, rows[i].expected);
		zok__core_set_release(&set);
		assert_null(set.place);
	}
}

#define ACCEPTED                                                                                                                           \
	"accepted are N, N-M, all, isolated, node:N, package:N, cache:CPU, core:CPU, kind:K, near:DEVICE, with :COUNT and /core after, ! " \
	"before to leave out"
#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static void says_what_is_wrong_and_what_would_work(void **state)
{
	static const struct row rows[] = {
		{"0-1", "16", "cores: 16: no such core here; allowed are 0-1"},
		{"0-1", "99999999999999999999", "cores: 99999999999999999999: no such core here; allowed are 0-1"},
		{"0-1", "4294967296", "cores: 4294967296: no such core here; allowed are 0-1"},
		{"0-1", "0,1,2", "cores: 2: outside this process's cpuset or affinity; allowed are 0-1"},
		{"0-1", "0-3", "cores: 0-3: core 2: outside this process's cpuset or affinity; allowed are 0-1"},
		{"0-15", "14-99999999", "cores: 14-99999999: core 15: offline; allowed are 0-14"},
		{"0-15", "15", "cores: 15: offline; allowed are 0-14"},
		{"0-1", "!16", "cores: 16: no such core here; allowed are 0-1"},
		{"0-1", "!14-16", "cores: 14-16: core 16: no such core here; allowed are 0-1"},
		{"0-1", "1-0", "cores: 1-0: a range counts upwards; allowed are 0-1"},
		{"0-1", "0,!0", "cores: 0,!0: leaves no core; allowed are 0-1"},
		{"0-1", "!all", "cores: !all: leaves no core; allowed are 0-1"},
		{"0-15", "node:3", "cores: node:3: no such node here; nodes are 0-2"},
		{"0-15", "!node:3", "cores: node:3: no such node here; nodes are 0-2"},
		{"0-15", "node:", "cores: node:: node: takes one number; nodes are 0-2"},
		{"0-15", "node:0-1", "cores: node:0-1: node: takes one number; nodes are 0-2"},
		{"0-15", "node:2", "cores: node:2: that node has memory only, no cores; allowed are 0-14"},
		{"0-1", "node:1", "cores: node:1: none of them is in this process's cpuset and affinity; allowed are 0-1"},
		{"0-15", " ", "cores:  : an item is empty; " ACCEPTED},
		{"0-15", "0,", "cores: 0,: an item is empty; " ACCEPTED},
		{"0-15", "0,,1", "cores: 0,,1: an item is empty; " ACCEPTED},
		{"0-15", "0,!", "cores: 0,!: an item is empty; " ACCEPTED},
		{"0-15", "!!0", "cores: !0: not understood; " ACCEPTED},
		{"0-15", "-1", "cores: -1: not understood; " ACCEPTED},
		{"0-15", "1-", "cores: 1-: not understood; " ACCEPTED},
		{"0-15", "0-1-2", "cores: 0-1-2: not understood; " ACCEPTED},
		{"0-15", "0x1", "cores: 0x1: not understood; " ACCEPTED},
		{"0-15", "0 1", "cores: 0 1: not understood; " ACCEPTED},
		{"0-15", "ALL", "cores: ALL: not understood; " ACCEPTED},
		{"0-15", "0\n1\033", "cores: 0?1?: not understood; " ACCEPTED},
		{"0-15", LONG LONG, "cores: " LONG ": not understood; " ACCEPTED},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__core_set set = {.count = 99};
		char error[ZOK__CORES_ERROR_SIZE] = "";

		assert_int_equal(select_row(&rows[i], &set, error, sizeof error), -EINVAL);
		assert_string_equal(error, rows[i].expected);
		assert_int_equal(set.count, 99);
	}
}

/* Lists made of the grammar's own pieces at random: each gives different cores that are allowed, or one printable line. */
static void holds_its_promises_for_any_list(void **state)
{
	static const char *const pieces[] = {"0", "1", "9",   "15",   "99",	"-",  ",",    "!",
					     ":", " ", "all", "node", "node:1", "\n", "\377", "x"};
	uint32_t seed = 1;

	for (int round = 0; round < 20000; round++) {
		char list[64] = "", error[ZOK__CORES_ERROR_SIZE] = "";
		const struct row row = {"0-9,14", list, NULL};
		struct zok__core_set set;

		for (uint32_t left = round % 8; left > 0; left--) {
			seed = seed * 1664525 + 1013904223;
			strcat(list, pieces[seed >> 28]);
		}
		if (select_row(&row, &set, error, sizeof error) == 0) {
			struct zok__bitset seen = {{0}};

			assert_true(set.count > 0);
			for (size_t i = 0; i < set.count; i++) {
				assert_true(set.place[i].cpu < 10 || set.place[i].cpu == 14);
				assert_false(zok__bitset_has(&seen, set.place[i].cpu));
				zok__bitset_add(&seen, set.place[i].cpu);
			}
			zok__core_set_release(&set);
			continue;
		}
		assert_memory_equal(error, "cores: ", 7);
		for (const char *c = error; *c != '\0'; c++)
			assert_true(*c >= ' ' && *c <= '~');
	}
}

static void cuts_the_error_to_the_callers_buffer(void **state)
{
	const struct row row = {"0-1", "16", NULL};
	struct zok__core_set set;
	char error[16];

	assert_int_equal(select_row(&row, &set, error, sizeof error), -EINVAL);
	assert_string_equal(error, "cores: 16: no s");
	assert_int_equal(select_row(&row, &set, NULL, 0), -EINVAL);
}

static void tells_where_each_core_is(void **state)
{
	const struct row row = {"0-15", "13", NULL};
	struct zok__core_set set;
	char error[ZOK__CORES_ERROR_SIZE];

	assert_int_equal(select_row(&row, &set, error, sizeof error), 0);
	assert_int_equal(set.count, 1);
	assert_int_equal(set.place[0].cpu, 13);
	assert_int_equal(set.place[0].node, 1);
	assert_int_equal(set.place[0].package, 1);
	assert_int_equal(set.place[0].physical, 5);
	assert_string_equal(set.source, "made up");
	assert_int_equal(set.quota_cpu_milli, 1500);
	zok__core_set_release(&set);
}

static void selects_on_the_real_machine(void **state)
{
	struct zok__core_set set;
	struct zok__bitset affinity;
	char error[ZOK__CORES_ERROR_SIZE] = "";

	assert_int_equal(zok__affinity_read(&affinity), 0);
	assert_int_equal(zok__cores_select(NULL, &set, error, sizeof error), 0);
	assert_true(set.count > 0);
	for (size_t i = 0; i < set.count; i++)
		assert_true(zok__bitset_has(&affinity, set.place[i].cpu));
	zok__core_set_release(&set);
	assert_int_equal(zok__cores_select("8191", &set, error, sizeof error), -EINVAL);
	assert_memory_equal(error, "cores: 8191: no such core here; allowed are ", 44);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_the_cores_in_the_order_asked_for),
		cmocka_unit_test(says_what_is_wrong_and_what_would_work),
		cmocka_unit_test(holds_its_promises_for_any_list),
		cmocka_unit_test(cuts_the_error_to_the_callers_buffer),
		cmocka_unit_test(tells_where_each_core_is),
		cmocka_unit_test(selects_on_the_real_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
