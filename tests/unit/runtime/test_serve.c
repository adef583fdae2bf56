/* Serving on every core: each connection is served once, by the core that it should be; the whole ends by a drain, a cancel, or not at all. */
#include "zokio/drain.h"
#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/serve.h"
#include "zokio/sync.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CLIENTS = 40, CORES_MAX = 64 };

static const char *const engines[] = {"uring", "epoll"};

/* What serves, and what it has done. */
static struct {
	char address[ZOK_ADDRESS_SIZE];
	struct zok_event listens; /* of the first core */
	int served[CORES_MAX];	  /* atomic */
	int result;
} server;

/* Tells its core, then sends back what it gets. */
static void tell_and_echo(struct zok_socket *peer, void *arg)
{
	char core = (char)zok_core_index(), buf[64];
	ssize_t n;

	__atomic_fetch_add(&server.served[(int)core], 1, __ATOMIC_RELAXED);
	zok_write_all(peer, &core, 1);
	while ((n = zok_read(peer, buf, sizeof buf)) > 0)
		zok_write_all(peer, buf, (size_t)n);
	zok_close(peer);
}

static void note_address(const struct zok_socket *door, void *arg)
{
	zok_local_address(door, server.address, sizeof server.address);
	zok_event_set(&server.listens);
}

struct plan {
	const char *address, *distribute;
	bool ends_by_cancel;
};

static int serves(void *arg)
{
	const struct plan *plan = arg;
	const struct zok_serve_options options = {.distribute = plan->distribute, .listening = note_address, .fiber.name = "client"};

	server.result = zok_serve(plan->address, &options, tell_and_echo, NULL);
	return 0;
}

static uint64_t sum_of_accepted(uint64_t *handed)
{
	struct zok_core_stats stats;
	uint64_t sum = 0;

	for (unsigned core = 0; zok_stats(core, &stats) == 0; core++) {
		sum += stats.connections_accepted;
		*handed += stats.connections_handed;
	}
	return sum;
}

static void check_served(const struct plan *plan)
{
	unsigned cores = zok_core_count(), sum = 0;
	uint64_t handed = 0;
	bool is_by_load = strncmp(plan->address, "unix:", 5) == 0 || (plan->distribute && strcmp(plan->distribute, "load") == 0);

	for (unsigned core = 0; core < cores; core++) {
		unsigned served = (unsigned)__atomic_load_n(&server.served[core], __ATOMIC_RELAXED);

		sum += served;
		if (is_by_load)
			assert_in_range(served, CLIENTS / cores, CLIENTS / cores + 1);
	}
	assert_int_equal(sum, CLIENTS);
	assert_int_equal(sum_of_accepted(&handed), CLIENTS);
	assert_int_equal(handed, is_by_load ? CLIENTS - (unsigned)server.served[0] : 0);
}

/* Each client says something of its own, and gets that. */
static void talk(struct zok_socket *peer, int number)
{
	char said[16], heard[16];

	memset(said, 'a' + number % 26, sizeof said);
	assert_int_equal(zok_write_all(peer, said, sizeof said), sizeof said);
	assert_int_equal(zok_read_all(peer, heard, sizeof heard), sizeof heard);
	assert_memory_equal(said, heard, sizeof said);
}

static int has_clients(void *arg)
{
	const struct plan *plan = arg;
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_socket *clients[CLIENTS];
	char byte;

	memset(&server, 0, sizeof server);
	zok_event_init(&server.listens, false);
	zok_spawn(scope, serves, arg, NULL);
	zok_event_wait(&server.listens);
	for (int i = 0; i < CLIENTS; i++) {
		assert_int_equal(zok_connect(&clients[i], server.address, NULL), 0);
		assert_int_equal(zok_read(clients[i], &byte, 1), 1);
	}
	check_served(plan);
	if (plan->ends_by_cancel)
		zok_scope_cancel(scope);
	else
		zok_runtime_drain(NULL);
	for (int i = 0; !plan->ends_by_cancel && i < CLIENTS; i++)
		talk(clients[i], i);
	for (int i = 0; i < CLIENTS; i++)
		zok_close(clients[i]);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(server.result, plan->ends_by_cancel ? -ECANCELED : 0);
	return 0;
}

/* Left open, sockets would be told in the log. */
static int line_count;

static void count_line(void *arg, enum zok_log_level level, const char *text)
{
	__atomic_fetch_add(&line_count, 1, __ATOMIC_RELAXED);
	print_message("%s\n", text);
}

static void run_on_every_engine(int (*fn)(void *arg), struct plan *plan)
{
	line_count = 0;
	zok_log_set(count_line, NULL);
	for (int i = 0; i < 2; i++) {
		int rc = zok_run(&(struct zok_options){.cores = "all", .engine = engines[i], .stall_detector = "off"}, fn, plan);

		if (i == 0 && (rc == -ENOSYS || rc == -EPERM || rc == -EINVAL))
			line_count = 0; /* no io_uring here */
		else
			assert_int_equal(rc, 0);
	}
	assert_int_equal(line_count, 0);
	zok_log_set(NULL, NULL);
}

static void every_connection_is_served_once(void **state)
{
	static const char *const words[] = {NULL, "reuseport", "cpu", "load"};

	for (int i = 0; i < 4; i++)
		for (int cancel = 0; cancel < 2; cancel++)
			run_on_every_engine(has_clients, &(struct plan){"tcp://127.0.0.1:0", words[i], cancel});
}

static void a_unix_address_is_served_by_load(void **state)
{
	run_on_every_engine(has_clients, &(struct plan){"unix:serve.sock", NULL, false});
	assert_int_equal(access("serve.sock", F_OK), -1);
	run_on_every_engine(has_clients, &(struct plan){"unix:serve.sock", "cpu", true});
	assert_int_equal(access("serve.sock", F_OK), -1);
}

/* ---- From core to core ---- */

enum { CROWD = 12, SURPLUS = 3 };

static int serving; /* atomic: how many fibers are in `hops`, over all cores */

/* Answers with its core; between two requests it moves if there is a better one. A fiber of its own may not move it. */
static int asks_in_vain(void *arg)
{
	return zok_serve_rebalance(arg) ? 1 : 0;
}

static void hops(struct zok_socket *peer, void *arg)
{
	struct zok_scope *scope;
	char core, byte;

	__atomic_fetch_add(&serving, 1, __ATOMIC_RELAXED);
	while (zok_read(peer, &byte, 1) == 1) {
		core = (char)zok_core_index();
		if (byte == 'x' && (scope = zok_scope_open(NULL)) != NULL) {
			zok_spawn(scope, asks_in_vain, peer, NULL);
			zok_scope_close(scope, 0);
		}
		if (zok_write_all(peer, &core, 1) < 0)
			break;
		if (byte != 'x' && zok_serve_rebalance(peer)) {
			__atomic_fetch_sub(&serving, 1, __ATOMIC_RELAXED);
			return;
		}
	}
	__atomic_fetch_sub(&serving, 1, __ATOMIC_RELAXED);
	zok_close(peer);
}

static int serves_with_hops(void *arg)
{
	const struct plan *plan = arg;
	const struct zok_serve_options options = {
		.distribute = plan->distribute, .listening = note_address, .rebalance_surplus = SURPLUS, .rebalance_per_second = 1000000};

	server.result = zok_serve(plan->address, &options, hops, NULL);
	return 0;
}

static unsigned ask_core(struct zok_socket *client, char question)
{
	char core;

	assert_int_equal(zok_write_all(client, &question, 1), 1);
	assert_int_equal(zok_read(client, &core, 1), 1);
	return (unsigned)core;
}

static void count_by_core(struct zok_socket **clients, int count, unsigned *counts, char question)
{
	memset(counts, 0, CORES_MAX * sizeof *counts);
	for (int i = 0; i < count; i++)
		counts[ask_core(clients[i], question)]++;
}

static bool is_spread(const unsigned *counts)
{
	unsigned least = UINT32_MAX, most = 0;

	for (unsigned core = 0; core < zok_core_count(); core++) {
		least = counts[core] < least ? counts[core] : least;
		most = counts[core] > most ? counts[core] : most;
	}
	return most < least + SURPLUS;
}

/* Until CROWD of them are on core 0 and none is elsewhere: each other client goes again. */
static void gather_on_the_first(struct zok_socket **clients)
{
	for (int count = 0; count < CROWD;) {
		assert_int_equal(zok_connect(&clients[count], server.address, NULL), 0);
		if (ask_core(clients[count], 'x') == 0)
			count++;
		else
			zok_close(clients[count]);
	}
	while (__atomic_load_n(&serving, __ATOMIC_RELAXED) > CROWD)
		zok_yield();
}

static uint64_t sum_of_moves(void)
{
	struct zok_core_stats stats;
	uint64_t sum = 0;

	for (unsigned core = 0; zok_stats(core, &stats) == 0; core++)
		sum += stats.connections_moved_in;
	return sum;
}

static int has_a_crowd(void *arg)
{
	const struct plan *plan = arg;
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_socket *clients[CROWD];
	unsigned counts[CORES_MAX];

	memset(&server, 0, sizeof server);
	zok_event_init(&server.listens, false);
	zok_spawn(scope, serves_with_hops, arg, NULL);
	zok_event_wait(&server.listens);
	gather_on_the_first(clients);
	assert_int_equal(sum_of_moves(), 0); /* nobody has asked who may */
	do
		count_by_core(clients, CROWD, counts, '?');
	while (!is_spread(counts));
	assert_true(sum_of_moves() > 0 || zok_core_count() == 1);
	if (plan->ends_by_cancel)
		zok_scope_cancel(scope);
	else
		zok_runtime_drain(NULL);
	for (int i = 0; i < CROWD; i++) {
		if (!plan->ends_by_cancel)
			ask_core(clients[i], '?');
		zok_close(clients[i]);
	}
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(server.result, plan->ends_by_cancel ? -ECANCELED : 0);
	return 0;
}

static void a_crowd_spreads(void **state)
{
	for (int cancel = 0; cancel < 2; cancel++)
		run_on_every_engine(has_a_crowd, &(struct plan){"tcp://127.0.0.1:0", "reuseport", cancel});
}

/* It gives connections out by load, so a crowd comes of those that stay when others end. */
static int has_those_who_stay(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_socket *all[2 * CROWD], *stay[2 * CROWD];
	unsigned counts[CORES_MAX];
	int count = 0;

	memset(&server, 0, sizeof server);
	zok_event_init(&server.listens, false);
	zok_spawn(scope, serves_with_hops, arg, NULL);
	zok_event_wait(&server.listens);
	for (int i = 0; i < 2 * CROWD; i++)
		assert_int_equal(zok_connect(&all[i], server.address, NULL), 0);
	for (int i = 0; i < 2 * CROWD; i++) {
		if (ask_core(all[i], 'x') == zok_core_count() - 1)
			stay[count++] = all[i];
		else
			zok_close(all[i]);
	}
	while (__atomic_load_n(&serving, __ATOMIC_RELAXED) > count)
		zok_yield();
	do
		count_by_core(stay, count, counts, '?');
	while (!is_spread(counts));
	zok_runtime_drain(NULL);
	for (int i = 0; i < count; i++)
		zok_close(stay[i]);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(server.result, 0);
	return 0;
}

static void those_who_stay_spread(void **state)
{
	run_on_every_engine(has_those_who_stay, &(struct plan){"tcp://127.0.0.1:0", "load", false});
}

static void never(struct zok_socket *peer, void *arg)
{
	abort();
}

/* Somebody else's door, without SO_REUSEPORT. */
static int finds_the_door_taken(void *arg)
{
	const struct plan *plan = arg;
	const struct zok_serve_options options = {.distribute = plan->distribute};
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door;

	assert_int_equal(zok_listen(&door, "tcp://127.0.0.1:0", NULL), 0);
	assert_int_equal(zok_local_address(door, address, sizeof address), 0);
	assert_int_equal(zok_serve(address, &options, never, NULL), -EADDRINUSE);
	assert_int_equal(zok_close(door), 0);
	return 0;
}

static void a_door_that_does_not_open_is_told(void **state)
{
	run_on_every_engine(finds_the_door_taken, &(struct plan){NULL, NULL, false});
	run_on_every_engine(finds_the_door_taken, &(struct plan){NULL, "load", false});
}

static int misuses(void *arg)
{
	char long_address[ZOK_ADDRESS_SIZE + 8];

	memset(long_address, 'x', sizeof long_address - 1);
	long_address[sizeof long_address - 1] = '\0';
	assert_int_equal(zok_serve("tcp://127.0.0.1:0", &(struct zok_serve_options){.distribute = "fair"}, never, NULL), -EINVAL);
	assert_int_equal(zok_serve("tcp://127.0.0.1:0", &(struct zok_serve_options){.rebalance_surplus = 1}, never, NULL), -EINVAL);
	assert_int_equal(zok_serve("tcp://127.0.0.1:0", &(struct zok_serve_options){.rebalance_per_second = 1000001}, never, NULL),
			 -EINVAL);
	assert_false(zok_serve_rebalance(NULL)); /* not a connection's fiber */
	assert_int_equal(zok_serve("no address", NULL, never, NULL), -EINVAL);
	assert_int_equal(zok_serve(long_address, NULL, never, NULL), -EINVAL);
	return 0;
}

static void misuse_is_told(void **state)
{
	zok_log_level_set(ZOK_LOG_OFF);
	assert_int_equal(zok_serve("tcp://127.0.0.1:0", NULL, never, NULL), -EINVAL);
	assert_int_equal(zok_run(&(struct zok_options){.cores = "all", .engine = "epoll"}, misuses, NULL), 0);
	zok_log_level_set(ZOK_LOG_WARN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_connection_is_served_once),
		cmocka_unit_test(a_unix_address_is_served_by_load),
		cmocka_unit_test(a_crowd_spreads),
		cmocka_unit_test(those_who_stay_spread),
		cmocka_unit_test(a_door_that_does_not_open_is_told),
		cmocka_unit_test(misuse_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
