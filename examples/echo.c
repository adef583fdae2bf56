/* Sends back what it receives: a fiber a connection, a door a core. */
#include "examples/options.h"

static int serve(void *arg)
{
	struct zok_socket *peer = arg;
	char buf[4096];
	ssize_t n;

	while ((n = zok_read(peer, buf, sizeof buf)) > 0)
		if (zok_write_all(peer, buf, (size_t)n) < 0)
			break;
	return zok_close(peer);
}

static int accept_all(struct zok_socket *door)
{
	struct zok_scope *clients = zok_scope_open(&(struct zok_scope_options){.name = "clients"});
	struct zok_socket *peer;
	int rc = clients ? 0 : -ENOMEM;

	while (rc == 0 && (rc = zok_accept(door, &peer)) == 0)
		if (zok_spawn(clients, serve, peer, NULL) < 0)
			zok_close(peer); /* no memory for a fiber: this client goes, the others stay */
	if (clients)
		rc = zok_scope_close(clients, rc);
	zok_close(door);
	return rc;
}

/* On every core but the first: a door of its own at the same address, among which the kernel spreads the connections. */
static int listen_here(void *arg)
{
	struct zok_socket *door;
	int rc = options_listen(&door, arg, &(struct zok_listen_options){.reuse_port = true});

	return rc < 0 ? rc : accept_all(door);
}

static int gateway(void *arg)
{
	const struct zok_listen_options options = {.reuse_port = zok_core_count() > 1};
	char address[ZOK_ADDRESS_SIZE];
	struct zok_socket *door;
	int rc = options_listen(&door, arg, &options);

	if (rc < 0)
		return rc;
	zok_local_address(door, address, sizeof address); /* the port, where the kernel has chosen it */
	for (unsigned core = 1; rc == 0 && core < zok_core_count(); core++)
		rc = zok_spawn_on(core, NULL, listen_here, address, NULL);
	options_announce(door);
	return accept_all(door);
}

int main(int argc, char **argv)
{
	const struct options options = options_read(argc, argv, false);

	return options_exit_code(zok_run(&options.runtime, gateway, (void *)(uintptr_t)options.listen));
}
