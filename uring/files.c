/*
 * File ops: those that this kernel's ring does itself, and the rest by threads (core/offload.h). The ring never blocks the core for them: what
 * it cannot do at once it gives to workers of its own.
 *
 * No ring has getdents64, copy_file_range, inotify_add_watch and munmap. Opcodes are asked for by IORING_REGISTER_PROBE, ftruncate (6.9), which
 * liburing 2.3 does not know, is tried on a file.
 */
#include "uring/uring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* 6.9. An enumerator in newer headers, so it has a name of ours. */
enum { ZOK__URING_OP_FTRUNCATE = 55 };

/* kind → opcode; 0, a NOP, where no ring has it. */
static const uint8_t opcodes[ZOK_OP_KIND_COUNT] = {
	[ZOK_OP_FILE_OPEN] = IORING_OP_OPENAT,	      [ZOK_OP_FILE_READ] = IORING_OP_READ,
	[ZOK_OP_FILE_WRITE] = IORING_OP_WRITE,	      [ZOK_OP_FILE_READV] = IORING_OP_READV,
	[ZOK_OP_FILE_WRITEV] = IORING_OP_WRITEV,      [ZOK_OP_FILE_WRITE_SYNC] = IORING_OP_WRITE,
	[ZOK_OP_FILE_SYNC] = IORING_OP_FSYNC,	      [ZOK_OP_FILE_SYNC_RANGE] = IORING_OP_SYNC_FILE_RANGE,
	[ZOK_OP_FILE_ALLOCATE] = IORING_OP_FALLOCATE, [ZOK_OP_FILE_TRUNCATE] = ZOK__URING_OP_FTRUNCATE,
	[ZOK_OP_FILE_ADVISE] = IORING_OP_FADVISE,     [ZOK_OP_FILE_STAT] = IORING_OP_STATX,
	[ZOK_OP_FILE_RENAME] = IORING_OP_RENAMEAT,    [ZOK_OP_FILE_LINK] = IORING_OP_LINKAT,
	[ZOK_OP_FILE_UNLINK] = IORING_OP_UNLINKAT,    [ZOK_OP_FILE_MKDIR] = IORING_OP_MKDIRAT,
	[ZOK_OP_MEMORY_ADVISE] = IORING_OP_MADVISE,
};

/* ---- What this kernel's ring can do ---- */

static int try_truncate(struct io_uring *ring)
{
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	int fd = memfd_create("zokio-probe", MFD_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	sqe = io_uring_get_sqe(ring);
	*sqe = (struct io_uring_sqe){.opcode = ZOK__URING_OP_FTRUNCATE, .fd = fd, .off = 4096};
	rc = io_uring_submit(ring);
	if (rc >= 0)
		rc = io_uring_wait_cqe(ring, &cqe);
	if (rc >= 0) {
		rc = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
	close(fd);
	return rc < 0 ? rc : 0;
}

int zok__uring_files_try(struct io_uring *ring, uint64_t *kinds)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	int rc;

	*kinds = 0;
	if (!probe)
		return -ENOMEM;
	for (unsigned kind = ZOK_OP_FILE_OPEN; kind < ZOK_OP_KIND_COUNT; kind++)
		if (opcodes[kind] != 0 && io_uring_opcode_supported(probe, opcodes[kind]))
			*kinds |= 1ull << kind;
	io_uring_free_probe(probe);
	*kinds &= ~(1ull << ZOK_OP_FILE_TRUNCATE);
	rc = try_truncate(ring);
	if (rc == 0)
		*kinds |= 1ull << ZOK_OP_FILE_TRUNCATE;
	return rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM ? rc : 0;
}

ZOK_STATIC_ASSERT(ZOK_OP_KIND_COUNT <= 64, "a bit a kind");

/* The lengths of these have 32 bits in an SQE. */
static bool has_short_length(const struct zok_op *op)
{
	return op->kind == ZOK_OP_FILE_SYNC_RANGE || op->kind == ZOK_OP_FILE_ADVISE || op->kind == ZOK_OP_MEMORY_ADVISE;
}

static bool is_native(const struct zok__uring *uring, const struct zok_op *op)
{
	if (!(uring->abilities.file_kinds & 1ull << op->kind))
		return false;
	return !has_short_length(op) || op->arg.range.len <= UINT32_MAX;
}

/* ---- From op to SQE ---- */

static void fill_data(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	sqe->off = op->arg.file.offset;
	sqe->addr = (uintptr_t)op->arg.file.base;
	sqe->len = op->arg.file.len;
	sqe->rw_flags = (__kernel_rwf_t)op->arg.file.rw_flags;
}

static void fill_range(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	sqe->off = op->arg.range.offset;
	sqe->len = (uint32_t)op->arg.range.len;
	sqe->sync_range_flags = op->arg.range.flags; /* or the advice, or IORING_FSYNC_DATASYNC: 1 */
}

/* The mode stands where others have a length, and the length where they have an address. */
static void fill_allocate(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	sqe->off = op->arg.range.offset;
	sqe->addr = op->arg.range.len;
	sqe->len = op->arg.range.flags;
}

static void fill_path(struct io_uring_sqe *sqe, const struct zok_op *op)
{
	sqe->addr = (uintptr_t)op->arg.path.path;
	sqe->open_flags = op->arg.path.flags; /* of rename, link, unlink and statx, too: one union */
	switch ((enum zok_op_kind)op->kind) {
	case ZOK_OP_FILE_OPEN: sqe->open_flags |= O_CLOEXEC; /* fall through */
	case ZOK_OP_FILE_MKDIR: sqe->len = op->arg.path.mode; break;
	case ZOK_OP_FILE_STAT:
		sqe->len = ZOK__FILE_STAT_MASK;
		sqe->off = (uintptr_t)op->arg.path.data;
		break;
	case ZOK_OP_FILE_RENAME:
	case ZOK_OP_FILE_LINK:
		sqe->len = (uint32_t)op->arg.path.fd_to;
		sqe->addr2 = (uintptr_t)op->arg.path.path_to;
		break;
	default: break;
	}
}

/* What names a file by its descriptor alone may name its slot in the ring's table: what takes a folder and a path may not (-EBADF). */
static bool may_be_direct(const struct zok_op *op)
{
	switch ((enum zok_op_kind)op->kind) {
	case ZOK_OP_FILE_READ:
	case ZOK_OP_FILE_WRITE:
	case ZOK_OP_FILE_READV:
	case ZOK_OP_FILE_WRITEV:
	case ZOK_OP_FILE_WRITE_SYNC:
	case ZOK_OP_FILE_SYNC:
	case ZOK_OP_FILE_SYNC_RANGE:
	case ZOK_OP_FILE_ALLOCATE:
	case ZOK_OP_FILE_ADVISE: return true;
	default: return false;
	}
}

static void fill_kind(const struct zok__uring *uring, struct io_uring_sqe *sqe, const struct zok_op *op)
{
	switch ((enum zok_op_kind)op->kind) {
	case ZOK_OP_FILE_SYNC: sqe->fsync_flags = op->arg.range.flags; break;
	case ZOK_OP_FILE_SYNC_RANGE:
	case ZOK_OP_FILE_ADVISE: fill_range(sqe, op); break;
	case ZOK_OP_FILE_ALLOCATE: fill_allocate(sqe, op); break;
	case ZOK_OP_FILE_TRUNCATE: sqe->off = op->arg.range.len; break;
	case ZOK_OP_MEMORY_ADVISE:
		fill_range(sqe, op);
		sqe->addr = sqe->off;
		sqe->off = 0;
		sqe->fd = -1;
		break;
	case ZOK_OP_FILE_READ:
	case ZOK_OP_FILE_WRITE:
	case ZOK_OP_FILE_WRITE_SYNC:
		fill_data(sqe, op);
		zok__uring_pinned_use(uring, sqe);
		break;
	case ZOK_OP_FILE_READV:
	case ZOK_OP_FILE_WRITEV: fill_data(sqe, op); break;
	default: fill_path(sqe, op); break;
	}
}

static void fill(struct zok__uring *uring, struct io_uring_sqe *sqe, const struct zok_op *op)
{
	bool syncs = op->engine_state & ZOK__URING_OP_SYNCS;

	*sqe = (struct io_uring_sqe){
		.opcode = syncs ? IORING_OP_FSYNC : opcodes[op->kind],
		.fd = op->fd,
		.user_data = zok__slots_tag(&uring->slots, op),
	};
	if (!syncs)
		fill_kind(uring, sqe, op);
	if (uring->direct.size > 0 && may_be_direct(op))
		zok__uring_direct_fill(uring, sqe);
}

/* ---- A write and its fsync ---- */

/*
 * Two steps and no link: a link holds within one batch of the kernel's only, and an SQPOLL thread that serves several rings, or a kernel that is out of
 * memory between the two, ends a batch where it likes. Then the fsync would run beside the write, and its 0 speak for a write that failed.
 */
bool zok__uring_file_goes_on(struct zok__uring *uring, struct zok_op *op, struct zok_completion *completion)
{
	if ((op->engine_state & ZOK__URING_OP_SYNCS) || completion->result < 0)
		return false;
	if ((uint32_t)completion->result < op->arg.file.len) {
		completion->result = completion->result == 0 ? -EIO : completion->result;
		return false;
	}
	if (op->engine_state & ZOK__URING_OP_CANCELED) {
		completion->result = -ECANCELED; /* a count would be true, too, but in full it reads like an end that is durable */
		return false;
	}
	op->engine_state |= ZOK__URING_OP_SYNCS;
	zok__uring_submit_again(uring, op);
	return true;
}

/* ---- The engine's side ---- */

/* Before any queue and without a slot: whoever asks does not wait. The op is in no table, and is its owner's again when it is delivered. */
void zok__uring_file_answer(struct zok__uring *uring, struct zok_op *op)
{
	const struct zok_completion completion = {.result = zok__uring_pinned_change(uring, op)};

	zok__count(&uring->counters->stats.completions, 1);
	op->engine_state = 0;
	op->handle = 0;
	op->deliver(op, &completion);
}

bool zok__uring_file_issue(struct zok__uring *uring, struct zok_op *op)
{
	struct io_uring_sqe *sqe;

	if (!is_native(uring, op)) {
		op->engine_state |= ZOK__URING_OP_IS_OFFLOADED;
		zok__offload_begin(&uring->offload, op);
		return true;
	}
	sqe = zok__uring_take_sqe(uring);
	if (ZOK_UNLIKELY(!sqe))
		return false;
	fill(uring, sqe, op);
	return true;
}

static void end_offloaded(struct zok__engine *engine, struct zok_op *op, const struct zok_completion *completion)
{
	zok__uring_finish_op(zok__uring_of(engine), op, completion);
}

unsigned zok__uring_files_take(struct zok__uring *uring)
{
	unsigned count = zok__offload_take(&uring->offload, end_offloaded);

	zok__count(&uring->counters->stats.completions, count);
	return count;
}
