/* File ops as plain system calls, for threads that may block. One row a kind; no errno is changed into another. */
#include "core/offload.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int64_t call_open(const struct zok_op *op)
{
	return openat(op->fd, op->arg.path.path, (int)op->arg.path.flags | O_CLOEXEC, (mode_t)op->arg.path.mode);
}

/* -1, the file's position, means the same to these calls as to the ring. */
static int64_t read_vector(const struct zok_op *op, const struct iovec *vector, int count)
{
	return preadv2(op->fd, vector, count, (off_t)op->arg.file.offset, (int)op->arg.file.rw_flags);
}

static int64_t write_vector(const struct zok_op *op, const struct iovec *vector, int count)
{
	return pwritev2(op->fd, vector, count, (off_t)op->arg.file.offset, (int)op->arg.file.rw_flags);
}

static int64_t call_read(const struct zok_op *op)
{
	return read_vector(op, &(struct iovec){op->arg.file.base, op->arg.file.len}, 1);
}

static int64_t call_write(const struct zok_op *op)
{
	return write_vector(op, &(struct iovec){op->arg.file.base, op->arg.file.len}, 1);
}

static int64_t call_readv(const struct zok_op *op)
{
	return read_vector(op, op->arg.file.base, (int)op->arg.file.len);
}

static int64_t call_writev(const struct zok_op *op)
{
	return write_vector(op, op->arg.file.base, (int)op->arg.file.len);
}

/* What was written is not written again where a signal interrupts the second half. */
static int64_t call_write_sync(const struct zok_op *op)
{
	int64_t written = call_write(op);
	int rc;

	if (written == 0 && op->arg.file.len > 0) {
		errno = EIO; /* 0 would say that all of it is written */
		return -1;
	}
	if (written != op->arg.file.len)
		return written;
	do
		rc = fsync(op->fd);
	while (rc < 0 && errno == EINTR);
	return rc;
}

static int64_t call_sync(const struct zok_op *op)
{
	return op->arg.range.flags & 1 ? fdatasync(op->fd) : fsync(op->fd);
}

static int64_t call_sync_range(const struct zok_op *op)
{
	return sync_file_range(op->fd, (off_t)op->arg.range.offset, (off_t)op->arg.range.len, op->arg.range.flags);
}

static int64_t call_allocate(const struct zok_op *op)
{
	return fallocate(op->fd, (int)op->arg.range.flags, (off_t)op->arg.range.offset, (off_t)op->arg.range.len);
}

static int64_t call_truncate(const struct zok_op *op)
{
	return ftruncate(op->fd, (off_t)op->arg.range.len);
}

/* The one of them that returns its error. */
static int64_t call_advise(const struct zok_op *op)
{
	errno = posix_fadvise(op->fd, (off_t)op->arg.range.offset, (off_t)op->arg.range.len, (int)op->arg.range.flags);
	return errno == 0 ? 0 : -1;
}

static int64_t call_stat(const struct zok_op *op)
{
	return statx(op->fd, op->arg.path.path, (int)op->arg.path.flags, ZOK__FILE_STAT_MASK, op->arg.path.data);
}

static int64_t call_rename(const struct zok_op *op)
{
	return renameat2(op->fd, op->arg.path.path, op->arg.path.fd_to, op->arg.path.path_to, op->arg.path.flags);
}

static int64_t call_link(const struct zok_op *op)
{
	return linkat(op->fd, op->arg.path.path, op->arg.path.fd_to, op->arg.path.path_to, (int)op->arg.path.flags);
}

static int64_t call_unlink(const struct zok_op *op)
{
	return unlinkat(op->fd, op->arg.path.path, (int)op->arg.path.flags);
}

static int64_t call_mkdir(const struct zok_op *op)
{
	return mkdirat(op->fd, op->arg.path.path, (mode_t)op->arg.path.mode);
}

static int64_t call_list(const struct zok_op *op)
{
	return syscall(SYS_getdents64, op->fd, op->arg.file.base, op->arg.file.len);
}

static int64_t call_copy(const struct zok_op *op)
{
	off_t from = (off_t)op->arg.copy.offset, to = (off_t)op->arg.copy.offset_to;

	return copy_file_range(op->fd, &from, op->arg.copy.fd_to, &to, op->arg.copy.len, 0);
}

static int64_t call_watch(const struct zok_op *op)
{
	return inotify_add_watch(op->fd, op->arg.path.path, op->arg.path.flags);
}

static void *address_of(const struct zok_op *op)
{
	return (void *)(uintptr_t)op->arg.range.offset;
}

static int64_t call_memory_advise(const struct zok_op *op)
{
	return madvise(address_of(op), op->arg.range.len, (int)op->arg.range.flags);
}

static int64_t call_memory_unmap(const struct zok_op *op)
{
	return munmap(address_of(op), op->arg.range.len);
}

typedef int64_t (*file_call_fn)(const struct zok_op *op);

enum { FIRST = ZOK_OP_FILE_OPEN };

static const file_call_fn calls[ZOK_OP_KIND_COUNT - FIRST] = {
	[ZOK_OP_FILE_OPEN - FIRST] = call_open,
	[ZOK_OP_FILE_READ - FIRST] = call_read,
	[ZOK_OP_FILE_WRITE - FIRST] = call_write,
	[ZOK_OP_FILE_READV - FIRST] = call_readv,
	[ZOK_OP_FILE_WRITEV - FIRST] = call_writev,
	[ZOK_OP_FILE_WRITE_SYNC - FIRST] = call_write_sync,
	[ZOK_OP_FILE_SYNC - FIRST] = call_sync,
	[ZOK_OP_FILE_SYNC_RANGE - FIRST] = call_sync_range,
	[ZOK_OP_FILE_ALLOCATE - FIRST] = call_allocate,
	[ZOK_OP_FILE_TRUNCATE - FIRST] = call_truncate,
	[ZOK_OP_FILE_ADVISE - FIRST] = call_advise,
	[ZOK_OP_FILE_STAT - FIRST] = call_stat,
	[ZOK_OP_FILE_RENAME - FIRST] = call_rename,
	[ZOK_OP_FILE_LINK - FIRST] = call_link,
	[ZOK_OP_FILE_UNLINK - FIRST] = call_unlink,
	[ZOK_OP_FILE_MKDIR - FIRST] = call_mkdir,
	[ZOK_OP_FILE_LIST - FIRST] = call_list,
	[ZOK_OP_FILE_COPY - FIRST] = call_copy,
	[ZOK_OP_FILE_WATCH - FIRST] = call_watch,
	[ZOK_OP_MEMORY_ADVISE - FIRST] = call_memory_advise,
	[ZOK_OP_MEMORY_UNMAP - FIRST] = call_memory_unmap,
};

/* EINTR on these threads is a signal that somebody sent to the process; what was asked for is still wanted. */
int32_t zok__file_call(const struct zok_op *op)
{
	int64_t result;

	assert(zok__op_is_of_file(op));
	do
		result = calls[op->kind - FIRST](op);
	while (result < 0 && errno == EINTR);
	return result < 0 ? -errno : (int32_t)result;
}
