/* What the benchmarks of the scheduler across cores share: a runtime on two cores, and a Go program that answers the same questions. */
#ifndef PERF_BENCH_CORES_H
#define PERF_BENCH_CORES_H

/* Runs fn(arg) on a runtime of two cores ("adaptive", stealing as said) and returns what it gives; NAN where there are not two processors. */
double bench_on_two_cores(const char *stealing, double (*fn)(void *arg), void *arg);

/* Runs the Go program with one word, on two processors, and returns the figure that it prints; NAN where there is none. */
double bench_go(const char *question);

#endif
