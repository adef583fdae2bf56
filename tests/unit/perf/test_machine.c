/* The machine's state: lists of processors are read strictly, and what a thread used is counted. */
#include "perf/machine.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The lowest processor that this process may use. */
static int first_allowed(void)
{
	cpu_set_t set;
	int cpu = 0;

	assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
	while (!CPU_ISSET((size_t)cpu, &set))
		cpu++;
	return cpu;
}

static void test_allowed_processors_are_accepted(void **state)
{
	char allowed[128], text[64], why[256];
	int cpus[CPU_SETSIZE], first = first_allowed();

	perf_cpu_list_allowed(allowed, sizeof allowed);
	assert_true(perf_cpu_list_parse(allowed, cpus, CPU_SETSIZE, why, sizeof why) >= 1);
	assert_int_equal(cpus[0], first);
	snprintf(text, sizeof text, "%d-%d,%d", first, first, first);
	assert_int_equal(perf_cpu_list_parse(text, cpus, CPU_SETSIZE, why, sizeof why), 2);
	assert_true(cpus[0] == first && cpus[1] == first);
}

static void test_other_lists_are_refused(void **state)
{
	static const char *const texts[] = {"", "x", "-1", "1-", "3-1", "1,", ",1", "1;2", "99999", "0x1", "1--2"};
	char why[256];
	int cpus[8];

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		why[0] = '\0';
		assert_int_equal(perf_cpu_list_parse(texts[i], cpus, 8, why, sizeof why), -EINVAL);
		assert_non_null(strstr(why, "may use"));
	}
	assert_int_equal(perf_cpu_list_parse("1023", cpus, 8, why, sizeof why), -EINVAL);
	assert_non_null(strstr(why, "1023 is not there"));
}

static void test_state_is_read(void **state)
{
	struct perf_machine m;
	struct perf_machine_sample sample;
	struct perf_thread_sample before, after;
	int first = first_allowed();
	char text[16];

	perf_machine_begin(&m, &sample, &first, 1);
	perf_thread_sample_take(&before);
	sched_yield();
	perf_thread_sample_take(&after);
	perf_machine_add_thread(&m, &before, &after);
	perf_machine_end(&m, &sample, &first, 1);
	snprintf(text, sizeof text, "%d", first);
	assert_string_equal(m.cpus_pinned, text);
	assert_true(m.kernel[0] && m.cpus_allowed[0] && m.cpu_count >= 1);
	assert_true(m.steal_fraction >= 0 && m.steal_fraction <= 1);
	assert_true(after.cpu_ns >= before.cpu_ns && m.cpu_ns == after.cpu_ns - before.cpu_ns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed_processors_are_accepted),
		cmocka_unit_test(test_other_lists_are_refused),
		cmocka_unit_test(test_state_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
