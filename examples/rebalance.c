/*
 * Connections that go where there are fewer: sends back what it receives, behind the number of the core that did. Who has been idle for a moment, or
 * has just been answered, moves to the core that serves the fewest, if that serves at least two less.
 */
#include "examples/options.h"

enum { HEAD_SIZE = 4 };

#define IDLE_NS (100 * ZOK_MS)

/* As zok_read(), for a while: then -ETIMEDOUT, and nothing was lost. */
static ssize_t read_for_a_while(struct zok_socket *peer, char *buf, size_t size)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "idle", .timeout_ns = IDLE_NS});
	ssize_t n = scope ? zok_read(peer, buf, size) : -ENOMEM;

	if (scope)
		zok_scope_close(scope, 0);
	return n;
}

static ssize_t answer(struct zok_socket *peer, char *buf, size_t len)
{
	char head[8];

	snprintf(head, sizeof head, "%3u ", (unsigned)zok_core_index() % 1000);
	memcpy(buf, head, HEAD_SIZE);
	return zok_write_all(peer, buf, HEAD_SIZE + len);
}

/* On whichever core: it begins anew where the connection has moved to. */
static void serve(struct zok_socket *peer, void *arg)
{
	char buf[HEAD_SIZE + 4096];
	ssize_t n = 1;

	while (n > 0 || n == -ETIMEDOUT) {
		n = read_for_a_while(peer, buf + HEAD_SIZE, sizeof buf - HEAD_SIZE);
		if (n > 0)
			n = answer(peer, buf, (size_t)n);
		if ((n > 0 || n == -ETIMEDOUT) && zok_serve_rebalance(peer))
			return;
	}
	zok_close(peer);
}

static int gateway(void *arg)
{
	const struct options *options = arg;
	const struct zok_serve_options how = {
		.distribute = options->distribute, .listening = options_listening, .rebalance_surplus = 2, .rebalance_per_second = 1000};
	int rc = zok_serve(options->listen, &how, serve, NULL);

	if (rc < 0 && rc != -ECANCELED)
		fprintf(stderr, "--listen %s: %s\n", options->listen, strerror(-rc));
	return rc;
}

int main(int argc, char **argv)
{
	struct options options = options_read(argc, argv, false);

	return options_exit_code(zok_run(&options.runtime, gateway, &options));
}
