/* A core that is taken off its CPU says so once, is counted, goes on, and says when it is back; and what is said at the start. */
#include "runtime/runtime.h"

#include "tests/unit/runtime/log_lines.h"
#include "zokio/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
	char loss[ZOK_LOG_LINE_SIZE], back[ZOK_LOG_LINE_SIZE], warning[ZOK_LOG_LINE_SIZE];
	int losses, returns; /* atomic: the core logs, main waits */
} heard;

static void hear(void *arg, enum zok_log_level level, const char *text)
{
	if (strstr(text, "no longer pinned") != NULL) {
		snprintf(heard.loss, sizeof heard.loss, "%s", text);
		__atomic_fetch_add(&heard.losses, 1, __ATOMIC_RELEASE);
	} else if (strstr(text, "again") != NULL) {
		snprintf(heard.back, sizeof heard.back, "%s", text);
		__atomic_fetch_add(&heard.returns, 1, __ATOMIC_RELEASE);
	} else {
		snprintf(heard.warning, sizeof heard.warning, "%s", text);
	}
}

static int hear_all(void **state)
{
	memset(&heard, 0, sizeof heard);
	zok_log_set(hear, NULL);
	return 0;
}

static int hear_no_more(void **state)
{
	zok_log_set(NULL, NULL);
	return 0;
}

static cpu_set_t whole;

static uint64_t losses_counted(void)
{
	struct zok_core_stats stats;

	assert_int_equal(zok_stats(0, &stats), 0);
	return stats.placements_lost;
}

static void pin_to(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

/* Waits, as long as the test's time limit lets it, until the core has looked. */
static void wait_for(const int *count, int wanted)
{
	while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < wanted)
		assert_int_equal(zok_sleep(20 * ZOK_MS), 0);
}

static int first_of(const cpu_set_t *set)
{
	int cpu = 0;

	while (!CPU_ISSET(cpu, set))
		cpu++;
	return cpu;
}

/* The mask of the thread is changed under it, as a shrinking cpuset or another process would. */
static int is_taken_off_its_cpu_and_put_back(void *arg)
{
	assert_int_equal(losses_counted(), 0);
	assert_int_equal(sched_setaffinity(0, sizeof whole, &whole), 0);
	wait_for(&heard.losses, 1);
	assert_int_equal(losses_counted(), 1);
	pin_to(first_of(&whole));
	wait_for(&heard.returns, 1);
	assert_int_equal(sched_setaffinity(0, sizeof whole, &whole), 0);
	wait_for(&heard.losses, 2);
	return 11;
}

static void test_a_core_off_its_cpu_says_so_and_goes_on(void **state)
{
	char expected[64], list[16];

	sched_getaffinity(0, sizeof whole, &whole);
	if (CPU_COUNT(&whole) < 2) {
		print_message("one CPU only: nowhere else to go: skipped\n");
		skip();
	}
	snprintf(list, sizeof list, "%d", first_of(&whole));
	assert_int_equal(zok_run(&(struct zok_options){.cores = list, .engine = "epoll"}, is_taken_off_its_cpu_and_put_back, NULL), 11);
	snprintf(expected, sizeof expected, "core 0: no longer pinned to CPU %s: it may run on ", list);
	assert_memory_equal(heard.loss, expected, strlen(expected));
	assert_int_equal(heard.losses, 2);
	snprintf(expected, sizeof expected, "core 0: pinned to CPU %s again", list);
	assert_string_equal(heard.back, expected);
}

/* ---- what is said at the start ---- */

static void warn_of(const char *isolated, uint64_t quota_cpu_milli)
{
	struct zok__place places[] = {{.cpu = 1}, {.cpu = 2}};
	struct zok__core_set cores = {.place = places, .count = 2, .quota_cpu_milli = quota_cpu_milli};

	heard.warning[0] = '\0';
	assert_int_equal(zok__bitset_parse(isolated, &cores.isolated), 0);
	zok__placement_warn(&cores);
}

static void test_a_quota_and_isolated_cpus_are_told_of(void **state)
{
	warn_of("", 0);
	assert_string_equal(heard.warning, "");
	warn_of("", 2000);
	assert_string_equal(heard.warning, "");
	warn_of("", 1500);
	assert_string_equal(heard.warning, "the cgroup allows 1.5 CPUs and 2 cores were chosen: they will be throttled");
	warn_of("1-3", 0);
	assert_string_equal(heard.warning, "");
	warn_of("2-3", 0);
	assert_string_equal(heard.warning, "CPUs 2-3 are isolated and these cores are not: 1; they share their CPUs with other work");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_core_off_its_cpu_says_so_and_goes_on, hear_all, hear_no_more),
		cmocka_unit_test_setup_teardown(test_a_quota_and_isolated_cpus_are_told_of, hear_all, hear_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
