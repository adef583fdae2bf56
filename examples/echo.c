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
	if (rc == -ESHUTDOWN)
		rc = 0; /* a drain: those who are here may finish */
	if (clients)
		rc = zok_scope_close(clients, rc);
	zok_close(door);
	return rc;
}

/* On every core but the first: a door of its own at the same address, among which the kernel spreads the connections. */
static int listen_here(void *arg)
{
	struct options_doors *doors = arg;
	struct zok_socket *door;
	int rc = options_listen(&door, doors->address, &(struct zok_listen_options){.reuse_port = true});

	if (rc < 0)
		return rc;
	rc = zok_call_on(0, options_note_open, doors);
	if (rc == 0)
		return accept_all(door);
	zok_close(door);
	return rc;
}

static int gateway(void *arg)
{
	const struct zok_listen_options options = {.reuse_port = zok_core_count() > 1};
	struct zok_scope *others = zok_scope_open(&(struct zok_scope_options){.name = "cores", .cancel_on_error = true});
	struct options_doors doors;
	struct zok_socket *door;
	int rc = others ? options_listen(&door, arg, &options) : -ENOMEM;

	if (rc < 0)
		return others ? zok_scope_close(others, rc) : rc;
	rc = options_doors_begin(&doors, door);
	for (unsigned core = 1; rc == 0 && core < zok_core_count(); core++)
		rc = zok_spawn_on(core, others, listen_here, &doors, NULL);
	if (rc < 0) {
		zok_close(door);
		return zok_scope_close(others, rc);
	}
	options_note_open(&doors);
	return zok_scope_close(others, accept_all(door));
}

int main(int argc, char **argv)
{
	const struct options options = options_read(argc, argv, false);

	return options_exit_code(zok_run(&options.runtime, gateway, (void *)(uintptr_t)options.listen));
}
