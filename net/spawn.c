#include "net/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

enum { FIRST_FREE = 3 }; /* behind the standard descriptors */

static void close_all(int fds[3])
{
	for (int i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* ---- A child's descriptors ---- */

/* Where the descriptors 0 to 2 are free here, one of ours could be what the child is about to put something else over. */
static int lift(int fd)
{
	int lifted = fd;

	if (fd >= 0 && fd < FIRST_FREE) {
		lifted = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FREE);
		close(fd);
	}
	return lifted;
}

/* Each way has a pair of its own: a half that the child does not know cannot keep its stream open. */
static int make_pair(int number, int *ours)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return -1;
	shutdown(fds[0], number == STDIN_FILENO ? SHUT_RD : SHUT_WR);
	*ours = fds[0];
	return fds[1];
}

static const struct zok_process_stream *stream_of(const struct zok_process_options *options, int number)
{
	return number == 0 ? &options->in : number == 1 ? &options->out : &options->err;
}

/* 0, and the descriptor that becomes the child's `number`; -1: it has what we have, or what it has as 1. */
static int make_stream(struct zok__spawn *spawn, int number, int *theirs)
{
	const struct zok_process_stream *stream = stream_of(spawn->options, number);

	if (stream->kind == ZOK_STREAM_NULL)
		*theirs = lift(open("/dev/null", O_RDWR | O_CLOEXEC));
	else if (stream->kind == ZOK_STREAM_SOCKET)
		*theirs = lift(make_pair(number, &spawn->ours[number]));
	else if (stream->kind == ZOK_STREAM_FD)
		*theirs = fcntl(stream->fd, F_DUPFD_CLOEXEC, FIRST_FREE);
	else
		return 0;
	return *theirs < 0 ? -errno : 0;
}

/* ---- What the child does before its exec ---- */

/* Relative to the new folder, as after a chdir() of one's own. */
static int fill_actions(posix_spawn_file_actions_t *actions, const struct zok_process_options *options, const int theirs[3])
{
	int rc = options->directory ? posix_spawn_file_actions_addchdir_np(actions, options->directory) : 0;

	for (int i = 0; rc == 0 && i < 3; i++)
		if (theirs[i] >= 0)
			rc = posix_spawn_file_actions_adddup2(actions, theirs[i], i);
	if (rc == 0 && options->err.kind == ZOK_STREAM_AS_OUT)
		rc = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
	return rc ? rc : posix_spawn_file_actions_addclosefrom_np(actions, FIRST_FREE);
}

/* An exec resets handlers, but keeps what is ignored (SIGPIPE, most often) and what is blocked. */
static void fill_attributes(posix_spawnattr_t *attributes)
{
	sigset_t all, none;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

/* glibc's posix_spawn shares our memory until the exec, as vfork() does, and so returns the exec's own error. */
static int start(struct zok__spawn *spawn, const int theirs[3])
{
	char *const *environment = spawn->options->environment ? (char *const *)(uintptr_t)spawn->options->environment : environ;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int rc;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	fill_attributes(&attributes);
	rc = fill_actions(&actions, spawn->options, theirs);
	if (rc == 0)
		rc = posix_spawnp(&spawn->pid, spawn->argv[0], &actions, &attributes, (char *const *)(uintptr_t)spawn->argv, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

/* Nobody else reaps our children, so that the number is still this child's. One that cannot be watched is not kept. */
static int watch(struct zok__spawn *spawn)
{
	int error;

	spawn->pidfd = (int)syscall(SYS_pidfd_open, spawn->pid, 0); /* close-on-exec by itself */
	if (spawn->pidfd >= 0)
		return 0;
	error = errno;
	if (error == ESRCH)
		return -ECHILD; /* it has ended, and the kernel has reaped it: SIGCHLD is ignored */
	kill(spawn->pid, SIGKILL);
	while (waitpid(spawn->pid, NULL, 0) < 0 && errno == EINTR) {
	}
	return -error;
}

int zok__spawn(struct zok__spawn *spawn)
{
	int theirs[3] = {-1, -1, -1}, rc = 0;

	spawn->ours[0] = spawn->ours[1] = spawn->ours[2] = -1;
	for (int i = 0; rc == 0 && i < 3; i++)
		rc = make_stream(spawn, i, &theirs[i]);
	if (rc == 0)
		rc = start(spawn, theirs);
	close_all(theirs);
	if (rc == 0)
		rc = watch(spawn);
	if (rc < 0)
		close_all(spawn->ours);
	return rc;
}

/* ---- Later ---- */

int zok__spawn_signal(int pidfd, int signal_number)
{
	return syscall(SYS_pidfd_send_signal, pidfd, signal_number, NULL, 0) < 0 ? -errno : 0;
}

int zok__spawn_reap(int pidfd, struct zok_process_exit *how)
{
	siginfo_t info;

	info.si_pid = 0;
	if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0)
		return -errno;
	if (info.si_pid == 0)
		return 0;
	*how = (struct zok_process_exit){
		.is_signaled = info.si_code != CLD_EXITED, .has_dumped = info.si_code == CLD_DUMPED, .code = info.si_status};
	return 1;
}
