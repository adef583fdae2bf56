/*
 * A TCP server as a child process: started on a free port of 127.0.0.1, ready before it is used, stopped by its pid. It dies with the
 * thread that started it, however that ends.
 */
#ifndef PERF_BENCH_ECHO_SERVER_H
#define PERF_BENCH_ECHO_SERVER_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum { ECHO_SERVER_ARGUMENTS_MAX = 16 };

struct echo_server {
	pid_t pid; /* 0: not running */
	uint16_t port;
	clockid_t cpu_clock; /* the processor time that it has used, in nanoseconds */
};

/*
 * Starts argv[0] (a path, NULL-terminated list) with "{port}" and "{cpu}" in the arguments replaced, and waits until it prints a line that
 * holds "ready" or "listening". 0, -ENOENT when there is no such program, -ETIMEDOUT when it was not ready in five seconds, -ECHILD when it
 * ended instead.
 */
int echo_server_start(struct echo_server *server, const char *const *argv, int cpu);

/* SIGTERM, then SIGKILL after two seconds. A server that is not running is left alone. Negative errno when the kill was needed. */
int echo_server_stop(struct echo_server *server);

#endif
