/*
 * UDP echo, 64 bytes, one core: our servers against a bare liburing loop. Every server is a process of its own on the first processor; the client
 * polls on the second and keeps a window of datagrams on their way. A round is a slice of 10 ms of each server in turn (bench_echo.c says why).
 *
 * Each datagram has its number, and each answer is compared. On a loopback interface none is lost as long as sockets have room for a window; one
 * that is (the host stopped somebody for long) empties the window after a while and spoils the slice.
 */
#include "perf/bench/bench.h"
#include "perf/bench/echo_server.h"

#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64, WINDOW_MAX = 64, ROUNDS = 101 };

#define WARMUP_NS  2000000ull
#define MEASURE_NS 10000000ull
#define LOST_NS	   200000000ull

struct contender {
	const char *name;
	const char *arguments[ECHO_SERVER_ARGUMENTS_MAX + 1];
	struct echo_server server;
	int fd;
	char path[4096];
	double busy, requests; /* sums: shares of the server's processor, requests/s */
	unsigned runs;
};

#define OURS "zokio uring, fiber"
#define BARE "bare liburing"
#define ZOKIO(engine)                                                                                                                     \
	{                                                                                                                                 \
		"../../examples/udp_echo", "--listen", "udp://127.0.0.1:{port}", "--engine", engine, "--mode", "park", "--cores", "{cpu}" \
	}

static struct contender contenders[] = {
	{.name = OURS, .arguments = ZOKIO("uring"), .fd = -1},
	{.name = "zokio epoll, fiber", .arguments = ZOKIO("epoll"), .fd = -1},
	{.name = BARE, .arguments = {"peers/udp_uring", "--port", "{port}", "--cpu", "{cpu}"}, .fd = -1},
};

enum { CONTENDER_COUNT = sizeof contenders / sizeof *contenders };

struct part {
	struct contender *contender;
	unsigned window;
};

/* What is on its way, and what one system call takes or brings. */
struct client {
	int fd;
	unsigned window, on_way;
	uint64_t next, answered;
	uint64_t payload[WINDOW_MAX][SIZE / sizeof(uint64_t)];
	struct iovec vectors[WINDOW_MAX];
	struct mmsghdr messages[WINDOW_MAX];
};

static void set_up(struct client *client, int fd, unsigned window)
{
	memset(client, 0, sizeof *client);
	client->fd = fd;
	client->window = window;
	for (unsigned i = 0; i < WINDOW_MAX; i++) {
		client->vectors[i] = (struct iovec){client->payload[i], SIZE};
		client->messages[i].msg_hdr = (struct msghdr){.msg_iov = &client->vectors[i], .msg_iovlen = 1};
	}
}

static int fill_window(struct client *client)
{
	unsigned count = client->window - client->on_way;
	int sent;

	if (count == 0)
		return 0;
	for (unsigned i = 0; i < count; i++) {
		client->payload[i][0] = client->next + i;
		client->payload[i][SIZE / sizeof(uint64_t) - 1] = ~(client->next + i);
	}
	sent = sendmmsg(client->fd, client->messages, count, MSG_DONTWAIT);
	if (sent < 0)
		return errno == EAGAIN ? 0 : -errno;
	client->on_way += (unsigned)sent;
	client->next += (uint64_t)sent;
	return 0;
}

/* One socket on either side and nothing between: answers come in order. Returns how many. */
static int take_answers(struct client *client)
{
	int count = recvmmsg(client->fd, client->messages, WINDOW_MAX, MSG_DONTWAIT, NULL);

	if (count < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		const uint64_t *payload = client->payload[i];

		if (client->messages[i].msg_len != SIZE || payload[0] != client->answered + (uint64_t)i ||
		    payload[SIZE / sizeof(uint64_t) - 1] != ~payload[0])
			return -EBADMSG;
	}
	client->answered += (uint64_t)count;
	client->on_way -= (unsigned)count;
	return count;
}

/* Until the time, or (to == 0) until nothing is on its way. */
static int pump(struct client *client, uint64_t to)
{
	uint64_t heard = bench_now_ns();

	for (;;) {
		uint64_t now = bench_now_ns();
		int rc = to != 0 ? fill_window(client) : 0;

		if (rc == 0)
			rc = take_answers(client);
		if (rc < 0)
			return rc;
		if (rc > 0)
			heard = now;
		else if (now - heard > LOST_NS)
			return -ETIMEDOUT;
		if (to != 0 ? now >= to : client->on_way == 0)
			return 0;
	}
}

static uint64_t cpu_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static double run(void *arg)
{
	const struct part *part = arg;
	struct contender *contender = part->contender;
	static struct client client;
	uint64_t begun, ended, answered, cpu;
	double rate;
	int rc;

	set_up(&client, contender->fd, part->window);
	rc = pump(&client, bench_now_ns() + WARMUP_NS);
	begun = bench_now_ns();
	answered = client.answered;
	cpu = cpu_ns(contender->server.cpu_clock);
	if (rc == 0)
		rc = pump(&client, begun + MEASURE_NS);
	ended = bench_now_ns();
	cpu = cpu_ns(contender->server.cpu_clock) - cpu;
	answered = client.answered - answered;
	if (rc == 0)
		rc = pump(&client, 0);
	if (rc < 0) {
		fprintf(stderr, "  %s: %s\n", contender->name, strerror(-rc));
		while (recv(contender->fd, client.payload, SIZE, MSG_DONTWAIT) >= 0) /* none is left for the next slice */
			;
		return NAN;
	}
	rate = (double)answered * 1e9 / (double)(ended - begun);
	contender->busy += (double)cpu / (double)(ended - begun);
	contender->requests += rate;
	contender->runs++;
	return rate / 1000;
}

static void print_shares(void)
{
	fprintf(stderr, "  %-20s %9s %11s %14s\n", "means of all rounds", "kreq/s", "server busy", "server ns/req");
	for (size_t i = 0; i < CONTENDER_COUNT; i++) {
		struct contender *contender = &contenders[i];

		if (contender->runs > 0)
			fprintf(stderr, "  %-20s %9.1f %9.0f %% %14.0f\n", contender->name, contender->requests / contender->runs / 1000,
				100 * contender->busy / contender->runs, 1e9 * contender->busy / contender->requests);
		contender->busy = contender->requests = 0;
		contender->runs = 0;
	}
	fprintf(stderr, "\n");
}

static void ask(unsigned window)
{
	char name[64];
	struct bench_question question = {
		.name = name, .unit = "1000 requests/s", .is_higher_better = true, .rounds = ROUNDS, .subject = OURS, .against = BARE};
	struct bench_case cases[CONTENDER_COUNT];
	struct part parts[CONTENDER_COUNT];
	size_t count = 0;

	snprintf(name, sizeof name, "udp echo, %u on their way", window);
	for (size_t i = 0; i < CONTENDER_COUNT; i++) {
		if (contenders[i].fd < 0)
			continue;
		parts[count] = (struct part){&contenders[i], window};
		cases[count] = (struct bench_case){.name = contenders[i].name, .run = run, .arg = &parts[count]};
		count++;
	}
	if (count == 0)
		return;
	bench_ask(&question, cases, count);
	print_shares();
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static void start(struct contender *contender, const char *folder, int cpu)
{
	int rc;

	snprintf(contender->path, sizeof contender->path, "%s/%s", folder, contender->arguments[0]);
	contender->arguments[0] = contender->path;
	rc = echo_server_start(&contender->server, contender->arguments, cpu);
	if (rc == 0)
		rc = contender->fd = connect_to(contender->server.port);
	if (rc < 0)
		fprintf(stderr, "  %s is left out: %s\n", contender->name, strerror(-rc));
}

int main(int argc, char **argv)
{
	char self[4096] = "";
	const char *folder;
	int cpu;

	bench_init(argc, argv);
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
		perror("bench_udp");
		return 1;
	}
	folder = dirname(self);
	cpu = bench_pin(0);
	for (size_t i = 0; i < CONTENDER_COUNT; i++)
		start(&contenders[i], folder, cpu);
	bench_pin(1);
	ask(1);
	ask(WINDOW_MAX);
	for (size_t i = 0; i < CONTENDER_COUNT; i++)
		if (contenders[i].server.pid != 0)
			echo_server_stop(&contenders[i].server);
	return contenders[0].fd >= 0 && contenders[CONTENDER_COUNT - 1].fd >= 0 ? 0 : 1;
}
