/*
 * A file from inside, and what the files of fs/ share. Read first.
 *
 *   file.c     life: from a path to a file and back; the core's part of fs
 *   io.c       bytes in and out, written whole
 *   call.c     what has no more to say than 0 or an error: syncs, sizes, paths
 *   stat.c     facts
 *   align.c    what O_DIRECT needs, found out and enforced
 *   buffers.c  buffers whose memory the engine knows
 *   dir.c      folders, a buffer of names at a time
 *   copy.c     from one file to another
 *   map.c      memory of a file
 *   watch.c    inotify
 *   sys.c      the system calls that no engine makes, because they do not block
 *
 * Everything here runs on the core that opened the file. A future that is under way on a file is linked into it by its `use`, so that a close can end it;
 * its memory is its caller's, and nothing here is allocated on the way of a read or a write.
 */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "core/core.h"
#include "core/op.h"
#include "core/owner.h"
#include "zokio/fs.h"

#include <fcntl.h>

struct zok_file {
	int fd;
	uint32_t mode;		       /* S_IFMT and permissions */
	uint32_t dev_major, dev_minor; /* with ino: which file it is, whatever it was opened by */
	uint64_t ino;
	struct zok_file_alignment align; /* what its calls must keep to; 0: anything */
	bool is_direct;			 /* opened with O_DIRECT */
	bool is_at_position;		 /* a call that uses the position is under way */
	struct zok__fs *fs;
	struct zok_list uses;	       /* by zok_file_use.among */
	struct zok_file_close *closer; /* from here on nothing begins */
	struct zok_list open;	       /* among fs->open */
};

/* A core's part of fs: made with its first file. */
struct zok__fs {
	struct zok__core_part part; /* first */
	struct zok_core *core;
	struct zok_pool files;
	struct zok_list open; /* by zok_file.open */
};

/* What one op moves at most, as the engines': a result is an int32_t. */
enum { ZOK__FILE_LEN_MAX = 0x7ffff000 };

static inline uint32_t zok__file_clamp(uint64_t len)
{
	return len < ZOK__FILE_LEN_MAX ? (uint32_t)len : ZOK__FILE_LEN_MAX;
}

/* The descriptor that paths begin at. */
static inline int zok__file_dir_fd(const struct zok_file *dir)
{
	return dir ? dir->fd : AT_FDCWD;
}

/* Ends a future from within its own poll: whoever polls knows already, and is not woken. */
static inline bool zok__file_end_in_poll(struct zok_future *future, ssize_t result)
{
	future->waker = NULL;
	zok_future_complete(future, result);
	return true;
}

/* ---- file.c ---- */

/* Of a prepared future: on which file it will be, NULL for none. */
static inline void zok__file_use_init(struct zok_file_use *use, struct zok_file *file, struct zok_op *op)
{
	use->file = file;
	use->op = op;
	use->among.next = use->among.prev = NULL;
}

/* It begins. 0; -EXDEV, -EBADF: it may not. */
int zok__file_use_begin(struct zok_file_use *use);

/* It has ended; does nothing if it never began. A close that waits may go on, and the file may be gone. */
void zok__file_use_end(struct zok_file_use *use);

/* Whether the file is being closed: nothing more begins on it. */
static inline bool zok__file_use_is_cut(const struct zok_file_use *use)
{
	return use->file && use->file->closer;
}

/* Submits the op of a future that is being polled. True: the engine could answer at once. */
bool zok__file_start(struct zok_op *op);

/* Asks for the end of a future's op: what `cancel` does for all of them. */
void zok__file_cancel(struct zok_future *future);

/* Makes `fd` a file. The descriptor stays the caller's if that fails. */
int zok__file_create(struct zok_file **file, int fd, int flags);

/* ---- call.c ---- */

/* For those that fill the op themselves. */
void zok__file_call_prepare(struct zok_file_call *call, enum zok_op_kind kind, struct zok_file *file, int fd);

/* ---- align.c ---- */

/* What direct I/O on it needs; zeroes where nobody says. */
struct zok_file_alignment zok__align_find(int fd, uint32_t mode);

/* 0, or -EINVAL and the log says what is wrong. `offset` UINT64_MAX: the position, which is not looked at. */
int zok__align_check(const struct zok_file *file, const void *base, size_t len, uint64_t offset);
int zok__align_check_vector(const struct zok_file *file, const struct iovec *vector, int count, uint64_t offset);

/* Says what the kernel did not, where it refuses a direct transfer that nothing is known of. */
void zok__align_explain(const struct zok_file *file, int error);

/* ---- sys.c: calls that never wait for a device ---- */

struct statx;

/* What is known of an open descriptor without asking a device. 0, -EBADF. */
int zok__fs_sys_facts(int fd, struct statx *facts);
/* A block device's sector; 0: it does not say. */
uint32_t zok__fs_sys_sector_size(int fd);
/* Close-on-exec from here on; its flags (F_GETFL). -EBADF. */
int zok__fs_sys_adopt(int fd);
int zok__fs_sys_map(void **base, int fd, uint64_t offset, size_t len, int prot, int flags);
void zok__fs_sys_close(int fd); /* of what has no device behind it */
int zok__fs_sys_watch_open(void);
int zok__fs_sys_watch_remove(int fd, int number);

#endif
