/* Names for addresses of code: of this process, and of the kernel. For reports: reads files, allocates. */
#ifndef RUNTIME_SYMBOLS_H
#define RUNTIME_SYMBOLS_H

#include "zokio/base.h"

enum { ZOK__SYMBOL_NAME_SIZE = 64 /* sscanf in symbols.c says 63 */, ZOK__SYMBOL_PATH_SIZE = 192 };

struct zok__symbol {
	char name[ZOK__SYMBOL_NAME_SIZE];   /* the function's; empty: not known */
	uint64_t offset;		    /* into it */
	char module[ZOK__SYMBOL_PATH_SIZE]; /* the file that the code was loaded from; empty: not known */
	uint64_t module_offset;		    /* what addr2line takes */
};

/* What lies at `address` in this process: from the dynamic symbols, or else from the file's own table, which knows static functions too. */
void zok__symbol_find(struct zok__symbol *symbol, const void *address);

/* The kernel's functions at `count` addresses, by /proc/kallsyms. Names stay empty where that does not tell. */
void zok__symbol_find_kernel(struct zok__symbol *symbols, const uint64_t *addresses, unsigned count);

#endif
