/* File ops, filled and run, in a folder of the test's own. */
#ifndef TESTS_CONTRACT_FILES_H
#define TESTS_CONTRACT_FILES_H

#include "tests/contract/harness.h"
#include "tests/contract/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- A folder of the test's own ---- */

struct place {
	char path[64];
	int dir;
};

static inline void place_open(struct place *place)
{
	snprintf(place->path, sizeof place->path, "/tmp/zokio-files-XXXXXX");
	assert_non_null(mkdtemp(place->path));
	place->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->dir >= 0);
}

static inline void place_close(struct place *place)
{
	close(place->dir);
	assert_int_equal(rmdir(place->path), 0);
}

/* ---- Ops ---- */

static inline int32_t run_path(struct rig *rig, enum zok_op_kind kind, int dir, const char *path, uint32_t flags, uint32_t mode)
{
	struct call call;

	call_prepare(&call, rig, kind, dir);
	call.op.arg.path.path = path;
	call.op.arg.path.flags = flags;
	call.op.arg.path.mode = mode;
	return call_run(&call);
}

static inline int32_t run_two_paths(struct rig *rig, enum zok_op_kind kind, int dir, const char *from, const char *to, uint32_t flags)
{
	struct call call;

	call_prepare(&call, rig, kind, dir);
	call.op.arg.path.path = from;
	call.op.arg.path.path_to = to;
	call.op.arg.path.fd_to = dir;
	call.op.arg.path.flags = flags;
	return call_run(&call);
}

static inline int32_t run_stat(struct rig *rig, int dir, const char *path, struct statx *facts)
{
	struct call call;

	call_prepare(&call, rig, ZOK_OP_FILE_STAT, dir);
	call.op.arg.path.path = path;
	call.op.arg.path.data = facts;
	return call_run(&call);
}

static inline void prepare_data(struct call *call, struct rig *rig, enum zok_op_kind kind, int fd, const void *base, size_t len,
				uint64_t offset)
{
	call_prepare(call, rig, kind, fd);
	call->op.arg.file.base = (void *)(uintptr_t)base;
	call->op.arg.file.len = (uint32_t)len;
	call->op.arg.file.offset = offset;
}

static inline int32_t run_data(struct rig *rig, enum zok_op_kind kind, int fd, const void *base, size_t len, uint64_t offset)
{
	struct call call;

	prepare_data(&call, rig, kind, fd, base, len, offset);
	return call_run(&call);
}

static inline int32_t run_range(struct rig *rig, enum zok_op_kind kind, int fd, uint64_t offset, uint64_t len, uint32_t flags)
{
	struct call call;

	call_prepare(&call, rig, kind, fd);
	call.op.arg.range.offset = offset;
	call.op.arg.range.len = len;
	call.op.arg.range.flags = flags;
	return call_run(&call);
}

static inline int create(struct rig *rig, const struct place *place, const char *name)
{
	int32_t fd = run_path(rig, ZOK_OP_FILE_OPEN, place->dir, name, O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	return fd;
}

static inline void discard(struct rig *rig, const struct place *place, int fd, const char *name)
{
	assert_int_equal(run_close(rig, fd), 0);
	assert_int_equal(run_path(rig, ZOK_OP_FILE_UNLINK, place->dir, name, 0, 0), 0);
}

#endif
