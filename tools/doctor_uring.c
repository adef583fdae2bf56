/* io_uring, tried: a runtime is started on it in a child of our own, and its engine says what it found on its live ring. */
#include "tools/doctor.h"

#include "zokio/zokio.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { REPORT_SIZE = 8192, TIMEOUT_MS = 10000 };

static void say(int fd, const char *prefix, const char *text)
{
	dprintf(fd, "%s%s\n", prefix, text);
}

static void log_to_pipe(void *arg, enum zok_log_level level, const char *text)
{
	const int *fd = arg;

	if (level <= ZOK_LOG_WARN)
		say(*fd, "!", text);
}

static int write_report(void *arg)
{
	const int *fd = arg;
	char text[REPORT_SIZE];

	if (zok_engine_report(text, sizeof text) > 0)
		say(*fd, "", text);
	return 0;
}

static _Noreturn void run_child(int fd, const char *engine, const char *mode)
{
	int rc;

	alarm(TIMEOUT_MS / 1000);
	zok_log_set(log_to_pipe, &fd);
	rc = zok_run(&(struct zok_options){.engine = engine, .mode = mode, .keep_signals = true}, write_report, &fd);
	_exit(rc < 0 ? 1 : 0);
}

/* What the child said before it ended or its time was over. */
static void read_child(int fd, char *text, size_t size)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	size_t used = 0;
	ssize_t n = 1;

	while (n > 0 && used + 1 < size && poll(&wait, 1, TIMEOUT_MS) > 0) {
		n = read(fd, text + used, size - 1 - used);
		used += n > 0 ? (size_t)n : 0;
	}
	text[used] = '\0';
}

/* The report of a runtime in `mode`, or the lines that it logged ("!…"). Its exit status, or a negative errno. */
static int try_mode(const char *engine, const char *mode, char *text, size_t size)
{
	int fds[2], status = 0;
	pid_t pid;

	if (pipe(fds) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		run_child(fds[1], engine, mode);
	}
	close(fds[1]);
	if (pid > 0) {
		read_child(fds[0], text, size);
		kill(pid, SIGKILL); /* it has ended, or it never will */
		waitpid(pid, &status, 0);
	}
	close(fds[0]);
	if (pid < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : text[0] && text[0] != '!' ? 0 : -ETIMEDOUT;
}

/* The first line that was logged, without its mark; "" where there is none. */
static const char *logged(char *text)
{
	char *line = text[0] == '!' ? text : strstr(text, "\n!");

	if (!line)
		return "";
	line += line[0] == '!' ? 1 : 2;
	line[strcspn(line, "\n")] = '\0';
	return line;
}

/* A line of the report: the name in the first 24 columns, "on" or "off", and the reason. */
static bool read_feature(const char *line, char *name, size_t size, bool *is_on, const char **reason)
{
	size_t length = strcspn(line, "\n");

	if (length < 29 || (strncmp(line + 25, "on", 2) != 0 && strncmp(line + 25, "off", 3) != 0))
		return false;
	snprintf(name, size, "%.24s", line);
	for (size_t end = strlen(name); end > 0 && name[end - 1] == ' '; end--)
		name[end - 1] = '\0';
	*is_on = line[26] == 'n';
	*reason = line + 30 < line + length ? line + 30 : "";
	return true;
}

static void add_features(struct doctor *doctor, const char *text)
{
	char name[32];
	const char *reason;
	unsigned on_count = 0;
	bool is_on;

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		struct doctor_finding *finding;

		if (!read_feature(line, name, sizeof name, &is_on, &reason))
			continue;
		on_count += is_on;
		/* What this engine or mode leaves off by choice is no finding. */
		if (is_on || strncmp(reason, "kernel", 6) != 0)
			continue;
		finding = doctor_add(doctor, "io_uring", DOCTOR_NOTE, "%s: %.*s", name, (int)strcspn(reason, "\n"), reason);
		finding->why = "the engine goes on without it, by a way that costs more system calls or wake-ups";
		doctor_mend(finding, "a newer kernel (Debian: the backports' linux-image)");
		finding->needs_reboot = true;
	}
	doctor_add(doctor, "io_uring", DOCTOR_OK, "works; %u features are on, each tried on a live ring", on_count);
}

void doctor_check_uring(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char text[REPORT_SIZE] = "";
	int rc = try_mode("uring", "park", text, sizeof text);

	if (rc == 0) {
		add_features(doctor, text);
		return;
	}
	finding = doctor_add(doctor, "io_uring", DOCTOR_FAILURE, "%s", rc < 0 ? strerror(-rc) : logged(text));
	finding->why = "the runtime falls back on epoll: more system calls a request, no multishot receives, no files";
	doctor_mend(finding, "as the line says; sysctl kernel.io_uring_disabled, the container's seccomp profile and the kernel's version "
			     "are told apart there");
}

/* A line of the report by its name: what stands behind "on" or "off". False where there is none. */
static bool find_feature(const char *text, const char *wanted, const char **reason)
{
	char name[32];
	bool is_on;

	for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (read_feature(line, name, sizeof name, &is_on, reason) && strcmp(name, wanted) == 0)
			return true;
	return false;
}

/* Not a fault where the processor has nothing better than PAUSE: told, so that who asks for the mode knows. */
void doctor_check_spin(struct doctor *doctor)
{
	char text[REPORT_SIZE] = "";
	const char *reason;
	int rc = try_mode("auto", "spin", text, sizeof text);

	if (rc == 0 && find_feature(text, "spin", &reason))
		doctor_add(doctor, "spin", DOCTOR_OK, "a core alone waits with %.*s", (int)strcspn(reason, "\n"), reason);
	else
		doctor_add(doctor, "spin", DOCTOR_UNKNOWN, "no runtime could be started: %s", rc < 0 ? strerror(-rc) : logged(text));
}

void doctor_check_sqpoll(struct doctor *doctor)
{
	struct doctor_finding *finding;
	char text[REPORT_SIZE] = "";
	int rc = try_mode("uring", "sqpoll", text, sizeof text);

	if (rc == 0 && strstr(text, "\nsqpoll                   on")) {
		doctor_add(doctor, "sqpoll", DOCTOR_OK, "can be had");
		return;
	}
	finding = doctor_add(doctor, "sqpoll", DOCTOR_NOTE, "cannot be had: %s",
			     rc == 0  ? "the engine went on in mode park"
			     : rc < 0 ? strerror(-rc)
				      : logged(text));
	finding->why = "only programs that ask for mode sqpoll miss it";
}
