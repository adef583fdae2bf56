/* Processes that cannot be started, and those that cannot be watched: what the caller is told, and that nothing stays. */
#include "tests/unit/net/process_rig.h"

CASE(errors_of_the_exec)
{
	struct zok_process *process = NULL;
	struct zok_socket *socket = NULL;
	const struct zok_process_options piped = {.out = {ZOK_STREAM_SOCKET, .socket = &socket}};
	const struct zok_process_options nowhere = {.directory = "/there/is/none"}, no_socket = {.in = {ZOK_STREAM_SOCKET}};
	const struct zok_process_options bad_fd = {.in = {ZOK_STREAM_FD, .fd = 999}}, bad_in = {.in = {ZOK_STREAM_AS_OUT}};
	int before;

	zok_process_spawn(&process, (const char *const[]){"/there/is/none", NULL}, NULL); /* the pool's thread is there from here on */
	before = descriptors();
	assert_int_equal(zok_process_spawn(&process, (const char *const[]){"/there/is/none", NULL}, &piped), -ENOENT);
	assert_int_equal(zok_process_spawn(&process, (const char *const[]){"zokio-there-is-none", NULL}, &piped), -ENOENT);
	assert_int_equal(zok_process_spawn(&process, (const char *const[]){"/etc/passwd", NULL}, &piped), -EACCES);
	assert_int_equal(zok_process_spawn(&process, SHELL("true"), &nowhere), -ENOENT);
	assert_int_equal(zok_process_spawn(&process, SHELL("true"), &bad_fd), -EBADF);
	assert_int_equal(zok_process_spawn(&process, SHELL("true"), &no_socket), -EINVAL);
	assert_int_equal(zok_process_spawn(&process, SHELL("true"), &bad_in), -EINVAL);
	assert_int_equal(zok_process_spawn(&process, SHELL("true"), &(struct zok_process_options){.end = (enum zok_process_end)3}),
			 -EINVAL);
	assert_int_equal(zok_process_spawn(&process, (const char *const[]){NULL}, NULL), -EINVAL);
	assert_int_equal(zok_process_run(SHELL("true"), &piped, NULL), -EINVAL);
	assert_non_null(strstr(log_lines, "it takes where to put the socket"));
	assert_null(process);
	assert_null(socket);
	assert_int_equal(descriptors(), before);
	return 0;
}

/* The child is there before its pidfd is: it does not stay without. */
CASE(no_room_for_the_pidfd)
{
	struct zok_process *process = NULL;
	struct rlimit before, few;
	int next;

	assert_int_equal(zok_process_run(SHELL("exit 0"), NULL, NULL), 0);
	next = dup(STDERR_FILENO);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(zok_process_spawn(&process, (const char *const[]){"sleep", "1000", NULL}, NULL), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return 0;
}

CASE(sigchld_is_ignored)
{
	int before = descriptors();

	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(zok_process_run(SHELL("exit 0"), NULL, NULL), -ECHILD);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(descriptors(), before);
	return 0;
}

/* What is opened for the child then gets the number 0 itself. */
CASE(zero_is_free_here)
{
	int file = memfd_create("in", MFD_CLOEXEC), kept = dup(STDIN_FILENO);
	const struct zok_process_options options = {.in = {ZOK_STREAM_FD, .fd = file}, .out = {ZOK_STREAM_NULL}};
	struct zok_process_exit how;
	int rc;

	close(STDIN_FILENO);
	rc = zok_process_run(SHELL("echo wrong"), &options, &how);
	dup2(kept, STDIN_FILENO);
	close(kept);
	assert_int_equal(rc, 0);
	assert_int_equal(how.code, 0);
	assert_int_equal(lseek(file, 0, SEEK_END), 0);
	close(file);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(errors_of_the_exec),
		ROW(no_room_for_the_pidfd),
		ROW(sigchld_is_ignored),
		ROW(zero_is_free_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
