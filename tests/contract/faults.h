/* Calls that fail once in turn: how a test says which, and how a wrapper learns whether it is the one. */
#ifndef TESTS_CONTRACT_FAULTS_H
#define TESTS_CONTRACT_FAULTS_H

#include <stdbool.h>

/* ---- For a test ---- */

/* From here on, while armed, the target-th call fails; with `interrupts` only calls that a signal may interrupt are counted, and get EINTR. */
void faults_begin(unsigned target, bool interrupts);

/* Armed while what is tested runs, and not the test. Returns how it was. */
bool faults_arm(bool is_armed);

/* Which call has failed; NULL: there were fewer. */
const char *faults_hit(void);

/* On io_uring: the kernel takes this many SQEs at a time, as one that is short of memory may; UINT_MAX: what there is. */
void faults_cut(unsigned most);

/* ---- For the wrappers ---- */

/* The engine is running, and this call is the one that has to fail. */
bool fault_is_due(const char *name, bool can_be_interrupted);

/* The run fails calls with EINTR only. */
bool fault_is_interrupt(void);

/* How many of these SQEs the kernel takes. */
unsigned fault_cut(unsigned to_submit);

#endif
