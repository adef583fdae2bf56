#include "runtime/gate.h"

void zok__gate_init(struct zok__gate *gate)
{
	*gate = (struct zok__gate){0};
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->passed, NULL);
}

void zok__gate_finish(struct zok__gate *gate)
{
	pthread_cond_destroy(&gate->passed);
	pthread_mutex_destroy(&gate->lock);
}

static void open_if_all_came(struct zok__gate *gate)
{
	if (gate->expected == 0 || gate->arrived < gate->expected)
		return;
	gate->arrived = 0;
	gate->generation++;
	pthread_cond_broadcast(&gate->passed);
}

void zok__gate_expect(struct zok__gate *gate, unsigned count)
{
	pthread_mutex_lock(&gate->lock);
	gate->expected = count;
	open_if_all_came(gate);
	pthread_mutex_unlock(&gate->lock);
}

void zok__gate_pass(struct zok__gate *gate)
{
	unsigned generation;

	pthread_mutex_lock(&gate->lock);
	generation = gate->generation;
	gate->arrived++;
	open_if_all_came(gate);
	while (gate->generation == generation)
		pthread_cond_wait(&gate->passed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}
