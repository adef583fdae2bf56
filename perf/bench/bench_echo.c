/*
 * TCP echo, 64 bytes, one core: our servers against a bare liburing loop, a bare epoll loop and the libraries. Every server is a process of
 * its own on the first processor, started once and idle unless it is asked; the client polls on the second. Two questions for each number of
 * connections: requests/s in a closed loop, and p99 in an open loop at half of what the bare liburing loop reached.
 *
 * A round is a slice of 10 to 25 ms of each server in turn. A virtual machine loses a processor for a millisecond some ten times a second, and a p99
 * taken over a long run then tells of the host: of a server's many short slices most are undisturbed, so the median of their p99s tells of the server.
 */
#include "perf/bench/bench.h"
#include "perf/bench/echo_check.h"
#include "perf/bench/echo_load.h"
#include "perf/bench/echo_server.h"

#include <errno.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* How a question cuts its time: throughput wants long slices, a percentile undisturbed ones. */
struct cut {
	uint64_t warmup_ns, measure_ns;
	unsigned rounds;
};

static const struct cut throughput_cut = {.warmup_ns = 5000000, .measure_ns = 25000000, .rounds = 61};
static const struct cut latency_cut = {.warmup_ns = 3000000, .measure_ns = 10000000, .rounds = 101};

struct contender {
	const char *name;
	const char *arguments[ECHO_SERVER_ARGUMENTS_MAX + 1]; /* the program's path from this program's own folder first */
	struct echo_server server;
	struct echo_load *load; /* the connections of the question under way; NULL: left out */
	char path[4096];
	struct echo_load_result total; /* sums over the rounds of the question under way */
	unsigned runs;
};

#define BARE "bare liburing"
#define OURS "zokio uring, fiber"
#define PEER(program)                                                  \
	{                                                              \
		"peers/" program, "--port", "{port}", "--cpu", "{cpu}" \
	}
#define ZOKIO(program, engine, mode)                                                                                                    \
	{                                                                                                                               \
		"../../examples/" program, "--listen", "tcp://127.0.0.1:{port}", "--engine", engine, "--mode", mode, "--cores", "{cpu}" \
	}

/*
 * Ours first, as in every benchmark; the ratio that the promise is about, ours to the bare liburing loop, is printed last. All wait in the kernel but
 * the one that is called adaptive, which spins while work comes back within the time that a wake-up costs: what no loop written by hand does.
 */
static struct contender contenders[] = {
	{.name = OURS, .arguments = ZOKIO("echo", "uring", "park")},
	{.name = "zokio uring, adaptive", .arguments = ZOKIO("echo", "uring", "adaptive")},
	{.name = "zokio uring, task", .arguments = ZOKIO("echo_task", "uring", "park")},
	{.name = "zokio epoll, fiber", .arguments = ZOKIO("echo", "epoll", "park")},
	{.name = "zokio epoll, task", .arguments = ZOKIO("echo_task", "epoll", "park")},
	{.name = BARE, .arguments = PEER("echo_uring")},
	{.name = "bare epoll", .arguments = PEER("echo_epoll")},
	{.name = "libuv", .arguments = PEER("echo_libuv")},
	{.name = "libevent", .arguments = PEER("echo_libevent")},
	{.name = "libev", .arguments = PEER("echo_libev")},
	{.name = "Boost.Asio", .arguments = PEER("echo_asio")},
};

enum { CONTENDER_COUNT = sizeof contenders / sizeof *contenders };

struct part {
	struct contender *contender;
	const struct cut *cut;
	double rate; /* 0: closed loop */
};

static int run_load(const struct part *part, struct echo_load_result *result)
{
	struct contender *contender = part->contender;
	struct echo_load_slice slice = {
		.rate = part->rate,
		.warmup_ns = part->cut->warmup_ns,
		.measure_ns = part->cut->measure_ns,
		.server_clock = contender->server.cpu_clock,
	};
	int rc = contender->load ? echo_load_run(contender->load, &slice, result) : -ENOTCONN;

	if (rc < 0)
		fprintf(stderr, "  %s: %s\n", contender->name, strerror(-rc));
	return rc;
}

static double run(void *arg)
{
	struct part *part = arg;
	struct echo_load_result result, *total = &part->contender->total;

	if (run_load(part, &result) < 0)
		return NAN;
	total->requests_per_s += result.requests_per_s;
	total->client_busy += result.client_busy;
	total->server_busy += result.server_busy;
	total->p50_ns += result.p50_ns;
	total->p99_ns += result.p99_ns;
	total->p999_ns += result.p999_ns;
	part->contender->runs++;
	return part->rate > 0 ? (double)result.p99_ns / 1000 : result.requests_per_s / 1000;
}

/* Who was at the limit, and what a request cost: without it a ratio near one may only say that the client was too slow. */
static void print_shares(void)
{
	fprintf(stderr, "  %-22s %9s %11s %11s %14s %9s %9s %9s\n", "means of all rounds", "kreq/s", "server busy", "client busy",
		"server ns/req", "p50 us", "p99 us", "p99.9 us");
	for (size_t i = 0; i < CONTENDER_COUNT; i++) {
		struct echo_load_result *total = &contenders[i].total;
		double runs = contenders[i].runs;

		if (runs > 0)
			fprintf(stderr, "  %-22s %9.1f %9.0f %% %9.0f %% %14.0f %9.1f %9.1f %9.1f\n", contenders[i].name,
				total->requests_per_s / runs / 1000, 100 * total->server_busy / runs, 100 * total->client_busy / runs,
				1e9 * total->server_busy / total->requests_per_s, (double)total->p50_ns / runs / 1000,
				(double)total->p99_ns / runs / 1000, (double)total->p999_ns / runs / 1000);
		*total = (struct echo_load_result){0};
		contenders[i].runs = 0;
	}
	fprintf(stderr, "\n");
}

static void ask(const char *name, const char *unit, double rate)
{
	const struct cut *cut = rate > 0 ? &latency_cut : &throughput_cut;
	struct bench_question question = {
		.name = name, .unit = unit, .is_higher_better = rate == 0, .rounds = cut->rounds, .subject = OURS, .against = BARE};
	struct bench_case cases[CONTENDER_COUNT];
	struct part parts[CONTENDER_COUNT];
	size_t count = 0;

	for (size_t i = 0; i < CONTENDER_COUNT; i++) {
		if (!contenders[i].load)
			continue;
		parts[count] = (struct part){.contender = &contenders[i], .cut = cut, .rate = rate};
		cases[count] = (struct bench_case){.name = contenders[i].name, .run = run, .arg = &parts[count]};
		count++;
	}
	bench_ask(&question, cases, count);
	print_shares();
}

static struct contender *find_bare(void)
{
	struct contender *contender = contenders;

	while (strcmp(contender->name, BARE) != 0)
		contender++;
	return contender;
}

static void connect_all(unsigned connections)
{
	for (size_t i = 0; i < CONTENDER_COUNT; i++) {
		struct contender *contender = &contenders[i];
		int rc = contender->server.pid == 0 ? 0 : echo_load_open(&contender->load, contender->server.port, connections);

		if (rc < 0)
			fprintf(stderr, "  %s: %u connections: %s\n", contender->name, connections, strerror(-rc));
	}
}

static void disconnect_all(void)
{
	for (size_t i = 0; i < CONTENDER_COUNT; i++) {
		echo_load_close(contenders[i].load);
		contenders[i].load = NULL;
	}
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* Half of what the bare loop reaches, by the median of a few slices: one load for all, that all can meet. 0 when it could not run. */
static double common_rate(void)
{
	struct part baseline = {.contender = find_bare(), .cut = &throughput_cut};
	struct echo_load_result result;
	double reached[9];
	size_t count = sizeof reached / sizeof *reached;

	for (size_t i = 0; i < count; i++) {
		if (run_load(&baseline, &result) < 0)
			return 0;
		reached[i] = result.requests_per_s;
	}
	qsort(reached, count, sizeof *reached, compare_doubles);
	return reached[count / 2] / 2;
}

static void compare(unsigned connections)
{
	char name[64], unit[64];
	double rate;

	connect_all(connections);
	snprintf(name, sizeof name, "echo, %u connections, throughput", connections);
	ask(name, "1000 requests/s", 0);
	rate = common_rate();
	snprintf(name, sizeof name, "echo, %u connections, p99", connections);
	snprintf(unit, sizeof unit, "us at %.0f requests/s", rate);
	if (rate > 0)
		ask(name, unit, rate);
	disconnect_all();
}

static void start(struct contender *contender, const char *folder, int cpu)
{
	int rc;

	snprintf(contender->path, sizeof contender->path, "%s/%s", folder, contender->arguments[0]);
	contender->arguments[0] = contender->path;
	rc = echo_server_start(&contender->server, contender->arguments, cpu);
	if (rc == 0)
		rc = echo_check(contender->server.port, 42);
	if (rc == 0)
		return;
	fprintf(stderr, "  %s is left out: %s\n", contender->name, strerror(-rc));
	echo_server_stop(&contender->server);
}

/* Each server has its connections open while the others run: the servers inherit the limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	char self[4096] = "";
	int cpu, rc = 0;

	bench_init(argc, argv);
	raise_descriptor_limit();
	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
		perror("bench_echo");
		return 1;
	}
	if (bench_cpu_count() < 2)
		fprintf(stderr, "  one processor only: the client takes its time from the server\n");
	cpu = bench_pin(0);
	for (size_t i = 0; i < CONTENDER_COUNT; i++)
		start(&contenders[i], i == 0 ? dirname(self) : self, cpu);
	bench_pin(1);
	if (find_bare()->server.pid == 0)
		rc = 1;
	for (unsigned connections = 1; rc == 0 && connections <= ECHO_LOAD_CONNECTIONS_MAX;
	     connections = connections == 1 ? 64 : connections * 16)
		compare(connections);
	for (size_t i = 0; i < CONTENDER_COUNT; i++)
		if (contenders[i].server.pid != 0)
			echo_server_stop(&contenders[i].server);
	return rc;
}
