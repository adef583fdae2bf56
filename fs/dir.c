/* Folders: a buffer of names at a time, however large they are. */
#include "fs/file.h"

#include "core/alloc.h"
#include "zokio/task.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

enum { NAMES_SIZE = 32768 };

struct zok_dir {
	struct zok_file *folder;
	const struct zok_allocator *allocator;
	uint32_t at, filled;
	bool is_read; /* a zok_dir_next() is under way */
	_Alignas(8) uint8_t names[NAMES_SIZE];
};

/* What getdents64(2) writes: struct linux_dirent64, which no header has. */
struct entry {
	uint64_t inode;
	int64_t offset;
	uint16_t len;
	uint8_t type;
	char name[];
};

static struct zok_dir_next *next_of(struct zok_op *op)
{
	return ZOK_CONTAINER_OF(op, struct zok_dir_next, op);
}

static bool is_self_or_parent(const char *name)
{
	return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Takes the next name of the buffer; false: there is none left. */
static bool take(struct zok_dir *dir, struct zok_dir_entry *out)
{
	while (dir->at < dir->filled) {
		const struct entry *entry = (const struct entry *)(const void *)(dir->names + dir->at);

		dir->at += entry->len;
		if (is_self_or_parent(entry->name))
			continue;
		*out = (struct zok_dir_entry){.name = entry->name, .inode = entry->inode, .type = entry->type};
		return true;
	}
	return false;
}

static void fill(struct zok_dir_next *next)
{
	next->op.arg.file.base = next->dir->names;
	next->op.arg.file.len = NAMES_SIZE;
	next->op.arg.file.rw_flags = 0;
	next->op.arg.file.offset = 0;
}

static void end(struct zok_dir_next *next, int result)
{
	if (result == -ECANCELED && zok__file_use_is_cut(&next->use))
		result = -EBADF;
	next->dir->is_read = false;
	zok__file_use_end(&next->use);
	zok_future_complete(&next->op.future, result);
}

/* A buffer may hold "." and ".." alone. */
static void next_deliver(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_dir_next *next = next_of(op);
	struct zok_dir *dir = next->dir;

	if (completion->result <= 0) {
		end(next, completion->result);
		return;
	}
	dir->at = 0;
	dir->filled = (uint32_t)completion->result;
	if (take(dir, next->entry))
		end(next, 1);
	else if (op->future.is_canceled || zok__file_use_is_cut(&next->use))
		end(next, -ECANCELED);
	else
		zok__op_start(op);
}

static bool next_poll(struct zok_future *future)
{
	struct zok_dir_next *next = ZOK_CONTAINER_OF(future, struct zok_dir_next, op.future);
	struct zok_dir *dir = next->dir;
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (dir->is_read)
		return zok__file_end_in_poll(future, -EBUSY);
	rc = zok__file_use_begin(&next->use);
	if (rc < 0)
		return zok__file_end_in_poll(future, rc);
	if (take(dir, next->entry)) {
		zok__file_use_end(&next->use);
		return zok__file_end_in_poll(future, 1);
	}
	dir->is_read = true;
	fill(next);
	return zok__file_start(&next->op);
}

static const struct zok_future_ops next_ops = {.poll = next_poll, .cancel = zok__file_cancel, .name = "the names in a folder"};

void zok_dir_next_prepare(struct zok_dir_next *next, struct zok_dir *dir, struct zok_dir_entry *entry)
{
	zok__op_prepare(&next->op, ZOK_OP_FILE_LIST, dir->folder->fd);
	next->op.future.ops = &next_ops;
	next->op.deliver = next_deliver;
	zok__file_use_init(&next->use, dir->folder, &next->op);
	next->dir = dir;
	next->entry = entry;
}

int zok_dir_next(struct zok_dir *dir, struct zok_dir_entry *entry)
{
	struct zok_dir_next next;

	zok_dir_next_prepare(&next, dir, entry);
	return (int)zok_await(&next.op.future);
}

int zok_dir_begin(struct zok_dir **out, struct zok_file *folder)
{
	const struct zok_allocator *allocator = zok__core_allocator(folder->fs->core);
	struct zok_dir *dir = zok__allocate(allocator, sizeof *dir, _Alignof(struct zok_dir));

	if (!dir)
		return -ENOMEM;
	dir->folder = folder;
	dir->allocator = allocator;
	dir->at = dir->filled = 0;
	dir->is_read = false;
	*out = dir;
	return 0;
}

void zok_dir_end(struct zok_dir *dir)
{
	if (dir)
		zok__release(dir->allocator, dir, sizeof *dir);
}
