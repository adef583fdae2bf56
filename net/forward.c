/*
 * From one socket to another: a buffer of the pool is received into and sent from, so that no byte is copied by us. While one is being sent,
 * the multishot goes on to fill the next ones, up to the limit of recv.c: the slower side sets the pace.
 */
#include "net/socket.h"

#include "zokio/task.h"

static ssize_t send_buf(struct zok_socket *to, const struct zok_buf *buf)
{
	return zok_write_all(to, zok_buf_data(buf), zok_buf_len(buf));
}

static int64_t fail(struct zok_socket **failed, struct zok_socket *socket, ssize_t error)
{
	if (failed)
		*failed = socket;
	return error;
}

int64_t zok_forward(struct zok_socket *from, struct zok_socket *to, struct zok_socket **failed)
{
	int64_t total = 0;
	struct zok_buf *buf;
	ssize_t n, sent;
	int rc;

	while ((n = zok_recv_buf(from, &buf)) > 0) {
		sent = send_buf(to, buf);
		zok_buf_release(buf);
		if (sent < 0)
			return fail(failed, to, sent);
		total += sent;
	}
	if (n < 0)
		return fail(failed, from, n);
	rc = zok_shutdown(to, ZOK_SHUTDOWN_WRITE);
	return rc < 0 ? fail(failed, to, rc) : total;
}
