/* What the cores' memory is, for those who ask from outside. */
#include "runtime/runtime.h"

#include <errno.h>

int zok_memory_stats(unsigned index, struct zok_memory_stats *stats)
{
	struct zok_runtime *runtime = zok__runtime();

	if (!runtime)
		return -EINVAL;
	if (index >= runtime->core_count)
		return -ENOENT;
	zok__heap_stats(runtime->cores[index]->heap, stats);
	return 0;
}

static void add(struct zok_memory_stats *sum, const struct zok_memory_stats *one)
{
	sum->mapped_bytes += one->mapped_bytes;
	sum->used_bytes += one->used_bytes;
	sum->used_bytes_max += one->used_bytes_max;
	sum->general_bytes += one->general_bytes;
	sum->stack_bytes += one->stack_bytes;
	sum->allocations += one->allocations;
	sum->reuses += one->reuses;
	sum->remote_returns += one->remote_returns;
}

int zok_node_memory_stats(int node, struct zok_memory_stats *stats)
{
	struct zok_runtime *runtime = zok__runtime();
	struct zok_memory_stats sum = {0}, one;
	unsigned count = 0;

	if (!runtime)
		return -EINVAL;
	for (unsigned i = 0; i < runtime->core_count; i++) {
		zok__heap_stats(runtime->cores[i]->heap, &one);
		if (one.node_got != node)
			continue;
		if (count++ == 0)
			sum = one;
		else
			add(&sum, &one);
	}
	if (count == 0)
		return -ENOENT;
	*stats = sum;
	return 0;
}
