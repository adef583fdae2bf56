/*
 * UDP echo as a bare liburing loop, written for nothing else: what our own runtime is held to. One ring owned by one thread, its descriptor
 * registered; a multishot recvmsg into a provided buffer ring; the answer sent from the buffer that was received into, to the address that the kernel
 * wrote there, silently (MSG_DONTWAIT, CQE_SKIP_SUCCESS); then the buffer is given back; one system call a turn.
 */
#include "perf/bench/peers/peer.h"

#include <errno.h>
#include <liburing.h>
#include <string.h>

enum {
	SQ_ENTRIES = 1024,
	BUFFER_COUNT = 1024, /* each is received into once and sent once a turn: SQEs suffice */
	BUFFER_SIZE = 2048,
	BUFFER_STRIDE = BUFFER_SIZE + 64,
	CQ_ENTRIES = 4096,
};

enum { RECEIVE = BUFFER_COUNT };

static struct io_uring ring;
static struct io_uring_buf_ring *buffer_ring;
static char *memory;
static int fd;
static struct msghdr rooms = {.msg_namelen = 32};

/* What the kernel reads while an SQE is submitted. */
static struct {
	struct msghdr header;
	struct iovec vector;
} answers[BUFFER_COUNT];

static uint16_t sent[BUFFER_COUNT];
static unsigned sent_count, given_count;

static void give_back(uint16_t buffer)
{
	io_uring_buf_ring_add(buffer_ring, memory + (size_t)buffer * BUFFER_STRIDE, BUFFER_SIZE, buffer, BUFFER_COUNT - 1,
			      (int)given_count++);
}

static void publish(void)
{
	io_uring_buf_ring_advance(buffer_ring, (int)given_count);
	given_count = 0;
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

static void arm(void)
{
	struct io_uring_sqe *sqe = get_sqe();

	io_uring_prep_recvmsg_multishot(sqe, fd, &rooms, MSG_TRUNC);
	sqe->flags = IOSQE_BUFFER_SELECT;
	sqe->user_data = RECEIVE;
}

static void answer(uint16_t buffer, int size)
{
	char *base = memory + (size_t)buffer * BUFFER_STRIDE;
	struct io_uring_recvmsg_out *head = io_uring_recvmsg_validate(base, size, &rooms);
	struct io_uring_sqe *sqe = get_sqe();

	answers[buffer].vector.iov_base = io_uring_recvmsg_payload(head, &rooms);
	answers[buffer].vector.iov_len = io_uring_recvmsg_payload_length(head, size, &rooms);
	answers[buffer].header = (struct msghdr){
		.msg_name = io_uring_recvmsg_name(head), .msg_namelen = head->namelen, .msg_iov = &answers[buffer].vector, .msg_iovlen = 1};
	io_uring_prep_sendmsg(sqe, fd, &answers[buffer].header, MSG_DONTWAIT | MSG_NOSIGNAL);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = buffer; /* a failure drops the answer, as a network may */
	sent[sent_count++] = buffer;
}

static void on_receive(const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_BUFFER) {
		if (cqe->res > 0)
			answer((uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT), cqe->res);
		else
			give_back((uint16_t)(cqe->flags >> IORING_CQE_BUFFER_SHIFT));
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm();
}

/* The sends end while they are submitted: after it their buffers are free. */
static void turn(void)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_submit_and_wait(&ring, 1);
	while (sent_count > 0)
		give_back(sent[--sent_count]);
	publish();
	io_uring_for_each_cqe(&ring, head, cqe)
	{
		if (cqe->user_data == RECEIVE)
			on_receive(cqe);
		seen++;
	}
	io_uring_cq_advance(&ring, seen);
}

static void set_up(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	struct io_uring_buf_reg registration = {.ring_entries = BUFFER_COUNT};
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &ring, &params);

	if (rc == 0)
		rc = io_uring_register_ring_fd(&ring);
	memory = aligned_alloc(4096, (size_t)BUFFER_COUNT * BUFFER_STRIDE);
	buffer_ring = aligned_alloc(4096, BUFFER_COUNT * sizeof(struct io_uring_buf));
	if (rc < 0 || !memory || !buffer_ring)
		peer_fail("io_uring");
	memset(memory, 0, (size_t)BUFFER_COUNT * BUFFER_STRIDE);
	registration.ring_addr = (uintptr_t)buffer_ring;
	errno = -io_uring_register_buf_ring(&ring, &registration, 0);
	if (errno != 0)
		peer_fail("buffer ring");
	io_uring_buf_ring_init(buffer_ring);
	for (uint16_t i = 0; i < BUFFER_COUNT; i++)
		give_back(i);
	publish();
}

static int open_socket(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int opened = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (opened < 0 || bind(opened, (struct sockaddr *)&address, sizeof address) < 0)
		peer_fail("bind");
	return opened;
}

int main(int argc, char **argv)
{
	peer_pin(argc, argv);
	fd = open_socket(peer_number(argc, argv, "--port"));
	set_up();
	arm();
	peer_ready();
	for (;;)
		turn();
}
