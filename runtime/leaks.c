/* What a debug build says at the runtime's end of memory that was not given back. */
#include "core/leak.h"
#include "core/log.h"
#include "runtime/runtime.h"
#include "runtime/symbols.h"

enum { SITES_MAX = 32 };

/* A return address is that of the next line: the call lies before it. */
static void tell(const struct zok__leak_site *leak)
{
	const void *call = (const char *)leak->site - 1;
	struct zok__symbol symbol;

	zok__symbol_find(&symbol, call);
	zok__log(ZOK_LOG_WARN, "leak: %zu bytes in %zu %s, allocated by %s+0x%llx: addr2line -Cfpie %s 0x%llx", leak->bytes, leak->count,
		 leak->count == 1 ? "block" : "blocks", symbol.name[0] != '\0' ? symbol.name : "?", (unsigned long long)symbol.offset,
		 symbol.module, (unsigned long long)symbol.module_offset);
}

void zok__leaks_report(void)
{
	struct zok__leak_site sites[SITES_MAX];
	size_t count = zok__leak_sites(sites, SITES_MAX);

	for (size_t i = 0; i < count; i++)
		tell(&sites[i]);
}
