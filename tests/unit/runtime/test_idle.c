/* A runtime with nothing to do uses next to no processor, in the modes that park, on either engine; and its sleep is not told as waiting for I/O. */
#include "zokio/zokio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

/* One hundredth of a core over a second; the figure is CPU time, which a busy machine does not change. */
#define IDLE_NS	    ZOK_S
#define CPU_NS_MAX  (IDLE_NS / 100)
#define ATTEMPTS    3
#define IOWAIT_FULL 100 /* ticks: what one core alone would add in a second, were it counted */

struct idle {
	uint64_t cpu_ns;
	long iowait; /* ticks, of all processors */
	bool has_no_iowait;
};

static uint64_t cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * ZOK_S +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * ZOK_US;
}

static long iowait_ticks(void)
{
	FILE *file = fopen("/proc/stat", "re");
	long ticks = 0;

	if (file && fscanf(file, "cpu %*s %*s %*s %*s %ld", &ticks) != 1)
		ticks = 0;
	if (file)
		fclose(file);
	return ticks;
}

static bool is_on(const char *feature)
{
	char report[4096];
	const char *line;

	zok_engine_report(report, sizeof report);
	line = strstr(report, feature);
	return line && strncmp(line + 24, " on", 3) == 0;
}

/* Everything is warm and adaptive cores have learned before it begins: a few wake-ups far apart. */
static int idles(void *arg)
{
	struct idle *idle = arg;

	idle->has_no_iowait = is_on("no-iowait");
	for (int i = 0; i < 20; i++)
		zok_sleep(5 * ZOK_MS);
	idle->cpu_ns = cpu_ns();
	idle->iowait = iowait_ticks();
	zok_sleep(IDLE_NS);
	idle->cpu_ns = cpu_ns() - idle->cpu_ns;
	idle->iowait = iowait_ticks() - idle->iowait;
	return 0;
}

/* Others wait for their disks on this machine too, now and then: one second in which nobody did is enough. */
static void check_idle(const char *engine, const char *mode)
{
	struct zok_options options = {.cores = "all", .engine = engine, .mode = mode};
	struct idle idle = {0};

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		int rc = zok_run(&options, idles, &idle);

		if (rc == -ENOSYS || rc == -EPERM)
			skip();
		assert_int_equal(rc, 0);
		if (idle.cpu_ns < CPU_NS_MAX && (!idle.has_no_iowait || idle.iowait < IOWAIT_FULL / 2))
			return;
		print_message("%s, %s: %.1f ms of CPU and %ld ticks of iowait in a second\n", engine, mode, (double)idle.cpu_ns / 1e6,
			      idle.iowait);
	}
	fail_msg("%s, %s: an idle runtime is not idle", engine, mode);
}

static void test_uring_park(void **state)
{
	check_idle("uring", "park");
}

static void test_uring_adaptive(void **state)
{
	check_idle("uring", "adaptive");
}

static void test_epoll_park(void **state)
{
	check_idle("epoll", "park");
}

static void test_epoll_adaptive(void **state)
{
	check_idle("epoll", "adaptive");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uring_park),
		cmocka_unit_test(test_uring_adaptive),
		cmocka_unit_test(test_epoll_park),
		cmocka_unit_test(test_epoll_adaptive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
