/*
 * What it costs to move a connection: each hop a byte comes, is read, and the connection goes to the other core and is served on by a new fiber there;
 * beside it the same reads without a move, and a call to the other core and back: what a message costs that is answered. Parked cores.
 * First case: ours on io_uring.
 */
#include "perf/bench/bench.h"
#include "zokio/zokio.h"

#include <math.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOPS = 20000 };

struct how {
	const char *engine;
	bool moves, calls;
};

/* A run's. One core at a time touches it. */
static struct {
	const struct how *how;
	struct zok_scope *scopes[2];
	struct zok_event over[2];
	int peer, hops;
	uint64_t began_ns;
	double us;
} run;

static int hop(void *arg);

static int arrive(struct zok_socket *socket, void *arg)
{
	return zok_spawn(run.scopes[zok_core_index()], hop, socket, NULL);
}

static int set_over(void *arg)
{
	zok_event_set(&run.over[zok_core_index()]);
	return 0;
}

static int end(struct zok_socket *socket)
{
	run.us = (double)(bench_now_ns() - run.began_ns) / HOPS / 1e3;
	close(run.peer);
	zok_close(socket);
	zok_call_on(0, set_over, NULL);
	return zok_call_on(1, set_over, NULL);
}

static int hop(void *arg)
{
	struct zok_socket *socket = arg;
	char byte = 0;

	while (run.hops-- > 0) {
		if (send(run.peer, &byte, 1, MSG_NOSIGNAL) != 1 || zok_read(socket, &byte, 1) != 1)
			break;
		if (run.how->moves && zok_socket_move(socket, 1 - (unsigned)zok_core_index(), arrive, NULL) == 0)
			return 0;
	}
	return end(socket);
}

static int nothing(void *arg)
{
	return 0;
}

/* A core's part: the scope of what it serves. */
static int hold(void *arg)
{
	int core = zok_core_index();

	run.scopes[core] = zok_scope_open(NULL);
	zok_event_init(&run.over[core], false);
	if (core == 0) {
		run.began_ns = bench_now_ns();
		zok_spawn(run.scopes[0], hop, arg, NULL);
	}
	zok_event_wait(&run.over[core]);
	return zok_scope_close(run.scopes[core], 0);
}

static int hops_between(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_socket *socket;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 || zok_socket_adopt(&socket, fds[0]) < 0)
		return zok_scope_close(scope, 0);
	run.peer = fds[1];
	run.hops = HOPS;
	zok_spawn_on(1, scope, hold, NULL, NULL);
	zok_call_on(1, nothing, NULL); /* it holds by now */
	hold(socket);
	return zok_scope_close(scope, 0);
}

static int calls(void *arg)
{
	run.began_ns = bench_now_ns();
	for (int i = 0; i < HOPS; i++)
		zok_call_on(1, nothing, NULL);
	run.us = (double)(bench_now_ns() - run.began_ns) / HOPS / 1e3;
	return 0;
}

static double measure(void *how)
{
	const struct zok_options options = {.cores = "all:2", .keep_signals = true, .no_export = true};
	struct zok_options chosen = options;

	if (bench_cpu_count() < 2)
		return NAN;
	run.how = how;
	run.us = NAN;
	chosen.engine = run.how->engine;
	bench_unpin();
	zok_run(&chosen, run.how->calls ? calls : hops_between, NULL);
	return run.us;
}

int main(int argc, char **argv)
{
	static struct how uring = {"uring", true, false}, epoll = {"epoll", true, false}, uring_stays = {"uring", false, false},
			  epoll_stays = {"epoll", false, false}, uring_calls = {"uring", false, true}, epoll_calls = {"epoll", false, true};
	const struct bench_question question = {.name = "move", .unit = "us"};
	const struct bench_case cases[] = {
		{"read and move, uring", measure, &uring},	 {"read and move, epoll", measure, &epoll},
		{"read, uring", measure, &uring_stays},		 {"read, epoll", measure, &epoll_stays},
		{"zok_call_on(), uring", measure, &uring_calls}, {"zok_call_on(), epoll", measure, &epoll_calls},
	};

	bench_init(argc, argv);
	bench_ask(&question, cases, sizeof cases / sizeof *cases);
	return 0;
}
