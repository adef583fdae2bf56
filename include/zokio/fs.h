/*
 * Files, folders and block devices over the core's engine: no call here stops the core for a disk.
 *
 * Calls keep the shape of POSIX: flags are open(2)'s, results are counts or -errno, the deadline comes from the scope. A file belongs to the core
 * that opened it; a task that was stolen from there gets -EXDEV (task.h). Any number of calls may be under way on a file at a time, but at most one
 * that uses the file's position (a second gets -EBUSY).
 *
 * Where they are done: io_uring does most of them itself; what it lacks (listing, copying, watches, unmapping, on older kernels truncate) and all of
 * them on the engine epoll are done by the threads of the blocking pool, reads out of the page cache at once. `zok doctor` and
 * zok_engine_report() tell. A cancel or a deadline ends what has not begun; what a thread or a device holds ends with its real result, and only then
 * are its buffers the caller's again. So a deadline may be late by one operation of the device.
 *
 * Each call has two faces over one implementation: the one that suspends the fiber, and the future (struct zok_file_io, …) that a stackless task
 * prepares in its frame and awaits. Whatever a call was given (buffers, paths, options) must stay until its result. Common errors: -ECANCELED,
 * -ETIMEDOUT (the scope), -EBADF (the file is being closed by another task), -ENOMEM, and what the kernel reports: -EIO, -ENOSPC, -EDQUOT,
 * -EROFS, -EFBIG, -EACCES, -ENOENT, -EMFILE…
 */
#ifndef ZOKIO_FS_H
#define ZOKIO_FS_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"
#include "zokio/op.h"

ZOK_BEGIN_DECLS

struct zok_file;
struct zok_dir;
struct zok_watch;

/* ---- Opening and closing ---- */

/*
 * Opens a file, a folder (O_DIRECTORY) or a device; close-on-exec. A relative path begins at `dir`, or at the working folder where that is NULL. `mode`
 * counts with O_CREAT. With O_DIRECT the alignment that the file needs is found out and kept (zok_file_alignment()); -EINVAL: its file system has
 * no direct I/O. A FIFO whose other end is not open holds a thread up: give O_NONBLOCK. Suspends.
 */
ZOK_API int zok_file_open(struct zok_file **file, struct zok_file *dir, const char *path, int flags, unsigned mode);

/* Takes over an open descriptor, on the core that will use it. It stays the caller's on failure: -EBADF, -ENOMEM. Does not suspend. */
ZOK_API int zok_file_adopt(struct zok_file **file, int fd);

/*
 * Ends what is under way on the file (-EBADF in the other task), closes it and frees it. Suspends; not cut short by a cancel. Its result is
 * close(2)'s: what a network file system could not write is told here or by zok_file_sync(). NULL is fine.
 */
ZOK_API int zok_file_close(struct zok_file *file);

/* The descriptor, for what has no call here. It stays the file's; do not close it. */
ZOK_API int zok_file_fd(const struct zok_file *file);

/* ---- Bytes ---- */

/* How one read or write is done; for the calls that take flags. Those of preadv2(2). What the kernel or the file lacks is -EOPNOTSUPP. */
enum zok_file_flag {
	ZOK_FILE_POLLED = 1,  /* the device is polled for the end (RWF_HIPRI): where its queues are set up for that */
	ZOK_FILE_DSYNC = 2,   /* durable when it ends, with what is needed to read it again: as by fdatasync(2) of these bytes alone */
	ZOK_FILE_SYNC = 4,    /* the same with all metadata */
	ZOK_FILE_NOWAIT = 8,  /* -EAGAIN where it would wait for a device */
	ZOK_FILE_APPEND = 16, /* at the file's end, whatever the offset */
	ZOK_FILE_ATOMIC = 64, /* all or nothing also by power loss (Linux 6.11, some devices); -EINVAL: not of that size or place */
};

/*
 * Reads up to len bytes at `offset`: fewer only at the file's end, and before an error, which the next read tells; 0 at the end. A file that
 * shrinks meanwhile ends where it ends then.
 */
ZOK_API ssize_t zok_file_read_at(struct zok_file *file, void *buf, size_t len, uint64_t offset);

/* The same at the file's position, which it moves. A pipe or a terminal gives what it has: see poll(2). */
ZOK_API ssize_t zok_file_read(struct zok_file *file, void *buf, size_t len);

/* Writes len bytes at `offset`, or at the file's position: fewer only before an error (-ENOSPC…), which the next write tells. */
ZOK_API ssize_t zok_file_write_at(struct zok_file *file, const void *buf, size_t len, uint64_t offset);
ZOK_API ssize_t zok_file_write(struct zok_file *file, const void *buf, size_t len);

/* Writes at the file's end, wherever that is when it is written: several tasks' and processes' do not overwrite each other. */
ZOK_API ssize_t zok_file_append(struct zok_file *file, const void *buf, size_t len);

/*
 * Writes len bytes at `offset` and then syncs the file, handed to the kernel as one: returns len when all of it is durable, and otherwise the
 * error of whichever failed; some of it may then have been written. For many small records ZOK_FILE_DSYNC is cheaper.
 */
ZOK_API ssize_t zok_file_write_sync(struct zok_file *file, const void *buf, size_t len, uint64_t offset);

/* Several buffers at once; `flags` of enum zok_file_flag. May be short, as preadv2(2). -EINVAL: more than 1,024 buffers. */
ZOK_API ssize_t zok_file_readv_at(struct zok_file *file, const struct iovec *vector, int count, uint64_t offset, unsigned flags);
ZOK_API ssize_t zok_file_writev_at(struct zok_file *file, const struct iovec *vector, int count, uint64_t offset, unsigned flags);

/*
 * What O_DIRECT needs here: buffers at multiples of `memory` bytes, offsets and lengths in multiples of `offset`. A call that keeps to less gets
 * -EINVAL, and the log says which part and what it needs. 0: not known, or the file is not opened with O_DIRECT: nothing is checked.
 */
struct zok_file_alignment {
	uint32_t memory, offset;
};
ZOK_API struct zok_file_alignment zok_file_alignment(const struct zok_file *file);

/* ---- Buffers for direct I/O ---- */

struct zok_file_buffers;

/*
 * Makes `count` buffers of `size` bytes out of the core's own memory (zok_core_allocator(): of its node, on huge pages where there are any), each at a
 * multiple of 4,096 bytes, and registers them with the engine: reads and writes into and out of them (not vectors) then spare the kernel looking
 * their pages up and pinning them each time. On engines that know no such thing, or past RLIMIT_MEMLOCK, they are plain aligned buffers:
 * zok_file_buffers_are_registered() tells. On the core that will use them. -EINVAL: no count or no size, or more than 1 GiB in all; -ENOMEM.
 * Does not suspend.
 */
ZOK_API int zok_file_buffers_create(struct zok_file_buffers **buffers, uint32_t count, size_t size);
ZOK_API bool zok_file_buffers_are_registered(const struct zok_file_buffers *buffers);

/* All buffers must be back. NULL is fine. */
ZOK_API void zok_file_buffers_destroy(struct zok_file_buffers *buffers);

/* The one that was put back last; NULL: all are out. A buffer is the caller's until it puts it back, which it may while nothing uses it. */
ZOK_API void *zok_file_buffers_get(struct zok_file_buffers *buffers);
ZOK_API void zok_file_buffers_put(struct zok_file_buffers *buffers, void *buf);

/* ---- Durability and size ---- */

/* All that was written, and the file's metadata, is durable when it returns 0; _data leaves out what is not needed to read it (times). */
ZOK_API int zok_file_sync(struct zok_file *file);
ZOK_API int zok_file_sync_data(struct zok_file *file);

/*
 * Begins to write out a range (0 bytes: to the end), and with `waits` waits for that: SYNC_FILE_RANGE_… of sync_file_range(2), whose warning
 * holds: no metadata, no device cache, so it spreads the work of a later sync and makes nothing durable.
 */
ZOK_API int zok_file_sync_range(struct zok_file *file, uint64_t offset, uint64_t len, bool waits);

/* fallocate(2): `mode` 0 reserves room, FALLOC_FL_… punches holes, zeroes and so on. -EOPNOTSUPP: not by this file system. */
ZOK_API int zok_file_allocate(struct zok_file *file, int mode, uint64_t offset, uint64_t len);
ZOK_API int zok_file_truncate(struct zok_file *file, uint64_t size);

/* posix_fadvise(2): POSIX_FADV_…; 0 bytes: to the end. */
ZOK_API int zok_file_advise(struct zok_file *file, uint64_t offset, uint64_t len, int advice);

/* ---- Facts and paths. A relative path begins at `dir`, or at the working folder where that is NULL ---- */

struct zok_file_facts {
	uint64_t size;	    /* bytes */
	uint64_t allocated; /* bytes on the device */
	uint64_t inode;
	uint32_t device_major, device_minor; /* that it lies on */
	uint32_t mode;			     /* S_IFMT and permissions */
	uint32_t link_count, user, group;
	uint32_t block_size;				   /* the preferred one */
	uint32_t direct_memory_align, direct_offset_align; /* for O_DIRECT; 0: not known, or none */
	int64_t accessed_ns, modified_ns, changed_ns;	   /* since 1970 */
	int64_t created_ns;				   /* 0: not known */
};

/* What statx(2) tells of a file, or of a path: flags AT_SYMLINK_NOFOLLOW and the like. Both suspend. */
ZOK_API int zok_file_stat(struct zok_file *file, struct zok_file_facts *facts);
ZOK_API int zok_path_stat(struct zok_file *dir, const char *path, int flags, struct zok_file_facts *facts);

/* renameat2(2) with RENAME_…, linkat(2) and unlinkat(2) with AT_… (AT_REMOVEDIR: a folder), mkdirat(2). */
ZOK_API int zok_path_rename(struct zok_file *from_dir, const char *from, struct zok_file *to_dir, const char *to, unsigned flags);
ZOK_API int zok_path_link(struct zok_file *from_dir, const char *from, struct zok_file *to_dir, const char *to, unsigned flags);
ZOK_API int zok_path_unlink(struct zok_file *dir, const char *path, unsigned flags);
ZOK_API int zok_path_mkdir(struct zok_file *dir, const char *path, unsigned mode);

/* ---- Folders ---- */

/* One name in a folder. */
struct zok_dir_entry {
	const char *name; /* until the next call */
	uint64_t inode;
	unsigned type; /* DT_REG, DT_DIR… of readdir(3); DT_UNKNOWN: not every file system tells */
};

/*
 * Begins to list an open folder, which stays the caller's to close, after zok_dir_end(). 32 KiB a listing, however large the folder. One listing a
 * folder at a time: they would share its position. -ENOMEM. Does not suspend.
 */
ZOK_API int zok_dir_begin(struct zok_dir **dir, struct zok_file *folder);

/* The next name, without "." and "..": 1; 0 at the end. -ENOTDIR: it is none; -ENOENT: it was removed meanwhile. Suspends now and then. */
ZOK_API int zok_dir_next(struct zok_dir *dir, struct zok_dir_entry *entry);

/* Not while a zok_dir_next() is under way. NULL is fine. */
ZOK_API void zok_dir_end(struct zok_dir *dir);

/* ---- Copies ---- */

/*
 * Copies up to len bytes without taking them through the program where the file systems can (copy_file_range(2): shared extents, server-side
 * copies), and otherwise through a buffer of 128 KiB. Returns how many: fewer only at the end of `from`. After an error some of it may have been
 * copied. -EINVAL: the ranges overlap in one file, or end beyond INT64_MAX.
 */
ZOK_API int64_t zok_file_copy(struct zok_file *from, uint64_t from_offset, struct zok_file *to, uint64_t to_offset, uint64_t len);

/* ---- Memory of a file ---- */

struct zok_mapping {
	void *base;
	size_t len;
};

/*
 * Maps a range of a file; the file may be closed afterwards. Prot and flags are mmap(2)'s, without MAP_FIXED and MAP_POPULATE (-EINVAL). Touching what
 * is not in memory stops the whole core: populate it first. A file that shrinks under its mapping costs whoever touches it a SIGBUS. Does not suspend.
 */
ZOK_API int zok_file_map(struct zok_mapping *map, struct zok_file *file, uint64_t offset, size_t len, int prot, int flags);

/* madvise(2): MADV_… */
ZOK_API int zok_mapping_advise(struct zok_mapping *map, size_t offset, size_t len, int advice);

/*
 * Brings a range into memory and into the page tables, for reading or for writing, and suspends until it is there (Linux 5.14; before -EINVAL).
 * -EFAULT or -EHWPOISON: the file is shorter, or the device failed.
 */
ZOK_API int zok_mapping_populate(struct zok_mapping *map, size_t offset, size_t len, bool for_writing);

/* Unmaps; what was changed in a shared mapping is the file's: see zok_file_sync(). Suspends. */
ZOK_API int zok_mapping_close(struct zok_mapping *map);

/* ---- Changes of files (inotify(7)) ---- */

struct zok_watch_event {
	int watch;	  /* which of zok_watch_add()'s; -1: events were lost (IN_Q_OVERFLOW), look for yourself */
	uint32_t mask;	  /* IN_… */
	uint32_t cookie;  /* joins the two halves of a rename */
	const char *name; /* within the folder, until the next call; "" for the watched file itself */
};

/* -EMFILE: more than fs.inotify.max_user_instances. Does not suspend. */
ZOK_API int zok_watch_create(struct zok_watch **watch);

/* Begins to watch a path for IN_… of `mask`; the number that its events will have, or -ENOENT, -ENOSPC (fs.inotify.max_user_watches)… Suspends. */
ZOK_API int zok_watch_add(struct zok_watch *watch, const char *path, uint32_t mask);

/* Ends one; IN_IGNORED is its last event. -EINVAL: no such number. Does not suspend. */
ZOK_API int zok_watch_remove(struct zok_watch *watch, int number);

/* Suspends until there is an event. 0. One at a time: -EBUSY. */
ZOK_API int zok_watch_next(struct zok_watch *watch, struct zok_watch_event *event);

/* Ends what is under way (-EBADF) and frees it. Suspends. NULL is fine. */
ZOK_API int zok_watch_destroy(struct zok_watch *watch);

/* ---- The same as futures: prepare, await op.future; the struct belongs to the engine until it is ready ---- */

/* That an operation is under way on a file. Private. */
struct zok_file_use {
	struct zok_file *file;
	struct zok_op *op;
	struct zok_list among;
};

struct zok_file_open {
	struct zok_op op; /* result 0 or negative */
	struct zok_file_use use;
	struct zok_file *file; /* set when the result is 0 */
	int flags;
};

struct zok_file_io {
	struct zok_op op; /* result as the call's */
	struct zok_file_use use;
	uint8_t *base;
	size_t len, done; /* `done` stands also when the result is negative: so much of it was read or written */
	uint64_t offset;  /* UINT64_MAX: the file's position */
	unsigned flags;	  /* enum zok_file_flag; may be set between prepare and await */
};

/* Whatever has no more to say than 0 or an error. */
struct zok_file_call {
	struct zok_op op;
	struct zok_file_use use, use_to;
};

struct zok_file_stat {
	struct zok_op op;
	struct zok_file_use use;
	struct zok_file_facts *facts;
	uint64_t kernel_facts[32]; /* private */
};

struct zok_file_close {
	struct zok_op op;
	struct zok_file *file;
	bool has_begun; /* private */
};

struct zok_dir_next {
	struct zok_op op; /* result 1, 0 at the end, or negative */
	struct zok_file_use use;
	struct zok_dir *dir;
	struct zok_dir_entry *entry;
};

struct zok_file_copy {
	struct zok_op op; /* result: bytes, or negative */
	struct zok_file_use from, to;
	uint64_t from_offset, to_offset, len;
	uint64_t done; /* stands also when the result is negative */
	uint8_t *buf;  /* private: where the kernel does not copy */
	uint32_t filled, written;
};

struct zok_watch_next {
	struct zok_op op; /* result 0 or negative */
	struct zok_file_use use;
	struct zok_watch *watch;
	struct zok_watch_event *event;
};

/* Each as the call of its name: the future's result is what that returns. */
ZOK_API void zok_file_open_prepare(struct zok_file_open *open, struct zok_file *dir, const char *path, int flags, unsigned mode);
ZOK_API void zok_file_close_prepare(struct zok_file_close *close, struct zok_file *file);
ZOK_API void zok_file_read_prepare(struct zok_file_io *io, struct zok_file *file, void *buf, size_t len, uint64_t offset);
ZOK_API void zok_file_write_prepare(struct zok_file_io *io, struct zok_file *file, const void *buf, size_t len, uint64_t offset);
ZOK_API void zok_file_write_sync_prepare(struct zok_file_io *io, struct zok_file *file, const void *buf, size_t len, uint64_t offset);
ZOK_API void zok_file_readv_prepare(struct zok_file_io *io, struct zok_file *file, const struct iovec *vector, int count, uint64_t offset);
ZOK_API void zok_file_writev_prepare(struct zok_file_io *io, struct zok_file *file, const struct iovec *vector, int count, uint64_t offset);
ZOK_API void zok_file_sync_prepare(struct zok_file_call *call, struct zok_file *file);
ZOK_API void zok_file_sync_data_prepare(struct zok_file_call *call, struct zok_file *file);
ZOK_API void zok_file_sync_range_prepare(struct zok_file_call *call, struct zok_file *file, uint64_t offset, uint64_t len, bool waits);
ZOK_API void zok_file_allocate_prepare(struct zok_file_call *call, struct zok_file *file, int mode, uint64_t offset, uint64_t len);
ZOK_API void zok_file_truncate_prepare(struct zok_file_call *call, struct zok_file *file, uint64_t size);
ZOK_API void zok_file_advise_prepare(struct zok_file_call *call, struct zok_file *file, uint64_t offset, uint64_t len, int advice);
ZOK_API void zok_file_stat_prepare(struct zok_file_stat *stat, struct zok_file *file, struct zok_file_facts *facts);
ZOK_API void zok_path_stat_prepare(struct zok_file_stat *stat, struct zok_file *dir, const char *path, int flags,
				   struct zok_file_facts *facts);
ZOK_API void zok_path_rename_prepare(struct zok_file_call *call, struct zok_file *from_dir, const char *from, struct zok_file *to_dir,
				     const char *to, unsigned flags);
ZOK_API void zok_path_link_prepare(struct zok_file_call *call, struct zok_file *from_dir, const char *from, struct zok_file *to_dir,
				   const char *to, unsigned flags);
ZOK_API void zok_path_unlink_prepare(struct zok_file_call *call, struct zok_file *dir, const char *path, unsigned flags);
ZOK_API void zok_path_mkdir_prepare(struct zok_file_call *call, struct zok_file *dir, const char *path, unsigned mode);
ZOK_API void zok_dir_next_prepare(struct zok_dir_next *next, struct zok_dir *dir, struct zok_dir_entry *entry);
ZOK_API void zok_file_copy_prepare(struct zok_file_copy *copy, struct zok_file *from, uint64_t from_offset, struct zok_file *to,
				   uint64_t to_offset, uint64_t len);
ZOK_API void zok_mapping_advise_prepare(struct zok_file_call *call, struct zok_mapping *map, size_t offset, size_t len, int advice);
ZOK_API void zok_mapping_close_prepare(struct zok_file_call *call, struct zok_mapping *map);
ZOK_API void zok_watch_add_prepare(struct zok_file_call *call, struct zok_watch *watch, const char *path, uint32_t mask);
ZOK_API void zok_watch_next_prepare(struct zok_watch_next *next, struct zok_watch *watch, struct zok_watch_event *event);

ZOK_END_DECLS

#endif
