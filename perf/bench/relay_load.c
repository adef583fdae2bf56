/*
 * One question to several relays that run already: bench_relay starts them, and this program. The relays are asked in turns, a slice each.
 *
 *	relay_load --question TEXT --figure cpu|core|p99 --connections N --slice-ms N [--rate R] [--sleeps] [--rounds N] [--json]
 *	           --redis-get KEY:BYTES | --door PORT:BYTES   NAME,PORT,PID…
 *
 * cpu: the relay's processor time a request; core: what comes to one second of it; p99: from the planned send, or in the closed loop from the send.
 * --redis-get: redis stands behind the relays, and has a value of so many bytes under the key. --door: this program is the server, too, on that port.
 * PID is the relay's, 0 where there is none. The load has the second processor.
 */
#include "perf/bench/bench.h"
#include "perf/bench/relay_ends.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CASES_MAX = 16, WARMUP_PART = 5, TRIES_MAX = 20 };

enum figure { CPU, CORE, P99 };

static const char *const figure_names[] = {"cpu", "core", "p99"};

static struct settings {
	struct bench_question question;
	char unit[64];
	enum figure figure;
	double rate;
	uint64_t slice_ns;
	struct relay_ends_options ends;
	char request[RELAY_ENDS_MESSAGE_MAX];
	char rounds[16]; /* for bench_init() */
	bool json;
} settings = {.ends = {.door = -1, .spins = true, .request = settings.request}};

static struct relay {
	char *name;
	clockid_t clock;
	struct relay_ends *ends;
	struct relay_ends_result total; /* sums over the rounds */
	unsigned runs;
} relays[CASES_MAX];

static _Noreturn void refuse(const char *option, const char *text, const char *wanted)
{
	fprintf(stderr, "relay_load: %s %s: wants %s\n", option, text, wanted);
	exit(2);
}

static unsigned long number(const char *option, const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value < 1 || value > max)
		refuse(option, text, "a number above 0 that is not too large");
	return value;
}

/* "WORD:NUMBER"; the word ends where the colon was. */
static unsigned long split(const char *option, char *text, unsigned long max)
{
	char *colon = strchr(text, ':');

	if (!colon)
		refuse(option, text, "two parts with a : between them");
	*colon = '\0';
	return number(option, colon + 1, max);
}

static void ask_redis(char *text)
{
	size_t size = split("--redis-get", text, RELAY_ENDS_MESSAGE_MAX / 2);

	settings.ends.request_len =
		(size_t)snprintf(settings.request, sizeof settings.request, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(text), text);
	settings.ends.answer_len = (size_t)snprintf(NULL, 0, "$%zu\r\n", size) + size + 2;
}

static int open_door(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0 || listen(fd, RELAY_ENDS_CONNECTIONS_MAX) < 0) {
		fprintf(stderr, "relay_load: --door %u: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

static void be_the_server(char *text)
{
	settings.ends.request_len = settings.ends.answer_len = split("--door", text, RELAY_ENDS_MESSAGE_MAX);
	memset(settings.request, 'z', settings.ends.request_len);
	settings.ends.door = open_door((uint16_t)number("--door", text, UINT16_MAX));
}

static enum figure find_figure(const char *text)
{
	for (unsigned i = 0; i < sizeof figure_names / sizeof *figure_names; i++)
		if (strcmp(text, figure_names[i]) == 0)
			return (enum figure)i;
	refuse("--figure", text, "cpu, core or p99");
}

static void add_relay(size_t index, char *text)
{
	char *port = strchr(text, ','), *pid = port ? strchr(port + 1, ',') : NULL;

	if (!pid || index >= CASES_MAX)
		refuse("case", text, "NAME,PORT,PID, and there to be sixteen at most");
	*port = *pid = '\0';
	relays[index].name = text;
	if (clock_getcpuclockid((pid_t)atoi(pid + 1), &relays[index].clock) != 0)
		refuse("case", pid + 1, "the number of a process");
	settings.ends.port = (uint16_t)number("case", port + 1, UINT16_MAX);
	int rc = relay_ends_open(&relays[index].ends, &settings.ends);
	if (rc < 0)
		fprintf(stderr, "  %s: %u connections: %s\n", text, settings.ends.connections, strerror(-rc));
}

static void read_options(int argc, char **argv)
{
	static const struct option known[] = {
		{"question", required_argument, NULL, 'q'},
		{"figure", required_argument, NULL, 'f'},
		{"rate", required_argument, NULL, 'r'},
		{"connections", required_argument, NULL, 'c'},
		{"slice-ms", required_argument, NULL, 's'},
		{"sleeps", no_argument, NULL, 'w'},
		{"rounds", required_argument, NULL, 'n'},
		{"json", no_argument, NULL, 'j'},
		{"redis-get", required_argument, NULL, 'g'},
		{"door", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0},
	};
	int letter;

	while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (letter) {
		case 'q': settings.question.name = optarg; break;
		case 'f': settings.figure = find_figure(optarg); break;
		case 'r': settings.rate = (double)number("--rate", optarg, 10000000); break;
		case 'c': settings.ends.connections = (unsigned)number("--connections", optarg, RELAY_ENDS_CONNECTIONS_MAX); break;
		case 's': settings.slice_ns = number("--slice-ms", optarg, 10000) * 1000000; break;
		case 'w': settings.ends.spins = false; break;
		case 'n': snprintf(settings.rounds, sizeof settings.rounds, "%lu", number("--rounds", optarg, 101)); break;
		case 'j': settings.json = true; break;
		case 'g': ask_redis(optarg); break;
		case 'd': be_the_server(optarg); break;
		default: exit(2);
		}
	}
	if (!settings.question.name || !settings.slice_ns || !settings.ends.connections || !settings.ends.request_len || optind == argc)
		refuse("options", "", "--question, --connections, --slice-ms, --redis-get or --door, and a case");
}

static double run(void *arg)
{
	struct relay *relay = arg;
	const struct relay_ends_slice slice = {.rate = settings.rate,
					       .warmup_ns = settings.slice_ns / WARMUP_PART,
					       .measure_ns = settings.slice_ns,
					       .relay_clock = relay->clock};
	struct relay_ends_result result, *total = &relay->total;
	int rc = relay->ends ? -EAGAIN : -ENOTCONN;

	for (int i = 0; rc == -EAGAIN && i < TRIES_MAX; i++) {
		rc = relay_ends_run(relay->ends, &slice, &result);
		if (rc == 0 && settings.figure == P99 && result.p99_ns == 0)
			rc = -EAGAIN;
	}
	if (rc < 0) {
		fprintf(stderr, "  %s: %s\n", relay->name, strerror(-rc));
		return NAN;
	}
	total->requests_per_s += result.requests_per_s;
	total->relay_busy += result.relay_busy;
	total->relay_ns += result.relay_ns;
	total->ends_busy += result.ends_busy;
	relay->runs++;
	switch (settings.figure) {
	case CPU: return result.relay_ns / 1000;
	case P99: return (double)result.p99_ns / 1000;
	default: return 1e6 / result.relay_ns;
	}
}

/* Who was at the limit: without it a ratio near one may only say that the load was too slow. */
static void print_shares(size_t count)
{
	fprintf(stderr, "  %-20s %9s %11s %10s %16s\n", "means of all rounds", "kreq/s", "relay busy", "load busy", "relay us/request");
	for (size_t i = 0; i < count; i++) {
		const struct relay_ends_result *total = &relays[i].total;
		double runs = relays[i].runs;

		if (runs > 0)
			fprintf(stderr, "  %-20s %9.1f %9.0f %% %8.0f %% %16.2f\n", relays[i].name, total->requests_per_s / runs / 1000,
				100 * total->relay_busy / runs, 100 * total->ends_busy / runs, total->relay_ns / runs / 1000);
	}
	fprintf(stderr, "\n");
}

/* Each relay has its connections open while the others run. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void init_bench(char *program)
{
	char rounds[] = "--rounds", json[] = "--json", *arguments[5] = {program};
	int count = 1;

	if (settings.rounds[0]) {
		arguments[count++] = rounds;
		arguments[count++] = settings.rounds;
	}
	if (settings.json)
		arguments[count++] = json;
	bench_init(count, arguments);
}

int main(int argc, char **argv)
{
	static const char *const units[] = {"us of processor time a request", "1000 requests a second of processor time", "us"};
	struct bench_case cases[CASES_MAX];
	size_t count = 0;

	read_options(argc, argv);
	init_bench(argv[0]);
	raise_descriptor_limit();
	bench_pin(1);
	for (; optind < argc; optind++, count++) {
		add_relay(count, argv[optind]);
		cases[count] = (struct bench_case){.name = relays[count].name, .run = run, .arg = &relays[count]};
	}
	if (settings.rate > 0)
		snprintf(settings.unit, sizeof settings.unit, "%s at %.0f requests/s", units[settings.figure], settings.rate);
	else
		snprintf(settings.unit, sizeof settings.unit, "%s", units[settings.figure]);
	settings.question.unit = settings.unit;
	settings.question.is_higher_better = settings.figure == CORE;
	bench_ask(&settings.question, cases, count);
	print_shares(count);
	for (size_t i = 0; i < count; i++)
		relay_ends_close(relays[i].ends);
	return 0;
}
