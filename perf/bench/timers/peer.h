/*
 * What the timer benchmark asks of each library: work on many timers, named by their index, in one call, so that no indirect call is in what
 * is measured. A peer's timers are an array of the struct that its users embed. The loop's idea of the time is taken once a call where the
 * library lets its users do so, as it is within a turn of an event loop.
 */
#ifndef PERF_BENCH_TIMERS_PEER_H
#define PERF_BENCH_TIMERS_PEER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct timer_peer {
	const char *name;
	void *(*create)(size_t count);
	/* Arms the timers which[0 … count - 1], each to fire delays_ns[its index] from now. */
	void (*insert)(void *self, const uint32_t *which, const uint64_t *delays_ns, size_t count);
	void (*cancel)(void *self, const uint32_t *which, size_t count);
	/* Runs what is due and returns how many have fired since the creation. */
	size_t (*fire)(void *self);
	void (*destroy)(void *self);
};

/* Weak: a library that is not installed leaves its symbol without an address. */
#define TIMER_PEER_OPTIONAL __attribute__((weak))
extern const struct timer_peer timer_libev TIMER_PEER_OPTIONAL;
extern const struct timer_peer timer_libevent TIMER_PEER_OPTIONAL;
extern const struct timer_peer timer_libuv TIMER_PEER_OPTIONAL;
extern const struct timer_peer timer_asio TIMER_PEER_OPTIONAL;

#ifdef __cplusplus
}
#endif

#endif
