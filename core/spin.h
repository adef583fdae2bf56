/*
 * What a spinning core does between two rounds of looks: PAUSE, or a wait of the processor (cpu_wait.h) that is bounded.
 *
 * The bound is short, because only one line can be watched. Where two cores talk, that is the line between them (mailbox.h), on which the peer's
 * next message is written; whatever else may come (a completion, a timer, a plain thread's message, a third core's) is found when the bound is
 * over. So with more cores, or one, no line is watched, and the wait is a pause of that length.
 */
#ifndef CORE_SPIN_H
#define CORE_SPIN_H

#include "core/cpu_wait.h"

#include <stddef.h>

struct zok_core;

enum zok__spin_way { ZOK__SPIN_AUTO, ZOK__SPIN_PAUSE, ZOK__SPIN_TPAUSE, ZOK__SPIN_UMWAIT, ZOK__SPIN_MWAITX };

/* How long nothing that is not watched may be noticed: about what the look at an idle engine takes by itself. */
enum { ZOK__SPIN_WAIT_NS = 250 };

/* "pause", "tpause", "umwait", "mwaitx" */
const char *zok__spin_name(enum zok__spin_way way);

/* What a core does that was asked for `asked`: what the processor has, and what makes sense with so many cores. */
enum zok__spin_way zok__spin_choose(enum zok__spin_way asked, struct zok__cpu_waits has, unsigned core_count);

/* Why that is what it is, in some words. Returns as snprintf(). */
int zok__spin_describe(enum zok__spin_way asked, struct zok__cpu_waits has, unsigned core_count, char *text, size_t size);

/* On the core, which has just looked everywhere and found nothing. */
void zok__spin_wait(struct zok_core *core);

#endif
