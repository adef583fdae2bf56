/* The MPSC queue under the model: nothing lost, doubled or out of order per producer, and no wake-up lost. */
#include "tests/model/model.h"

#include "zokio/mpsc.h"

enum { PRODUCERS = 2, EACH = 2, TRIES = 4 };

struct letter {
	struct zok_mpsc_node link;
	int producer, number;
};

ZOK_MPSC(box, struct letter, link);

static struct box box;
static struct letter letters[PRODUCERS][EACH];
static int next[PRODUCERS];
static int each[PRODUCERS];
static bool is_asleep;
static int is_woken;

static void begin(void)
{
	box_init(&box);
	for (int producer = 0; producer < PRODUCERS; producer++) {
		next[producer] = 0;
		for (int number = 0; number < EACH; number++)
			letters[producer][number] = (struct letter){.producer = producer, .number = number};
	}
	is_asleep = false;
	is_woken = 0;
}

static void begin_one_each(void)
{
	begin();
	each[0] = each[1] = 1;
}

static void begin_two_of_one(void)
{
	begin();
	each[0] = 2;
	each[1] = 0;
}

static void begin_two_each(void)
{
	begin();
	each[0] = each[1] = 2;
}

static void begin_two_and_one(void)
{
	begin();
	each[0] = 2;
	each[1] = 1;
}

static void send(int producer)
{
	for (int number = 0; number < each[producer]; number++) {
		model_plain_write(&letters[producer][number].number);
		if (box_push(&box, &letters[producer][number]))
			(void)ZOK__EXCHANGE(&is_woken, 1, ACQ_REL);
	}
}

static void send_first(void)
{
	send(0);
}

static void send_second(void)
{
	send(1);
}

static bool receive(void)
{
	struct letter *letter = box_pop(&box);

	if (!letter)
		return false;
	model_plain_read(&letter->number);
	MODEL_CHECK(letter->number == next[letter->producer]++);
	return true;
}

static void receive_some(void)
{
	for (int tries = 0; tries < TRIES; tries++)
		receive();
}

/* As the loop at the head of zokio/mpsc.h, with a flag for the wake-up: one that is there is consumed in place of sleeping. */
static void receive_and_sleep(void)
{
	for (int tries = 0; tries < TRIES && !is_asleep; tries++)
		if (!receive() && box_is_empty(&box))
			is_asleep = !ZOK__EXCHANGE(&is_woken, 0, ACQ_REL);
}

static void end(void)
{
	while (receive())
		;
	for (int producer = 0; producer < PRODUCERS; producer++)
		MODEL_CHECK(next[producer] == each[producer]);
	MODEL_CHECK(box_is_empty(&box));
}

/* Once asleep, whatever is still there must have been announced. Counted here, for is_empty() is what is on trial. */
static void end_asleep(void)
{
	bool is_all_received = next[0] == each[0] && next[1] == each[1];

	MODEL_CHECK(!is_asleep || is_all_received || is_woken != 0);
	end();
}

int main(void)
{
	static const struct model_program programs[] = {
		{"two producers", begin_one_each, {send_first, send_second, receive_some}, end},
		{"one producer, two elements", begin_two_of_one, {send_first, receive_some}, end},
		{"two and one", begin_two_and_one, {send_first, send_second, receive_some}, end},
		{"two each", begin_two_each, {send_first, send_second, receive_some}, end},
		{"two and one, sleeping", begin_two_and_one, {send_first, send_second, receive_and_sleep}, end_asleep},
		{"sleeping", begin_one_each, {send_first, send_second, receive_and_sleep}, end_asleep},
	};

	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
