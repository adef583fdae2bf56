/* A program in bounded time: a file is its input, what it says goes to our output, and when its time is over it is ended, at the latest by SIGKILL. */
#include <fcntl.h>
#include <unistd.h>

#include "examples/options.h"

struct run {
	struct zok_options runtime;
	const char *input; /* NULL: nothing */
	uint64_t timeout_ns, grace_ns;
	const char *const *argv;
	struct zok_socket *in, *out;
};

/* A program may well not read all of it. */
static int feed(void *arg)
{
	struct run *run = arg;
	struct zok_file *file = NULL;
	char buf[16384];
	ssize_t n = 0;
	int rc = run->input ? zok_file_open(&file, NULL, run->input, O_RDONLY, 0) : 0;

	while (file && (n = zok_file_read(file, buf, sizeof buf)) > 0)
		if (zok_write_all(run->in, buf, (size_t)n) < 0)
			break;
	zok_file_close(file);
	zok_close(run->in);
	return rc < 0 ? rc : (int)(n < 0 ? n : 0);
}

static int drain(void *arg)
{
	struct run *run = arg;
	struct zok_file *output = NULL;
	char buf[16384];
	ssize_t n = 0;
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3), rc = fd < 0 ? -errno : zok_file_adopt(&output, fd);

	if (rc < 0 && fd >= 0)
		close(fd);
	while (rc == 0 && (n = zok_read(run->out, buf, sizeof buf)) > 0)
		rc = (int)(zok_file_write(output, buf, (size_t)n) == n ? 0 : -EIO);
	zok_file_close(output);
	zok_close(run->out);
	return rc < 0 ? rc : (int)(n < 0 ? n : 0);
}

/* 0, or what ended it early; *how stands where it has ended by itself. */
static int converse(struct run *run, struct zok_process *process, struct zok_process_exit *how)
{
	struct zok_scope *scope =
		zok_scope_open(&(struct zok_scope_options){.name = "run", .timeout_ns = run->timeout_ns, .cancel_on_error = true});
	int rc = scope ? zok_spawn(scope, feed, run, NULL) : -ENOMEM;

	if (rc < 0)
		zok_close(run->in);
	if (rc < 0 || (rc = zok_spawn(scope, drain, run, NULL)) < 0)
		zok_close(run->out);
	if (rc == 0)
		rc = zok_process_wait(process, how);
	return scope ? zok_scope_close(scope, rc) : rc;
}

static int run_program(void *arg)
{
	struct run *run = arg;
	const struct zok_process_options options = {
		.in = {ZOK_STREAM_SOCKET, .socket = &run->in}, .out = {ZOK_STREAM_SOCKET, .socket = &run->out}, .grace_ns = run->grace_ns};
	struct zok_process_exit how = {0};
	struct zok_process *process;
	int rc = zok_process_spawn(&process, run->argv, &options);

	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", run->argv[0], strerror(-rc));
		return rc == -ENOENT ? 127 : 126; /* as a shell's */
	}
	rc = converse(run, process, &how);
	zok_process_close(process);
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", run->argv[0], rc == -ETIMEDOUT ? "its time is over" : strerror(-rc));
		return rc == -ETIMEDOUT ? 124 : 125; /* as timeout(1)'s */
	}
	return how.is_signaled ? 128 + how.code : how.code;
}

static _Noreturn void help(void)
{
	printf("usage: run [OPTION VALUE]... -- PROGRAM [ARGUMENT]...\n"
	       "  --seconds SECONDS  it may take so long (default: 0, any time); then it gets SIGTERM\n"
	       "  --grace SECONDS    and so much later SIGKILL (default 2)\n"
	       "  --input FILE       its standard input (default: nothing)\n"
	       "  --engine ENGINE    uring, epoll or auto (default)\n"
	       "Ends with the program's exit code, 128 + its signal, 124 when its time is over, 127 when there is no such program.\n");
	exit(0);
}

static void take(struct run *run, const char *option, const char *value)
{
	static const char *const engines[] = {"auto", "uring", "epoll", NULL};

	if (strcmp(option, "--seconds") == 0)
		run->timeout_ns = options_seconds(option, value);
	else if (strcmp(option, "--grace") == 0)
		run->grace_ns = options_seconds(option, value);
	else if (strcmp(option, "--input") == 0)
		run->input = value;
	else if (strcmp(option, "--engine") == 0)
		run->runtime.engine = options_word(option, value, engines, "it takes auto, uring or epoll");
	else
		options_fail(option, "", "no such option; there are --seconds, --grace, --input and --engine, and -- before the program");
}

int main(int argc, char **argv)
{
	struct run run = {0};
	int i = 1, rc;

	for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
		if (options_is_help(argv[i]))
			help();
		if (i + 1 == argc)
			options_fail(argv[i], "", "its value is missing, or -- before the program");
		take(&run, argv[i], argv[i + 1]);
	}
	if (i + 1 >= argc)
		options_fail("--", "", "the program is missing; it takes -- PROGRAM [ARGUMENT]...");
	run.argv = (const char *const *)(argv + i + 1);
	rc = zok_run(&run.runtime, run_program, &run);
	return rc < 0 ? 125 : rc;
}
