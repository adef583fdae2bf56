/* The table of engines that this build has, and the choice among them. */
#ifndef RUNTIME_ENGINES_H
#define RUNTIME_ENGINES_H

#include "core/engine.h"

/*
 * `name` NULL or "auto": $ZOK_ENGINE if it is set, else the first of the table with the next as fallback. By name there is no fallback.
 * -EINVAL: no such engine, `error` lists those that there are.
 */
int zok__engines_choose(const char *name, const struct zok__engine_ops **engine, const struct zok__engine_ops **fallback, char *error,
			size_t error_size);

#endif
