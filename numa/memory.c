#include "numa/memory.h"

#include <assert.h>
#include <errno.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "numa/bitset.h"

/* The one call of libnuma that we would need, made without it. */
static int prefer_node(void *memory, size_t size, int node)
{
	struct zok__bitset nodes = {{0}};
	/* The kernel takes one bit less than it is told, and refuses bits beyond its MAX_NUMNODES only if they are set. */
	unsigned long bit_count = (unsigned long)node + 2;

	if (node < 0)
		return 0;
	if (node >= ZOK__BITSET_MAX)
		return -EINVAL;
	zok__bitset_add(&nodes, node);
	return syscall(SYS_mbind, memory, size, MPOL_PREFERRED, nodes.word, bit_count, 0) < 0 ? -errno : 0;
}

int zok__node_map(size_t size, int node, void **out, int *placed)
{
	void *memory;
	int rc;

	if (size == 0)
		return -EINVAL;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	rc = prefer_node(memory, size, node);
	if (placed != NULL)
		*placed = rc;
	*out = memory;
	return 0;
}

void zok__node_unmap(void *memory, size_t size)
{
	int rc = memory != NULL ? munmap(memory, size) : 0;

	/* Fails only for a pointer or a size that is not ours. */
	assert(rc == 0);
	(void)rc;
}
