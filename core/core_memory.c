/* What a core lies in: its heap, and the mappings of its stacks. */
#include "core/alloc.h"
#include "core/core.h"

#include <errno.h>
#include <string.h>

/* For the fibers, scopes and sockets that a core begins with, before its heap has to grow. */
enum { ROOM_FOR_POOLS = 256 << 10 };

const struct zok_allocator *zok__core_allocator(struct zok_core *core)
{
	return zok__allocator_is_system() ? zok__heap_allocator(core->heap) : zok_allocator();
}

const struct zok_allocator *zok_core_allocator(void)
{
	struct zok_core *core = zok__core();

	return core ? zok__core_allocator(core) : NULL;
}

/* The first region is made so large that a core at rest lies in one piece. */
static size_t size_at_start(const struct zok__core_options *options)
{
	size_t buffer = options->receive_buffer_size + 2 * (size_t)ZOK_CACHE_LINE + sizeof(struct zok_buf);

	return sizeof(struct zok_core) +
	       options->core_count * (sizeof(struct zok__mailbox) + sizeof(struct zok__mail_line) + sizeof(struct zok__mail_link)) +
	       options->receive_buffers * buffer + ROOM_FOR_POOLS;
}

int zok__core_memory_create(struct zok_core **out, const struct zok__core_options *options)
{
	struct zok__heap *heap;
	struct zok_core *core;
	int rc = zok__heap_create(&heap, &(struct zok__heap_options){
						 .core = options->index,
						 .node = options->node,
						 .policy = options->memory,
						 .pages = options->huge_pages,
						 .first_size = size_at_start(options),
					 });

	if (rc < 0)
		return rc;
	core = zok__allocate(zok__heap_allocator(heap), sizeof *core, ZOK_FALSE_SHARING);
	if (!core) {
		zok__heap_destroy(heap);
		return -ENOMEM;
	}
	memset(core, 0, sizeof *core);
	core->heap = heap;
	core->options = *options;
	*out = core;
	return 0;
}

static void *map_stacks(void *arg, size_t size)
{
	struct zok__heap *heap = arg;
	void *base = zok__stack_os_source.map(NULL, size);

	if (base && zok__heap_bind(heap, base, size) < 0) {
		zok__stack_os_source.unmap(NULL, base, size);
		return NULL;
	}
	if (base)
		zok__heap_count_stacks(heap, (int64_t)size);
	return base;
}

static void unmap_stacks(void *arg, void *base, size_t size)
{
	zok__heap_count_stacks(arg, -(int64_t)size);
	zok__stack_os_source.unmap(NULL, base, size);
}

struct zok__stack_source zok__core_stack_source(struct zok_core *core)
{
	return (struct zok__stack_source){
		.map = map_stacks,
		.unmap = unmap_stacks,
		.guard = zok__stack_os_source.guard,
		.arg = core->heap,
	};
}
