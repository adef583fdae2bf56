/*
 * What stands at both ends of a relay while it is measured: clients, and, if wanted, the server behind it as well. One thread, as light as can be, so
 * that the relay is what limits: io_uring with registered sockets, multishot receives and sends that post no completion. It says itself how busy it was.
 *
 * As in echo_load.h the connections stay open, and what is measured is cut into slices, so that relays can take turns.
 */
#ifndef PERF_BENCH_RELAY_ENDS_H
#define PERF_BENCH_RELAY_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { RELAY_ENDS_CONNECTIONS_MAX = 1024, RELAY_ENDS_MESSAGE_MAX = 65536 };

struct relay_ends;

struct relay_ends_options {
	uint16_t port; /* the relay's, on 127.0.0.1 */
	int door; /* a listening socket that the relay connects to: the server is played here, too, and answers each request with as many bytes; -1: somebody else is the server */
	unsigned connections;
	const void *request; /* stays the caller's until relay_ends_close() */
	size_t request_len, answer_len;
	bool spins; /* it polls: no wake-up of its own is in the figures; else it sleeps while there is nothing to do, and only a closed loop can */
};

struct relay_ends_slice {
	double rate; /* requests/s at a constant pace, latency from the planned send; 0: closed loop, one request a connection */
	uint64_t warmup_ns, measure_ns;
	clockid_t relay_clock; /* the relay's processor time */
};

struct relay_ends_result {
	double requests_per_s;
	double relay_ns;	 /* the relay's processor time a request, of all requests of the slice */
	double relay_busy;	 /* its processor time over the time */
	double ends_busy;	 /* the share of the time in which the ends found something to do (spinning), or computed (sleeping) */
	uint64_t p50_ns, p99_ns; /* of the requests planned (in the closed loop: sent) while it was measured; 0: none was */
};

/*
 * Opens the connections. The rings are the calling thread's alone; pin it first. -EINVAL: too many connections or too long a message, or sleeping with a
 * rate; -ETIMEDOUT: the relay did not connect to `door` within five seconds; -ENOMEM; what the sockets or the ring return.
 */
int relay_ends_open(struct relay_ends **ends, const struct relay_ends_options *options);

/*
 * One slice: warms up, measures, and waits for the answers that are under way. 0; -EAGAIN: no answer came in it, as where the host took the processor away
 * for all of it; -ECONNRESET: a connection ended; -ETIMEDOUT: answers did not come within two seconds; -ENOMEM. After another failure than the first it can
 * only be closed.
 */
int relay_ends_run(struct relay_ends *ends, const struct relay_ends_slice *slice, struct relay_ends_result *result);

/* By reset, so that nothing stays in TIME_WAIT. NULL is fine. */
void relay_ends_close(struct relay_ends *ends);

#endif
