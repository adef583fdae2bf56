/* The stack of returns of a shared pool under the model: no object lost, doubled, or used again before what was done with it is done. */
#include "tests/model/model.h"

#include "zokio/shared_pool.h"

enum { OBJECTS = 4, TRIES = 2 };

struct object {
	void *link; /* first */
	int content;
};

static struct zok_shared_pool pool;
static struct object objects[OBJECTS];
static int taken[OBJECTS];

static void begin(void)
{
	pool.returned = NULL;
	for (int i = 0; i < OBJECTS; i++) {
		objects[i] = (struct object){.link = NULL};
		taken[i] = 0;
	}
}

/* What a foreign thread does: the last use of two objects, their chain, the push. */
static void give_two(int from)
{
	void *next = &objects[from + 1];

	model_plain_write(&objects[from].content);
	model_plain_write(&objects[from + 1].content);
	ZOK__PUT(zok__pool_link(&objects[from]), &next);
	zok__shared_pool_push(&pool, &objects[from], &objects[from + 1]);
}

static void give_first(void)
{
	give_two(0);
}

static void give_second(void)
{
	give_two(2);
}

static void take(void)
{
	void *object = zok__shared_pool_take(&pool);

	for (int steps = 0; object; steps++) {
		struct object *one = object;

		MODEL_CHECK(steps < OBJECTS);
		if (steps >= OBJECTS)
			return;
		ZOK__GET(&object, zok__pool_link(one));
		model_plain_write(&one->content);
		taken[one - objects]++;
	}
}

static void take_some(void)
{
	for (int tries = 0; tries < TRIES; tries++)
		take();
}

static void end_one(void)
{
	take();
	MODEL_CHECK(taken[0] == 1 && taken[1] == 1 && taken[2] == 0 && taken[3] == 0);
}

static void end_both(void)
{
	take();
	for (int i = 0; i < OBJECTS; i++)
		MODEL_CHECK(taken[i] == 1);
}

int main(void)
{
	static const struct model_program programs[] = {
		{"one gives", begin, {give_first, take_some}, end_one},
		{"two give", begin, {give_first, give_second, take_some}, end_both},
	};

	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
