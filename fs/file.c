/* A file's life; the core's part of fs. */
#include "fs/file.h"

#include "core/alloc.h"
#include "core/log.h"
#include "zokio/task.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* ---- The core's part ---- */

static void wake_nobody(struct zok_waker *waker)
{
}

/* No task is left to await anything: the engine is driven by hand until the close has been delivered. */
static void close_left_open(struct zok__fs *fs, struct zok_file *file)
{
	struct zok__engine *engine = fs->core->engine;
	struct zok_file_close close;
	struct zok_waker nobody = {.wake = wake_nobody};

	zok_file_close_prepare(&close, file);
	if (zok_future_poll(&close.op.future, &nobody))
		return;
	while (!zok_future_is_ready(&close.op.future))
		engine->ops->wait(engine, ZOK_NEVER);
}

static void finish(struct zok__core_part *part)
{
	struct zok__fs *fs = (struct zok__fs *)(void *)part;
	struct zok_core *core = fs->core;
	unsigned count = 0;

	for (; !zok_list_is_empty(&fs->open); count++)
		close_left_open(fs, ZOK_CONTAINER_OF(fs->open.next, struct zok_file, open));
	if (count > 0)
		zok__log(ZOK_LOG_WARN, "core %u: %u files were left open; closed now", core->options.index, count);
	core->fs = NULL;
	zok_pool_finish(&fs->files);
	zok__release(zok__core_allocator(core), fs, sizeof *fs);
}

/* A drain is for what comes from outside. */
static void drain(struct zok__core_part *part)
{
}

static struct zok__fs *create(struct zok_core *core)
{
	const struct zok_allocator *allocator = zok__core_allocator(core);
	struct zok__fs *fs = zok__allocate(allocator, sizeof *fs, _Alignof(struct zok__fs));
	const struct zok_pool_options options = {.name = "files", .object_size = sizeof(struct zok_file), .allocator = allocator};

	if (!fs)
		return NULL;
	*fs = (struct zok__fs){.part = {.finish = finish, .drain = drain}, .core = core};
	zok_list_init(&fs->open);
	zok_pool_init(&fs->files, &options);
	core->fs = &fs->part;
	return fs;
}

static struct zok__fs *fs_of_core(void)
{
	struct zok_core *core = zok__core();

	return core->fs ? (struct zok__fs *)(void *)core->fs : create(core);
}

/* ---- Under way on a file ---- */

int zok__file_use_begin(struct zok_file_use *use)
{
	struct zok_file *file = use->file;

	if (!file)
		return 0;
	if (zok__is_foreign(file->fs->core, "a file"))
		return -EXDEV;
	if (file->closer)
		return -EBADF;
	zok_list_push_back(&file->uses, &use->among);
	return 0;
}

static void close_continue(struct zok_file *file);

void zok__file_use_end(struct zok_file_use *use)
{
	if (!zok_list_is_linked(&use->among))
		return;
	zok_list_remove(&use->among);
	if (use->file->closer)
		close_continue(use->file);
}

/* The engine may answer from within submit: then there is nobody to wake, for whoever waits is polling. */
bool zok__file_start(struct zok_op *op)
{
	struct zok_waker *waker = op->future.waker;

	op->future.waker = NULL;
	zok__op_start(op);
	if (zok_future_is_ready(&op->future))
		return true;
	op->future.waker = waker;
	return false;
}

void zok__file_cancel(struct zok_future *future)
{
	zok__op_cancel(ZOK_CONTAINER_OF(future, struct zok_op, future));
}

/* ---- Making one ---- */

int zok__file_create(struct zok_file **out, int fd, int flags)
{
	struct zok__fs *fs = fs_of_core();
	struct statx facts;
	struct zok_file *file;
	int rc = fs ? zok__fs_sys_facts(fd, &facts) : -ENOMEM;

	file = rc == 0 ? zok_pool_get(&fs->files) : NULL;
	if (!file)
		return rc < 0 ? rc : -ENOMEM;
	*file = (struct zok_file){
		.fd = fd,
		.mode = facts.stx_mode,
		.dev_major = facts.stx_dev_major,
		.dev_minor = facts.stx_dev_minor,
		.ino = facts.stx_ino,
		.is_direct = flags & O_DIRECT,
		.fs = fs,
	};
	if (file->is_direct)
		file->align = zok__align_find(fd, file->mode);
	zok_list_init(&file->uses);
	zok_list_push_back(&fs->open, &file->open);
	zok__count(&fs->core->counters->stats.files_opened, 1);
	*out = file;
	return 0;
}

int zok_file_adopt(struct zok_file **file, int fd)
{
	int flags = zok__fs_sys_adopt(fd);

	return flags < 0 ? flags : zok__file_create(file, fd, flags);
}

int zok_file_fd(const struct zok_file *file)
{
	return file->fd;
}

/* ---- Opening ---- */

static struct zok_file_open *open_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_file_open, op.future);
}

static void open_end(struct zok_file_open *open, int result)
{
	zok__file_use_end(&open->use);
	zok_future_complete(&open->op.future, result);
}

/* The descriptor's end where no file could be made of it; `flags` has what it failed with. */
static void given_up_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_open *open = ZOK_CONTAINER_OF(op, struct zok_file_open, op);

	open_end(open, open->flags);
}

static void give_up(struct zok_file_open *open, int fd, int error)
{
	open->flags = error;
	open->op.fd = fd;
	open->op.kind = ZOK_OP_CLOSE;
	open->op.deliver = given_up_deliver;
	zok__op_start(&open->op);
}

/* A file that was opened while it was cancelled is the caller's: it has done things, O_CREAT and O_TRUNC among them. */
static void opened_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_open *open = ZOK_CONTAINER_OF(op, struct zok_file_open, op);
	int rc = completion->result;

	if (rc >= 0)
		rc = zok__file_create(&open->file, completion->result, open->flags);
	if (completion->result >= 0 && rc < 0)
		give_up(open, completion->result, rc);
	else
		open_end(open, rc);
}

static bool open_poll(struct zok_future *future)
{
	struct zok_file_open *open = open_of(future);
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = zok__file_use_begin(&open->use);
	return rc < 0 ? zok__file_end_in_poll(future, rc) : zok__file_start(&open->op);
}

static const struct zok_future_ops open_ops = {.poll = open_poll, .cancel = zok__file_cancel, .name = "the opening of a file"};

void zok_file_open_prepare(struct zok_file_open *open, struct zok_file *dir, const char *path, int flags, unsigned mode)
{
	zok__op_prepare(&open->op, ZOK_OP_FILE_OPEN, zok__file_dir_fd(dir));
	open->op.future.ops = &open_ops;
	open->op.deliver = opened_deliver;
	open->op.arg.path.path = path;
	open->op.arg.path.flags = (uint32_t)flags;
	open->op.arg.path.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0;
	zok__file_use_init(&open->use, dir, &open->op);
	open->file = NULL;
	open->flags = flags;
}

int zok_file_open(struct zok_file **file, struct zok_file *dir, const char *path, int flags, unsigned mode)
{
	struct zok_file_open open;
	int rc;

	zok_file_open_prepare(&open, dir, path, flags, mode);
	rc = (int)zok_await(&open.op.future);
	if (rc == 0)
		*file = open.file;
	return rc;
}

/* ---- Closing: what is under way is asked to end, then the descriptor goes, then the memory ---- */

static void closed_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_file_close *close = ZOK_CONTAINER_OF(op, struct zok_file_close, op);
	struct zok_file *file = close->file;
	struct zok__fs *fs = file->fs;

	zok_list_remove(&file->open);
	zok__count(&fs->core->counters->stats.files_closed, 1);
	zok_pool_put(&fs->files, file);
	zok_future_complete(&op->future, completion->result);
}

static void close_continue(struct zok_file *file)
{
	struct zok_file_close *close = file->closer;

	if (zok_list_is_empty(&file->uses) && !close->has_begun) {
		close->has_begun = true;
		zok__op_start(&close->op);
	}
}

/* A use whose op is not in flight is between two steps, on this very stack: it looks whether it was cut before the next. */
static void cut_uses(struct zok_file *file)
{
	struct zok_list *next;

	for (struct zok_list *link = file->uses.next; link != &file->uses; link = next) {
		next = link->next;
		zok__op_cancel(ZOK_CONTAINER_OF(link, struct zok_file_use, among)->op);
	}
}

static bool close_poll(struct zok_future *future)
{
	struct zok_file_close *close = ZOK_CONTAINER_OF(future, struct zok_file_close, op.future);
	struct zok_waker *waker = future->waker;
	struct zok_file *file = close->file;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (zok__is_foreign(file->fs->core, "a file"))
		return zok__file_end_in_poll(future, -EXDEV);
	if (file->closer)
		return zok__file_end_in_poll(future, -EBADF);
	future->state = ZOK_FUTURE_PENDING;
	future->waker = NULL;
	file->closer = close;
	cut_uses(file);
	close_continue(file);
	if (zok_future_is_ready(future))
		return true;
	future->waker = waker;
	return false;
}

/* It ends by itself: a descriptor that is half closed is nobody's. */
static void close_cancel(struct zok_future *future)
{
}

static const struct zok_future_ops close_ops = {.poll = close_poll, .cancel = close_cancel, .name = "the close of a file"};

void zok_file_close_prepare(struct zok_file_close *close, struct zok_file *file)
{
	zok__op_prepare(&close->op, ZOK_OP_CLOSE, file->fd);
	close->op.future.ops = &close_ops;
	close->op.future.is_shielded = true;
	close->op.deliver = closed_deliver;
	close->file = file;
	close->has_begun = false;
}

int zok_file_close(struct zok_file *file)
{
	struct zok_file_close close;

	if (!file)
		return 0;
	zok_file_close_prepare(&close, file);
	return (int)zok_await(&close.op.future);
}
