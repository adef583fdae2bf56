#include "core/bufs.h"
#include "core/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { BUFS_COUNT_MAX = 32768 };

/* So that a stride fits its 32 bits. */
#define BUFS_SIZE_MAX (UINT32_MAX - 2 * ZOK_CACHE_LINE)

/*
 * Short messages use the first lines of a buffer only. At a stride of a power of two these would all compete for the same few sets of the
 * caches; one line more spreads them over all sets.
 */
static uint32_t stride_of(uint32_t size)
{
	return (size + ZOK_CACHE_LINE - 1) / ZOK_CACHE_LINE * ZOK_CACHE_LINE + ZOK_CACHE_LINE;
}

int zok__bufs_init(struct zok__bufs *bufs, uint32_t count, uint32_t size)
{
	struct zok_buf *headers;
	void *memory;

	if (count == 0 || count > BUFS_COUNT_MAX || (count & (count - 1)) != 0 || size == 0 || size > BUFS_SIZE_MAX)
		return -EINVAL;
	headers = calloc(count, sizeof *headers);
	if (!headers)
		return -ENOMEM;
	memory = mmap(NULL, (size_t)count * stride_of(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		free(headers);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		headers[i].data = (uint8_t *)memory + (size_t)i * stride_of(size);
		headers[i].bufs = bufs;
		headers[i].id = (uint16_t)i;
	}
	*bufs = (struct zok__bufs){.memory = memory, .bufs = headers, .size = size, .stride = stride_of(size), .count = count};
	return 0;
}

void zok__bufs_finish(struct zok__bufs *bufs)
{
	assert(bufs->out_count == 0);
	if (bufs->memory)
		munmap(bufs->memory, (size_t)bufs->count * bufs->stride);
	free(bufs->bufs);
	*bufs = (struct zok__bufs){0};
}

struct zok_buf *zok__bufs_give(struct zok__bufs *bufs, uint16_t id, uint32_t len)
{
	struct zok_buf *buf = &bufs->bufs[id];

	assert(id < bufs->count && !buf->is_out && len <= bufs->size);
	buf->is_out = true;
	buf->len = len;
	buf->read_offset = 0;
	buf->next = NULL;
	bufs->out_count++;
	return buf;
}

void zok__buf_release(struct zok_buf *buf)
{
	struct zok__bufs *bufs = buf->bufs;

	assert(buf->is_out && bufs->out_count > 0);
	buf->is_out = false;
	bufs->out_count--;
	bufs->engine->ops->release(bufs->engine, buf);
}
