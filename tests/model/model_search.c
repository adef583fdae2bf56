/*
 * Thieves under the model, core/search.h and core/park.h: no work is left to cores that sleep, also where a searcher was looked for in vain or left some
 * behind; and who is woken finds what it was woken for.
 */
#include "tests/model/model.h"

#include "core/park.h"
#include "core/search.h"

enum { CORES = 4, OWNER = 1, OTHER_OWNER = 2 };

struct zok_core {
	bool is_waiting, is_parked;
	bool is_asleep, is_busy; /* at its end: sleeps; runs what it has found for longer than we look */
	int ring;		 /* what the kernel holds for the sleeper */
	int work;		 /* what its deque holds */
};

static struct zok_core cores[CORES];
static struct zok_core gone, other; /* see is_short */
static struct zok__thieves thieves;
static int first_owner, thief_count; /* how much of it a program needs: each access more makes many paths */
static bool
	is_short; /* likewise: the first owner's first pick fails, as if a third thief had gone, and the second's succeeds, as if one had not */
static bool has_failed, has_picked;

/* The thieves are the first and the last core. */
static struct zok_core *const thief = &cores[0], *const second_thief = &cores[CORES - 1];

static bool is_anything_left(const struct zok_core *core)
{
	for (int i = first_owner; i <= OTHER_OWNER; i++)
		if (ZOK__LOAD(&cores[i].work, RELAXED))
			return true;
	return false;
}

static struct zok_core *nearest_waiting(const struct zok_core *core)
{
	if (is_short && core == &cores[OWNER] && !has_failed)
		return &gone;
	if (zok__search_is_waiting(&thief->is_waiting))
		return is_short && core == &cores[OTHER_OWNER] ? &other : thief;
	return thief_count > 1 && zok__search_is_waiting(&second_thief->is_waiting) ? second_thief : NULL;
}

static bool pick(struct zok__thieves *all, struct zok_core *peer)
{
	if (peer == &gone)
		return !(has_failed = true);
	if (peer == &other)
		return has_picked = true;
	if (!zok__search_pick(all, &peer->is_waiting))
		return false;
	/* Relaxed: nothing may depend on what the system call orders. */
	(void)ZOK__EXCHANGE(&peer->ring, 1, RELAXED);
	return true;
}

static const struct zok__search_ways ways = {nearest_waiting, pick, is_anything_left};

static void begin(void)
{
	thieves = (struct zok__thieves){0};
	first_owner = OWNER;
	thief_count = 1;
	is_short = has_failed = has_picked = false;
	for (int i = 0; i < CORES; i++)
		cores[i] = (struct zok_core){0};
}

static void fall_asleep(struct zok_core *core)
{
	core->is_waiting = core->is_parked = core->is_asleep = true;
	thieves.parked_count++;
}

static void begin_asleep(void)
{
	begin();
	fall_asleep(thief);
}

static void begin_with_one_owner(void)
{
	begin_asleep();
	first_owner = OTHER_OWNER;
}

static void begin_short(void)
{
	begin_with_one_owner();
	is_short = true;
}

static void begin_both_asleep(void)
{
	begin_asleep();
	thief_count = 2;
	fall_asleep(second_thief);
}

/* ---- Owners ---- */

static void share(struct zok_core *core)
{
	ZOK__STORE(&core->work, 1, RELAXED);
	zok__search_begin(&thieves, core, &ways);
}

static void share_first(void)
{
	share(&cores[OWNER]);
}

static void share_second(void)
{
	share(&cores[OTHER_OWNER]);
}

/* What it had shared is gone already. Without the fence of zok__search_begin(): behind that it would only know more, and there are as many orders again. */
static void look_for_thieves(void)
{
	zok__search_hand_over(&thieves, &cores[OWNER], &ways);
}

/* ---- The first thief ---- */

static bool sweep(void)
{
	for (int i = first_owner; i <= OTHER_OWNER; i++)
		if (ZOK__LOAD(&cores[i].work, RELAXED) && ZOK__EXCHANGE(&cores[i].work, 0, RELAXED))
			return thief->is_busy = true;
	return false;
}

static void wait_and_sleep(void)
{
	zok__search_wait(&thieves, &thief->is_waiting);
	zok__park_announce(&thief->is_parked);
	thief->is_asleep = !is_anything_left(thief);
}

/* As in the loop: park_as_thief(). */
static void park(void)
{
	if (!sweep())
		wait_and_sleep();
}

/* A wake-up that has nothing to do with work: it sleeps again, if nobody has picked it meanwhile. */
static void wake_for_mail(void)
{
	thief->is_asleep = false;
	if (zok__search_was_not_picked(&thieves, &thief->is_waiting))
		wait_and_sleep();
}

static void wake_for_work(void)
{
	bool has_found;

	if (!ZOK__EXCHANGE(&thief->ring, 0, RELAXED))
		return;
	thief->is_asleep = false;
	MODEL_CHECK(!zok__search_was_not_picked(&thieves, &thief->is_waiting));
	has_found = sweep();
	MODEL_CHECK(has_found);
	zok__search_end(&thieves, thief, &ways, has_found);
}

/* ---- Ends ---- */

static bool may_wake(const struct zok_core *core)
{
	return core->ring != 0 || (!core->is_asleep && !core->is_busy);
}

static void end(void)
{
	bool is_left = is_anything_left(thief);

	MODEL_CHECK(!is_left || thief->is_busy || may_wake(thief));
	MODEL_CHECK(thieves.parked_count == (unsigned)cores[0].is_waiting + cores[CORES - 1].is_waiting);
}

static void end_short(void)
{
	if (!has_picked)
		end();
}

/* The first thief has got one: then the second comes for what is left. */
static void end_with_two(void)
{
	bool is_left = is_anything_left(thief);

	MODEL_CHECK(!is_left || may_wake(thief) || may_wake(second_thief));
}

int main(void)
{
	static const struct model_program programs[] = {
		{"a share, and a thief that parks", begin, {share_first, park}, end},
		{"a share, and a thief that sleeps", begin_asleep, {share_first, wake_for_work}, end},
		{"a searcher that is looked for in vain twice",
		 begin_short,
		 {look_for_thieves, share_second, wake_for_mail},
		 end_short,
		 .has_blind_stores = true},
		{"two shares, and two thieves", begin_both_asleep, {share_first, share_second, wake_for_work}, end_with_two},
		/* Who picks a core that has gone already writes false once more, right behind the core's own: no other order of the stores is left out. */
		{"a searcher that is looked for in vain",
		 begin_with_one_owner,
		 {look_for_thieves, share_second, wake_for_mail},
		 end,
		 .has_blind_stores = true},
	};

	model_weaken_only("core/search.h");
	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
