/* The mailbox under the model: nothing lost, doubled or out of order over the line and the queue behind it, and no wake-up lost by park and wake. */
#include "tests/model/model.h"

#include "core/mailbox.h"

enum { MESSAGES = 3, TRIES = 5 };

static struct zok__mail_line line;
static struct zok__mailbox box;
static struct zok__mail_link sender, receiver;
static struct zok__message messages[MESSAGES];
static uint64_t pushed[2], next;
static bool is_parked, is_woken, is_asleep;
static int rings; /* what the kernel holds for the sleeper: an eventfd's counter */

static void never_run(struct zok_core *core, struct zok__message *message)
{
}

static void begin(void)
{
	line = (struct zok__mail_line){0};
	for (int i = 0; i < 4; i++)
		box.slots[i] = (struct zok__mail_slot){0};
	sender = (struct zok__mail_link){.line_out = &line.half[0], .out = &box};
	receiver = (struct zok__mail_link){.line_in = &line.half[0], .in = &box};
	for (int i = 0; i < MESSAGES; i++)
		messages[i].run = never_run;
	pushed[0] = pushed[1] = next = 0;
	is_parked = is_woken = is_asleep = false;
	rings = 0;
}

static void wake(void)
{
	/* Relaxed: nothing may depend on what the system call orders. */
	if (zok__park_is_seen(&is_parked) && zok__woken_raise(&is_woken))
		(void)ZOK__EXCHANGE(&rings, 1, RELAXED);
}

/* Messages and notes in turn; each is known by its number. */
static bool push_one(void)
{
	struct zok__note note = {.value = pushed[0]};
	bool is_pushed = pushed[0] % 2 ? zok__mail_push_note(&sender, &note) : zok__mail_push(&sender, &messages[pushed[0]]);

	MODEL_CHECK(is_pushed);
	pushed[0]++;
	return is_pushed;
}

static void send_all(void)
{
	for (int i = 0; i < MESSAGES; i++)
		push_one();
}

static void send_one_and_wake(void)
{
	model_plain_write(&messages[0].node);
	push_one();
	wake();
}

static bool receive(void)
{
	struct zok__mail_slot item;
	bool is_note = next % 2;

	if (!zok__mail_pop(&receiver, &item))
		return false;
	MODEL_CHECK((item.run == zok__mail_is_note) == is_note);
	if (is_note)
		MODEL_CHECK(item.note.value == next);
	else
		MODEL_CHECK(item.message == &messages[next]);
	if (next == 0)
		model_plain_read(&messages[0].node);
	next++;
	return true;
}

static void receive_some(void)
{
	for (int tries = 0; tries < TRIES; tries++)
		receive();
}

static void end(void)
{
	while (receive())
		;
	MODEL_CHECK(next == pushed[0]);
	MODEL_CHECK(zok__mail_link_is_empty(&receiver));
}

/* As the loop does: take, announce, look again, sleep in the engine's wait until the kernel has something; then once more. */
static void receive_and_sleep(void)
{
	for (int turns = 0; turns < 2 && !is_asleep; turns++) {
		while (receive())
			;
		zok__park_announce(&is_parked);
		if (zok__mail_link_is_empty(&receiver)) {
			is_asleep = !ZOK__EXCHANGE(&rings, 0, RELAXED);
			if (!is_asleep)
				zok__woken_clear(&is_woken);
		}
		if (!is_asleep)
			zok__park_retract(&is_parked);
	}
}

static void end_asleep(void)
{
	MODEL_CHECK(!is_asleep || next == pushed[0] || rings != 0);
	end();
}

/* ---- The wake-up that serves for several: wakers who find it raised rely on who raised it ---- */

static int mail[2], seen[2];

static void begin_wakers(void)
{
	begin();
	mail[0] = mail[1] = seen[0] = seen[1] = 0;
	is_parked = true;
}

static void wake_with(int who)
{
	ZOK__STORE(&mail[who], 1, RELAXED);
	if (zok__woken_raise(&is_woken))
		(void)ZOK__EXCHANGE(&rings, 1, RELAXED);
}

static void wake_with_first(void)
{
	wake_with(0);
}

static void wake_with_second(void)
{
	wake_with(1);
}

static void sleep_on_rings(void)
{
	for (int turns = 0; turns < 3 && ZOK__EXCHANGE(&rings, 0, RELAXED); turns++) {
		zok__woken_clear(&is_woken);
		seen[0] |= ZOK__LOAD(&mail[0], RELAXED);
		seen[1] |= ZOK__LOAD(&mail[1], RELAXED);
	}
	is_asleep = true;
}

/* Asleep with nothing in the kernel: then all mail has been seen. */
static void end_wakers(void)
{
	MODEL_CHECK(rings != 0 || (seen[0] && seen[1]));
}

int main(void)
{
	static const struct model_program programs[] = {
		{"three over line and queue", begin, {send_all, receive_some}, end},
		{"park and wake", begin, {send_one_and_wake, receive_and_sleep}, end_asleep},
		{"two wakers, one wake-up", begin_wakers, {wake_with_first, wake_with_second, sleep_on_rings}, end_wakers},
	};

	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
