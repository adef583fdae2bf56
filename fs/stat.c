/* Facts about files: the kernel's struct statx in ours, which compiles without _GNU_SOURCE. */
#include "fs/file.h"

#include "zokio/task.h"

#include <errno.h>
#include <sys/stat.h>

enum { BTIME = 0x800, DIOALIGN = 0x2000, BLOCK = 512 };

ZOK_STATIC_ASSERT(sizeof(struct statx) <= sizeof((struct zok_file_stat *)0)->kernel_facts, "the kernel writes no more than this");

static struct zok_file_stat *stat_of(struct zok_op *op)
{
	return ZOK_CONTAINER_OF(op, struct zok_file_stat, op);
}

static int64_t time_ns(const struct statx_timestamp *time)
{
	return time->tv_sec * (int64_t)ZOK_S + time->tv_nsec;
}

static void translate(struct zok_file_facts *facts, const struct statx *from)
{
	bool has_align = from->stx_mask & DIOALIGN;

	*facts = (struct zok_file_facts){
		.size = from->stx_size,
		.allocated = from->stx_blocks * BLOCK,
		.inode = from->stx_ino,
		.device_major = from->stx_dev_major,
		.device_minor = from->stx_dev_minor,
		.mode = from->stx_mode,
		.link_count = from->stx_nlink,
		.user = from->stx_uid,
		.group = from->stx_gid,
		.block_size = from->stx_blksize,
		.direct_memory_align = has_align ? from->stx_dio_mem_align : 0,
		.direct_offset_align = has_align ? from->stx_dio_offset_align : 0,
		.accessed_ns = time_ns(&from->stx_atime),
		.modified_ns = time_ns(&from->stx_mtime),
		.changed_ns = time_ns(&from->stx_ctime),
		.created_ns = from->stx_mask & BTIME ? time_ns(&from->stx_btime) : 0,
	};
}

static void stat_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_stat *stat = stat_of(op);
	int result = completion->result;

	if (result == 0)
		translate(stat->facts, (const struct statx *)(const void *)stat->kernel_facts);
	else if (result == -ECANCELED && zok__file_use_is_cut(&stat->use))
		result = -EBADF;
	zok__file_use_end(&stat->use);
	zok_future_complete(&op->future, result);
}

static bool stat_poll(struct zok_future *future)
{
	struct zok_file_stat *stat = ZOK_CONTAINER_OF(future, struct zok_file_stat, op.future);
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = zok__file_use_begin(&stat->use);
	return rc < 0 ? zok__file_end_in_poll(future, rc) : zok__file_start(&stat->op);
}

static const struct zok_future_ops stat_ops = {.poll = stat_poll, .cancel = zok__file_cancel, .name = "a file's facts"};

void zok_path_stat_prepare(struct zok_file_stat *stat, struct zok_file *dir, const char *path, int flags, struct zok_file_facts *facts)
{
	zok__op_prepare(&stat->op, ZOK_OP_FILE_STAT, zok__file_dir_fd(dir));
	stat->op.future.ops = &stat_ops;
	stat->op.deliver = stat_deliver;
	stat->op.arg.path.path = path;
	stat->op.arg.path.data = stat->kernel_facts;
	stat->op.arg.path.flags = (uint32_t)flags;
	zok__file_use_init(&stat->use, dir, &stat->op);
	stat->facts = facts;
}

void zok_file_stat_prepare(struct zok_file_stat *stat, struct zok_file *file, struct zok_file_facts *facts)
{
	zok_path_stat_prepare(stat, file, "", AT_EMPTY_PATH, facts);
}

int zok_path_stat(struct zok_file *dir, const char *path, int flags, struct zok_file_facts *facts)
{
	struct zok_file_stat stat;

	zok_path_stat_prepare(&stat, dir, path, flags, facts);
	return (int)zok_await(&stat.op.future);
}

int zok_file_stat(struct zok_file *file, struct zok_file_facts *facts)
{
	return zok_path_stat(file, "", AT_EMPTY_PATH, facts);
}
