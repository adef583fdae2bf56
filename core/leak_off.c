/* A build that does not watch for leaks. */
#include "core/leak.h"

const bool zok__leak_is_watched = false;

void zok__leak_begin(void)
{
}

void zok__leak_note(const void *memory, size_t size, const void *site)
{
}

void zok__leak_forget(const void *memory)
{
}

size_t zok__leak_sites(struct zok__leak_site *out, size_t max)
{
	return 0;
}
