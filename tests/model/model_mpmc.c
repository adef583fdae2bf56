/* The MPMC queue under the model: nothing lost or doubled, in order per producer and consumer, no race on a slot. */
#include "tests/model/model.h"

#include <string.h>

#include "zokio/mpmc.h"

ZOK_MPMC(queue, int, 2);

enum { ELEMENTS = 8, SECOND = 4 };

static struct queue queue;
static int pushed[2], popped[ELEMENTS];

static void begin(void)
{
	memset(&queue, 0, sizeof queue);
	memset(pushed, 0, sizeof pushed);
	memset(popped, 0, sizeof popped);
}

/* Elements of the first producer are 0, 1…, of the second SECOND, SECOND + 1… */
static void push(int producer)
{
	int item = producer * SECOND + pushed[producer];

	pushed[producer] += queue_push(&queue, &item);
}

static void push_first(void)
{
	push(0);
}

static void push_second(void)
{
	push(1);
}

static void push_first_thrice(void)
{
	for (int i = 0; i < 3; i++)
		push(0);
}

static void push_first_twice(void)
{
	push(0);
	push(0);
}

static void push_burst(void)
{
	int items[2] = {SECOND, SECOND + 1};

	pushed[1] = (int)queue_push_burst(&queue, items, 2);
}

static void check_popped(const int *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		MODEL_CHECK(items[i] >= 0 && items[i] < ELEMENTS && popped[items[i]]++ == 0);
		MODEL_CHECK(i == 0 || items[i] / SECOND != items[i - 1] / SECOND || items[i] > items[i - 1]);
	}
}

static void pop(void)
{
	int item;

	check_popped(&item, queue_pop(&queue, &item));
}

static void pop_thrice(void)
{
	pop();
	pop();
	pop();
}

static void pop_burst(void)
{
	int items[2];

	check_popped(items, queue_pop_burst(&queue, items, 2));
}

/* With one element ever: a count that took the consumers' index for newer than the producers' would be clamped to the capacity. */
static void count_meanwhile(void)
{
	MODEL_CHECK(queue_count(&queue) <= 1);
}

static void begin_full(void)
{
	begin();
	push(0);
	push(0);
}

static void end(void)
{
	while (queue_count(&queue) > 0)
		pop();
	for (int i = 0; i < ELEMENTS; i++)
		MODEL_CHECK(popped[i] == (i % SECOND < pushed[i / SECOND]));
}

int main(void)
{
	static const struct model_program programs[] = {
		{"one and one", begin, {push_first_thrice, pop_thrice}, end, true},
		{"two producers", begin, {push_first, push_second, pop}, end, true},
		{"two consumers", begin_full, {pop, pop, push_second}, end, true},
		{"a neighbour's copy of the index", begin_full, {pop_burst, push_first, push_second}, end, true},
		{"two and two", begin, {push_first, push_second, pop, pop}, end, true},
		{"two beside another", begin, {push_first_twice, push_second, pop}, end, true},
		{"bursts", begin, {push_first, push_burst, pop_burst}, end, true},
		{"counted", begin, {push_first, pop, count_meanwhile}, end, true},
	};

	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
