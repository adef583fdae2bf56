#include "perf/bench/echo_load.h"

#include "perf/bench/bench.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SQ_ENTRIES = 1024,
	CQ_ENTRIES = 8192,
	BUFFER_COUNT = 2048,
	BUFFER_SIZE = 1024,
	BUFFER_STRIDE = BUFFER_SIZE + 64, /* neighbours fall into different cache sets */
	BACKLOG_MAX = 512,		  /* requests under way on one connection in the open loop: they fit into the socket's buffer */
	REQUESTS_PER_S_MAX = 4000000,
};

enum kind { RECEIVE, SEND };

struct connection {
	uint64_t sent, answered;
	uint64_t sent_ns;  /* closed loop */
	uint32_t received; /* bytes of the answer that has not come whole */
};

struct load {
	const struct echo_load_options *options;
	struct io_uring ring;
	struct io_uring_buf_ring *buffer_ring;
	char *memory;
	unsigned given_count;
	int fds[ECHO_LOAD_CONNECTIONS_MAX];
	struct connection connections[ECHO_LOAD_CONNECTIONS_MAX];
	char message[ECHO_LOAD_MESSAGE_SIZE];
	uint64_t now_ns, start_ns, measure_from_ns;
	double interval_ns; /* open loop */
	uint64_t sent;
	bool is_measuring, is_over;
	int error;
	uint32_t *samples; /* ns; a request that took more than four seconds counts as four */
	size_t sample_count, sample_max;
};

static struct io_uring_sqe *get_sqe(struct load *load)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);

	while (!sqe) {
		io_uring_submit(&load->ring);
		sqe = io_uring_get_sqe(&load->ring);
	}
	return sqe;
}

static void arm_receive(struct load *load, uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe(load);

	io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->user_data = (uint64_t)index << 32 | RECEIVE;
}

static void send_request(struct load *load, uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe(load);

	io_uring_prep_send(sqe, (int)index, load->message, ECHO_LOAD_MESSAGE_SIZE, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = (uint64_t)index << 32 | SEND;
	load->connections[index].sent++;
	load->connections[index].sent_ns = load->now_ns;
	load->sent++;
}

/* Requests go round the connections, so the plan of each is known from its number and nothing needs to be kept. */
static uint64_t planned_ns(const struct load *load, uint64_t number)
{
	return load->start_ns + (uint64_t)((double)number * load->interval_ns);
}

static void send_what_is_due(struct load *load)
{
	while (!load->is_over && planned_ns(load, load->sent) <= load->now_ns) {
		uint32_t index = (uint32_t)(load->sent % load->options->connections);

		if (load->connections[index].sent - load->connections[index].answered >= BACKLOG_MAX)
			return;
		send_request(load, index);
	}
}

static void on_answer(struct load *load, uint32_t index)
{
	struct connection *connection = &load->connections[index];
	uint64_t begun_ns = connection->sent_ns, latency_ns;

	if (load->interval_ns > 0)
		begun_ns = planned_ns(load, connection->answered * load->options->connections + index);
	connection->answered++;
	latency_ns = load->now_ns > begun_ns ? load->now_ns - begun_ns : 0;
	if (load->is_measuring && load->sample_count < load->sample_max)
		load->samples[load->sample_count++] = latency_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)latency_ns;
	if (load->interval_ns == 0 && !load->is_over)
		send_request(load, index);
}

static void give_back(struct load *load, unsigned buffer)
{
	io_uring_buf_ring_add(load->buffer_ring, load->memory + (size_t)buffer * BUFFER_STRIDE, BUFFER_SIZE, (uint16_t)buffer,
			      BUFFER_COUNT - 1, (int)load->given_count++);
}

static void on_receive(struct load *load, uint32_t index, const struct io_uring_cqe *cqe)
{
	struct connection *connection = &load->connections[index];

	if (cqe->flags & IORING_CQE_F_BUFFER)
		give_back(load, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	if (cqe->res <= 0 && cqe->res != -ENOBUFS) {
		load->error = cqe->res < 0 ? cqe->res : -ECONNRESET;
		return;
	}
	if (cqe->res > 0)
		connection->received += (uint32_t)cqe->res;
	for (; connection->received >= ECHO_LOAD_MESSAGE_SIZE; connection->received -= ECHO_LOAD_MESSAGE_SIZE)
		on_answer(load, index);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_receive(load, index);
}

/* Returns how many completions there were. */
static unsigned reap(struct load *load)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_for_each_cqe(&load->ring, head, cqe)
	{
		if ((cqe->user_data & UINT32_MAX) == RECEIVE)
			on_receive(load, (uint32_t)(cqe->user_data >> 32), cqe);
		else
			load->error = cqe->res < 0 ? cqe->res : -ENOBUFS;
		seen++;
	}
	io_uring_cq_advance(&load->ring, seen);
	io_uring_buf_ring_advance(load->buffer_ring, (int)load->given_count);
	load->given_count = 0;
	return seen;
}

/* Until the time given; returns the time in which there was nothing to do. */
static uint64_t turn_until(struct load *load, uint64_t until_ns)
{
	uint64_t idle_ns = 0;

	while (load->error == 0 && load->now_ns < until_ns) {
		uint64_t begun_ns = load->now_ns;
		bool is_idle;

		if (load->interval_ns > 0)
			send_what_is_due(load);
		/* Enters the kernel only when there are requests to submit or the ring's flags say that completions wait to be run. */
		is_idle = io_uring_submit(&load->ring) == 0;
		load->now_ns = bench_now_ns();
		is_idle &= reap(load) == 0;
		if (is_idle)
			idle_ns += load->now_ns - begun_ns;
	}
	return idle_ns;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare_samples(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static uint64_t percentile(const struct load *load, double share)
{
	size_t at = (size_t)(share * (double)load->sample_count);

	return load->samples[at < load->sample_count ? at : load->sample_count - 1];
}

static void summarize(struct load *load, struct echo_load_result *result)
{
	qsort(load->samples, load->sample_count, sizeof *load->samples, compare_samples);
	result->p50_ns = percentile(load, 0.5);
	result->p99_ns = percentile(load, 0.99);
	result->p999_ns = percentile(load, 0.999);
	result->max_ns = percentile(load, 1);
}

static int measure(struct load *load, struct echo_load_result *result)
{
	uint64_t server_ns, begun_ns, idle_ns, took_ns;

	load->now_ns = load->start_ns = bench_now_ns();
	for (uint32_t i = 0; i < load->options->connections; i++) {
		arm_receive(load, i);
		if (load->interval_ns == 0)
			send_request(load, i);
	}
	turn_until(load, load->start_ns + load->options->warmup_ns);
	load->is_measuring = true;
	server_ns = clock_ns(load->options->server_clock);
	begun_ns = load->now_ns = bench_now_ns();
	idle_ns = turn_until(load, begun_ns + load->options->measure_ns);
	took_ns = load->now_ns - begun_ns;
	server_ns = clock_ns(load->options->server_clock) - server_ns;
	if (load->error != 0)
		return load->error;
	if (load->sample_count == 0)
		return -ETIMEDOUT;
	summarize(load, result);
	result->requests_per_s = (double)load->sample_count / ((double)took_ns / 1e9);
	result->client_busy = 1 - (double)idle_ns / (double)took_ns;
	result->server_busy = (double)server_ns / (double)took_ns;
	return 0;
}

/*
 * Closed by a reset, so that thousands of connections a round leave none in TIME_WAIT. Reno costs the client less a send than a system
 * default that paces (BBR took 8 % more here); what the server sends with is the server's own.
 */
static int open_connection(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct linger reset = {.l_onoff = 1};

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	return fd;
}

static int open_connections(struct load *load)
{
	for (unsigned i = 0; i < load->options->connections; i++) {
		load->fds[i] = open_connection(load->options->port);
		if (load->fds[i] < 0)
			return load->fds[i];
	}
	return io_uring_register_files(&load->ring, load->fds, load->options->connections);
}

static int set_up_ring(struct load *load)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &load->ring, &params);

	if (rc < 0) {
		load->ring.ring_fd = -1;
		return rc;
	}
	rc = io_uring_register_ring_fd(&load->ring);
	return rc < 0 ? rc : 0;
}

static int set_up_buffers(struct load *load)
{
	struct io_uring_buf_reg registration = {.ring_entries = BUFFER_COUNT};
	double seconds = (double)load->options->measure_ns / 1e9;
	int rc;

	load->sample_max = (size_t)(seconds * REQUESTS_PER_S_MAX) + 1;
	load->samples = calloc(load->sample_max, sizeof *load->samples);
	load->memory = calloc(BUFFER_COUNT, BUFFER_STRIDE);
	load->buffer_ring = aligned_alloc(4096, BUFFER_COUNT * sizeof(struct io_uring_buf));
	if (!load->samples || !load->memory || !load->buffer_ring)
		return -ENOMEM;
	registration.ring_addr = (uintptr_t)load->buffer_ring;
	rc = io_uring_register_buf_ring(&load->ring, &registration, 0);
	if (rc < 0)
		return rc;
	io_uring_buf_ring_init(load->buffer_ring);
	for (unsigned i = 0; i < BUFFER_COUNT; i++)
		give_back(load, i);
	io_uring_buf_ring_advance(load->buffer_ring, (int)load->given_count);
	load->given_count = 0;
	return 0;
}

static void finish(struct load *load)
{
	for (unsigned i = 0; i < load->options->connections; i++)
		if (load->fds[i] >= 0)
			close(load->fds[i]);
	if (load->ring.ring_fd >= 0)
		io_uring_queue_exit(&load->ring);
	free(load->samples);
	free(load->memory);
	free(load->buffer_ring);
	free(load);
}

int echo_load_run(const struct echo_load_options *options, struct echo_load_result *result)
{
	struct load *load = calloc(1, sizeof *load);
	int rc;

	if (!load)
		return -ENOMEM;
	load->options = options;
	load->interval_ns = options->rate > 0 ? 1e9 / options->rate : 0;
	memset(load->message, 'z', sizeof load->message);
	memset(load->fds, -1, sizeof load->fds);
	rc = set_up_ring(load);
	if (rc == 0)
		rc = set_up_buffers(load);
	if (rc == 0)
		rc = open_connections(load);
	if (rc == 0)
		rc = measure(load, result);
	finish(load);
	return rc;
}
