/* Where io_uring is not to be had, create says which of the reasons it was and how to mend it: tried behind seccomp filters of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/counters.h"
#include "core/engine.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* From here on io_uring_setup fails with this error, for the calling process. */
static bool forbid_setup(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof code / sizeof *code, code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Errors travel as the exit code; 0 is an engine that was made, 255 a filter that was not to be had. */
struct outcome {
	int error;
	char reason[512];
};

static struct outcome outcome_of_child(void (*spoil)(void), int forbidden)
{
	struct outcome outcome = {0};
	int pipe_fds[2], status;
	pid_t child;

	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct zok__counters counters = {0};
		struct zok__engine_options options = {.sqpoll_cpu = -1, .counters = &counters};
		struct zok__engine *engine = NULL;
		char reason[512] = "";
		int rc;

		if (spoil)
			spoil();
		if (forbidden && !forbid_setup(forbidden))
			_exit(255);
		rc = zok__engine_uring.create(&engine, &options, reason, sizeof reason);
		if ((rc < 0) != !engine || write(pipe_fds[1], reason, sizeof reason) != sizeof reason)
			_exit(254);
		_exit(-rc);
	}
	close(pipe_fds[1]);
	assert_true(read(pipe_fds[0], outcome.reason, sizeof outcome.reason) >= 0);
	close(pipe_fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	outcome.error = WEXITSTATUS(status);
	assert_int_not_equal(outcome.error, 254);
	if (outcome.error == 255)
		skip();
	return outcome;
}

static void test_seccomp_eperm(void **state)
{
	struct outcome outcome = outcome_of_child(NULL, EPERM);

	assert_int_equal(outcome.error, EPERM);
	assert_non_null(strstr(outcome.reason, "kernel.io_uring_disabled") ? outcome.reason : strstr(outcome.reason, "seccomp"));
}

static void test_seccomp_enosys(void **state)
{
	struct outcome outcome = outcome_of_child(NULL, ENOSYS);

	assert_int_equal(outcome.error, ENOSYS);
	assert_non_null(strstr(outcome.reason, "seccomp"));
}

static void test_no_memory_is_no_refusal(void **state)
{
	struct outcome outcome = outcome_of_child(NULL, ENOMEM);

	assert_int_equal(outcome.error, ENOMEM);
	assert_non_null(strstr(outcome.reason, "RLIMIT_MEMLOCK"));
}

static void leave_no_descriptor(void)
{
	const struct rlimit none = {0};

	setrlimit(RLIMIT_NOFILE, &none);
}

static void test_no_descriptor_is_no_refusal(void **state)
{
	struct outcome outcome = outcome_of_child(leave_no_descriptor, 0);

	if (outcome.error == ENOSYS || outcome.error == EPERM)
		skip(); /* io_uring is not to be had here at all */
	assert_int_equal(outcome.error, EMFILE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seccomp_eperm),
		cmocka_unit_test(test_seccomp_enosys),
		cmocka_unit_test(test_no_memory_is_no_refusal),
		cmocka_unit_test(test_no_descriptor_is_no_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
