/* The loop of a core: messages, tasks, timers, the engine; and how long it may sleep. */
#include "core/away.h"
#include "core/core.h"
#include "core/mailbox.h"
#include "core/relax.h"

/* Time between two points of the loop, charged to one of the counters. Returns the later point. */
static uint64_t charge(struct zok_core *core, uint64_t *counter, uint64_t since_ns)
{
	uint64_t now_ns = zok__clock_now_ns(&core->clock);

	zok__count(counter, now_ns - since_ns);
	core->now_ns = now_ns;
	return now_ns;
}

/* Messages, what comes home, what plain threads have injected. */
static bool take_mail(struct zok_core *core)
{
	bool has_mail = zok__mail_take(core);

	if (core->steal)
		has_mail |= zok__away_take(core);
	if (core->options.inject)
		has_mail |= zok__inject_take(core);
	return has_mail;
}

static void run_tasks_and_timers(struct zok_core *core, bool *is_runnable)
{
	*is_runnable = zok__sched_run(core);
	if (zok__wheel_next_ns(&core->wheel) <= core->now_ns) {
		zok__timers_expire(core);
		*is_runnable = zok__sched_is_runnable(core);
	}
}

/* From one lot of stacks given back to the next: the work of the core goes on between. */
#define AGEING_NS (2 * ZOK_MS)

/* How long what was injected waits for memory that nobody on this core gives back. */
#define INJECT_RETRY_NS (10 * ZOK_MS)

static uint64_t sleep_limit_ns(struct zok_core *core)
{
	uint64_t next_ns = zok__wheel_next_ns(&core->wheel);

	if (ZOK_UNLIKELY(core->stacks.cached_bytes > ZOK__STACK_KEPT_BYTES) && next_ns > core->housekeep_ns)
		next_ns = core->housekeep_ns;
	if (ZOK_UNLIKELY(core->has_injected) && next_ns > core->now_ns + INJECT_RETRY_NS)
		return INJECT_RETRY_NS;
	if (next_ns == ZOK_NEVER)
		return ZOK_NEVER;
	return next_ns > core->now_ns ? next_ns - core->now_ns : 0;
}

/*
 * Adaptive: spinning pays where work comes back within the time that a wake-up costs. A gap that was short enough to have been spun through
 * sets the full spin; each longer one halves it, so that a core that idles stops spinning after a few turns.
 */
static void learn_spin(struct zok_core *core, uint64_t gap_ns)
{
	if (gap_ns <= core->options.spin_ns_max)
		core->spin_ns = core->options.spin_ns_max;
	else
		core->spin_ns /= 2;
}

static uint64_t spin_limit_ns(const struct zok_core *core)
{
	switch (core->options.mode) {
	case ZOK__MODE_SPIN: return ZOK_NEVER;
	case ZOK__MODE_ADAPTIVE: return core->spin_ns;
	default: return 0;
	}
}

/*
 * How often a spinning core looks at its peers' mailboxes for each look at the rest of its mail, and that for each look at the engine and the
 * clock, which cost several times as much.
 *
 * The looks between are what a word from a peer waits for. They are as short as can be and a pause apart: a processor that hammers on a line takes
 * it from its writer half-written, and what it has guessed about the next look is thrown away when the word comes. Here that cost as much as
 * the crossing (docs/decisions/047).
 */
enum { MAIL_GLANCES = 8, MAIL_LOOKS = 6 };

/* Ends early where something has come. */
static void glance_at_mail(const struct zok_core *core)
{
	for (int i = 0; i < MAIL_GLANCES && !zok__mail_from_peers(&core->mail, core->options.index); i++)
		zok__cpu_relax();
}

/* Returns whether mail made a task runnable, or may have ended the loop: what else a message does needs no turn of it. */
static bool mail_brings_work(struct zok_core *core)
{
	for (int i = 0; i < MAIL_LOOKS; i++, glance_at_mail(core))
		if (take_mail(core) && (core->is_stopping || zok__sched_is_runnable(core)))
			return true;
	return false;
}

/* Looks for work without sleeping until there is some, the limit is over, or a timer is due. Returns whether there may be work. */
static bool spin(struct zok_core *core, uint64_t limit_ns)
{
	uint64_t began_ns = core->now_ns;

	while (core->now_ns - began_ns < limit_ns) {
		if (mail_brings_work(core) || core->engine->ops->wait(core->engine, 0) > 0)
			return true;
		if (core->now_ns >= zok__wheel_next_ns(&core->wheel) || core->now_ns >= core->housekeep_ns)
			return true;
		if (core->steal && zok__steal_sweep(core, core->now_ns - core->steal->idle_since_ns))
			return true;
		zok__spin_wait(core);
		core->now_ns = zok__clock_now_ns(&core->clock);
	}
	return false;
}

/* Beside mail. What waits for memory here must not keep this core awake for what others can take as well. */
static bool must_stay(const struct zok_core *core)
{
	if (core->options.inject && !core->has_injected && zok__inject_has_work(core->options.inject))
		return true;
	return core->steal && zok__steal_must_stay(core);
}

/* Also where mail keeps it awake the engine is asked: a message that waits for room in another core's mailbox must not hold up I/O. */
static void park(struct zok_core *core)
{
	/* The fence in zok__mail_park() is also that between saying that we wait for work and looking for it once more. */
	bool may_sleep = zok__mail_park(core) && !must_stay(core);

	core->engine->ops->wait(core->engine, may_sleep ? sleep_limit_ns(core) : 0);
	zok__mail_unpark(core);
	zok__inject_awake();
}

/* The same where there are others to steal from. */
static void park_as_thief(struct zok_core *core)
{
	if (zok__steal_sweep(core, ZOK_NEVER))
		return;
	zok__steal_wait(core);
	park(core);
	core->now_ns = zok__clock_now_ns(&core->clock);
	zok__steal_awake(core);
}

static void note_idle(struct zok__steal *steal, uint64_t now_ns)
{
	if (steal->idle_since_ns == 0)
		steal->idle_since_ns = now_ns;
}

/* Nothing is runnable: waits as the mode says. What submit() was given goes to the kernel first, so that the wait is for its completion. */
static void idle(struct zok_core *core)
{
	uint64_t began_ns = core->now_ns, limit_ns = spin_limit_ns(core);

	zok__sched_note_depths(core);
	zok__set(&core->counters->stats.is_idle, 1);
	if (core->steal)
		note_idle(core->steal, began_ns);
	if (limit_ns == 0 || !spin(core, limit_ns))
		core->steal ? park_as_thief(core) : park(core);
	core->now_ns = zok__clock_now_ns(&core->clock);
	zok__set(&core->counters->stats.is_idle, 0);
	if (core->options.mode == ZOK__MODE_ADAPTIVE)
		learn_spin(core, core->now_ns - began_ns);
	zok__count(&core->counters->stats.time_idle_ns, core->now_ns - began_ns);
}

/* What waits for room elsewhere is somebody's answer: it leaves first. */
static bool is_over(const struct zok_core *core)
{
	return core->is_stopping && core->root.live_count == 0 && core->service.live_count == 0 && core->mail.waiting_count == 0 &&
	       !core->has_injected && !zok__sched_is_runnable(core) && !(core->steal && zok__steal_has_guests(core));
}

/* What looks after the core from time to time: a comparison a turn. */
static void housekeep(struct zok_core *core)
{
	if (core->now_ns < core->housekeep_ns)
		return;
	core->housekeep_ns = core->now_ns + (zok__stack_cache_age(&core->stacks) ? AGEING_NS : ZOK_S);
	if (core->options.housekeep && core->now_ns >= core->options_housekeep_ns) {
		core->options_housekeep_ns = core->now_ns + ZOK_S;
		core->options.housekeep(core);
	}
}

void zok__loop_run(struct zok_core *core)
{
	struct zok_core_stats *stats = &core->counters->stats;
	uint64_t began_ns = zok__clock_now_ns(&core->clock), point_ns = began_ns;
	bool is_runnable;

	core->now_ns = began_ns;
	while (!is_over(core)) {
		housekeep(core);
		take_mail(core);
		run_tasks_and_timers(core, &is_runnable);
		point_ns = charge(core, &stats->time_callbacks_ns, point_ns);
		if (is_runnable || is_over(core)) {
			core->engine->ops->wait(core->engine, 0);
			point_ns = charge(core, &stats->time_kernel_ns, point_ns);
		} else {
			idle(core);
			point_ns = core->now_ns;
		}
		zok__count(&stats->loops, 1);
		zok__count(&stats->time_total_ns, point_ns - began_ns);
		began_ns = point_ns;
	}
}
