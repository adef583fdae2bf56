#include "perf/bench/relay_ends.h"

#include "perf/bench/bench.h"

#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SQ_ENTRIES = 2048,
	CQ_ENTRIES = 8192,
	BUFFER_COUNT = 1024,
	BUFFER_SIZE = 4096,
	BUFFER_STRIDE = BUFFER_SIZE + 64, /* neighbours fall into different cache sets */
	ACCEPT_MS = 5000,
	DRAIN_NS = 2000000000, /* how long the answers under way are waited for */
	BACKLOG_MAX = 512,     /* requests under way on one connection in the open loop: they fit into the socket's buffer */
	REQUESTS_PER_S_MAX = 1000000,
};

enum kind { RECEIVE, SEND };

/* A client's end; or a server's, of which only `received` is used. */
struct end {
	uint64_t sent, answered; /* in this slice */
	uint64_t sent_ns;	 /* closed loop */
	size_t received;	 /* bytes of the message that has not come whole */
};

/* Ends below options.connections are the clients', those from there on the server's. */
struct relay_ends {
	struct relay_ends_options options;
	const struct relay_ends_slice *slice; /* the one that runs */
	unsigned count;
	struct io_uring ring;
	struct io_uring_buf_ring *buffer_ring;
	char *memory;
	unsigned given_count;
	int fds[2 * RELAY_ENDS_CONNECTIONS_MAX];
	struct end ends[2 * RELAY_ENDS_CONNECTIONS_MAX];
	uint64_t now_ns, start_ns, measure_from_ns, measure_until_ns;
	double interval_ns; /* open loop */
	uint64_t sent, answered, answered_in_time;
	bool is_over; /* nothing more is sent */
	int error;
	uint32_t *samples; /* ns; a request that took more than four seconds counts as four */
	size_t sample_count, sample_max;
};

static struct io_uring_sqe *get_sqe(struct relay_ends *ends)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ends->ring);

	while (!sqe) {
		io_uring_submit(&ends->ring);
		sqe = io_uring_get_sqe(&ends->ring);
	}
	return sqe;
}

static void arm_receive(struct relay_ends *ends, uint32_t index)
{
	struct io_uring_sqe *sqe = get_sqe(ends);

	io_uring_prep_recv_multishot(sqe, (int)index, NULL, 0, 0);
	sqe->flags = IOSQE_BUFFER_SELECT | IOSQE_FIXED_FILE;
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->user_data = (uint64_t)index << 32 | RECEIVE;
}

static void submit_send(struct relay_ends *ends, uint32_t index, size_t len)
{
	struct io_uring_sqe *sqe = get_sqe(ends);

	io_uring_prep_send(sqe, (int)index, ends->options.request, len, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL);
	sqe->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = (uint64_t)index << 32 | SEND;
}

static void send_request(struct relay_ends *ends, uint32_t index)
{
	submit_send(ends, index, ends->options.request_len);
	ends->ends[index].sent++;
	ends->ends[index].sent_ns = ends->now_ns;
	ends->sent++;
}

/* Requests go round the connections, so the plan of each is known from its number and nothing needs to be kept. */
static uint64_t planned_ns(const struct relay_ends *ends, uint64_t number)
{
	return ends->start_ns + (uint64_t)((double)number * ends->interval_ns);
}

static void send_what_is_due(struct relay_ends *ends)
{
	while (!ends->is_over && planned_ns(ends, ends->sent) <= ends->now_ns) {
		uint32_t index = (uint32_t)(ends->sent % ends->options.connections);

		if (ends->ends[index].sent - ends->ends[index].answered >= BACKLOG_MAX)
			return;
		send_request(ends, index);
	}
}

static bool is_measured(const struct relay_ends *ends, uint64_t at_ns)
{
	return at_ns >= ends->measure_from_ns && at_ns < ends->measure_until_ns;
}

static void take_sample(struct relay_ends *ends, uint64_t begun_ns)
{
	uint64_t latency_ns = ends->now_ns > begun_ns ? ends->now_ns - begun_ns : 0;

	if (ends->sample_count < ends->sample_max)
		ends->samples[ends->sample_count++] = latency_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)latency_ns;
}

static void on_answer(struct relay_ends *ends, uint32_t index)
{
	struct end *end = &ends->ends[index];
	uint64_t begun_ns = end->sent_ns;

	if (ends->interval_ns > 0)
		begun_ns = planned_ns(ends, end->answered * ends->options.connections + index);
	end->answered++;
	ends->answered++;
	ends->answered_in_time += is_measured(ends, ends->now_ns);
	if (is_measured(ends, begun_ns))
		take_sample(ends, begun_ns);
	if (ends->interval_ns == 0 && !ends->is_over)
		send_request(ends, index);
}

static void on_bytes(struct relay_ends *ends, uint32_t index, size_t count)
{
	struct end *end = &ends->ends[index];
	bool is_client = index < ends->options.connections;
	size_t whole = is_client ? ends->options.answer_len : ends->options.request_len;

	end->received += count;
	for (; end->received >= whole; end->received -= whole) {
		if (is_client)
			on_answer(ends, index);
		else
			submit_send(ends, index, ends->options.answer_len);
	}
}

static void give_back(struct relay_ends *ends, unsigned buffer)
{
	io_uring_buf_ring_add(ends->buffer_ring, ends->memory + (size_t)buffer * BUFFER_STRIDE, BUFFER_SIZE, (uint16_t)buffer,
			      BUFFER_COUNT - 1, (int)ends->given_count++);
}

static void on_receive(struct relay_ends *ends, uint32_t index, const struct io_uring_cqe *cqe)
{
	if (cqe->flags & IORING_CQE_F_BUFFER)
		give_back(ends, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	if (cqe->res <= 0 && cqe->res != -ENOBUFS) {
		ends->error = cqe->res < 0 ? cqe->res : -ECONNRESET;
		return;
	}
	if (cqe->res > 0)
		on_bytes(ends, index, (size_t)cqe->res);
	if (!(cqe->flags & IORING_CQE_F_MORE))
		arm_receive(ends, index);
}

/* Returns how many completions there were. */
static unsigned reap(struct relay_ends *ends)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_for_each_cqe(&ends->ring, head, cqe)
	{
		if ((cqe->user_data & UINT32_MAX) == RECEIVE)
			on_receive(ends, (uint32_t)(cqe->user_data >> 32), cqe);
		else
			ends->error = cqe->res < 0 ? cqe->res : -ENOBUFS;
		seen++;
	}
	io_uring_cq_advance(&ends->ring, seen);
	io_uring_buf_ring_advance(ends->buffer_ring, (int)ends->given_count);
	ends->given_count = 0;
	return seen;
}

/* Spinning it enters the kernel only when there is something to submit or the ring's flags say that completions wait to be run. Returns whether there was nothing. */
static bool enter(struct relay_ends *ends)
{
	struct __kernel_timespec at_most = {.tv_nsec = 1000000};
	struct io_uring_cqe *cqe;

	if (ends->options.spins)
		return io_uring_submit(&ends->ring) == 0;
	io_uring_submit_and_wait_timeout(&ends->ring, &cqe, 1, &at_most, NULL);
	return false;
}

/* Until the time given; returns the time in which there was nothing to do. */
static uint64_t turn_until(struct relay_ends *ends, uint64_t until_ns)
{
	uint64_t idle_ns = 0;

	while (ends->error == 0 && ends->now_ns < until_ns) {
		uint64_t begun_ns = ends->now_ns;
		bool is_idle;

		if (ends->interval_ns > 0)
			send_what_is_due(ends);
		is_idle = enter(ends);
		ends->now_ns = bench_now_ns();
		is_idle &= reap(ends) == 0;
		if (is_idle)
			idle_ns += ends->now_ns - begun_ns;
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

static uint64_t percentile(const struct relay_ends *ends, double share)
{
	size_t at = (size_t)(share * (double)ends->sample_count);

	if (ends->sample_count == 0)
		return 0;
	return ends->samples[at < ends->sample_count ? at : ends->sample_count - 1];
}

/* What is under way is waited for: it belongs to this slice's percentiles, and the next slice begins with nothing. */
static int drain(struct relay_ends *ends)
{
	uint64_t until_ns = ends->now_ns + DRAIN_NS;

	ends->is_over = true;
	while (ends->error == 0 && ends->answered < ends->sent) {
		if (ends->now_ns >= until_ns)
			return -ETIMEDOUT;
		turn_until(ends, ends->now_ns + 1);
	}
	return ends->error;
}

static void begin(struct relay_ends *ends)
{
	ends->sent = ends->answered = ends->answered_in_time = 0;
	ends->sample_count = 0;
	ends->is_over = false;
	ends->now_ns = ends->start_ns = bench_now_ns();
	ends->measure_from_ns = ends->start_ns + ends->slice->warmup_ns;
	ends->measure_until_ns = ends->measure_from_ns + ends->slice->measure_ns;
	for (uint32_t i = 0; i < ends->options.connections; i++) {
		ends->ends[i].sent = ends->ends[i].answered = 0;
		if (ends->interval_ns == 0)
			send_request(ends, i);
	}
}

static double busy_share(const struct relay_ends *ends, uint64_t idle_ns, uint64_t computed_ns)
{
	double took_ns = (double)ends->slice->measure_ns;

	return ends->options.spins ? 1 - (double)idle_ns / took_ns : (double)computed_ns / took_ns;
}

static int measure(struct relay_ends *ends, struct relay_ends_result *result)
{
	uint64_t whole_ns, relay_ns, idle_ns, computed_ns;
	double took_s = (double)ends->slice->measure_ns / 1e9;
	int rc;

	whole_ns = clock_ns(ends->slice->relay_clock);
	begin(ends);
	turn_until(ends, ends->measure_from_ns);
	relay_ns = clock_ns(ends->slice->relay_clock);
	computed_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	idle_ns = turn_until(ends, ends->measure_until_ns);
	computed_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - computed_ns;
	relay_ns = clock_ns(ends->slice->relay_clock) - relay_ns;
	rc = drain(ends);
	if (rc < 0)
		return rc;
	/* Of all requests, from the first to the last: with many connections a slice holds few of each. */
	whole_ns = clock_ns(ends->slice->relay_clock) - whole_ns;
	if (ends->answered == 0)
		return -EAGAIN;
	qsort(ends->samples, ends->sample_count, sizeof *ends->samples, compare_samples);
	*result = (struct relay_ends_result){
		.requests_per_s = (double)ends->answered_in_time / took_s,
		.relay_ns = (double)whole_ns / (double)ends->answered,
		.relay_busy = (double)relay_ns / 1e9 / took_s,
		.ends_busy = busy_share(ends, idle_ns, computed_ns),
		.p50_ns = percentile(ends, 0.5),
		.p99_ns = percentile(ends, 0.99),
	};
	return 0;
}

static int make_room(struct relay_ends *ends)
{
	size_t sample_max = (size_t)((double)ends->slice->measure_ns / 1e9 * REQUESTS_PER_S_MAX) + 1;
	uint32_t *samples;

	if (sample_max <= ends->sample_max)
		return 0;
	samples = realloc(ends->samples, sample_max * sizeof *samples);
	if (!samples)
		return -ENOMEM;
	/* Touched now: a page fault while measuring would be the client's. */
	memset(samples, 0, sample_max * sizeof *samples);
	ends->samples = samples;
	ends->sample_max = sample_max;
	return 0;
}

int relay_ends_run(struct relay_ends *ends, const struct relay_ends_slice *slice, struct relay_ends_result *result)
{
	int rc;

	if (slice->rate > 0 && !ends->options.spins)
		return -EINVAL;
	ends->slice = slice;
	ends->interval_ns = slice->rate > 0 ? 1e9 / slice->rate : 0;
	rc = make_room(ends);
	return rc < 0 ? rc : measure(ends, result);
}

/* ---- From open to close ---- */

/* Closed by a reset, so that no slice leaves connections in TIME_WAIT. Reno, as in echo_load.c: what the relay sends with is its own. */
static void tune(int fd)
{
	const struct linger reset = {.l_onoff = 1};
	const int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

static int open_client(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	tune(fd);
	return fd;
}

static int open_server(int door)
{
	struct pollfd pollfd = {.fd = door, .events = POLLIN};
	int fd;

	if (poll(&pollfd, 1, ACCEPT_MS) <= 0)
		return -ETIMEDOUT;
	fd = accept4(door, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return -errno;
	tune(fd);
	return fd;
}

static int open_connection(struct relay_ends *ends, unsigned index)
{
	int fd = open_client(ends->options.port);

	if (fd < 0)
		return fd;
	ends->fds[index] = fd;
	if (ends->options.door < 0)
		return 0;
	fd = open_server(ends->options.door);
	if (fd < 0)
		return fd;
	ends->fds[ends->options.connections + index] = fd;
	return 0;
}

static int open_connections(struct relay_ends *ends)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < ends->options.connections; i++)
		rc = open_connection(ends, i);
	if (rc == 0)
		rc = io_uring_register_files(&ends->ring, ends->fds, ends->count);
	for (uint32_t i = 0; rc == 0 && i < ends->count; i++)
		arm_receive(ends, i);
	return rc;
}

static int set_up_ring(struct relay_ends *ends)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &ends->ring, &params);

	if (rc < 0) {
		ends->ring.ring_fd = -1;
		return rc;
	}
	rc = io_uring_register_ring_fd(&ends->ring);
	return rc < 0 ? rc : 0;
}

static int set_up_buffers(struct relay_ends *ends)
{
	struct io_uring_buf_reg registration = {.ring_entries = BUFFER_COUNT};
	int rc;

	ends->memory = calloc(BUFFER_COUNT, BUFFER_STRIDE);
	ends->buffer_ring = aligned_alloc(4096, BUFFER_COUNT * sizeof(struct io_uring_buf));
	if (!ends->memory || !ends->buffer_ring)
		return -ENOMEM;
	registration.ring_addr = (uintptr_t)ends->buffer_ring;
	rc = io_uring_register_buf_ring(&ends->ring, &registration, 0);
	if (rc < 0)
		return rc;
	io_uring_buf_ring_init(ends->buffer_ring);
	for (unsigned i = 0; i < BUFFER_COUNT; i++)
		give_back(ends, i);
	io_uring_buf_ring_advance(ends->buffer_ring, (int)ends->given_count);
	ends->given_count = 0;
	return 0;
}

void relay_ends_close(struct relay_ends *ends)
{
	if (!ends)
		return;
	for (unsigned i = 0; i < ends->count; i++)
		if (ends->fds[i] >= 0)
			close(ends->fds[i]);
	if (ends->ring.ring_fd >= 0)
		io_uring_queue_exit(&ends->ring);
	free(ends->samples);
	free(ends->memory);
	free(ends->buffer_ring);
	free(ends);
}

int relay_ends_open(struct relay_ends **out, const struct relay_ends_options *options)
{
	struct relay_ends *ends;
	int rc;

	if (options->connections == 0 || options->connections > RELAY_ENDS_CONNECTIONS_MAX || options->request_len > RELAY_ENDS_MESSAGE_MAX)
		return -EINVAL;
	ends = calloc(1, sizeof *ends);
	if (!ends)
		return -ENOMEM;
	ends->options = *options;
	ends->count = options->connections * (options->door < 0 ? 1 : 2);
	ends->ring.ring_fd = -1;
	memset(ends->fds, -1, sizeof ends->fds);
	rc = set_up_ring(ends);
	if (rc == 0)
		rc = set_up_buffers(ends);
	if (rc == 0)
		rc = open_connections(ends);
	if (rc < 0)
		relay_ends_close(ends);
	else
		*out = ends;
	return rc;
}
