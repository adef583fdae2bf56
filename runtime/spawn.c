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

/* The fiber there runs in any case, also where the scope is cancelled already: it owns its argument. So it is sent off before the first await. */
static void send_off(struct proxy *proxy)
{
	proxy->remote.home = zok__core();
	zok_future_poll(&proxy->remote.done, &proxy->task.waker);
}

static int proxy_run(struct zok_task *task)
{
	struct proxy *self = ZOK_CONTAINER_OF(task, struct proxy, task);
	ssize_t rc;

	ZOK_BEGIN(&task->async);
	if (self->remote.done.state == ZOK_FUTURE_PREPARED)
		send_off(self);
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

static bool is_of_this_core(const struct zok_scope *scope)
{
	const struct zok_core *core = zok__core();

	if (!scope && core->current)
		scope = core->current->scope;
	return scope && scope->core == core;
}

int zok_spawn_on(unsigned index, struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options)
{
	struct zok_spawn_options proxy_options = {
		.name = options && options->name ? options->name : "remote", .finish = proxy_finish, .stealing = ZOK_STEALING_NEVER};
	struct zok_core *there = zok__core_at(index);
	struct proxy *proxy;
	bool is_here;
	int rc;

	if (!there)
		return -EINVAL;
	is_here = is_of_this_core(scope);
	proxy = zok__allocate(zok_allocator(), sizeof *proxy, _Alignof(struct proxy));
	if (!proxy)
		return -ENOMEM;
	zok__remote_prepare(&proxy->remote, there, fn, arg, options);
	if (scope)
		proxy->remote.deadline_ns = scope->deadline_ns;
	/* Where the scope is another core's, the proxy travels there first, and is not ours to touch any more. */
	rc = zok_task_spawn(scope, &proxy->task, proxy_run, &proxy_options);
	if (rc < 0)
		proxy_finish(&proxy->task);
	else if (is_here)
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

static bool is_valid(const struct zok_spawn_options *options)
{
	return options->task_class >= ZOK_CLASS_INHERIT && options->task_class <= ZOK_CLASS_BULK &&
	       options->stack_size <= ZOK__STACK_SIZE_MAX && !options->finish;
}

int zok_inject(int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options)
{
	struct zok__injected injected = {.fn = fn, .arg = arg};
	struct zok_runtime *runtime = zok__runtime();

	if (options)
		injected.options = *options;
	if (!is_valid(&injected.options)) {
		zok__log(ZOK_LOG_ERROR, "inject: no such class, too large a stack, or a finish, which is for tasks");
		return -EINVAL;
	}
	if (!runtime)
		return -EINVAL;
	return zok__inject(runtime->inject, runtime->cores, runtime->core_count, &injected);
}
