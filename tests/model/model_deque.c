/* The deque under the model: each element goes to exactly one, with what it points to, whoever meets over the last one. */
#include "tests/model/model.h"

#include <string.h>

#include "zokio/deque.h"

ZOK_DEQUE(deque, int *, 2);

enum { ELEMENTS = 4 };

static struct deque deque;
static int values[ELEMENTS], gone[ELEMENTS], pushed;

static void begin(void)
{
	memset(&deque, 0, sizeof deque);
	memset(gone, 0, sizeof gone);
	pushed = 0;
}

/* For the thieves' programs: two elements are there before anyone begins. */
static void begin_full(void)
{
	begin();
	deque_push(&deque, &values[0]);
	deque_push(&deque, &values[1]);
	pushed = 2;
}

static void take_away(int *value)
{
	model_plain_read(value);
	MODEL_CHECK(value >= values && value < values + ELEMENTS && gone[value - values]++ == 0);
}

static void push(void)
{
	if (pushed == ELEMENTS)
		return;
	model_plain_write(&values[pushed]);
	if (deque_push(&deque, &values[pushed]))
		pushed++;
}

static void take(void)
{
	int *value;

	if (deque_take(&deque, &value))
		take_away(value);
}

static void push_and_take(void)
{
	push();
	push();
	take();
	take();
}

static void push_take_push(void)
{
	push();
	take();
	push();
}

static void take_and_push(void)
{
	take();
	take();
	push();
}

/* More elements than slots, so that the owner fills again what a thief may still be reading. */
static void push_many(void)
{
	for (int i = 0; i < ELEMENTS; i++)
		push();
}

static void steal(void)
{
	int *value;

	if (deque_steal(&deque, &value) == ZOK_STOLEN)
		take_away(value);
}

static void steal_twice(void)
{
	steal();
	steal();
}

/* Where the owner never takes, many leave by one swap. */
static void claim(void)
{
	int *claimed[2];
	size_t count = deque_claim_burst(&deque, claimed, 2);

	for (size_t i = 0; i < count; i++)
		take_away(claimed[i]);
}

static void push_and_claim(void)
{
	push();
	push();
	claim();
	push();
}

static void claim_twice(void)
{
	claim();
	claim();
}

static void end(void)
{
	int *value;

	while (deque_take(&deque, &value))
		take_away(value);
	for (int i = 0; i < pushed; i++)
		MODEL_CHECK(gone[i] == 1);
}

int main(void)
{
	static const struct model_program programs[] = {
		{"push, take, one thief", begin, {push_and_take, steal_twice}, end},
		{"push, take, push, one thief", begin, {push_take_push, steal_twice}, end},
		{"push, take, push, two thieves", begin, {push_take_push, steal, steal}, end},
		{"take all, two thieves", begin_full, {take_and_push, steal, steal}, end},
		{"take all, one thief", begin_full, {take_and_push, steal_twice}, end},
		{"push, take, two thieves", begin, {push_and_take, steal, steal}, end},
		{"slots filled again", begin, {push_many, steal_twice}, end},
		{"slots filled again, two thieves", begin_full, {push_many, steal, steal}, end},
		{"claims, one thief", begin, {push_and_claim, claim_twice}, end},
		{"claims, two thieves", begin_full, {push_and_claim, claim, claim}, end},
		{"claims, slots filled again", begin_full, {push_many, claim_twice, claim}, end},
	};
	static const struct model_excuse excuses[] = {
		{"zok__deque_has_room", "load", "the thief's load before its swap: the model executes no load late"},
		{"zok__deque_win_many", "swap", "the same, seen from the thief: its loads before its swap"},
		{"zok__deque_win", "swap", "the fences of this model are C++20's, which suffice; C11's do not"},
	};

	return model_main(programs, sizeof programs / sizeof *programs, excuses, sizeof excuses / sizeof *excuses);
}
