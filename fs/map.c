/* Memory of a file: mapped on the core, brought in and given back by whoever may wait. */
#include "fs/file.h"

#include "zokio/task.h"

#include <errno.h>
#include <sys/mman.h>

/* 5.14; not in Debian 12's headers. */
enum { POPULATE_READ = 22, POPULATE_WRITE = 23 };

int zok_file_map(struct zok_mapping *map, struct zok_file *file, uint64_t offset, size_t len, int prot, int flags)
{
	void *base;
	int rc;

	if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_POPULATE))
		return -EINVAL;
	if (zok__is_foreign(file->fs->core, "a file"))
		return -EXDEV;
	if (file->closer)
		return -EBADF;
	rc = zok__fs_sys_map(&base, file->fd, offset, len, prot, flags);
	if (rc == 0)
		*map = (struct zok_mapping){.base = base, .len = len};
	return rc;
}

static void prepare(struct zok_file_call *call, enum zok_op_kind kind, const struct zok_mapping *map, size_t offset, size_t len, int advice)
{
	zok__file_call_prepare(call, kind, NULL, AT_FDCWD);
	call->op.arg.range.offset = (uintptr_t)map->base + offset;
	call->op.arg.range.len = len;
	call->op.arg.range.flags = (uint32_t)advice;
}

/* What is not of the mapping is refused by the address that the kernel gets: none of the process's. */
void zok_mapping_advise_prepare(struct zok_file_call *call, struct zok_mapping *map, size_t offset, size_t len, int advice)
{
	prepare(call, ZOK_OP_MEMORY_ADVISE, map, offset, len, advice);
	if (offset > map->len || len > map->len - offset)
		call->op.arg.range.offset = UINT64_MAX;
}

int zok_mapping_advise(struct zok_mapping *map, size_t offset, size_t len, int advice)
{
	struct zok_file_call call;

	zok_mapping_advise_prepare(&call, map, offset, len, advice);
	return (int)zok_await(&call.op.future);
}

int zok_mapping_populate(struct zok_mapping *map, size_t offset, size_t len, bool for_writing)
{
	return zok_mapping_advise(map, offset, len, for_writing ? POPULATE_WRITE : POPULATE_READ);
}

void zok_mapping_close_prepare(struct zok_file_call *call, struct zok_mapping *map)
{
	prepare(call, ZOK_OP_MEMORY_UNMAP, map, 0, map->len, 0);
	call->op.future.is_shielded = true;
}

int zok_mapping_close(struct zok_mapping *map)
{
	struct zok_file_call call;
	int rc;

	zok_mapping_close_prepare(&call, map);
	rc = (int)zok_await(&call.op.future);
	if (rc == 0)
		*map = (struct zok_mapping){0};
	return rc;
}
