/*
 * What a slot in the ring's file table (uring/direct.h) saves an op, and what it costs to get one and to give it back: the engine with direct
 * descriptors on against the same engine with plain ones. Then what is left of that in a TCP echo, where the two servers are asked in turns.
 *
 * An op here is a read of one byte of /dev/null, as little kernel as there can be around what is asked; or a message, a send that finds room and
 * a receive that finds it, on one of 64 Unix socket pairs. Two threads: the process has another one, which sleeps. A round is a slice of some
 * milliseconds of each in turn.
 */
#include "core/bufs.h"
#include "core/counters.h"
#include "core/engine.h"
#include "perf/bench/bench.h"
#include "perf/bench/echo_load.h"
#include "perf/bench/echo_server.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PAIRS = 64, OPS = 2 * PAIRS, TURNS = 40, TURNS_WARM = 8, LIVES = 8, OPS_OF_A_LIFE = 2, QUESTION_ROUNDS = 101, SQPOLL_IDLE_MS = 1 };

/* One case: which mode, which kind of descriptors. */
struct rig;

struct setting {
	enum zok__mode mode;
	enum zok__direct_choice direct;
};

typedef void (*turn_fn)(struct rig *rig);

struct rig {
	const struct setting *setting;
	turn_fn turn;
	struct zok__engine *engine;
	struct zok__counters counters;
	struct zok_op ops[OPS];
	int fds[PAIRS][2];
	unsigned pending;
};

static char message[64], received[OPS][64];

static struct rig *rig_of_op; /* the one that runs */

static _Noreturn void fail(const char *what, int error)
{
	fprintf(stderr, "bench_direct: %s: %s\n", what, strerror(error));
	exit(1);
}

static void check_active(const struct rig *rig, const struct setting *setting)
{
	struct zok__engine_report report;

	rig->engine->ops->report(rig->engine, &report);
	for (size_t i = 0; i < report.feature_count; i++)
		if (strcmp(report.features[i].name, "direct-descriptors") == 0 &&
		    report.features[i].is_active != (setting->direct == ZOK__DIRECT_ON))
			fail(report.features[i].reason, ENOTSUP);
}

static struct rig *rig_open(const struct setting *setting)
{
	struct rig *rig = calloc(1, sizeof *rig);
	struct zok__engine_options options = {
		.mode = setting->mode,
		.sqpoll_cpu = (int)bench_cpu_count() - 1,
		.sqpoll_idle_ms = SQPOLL_IDLE_MS,
		.direct_descriptors = setting->direct,
		.direct_after_ops = 1,
	};
	char reason[256] = "";
	int rc;

	if (!rig)
		fail("rig", ENOMEM);
	options.counters = &rig->counters;
	rc = zok__engine_uring.create(&rig->engine, &options, reason, sizeof reason);
	if (rc < 0)
		fail(reason, -rc);
	rig->setting = setting;
	check_active(rig, setting);
	return rig;
}

static void rig_close(struct rig *rig)
{
	rig->engine->ops->destroy(rig->engine);
	free(rig);
}

static void on_done(struct zok_op *op, const struct zok_completion *completion)
{
	if (completion->result < 0)
		fail("op", -completion->result);
	rig_of_op->pending--;
}

static void submit(struct rig *rig, struct zok_op *op, enum zok_op_kind kind, int fd, char *buf, size_t len)
{
	*op = (struct zok_op){.deliver = on_done, .kind = (uint8_t)kind, .fd = fd};
	op->arg.buffer.base = buf;
	op->arg.buffer.len = len;
	rig->pending++;
	rig->engine->ops->submit(rig->engine, op);
}

static void await_all(struct rig *rig)
{
	while (rig->pending > 0)
		rig->engine->ops->wait(rig->engine, ZOK_NEVER);
}

/* A send and a receive of each pair; the sends first, so that no receive waits. */
static void exchange(struct rig *rig)
{
	for (int i = 0; i < PAIRS; i++)
		submit(rig, &rig->ops[2 * i], ZOK_OP_SEND, rig->fds[i][1], message, sizeof message);
	for (int i = 0; i < PAIRS; i++)
		submit(rig, &rig->ops[2 * i + 1], ZOK_OP_RECV, rig->fds[i][0], received[i], sizeof message);
	await_all(rig);
}

static void read_all(struct rig *rig)
{
	for (int i = 0; i < OPS; i++)
		submit(rig, &rig->ops[i], ZOK_OP_READ, rig->fds[i / 2][i % 2], received[i], 1);
	await_all(rig);
}

static void open_pairs(struct rig *rig)
{
	for (int i = 0; i < PAIRS; i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, rig->fds[i]) < 0)
			fail("socketpair", errno);
}

static void close_pairs(struct rig *rig)
{
	for (int i = 0; i < OPS; i++)
		submit(rig, &rig->ops[i], ZOK_OP_CLOSE, rig->fds[i / 2][i % 2], NULL, 0);
	await_all(rig);
}

static void open_nulls(struct rig *rig)
{
	for (int i = 0; i < OPS; i++) {
		rig->fds[i / 2][i % 2] = open("/dev/null", O_RDONLY | O_CLOEXEC);
		if (rig->fds[i / 2][i % 2] < 0)
			fail("/dev/null", errno);
	}
}

/* ns an op. What came before warms up, and lets the other's poll thread fall asleep. */
static double slice(void *arg)
{
	struct rig *rig = arg;
	const uint64_t asleep_ns = bench_now_ns() + (rig->setting->mode == ZOK__MODE_SQPOLL ? 3 * SQPOLL_IDLE_MS * ZOK_MS : 0);
	uint64_t start_ns;

	rig_of_op = rig;
	for (int i = 0; i < TURNS_WARM || bench_now_ns() < asleep_ns; i++)
		rig->turn(rig);
	start_ns = bench_now_ns();
	for (int i = 0; i < TURNS; i++)
		rig->turn(rig);
	return (double)(bench_now_ns() - start_ns) / ((double)TURNS * OPS);
}

/* ns a descriptor that lives for two ops, the first of which makes it direct here: used and closed. */
static double lives(void *arg)
{
	struct rig *rig = arg;
	uint64_t total_ns = 0, start_ns;

	rig_of_op = rig;
	for (int i = 0; i < LIVES; i++) {
		open_pairs(rig);
		start_ns = bench_now_ns();
		for (int op = 0; op < OPS_OF_A_LIFE; op++)
			exchange(rig);
		close_pairs(rig);
		total_ns += bench_now_ns() - start_ns;
	}
	return (double)total_ns / ((double)LIVES * OPS);
}

static void compare_rigs(const char *name, double (*run)(void *arg), struct rig *direct, struct rig *plain)
{
	const struct bench_case cases[] = {{"direct", run, direct}, {"plain", run, plain}};

	bench_ask(&(struct bench_question){.name = name, .unit = "ns", .rounds = QUESTION_ROUNDS, .subject = "direct", .against = "plain"},
		  cases, 2);
}

static void ask_ops(const char *name, enum zok__mode mode, void (*open_all)(struct rig *rig), turn_fn turn)
{
	struct setting settings[] = {{mode, ZOK__DIRECT_ON}, {mode, ZOK__DIRECT_OFF}};
	struct rig *rigs[2];

	for (int i = 0; i < 2; i++) {
		rigs[i] = rig_open(&settings[i]);
		rigs[i]->turn = turn;
		open_all(rigs[i]);
	}
	compare_rigs(name, slice, rigs[0], rigs[1]);
	for (int i = 0; i < 2; i++) {
		rig_of_op = rigs[i];
		close_pairs(rigs[i]);
		rig_close(rigs[i]);
	}
}

static void ask_lives(void)
{
	const struct setting settings[] = {{ZOK__MODE_SPIN, ZOK__DIRECT_ON}, {ZOK__MODE_SPIN, ZOK__DIRECT_OFF}};
	struct rig *rigs[] = {rig_open(&settings[0]), rig_open(&settings[1])};

	compare_rigs("direct_life", lives, rigs[0], rigs[1]);
	rig_close(rigs[0]);
	rig_close(rigs[1]);
}

/* ---- Another thread ---- */

static sem_t go_home;

static void *sleep_until_told(void *arg)
{
	sem_wait(&go_home);
	return NULL;
}

static void ask_beside_a_thread(void)
{
	pthread_t thread;

	if (sem_init(&go_home, 0, 0) < 0 || pthread_create(&thread, NULL, sleep_until_told, NULL) != 0)
		fail("thread", errno);
	ask_ops("direct_read_two_threads", ZOK__MODE_SPIN, open_nulls, read_all);
	ask_ops("direct_message_two_threads", ZOK__MODE_SPIN, open_pairs, exchange);
	sem_post(&go_home);
	pthread_join(thread, NULL);
	sem_destroy(&go_home);
}

/* ---- Echo ---- */

struct contender {
	const char *choice; /* for ZOK_DIRECT */
	struct echo_server server;
	struct echo_load *load;
	double busy, requests; /* the share of a CPU, and a second: summed over the rounds */
};

static double echo(void *arg)
{
	struct contender *contender = arg;
	const struct echo_load_slice slice = {.warmup_ns = 5000000, .measure_ns = 25000000, .server_clock = contender->server.cpu_clock};
	struct echo_load_result result;

	if (echo_load_run(contender->load, &slice, &result) < 0)
		return NAN;
	contender->busy += result.server_busy;
	contender->requests += result.requests_per_s;
	return result.requests_per_s / 1000;
}

static void start(struct contender *contender, const char *folder, int cpu)
{
	static char path[4096], processor[16];
	const char *const argv[] = {path,      "--listen", "tcp://127.0.0.1:{port}", "--engine", "uring", "--mode", "park", "--cores",
				    processor, NULL};
	int rc;

	snprintf(path, sizeof path, "%s/../../examples/echo", folder);
	snprintf(processor, sizeof processor, "%d", cpu);
	setenv("ZOK_DIRECT", contender->choice, 1);
	rc = echo_server_start(&contender->server, argv, cpu);
	if (rc < 0)
		fail(path, -rc);
}

static void compare(struct contender contenders[2], unsigned connections)
{
	char name[64];
	const struct bench_case cases[] = {{"direct", echo, &contenders[0]}, {"plain", echo, &contenders[1]}};

	for (int i = 0; i < 2; i++) {
		int rc = echo_load_open(&contenders[i].load, contenders[i].server.port, connections);

		if (rc < 0)
			fail("connections", -rc);
		contenders[i].busy = contenders[i].requests = 0;
	}
	snprintf(name, sizeof name, "direct_echo_%u", connections);
	bench_ask(&(struct bench_question){.name = name,
					   .unit = "1000 requests/s",
					   .is_higher_better = true,
					   .rounds = QUESTION_ROUNDS,
					   .subject = "direct",
					   .against = "plain"},
		  cases, 2);
	for (int i = 0; i < 2; i++) {
		if (contenders[i].requests > 0)
			fprintf(stderr, "  %-8s %.0f ns of the server's CPU time a request\n", cases[i].name,
				1e9 * contenders[i].busy / contenders[i].requests);
		echo_load_close(contenders[i].load);
	}
}

static void ask_echo(void)
{
	struct contender contenders[] = {{.choice = "on"}, {.choice = "off"}};
	char self[4096] = "";
	const char *folder;
	int cpu = bench_pin(0);

	if (readlink("/proc/self/exe", self, sizeof self - 1) < 0)
		fail("/proc/self/exe", errno);
	folder = dirname(self);
	for (int i = 0; i < 2; i++)
		start(&contenders[i], folder, cpu);
	bench_pin(1);
	for (unsigned connections = 1; connections <= ECHO_LOAD_CONNECTIONS_MAX; connections = connections == 1 ? 64 : connections * 16)
		compare(contenders, connections);
	for (int i = 0; i < 2; i++)
		echo_server_stop(&contenders[i].server);
}

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
	bench_init(argc, argv);
	raise_descriptor_limit();
	bench_pin(0);
	ask_ops("direct_read", ZOK__MODE_SPIN, open_nulls, read_all);
	ask_ops("direct_message", ZOK__MODE_SPIN, open_pairs, exchange);
	ask_beside_a_thread();
	ask_ops("direct_read_sqpoll", ZOK__MODE_SQPOLL, open_nulls, read_all);
	ask_ops("direct_message_sqpoll", ZOK__MODE_SQPOLL, open_pairs, exchange);
	ask_lives();
	ask_echo();
	return 0;
}
