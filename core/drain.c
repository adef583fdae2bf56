/* The drain of one core: its doors are told, and who waits for it. */
#include "zokio/drain.h"
#include "core/core.h"

#include <errno.h>

static struct zok_drain *drain_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_drain, future);
}

static bool drain_poll(struct zok_future *future)
{
	struct zok_core *core = zok__core();

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (core->is_draining) {
		future->waker = NULL; /* whoever polls knows already */
		zok_future_complete(future, 0);
		return true;
	}
	future->state = ZOK_FUTURE_PENDING;
	zok_list_push_back(&core->drains, &drain_of(future)->waiting);
	return false;
}

static void drain_cancel(struct zok_future *future)
{
	zok_list_remove(&drain_of(future)->waiting);
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops drain_ops = {.poll = drain_poll, .cancel = drain_cancel, .name = "the drain"};

void zok_drain_prepare(struct zok_drain *drain)
{
	zok_future_prepare(&drain->future, &drain_ops);
}

int zok_drain_wait(void)
{
	struct zok_drain drain;

	zok_drain_prepare(&drain);
	return (int)zok_await(&drain.future);
}

bool zok_is_draining(void)
{
	struct zok_core *core = zok__core();

	return core && core->is_draining;
}

void zok__core_drain(struct zok_core *core)
{
	if (core->is_draining)
		return;
	core->is_draining = true;
	if (core->net)
		core->net->drain(core->net);
	while (!zok_list_is_empty(&core->drains)) {
		struct zok_drain *drain = ZOK_CONTAINER_OF(core->drains.next, struct zok_drain, waiting);

		zok_list_remove(&drain->waiting);
		zok_future_complete(&drain->future, 0);
	}
}
