/* Real-time priority: the cores have it and nobody beside them, the caller's thread gets its own back, and a refusal is said once and changes nothing else. */
#include "runtime/runtime.h"

#include "zokio/log.h"

#include <errno.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PRIORITY = 3 };

static int refusals; /* atomic: lines of the log */

static void hear(void *arg, enum zok_log_level level, const char *text)
{
	if (strstr(text, "realtime_priority: 3: Operation not permitted: going on without (said once") != NULL)
		__atomic_fetch_add(&refusals, 1, __ATOMIC_RELAXED);
}

static const char *two_cores(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) > 1 ? "all:2" : "all:1";
}

static int policy_there(void *arg)
{
	struct sched_param param;

	assert_int_equal(sched_getparam(0, &param), 0);
	return sched_getscheduler(0) << 8 | param.sched_priority;
}

static ssize_t policy_of_a_blocking_thread(void *arg)
{
	return policy_there(arg);
}

static bool has_line(const char *line)
{
	char report[ZOK__REPORT_SIZE];

	assert_true(zok_engine_report(report, sizeof report) > 0);
	return strstr(report, line) != NULL;
}

static int look_at_all(void *arg)
{
	const int expected = *(const int *)arg;

	for (unsigned i = 0; i < zok_core_count(); i++)
		assert_int_equal(zok_call_on(i, policy_there, NULL), expected);
	assert_int_equal(zok_blocking(policy_of_a_blocking_thread, NULL), SCHED_OTHER << 8);
	return 5;
}

static int run_with(unsigned priority, int (*main_fn)(void *arg), int expected)
{
	return zok_run(&(struct zok_options){.cores = two_cores(), .engine = "epoll", .realtime_priority = priority}, main_fn, &expected);
}

static int look_at_what_was_given(void *arg)
{
	assert_true(has_line("real-time priority       on   SCHED_FIFO 3\n"));
	return look_at_all(arg);
}

static int look_at_what_was_refused(void *arg)
{
	assert_true(has_line("real-time priority       off  SCHED_FIFO 3: Operation not permitted\n"));
	return look_at_all(arg);
}

static int look_at_nothing_asked(void *arg)
{
	assert_true(has_line("real-time priority       off  not asked for\n"));
	return look_at_all(arg);
}

static bool may_have_it(void)
{
	const struct sched_param one = {.sched_priority = PRIORITY}, none = {0};

	return sched_setscheduler(0, SCHED_FIFO, &one) == 0 && sched_setscheduler(0, SCHED_OTHER, &none) == 0;
}

static void test_the_cores_have_it_and_the_caller_gets_its_own_back(void **state)
{
	if (!may_have_it()) {
		print_message("no right to a real-time priority here: skipped\n");
		skip();
	}
	assert_int_equal(run_with(PRIORITY, look_at_what_was_given, (SCHED_FIFO | SCHED_RESET_ON_FORK) << 8 | PRIORITY), 5);
	assert_int_equal(policy_there(NULL), SCHED_OTHER << 8);
}

static void test_nothing_is_taken_unasked(void **state)
{
	assert_int_equal(run_with(0, look_at_nothing_asked, SCHED_OTHER << 8), 5);
}

/* In a process of its own, that gives its rights away. */
static _Noreturn void run_without_rights(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};
	int rc = -1;

	if (setrlimit(RLIMIT_RTPRIO, &(struct rlimit){0}) == 0 && syscall(SYS_capset, &header, none) == 0) {
		zok_log_set(hear, NULL);
		rc = run_with(PRIORITY, look_at_what_was_refused, SCHED_OTHER << 8);
	}
	_exit(rc == 5 && __atomic_load_n(&refusals, __ATOMIC_RELAXED) == 1 ? 0 : 1);
}

static void test_a_refusal_is_said_once_and_all_goes_on(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		run_without_rights();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_refusal_is_said_once_and_all_goes_on), /* first: no thread has been made */
		cmocka_unit_test(test_the_cores_have_it_and_the_caller_gets_its_own_back),
		cmocka_unit_test(test_nothing_is_taken_unasked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
