/* Whether a task that may be stolen touches what belongs to another core. */
#ifndef CORE_OWNER_H
#define CORE_OWNER_H

#include "zokio/base.h"

struct zok_core;

/* How many cores steal. Relaxed: it changes while no core runs. */
extern unsigned zok__stealing_count;

/* The slow half: says it in the log where it is so. */
bool zok__is_foreign_to_task(const struct zok_core *owner, const char *what);

/* One load where nobody steals. */
static inline bool zok__is_foreign(const struct zok_core *owner, const char *what)
{
	return ZOK_UNLIKELY(__atomic_load_n(&zok__stealing_count, __ATOMIC_RELAXED) > 0) && zok__is_foreign_to_task(owner, what);
}

/* For what cannot fail. */
void zok__foreign_abort(void) __attribute__((noreturn));

static inline void zok__assert_own(const struct zok_core *owner, const char *what)
{
	if (zok__is_foreign(owner, what))
		zok__foreign_abort();
}

#endif
