/*
 * The load of the echo comparison: one thread, as light as can be, so that the server is what limits. It polls and never sleeps: no wake-up
 * of the client is in the figures. It runs on io_uring whatever the server runs on (registered sockets, multishot receive, sends that post
 * no completion), enters the kernel only when there is something to send or to reap, and says how busy it was itself.
 */
#ifndef PERF_BENCH_ECHO_LOAD_H
#define PERF_BENCH_ECHO_LOAD_H

#include <stdint.h>
#include <time.h>

enum { ECHO_LOAD_CONNECTIONS_MAX = 1024, ECHO_LOAD_MESSAGE_SIZE = 64 };

struct echo_load_options {
	uint16_t port; /* on 127.0.0.1 */
	unsigned connections;
	double rate; /* requests/s at a constant pace, latency from the planned send; 0: closed loop, one request a connection */
	uint64_t warmup_ns, measure_ns;
	clockid_t server_clock; /* the server's processor time */
};

struct echo_load_result {
	double requests_per_s;
	uint64_t p50_ns, p99_ns, p999_ns, max_ns;
	double client_busy; /* the share of the time in which the client found something to do: near 1 it is what limits */
	double server_busy; /* the server's processor time over the time */
};

/*
 * Pin the calling thread first, to another processor than the server's. 0; -ECONNRESET when the server ended a connection; -ENOMEM; what
 * the sockets or the ring return.
 */
int echo_load_run(const struct echo_load_options *options, struct echo_load_result *result);

#endif
