/*
 * The system calls that make, signal and reap a process. One file, so that a simulator can own them. Unlike those of sys.h the first one blocks, for
 * as long as an exec takes: a thread of the blocking pool calls it, whose processors and priority are not a core's.
 */
#ifndef NET_SPAWN_H
#define NET_SPAWN_H

#include "zokio/process.h"

#include <sys/types.h>

struct zok__spawn {
	const char *const *argv;
	const struct zok_process_options *options;
	/* what came of it */
	pid_t pid;
	int pidfd;
	int ours[3]; /* our ends of its streams; -1: there is none */
};

/* 0, or a negative errno and nothing is left open and no child alive. */
int zok__spawn(struct zok__spawn *spawn);

/* 0, -ESRCH, -EPERM, -EINVAL. */
int zok__spawn_signal(int pidfd, int signal_number);

/* 1: it had ended, and is no zombie any more; 0: it has not; -ECHILD: somebody else has reaped it. */
int zok__spawn_reap(int pidfd, struct zok_process_exit *how);

#endif
