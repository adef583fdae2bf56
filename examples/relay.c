/*
 * A TCP gateway: each connection to --listen is joined with one to --to, and bytes go both ways until both sides have ended. A half-close is
 * passed on; what breaks one side ends the other, and the gateway goes on. Counters are printed at the end.
 */
#include "examples/options.h"

struct gateway {
	const struct options *options;
	const char *to;
	unsigned long refused; /* connections whose upstream could not be reached */
	unsigned long broken;  /* that ended by an error of either side */
};

#define CONNECT_TIMEOUT_NS (5 * ZOK_S)

struct pair {
	struct gateway *gateway;
	struct zok_socket *client, *upstream;
};

/* Counters of all cores: nobody waits for them, so relaxed will do. */
static void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static int forward_answers(void *arg)
{
	struct pair *pair = arg;
	int64_t rc = zok_forward(pair->upstream, pair->client, NULL);

	return rc < 0 ? (int)rc : 0;
}

/* The first side that fails cancels the other. */
static int join(struct pair *pair)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "pair", .cancel_on_error = true});
	int64_t rc;

	if (!scope)
		return -ENOMEM;
	rc = zok_spawn(scope, forward_answers, pair, NULL);
	if (rc == 0)
		rc = zok_forward(pair->client, pair->upstream, NULL);
	return zok_scope_close(scope, rc < 0 ? (int)rc : 0);
}

static uint64_t sum_of_shortages(void)
{
	struct zok_core_stats stats;
	uint64_t sum = 0;

	for (unsigned core = 0; zok_stats(core, &stats) == 0; core++)
		sum += stats.fd_shortages;
	return sum;
}

/* The counters tell the rest; a gateway that is overrun must not fill the disk with it. */
static void tell_once(const char *to)
{
	static bool is_told;

	if (!__atomic_exchange_n(&is_told, true, __ATOMIC_RELAXED))
		fprintf(stderr, "relay: --to %s: not reached within %d s%s; the client was closed, and further ones are only counted\n", to,
			(int)(CONNECT_TIMEOUT_NS / ZOK_S), sum_of_shortages() > 0 ? ", file descriptors are short (ulimit -n)" : "");
}

/* Where descriptors are short a client waits for others to end, but not for ever. */
static int reach(struct pair *pair)
{
	const struct zok_connect_options options = {.waits_for_descriptor = true};
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "connect", .timeout_ns = CONNECT_TIMEOUT_NS});
	int rc;

	if (!scope)
		return -ENOMEM;
	rc = zok_connect(&pair->upstream, pair->gateway->to, &options);
	zok_scope_close(scope, 0);
	if (rc == -ETIMEDOUT)
		tell_once(pair->gateway->to);
	return rc;
}

static void serve(struct zok_socket *client, void *arg)
{
	struct pair pair = {.gateway = arg, .client = client};

	if (reach(&pair) < 0) {
		count(&pair.gateway->refused);
	} else {
		if (join(&pair) < 0)
			count(&pair.gateway->broken);
		zok_close(pair.upstream);
	}
	zok_close(pair.client);
}

static void print_counters(const struct gateway *gateway)
{
	struct zok_core_stats sum = {0}, stats;

	for (unsigned core = 0; core < zok_core_count() && zok_stats(core, &stats) == 0; core++) {
		sum.sockets_opened += stats.sockets_opened;
		sum.sockets_closed += stats.sockets_closed;
		sum.bytes_received += stats.bytes_received;
		sum.bytes_sent += stats.bytes_sent;
		sum.fd_shortages += stats.fd_shortages;
	}
	printf("sockets opened %lu closed %lu, bytes received %lu sent %lu, upstream refused %lu, connections broken %lu, "
	       "descriptors short %lu\n",
	       (unsigned long)sum.sockets_opened, (unsigned long)sum.sockets_closed, (unsigned long)sum.bytes_received,
	       (unsigned long)sum.bytes_sent, gateway->refused, gateway->broken, (unsigned long)sum.fd_shortages);
}

static int run(void *arg)
{
	struct gateway *gateway = arg;
	int rc = options_serve(gateway->options, serve, gateway);

	if (rc >= 0 || rc == -ECANCELED)
		print_counters(gateway);
	return rc;
}

int main(int argc, char **argv)
{
	const struct options options = options_read(argc, argv, true);
	struct gateway gateway = {.options = &options, .to = options.to};

	return options_exit_code(zok_run(&options.runtime, run, &gateway));
}
