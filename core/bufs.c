#include "core/bufs.h"

#include "core/alloc.h"
#include "core/engine.h"

#include <assert.h>
#include <errno.h>

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

static void link_buffers(struct zok__bufs *bufs)
{
	for (uint32_t i = 0; i < bufs->count; i++)
		bufs->bufs[i] = (struct zok_buf){.data = bufs->memory + (size_t)i * bufs->stride, .bufs = bufs, .id = (uint16_t)i};
}

int zok__bufs_init(struct zok__bufs *bufs, const struct zok_allocator *allocator, uint32_t count, uint32_t size)
{
	struct zok__bufs new = {.size = size, .count = count, .allocator = allocator ? allocator : zok_allocator()};

	if (count == 0 || count > BUFS_COUNT_MAX || (count & (count - 1)) != 0 || size == 0 || size > BUFS_SIZE_MAX)
		return -EINVAL;
	new.stride = stride_of(size);
	new.bufs = zok__allocate(new.allocator, count * sizeof *new.bufs, _Alignof(struct zok_buf));
	if (!new.bufs)
		return -ENOMEM;
	new.memory = zok__allocate(new.allocator, (size_t)count * new.stride, ZOK_CACHE_LINE);
	if (!new.memory) {
		zok__release(new.allocator, new.bufs, count * sizeof *new.bufs);
		return -ENOMEM;
	}
	*bufs = new;
	link_buffers(bufs);
	return 0;
}

void zok__bufs_finish(struct zok__bufs *bufs)
{
	assert(bufs->out_count == 0);
	if (bufs->memory)
		zok__release(bufs->allocator, bufs->memory, (size_t)bufs->count * bufs->stride);
	if (bufs->bufs)
		zok__release(bufs->allocator, bufs->bufs, bufs->count * sizeof *bufs->bufs);
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

	assert(buf->is_out);
	if (ZOK_UNLIKELY(!bufs)) {
		zok__release(zok_allocator(), buf, sizeof *buf + buf->len);
		return;
	}
	assert(bufs->out_count > 0);
	buf->is_out = false;
	bufs->out_count--;
	bufs->engine->ops->release(bufs->engine, buf);
}

struct zok_buf *zok__buf_make_loose(size_t len)
{
	struct zok_buf *buf;

	if (len > BUFS_SIZE_MAX)
		return NULL;
	buf = zok__allocate(zok_allocator(), sizeof *buf + len, _Alignof(struct zok_buf));
	if (buf)
		*buf = (struct zok_buf){.data = (uint8_t *)(buf + 1), .len = (uint32_t)len, .is_out = true};
	return buf;
}
