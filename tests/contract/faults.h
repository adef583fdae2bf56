/* How a wrapped call learns whether it is the one that fails; shared by test_faults.c and the wrappers of one engine's library. */
#ifndef TESTS_CONTRACT_FAULTS_H
#define TESTS_CONTRACT_FAULTS_H

#include <stdbool.h>

/* The engine is running, and this call is the one that has to fail. */
bool fault_is_due(const char *name, bool can_be_interrupted);

/* The run fails calls with EINTR only. */
bool fault_is_interrupt(void);

#endif
