/*
 * The harness proves itself: a server that stalls for a known time gives the corrected percentiles that arithmetic predicts, while the raw ones
 * hardly see it; and what servers do wrong is counted, never left out.
 */
#include "perf/harness.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { PEERS_MAX = 64, MESSAGE_SIZE = 64 };

/* An echo server on a thread of its own, with faults that begin at a given message. 0: never. */
struct server {
	int listener, stop;
	char address[96];
	pthread_t thread;
	struct pollfd fds[PEERS_MAX + 2];
	nfds_t count;
	size_t bytes; /* echoed so far */

	uint64_t stall_ns; /* how long it is deaf, at message stall_at */
	size_t stall_at;
	uint64_t stalled_ns; /* how long it really was */
	size_t corrupt_at, close_at, mute_at;
};

static bool is_due(const struct server *s, size_t message)
{
	return message > 0 && s->bytes / MESSAGE_SIZE >= message;
}

/* Waits for a timer's event, and sees to nothing else meanwhile. */
static void stall(struct server *s)
{
	struct itimerspec when = {.it_value = {.tv_sec = (time_t)(s->stall_ns / ZOK_S), .tv_nsec = (long)(s->stall_ns % ZOK_S)}};
	uint64_t start = perf_now_ns(), expirations;
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	assert_int_equal(timerfd_settime(timer, 0, &when, NULL), 0);
	assert_int_equal(read(timer, &expirations, sizeof expirations), sizeof expirations);
	close(timer);
	s->stalled_ns = perf_now_ns() - start;
	s->stall_at = 0;
}

static void drop_peer(struct server *s, nfds_t at)
{
	close(s->fds[at].fd);
	s->fds[at] = s->fds[--s->count];
}

static void serve_peer(struct server *s, nfds_t at)
{
	char buffer[65536];
	ssize_t size = recv(s->fds[at].fd, buffer, sizeof buffer, MSG_DONTWAIT);

	if (size < 0 && errno == EAGAIN)
		return;
	if (size > 0 && is_due(s, s->close_at)) {
		s->close_at = 0;
		size = 0;
	}
	if (size <= 0) {
		drop_peer(s, at);
		return;
	}
	if (is_due(s, s->stall_at))
		stall(s);
	if (is_due(s, s->corrupt_at)) {
		buffer[size - 1] ^= 1;
		s->corrupt_at = 0;
	}
	s->bytes += (size_t)size;
	if (!is_due(s, s->mute_at))
		send(s->fds[at].fd, buffer, (size_t)size, MSG_NOSIGNAL); /* a lost byte would show as an error, which the tests rule out */
}

static void *serve(void *arg)
{
	struct server *s = arg;

	while (poll(s->fds, s->count, -1) > 0 && !s->fds[1].revents) {
		for (nfds_t i = s->count; i-- > 2;)
			if (s->fds[i].revents)
				serve_peer(s, i);
		if (s->fds[0].revents && s->count < PEERS_MAX + 2)
			s->fds[s->count++] = (struct pollfd){.fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), .events = POLLIN};
	}
	return NULL;
}

static void listen_tcp(struct server *s)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof at;

	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&at, &size), 0);
	snprintf(s->address, sizeof s->address, "tcp://127.0.0.1:%u", ntohs(at.sin_port));
}

static void listen_unix(struct server *s)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	snprintf(at.sun_path, sizeof at.sun_path, "/tmp/zok-test-perf-%d", (int)getpid());
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
	snprintf(s->address, sizeof s->address, "unix:%.80s", at.sun_path);
}

static void start_server(struct server *s, void (*listen_on)(struct server *))
{
	listen_on(s);
	assert_int_equal(listen(s->listener, 64), 0);
	s->stop = eventfd(0, EFD_CLOEXEC);
	s->fds[0] = (struct pollfd){.fd = s->listener, .events = POLLIN};
	s->fds[1] = (struct pollfd){.fd = s->stop, .events = POLLIN};
	s->count = 2;
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_server(struct server *s)
{
	uint64_t one = 1;

	assert_int_equal(write(s->stop, &one, sizeof one), sizeof one);
	pthread_join(s->thread, NULL);
	for (nfds_t i = 0; i < s->count; i++)
		close(s->fds[i].fd);
	if (strncmp(s->address, "unix:", 5) == 0)
		unlink(s->address + 5);
}

/* Blocking, so that the generator leaves a small machine's processors to the server. */
static struct perf_load_options open_loop(const struct server *s, double rate, uint64_t duration_ns)
{
	return (struct perf_load_options){
		.target = s->address,
		.size = MESSAGE_SIZE,
		.rate = rate,
		.connections = 4,
		.wait = PERF_WAIT_BLOCK,
		.duration_ns = duration_ns,
		.seed = 1,
	};
}

static void run(const struct perf_load_options *options, struct perf_result *result)
{
	char why[PERF_TEXT_MAX] = "";

	if (perf_load_run(options, result, why) < 0)
		fail_msg("%s", why);
}

/* A generator that was not scheduled before its window was over has asked nothing: that says nothing of what it would have got. */
static void run_until_asked(const struct perf_load_options *options, struct perf_result *result)
{
	for (run(options, result); result->planned == 0; run(options, result))
		perf_result_finish(result);
}

static uint64_t count_above(const struct perf_histogram *h, uint64_t value)
{
	uint64_t count = 0;

	for (size_t i = perf_histogram_index(h, value) + 1; i < h->counts_length; i++)
		count += h->counts[i];
	return count;
}

/*
 * In a window D at a constant rate, a stall S catches the fraction S / D of the requests, and their waits are spread evenly from S down to 0. So the
 * percentile 100 - q waits S - q/100 × D: with D = 1 s and S = 200 ms, p90 is 100 ms and p99 is 190 ms. Noise of the machine can only add to that:
 * every run must show as much. Returns whether this one has not shown too much either.
 */
static bool run_with_a_stall(void)
{
	struct server server = {.stall_ns = 200 * ZOK_MS, .stall_at = 600};
	struct perf_load_options options;
	struct perf_result r;
	uint64_t stalled, p90, p99, corrected, raw;

	start_server(&server, listen_tcp);
	options = open_loop(&server, 2000, ZOK_S);
	run(&options, &r);
	stop_server(&server);

	stalled = server.stalled_ns;
	p90 = perf_histogram_percentile(&r.latency[PERF_CORRECTED], 90);
	p99 = perf_histogram_percentile(&r.latency[PERF_CORRECTED], 99);
	corrected = count_above(&r.latency[PERF_CORRECTED], stalled / 2);
	raw = count_above(&r.latency[PERF_RAW], stalled / 2);
	assert_true(stalled >= 200 * ZOK_MS);
	assert_true(r.planned == 2000 && r.sent == 2000); /* none skipped */
	assert_true(r.latency[PERF_CORRECTED].total == 2000 && r.latency[PERF_RAW].total == 2000);
	assert_true(perf_result_error_sum(&r) == 0);
	assert_true(p90 >= stalled - 105 * ZOK_MS && p99 >= stalled - 15 * ZOK_MS);
	assert_true(perf_histogram_max(&r.latency[PERF_CORRECTED]) >= stalled - 2 * ZOK_MS);
	/* Half of those that were caught waited more than half: 200 of them, where the raw figure has one a connection. */
	assert_true(corrected >= 190);
	perf_result_finish(&r);
	return p90 <= stalled - 20 * ZOK_MS && raw <= 2 * options.connections && corrected > 10 * raw;
}

/* A machine that is busy with other things stalls as well, and not in every run. */
static void test_a_stall_is_seen_by_the_corrected_percentiles_only(void **state)
{
	int tries = 1;

	while (!run_with_a_stall())
		if (tries++ == 20)
			fail_msg("in none of 20 runs the raw figures missed the stall, or p90 was what arithmetic says");
}

static void test_every_way_of_sending_gets_its_replies(void **state)
{
	static const struct {
		unsigned connections, depth, threads;
		enum perf_loop loop;
		enum perf_arrivals_kind arrivals;
		void (*listen_on)(struct server *s);
		size_t size;
	} ways[] = {
		{1, 1, 1, PERF_LOOP_OPEN, PERF_ARRIVALS_CONSTANT, listen_tcp, 64},
		{32, 1, 1, PERF_LOOP_OPEN, PERF_ARRIVALS_POISSON, listen_tcp, 64},
		{3, 8, 2, PERF_LOOP_OPEN, PERF_ARRIVALS_POISSON, listen_unix, 3},
		{2, 16, 1, PERF_LOOP_CLOSED, PERF_ARRIVALS_CONSTANT, listen_tcp, 64},
		{4, 2, 2, PERF_LOOP_CLOSED, PERF_ARRIVALS_CONSTANT, listen_unix, 1000},
	};

	for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
		struct server server = {0};
		struct perf_load_options options;
		struct perf_result r;

		start_server(&server, ways[i].listen_on);
		options = open_loop(&server, ways[i].loop == PERF_LOOP_OPEN ? 3000 : 0, 100 * ZOK_MS);
		options.loop = ways[i].loop;
		options.connections = ways[i].connections;
		options.depth = ways[i].depth;
		options.threads = ways[i].threads;
		options.arrivals = ways[i].arrivals;
		options.size = ways[i].size;
		options.warmup_ns = 20 * ZOK_MS;
		run_until_asked(&options, &r);
		stop_server(&server);
		assert_true(r.sent == r.planned);
		assert_true(r.latency[PERF_RAW].total == r.planned);
		assert_true(r.latency[PERF_CORRECTED].total == (ways[i].loop == PERF_LOOP_OPEN ? r.planned : 0));
		assert_true(perf_result_error_sum(&r) == 0);
		perf_result_finish(&r);
	}
}

/* Requests larger than what sockets hold: sending and receiving continue where they stopped. */
static void test_large_messages_are_sent_in_parts(void **state)
{
	struct server server = {0};
	struct perf_load_options options;
	struct perf_result r;
	struct perf_load_options closed;

	start_server(&server, listen_tcp);
	options = open_loop(&server, 0, 50 * ZOK_MS);
	closed = options;
	closed.loop = PERF_LOOP_CLOSED;
	closed.connections = 2;
	closed.size = (size_t)512 << 10;
	run_until_asked(&closed, &r);
	stop_server(&server);
	assert_int_equal(r.latency[PERF_RAW].total, r.planned);
	assert_int_equal(perf_result_error_sum(&r), 0);
	perf_result_finish(&r);
}

static void test_wrong_bytes_are_an_error(void **state)
{
	struct server server = {.corrupt_at = 50};
	struct perf_load_options options;
	struct perf_result r;

	start_server(&server, listen_tcp);
	options = open_loop(&server, 2000, 100 * ZOK_MS);
	run(&options, &r);
	stop_server(&server);
	assert_int_equal(r.errors[PERF_ERROR_REPLY], 1);
	assert_true(r.errors[PERF_ERROR_LOST] >= 1);
	assert_int_not_equal(r.verdict, PERF_VALID);
	perf_result_finish(&r);
}

static void test_a_closed_connection_is_made_again(void **state)
{
	struct server server = {.close_at = 50};
	struct perf_load_options options;
	struct perf_result r;

	start_server(&server, listen_tcp);
	options = open_loop(&server, 2000, 200 * ZOK_MS);
	options.connections = 1; /* without it nothing after the close would be answered */
	run(&options, &r);
	stop_server(&server);
	assert_true(r.errors[PERF_ERROR_CLOSED] + r.errors[PERF_ERROR_RESET] == 1);
	assert_true(r.latency[PERF_CORRECTED].total + r.errors[PERF_ERROR_LOST] == r.planned);
	assert_true(r.latency[PERF_CORRECTED].total >= 300);
	perf_result_finish(&r);
}

/* Whoever gets no reply waits at least until the end: recorded as that much, and not left out. */
static void test_silence_is_a_lower_bound(void **state)
{
	struct server server = {.mute_at = 100};
	struct perf_load_options options;
	struct perf_result r;

	start_server(&server, listen_tcp);
	options = open_loop(&server, 2000, 200 * ZOK_MS);
	options.drain_ns = 100 * ZOK_MS;
	run(&options, &r);
	stop_server(&server);
	assert_true(r.latency[PERF_CORRECTED].total == r.planned);
	assert_true(r.errors[PERF_ERROR_UNANSWERED] >= 250);
	assert_true(count_above(&r.latency[PERF_CORRECTED], 99 * ZOK_MS) >= 250);
	assert_int_equal(r.verdict, PERF_INVALID);
	perf_result_finish(&r);
}

/* Returns how many there were: a collector that is not scheduled closes several as one. */
static size_t run_in_intervals(void)
{
	struct server server = {0};
	struct perf_load_options options;
	struct perf_result r;
	size_t interval_count;
	uint64_t count = 0;

	start_server(&server, listen_tcp);
	options = open_loop(&server, 2000, 200 * ZOK_MS);
	options.interval_ns = 50 * ZOK_MS;
	options.warmup_ns = 30 * ZOK_MS;
	run(&options, &r);
	stop_server(&server);
	for (size_t i = 0; i < r.interval_count; i++)
		count += r.intervals[i].count;
	assert_true(r.intervals[0].start_ns == 0 && count == r.planned);
	interval_count = r.interval_count;
	perf_result_finish(&r);
	return interval_count;
}

static void test_intervals_add_up_to_the_run(void **state)
{
	int tries = 1;

	while (run_in_intervals() < 3)
		assert_in_range(tries++, 1, 20);
}

static void interrupt(void *arg, const struct perf_interval *interval)
{
	*(volatile sig_atomic_t *)arg = 1;
}

static void test_an_interrupted_run_says_so(void **state)
{
	struct server server = {0};
	struct perf_load_options options;
	struct perf_result r;
	volatile sig_atomic_t stop = 0;

	start_server(&server, listen_tcp);
	options = open_loop(&server, 2000, 3600 * ZOK_S);
	options.interval_ns = 50 * ZOK_MS;
	options.on_interval = interrupt;
	options.arg = (void *)&stop;
	options.stop = &stop;
	run(&options, &r);
	stop_server(&server);
	assert_true(r.is_interrupted && r.duration_ns < 3600 * ZOK_S && r.duration_ns >= 50 * ZOK_MS);
	assert_int_not_equal(r.verdict, PERF_VALID);
	perf_result_finish(&r);
}

static void test_failures_to_start_say_why(void **state)
{
	struct server server = {0};
	struct perf_load_options options;
	struct perf_result r;
	char why[PERF_TEXT_MAX] = "";

	listen_tcp(&server); /* bound and not listening: refused */
	options = open_loop(&server, 100, ZOK_S);
	assert_int_equal(perf_load_run(&options, &r, why), -ECONNREFUSED);
	assert_non_null(strstr(why, "Connection refused"));
	options.protocol = "redis-get"; /* fails in its set-up already */
	assert_int_equal(perf_load_run(&options, &r, why), -ECONNREFUSED);
	close(server.listener);
	options.target = "udp://127.0.0.1:1";
	assert_int_equal(perf_load_run(&options, &r, why), -EINVAL);
	assert_non_null(strstr(why, "tcp://"));
	options.target = server.address;
	options.protocol = "no such";
	assert_int_equal(perf_load_run(&options, &r, why), -EINVAL);
	options.protocol = NULL;
	options.significant_digits = 6;
	assert_int_equal(perf_load_run(&options, &r, why), -EINVAL);
	assert_non_null(strstr(why, "digits"));
	options.significant_digits = 0;
	options.rate = 0;
	assert_int_equal(perf_load_run(&options, &r, why), -EINVAL);
	assert_non_null(strstr(why, "rate"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stall_is_seen_by_the_corrected_percentiles_only),
		cmocka_unit_test(test_every_way_of_sending_gets_its_replies),
		cmocka_unit_test(test_large_messages_are_sent_in_parts),
		cmocka_unit_test(test_wrong_bytes_are_an_error),
		cmocka_unit_test(test_a_closed_connection_is_made_again),
		cmocka_unit_test(test_silence_is_a_lower_bound),
		cmocka_unit_test(test_intervals_add_up_to_the_run),
		cmocka_unit_test(test_an_interrupted_run_says_so),
		cmocka_unit_test(test_failures_to_start_say_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
