/*
 * Serving on every core. Each core has a part: where there is a door a core, its door and the fibers of what comes through it; where connections are
 * given out by load, the fibers of what it is given. A part's fiber, a child of zok_serve()'s scope, holds the scope of its connections.
 */
#include "runtime/runtime.h"

#include "core/alloc.h"
#include "core/fault.h"
#include "core/log.h"
#include "net/door.h"
#include "net/steer.h"
#include "zokio/cores.h"
#include "zokio/drain.h"
#include "zokio/serve.h"
#include "zokio/sync.h"
#include "zokio/timer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define SHORTAGE_NS (10 * ZOK_MS)

enum { BATCH_MAX = 64, REBALANCE_DEFAULT = 100, REBALANCE_MAX = 1000000 };

enum distribution { BY_PORT, BY_CPU, BY_LOAD };

struct serve;

/* One core's, on lines of its own. */
struct part {
	_Alignas(ZOK_FALSE_SHARING) uint64_t connection_count; /* atomic, relaxed: the giver's guess at the load */
	struct serve *serve;
	unsigned core;
	struct zok_socket *door;   /* NULL: none of its own */
	struct zok_scope *clients; /* of its connections; NULL while nothing can be given to it */
	uint64_t move_next_ns;	   /* when the next may be moved away */
	struct zok_event no_more;  /* by load: the last has been given */
};

struct serve {
	char address[ZOK_ADDRESS_SIZE]; /* with the port that the kernel has chosen */
	struct zok_serve_options options;
	enum distribution distribution;
	void (*fn)(struct zok_socket *peer, void *arg);
	void *arg;
	unsigned part_count, next; /* by load: who is asked first, so that equals take turns */
	struct part parts[];
};

/* ---- A connection ---- */

struct client {
	struct part *part;
	struct zok_socket *peer; /* NULL: still a descriptor */
	int fd;
	struct zok__defer ended; /* its fiber, whatever ended it */
};

static uint64_t load_of(const struct part *part)
{
	return __atomic_load_n(&part->connection_count, __ATOMIC_RELAXED);
}

static void count_connections(struct part *part, int64_t change)
{
	__atomic_fetch_add(&part->connection_count, (uint64_t)change, __ATOMIC_RELAXED);
}

static void client_ended(struct zok__defer *defer)
{
	struct client *client = ZOK_CONTAINER_OF(defer, struct client, ended);

	count_connections(client->part, -1);
	zok__release(zok_allocator(), client, sizeof *client);
}

static int serve_client(void *arg)
{
	struct client *client = arg;
	const struct serve *serve = client->part->serve;

	client->ended.run = client_ended;
	zok__defer_push(zok__fiber_of(zok_task_current()), &client->ended);
	if (!client->peer && zok_socket_adopt(&client->peer, client->fd) < 0)
		zok__sys_close(client->fd);
	else
		serve->fn(client->peer, serve->arg);
	return 0;
}

/* On failure the connection is still the caller's. */
static int spawn_client(struct part *part, struct zok_scope *clients, struct zok_socket *peer, int fd)
{
	struct client *client = zok__allocate(zok_allocator(), sizeof *client, _Alignof(struct client));
	int rc;

	if (!client)
		return -ENOMEM;
	*client = (struct client){.part = part, .peer = peer, .fd = fd};
	rc = zok_spawn(clients, serve_client, client, &part->serve->options.fiber);
	if (rc < 0)
		zok__release(zok_allocator(), client, sizeof *client);
	else
		count_connections(part, 1);
	return rc;
}

/* ---- A door a core ---- */

static int open_part(void *arg)
{
	struct part *part = arg;
	int rc = zok_listen(&part->door, part->serve->address, &part->serve->options.listen);

	if (rc == 0 && part->core == 0)
		rc = zok_local_address(part->door, part->serve->address, sizeof part->serve->address);
	return rc;
}

static int close_part(void *arg)
{
	struct part *part = arg;
	struct zok_socket *door = part->door;

	part->door = NULL;
	return zok_close(door);
}

/* A drain is no failure: those who are here may finish. */
static int or_drained(int rc)
{
	return rc == -ESHUTDOWN ? 0 : rc;
}

static int accept_here(void *arg)
{
	struct part *part = arg;
	struct zok_scope *clients = zok_scope_open(&(struct zok_scope_options){.name = "clients"});
	struct zok_socket *peer;
	int rc = clients ? 0 : -ENOMEM;

	part->clients = clients;
	while (rc == 0 && (rc = zok_accept(part->door, &peer)) == 0)
		if (spawn_client(part, clients, peer, -1) < 0)
			zok_close(peer); /* no memory for a fiber: this one goes, the others stay */
	part->clients = NULL;
	if (clients)
		rc = zok_scope_close(clients, or_drained(rc));
	close_part(part);
	return rc;
}

static void steer(struct serve *serve)
{
	const struct zok__core_set *cores = &zok__runtime()->config.cores;
	int *cpus = zok__allocate(zok_allocator(), serve->part_count * sizeof *cpus, _Alignof(int)), rc = -ENOMEM;

	for (unsigned i = 0; cpus && i < serve->part_count; i++)
		cpus[i] = cores->place[i].cpu;
	if (cpus) {
		rc = zok__steer_by_cpu(zok_socket_fd(serve->parts[0].door), cpus, serve->part_count);
		zok__release(zok_allocator(), cpus, serve->part_count * sizeof *cpus);
	}
	if (rc < 0)
		zok__log(ZOK_LOG_WARN, "serve: connections are not steered to their CPUs (%s); the kernel spreads them", strerror(-rc));
}

/* Doors open in the order of the cores: that is their order in the group. */
static int open_all(struct serve *serve)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < serve->part_count; i++)
		rc = zok_call_on(i, open_part, &serve->parts[i]);
	if (rc == 0 && serve->distribution == BY_CPU)
		steer(serve);
	return rc;
}

/* Whatever was opened, and then served by nobody because something failed. */
static void close_all(struct serve *serve)
{
	struct zok_scope shield;

	zok_scope_init(&shield, zok_task_current(), &(struct zok_scope_options){.name = "doors", .is_shielded = true});
	for (unsigned i = 0; i < serve->part_count; i++)
		if (serve->parts[i].door)
			zok_call_on(i, close_part, &serve->parts[i]);
	zok_scope_close(&shield, 0);
}

static void announce(struct serve *serve)
{
	if (serve->options.listening)
		serve->options.listening(serve->parts[zok_core_index()].door, serve->arg);
}

static int serve_by_door(struct serve *serve, struct zok_scope *cores)
{
	unsigned here = (unsigned)zok_core_index(), begun = 0;
	int rc = open_all(serve);

	if (rc == 0)
		announce(serve);
	for (; rc == 0 && begun < serve->part_count; begun++)
		if (begun != here)
			rc = zok_spawn_on(begun, cores, accept_here, &serve->parts[begun], NULL);
	return rc == 0 ? accept_here(&serve->parts[here]) : rc;
}

/* ---- By load ---- */

/* A message, on the core that is given the connection. */
static void take_there(void *arg, uint64_t fd)
{
	struct part *part = arg;

	if (!part->clients || spawn_client(part, part->clients, NULL, (int)fd) < 0)
		zok__sys_close((int)fd);
	count_connections(part, -1); /* the giver's */
}

static void end_there(void *arg, uint64_t unused)
{
	struct part *part = arg;

	zok_event_set(&part->no_more);
}

static int hold_part(void *arg)
{
	struct part *part = arg;
	struct zok_scope *clients = zok_scope_open(&(struct zok_scope_options){.name = "clients"});
	int rc;

	if (!clients)
		return -ENOMEM;
	part->clients = clients;
	rc = zok_event_wait(&part->no_more);
	part->clients = NULL;
	return zok_scope_close(clients, rc);
}

/* Of equals the first from `first` on. */
static struct part *fewest_of(struct serve *serve, unsigned first)
{
	struct part *best = &serve->parts[first % serve->part_count];

	for (unsigned i = 1; i < serve->part_count; i++) {
		struct part *part = &serve->parts[(first + i) % serve->part_count];

		if (load_of(part) < load_of(best))
			best = part;
	}
	return best;
}

static struct part *least_loaded(struct serve *serve)
{
	struct part *best = fewest_of(serve, serve->next);

	serve->next = best->core + 1;
	return best;
}

static void give(struct serve *serve, struct zok_scope *clients, int fd)
{
	struct zok_core_stats *stats = &zok__core()->counters->stats;
	struct part *part = least_loaded(serve);
	int rc;

	zok__count(&stats->connections_accepted, 1);
	if (part->core == (unsigned)zok_core_index()) {
		rc = spawn_client(part, clients, NULL, fd);
	} else {
		count_connections(part, 1);
		rc = zok_tell(part->core, take_there, part, (uint64_t)fd);
		if (rc < 0)
			count_connections(part, -1);
		else
			zok__count(&stats->connections_handed, 1);
	}
	if (rc < 0)
		zok__sys_close(fd);
}

/* Descriptors come from the kernel, not from the engine, which so knows nothing of what becomes another core's. */
static int give_batch(struct serve *serve, struct zok_scope *clients, struct zok_socket *door)
{
	int fd = 0;

	for (int i = 0; i < BATCH_MAX && (fd = zok__sys_accept_now(door->fd)) >= 0; i++)
		give(serve, clients, fd);
	if (fd >= 0 || fd == -EAGAIN)
		return 0;
	/* Of the connection, or for want of something that will pass. */
	if (fd == -EMFILE || fd == -ENFILE)
		zok__count(&zok__core()->counters->stats.fd_shortages, 1);
	return zok_sleep(SHORTAGE_NS);
}

static int give_all(struct serve *serve, struct zok_scope *clients, struct zok_socket *door)
{
	struct zok_op ready;
	int rc = 0, fd;

	while (rc >= 0 && !zok_is_draining()) {
		zok__op_prepare(&ready, ZOK_OP_POLL, door->fd);
		ready.arg.poll_events = POLLIN;
		rc = (int)zok_await(&ready.future);
		if (rc >= 0 && !zok_is_draining())
			rc = give_batch(serve, clients, door);
	}
	while (rc >= 0 && (fd = zok__accept_take_left(door)) >= 0) /* what the drain has found in the backlog */
		give(serve, clients, fd);
	return rc < 0 ? rc : 0;
}

/* Ready for what it is told, when this returns: the call's fiber runs after the one that holds the part. */
static int is_there(void *arg)
{
	return ((struct part *)arg)->clients ? 0 : -ENOMEM;
}

static int begin_parts(struct serve *serve, struct zok_scope *cores)
{
	unsigned here = (unsigned)zok_core_index();
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < serve->part_count; i++) {
		if (i == here)
			continue;
		rc = zok_spawn_on(i, cores, hold_part, &serve->parts[i], NULL);
		if (rc == 0)
			rc = zok_call_on(i, is_there, &serve->parts[i]);
	}
	return rc;
}

/* After the last connection, which the word does not overtake. A part that does not hear it is cancelled with the scope. */
static int end_parts(struct serve *serve)
{
	unsigned here = (unsigned)zok_core_index();
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < serve->part_count; i++)
		if (i != here)
			rc = zok_tell(i, end_there, &serve->parts[i], 0);
	return rc;
}

static int serve_by_load(struct serve *serve, struct zok_scope *cores)
{
	struct part *here = &serve->parts[zok_core_index()];
	struct zok_scope *clients = zok_scope_open(&(struct zok_scope_options){.name = "clients"});
	int rc = clients ? begin_parts(serve, cores) : -ENOMEM;

	here->clients = clients;
	if (rc == 0)
		rc = zok_listen(&here->door, serve->address, &serve->options.listen);
	if (rc == 0) {
		announce(serve);
		rc = give_all(serve, clients, here->door);
	}
	if (rc == 0)
		rc = end_parts(serve);
	here->clients = NULL;
	if (clients)
		rc = zok_scope_close(clients, rc);
	if (here->door)
		close_part(here);
	return rc;
}

/* ---- From core to core ---- */

/* NULL: this is no connection's fiber, or one that was stolen. */
static struct part *current_part(void)
{
	struct zok_task *task = zok_task_current();
	const struct zok__fiber *fiber = task && (task->flags & ZOK__TASK_IS_FIBER) ? zok__fiber_of(task) : NULL;
	const struct client *client = fiber && fiber->fn == serve_client ? fiber->arg : NULL;

	return client && client->part->core == (unsigned)zok_core_index() ? client->part : NULL;
}

/* Where it would move now; NULL: it stays. */
static struct part *better_part(struct part *part)
{
	struct serve *serve = part->serve;
	struct part *there;

	if (serve->options.rebalance_surplus == 0 || zok_is_draining() || zok__core()->now_ns < part->move_next_ns)
		return NULL;
	there = fewest_of(serve, part->core + 1);
	return load_of(part) >= load_of(there) + serve->options.rebalance_surplus ? there : NULL;
}

/* A message's, on the other core. */
static int arrive_there(struct zok_socket *peer, void *arg)
{
	struct part *part = arg;

	if (!part->clients || zok_is_draining())
		return -ESHUTDOWN;
	return spawn_client(part, part->clients, peer, -1);
}

bool zok_serve_rebalance(struct zok_socket *peer)
{
	struct part *part = current_part(), *there = part ? better_part(part) : NULL;
	int rc;

	if (!there)
		return false;
	part->move_next_ns = zok__core()->now_ns + ZOK_S / part->serve->options.rebalance_per_second;
	/* Before it is there, so that the other cores see it coming and do not all choose the same. */
	count_connections(there, 1);
	rc = zok_socket_move(peer, there->core, arrive_there, there);
	count_connections(there, -1);
	return rc == 0;
}

/* ---- The whole ---- */

static int read_distribution(struct serve *serve, const char *address)
{
	static const char *const words[] = {"reuseport", "cpu", "load"};
	const char *word = serve->options.distribute ? serve->options.distribute : words[BY_PORT];

	for (int i = 0; i < 3; i++) {
		if (strcmp(word, words[i]) != 0)
			continue;
		serve->distribution = strncmp(address, "unix:", 5) == 0 ? BY_LOAD : (enum distribution)i;
		serve->options.listen.reuse_port |= serve->distribution != BY_LOAD && serve->part_count > 1;
		return 0;
	}
	zok__log(ZOK_LOG_ERROR, "serve: distribute: %.40s: it takes reuseport, cpu or load", word);
	return -EINVAL;
}

static int check_rebalance(const struct zok_serve_options *options)
{
	if (!options || (options->rebalance_surplus != 1 && options->rebalance_per_second <= REBALANCE_MAX))
		return 0;
	zok__log(ZOK_LOG_ERROR, "serve: rebalance_surplus %u, rebalance_per_second %u: they take 0 (never) or at least 2, and at most %d",
		 options->rebalance_surplus, options->rebalance_per_second, REBALANCE_MAX);
	return -EINVAL;
}

static int check(const char *address)
{
	const struct zok_task *task = zok_task_current();

	if (!task || !(task->flags & ZOK__TASK_IS_FIBER) || !zok__runtime()) {
		zok__log(ZOK_LOG_ERROR, "serve: not in a fiber of a runtime");
		return -EINVAL;
	}
	if (strlen(address) < ZOK_ADDRESS_SIZE)
		return 0;
	zok__log(ZOK_LOG_ERROR, "serve: the address is longer than %d bytes", ZOK_ADDRESS_SIZE - 1);
	return -EINVAL;
}

static size_t size_for(unsigned core_count)
{
	return sizeof(struct serve) + core_count * sizeof(struct part);
}

static struct serve *make(const char *address, const struct zok_serve_options *options, unsigned core_count)
{
	struct serve *serve = zok__allocate(zok_allocator(), size_for(core_count), _Alignof(struct serve));

	if (!serve)
		return NULL;
	memset(serve, 0, size_for(core_count));
	if (options)
		serve->options = *options;
	memcpy(serve->address, address, strlen(address));
	serve->part_count = core_count;
	if (serve->options.rebalance_per_second == 0)
		serve->options.rebalance_per_second = REBALANCE_DEFAULT;
	for (unsigned i = 0; i < core_count; i++) {
		serve->parts[i].serve = serve;
		serve->parts[i].core = i;
		zok_event_init(&serve->parts[i].no_more, false);
	}
	return serve;
}

static int run(struct serve *serve)
{
	struct zok_scope *cores = zok_scope_open(&(struct zok_scope_options){.name = "cores", .cancel_on_error = true});
	int rc, first_error;

	if (!cores)
		return -ENOMEM;
	rc = serve->distribution == BY_LOAD ? serve_by_load(serve, cores) : serve_by_door(serve, cores);
	if (rc < 0)
		zok_scope_cancel(cores);
	first_error = zok_scope_close(cores, 0);
	close_all(serve);
	/* Where another core's part has failed we were only cancelled. */
	return rc == 0 || (rc == -ECANCELED && first_error < 0) ? first_error : rc;
}

int zok_serve(const char *address, const struct zok_serve_options *options, void (*fn)(struct zok_socket *peer, void *arg), void *arg)
{
	struct serve *serve;
	int rc = check(address);

	if (rc == 0)
		rc = check_rebalance(options);
	if (rc < 0)
		return rc;
	serve = make(address, options, zok_core_count());
	if (!serve)
		return -ENOMEM;
	serve->fn = fn;
	serve->arg = arg;
	rc = read_distribution(serve, address);
	if (rc == 0)
		rc = run(serve);
	zok__release(zok_allocator(), serve, size_for(serve->part_count));
	return rc;
}
