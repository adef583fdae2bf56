/* What has no more to say than 0 or an error: one op, on one file, on two folders, or on none. */
#include "fs/file.h"

#include "zokio/task.h"

#include <errno.h>

enum { SYNC_DATA_ONLY = 1 };

/* sync_file_range(2): SYNC_FILE_RANGE_WAIT_BEFORE, _WRITE, _WAIT_AFTER */
enum { RANGE_WAIT_BEFORE = 1, RANGE_WRITE = 2, RANGE_WAIT_AFTER = 4 };

static struct zok_file_call *call_of(struct zok_op *op)
{
	return ZOK_CONTAINER_OF(op, struct zok_file_call, op);
}

static void call_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_call *call = call_of(op);
	bool is_cut = zok__file_use_is_cut(&call->use) || zok__file_use_is_cut(&call->use_to);

	zok__file_use_end(&call->use);
	zok__file_use_end(&call->use_to);
	zok_future_complete(&op->future, is_cut && completion->result == -ECANCELED ? -EBADF : completion->result);
}

static bool call_poll(struct zok_future *future)
{
	struct zok_file_call *call = ZOK_CONTAINER_OF(future, struct zok_file_call, op.future);
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = zok__file_use_begin(&call->use);
	if (rc == 0)
		rc = zok__file_use_begin(&call->use_to);
	if (rc == 0)
		return zok__file_start(&call->op);
	zok__file_use_end(&call->use);
	return zok__file_end_in_poll(future, rc);
}

static const struct zok_future_ops call_ops = {.poll = call_poll, .cancel = zok__file_cancel, .name = "a file's sync or change"};

void zok__file_call_prepare(struct zok_file_call *call, enum zok_op_kind kind, struct zok_file *file, int fd)
{
	zok__op_prepare(&call->op, kind, fd);
	call->op.future.ops = &call_ops;
	call->op.deliver = call_deliver;
	zok__file_use_init(&call->use, file, &call->op);
	zok__file_use_init(&call->use_to, NULL, &call->op);
}

/* ---- Durability and size ---- */

static void prepare_range(struct zok_file_call *call, enum zok_op_kind kind, struct zok_file *file, uint64_t offset, uint64_t len,
			  uint32_t flags)
{
	zok__file_call_prepare(call, kind, file, file->fd);
	call->op.arg.range.offset = offset;
	call->op.arg.range.len = len;
	call->op.arg.range.flags = flags;
}

void zok_file_sync_prepare(struct zok_file_call *call, struct zok_file *file)
{
	prepare_range(call, ZOK_OP_FILE_SYNC, file, 0, 0, 0);
}

void zok_file_sync_data_prepare(struct zok_file_call *call, struct zok_file *file)
{
	prepare_range(call, ZOK_OP_FILE_SYNC, file, 0, 0, SYNC_DATA_ONLY);
}

void zok_file_sync_range_prepare(struct zok_file_call *call, struct zok_file *file, uint64_t offset, uint64_t len, bool waits)
{
	prepare_range(call, ZOK_OP_FILE_SYNC_RANGE, file, offset, len,
		      waits ? RANGE_WAIT_BEFORE | RANGE_WRITE | RANGE_WAIT_AFTER : RANGE_WRITE);
}

void zok_file_allocate_prepare(struct zok_file_call *call, struct zok_file *file, int mode, uint64_t offset, uint64_t len)
{
	prepare_range(call, ZOK_OP_FILE_ALLOCATE, file, offset, len, (uint32_t)mode);
}

void zok_file_truncate_prepare(struct zok_file_call *call, struct zok_file *file, uint64_t size)
{
	prepare_range(call, ZOK_OP_FILE_TRUNCATE, file, 0, size, 0);
}

void zok_file_advise_prepare(struct zok_file_call *call, struct zok_file *file, uint64_t offset, uint64_t len, int advice)
{
	prepare_range(call, ZOK_OP_FILE_ADVISE, file, offset, len, (uint32_t)advice);
}

int zok_file_sync(struct zok_file *file)
{
	struct zok_file_call call;

	zok_file_sync_prepare(&call, file);
	return (int)zok_await(&call.op.future);
}

int zok_file_sync_data(struct zok_file *file)
{
	struct zok_file_call call;

	zok_file_sync_data_prepare(&call, file);
	return (int)zok_await(&call.op.future);
}

int zok_file_sync_range(struct zok_file *file, uint64_t offset, uint64_t len, bool waits)
{
	struct zok_file_call call;

	zok_file_sync_range_prepare(&call, file, offset, len, waits);
	return (int)zok_await(&call.op.future);
}

int zok_file_allocate(struct zok_file *file, int mode, uint64_t offset, uint64_t len)
{
	struct zok_file_call call;

	zok_file_allocate_prepare(&call, file, mode, offset, len);
	return (int)zok_await(&call.op.future);
}

int zok_file_truncate(struct zok_file *file, uint64_t size)
{
	struct zok_file_call call;

	zok_file_truncate_prepare(&call, file, size);
	return (int)zok_await(&call.op.future);
}

int zok_file_advise(struct zok_file *file, uint64_t offset, uint64_t len, int advice)
{
	struct zok_file_call call;

	zok_file_advise_prepare(&call, file, offset, len, advice);
	return (int)zok_await(&call.op.future);
}

/* ---- Paths ---- */

static void prepare_path(struct zok_file_call *call, enum zok_op_kind kind, struct zok_file *dir, const char *path, unsigned flags)
{
	zok__file_call_prepare(call, kind, dir, zok__file_dir_fd(dir));
	call->op.arg.path.path = path;
	call->op.arg.path.path_to = NULL;
	call->op.arg.path.flags = flags;
}

static void prepare_two(struct zok_file_call *call, enum zok_op_kind kind, struct zok_file *from_dir, const char *from,
			struct zok_file *to_dir, const char *to, unsigned flags)
{
	prepare_path(call, kind, from_dir, from, flags);
	call->op.arg.path.path_to = to;
	call->op.arg.path.fd_to = zok__file_dir_fd(to_dir);
	zok__file_use_init(&call->use_to, to_dir, &call->op);
}

void zok_path_rename_prepare(struct zok_file_call *call, struct zok_file *from_dir, const char *from, struct zok_file *to_dir,
			     const char *to, unsigned flags)
{
	prepare_two(call, ZOK_OP_FILE_RENAME, from_dir, from, to_dir, to, flags);
}

void zok_path_link_prepare(struct zok_file_call *call, struct zok_file *from_dir, const char *from, struct zok_file *to_dir, const char *to,
			   unsigned flags)
{
	prepare_two(call, ZOK_OP_FILE_LINK, from_dir, from, to_dir, to, flags);
}

void zok_path_unlink_prepare(struct zok_file_call *call, struct zok_file *dir, const char *path, unsigned flags)
{
	prepare_path(call, ZOK_OP_FILE_UNLINK, dir, path, flags);
}

void zok_path_mkdir_prepare(struct zok_file_call *call, struct zok_file *dir, const char *path, unsigned mode)
{
	prepare_path(call, ZOK_OP_FILE_MKDIR, dir, path, 0);
	call->op.arg.path.mode = mode;
}

int zok_path_rename(struct zok_file *from_dir, const char *from, struct zok_file *to_dir, const char *to, unsigned flags)
{
	struct zok_file_call call;

	zok_path_rename_prepare(&call, from_dir, from, to_dir, to, flags);
	return (int)zok_await(&call.op.future);
}

int zok_path_link(struct zok_file *from_dir, const char *from, struct zok_file *to_dir, const char *to, unsigned flags)
{
	struct zok_file_call call;

	zok_path_link_prepare(&call, from_dir, from, to_dir, to, flags);
	return (int)zok_await(&call.op.future);
}

int zok_path_unlink(struct zok_file *dir, const char *path, unsigned flags)
{
	struct zok_file_call call;

	zok_path_unlink_prepare(&call, dir, path, flags);
	return (int)zok_await(&call.op.future);
}

int zok_path_mkdir(struct zok_file *dir, const char *path, unsigned mode)
{
	struct zok_file_call call;

	zok_path_mkdir_prepare(&call, dir, path, mode);
	return (int)zok_await(&call.op.future);
}
