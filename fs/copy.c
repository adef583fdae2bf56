/*
 * From one file to another: by the kernel, piece by piece so that a cancel need not wait for a whole file; and where the two file systems do not
 * know how, through a buffer of our own.
 */
#include "fs/file.h"

#include "core/alloc.h"
#include "zokio/task.h"

#include <errno.h>
#include <sys/stat.h>

enum { PIECE = 8 << 20, BUFFER = 128 << 10, BUFFER_ALIGN = 4096 };

static struct zok_file_copy *copy_of(struct zok_op *op)
{
	return ZOK_CONTAINER_OF(op, struct zok_file_copy, op);
}

static const struct zok_allocator *allocator_of(const struct zok_file_copy *copy)
{
	return zok__core_allocator(copy->from.file->fs->core);
}

static void end(struct zok_file_copy *copy, int error)
{
	bool is_cut = zok__file_use_is_cut(&copy->from) || zok__file_use_is_cut(&copy->to);

	if (copy->buf)
		zok__release(allocator_of(copy), copy->buf, BUFFER);
	copy->buf = NULL;
	zok__file_use_end(&copy->from);
	zok__file_use_end(&copy->to);
	if (error < 0)
		zok_future_complete(&copy->op.future, is_cut && error == -ECANCELED ? -EBADF : error);
	else
		zok_future_complete(&copy->op.future, (ssize_t)copy->done);
}

static bool is_ending(const struct zok_file_copy *copy)
{
	return copy->op.future.is_canceled || zok__file_use_is_cut(&copy->from) || zok__file_use_is_cut(&copy->to);
}

/* ---- By the kernel ---- */

static void kernel_deliver(struct zok_op *op, const struct zok_completion *completion);

static void fill_kernel(struct zok_file_copy *copy)
{
	uint64_t left = copy->len - copy->done;

	copy->op.fd = copy->from.file->fd;
	copy->op.kind = ZOK_OP_FILE_COPY;
	copy->op.deliver = kernel_deliver;
	copy->op.arg.copy.offset = copy->from_offset + copy->done;
	copy->op.arg.copy.offset_to = copy->to_offset + copy->done;
	copy->op.arg.copy.fd_to = copy->to.file->fd;
	copy->op.arg.copy.len = left < PIECE ? (uint32_t)left : PIECE;
}

/* ---- Through a buffer ---- */

static void read_deliver(struct zok_op *op, const struct zok_completion *completion);
static void write_deliver(struct zok_op *op, const struct zok_completion *completion);

static void start_data(struct zok_file_copy *copy, enum zok_op_kind kind, const struct zok_file *file, zok_op_deliver_fn deliver)
{
	bool is_read = kind == ZOK_OP_FILE_READ;
	uint64_t left = copy->len - copy->done;

	copy->op.fd = file->fd;
	copy->op.kind = (uint8_t)kind;
	copy->op.deliver = deliver;
	copy->op.arg.file.base = copy->buf + (is_read ? 0 : copy->written);
	copy->op.arg.file.len = is_read ? (left < BUFFER ? (uint32_t)left : BUFFER) : copy->filled - copy->written;
	copy->op.arg.file.rw_flags = 0;
	copy->op.arg.file.offset = (is_read ? copy->from_offset : copy->to_offset) + copy->done;
	zok__op_start(&copy->op);
}

static void read_next(struct zok_file_copy *copy)
{
	if (copy->done == copy->len)
		end(copy, 0);
	else if (is_ending(copy))
		end(copy, -ECANCELED);
	else
		start_data(copy, ZOK_OP_FILE_READ, copy->from.file, read_deliver);
}

static void read_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_copy *copy = copy_of(op);

	if (completion->result <= 0 || is_ending(copy)) {
		end(copy, completion->result > 0 ? -ECANCELED : completion->result);
		return;
	}
	copy->filled = (uint32_t)completion->result;
	copy->written = 0;
	start_data(copy, ZOK_OP_FILE_WRITE, copy->to.file, write_deliver);
}

static void write_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_copy *copy = copy_of(op);

	if (completion->result <= 0) {
		end(copy, completion->result < 0 ? completion->result : -EIO);
		return;
	}
	copy->written += (uint32_t)completion->result;
	copy->done += (uint32_t)completion->result;
	if (copy->written == copy->filled)
		read_next(copy);
	else if (is_ending(copy))
		end(copy, -ECANCELED);
	else
		start_data(copy, ZOK_OP_FILE_WRITE, copy->to.file, write_deliver);
}

static void go_through_buffer(struct zok_file_copy *copy)
{
	copy->buf = zok__allocate(allocator_of(copy), BUFFER, BUFFER_ALIGN);
	if (copy->buf)
		read_next(copy);
	else
		end(copy, -ENOMEM);
}

/*
 * The kernel does not copy between these: different file systems, one that has no such call, one end with O_APPEND (EBADF), things that are no files. Nothing at all from
 * what is not at its end is a file that the kernel makes up while it is read, as in /proc.
 */
static bool is_not_for_kernel(const struct zok_file_copy *copy, int result)
{
	return copy->done == 0 &&
	       (result == 0 || result == -EXDEV || result == -EINVAL || result == -EBADF || result == -EOPNOTSUPP || result == -ENOSYS);
}

static void kernel_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_copy *copy = copy_of(op);
	int result = completion->result;

	if (is_not_for_kernel(copy, result)) {
		go_through_buffer(copy);
		return;
	}
	if (result > 0)
		copy->done += (uint32_t)result;
	if (result <= 0 || copy->done == copy->len) {
		end(copy, result < 0 ? result : 0);
	} else if (is_ending(copy)) {
		end(copy, -ECANCELED);
	} else {
		fill_kernel(copy);
		zok__op_start(op);
	}
}

/* ---- The future ---- */

/* By what the kernel knows it under: a file may be open twice, or have two names. What has no offsets, as /dev/zero, has no ranges either. */
static bool are_one(const struct zok_file *a, const struct zok_file *b)
{
	if (a == b)
		return true;
	return (S_ISREG(a->mode) || S_ISBLK(a->mode)) && a->ino == b->ino && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor;
}

static bool overlap(const struct zok_file_copy *copy)
{
	uint64_t from = copy->from_offset, to = copy->to_offset;

	return are_one(copy->from.file, copy->to.file) && (from < to ? to - from : from - to) < copy->len;
}

/* Ends beyond what an offset can say; UINT64_MAX is no position here. */
static bool is_out_of_range(const struct zok_file_copy *copy)
{
	return copy->len > INT64_MAX || copy->from_offset > INT64_MAX - copy->len || copy->to_offset > INT64_MAX - copy->len;
}

static int admit(struct zok_file_copy *copy)
{
	int rc;

	if (is_out_of_range(copy) || overlap(copy))
		return -EINVAL;
	rc = zok__file_use_begin(&copy->from);
	if (rc < 0)
		return rc;
	rc = zok__file_use_begin(&copy->to);
	if (rc < 0)
		zok__file_use_end(&copy->from);
	return rc;
}

static bool copy_poll(struct zok_future *future)
{
	struct zok_file_copy *copy = ZOK_CONTAINER_OF(future, struct zok_file_copy, op.future);
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (copy->len == 0)
		return zok__file_end_in_poll(future, 0);
	rc = admit(copy);
	if (rc < 0)
		return zok__file_end_in_poll(future, rc);
	fill_kernel(copy);
	return zok__file_start(&copy->op);
}

static const struct zok_future_ops copy_ops = {.poll = copy_poll, .cancel = zok__file_cancel, .name = "the copy of a file"};

void zok_file_copy_prepare(struct zok_file_copy *copy, struct zok_file *from, uint64_t from_offset, struct zok_file *to, uint64_t to_offset,
			   uint64_t len)
{
	zok__op_prepare(&copy->op, ZOK_OP_FILE_COPY, from->fd);
	copy->op.future.ops = &copy_ops;
	zok__file_use_init(&copy->from, from, &copy->op);
	zok__file_use_init(&copy->to, to, &copy->op);
	copy->from_offset = from_offset;
	copy->to_offset = to_offset;
	copy->len = len;
	copy->done = 0;
	copy->buf = NULL;
	copy->filled = copy->written = 0;
}

int64_t zok_file_copy(struct zok_file *from, uint64_t from_offset, struct zok_file *to, uint64_t to_offset, uint64_t len)
{
	struct zok_file_copy copy;

	zok_file_copy_prepare(&copy, from, from_offset, to, to_offset, len);
	return zok_await(&copy.op.future);
}
