/* Buffers for direct I/O: one block of the core's memory, cut into equal parts, known to the engine as a whole. */
#include "fs/file.h"

#include "core/alloc.h"
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { ALIGN = 4096, LEN_MAX = 1 << 30 };

struct zok_file_buffers {
	const struct zok_allocator *allocator;
	struct zok_core *core;
	uint8_t *memory;
	size_t len, stride;
	void *free; /* linked through their first words */
	uint32_t out_count;
	int32_t number; /* what the engine knows the memory under; negative: why it does not */
};

/* Both are answered within submit: zok__uring_submit(), zok__poll_file_submit(). */
static int32_t ask_engine(enum zok_op_kind kind, const struct zok_file_buffers *buffers)
{
	struct zok_op op;

	zok__op_prepare(&op, kind, AT_FDCWD);
	op.arg.range.offset = (uintptr_t)buffers->memory;
	op.arg.range.len = buffers->len;
	op.arg.range.flags = (uint32_t)buffers->number;
	zok__op_start(&op);
	assert(zok_future_is_ready(&op.future));
	return (int32_t)op.future.result;
}

/* The first on top. */
static void link_all(struct zok_file_buffers *buffers, uint32_t count)
{
	for (uint32_t i = count; i-- > 0;) {
		void *buf = buffers->memory + i * buffers->stride;

		memcpy(buf, &buffers->free, sizeof buffers->free);
		buffers->free = buf;
	}
}

static void enlist(struct zok_file_buffers *buffers)
{
	buffers->number = ask_engine(ZOK_OP_MEMORY_REGISTER, buffers);
	if (buffers->number < 0 && buffers->number != -EOPNOTSUPP)
		zok__log(ZOK_LOG_WARN, "file buffers: %zu bytes are not registered (%s): is RLIMIT_MEMLOCK (ulimit -l) too low?",
			 buffers->len, strerror(-buffers->number));
}

int zok_file_buffers_create(struct zok_file_buffers **out, uint32_t count, size_t size)
{
	size_t stride = size <= LEN_MAX ? (size + ALIGN - 1) / ALIGN * ALIGN : 0;
	struct zok_file_buffers *buffers;
	struct zok_core *core = zok__core();
	const struct zok_allocator *allocator = zok__core_allocator(core);

	if (count == 0 || stride == 0 || count > LEN_MAX / stride)
		return -EINVAL;
	buffers = zok__allocate(allocator, sizeof *buffers, _Alignof(struct zok_file_buffers));
	if (!buffers)
		return -ENOMEM;
	*buffers = (struct zok_file_buffers){.allocator = allocator, .core = core, .len = count * stride, .stride = stride};
	buffers->memory = zok__allocate(allocator, buffers->len, ALIGN);
	if (!buffers->memory) {
		zok__release(allocator, buffers, sizeof *buffers);
		return -ENOMEM;
	}
	link_all(buffers, count);
	enlist(buffers);
	*out = buffers;
	return 0;
}

bool zok_file_buffers_are_registered(const struct zok_file_buffers *buffers)
{
	return buffers->number >= 0;
}

void zok_file_buffers_destroy(struct zok_file_buffers *buffers)
{
	if (!buffers)
		return;
	assert(buffers->out_count == 0);
	zok__assert_own(buffers->core, "file buffers");
	if (buffers->number >= 0)
		ask_engine(ZOK_OP_MEMORY_UNREGISTER, buffers);
	zok__release(buffers->allocator, buffers->memory, buffers->len);
	zok__release(buffers->allocator, buffers, sizeof *buffers);
}

void *zok_file_buffers_get(struct zok_file_buffers *buffers)
{
	void *buf = buffers->free;

	if (!buf)
		return NULL;
	memcpy(&buffers->free, buf, sizeof buffers->free);
	buffers->out_count++;
	return buf;
}

void zok_file_buffers_put(struct zok_file_buffers *buffers, void *buf)
{
	assert((size_t)((uint8_t *)buf - buffers->memory) < buffers->len && buffers->out_count > 0);
	memcpy(buf, &buffers->free, sizeof buffers->free);
	buffers->free = buf;
	buffers->out_count--;
}
