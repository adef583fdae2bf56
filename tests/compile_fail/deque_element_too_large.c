/* A thief may read an element while it is overwritten: the machine must load it whole. */
#include "zokio/deque.h"

struct pair {
	void *first, *second;
};

/* error: 8 bytes; right: ZOK_DEQUE(pairs, struct pair *, 256); */
ZOK_DEQUE(pairs, struct pair, 256);
