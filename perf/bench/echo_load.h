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

/*
 * The connections stay open and what is measured is cut into slices of some tens of milliseconds, so that many servers can take turns within
 * a second: what the host takes away for a millisecond then spoils one slice of one server, and the median over the slices does not hear of it.
 */
struct echo_load;

struct echo_load_slice {
	double rate; /* requests/s at a constant pace, latency from the planned send; 0: closed loop, one request a connection */
	uint64_t warmup_ns, measure_ns;
	clockid_t server_clock; /* the server's processor time */
};

/* Percentiles are of the requests planned (in the closed loop: sent) within the slice, whenever their answers came. */
struct echo_load_result {
	double requests_per_s;
	uint64_t p50_ns, p99_ns, p999_ns, max_ns;
	double client_busy; /* the share of the time in which the client found something to do: near 1 it is what limits */
	double server_busy; /* the server's processor time over the time */
};

/*
 * Opens `connections` connections to 127.0.0.1:port. Pin the calling thread first, to another processor than the server's; the load is that
 * thread's alone. -EINVAL: more than ECHO_LOAD_CONNECTIONS_MAX; -ENOMEM; what the sockets or the ring return.
 */
int echo_load_open(struct echo_load **load, uint16_t port, unsigned connections);

/*
 * One slice: warms up, measures, and waits for the answers that are under way. 0; -ECONNRESET when the server ended a connection; -ETIMEDOUT
 * when answers did not come within two seconds; -ENOMEM. After a failure the load can only be closed.
 */
int echo_load_run(struct echo_load *load, const struct echo_load_slice *slice, struct echo_load_result *result);

/* By reset, so that nothing stays in TIME_WAIT. NULL is fine. */
void echo_load_close(struct echo_load *load);

#endif
