/*
 * The provided buffer ring (IORING_REGISTER_PBUF_RING, kernel 5.19) over the core's receive buffers: group 0. A buffer is in the ring while it
 * is free. Buffers given back are written into the ring at once and published together, by one store of the tail.
 */
#include "uring/uring.h"

#include <sys/mman.h>

int zok__uring_buffers_init(struct zok__uring *uring, struct zok__bufs *bufs)
{
	struct io_uring_buf_reg registration = {.ring_entries = bufs->count};
	int rc;

	uring->buf_ring_size = bufs->count * sizeof(struct io_uring_buf);
	uring->buf_ring = mmap(NULL, uring->buf_ring_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (uring->buf_ring == MAP_FAILED) {
		uring->buf_ring = NULL;
		return -ENOMEM;
	}
	registration.ring_addr = (uintptr_t)uring->buf_ring;
	rc = io_uring_register_buf_ring(&uring->ring, &registration, 0);
	if (rc < 0)
		return rc;
	uring->bufs = bufs;
	bufs->engine = &uring->engine;
	for (uint32_t i = 0; i < bufs->count; i++)
		zok__uring_buffers_give_back(uring, (uint16_t)i);
	zok__uring_buffers_publish(uring);
	return 0;
}

/* The ring may still be going down; the kernel has these pages pinned until it is. */
void zok__uring_buffers_finish(struct zok__uring *uring)
{
	if (uring->buf_ring)
		munmap(uring->buf_ring, uring->buf_ring_size);
}

void zok__uring_buffers_give_back(struct zok__uring *uring, uint16_t id)
{
	const struct zok__bufs *bufs = uring->bufs;
	struct io_uring_buf *entry = &uring->buf_ring->bufs[uring->buf_tail++ & (bufs->count - 1)];

	/* Field by field: the tail lives in the padding of the first entry. */
	entry->addr = (uintptr_t)bufs->bufs[id].data;
	entry->len = bufs->size;
	entry->bid = id;
}

/* Release: the kernel reads the entries after it has read the tail. */
void zok__uring_buffers_publish(struct zok__uring *uring)
{
	if (uring->buf_ring)
		__atomic_store_n(&uring->buf_ring->tail, uring->buf_tail, __ATOMIC_RELEASE);
}

void zok__uring_release(struct zok__engine *engine, struct zok_buf *buf)
{
	zok__uring_buffers_give_back(zok__uring_of(engine), buf->id);
}
