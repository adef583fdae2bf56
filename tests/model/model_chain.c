/* The stack of chains under the model: nothing is lost or doubled, each sender's come in order, and an owner that sleeps is woken. */
#include "tests/model/model.h"

#include "core/chain.h"
#include "core/park.h"

enum { SENDERS = 2, EACH = 2 };

struct element {
	struct element *next;
	int sender, number;
};

static void *stack;
static struct element elements[SENDERS][EACH];
static int next[SENDERS], each[SENDERS];
static bool is_parked, is_woken, is_asleep;

static void begin(void)
{
	stack = NULL;
	is_parked = is_woken = is_asleep = false;
	for (int sender = 0; sender < SENDERS; sender++) {
		next[sender] = 0;
		for (int number = 0; number < EACH; number++)
			elements[sender][number] = (struct element){.sender = sender, .number = number};
	}
}

static void begin_one_each(void)
{
	begin();
	each[0] = each[1] = 1;
}

static void begin_two_and_one(void)
{
	begin();
	each[0] = 2;
	each[1] = 1;
}

static void push(struct element *element)
{
	void *under = zok__chain_look(&stack);

	do {
		model_plain_write(&element->number);
		element->next = under;
	} while (!zok__chain_swap(&stack, &under, element));
	/* The wake-up lasts until it is consumed. */
	if (!under && zok__park_is_seen(&is_parked))
		is_woken = true;
}

static void send(int sender)
{
	for (int number = 0; number < each[sender]; number++)
		push(&elements[sender][number]);
}

static void send_first(void)
{
	send(0);
}

static void send_second(void)
{
	send(1);
}

/* The newest first: so the oldest is what the recursion comes back to first. */
static void handle(struct element *element)
{
	if (!element)
		return;
	model_plain_read(&element->number);
	handle(element->next);
	MODEL_CHECK(element->number == next[element->sender]++);
}

static void take(void)
{
	handle(zok__chain_take(&stack));
}

static void take_twice(void)
{
	take();
	take();
}

static void take_and_sleep(void)
{
	take();
	zok__park_announce(&is_parked);
	is_asleep = !zok__chain_look(&stack);
}

static void end(void)
{
	take();
	for (int sender = 0; sender < SENDERS; sender++)
		MODEL_CHECK(next[sender] == each[sender]);
}

static void end_asleep(void)
{
	bool is_all_there = next[0] == each[0] && next[1] == each[1];

	MODEL_CHECK(!is_asleep || is_all_there || is_woken);
	end();
}

int main(void)
{
	static const struct model_program programs[] = {
		{"two senders", begin_one_each, {send_first, send_second, take_twice}, end},
		{"two and one", begin_two_and_one, {send_first, send_second, take_twice}, end},
		{"two senders, sleeping", begin_one_each, {send_first, send_second, take_and_sleep}, end_asleep},
		{"two and one, sleeping", begin_two_and_one, {send_first, send_second, take_and_sleep}, end_asleep},
	};

	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
