/* One function on every core at the same time, joined here. */
#include "runtime/runtime.h"

#include "core/alloc.h"
#include "core/log.h"
#include "zokio/cores.h"

#include <errno.h>
#include <string.h>

static bool is_on_core(const char *caller)
{
	if (zok__core() && zok__runtime())
		return true;
	zok__log(ZOK_LOG_ERROR, "%s: can be called on a core only", caller);
	return false;
}

/* The i-th core is given the i-th of `args`, `stride` bytes apart. */
static int run_everywhere(int (*fn)(void *arg), void *args, size_t stride, const char *name)
{
	const struct zok_spawn_options options = {.name = name};
	struct zok_scope scope;
	int rc;

	zok_scope_init(&scope, zok__core()->current, &(struct zok_scope_options){.name = name});
	rc = 0;
	for (unsigned i = 0; i < zok_core_count() && rc == 0; i++)
		rc = zok_spawn_on(i, &scope, fn, (char *)args + i * stride, &options);
	return zok_scope_close(&scope, rc);
}

int zok_broadcast(int (*fn)(void *arg), void *arg)
{
	return is_on_core("zok_broadcast") ? run_everywhere(fn, arg, 0, "broadcast") : -EINVAL;
}

/* What one core makes: on lines of its own, since all are written at the same time. */
struct part {
	_Alignas(ZOK_FALSE_SHARING) void *arg;
	int (*map)(void *arg, void *part);
	_Alignas(ZOK_CACHE_LINE) unsigned char bytes[];
};

static int map_part(void *arg)
{
	struct part *part = arg;

	return part->map(part->arg, part->bytes);
}

static size_t stride_of(size_t size)
{
	return (sizeof(struct part) + size + ZOK_FALSE_SHARING - 1) & ~(size_t)(ZOK_FALSE_SHARING - 1);
}

static struct part *part_at(void *parts, size_t stride, unsigned index)
{
	return (struct part *)(void *)((char *)parts + index * stride);
}

int zok_map_reduce(int (*map)(void *arg, void *part), void (*reduce)(void *total, const void *part), void *arg, void *total, size_t size)
{
	size_t stride = stride_of(size);
	unsigned count = zok_core_count();
	void *parts;
	int rc;

	if (!is_on_core("zok_map_reduce"))
		return -EINVAL;
	if (size == 0 || size > SIZE_MAX / 2 / count) {
		zok__log(ZOK_LOG_ERROR, "zok_map_reduce: a part of %zu bytes", size);
		return -EINVAL;
	}
	parts = zok__allocate(zok_allocator(), count * stride, ZOK_FALSE_SHARING);
	if (!parts)
		return -ENOMEM;
	memset(parts, 0, count * stride);
	for (unsigned i = 0; i < count; i++)
		*part_at(parts, stride, i) = (struct part){.map = map, .arg = arg};
	rc = run_everywhere(map_part, parts, stride, "map_reduce");
	for (unsigned i = 0; rc == 0 && i < count; i++)
		reduce(total, part_at(parts, stride, i)->bytes);
	zok__release(zok_allocator(), parts, count * stride);
	return rc;
}
