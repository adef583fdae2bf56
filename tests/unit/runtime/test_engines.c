/* The engine is chosen by name, by $ZOK_ENGINE, or as the best to be had; where io_uring is refused, epoll goes on unless io_uring was asked for. */
#include "runtime/engines.h"
#include "runtime/runtime.h"
#include "zokio/log.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The choice ---- */

struct choice {
	int rc;
	const struct zok__engine_ops *engine, *fallback;
	char error[256];
};

static struct choice choose(const char *name, const char *environment)
{
	struct choice choice = {0};

	if (environment)
		setenv("ZOK_ENGINE", environment, 1);
	else
		unsetenv("ZOK_ENGINE");
	choice.rc = zok__engines_choose(name, &choice.engine, &choice.fallback, choice.error, sizeof choice.error);
	unsetenv("ZOK_ENGINE");
	return choice;
}

static bool has(const char *name)
{
	return choose(name, NULL).rc == 0;
}

static void check_by_name(struct choice choice, const char *name)
{
	assert_int_equal(choice.rc, 0);
	assert_string_equal(choice.engine->name, name);
	assert_null(choice.fallback);
	assert_string_equal(choice.error, "");
}

static void test_by_name_there_is_no_fallback(void **state)
{
	check_by_name(choose("epoll", NULL), "epoll");
	if (has("uring"))
		check_by_name(choose("uring", NULL), "uring");
}

static void check_auto(struct choice choice)
{
	assert_int_equal(choice.rc, 0);
	assert_string_equal(choice.engine->name, has("uring") ? "uring" : "epoll");
	if (has("uring"))
		assert_string_equal(choice.fallback->name, "epoll");
	else
		assert_null(choice.fallback);
}

static void test_auto_is_the_best_with_the_next_as_fallback(void **state)
{
	check_auto(choose(NULL, NULL));
	check_auto(choose("auto", NULL));
	check_auto(choose("", NULL));
	check_auto(choose(NULL, ""));
	check_auto(choose("auto", "auto"));
}

static void test_the_environment_names_one_where_the_program_does_not(void **state)
{
	check_by_name(choose(NULL, "epoll"), "epoll");
	check_by_name(choose("auto", "epoll"), "epoll");
	if (has("uring"))
		check_by_name(choose("uring", "epoll"), "uring");
	check_by_name(choose("epoll", "kqueue"), "epoll");
}

static void check_refusal(struct choice choice, const char *begin)
{
	assert_int_equal(choice.rc, -EINVAL);
	assert_null(choice.engine);
	assert_null(choice.fallback);
	assert_ptr_equal(strstr(choice.error, begin), choice.error);
	assert_non_null(strstr(choice.error, "; there are auto, "));
	assert_non_null(strstr(choice.error, ", epoll"));
	assert_true(!has("uring") || strstr(choice.error, ", uring"));
}

static void test_what_there_is_not_is_named_with_its_source(void **state)
{
	check_refusal(choose("kqueue", NULL), "engine: kqueue: no such engine in this build");
	check_refusal(choose("kqueue", "epoll"), "engine: kqueue: no such engine in this build");
	check_refusal(choose(NULL, "iocp"), "ZOK_ENGINE: iocp: no such engine in this build");
	check_refusal(choose("auto", "Epoll"), "ZOK_ENGINE: Epoll: no such engine in this build");
}

/* ---- The fallback, in a child to which io_uring_setup is forbidden ---- */

enum { MAIN_RESULT = 42, NO_FILTER = 255 };

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

static FILE *child_says;

static void say(void *arg, enum zok_log_level level, const char *text)
{
	fprintf(child_says, "%d %s\n", (int)level, text);
}

/* The report is said, too: it names the engine that runs. */
static int reports(void *arg)
{
	char text[ZOK__REPORT_SIZE];

	zok_engine_report(text, sizeof text);
	fprintf(child_says, "%s", text);
	return MAIN_RESULT;
}

static void run_child(int fd, const struct zok_options *options, const char *environment, int error)
{
	int rc;

	alarm(20);
	child_says = fdopen(fd, "w");
	if (!child_says || !forbid_setup(error))
		_exit(NO_FILTER);
	if (environment)
		setenv("ZOK_ENGINE", environment, 1);
	zok_log_set(say, NULL);
	rc = zok_run(options, reports, NULL);
	fflush(child_says);
	_exit(rc < 0 ? -rc : rc);
}

struct outcome {
	int status;	 /* main's result, or the errno, as exit codes are positive */
	char said[4096]; /* each line of the log after its level, and the report */
};

static void read_all(int fd, char *text, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used < size - 1 && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
}

static struct outcome run_forbidden(const struct zok_options *options, const char *environment, int error)
{
	struct outcome outcome;
	int fds[2], status;
	pid_t child;

	if (!has("uring"))
		skip();
	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		run_child(fds[1], options, environment, error);
	close(fds[1]);
	read_all(fds[0], outcome.said, sizeof outcome.said);
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	outcome.status = WEXITSTATUS(status);
	if (outcome.status == NO_FILTER)
		skip();
	return outcome;
}

/* How often a text occurs. */
static int count(const char *in, const char *text)
{
	int found = 0;

	while ((in = strstr(in, text))) {
		in += strlen(text);
		found++;
	}
	return found;
}

/* The last word of the report's line "engine …"; a line of the log begins with its level. */
static const char *engine_that_ran(const char *said)
{
	static char name[16];
	const char *line = strstr(said, "\nengine ");

	assert_non_null(line);
	assert_int_equal(sscanf(line, " engine %15s", name), 1);
	return name;
}

static void check_fallback(const struct zok_options *options, int error)
{
	struct outcome outcome = run_forbidden(options, NULL, error);

	assert_int_equal(outcome.status, MAIN_RESULT);
	assert_int_equal(count(outcome.said, "2 engine uring is not to be had: "), 1);
	assert_int_equal(count(outcome.said, "; going on with epoll\n"), 1);
	assert_string_equal(engine_that_ran(outcome.said), "epoll");
}

static void test_auto_goes_on_with_epoll_and_says_so_once(void **state)
{
	check_fallback(&(struct zok_options){.cores = "all"}, EPERM);
	check_fallback(&(struct zok_options){.cores = "all", .engine = "auto"}, ENOSYS);
}

static void check_no_fallback(const struct zok_options *options, const char *environment, int error)
{
	struct outcome outcome = run_forbidden(options, environment, error);

	assert_int_equal(outcome.status, error);
	assert_int_equal(count(outcome.said, "1 core 0: engine uring: "), 1);
	assert_int_equal(count(outcome.said, "going on with"), 0);
}

static void test_by_name_it_fails_and_the_log_says_why(void **state)
{
	check_no_fallback(&(struct zok_options){.engine = "uring"}, NULL, EPERM);
	check_no_fallback(&(struct zok_options){.engine = "uring"}, NULL, ENOSYS);
	check_no_fallback(NULL, "uring", EPERM);
}

/* A resource that ran out is no ground to run on something slower in silence. */
static void test_a_lack_of_memory_is_no_ground_to_fall_back(void **state)
{
	check_no_fallback(NULL, NULL, ENOMEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name_there_is_no_fallback),
		cmocka_unit_test(test_auto_is_the_best_with_the_next_as_fallback),
		cmocka_unit_test(test_the_environment_names_one_where_the_program_does_not),
		cmocka_unit_test(test_what_there_is_not_is_named_with_its_source),
		cmocka_unit_test(test_auto_goes_on_with_epoll_and_says_so_once),
		cmocka_unit_test(test_by_name_it_fails_and_the_log_says_why),
		cmocka_unit_test(test_a_lack_of_memory_is_no_ground_to_fall_back),
	};

	unsetenv("ZOK_ENGINE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
