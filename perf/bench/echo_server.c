#include "perf/bench/echo_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS = 5000, STOP_MS = 2000, ARGUMENT_SIZE = 512 };

/* A port that was free a moment ago: nobody else on a loopback interface takes one in between. */
static int free_port(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = 0;

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || getsockname(fd, (struct sockaddr *)&address, &size) < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		*port = ntohs(address.sin_port);
	return rc;
}

/* Copies text with each "{port}" and "{cpu}" replaced; what does not fit is cut. */
static void expand(char *out, const char *text, uint16_t port, int cpu)
{
	char *const end = out + ARGUMENT_SIZE - 1;

	while (*text && out < end) {
		if (strncmp(text, "{port}", 6) == 0) {
			out += snprintf(out, (size_t)(end - out), "%u", port);
			text += 6;
		} else if (strncmp(text, "{cpu}", 5) == 0) {
			out += snprintf(out, (size_t)(end - out), "%d", cpu);
			text += 5;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

static _Noreturn void become(const char *const *argv, uint16_t port, int cpu, int out, pid_t parent)
{
	static char texts[ECHO_SERVER_ARGUMENTS_MAX][ARGUMENT_SIZE];
	char *arguments[ECHO_SERVER_ARGUMENTS_MAX + 1] = {NULL};

	for (size_t i = 0; argv[i] && i < ECHO_SERVER_ARGUMENTS_MAX; i++) {
		expand(texts[i], argv[i], port, cpu);
		arguments[i] = texts[i];
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it died before the line above */
		_exit(1);
	dup2(out, STDOUT_FILENO);
	execv(arguments[0], arguments);
	_exit(127);
}

/* Reads until a line says that the server listens. The pipe stays open: a server that prints more must not get SIGPIPE. */
static int await_ready(int from)
{
	struct pollfd pollfd = {.fd = from, .events = POLLIN};
	char text[4096];
	size_t size = 0;

	while (size < sizeof text - 1) {
		ssize_t n;

		if (poll(&pollfd, 1, READY_MS) <= 0)
			return -ETIMEDOUT;
		n = read(from, text + size, sizeof text - 1 - size);
		if (n <= 0)
			return -ECHILD;
		size += (size_t)n;
		text[size] = '\0';
		if (strstr(text, "ready") || strstr(text, "listening"))
			return 0;
	}
	return -ETIMEDOUT;
}

int echo_server_start(struct echo_server *server, const char *const *argv, int cpu)
{
	int ends[2], rc;
	pid_t parent = getpid();

	if (access(argv[0], X_OK) < 0)
		return -ENOENT;
	rc = free_port(&server->port);
	if (rc < 0)
		return rc;
	if (pipe(ends) < 0)
		return -errno;
	server->pid = fork();
	if (server->pid == 0)
		become(argv, server->port, cpu, ends[1], parent);
	close(ends[1]);
	if (server->pid < 0 || clock_getcpuclockid(server->pid, &server->cpu_clock) != 0)
		rc = -EAGAIN;
	else
		rc = await_ready(ends[0]);
	if (rc < 0) {
		close(ends[0]);
		echo_server_stop(server);
	}
	return rc;
}

/* Whether the child ended within the time; reaps it if so. */
static bool has_ended(pid_t pid, int timeout_ms)
{
	struct pollfd pollfd = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	bool is_over = pollfd.fd < 0 || poll(&pollfd, 1, timeout_ms) > 0;

	if (pollfd.fd >= 0)
		close(pollfd.fd);
	return is_over && waitpid(pid, NULL, WNOHANG) == pid;
}

int echo_server_stop(struct echo_server *server)
{
	pid_t pid = server->pid;

	server->pid = 0;
	if (pid <= 0)
		return 0;
	kill(pid, SIGTERM);
	if (has_ended(pid, STOP_MS))
		return 0;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -ETIMEDOUT;
}
