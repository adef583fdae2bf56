#include "numa/memory_calls.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "numa/bitset.h"

static int call_map(size_t size, int flags, void **out)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*out = memory;
	return 0;
}

/* The highest member of the set, and one more for the kernel takes one bit less than it is told; it refuses bits beyond its own if they are set. */
static unsigned long mask_bits(const struct zok__bitset *nodes)
{
	int last = 0;

	for (int node = -1; (node = zok__bitset_next(nodes, node)) >= 0;)
		last = node;
	return (unsigned long)last + 2;
}

static int call_bind(void *memory, size_t size, int mode, const void *mask)
{
	const struct zok__bitset *nodes = mask;

	return syscall(SYS_mbind, memory, size, mode, nodes->word, mask_bits(nodes), 0) < 0 ? -errno : 0;
}

static int call_advise(void *memory, size_t size, int advice)
{
	return madvise(memory, size, advice) < 0 ? -errno : 0;
}

static int call_where(void **pages, int *nodes, size_t count)
{
	return syscall(SYS_move_pages, 0, count, pages, NULL, nodes, 0) < 0 ? -errno : 0;
}

const struct zok__memory_calls zok__memory_calls = {.map = call_map, .bind = call_bind, .advise = call_advise, .where = call_where};
