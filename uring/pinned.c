/*
 * Registered buffers (a sparse table: 5.19): the kernel pins memory once, and a READ_FIXED or WRITE_FIXED names it by number. Which ops may is seen by
 * the address of their buffer, so that nobody above has to say it.
 */
#include "uring/uring.h"

#include <string.h>
#include <sys/uio.h>

/* The bare call: what of it liburing exports differs between its versions. */
static int change(const struct zok__uring *uring, unsigned opcode, const void *arg, unsigned size)
{
	return io_uring_register((unsigned)uring->ring.ring_fd, opcode, arg, size);
}

static int make_table(struct zok__uring *uring)
{
	const struct io_uring_rsrc_register table = {.nr = ZOK__URING_PINNED_MAX, .flags = IORING_RSRC_REGISTER_SPARSE};
	int rc;

	if (uring->has_pinned_table)
		return 0;
	rc = change(uring, IORING_REGISTER_BUFFERS2, &table, sizeof table);
	uring->has_pinned_table = rc == 0;
	return rc;
}

/* A length of 0 empties the place. Updates return how many there were: 1. */
static int set(struct zok__uring *uring, uint32_t number, void *base, size_t len)
{
	const struct iovec vector = {base, len};
	const struct io_uring_rsrc_update2 update = {.offset = number, .data = (uintptr_t)&vector, .nr = 1};
	int rc = change(uring, IORING_REGISTER_BUFFERS_UPDATE, &update, sizeof update);

	if (rc < 0)
		return rc;
	uring->pinned[number] = (struct zok__uring_pinned){.base = (uintptr_t)base, .len = len};
	return 0;
}

static uint32_t free_place(const struct zok__uring *uring)
{
	uint32_t number = 0;

	while (number < ZOK__URING_PINNED_MAX && uring->pinned[number].len > 0)
		number++;
	return number;
}

static int32_t pin(struct zok__uring *uring, void *base, size_t len)
{
	uint32_t number = free_place(uring);
	int rc = len == 0 ? -EINVAL : number == ZOK__URING_PINNED_MAX ? -ENOBUFS : make_table(uring);

	if (rc == 0)
		rc = set(uring, number, base, len);
	if (rc < 0)
		return rc;
	if (number == uring->pinned_end)
		uring->pinned_end++;
	return (int32_t)number;
}

static int32_t unpin(struct zok__uring *uring, uint32_t number)
{
	int rc;

	if (number >= uring->pinned_end || uring->pinned[number].len == 0 || uring->pinned[number].is_dead)
		return -EINVAL;
	rc = set(uring, number, NULL, 0);
	if (rc < 0)
		uring->pinned[number].is_dead = true; /* its place stays taken: the kernel has the old pages there */
	while (uring->pinned_end > 0 && uring->pinned[uring->pinned_end - 1].len == 0)
		uring->pinned_end--;
	return rc;
}

int32_t zok__uring_pinned_change(struct zok__uring *uring, const struct zok_op *op)
{
	if (op->kind == ZOK_OP_MEMORY_UNREGISTER)
		return unpin(uring, op->arg.range.flags);
	return pin(uring, (void *)(uintptr_t)op->arg.range.offset, op->arg.range.len);
}

void zok__uring_pinned_use(const struct zok__uring *uring, struct io_uring_sqe *sqe)
{
	for (uint32_t i = 0; i < uring->pinned_end; i++) {
		size_t at = sqe->addr - uring->pinned[i].base; /* huge where it lies below */

		if (at < uring->pinned[i].len && !uring->pinned[i].is_dead && sqe->len <= uring->pinned[i].len - at) {
			sqe->opcode = sqe->opcode == IORING_OP_READ ? IORING_OP_READ_FIXED : IORING_OP_WRITE_FIXED;
			sqe->buf_index = (uint16_t)i;
			return;
		}
	}
}
