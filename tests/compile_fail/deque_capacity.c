/* Indices become slots by a mask: a capacity that is no power of two has none. */
#include "zokio/deque.h"

/* error: a power of two; right: ZOK_DEQUE(runnable, int *, 256); */
ZOK_DEQUE(runnable, int *, 255);
