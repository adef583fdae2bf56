/* Profiles: what each sets of the options that the user left at zero. The table stands in zokio/runtime.h too. */
#ifndef RUNTIME_PROFILE_H
#define RUNTIME_PROFILE_H

#include "zokio/runtime.h"

/* Fills what is zero in `options` by its profile. -EINVAL: there is no such one; `error` says which there are. */
int zok__profile_fill(struct zok_options *options, char *error, size_t error_size);

#endif
