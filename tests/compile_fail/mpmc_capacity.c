/* Indices become slots by a mask: a capacity that is no power of two has none. */
#include "zokio/mpmc.h"

/* error: a power of two; right: ZOK_MPMC(jobs, int, 2); */
ZOK_MPMC(jobs, int, 1);
