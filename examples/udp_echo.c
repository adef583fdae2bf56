/* Sends back the datagrams that it receives: udp_echo --listen udp://127.0.0.1:7000, and what else echo takes. */
#include "examples/options.h"

static void announce(const struct zok_dgram_socket *socket)
{
	struct zok_endpoint self;
	char text[ZOK_ADDRESS_SIZE];

	if (zok_dgram_local(socket, &self) == 0 && zok_endpoint_format(&self, text, sizeof text) == 0)
		printf("listening on %s\n", text);
	fflush(stdout);
}

static int echo(void *arg)
{
	const struct options *options = arg;
	struct zok_dgram_socket *socket;
	struct zok_endpoint from;
	char buf[65536];
	ssize_t n;
	int rc = zok_dgram_open(&socket, options->listen, NULL);

	if (rc < 0) {
		fprintf(stderr, "--listen %s: %s\n", options->listen, strerror(-rc));
		return rc;
	}
	announce(socket);
	while ((n = zok_dgram_recv(socket, buf, sizeof buf, &from)) != -ECANCELED)
		if (n >= 0 && (size_t)n <= sizeof buf) /* an error of one receiver is no reason to stop: the next send would tell it */
			zok_dgram_send(socket, buf, (size_t)n, &from);
	zok_dgram_close(socket);
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = options_read_datagrams(argc, argv);

	options.runtime.stack_size = 128 * 1024; /* the buffer lies on it */
	return options_exit_code(zok_run(&options.runtime, echo, &options));
}
