/* Who is alive, in words. */
#ifndef RUNTIME_ALIVE_H
#define RUNTIME_ALIVE_H

#include "runtime/runtime.h"

/* A line for each task under each core's root scope, and for what was taken from other cores and its children: name, class, scope, what it awaits and for how
 * long. On the first core, in a fiber. */
void zok__alive_tell(struct zok_runtime *runtime);

#endif
