/* The phases of an end that was asked for. All functions: on the first core, from a message or a task. */
#ifndef RUNTIME_PHASES_H
#define RUNTIME_PHASES_H

#include "runtime/runtime.h"

/* The program asks: drain, then cancel. */
void zok__phases_drain(struct zok_runtime *runtime);

/* The first signal: drain, cancel, grace, and the end of the process where that was not enough. */
void zok__phases_signal(struct zok_runtime *runtime);

/* A second signal: the drain is over. */
void zok__phases_cut(struct zok_runtime *runtime);

#endif
