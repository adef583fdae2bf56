/* Threads for what an engine gives away (core/offload.h): one a job, which a test may hold back, so that a cancel finds it not begun. */
#ifndef TESTS_CONTRACT_THREADS_H
#define TESTS_CONTRACT_THREADS_H

#include "core/offload.h"

extern const struct zok__threads test_threads;

/* From here on jobs wait; false: those that wait begin. */
void threads_hold(bool is_held);

/* How many jobs wait. */
unsigned threads_waiting_count(void);

/* From here on no thread is to be had: start() says -EAGAIN. */
void threads_refuse(bool is_refused);

/* Waits until every thread has left its job. */
void threads_settle(void);

#endif
