/*
 * libevent: evtimer, a binary heap of pointers. It caches the time only while a callback runs, as it would for its users, so the work is done
 * in one.
 */
#include "perf/bench/timers/peer.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>

struct libevent {
	struct event_base *base;
	struct event trigger;
	size_t fired;
	/* What the trigger's callback is to do. */
	const uint32_t *which;
	const uint64_t *delays_ns; /* NULL: cancel */
	size_t count;
	struct event timers[];
};

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct libevent *self = arg;

	(void)fd, (void)events;
	self->fired++;
}

static void insert_all(struct libevent *self)
{
	for (size_t i = 0; i < self->count; i++) {
		uint64_t delay_us = self->delays_ns[self->which[i]] / 1000;
		struct timeval delay = {.tv_sec = (time_t)(delay_us / 1000000), .tv_usec = (suseconds_t)(delay_us % 1000000)};

		event_add(&self->timers[self->which[i]], &delay);
	}
}

static void cancel_all(struct libevent *self)
{
	for (size_t i = 0; i < self->count; i++)
		event_del(&self->timers[self->which[i]]);
}

static void on_trigger(evutil_socket_t fd, short events, void *arg)
{
	struct libevent *self = arg;

	(void)fd, (void)events;
	(self->delays_ns ? insert_all : cancel_all)(self);
}

static void *create(size_t count)
{
	struct libevent *self = calloc(1, sizeof *self + count * sizeof *self->timers);

	self->base = event_base_new();
	event_assign(&self->trigger, self->base, -1, 0, on_trigger, self);
	for (size_t i = 0; i < count; i++)
		evtimer_assign(&self->timers[i], self->base, on_timer, self);
	return self;
}

static void in_callback(struct libevent *self, const uint32_t *which, const uint64_t *delays_ns, size_t count)
{
	self->which = which;
	self->delays_ns = delays_ns;
	self->count = count;
	event_active(&self->trigger, EV_TIMEOUT, 0);
	event_base_loop(self->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void insert(void *arg, const uint32_t *which, const uint64_t *delays_ns, size_t count)
{
	in_callback(arg, which, delays_ns, count);
}

static void cancel(void *arg, const uint32_t *which, size_t count)
{
	in_callback(arg, which, NULL, count);
}

static size_t fire(void *arg)
{
	struct libevent *self = arg;

	event_base_loop(self->base, EVLOOP_NONBLOCK);
	return self->fired;
}

static void destroy(void *arg)
{
	struct libevent *self = arg;

	event_base_free(self->base);
	free(self);
}

const struct timer_peer timer_libevent = {"libevent", create, insert, cancel, fire, destroy};
