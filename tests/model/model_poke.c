/*
 * A cancel at home and guests elsewhere (core/away.h) under the model, over the mailbox and the exchanges of core/park.h: a guest that reads no code
 * yet and suspends is found by the poke that follows, also where that is one which was on its way already.
 */
#include "tests/model/model.h"

#include "core/mailbox.h"

enum { GUESTS = 2, LOOKS = 3 };

static struct zok__mail_line line;
static struct zok__mailbox box;
static struct zok__mail_link home_link, there;
static struct zok__message poke;
static bool is_out;
static int code[GUESTS]; /* of the scopes at home; 0: not cancelled */
static bool is_listed[GUESTS], is_cancelled[GUESTS];

static void never_run(struct zok_core *core, struct zok__message *message)
{
}

static void begin(void)
{
	line = (struct zok__mail_line){0};
	for (int i = 0; i < 4; i++)
		box.slots[i] = (struct zok__mail_slot){0};
	home_link = (struct zok__mail_link){.line_out = &line.half[0], .out = &box};
	there = (struct zok__mail_link){.line_in = &line.half[0], .in = &box};
	poke.run = never_run;
	is_out = false;
	for (int i = 0; i < GUESTS; i++) {
		code[i] = 0;
		is_listed[i] = is_cancelled[i] = false;
	}
}

/* ---- At home: zok__scope_cancel(), zok__away_poke() ---- */

static void cancel(int guest)
{
	ZOK__STORE(&code[guest], -1, RELAXED);
	if (zok__woken_raise(&is_out))
		MODEL_CHECK(zok__mail_push(&home_link, &poke));
}

static void cancel_all(void)
{
	for (int i = 0; i < GUESTS; i++)
		cancel(i);
}

/* ---- There: an await, look_through_guests() ---- */

static void suspend(int guest)
{
	is_listed[guest] = ZOK__LOAD(&code[guest], RELAXED) == 0;
}

static void look_through_guests(void)
{
	zok__woken_clear(&is_out);
	for (int i = 0; i < GUESTS; i++)
		if (is_listed[i])
			is_cancelled[i] |= ZOK__LOAD(&code[i], RELAXED) != 0;
}

static void take_mail(void)
{
	struct zok__mail_slot item;

	if (zok__mail_pop(&there, &item))
		look_through_guests();
}

static void suspend_all(void)
{
	for (int i = 0; i < GUESTS; i++) {
		suspend(i);
		take_mail();
	}
	for (int i = 0; i < LOOKS - GUESTS; i++)
		take_mail();
}

/* What is in the mailbox still will be handled. */
static void end(void)
{
	take_mail();
	for (int i = 0; i < GUESTS; i++)
		MODEL_CHECK(!is_listed[i] || is_cancelled[i]);
}

int main(void)
{
	static const struct model_program programs[] = {
		{"two cancels, two guests that suspend", begin, {cancel_all, suspend_all}, end},
	};

	/* The mailbox has a model of its own. */
	model_weaken_only("core/park.h");
	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
