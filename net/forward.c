/*
 * From one socket to another: what was received into buffers of the pool is sent from them, so that no byte is copied by us. While one batch is
 * being sent the multishot goes on to fill the next, up to the limit of recv.c: the slower side sets the pace. All that has arrived by then is
 * one send, so that a stream in bulk costs a turn of the loop for many buffers and not for each.
 *
 * A forward whose reader is slow keeps buffers while it sends, so many of them empty the pool, for as long as their readers please. Then memory
 * of our own takes the place of the buffers: who waited for one would be stopped by readers that are not its own.
 */
#include "net/socket.h"

#include "core/alloc.h"
#include "zokio/task.h"

#include <errno.h>

enum { BATCH_MAX = 16, SPARE_SIZE = 4096 };

/* Buffers on their way, in order. */
struct batch {
	struct zok_buf *bufs[BATCH_MAX];
	struct iovec vector[BATCH_MAX];
	int count;
};

static void add(struct batch *batch, struct zok_buf *buf)
{
	batch->bufs[batch->count] = buf;
	batch->vector[batch->count] = (struct iovec){
		.iov_base = (void *)(uintptr_t)zok_buf_data(buf),
		.iov_len = zok_buf_len(buf),
	};
	batch->count++;
}

/* Waits for the first buffer's bytes only. Returns as zok_recv_buf(), or -ENOBUFS: the pool is empty. */
static ssize_t collect(struct batch *batch, struct zok_socket *from)
{
	struct zok_buf *buf;
	ssize_t n = zok__recv_buf_or_shortage(from, &buf);

	batch->count = 0;
	if (n <= 0)
		return n;
	add(batch, buf);
	while (batch->count < BATCH_MAX && (buf = zok__recv_take_queued(from)) != NULL)
		add(batch, buf);
	return n;
}

static void release(struct batch *batch)
{
	for (int i = 0; i < batch->count; i++)
		zok_buf_release(batch->bufs[i]);
}

/* What is left of the vectors from `*first` on, after `done` bytes went. */
static void advance(struct batch *batch, int *first, size_t done)
{
	while (*first < batch->count && done >= batch->vector[*first].iov_len)
		done -= batch->vector[(*first)++].iov_len;
	if (done > 0 && *first < batch->count) {
		batch->vector[*first].iov_base = (uint8_t *)batch->vector[*first].iov_base + done;
		batch->vector[*first].iov_len -= done;
	}
}

/* The bytes sent, or an error. */
static ssize_t send_many(struct batch *batch, struct zok_socket *to)
{
	ssize_t total = 0, n;
	int first = 0;

	while (first < batch->count) {
		n = zok_writev(to, batch->vector + first, batch->count - first);
		if (n < 0)
			return n;
		total += n;
		advance(batch, &first, (size_t)n);
	}
	return total;
}

static ssize_t send_batch(struct batch *batch, struct zok_socket *to)
{
	if (batch->count == 1)
		return zok_write_all(to, batch->vector[0].iov_base, batch->vector[0].iov_len);
	return send_many(batch, to);
}

static int64_t fail(struct zok_socket **failed, struct zok_socket *socket, ssize_t error)
{
	if (failed)
		*failed = socket;
	return error;
}

static ssize_t forward_spare(struct zok_socket *from, struct zok_socket *to, struct zok_socket **failed)
{
	void *spare = zok__allocate(zok_allocator(), SPARE_SIZE, ZOK_CACHE_LINE);
	ssize_t n, sent = 0;

	if (!spare)
		return fail(failed, from, -ENOMEM);
	n = zok_read(from, spare, SPARE_SIZE);
	if (n > 0)
		sent = zok_write_all(to, spare, (size_t)n);
	zok__release(zok_allocator(), spare, SPARE_SIZE);
	if (n < 0)
		return fail(failed, from, n);
	return sent < 0 ? fail(failed, to, sent) : sent;
}

/* The bytes that went on; 0 at the end of the stream. */
static ssize_t forward_some(struct zok_socket *from, struct zok_socket *to, struct zok_socket **failed)
{
	struct batch batch;
	ssize_t n = collect(&batch, from), sent;

	if (n == -ENOBUFS)
		return forward_spare(from, to, failed);
	if (n <= 0)
		return n < 0 ? fail(failed, from, n) : 0;
	sent = send_batch(&batch, to);
	release(&batch);
	return sent < 0 ? fail(failed, to, sent) : sent;
}

int64_t zok_forward(struct zok_socket *from, struct zok_socket *to, struct zok_socket **failed)
{
	int64_t total = 0;
	ssize_t n;
	int rc;

	if (zok__socket_is_foreign(from) || zok__socket_is_foreign(to))
		return -EXDEV;
	while ((n = forward_some(from, to, failed)) > 0)
		total += n;
	if (n < 0)
		return n;
	rc = zok_shutdown(to, ZOK_SHUTDOWN_WRITE);
	return rc < 0 ? fail(failed, to, rc) : total;
}
