/* An engine without I/O, for tests and benchmarks of the scheduler: it sleeps, it can be woken, and it completes NOPs. */
#ifndef TESTS_FAKE_ENGINE_H
#define TESTS_FAKE_ENGINE_H

#include "core/core.h"

extern const struct zok__engine_ops fake_engine;

/* Makes a core of its own on the calling thread, runs main_fn(arg) in a fiber of its root scope until nothing is alive, and returns the result. */
int fake_run(int (*main_fn)(void *arg), void *arg);

/* The same with options; zero fields get defaults. */
int fake_run_with(const struct zok__core_options *options, int (*main_fn)(void *arg), void *arg);

#endif
