/*
 * The frame of every micro-benchmark: cases are run in turn, round after round (A B C, A B C, …), so that a machine whose speed drifts
 * drifts for all of them. Reported are the median, minimum and maximum of each case and its ratio to the first case, taken round by round.
 * Never called from a core; each case pins its own threads.
 */
#ifndef PERF_BENCH_H
#define PERF_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench_case {
	const char *name;	  /* who: "zokio", "libuv"… The first case is ours; the ratios are against it */
	double (*run)(void *arg); /* one round; returns the figure in the question's unit, NAN when it could not run */
	void *arg;
};

struct bench_question {
	const char *name; /* bench_<name>, also the key in JSON */
	const char *unit; /* "ns", "M/s" */
	bool is_higher_better;
	unsigned rounds; /* 0: seven */
	/* The names of two cases whose ratio is printed on a line of its own, last; nothing when either is NULL or could not run. */
	const char *subject, *against;
};

/* Runs and prints one question. With --json among the program's arguments (see bench_init) one JSON object a question is printed instead. */
void bench_ask(const struct bench_question *question, const struct bench_case *cases, size_t case_count);

/* Reads --json, --rounds N and --only TEXT (a question's name must contain TEXT) and refuses anything else with exit code 2. */
void bench_init(int argc, char **argv);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t bench_now_ns(void);

/* Pins the calling thread to the index-th processor that the process may use; index counts modulo their number. Returns that processor's number. */
int bench_pin(unsigned index);

/* Lets the calling thread run on every processor that the process had at its start: before zok_run(), which takes its choice from the thread. */
void bench_unpin(void);

/* How many processors the process may use. */
unsigned bench_cpu_count(void);

/* Keeps a value alive without a store, so that the compiler cannot drop the loop that makes it. */
#define BENCH_KEEP(value) __asm__ volatile("" : : "r"(value) : "memory")

#endif
