/* Indices become slots by a mask: a capacity that is no power of two has none. */
#include "zokio/spsc.h"

/* error: a power of two; right: ZOK_SPSC(orders, int, 1024); */
ZOK_SPSC(orders, int, 1000);
