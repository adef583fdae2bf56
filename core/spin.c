#include "core/spin.h"

#include "core/core.h"
#include "core/relax.h"

#include <stdio.h>

const char *zok__spin_name(enum zok__spin_way way)
{
	static const char *const names[] = {[ZOK__SPIN_AUTO] = "auto",
					    [ZOK__SPIN_PAUSE] = "pause",
					    [ZOK__SPIN_TPAUSE] = "tpause",
					    [ZOK__SPIN_UMWAIT] = "umwait",
					    [ZOK__SPIN_MWAITX] = "mwaitx"};

	return names[way];
}

static enum zok__spin_way best_of(struct zok__cpu_waits has)
{
	return has.has_waitpkg ? ZOK__SPIN_UMWAIT : has.has_monitorx ? ZOK__SPIN_MWAITX : ZOK__SPIN_PAUSE;
}

static bool is_there(enum zok__spin_way way, struct zok__cpu_waits has)
{
	return way == ZOK__SPIN_MWAITX ? has.has_monitorx : way == ZOK__SPIN_PAUSE || has.has_waitpkg;
}

/* Whether there is one line on which all mail of other cores comes. */
static bool has_line(unsigned core_count)
{
	return core_count == 2;
}

enum zok__spin_way zok__spin_choose(enum zok__spin_way asked, struct zok__cpu_waits has, unsigned core_count)
{
	enum zok__spin_way way = asked == ZOK__SPIN_AUTO ? best_of(has) : asked;

	if (!is_there(way, has))
		return ZOK__SPIN_PAUSE;
	return way == ZOK__SPIN_UMWAIT && !has_line(core_count) ? ZOK__SPIN_TPAUSE : way;
}

int zok__spin_describe(enum zok__spin_way asked, struct zok__cpu_waits has, unsigned core_count, char *text, size_t size)
{
	enum zok__spin_way way = zok__spin_choose(asked, has, core_count);

	if (asked == ZOK__SPIN_PAUSE)
		return snprintf(text, size, "pause: asked for");
	if (way == ZOK__SPIN_PAUSE && asked != ZOK__SPIN_AUTO)
		return snprintf(text, size, "pause: the processor has no %s", zok__spin_name(asked));
	if (way == ZOK__SPIN_PAUSE)
		return snprintf(text, size, "pause: the processor has neither WAITPKG nor MONITORX");
	return snprintf(text, size, "%s, %d ns at most, %s", zok__spin_name(way), ZOK__SPIN_WAIT_NS,
			way != ZOK__SPIN_TPAUSE && has_line(core_count) ? "or until the other core writes" : "watching no line");
}

/* The link whose line is watched, NULL where there is none. */
static const struct zok__mail_link *watched(const struct zok_core *core)
{
	return has_line(core->mail.core_count) ? &core->mail.links[1 - core->options.index] : NULL;
}

/* Named first, then looked at once more: what was written before that is seen, what is written after it ends the wait. */
static void umwait(struct zok_core *core, uint64_t until)
{
	const struct zok__mail_link *link = watched(core);

	zok__cpu_umonitor(link->line_in);
	if (zok__mail_link_is_empty(link))
		zok__cpu_umwait(until);
}

/* It cannot wait without a line: where there is none to watch, one that nobody writes while cores run. */
static void mwaitx(struct zok_core *core, uint64_t cycles)
{
	const struct zok__mail_link *link = watched(core);

	zok__cpu_monitorx(link ? (const void *)link->line_in : (const void *)&core->options);
	if (!link || zok__mail_link_is_empty(link))
		zok__cpu_mwaitx((uint32_t)cycles);
}

void zok__spin_wait(struct zok_core *core)
{
	uint64_t cycles = core->spin_wait_cycles;

	switch (core->options.spin) {
	case ZOK__SPIN_TPAUSE: zok__cpu_tpause(zok__cycles() + cycles); break;
	case ZOK__SPIN_UMWAIT: umwait(core, zok__cycles() + cycles); break;
	case ZOK__SPIN_MWAITX: mwaitx(core, cycles); break;
	default: zok__cpu_relax();
	}
}
