/*
 * Processes: a program is started, spoken with through sockets, awaited and ended, without the core waiting for any of it. Linux 5.4.
 *
 *	struct zok_process *sort;
 *	struct zok_socket *in, *out;
 *	struct zok_process_exit how;
 *	const char *const argv[] = {"sort", "-n", NULL};
 *	int rc = zok_process_spawn(&sort, argv,
 *				   &(struct zok_process_options){.in = {ZOK_STREAM_SOCKET, .socket = &in},
 *								 .out = {ZOK_STREAM_SOCKET, .socket = &out}});
 *	…                                              zok_write_all(in, …); zok_close(in); zok_read(out, …)
 *	rc = zok_process_wait(sort, &how);
 *	zok_process_close(sort);
 *
 * What a child gets: the descriptors 0, 1 and 2 and no other, whatever else is open here; no signal blocked or ignored; the processors that this
 * process had before its cores were pinned, and no real-time priority. An exec that fails is the spawn's error; the child is then gone.
 *
 * What it never leaves: a zombie. A child is reaped when it ends, whether somebody waits or not, for as long as its core runs. So this process must
 * not ignore SIGCHLD, nor wait for any child (waitpid(-1)); where it does, a wait ends with -ECHILD. Signals go to the child through its pidfd, never
 * to another process that has its number by now.
 *
 * A process belongs to the core that spawned it (-EXDEV for a task that was stolen from there). Calls suspend where that is said; a deadline comes
 * from the scope. Common errors: -ECANCELED, -ETIMEDOUT (the scope), -EBADF (it is being closed by another task), -ENOMEM.
 */
#ifndef ZOKIO_PROCESS_H
#define ZOKIO_PROCESS_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"
#include "zokio/net.h"

ZOK_BEGIN_DECLS

struct zok_process;

/* What one of a child's three standard descriptors is. */
enum zok_stream {
	ZOK_STREAM_INHERIT = 0, /* ours */
	ZOK_STREAM_NULL,	/* /dev/null */
	ZOK_STREAM_SOCKET, /* one end of a pair of Unix sockets; the other is *socket, the caller's to close. A pipe that is awaited; as with every
				   socket, a child cannot open it again by /dev/stdin */
	ZOK_STREAM_FD,	   /* a copy of `fd`, which stays the caller's */
	ZOK_STREAM_AS_OUT, /* `err` only: where `out` goes */
};

struct zok_process_stream {
	enum zok_stream kind;
	int fd;
	struct zok_socket **socket; /* set when the spawn has succeeded */
};

/* What a close does to a child that still runs. */
enum zok_process_end {
	ZOK_PROCESS_TERMINATE = 0, /* SIGTERM, and SIGKILL when it has not ended within the grace */
	ZOK_PROCESS_KILL,	   /* SIGKILL */
	ZOK_PROCESS_LEAVE,	   /* nothing: it goes on, and is reaped when it ends */
};

/* All zero: our environment, folder and descriptors. */
struct zok_process_options {
	const char *const *environment; /* "NAME=value"…, NULL; NULL: ours */
	const char *directory;		/* its working folder; NULL: ours. A relative program is looked for from there */
	struct zok_process_stream in, out, err;
	enum zok_process_end end;
	uint64_t grace_ns; /* TERMINATE; 0: two seconds */
};

/* How it has ended. */
struct zok_process_exit {
	bool is_signaled; /* by a signal; else it has returned */
	bool has_dumped;  /* and left a core file */
	int code;	  /* the signal's number, or its exit code */
};

/*
 * Starts argv[0], looked for in PATH unless it has a slash. `argv` ends with NULL; it and the options must stay until the result. The work is a
 * thread's of the blocking pool, whose size bounds how many spawns are under way at a time; others wait. A cancel ends only one that waits.
 * -ENOENT, -EACCES, -ENOEXEC, -E2BIG, -ELOOP…: what the exec says, or the folder; -EAGAIN: RLIMIT_NPROC, a control group's limit, or no thread;
 * -EMFILE, -ENFILE; -EINVAL: no program or an option out of range (the log says which); -ECHILD: SIGCHLD is ignored; -ENOSYS: no blocking pool, or
 * a kernel without pidfds. Suspends.
 */
ZOK_API int zok_process_spawn(struct zok_process **process, const char *const argv[], const struct zok_process_options *options);

/*
 * Suspends until the child has ended: 0, and *how (NULL: not asked). Any number of tasks may wait, and it may be asked again. A wait that is cut
 * short does nothing to the child. -ECHILD: somebody else has reaped it.
 */
ZOK_API int zok_process_wait(struct zok_process *process, struct zok_process_exit *how);

/* Sends it a signal. -ESRCH: it has ended; -EPERM: it has changed its user; -EINVAL: no such signal. Does not suspend. */
ZOK_API int zok_process_kill(struct zok_process *process, int signal_number);

/* Its number, for people to read. Does not suspend. */
ZOK_API int zok_process_id(const struct zok_process *process);

/*
 * Ends a child that still runs as its options say, waits for that, and frees it; other tasks' waits end with -EBADF. Suspends; not cut short by a cancel:
 * by then the child is on its way out, or the grace is over and it is killed. 0. Its sockets stay the caller's. NULL is fine. One that was left open
 * is killed when its core ends (unless it is to be left), which the log tells.
 */
ZOK_API int zok_process_close(struct zok_process *process);

/*
 * Spawns, waits and closes: 0 and *how, or what the spawn or the wait ends with. A cancel or a deadline of the scope ends the child as the options
 * say, and is the result. -EINVAL: a stream is ZOK_STREAM_SOCKET, which nobody could use meanwhile. Suspends.
 */
ZOK_API int zok_process_run(const char *const argv[], const struct zok_process_options *options, struct zok_process_exit *how);

/* ---- The same as futures; the struct is the library's until it is ready ---- */

struct zok_process_spawn {
	struct zok_future future; /* result 0 or negative */
	const char *const *argv;
	const struct zok_process_options *options;
	struct zok_process *process; /* set when the result is 0 */
};

struct zok_process_wait {
	struct zok_future future; /* result 0 or negative */
	struct zok_process *process;
	struct zok_process_exit how; /* set when the result is 0 */
	struct zok_list waiting;     /* private */
};

struct zok_process_close {
	struct zok_future future;
	struct zok_process *process;
};

/* Each as the call of its name. A close's process may not be NULL. */
ZOK_API void zok_process_spawn_prepare(struct zok_process_spawn *spawn, const char *const argv[],
				       const struct zok_process_options *options);
ZOK_API void zok_process_wait_prepare(struct zok_process_wait *wait, struct zok_process *process);
ZOK_API void zok_process_close_prepare(struct zok_process_close *close, struct zok_process *process);

ZOK_END_DECLS

#endif
