/* The echo of echo.c with stackless tasks: a connection costs its frame and no stack. */
#include "examples/options.h"

struct client {
	struct zok_task task;
	struct zok_socket *peer;
	union { /* one at a time */
		struct zok_recv recv;
		struct zok_send send;
		struct zok_close close;
	} op;
	char buf[4096];
};

static int client_run(struct zok_task *task)
{
	struct client *self = ZOK_CONTAINER_OF(task, struct client, task);
	ssize_t n;

	ZOK_BEGIN(&task->async);
	for (;;) {
		zok_recv_prepare(&self->op.recv, self->peer, self->buf, sizeof self->buf);
		ZOK_AWAIT(n, &self->op.recv.future);
		if (n <= 0)
			break;
		zok_send_prepare(&self->op.send, self->peer, self->buf, (size_t)n);
		ZOK_AWAIT(n, &self->op.send.op.future);
		if (n < 0)
			break;
	}
	zok_close_prepare(&self->op.close, self->peer);
	ZOK_AWAIT(n, &self->op.close.op.future);
	ZOK_END(0);
}

static void client_finish(struct zok_task *task)
{
	free(ZOK_CONTAINER_OF(task, struct client, task));
}

static int client_spawn(struct zok_scope *scope, struct zok_socket *peer)
{
	struct client *client = malloc(sizeof *client);

	if (!client)
		return -ENOMEM;
	client->peer = peer;
	return zok_task_spawn(scope, &client->task, client_run, &(struct zok_spawn_options){.name = "client", .finish = client_finish});
}

static int accept_all(struct zok_socket *door)
{
	struct zok_scope *clients = zok_scope_open(&(struct zok_scope_options){.name = "clients"});
	struct zok_socket *peer;
	int rc = clients ? 0 : -ENOMEM;

	while (rc == 0 && (rc = zok_accept(door, &peer)) == 0)
		if (client_spawn(clients, peer) < 0)
			zok_close(peer);
	if (rc == -ESHUTDOWN)
		rc = 0; /* a drain: those who are here may finish */
	if (clients)
		rc = zok_scope_close(clients, rc);
	zok_close(door);
	return rc;
}

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

	if (options.distribute)
		options_fail("--distribute", options.distribute, "this program has a door a core; echo and relay take it");
	return options_exit_code(zok_run(&options.runtime, gateway, (void *)(uintptr_t)options.listen));
}
