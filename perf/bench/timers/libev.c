/* libev: ev_timer, a 4-heap with the times cached in it. */
#include "perf/bench/timers/peer.h"

#include <ev.h>
#include <stdlib.h>

struct libev {
	struct ev_loop *loop;
	size_t fired;
	ev_timer timers[];
};

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct libev *self = timer->data;

	(void)loop, (void)events;
	self->fired++;
}

static void *create(size_t count)
{
	struct libev *self = calloc(1, sizeof *self + count * sizeof *self->timers);

	self->loop = ev_loop_new(EVFLAG_AUTO);
	for (size_t i = 0; i < count; i++) {
		ev_timer_init(&self->timers[i], on_timer, 0, 0);
		self->timers[i].data = self;
	}
	return self;
}

static void insert(void *arg, const uint32_t *which, const uint64_t *delays_ns, size_t count)
{
	struct libev *self = arg;

	ev_now_update(self->loop);
	for (size_t i = 0; i < count; i++) {
		ev_timer *timer = &self->timers[which[i]];

		ev_timer_set(timer, (double)delays_ns[which[i]] * 1e-9, 0);
		ev_timer_start(self->loop, timer);
	}
}

static void cancel(void *arg, const uint32_t *which, size_t count)
{
	struct libev *self = arg;

	for (size_t i = 0; i < count; i++)
		ev_timer_stop(self->loop, &self->timers[which[i]]);
}

static size_t fire(void *arg)
{
	struct libev *self = arg;

	ev_run(self->loop, EVRUN_NOWAIT);
	return self->fired;
}

static void destroy(void *arg)
{
	struct libev *self = arg;

	ev_loop_destroy(self->loop);
	free(self);
}

const struct timer_peer timer_libev = {"libev", create, insert, cancel, fire, destroy};
