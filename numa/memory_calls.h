/*
 * The system calls that memory.c places memory with, in one table: tests refuse each in turn, as sandboxes do. Each returns 0 or a negative
 * errno. Made without libnuma: see docs/decisions/022.
 */
#ifndef ZOK_NUMA_MEMORY_CALLS_H
#define ZOK_NUMA_MEMORY_CALLS_H

#include "zokio/base.h"

struct zok__memory_calls {
	int (*map)(size_t size, int flags, void **out); /* mmap(2): private, anonymous, readable and writable, and `flags` */
	int (*bind)(void *memory, size_t size, int mode, const void *mask); /* mbind(2); mask: a struct zok__bitset */
	int (*advise)(void *memory, size_t size, int advice);		    /* madvise(2) */
	int (*where)(void **pages, int *nodes, size_t count); /* move_pages(2), which moves nothing here: a node or -errno a page */
};

extern const struct zok__memory_calls zok__memory_calls;

#endif
