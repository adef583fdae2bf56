/* Bytes in and out: one op in the caller's own memory, repeated until all is done, the file ends, or an error comes. */
#include "fs/file.h"

#include "zokio/task.h"

#include <errno.h>
#include <sys/stat.h>

enum { VECTOR_MAX = 1024, SECTOR_MIN = 512 };

static struct zok_file_io *io_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_file_io, op.future);
}

static bool is_vector(const struct zok_file_io *io)
{
	return io->op.kind == ZOK_OP_FILE_READV || io->op.kind == ZOK_OP_FILE_WRITEV;
}

static bool is_read(const struct zok_file_io *io)
{
	return io->op.kind == ZOK_OP_FILE_READ || io->op.kind == ZOK_OP_FILE_READV || io->op.kind == ZOK_OP_READ;
}

/* Appends have no position: what moves it here are reads and writes at it. */
static bool is_at_position(const struct zok_file_io *io)
{
	return io->offset == UINT64_MAX && !(io->flags & ZOK_FILE_APPEND);
}

/* ---- The end of one ---- */

/* What is written and synced counts only as a whole; anything else that moved is told, and the error comes with the next call. */
static ssize_t result_of(const struct zok_file_io *io, int error)
{
	bool is_whole = io->op.kind == ZOK_OP_FILE_WRITE_SYNC;

	if (io->done > 0 && (!is_whole || io->done == io->len))
		return (ssize_t)io->done;
	if (zok__file_use_is_cut(&io->use) && (error < 0 || io->done < io->len))
		return -EBADF;
	if (error < 0 || io->done == 0)
		return error;
	return io->op.future.is_canceled ? -ECANCELED : -EIO; /* not all of it, and nobody has said why */
}

static void count_bytes(const struct zok_file_io *io)
{
	struct zok_core_stats *stats = &io->use.file->fs->core->counters->stats;

	zok__count(is_read(io) ? &stats->bytes_read : &stats->bytes_written, io->done);
}

static void end(struct zok_file_io *io, int error)
{
	ssize_t result = result_of(io, error);

	count_bytes(io);
	if (is_at_position(io))
		io->use.file->is_at_position = false;
	zok__align_explain(io->use.file, error);
	zok__file_use_end(&io->use);
	zok_future_complete(&io->op.future, result);
}

/* ---- The next piece ---- */

static bool is_stream(const struct zok_file *file)
{
	return !S_ISREG(file->mode) && !S_ISBLK(file->mode);
}

/*
 * A read of a file is short at its end, at what cannot be read, or where a part of it was in memory and the rest waited for, and then at the end of
 * a page. So one that ends within a sector is at the file's end, and need not be asked again; with O_DIRECT it could not be.
 */
static bool may_be_at_end(const struct zok_file_io *io)
{
	return io->offset != UINT64_MAX ? (io->offset + io->done) % SECTOR_MIN != 0 : io->done % SECTOR_MIN != 0;
}

/* Whether a direct transfer can go on from here: what is short in the middle of a block has met the end. */
static bool is_aligned(const struct zok_file_io *io)
{
	uint32_t align = io->use.file->align.offset;

	return align < 2 || io->done % align == 0;
}

static bool goes_on(const struct zok_file_io *io, int32_t moved)
{
	if (moved <= 0 || io->done >= io->len || is_vector(io))
		return false;
	if (io->op.future.is_canceled || zok__file_use_is_cut(&io->use))
		return false;
	if (is_stream(io->use.file) || !is_aligned(io))
		return false;
	return !is_read(io) || !may_be_at_end(io) || moved == ZOK__FILE_LEN_MAX;
}

static void fill(struct zok_file_io *io)
{
	io->op.arg.file.base = io->base + io->done;
	io->op.arg.file.len = is_vector(io) ? (uint32_t)io->len : zok__file_clamp(io->len - io->done);
	io->op.arg.file.rw_flags = io->flags;
	io->op.arg.file.offset = io->offset == UINT64_MAX ? UINT64_MAX : io->offset + io->done;
}

/* An engine may have made a READ or WRITE of it, for a pipe; the next piece begins as a file's again, and is never needed there. */
static void io_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_io *io = ZOK_CONTAINER_OF(op, struct zok_file_io, op);
	int32_t result = completion->result, moved = result;

	if (op->kind == ZOK_OP_FILE_WRITE_SYNC && result == 0)
		io->done += moved = (int32_t)op->arg.file.len;
	else if (result > 0)
		io->done += (uint32_t)result;
	if (goes_on(io, moved)) {
		fill(io);
		zok__op_start(op);
	} else {
		end(io, result < 0 ? result : 0);
	}
}

/* ---- The future ---- */

static int check_align(const struct zok_file_io *io)
{
	if (is_vector(io))
		return zok__align_check_vector(io->use.file, (const struct iovec *)(const void *)io->base, (int)io->len, io->offset);
	return zok__align_check(io->use.file, io->base, io->len, io->offset);
}

static int admit(struct zok_file_io *io)
{
	struct zok_file *file = io->use.file;
	int rc;

	if (is_vector(io) && (io->len > VECTOR_MAX || io->len == 0))
		return io->len == 0 ? 0 : -EINVAL;
	rc = zok__file_use_begin(&io->use);
	if (rc == 0 && ZOK_UNLIKELY(file->is_direct))
		rc = check_align(io);
	if (rc == 0 && is_at_position(io))
		rc = file->is_at_position ? -EBUSY : (file->is_at_position = true, 0);
	if (rc < 0)
		zok__file_use_end(&io->use);
	return rc;
}

static bool io_poll(struct zok_future *future)
{
	struct zok_file_io *io = io_of(future);
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = admit(io);
	if (rc < 0 || (is_vector(io) && io->len == 0))
		return zok__file_end_in_poll(future, rc);
	fill(io);
	return zok__file_start(&io->op);
}

static const struct zok_future_ops io_ops = {.poll = io_poll, .cancel = zok__file_cancel, .name = "a file"};

static void prepare(struct zok_file_io *io, enum zok_op_kind kind, struct zok_file *file, const void *base, size_t len, uint64_t offset)
{
	zok__op_prepare(&io->op, kind, file->fd);
	io->op.future.ops = &io_ops;
	io->op.deliver = io_deliver;
	zok__file_use_init(&io->use, file, &io->op);
	io->base = (uint8_t *)(uintptr_t)base;
	io->len = len;
	io->done = 0;
	io->offset = offset;
	io->flags = 0;
}

void zok_file_read_prepare(struct zok_file_io *io, struct zok_file *file, void *buf, size_t len, uint64_t offset)
{
	prepare(io, ZOK_OP_FILE_READ, file, buf, len, offset);
}

void zok_file_write_prepare(struct zok_file_io *io, struct zok_file *file, const void *buf, size_t len, uint64_t offset)
{
	prepare(io, ZOK_OP_FILE_WRITE, file, buf, len, offset);
}

void zok_file_write_sync_prepare(struct zok_file_io *io, struct zok_file *file, const void *buf, size_t len, uint64_t offset)
{
	prepare(io, ZOK_OP_FILE_WRITE_SYNC, file, buf, len, offset);
}

/* A negative number of buffers is refused as too many. */
void zok_file_readv_prepare(struct zok_file_io *io, struct zok_file *file, const struct iovec *vector, int count, uint64_t offset)
{
	prepare(io, ZOK_OP_FILE_READV, file, vector, (size_t)count, offset);
}

void zok_file_writev_prepare(struct zok_file_io *io, struct zok_file *file, const struct iovec *vector, int count, uint64_t offset)
{
	prepare(io, ZOK_OP_FILE_WRITEV, file, vector, (size_t)count, offset);
}

/* ---- For fibers ---- */

ssize_t zok_file_read_at(struct zok_file *file, void *buf, size_t len, uint64_t offset)
{
	struct zok_file_io io;

	zok_file_read_prepare(&io, file, buf, len, offset);
	return zok_await(&io.op.future);
}

ssize_t zok_file_read(struct zok_file *file, void *buf, size_t len)
{
	return zok_file_read_at(file, buf, len, UINT64_MAX);
}

ssize_t zok_file_write_at(struct zok_file *file, const void *buf, size_t len, uint64_t offset)
{
	struct zok_file_io io;

	zok_file_write_prepare(&io, file, buf, len, offset);
	return zok_await(&io.op.future);
}

ssize_t zok_file_write(struct zok_file *file, const void *buf, size_t len)
{
	return zok_file_write_at(file, buf, len, UINT64_MAX);
}

ssize_t zok_file_append(struct zok_file *file, const void *buf, size_t len)
{
	struct zok_file_io io;

	zok_file_write_prepare(&io, file, buf, len, 0);
	io.flags = ZOK_FILE_APPEND;
	return zok_await(&io.op.future);
}

ssize_t zok_file_write_sync(struct zok_file *file, const void *buf, size_t len, uint64_t offset)
{
	struct zok_file_io io;

	zok_file_write_sync_prepare(&io, file, buf, len, offset);
	return zok_await(&io.op.future);
}

ssize_t zok_file_readv_at(struct zok_file *file, const struct iovec *vector, int count, uint64_t offset, unsigned flags)
{
	struct zok_file_io io;

	zok_file_readv_prepare(&io, file, vector, count, offset);
	io.flags = flags;
	return zok_await(&io.op.future);
}

ssize_t zok_file_writev_at(struct zok_file *file, const struct iovec *vector, int count, uint64_t offset, unsigned flags)
{
	struct zok_file_io io;

	zok_file_writev_prepare(&io, file, vector, count, offset);
	io.flags = flags;
	return zok_await(&io.op.future);
}
