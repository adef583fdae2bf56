/* The SPSC queue under the model: nothing lost, doubled or out of order, no race on a slot, over more elements than slots. */
#include "tests/model/model.h"

#include <string.h>

#include "zokio/spsc.h"

ZOK_SPSC(queue, int, 2);

enum { ELEMENTS = 4, TRIES = 5 };

static struct queue queue;
static int popped, pushed;

static void begin(void)
{
	memset(&queue, 0, sizeof queue);
	popped = pushed = 0;
}

static void push_one_by_one(void)
{
	for (int tries = 0; tries < TRIES && pushed < ELEMENTS; tries++)
		pushed += queue_push(&queue, &pushed);
}

static void pop_one_by_one(void)
{
	int item = -1;

	for (int tries = 0; tries < TRIES; tries++)
		if (queue_pop(&queue, &item))
			MODEL_CHECK(item == popped++);
}

static void push_bursts(void)
{
	int items[2];

	for (int tries = 0; tries < 3; tries++) {
		items[0] = pushed;
		items[1] = pushed + 1;
		pushed += (int)queue_push_burst(&queue, items, 2);
	}
}

static void pop_bursts(void)
{
	int items[2];

	for (int tries = 0; tries < 3; tries++) {
		size_t n = queue_pop_burst(&queue, items, 2);

		for (size_t i = 0; i < n; i++)
			MODEL_CHECK(items[i] == popped++);
	}
}

static void push_once(void)
{
	pushed += queue_push(&queue, &pushed);
}

static void pop_once(void)
{
	int item;

	popped += queue_pop(&queue, &item);
}

/* A count that took the head for newer than the tail would be huge, or clamped to the capacity. */
static void count_meanwhile(void)
{
	MODEL_CHECK(queue_count(&queue) <= 1);
}

static void end(void)
{
	int item = -1;

	while (queue_pop(&queue, &item))
		MODEL_CHECK(item == popped++);
	MODEL_CHECK(popped == pushed);
}

int main(void)
{
	static const struct model_program programs[] = {
		{"one by one", begin, {push_one_by_one, pop_one_by_one}, end},
		{"bursts", begin, {push_bursts, pop_bursts}, end},
		{"counted", begin, {push_once, pop_once, count_meanwhile}, end},
	};

	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
