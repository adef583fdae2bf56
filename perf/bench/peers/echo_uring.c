/*
 * The bare liburing loop, written for nothing else: what our own runtime is held to. One ring owned by one thread (SINGLE_ISSUER,
 * DEFER_TASKRUN), its descriptor registered, multishot accept, multishot receive into a provided buffer ring, the send made from the
 * buffer that was received into, then the buffer given back; one system call a turn of the loop.
 *
 * A send is tried with MSG_DONTWAIT, so it ends while it is submitted, and a success posts no completion: silence, once the completion
 * queue has been read, means that all of it was taken. (With a completion each, every wait would be ended by the sends just submitted and
 * cost a second system call.) A send that the socket would not take whole is repeated as one that waits; the connection's later buffers
 * queue behind it.
 *
 * --direct: accepted sockets live in the ring's file table only.
 */
#include "perf/bench/peers/peer.h"

#include <errno.h>
#include <liburing.h>
#include <unistd.h>

enum {
	SQ_ENTRIES = 1024,
	BUFFER_COUNT = 2048, /* 1,024 clients with a request each, as many again being sent back */
	BUFFER_SIZE = 1024,
	BUFFER_STRIDE = BUFFER_SIZE + 64, /* the first lines of the buffers, often all that is used, fall into different cache sets */
	BUFFER_GROUP = 0,
	CONNECTIONS_MAX = 16384,
	/* A receive or a send holds a buffer, an end or a start holds a connection: the completion queue cannot overflow. */
	CQ_ENTRIES = 4 * CONNECTIONS_MAX,
};

enum { NO_BUFFER = UINT16_MAX };

enum kind { ACCEPT, RECEIVE, SEND, SEND_WAITING, CLOSE };

/* The buffers received and not yet sent are a list through `buffers`. */
struct connection {
	uint16_t first, last;
	bool is_ready;	 /* listed in `ready` */
	bool is_stalled; /* its first buffer is in a send that waits */
	bool is_ended;	 /* no receive is armed and none will be */
	bool is_broken;	 /* nothing can be sent any more */
};

/* Connections, each at most once in a list. */
struct list {
	uint32_t at[CONNECTIONS_MAX];
	unsigned count;
};

static struct {
	uint16_t next;
	uint16_t size, done;
} buffers[BUFFER_COUNT];

static struct connection connections[CONNECTIONS_MAX];
static struct list starved; /* the receive ended for want of a buffer */
static struct list ready;   /* something to begin: a send or the close */
static struct list sending; /* the first buffer was submitted and its failure not yet seen */
static unsigned free_count, given_count;

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static char *memory;
static bool is_direct;
static int listener;

static uint64_t tag(enum kind kind, uint32_t connection)
{
	return (uint64_t)connection << 32 | kind;
}

static struct io_uring_sqe *get_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	while (!sqe) {
		io_uring_submit(&ring);
		sqe = io_uring_get_sqe(&ring);
	}
	return sqe;
}

static void finish_sqe(struct io_uring_sqe *sqe, uint64_t user_data)
{
	sqe->user_data = user_data;
	if (is_direct)
		sqe->flags |= IOSQE_FIXED_FILE;
}

static void arm_accept(void)
{
	struct io_uring_sqe *sqe = get_sqe();

	if (is_direct)
		io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
	else
		io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, 0);
	sqe->user_data = tag(ACCEPT, 0);
}

static void arm_receive(uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
	finish_sqe(sqe, tag(RECEIVE, index));
}

static void push(struct list *list, uint32_t index)
{
	list->at[list->count++] = index;
}

static void send_first(uint32_t index, enum kind kind, int wait_flag, unsigned sqe_flags)
{
	uint16_t buffer = connections[index].first;
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_send(sqe, (int)index, memory + (size_t)buffer * BUFFER_STRIDE + buffers[buffer].done,
			   buffers[buffer].size - buffers[buffer].done, MSG_NOSIGNAL | MSG_WAITALL | wait_flag);
	sqe->flags |= sqe_flags;
	finish_sqe(sqe, tag(kind, index));
}

/* Silent unless its end lets something else begin: that must end the wait. */
static void start_send(uint32_t index)
{
	const struct connection *connection = &connections[index];
	bool is_awaited = connection->first != connection->last || connection->is_ended || starved.count > 0;

	send_first(index, SEND, MSG_DONTWAIT, is_awaited ? 0 : IOSQE_CQE_SKIP_SUCCESS);
	push(&sending, index);
}

static void close_connection(uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe();

	if (is_direct)
		io_uring_prep_close_direct(sqe, index);
	else
		io_uring_prep_close(sqe, (int)index);
	sqe->user_data = tag(CLOSE, index);
}

static void give_back(uint16_t buffer)
{
	io_uring_buf_ring_add(buffer_ring, memory + (size_t)buffer * BUFFER_STRIDE, BUFFER_SIZE, buffer, BUFFER_COUNT - 1,
			      (int)given_count++);
}

static void publish_given_buffers(void)
{
	io_uring_buf_ring_advance(buffer_ring, (int)given_count);
	free_count += given_count;
	given_count = 0;
}

static void make_ready(uint32_t index)
{
	if (!connections[index].is_ready)
		push(&ready, index);
	connections[index].is_ready = true;
}

static void pop_first(struct connection *connection)
{
	give_back(connection->first);
	connection->first = buffers[connection->first].next;
}

static void on_accept(const struct io_uring_cqe *cqe)
{
	if (cqe->res >= CONNECTIONS_MAX) {
		close_connection((uint32_t)cqe->res);
	} else if (cqe->res >= 0) {
		connections[cqe->res] = (struct connection){.first = NO_BUFFER};
		arm_receive((uint32_t)cqe->res);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_accept();
}

static void on_data(uint32_t index, uint16_t buffer, uint16_t size)
{
	struct connection *connection = &connections[index];

	free_count--;
	buffers[buffer].next = NO_BUFFER;
	buffers[buffer].size = size;
	buffers[buffer].done = 0;
	if (connection->first == NO_BUFFER)
		connection->first = buffer;
	else
		buffers[connection->last].next = buffer;
	connection->last = buffer;
	make_ready(index);
}

static void on_receive(const struct io_uring_cqe *cqe, uint32_t index)
{
	if (cqe->res > 0)
		on_data(index, (uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT), (uint16_t)cqe->res);
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (cqe->res > 0) {
		arm_receive(index);
	} else if (cqe->res == -ENOBUFS) {
		push(&starved, index);
	} else {
		connections[index].is_ended = true;
		make_ready(index);
	}
}

/* A broken connection's receive sees the end too; until then what it received is dropped. */
static void on_sent(const struct io_uring_cqe *cqe, uint32_t index)
{
	struct connection *connection = &connections[index];
	uint16_t first = connection->first;

	connection->is_stalled = false;
	if (cqe->res > 0)
		buffers[first].done += (uint16_t)cqe->res;
	if (cqe->res < 0 && cqe->res != -EAGAIN) {
		connection->is_broken = true;
	} else if (buffers[first].done < buffers[first].size) {
		connection->is_stalled = true;
		send_first(index, SEND_WAITING, 0, 0);
	}
}

static void on_sent_waiting(const struct io_uring_cqe *cqe, uint32_t index)
{
	on_sent(cqe, index);
	if (connections[index].is_stalled)
		return;
	pop_first(&connections[index]);
	make_ready(index);
}

static void dispatch(const struct io_uring_cqe *cqe)
{
	uint32_t index = (uint32_t)(cqe->user_data >> 32);

	switch ((enum kind)(cqe->user_data & 0xffffffff)) {
	case ACCEPT: on_accept(cqe); break;
	case RECEIVE: on_receive(cqe, index); break;
	case SEND: on_sent(cqe, index); break;
	case SEND_WAITING: on_sent_waiting(cqe, index); break;
	case CLOSE: break;
	}
}

/* After the whole completion queue was read: a send that did not fail in it was taken. */
static void settle_sends(void)
{
	for (unsigned i = 0; i < sending.count; i++) {
		struct connection *connection = &connections[sending.at[i]];

		if (connection->is_stalled)
			continue;
		pop_first(connection);
		if (connection->first != NO_BUFFER || connection->is_ended)
			make_ready(sending.at[i]);
	}
	sending.count = 0;
}

static void begin(uint32_t index)
{
	struct connection *connection = &connections[index];

	connection->is_ready = false;
	if (connection->is_stalled)
		return;
	while (connection->is_broken && connection->first != NO_BUFFER)
		pop_first(connection);
	if (connection->first != NO_BUFFER)
		start_send(index);
	else if (connection->is_ended)
		close_connection(index);
}

static void turn(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_submit_and_wait(&ring, 1);
	io_uring_for_each_cqe(&ring, head, cqe)
	{
		dispatch(cqe);
		seen++;
	}
	io_uring_cq_advance(&ring, seen);
	settle_sends();
	for (unsigned i = 0; i < ready.count; i++)
		begin(ready.at[i]);
	ready.count = 0;
	publish_given_buffers();
	while (starved.count > 0 && free_count > 0)
		arm_receive(starved.at[--starved.count]);
}

static void set_up_ring(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &ring, &params);

	if (rc == 0 && is_direct)
		rc = io_uring_register_files_sparse(&ring, CONNECTIONS_MAX);
	if (rc < 0 || (rc = io_uring_register_ring_fd(&ring)) < 0) {
		errno = -rc;
		peer_fail("io_uring");
	}
}

static void set_up_buffers(void)
{
	struct io_uring_buf_reg registration = {.ring_entries = BUFFER_COUNT, .bgid = BUFFER_GROUP};

	memory = aligned_alloc(4096, (size_t)BUFFER_COUNT * BUFFER_STRIDE);
	buffer_ring = aligned_alloc(4096, BUFFER_COUNT * sizeof(struct io_uring_buf));
	if (!memory || !buffer_ring)
		peer_fail("buffers");
	memset(memory, 0, (size_t)BUFFER_COUNT * BUFFER_STRIDE);
	registration.ring_addr = (uintptr_t)buffer_ring;
	errno = -io_uring_register_buf_ring(&ring, &registration, 0);
	if (errno != 0)
		peer_fail("buffer ring");
	io_uring_buf_ring_init(buffer_ring);
	for (uint16_t i = 0; i < BUFFER_COUNT; i++)
		give_back(i);
	publish_given_buffers();
}

int main(int argc, char **argv)
{
	is_direct = peer_has_flag(argc, argv, "--direct");
	peer_pin(argc, argv);
	listener = peer_listen(argc, argv, 0);
	set_up_ring();
	set_up_buffers();
	arm_accept();
	peer_ready();
	for (;;)
		turn();
}
