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
	DRAIN_NS = 2000000000,		  /* how long the answers under way are waited for */
	BACKLOG_MAX = 512,		  /* requests under way on one connection in the open loop: they fit into the socket's buffer */
	REQUESTS_PER_S_MAX = 4000000,
};

enum kind { RECEIVE, SEND };

struct connection {
	uint64_t sent, answered; /* in this slice */
	uint64_t sent_ns;	 /* closed loop */
	uint32_t received;	 /* bytes of the answer that has not come whole */
};

struct echo_load {
	const struct echo_load_slice *slice; /* the one that runs */
	unsigned connection_count;
	struct io_uring ring;
	struct io_uring_buf_ring *buffer_ring;
	char *memory;
	unsigned given_count;
	int fds[ECHO_LOAD_CONNECTIONS_MAX];
	struct connection connections[ECHO_LOAD_CONNECTIONS_MAX];
	char message[ECHO_LOAD_MESSAGE_SIZE];
	uint64_t now_ns, start_ns, measure_from_ns, measure_until_ns;
	double interval_ns; /* open loop */
	uint64_t sent, answered;
	uint64_t answered_in_time; /* while it was measured: the throughput */
	bool is_over;		   /* nothing more is sent */
	int error;
	uint32_t *samples; /* ns; a request that took more than four seconds counts as four */
	size_t sample_count, sample_max;
};

static struct io_uring_sqe *get_sqe(struct echo_load *load)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&load->ring);

	while (!sqe) {
		io_uring_submit(&load->ring);
		sqe = io_uring_get_sqe(&load->ring);
	}
	return sqe;
}

static void arm_receive(struct echo_load *load, uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe(load);

	io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->user_data = (uint64_t)index << 32 | RECEIVE;
}

static void send_request(struct echo_load *load, uint32_t index)
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
static uint64_t planned_ns(const struct echo_load *load, uint64_t number)
{
	return load->start_ns + (uint64_t)((double)number * load->interval_ns);
}

static void send_what_is_due(struct echo_load *load)
{
	while (!load->is_over && planned_ns(load, load->sent) <= load->now_ns) {
		uint32_t index = (uint32_t)(load->sent % load->connection_count);

		if (load->connections[index].sent - load->connections[index].answered >= BACKLOG_MAX)
			return;
		send_request(load, index);
	}
}

static bool is_measured(const struct echo_load *load, uint64_t at_ns)
{
	return at_ns >= load->measure_from_ns && at_ns < load->measure_until_ns;
}

static void take_sample(struct echo_load *load, uint64_t begun_ns)
{
	uint64_t latency_ns = load->now_ns > begun_ns ? load->now_ns - begun_ns : 0;

	if (load->sample_count < load->sample_max)
		load->samples[load->sample_count++] = latency_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)latency_ns;
}

static void on_answer(struct echo_load *load, uint32_t index)
{
	struct connection *connection = &load->connections[index];
	uint64_t begun_ns = connection->sent_ns;

	if (load->interval_ns > 0)
		begun_ns = planned_ns(load, connection->answered * load->connection_count + index);
	connection->answered++;
	load->answered++;
	load->answered_in_time += is_measured(load, load->now_ns);
	if (is_measured(load, begun_ns))
		take_sample(load, begun_ns);
	if (load->interval_ns == 0 && !load->is_over)
		send_request(load, index);
}

static void give_back(struct echo_load *load, unsigned buffer)
{
	io_uring_buf_ring_add(load->buffer_ring, load->memory + (size_t)buffer * BUFFER_STRIDE, BUFFER_SIZE, (uint16_t)buffer,
			      BUFFER_COUNT - 1, (int)load->given_count++);
}

static void on_receive(struct echo_load *load, uint32_t index, const struct io_uring_cqe *cqe)
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
static unsigned reap(struct echo_load *load)
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
static uint64_t turn_until(struct echo_load *load, uint64_t until_ns)
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

static uint64_t percentile(const struct echo_load *load, double share)
{
	size_t at = (size_t)(share * (double)load->sample_count);

	return load->samples[at < load->sample_count ? at : load->sample_count - 1];
}

static void summarize(struct echo_load *load, struct echo_load_result *result)
{
	qsort(load->samples, load->sample_count, sizeof *load->samples, compare_samples);
	result->p50_ns = percentile(load, 0.5);
	result->p99_ns = percentile(load, 0.99);
	result->p999_ns = percentile(load, 0.999);
	result->max_ns = percentile(load, 1);
}

/* What is under way is waited for: it belongs to this slice's percentiles, and the next slice begins with nothing. */
static int drain(struct echo_load *load)
{
	uint64_t until_ns = load->now_ns + DRAIN_NS;

	load->is_over = true;
	while (load->error == 0 && load->answered < load->sent) {
		if (load->now_ns >= until_ns)
			return -ETIMEDOUT;
		turn_until(load, load->now_ns + 1);
	}
	return load->error;
}

static void begin(struct echo_load *load)
{
	load->sent = load->answered = load->answered_in_time = 0;
	load->sample_count = 0;
	load->is_over = false;
	load->now_ns = load->start_ns = bench_now_ns();
	load->measure_from_ns = load->start_ns + load->slice->warmup_ns;
	load->measure_until_ns = load->measure_from_ns + load->slice->measure_ns;
	for (uint32_t i = 0; i < load->connection_count; i++) {
		load->connections[i].sent = load->connections[i].answered = 0;
		if (load->interval_ns == 0)
			send_request(load, i);
	}
}

static int measure(struct echo_load *load, struct echo_load_result *result)
{
	uint64_t server_ns, idle_ns;
	double took_s = (double)load->slice->measure_ns / 1e9;
	int rc;

	begin(load);
	turn_until(load, load->measure_from_ns);
	server_ns = clock_ns(load->slice->server_clock);
	idle_ns = turn_until(load, load->measure_until_ns);
	server_ns = clock_ns(load->slice->server_clock) - server_ns;
	rc = drain(load);
	if (rc < 0)
		return rc;
	if (load->sample_count == 0)
		return -ETIMEDOUT;
	summarize(load, result);
	result->requests_per_s = (double)load->answered_in_time / took_s;
	result->client_busy = 1 - (double)idle_ns / 1e9 / took_s;
	result->server_busy = (double)server_ns / 1e9 / took_s;
	return 0;
}

static int make_room(struct echo_load *load)
{
	size_t sample_max = (size_t)((double)load->slice->measure_ns / 1e9 * REQUESTS_PER_S_MAX) + 1;
	uint32_t *samples;

	if (sample_max <= load->sample_max)
		return 0;
	samples = realloc(load->samples, sample_max * sizeof *samples);
	if (!samples)
		return -ENOMEM;
	/* Touched now: a page fault while measuring would be the client's. */
	memset(samples, 0, sample_max * sizeof *samples);
	load->samples = samples;
	load->sample_max = sample_max;
	return 0;
}

int echo_load_run(struct echo_load *load, const struct echo_load_slice *slice, struct echo_load_result *result)
{
	int rc;

	load->slice = slice;
	load->interval_ns = slice->rate > 0 ? 1e9 / slice->rate : 0;
	rc = make_room(load);
	return rc < 0 ? rc : measure(load, result);
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

static int open_connections(struct echo_load *load, uint16_t port)
{
	int rc;

	for (unsigned i = 0; i < load->connection_count; i++) {
		load->fds[i] = open_connection(port);
		if (load->fds[i] < 0)
			return load->fds[i];
	}
	rc = io_uring_register_files(&load->ring, load->fds, load->connection_count);
	for (uint32_t i = 0; rc == 0 && i < load->connection_count; i++)
		arm_receive(load, i);
	return rc;
}

static int set_up_ring(struct echo_load *load)
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

static int set_up_buffers(struct echo_load *load)
{
	struct io_uring_buf_reg registration = {.ring_entries = BUFFER_COUNT};
	int rc;

	load->memory = calloc(BUFFER_COUNT, BUFFER_STRIDE);
	load->buffer_ring = aligned_alloc(4096, BUFFER_COUNT * sizeof(struct io_uring_buf));
	if (!load->memory || !load->buffer_ring)
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

void echo_load_close(struct echo_load *load)
{
	if (!load)
		return;
	for (unsigned i = 0; i < load->connection_count; i++)
		if (load->fds[i] >= 0)
			close(load->fds[i]);
	if (load->ring.ring_fd >= 0)
		io_uring_queue_exit(&load->ring);
	free(load->samples);
	free(load->memory);
	free(load->buffer_ring);
	free(load);
}

int echo_load_open(struct echo_load **out, uint16_t port, unsigned connections)
{
	struct echo_load *load;
	int rc;

	if (connections > ECHO_LOAD_CONNECTIONS_MAX)
		return -EINVAL;
	load = calloc(1, sizeof *load);
	if (!load)
		return -ENOMEM;
	load->connection_count = connections;
	load->ring.ring_fd = -1;
	memset(load->message, 'z', sizeof load->message);
	memset(load->fds, -1, sizeof load->fds);
	rc = set_up_ring(load);
	if (rc == 0)
		rc = set_up_buffers(load);
	if (rc == 0)
		rc = open_connections(load, port);
	if (rc < 0)
		echo_load_close(load);
	else
		*out = load;
	return rc;
}
