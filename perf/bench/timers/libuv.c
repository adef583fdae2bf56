/* libuv: uv_timer_t, a binary heap of pointers, in milliseconds. */
#include "perf/bench/timers/peer.h"

#include <stdlib.h>
#include <uv.h>

struct libuv {
	uv_loop_t loop;
	size_t fired;
	uv_timer_t timers[];
};

static void on_timer(uv_timer_t *timer)
{
	struct libuv *self = timer->data;

	self->fired++;
}

static void *create(size_t count)
{
	struct libuv *self = calloc(1, sizeof *self + count * sizeof *self->timers);

	uv_loop_init(&self->loop);
	for (size_t i = 0; i < count; i++) {
		uv_timer_init(&self->loop, &self->timers[i]);
		self->timers[i].data = self;
	}
	return self;
}

static void insert(void *arg, const uint32_t *which, const uint64_t *delays_ns, size_t count)
{
	struct libuv *self = arg;

	uv_update_time(&self->loop);
	for (size_t i = 0; i < count; i++)
		uv_timer_start(&self->timers[which[i]], on_timer, delays_ns[which[i]] / 1000000, 0);
}

static void cancel(void *arg, const uint32_t *which, size_t count)
{
	struct libuv *self = arg;

	for (size_t i = 0; i < count; i++)
		uv_timer_stop(&self->timers[which[i]]);
}

static size_t fire(void *arg)
{
	struct libuv *self = arg;

	uv_run(&self->loop, UV_RUN_NOWAIT);
	return self->fired;
}

/* A loop can be closed only when all its handles are. */
static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	uv_close(handle, NULL);
}

static void destroy(void *arg)
{
	struct libuv *self = arg;

	uv_walk(&self->loop, close_handle, NULL);
	uv_run(&self->loop, UV_RUN_DEFAULT);
	uv_loop_close(&self->loop);
	free(self);
}

const struct timer_peer timer_libuv = {"libuv", create, insert, cancel, fire, destroy};
