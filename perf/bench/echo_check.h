/* Whether a server echoes byte for byte. Every server is asked before it is measured: a wrong one can be fast. */
#ifndef PERF_BENCH_ECHO_CHECK_H
#define PERF_BENCH_ECHO_CHECK_H

#include <stdint.h>

/*
 * Sends some megabytes of seeded noise to 127.0.0.1:port over a few connections at once, in chunks of random size, reads in chunks of random
 * size and by spells not at all, so that the server meets a slow reader; then ends its direction and expects the rest and the end. 0,
 * -EBADMSG for a wrong, missing or surplus byte, -ETIMEDOUT when nothing moved for five seconds, or the socket's error.
 */
int echo_check(uint16_t port, uint64_t seed);

#endif
