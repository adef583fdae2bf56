/* Sends back what it receives: a fiber a connection, on every core. */
#include "examples/options.h"

static void serve(struct zok_socket *peer, void *arg)
{
	char buf[4096];
	ssize_t n;

	while ((n = zok_read(peer, buf, sizeof buf)) > 0)
		if (zok_write_all(peer, buf, (size_t)n) < 0)
			break;
	zok_close(peer);
}

static int gateway(void *arg)
{
	return options_serve(arg, serve, NULL);
}

int main(int argc, char **argv)
{
	struct options options = options_read(argc, argv, false);

	return options_exit_code(zok_run(&options.runtime, gateway, &options));
}
