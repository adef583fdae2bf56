/* Work on another core, as a child of a scope here, or awaited in place. */
#include "runtime/runtime.h"

#include "core/alloc.h"
#include "core/log.h"
#include "core/remote.h"
#include "zokio/async.h"

#include <errno.h>

/* Stands in the scope for the fiber that runs elsewhere. */
struct proxy {
	struct zok_task task;
	struct zok__remote remote;
};

static int proxy_run(struct zok_task *task)
{
	struct proxy *self = ZOK_CONTAINER_OF(task, struct proxy, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	ZOK_AWAIT(rc, &self->remote.done);
	ZOK_END((int)rc);
}

static void proxy_finish(struct zok_task *task)
{
	zok__release(zok_allocator(), task, sizeof(struct proxy));
}

struct zok_core *zok__core_at(unsigned index)
{
	struct zok_runtime *runtime = zok__runtime();

	if (!zok__core()) {
		zok__log(ZOK_LOG_ERROR, "core %u: can be reached from another core only, not from a plain thread", index);
		return NULL;
	}
	if (runtime && index < runtime->core_count)
		return runtime->cores[index];
	zok__log(ZOK_LOG_ERROR, "core %u: no such core; there are %u", index, zok_core_count());
	return NULL;
}

/* The fiber there runs in any case, also where the scope is cancelled already: it owns its argument. So it is sent off before the first await. */
static void send_off(struct proxy *proxy)
{
	zok_future_poll(&proxy->remote.done, &proxy->task.waker);
}

int zok_spawn_on(unsigned index, struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options)
{
	struct zok_spawn_options proxy_options = {.name = options && options->name ? options->name : "remote", .finish = proxy_finish};
	struct zok_core *there = zok__core_at(index);
	struct proxy *proxy;
	int rc;

	if (!there)
		return -EINVAL;
	proxy = zok__allocate(zok_allocator(), sizeof *proxy, _Alignof(struct proxy));
	if (!proxy)
		return -ENOMEM;
	zok__remote_prepare(&proxy->remote, there, fn, arg, options);
	if (scope)
		proxy->remote.deadline_ns = scope->deadline_ns;
	rc = zok_task_spawn(scope, &proxy->task, proxy_run, &proxy_options);
	if (rc < 0)
		proxy_finish(&proxy->task);
	else
		send_off(proxy);
	return rc;
}

int zok_call_on(unsigned index, int (*fn)(void *arg), void *arg)
{
	struct zok_core *there = zok__core_at(index);
	struct zok__remote remote;

	if (!there)
		return -EINVAL;
	zok__remote_prepare(&remote, there, fn, arg, NULL);
	return (int)zok_await(&remote.done);
}
