/*
 * What was allocated and not given back, by who asked for it. In debug builds (meson -Dleak_report=auto: buildtype debug) every slab, chunk, ring and
 * record that Zokio takes from an allocator is noted with the address of the code that asked; at the runtime's end what is left is
 * named. Other builds compile leak_off.c, in which nothing of this happens. Any thread.
 */
#ifndef CORE_LEAK_H
#define CORE_LEAK_H

#include "zokio/base.h"

struct zok__leak_site {
	const void *site; /* a return address */
	size_t count, bytes;
};

extern const bool zok__leak_is_watched;

/* From here on. What is alive already is not counted: it is older than the runtime that will report. */
void zok__leak_begin(void);

/* Memory and who asked for it; noted twice, the newer stands. Without memory for the note it is left out. */
void zok__leak_note(const void *memory, size_t size, const void *site);

/* It went back. What was never noted is nothing. */
void zok__leak_forget(const void *memory);

/* What is alive since begin(), a row a site, the most bytes first; at most `max` rows. Returns how many. */
size_t zok__leak_sites(struct zok__leak_site *out, size_t max);

#endif
