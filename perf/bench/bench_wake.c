/*
 * What does it cost to wake a parked core, one way? Half of a round trip of zok_tell() between two cores that both sleep in between, beside two bare
 * threads that sleep in read(2) on an eventfd and wake each other by write(2), in the same run.
 */
#include "perf/bench/bench.h"
#include "perf/bench/bench_cores.h"

#include <math.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ROUND_TRIPS = 3000 };

/* ---- Bare threads ---- */

struct pair {
	int there, back;
};

static void *answer(void *arg)
{
	const struct pair *pair = arg;
	uint64_t count;

	bench_pin(1);
	for (unsigned i = 0; i < ROUND_TRIPS; i++)
		if (read(pair->there, &count, sizeof count) < 0 || write(pair->back, &count, sizeof count) < 0)
			break;
	return NULL;
}

static double bare_eventfd(void *arg)
{
	struct pair pair = {.there = eventfd(0, EFD_CLOEXEC), .back = eventfd(0, EFD_CLOEXEC)};
	uint64_t began_ns, one = 1, count;
	pthread_t thread;

	bench_pin(0);
	if (pair.there < 0 || pair.back < 0 || pthread_create(&thread, NULL, answer, &pair) != 0)
		return NAN;
	began_ns = bench_now_ns();
	for (unsigned i = 0; i < ROUND_TRIPS; i++)
		if (write(pair.there, &one, sizeof one) < 0 || read(pair.back, &count, sizeof count) < 0)
			break;
	began_ns = bench_now_ns() - began_ns;
	pthread_join(thread, NULL);
	close(pair.there);
	close(pair.back);
	return (double)began_ns / (2.0 * ROUND_TRIPS);
}

/* ---- Two cores ---- */

static double play(void *arg)
{
	return bench_tell_one_way(ROUND_TRIPS);
}

static double ours(void *way)
{
	return bench_on_two_cores((struct zok_options){.mode = "park", .engine = "uring", .wake = way}, play, NULL);
}

static double ours_epoll(void *arg)
{
	return bench_on_two_cores((struct zok_options){.mode = "park", .engine = "epoll", .wake = "eventfd"}, play, NULL);
}

int main(int argc, char **argv)
{
	static char automatic[] = "auto", by_eventfd[] = "eventfd", by_ring[] = "msg-ring";
	const struct bench_case cases[] = {
		{"zokio, calibrated", ours, automatic}, {"bare eventfd", bare_eventfd, NULL},	   {"zokio, eventfd", ours, by_eventfd},
		{"zokio, msg-ring", ours, by_ring},	{"zokio, epoll engine", ours_epoll, NULL},
	};

	bench_init(argc, argv);
	bench_ask(&(struct bench_question){.name = "wake", .unit = "ns one way", .subject = "zokio, calibrated", .against = "bare eventfd"},
		  cases, sizeof cases / sizeof *cases);
	return 0;
}
