/*
 * Processes. A thread of the blocking pool makes one (spawn.c); from then on a poll of its pidfd is in flight, which reaps it when it ends, whoever
 * waits. Its record goes when the pidfd is closed and nobody holds it: after a close, or after its end where it was left.
 */
#include "zokio/process.h"
#include "core/alloc.h"
#include "core/core.h"
#include "core/log.h"
#include "core/offload.h"
#include "core/op.h"
#include "core/owner.h"
#include "net/socket.h"
#include "net/spawn.h"
#include "net/sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#define GRACE_NS (2 * ZOK_S)

/* A core's part: made with its first process. */
struct processes {
	struct zok__core_part part; /* first */
	struct zok_core *core;
	struct zok_pool pool;
	struct zok_list open; /* by zok_process.open: all whose pidfd is */
};

struct zok_process {
	struct processes *all;
	struct zok_list open;
	struct zok_process_spawn *spawner; /* until its result */
	struct zok__job job;
	struct zok__message came_back;
	struct zok__spawn spawn; /* what it points to is the spawner's */
	int spawned;		 /* what came of it */
	struct zok_op op;	 /* the poll of the pidfd, then its close */
	struct zok_process_exit how;
	int reaped; /* once has_ended: 0: `how` stands; or negative */
	bool has_ended, is_closed, is_left;
	enum zok_process_end end;
	uint64_t grace_ns;
	struct zok_list waiters; /* by zok_process_wait.waiting */
	struct zok_process_close *closer;
	struct zok_timer grace;
	struct zok_waker grace_waker;
};

static bool end_in_poll(struct zok_future *future, ssize_t result)
{
	return zok__end_in_poll(future, result);
}

/* ---- The core's part ---- */

/* No task is left to close them: the engine is driven by hand until they have ended. */
static void finish(struct zok__core_part *part)
{
	struct processes *all = (struct processes *)(void *)part;
	struct zok_core *core = all->core;
	struct zok_list *next;
	unsigned count = 0;

	for (struct zok_list *link = all->open.next; link != &all->open; link = next) {
		struct zok_process *process = ZOK_CONTAINER_OF(link, struct zok_process, open);

		next = link->next; /* a cancel may deliver at once, and free it */
		count += !process->is_left;
		process->is_left = true;
		if (process->end == ZOK_PROCESS_LEAVE)
			zok__op_cancel(&process->op);
		else if (!process->has_ended)
			zok__spawn_signal(process->spawn.pidfd, SIGKILL);
	}
	if (count > 0)
		zok__log(ZOK_LOG_WARN, "core %u: %u processes were left open; ended now", core->options.index, count);
	while (!zok_list_is_empty(&all->open))
		core->engine->ops->wait(core->engine, ZOK_NEVER);
	core->processes = NULL;
	zok_pool_finish(&all->pool);
	zok__release(zok__core_allocator(core), all, sizeof *all);
}

static void drain(struct zok__core_part *part)
{
}

static struct processes *create(struct zok_core *core)
{
	const struct zok_allocator *allocator = zok__core_allocator(core);
	struct processes *all = zok__allocate(allocator, sizeof *all, _Alignof(struct processes));
	const struct zok_pool_options options = {.name = "processes", .object_size = sizeof(struct zok_process), .allocator = allocator};

	if (!all)
		return NULL;
	*all = (struct processes){.part = {.finish = finish, .drain = drain}, .core = core};
	zok_list_init(&all->open);
	zok_pool_init(&all->pool, &options);
	core->processes = &all->part;
	return all;
}

static struct processes *processes_of(struct zok_core *core)
{
	return core->processes ? (struct processes *)(void *)core->processes : create(core);
}

/* ---- Its end ---- */

/* The last of these: its pidfd is closed, and nobody holds it. */
static void free_if_over(struct zok_process *process)
{
	struct zok_process_close *closer = process->closer;
	struct processes *all = process->all;

	if (!process->is_closed || (!closer && !process->is_left))
		return;
	zok_list_remove(&process->open);
	zok_pool_put(&all->pool, process);
	if (closer)
		zok_future_complete(&closer->future, 0);
}

static void pidfd_closed(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_process *process = ZOK_CONTAINER_OF(op, struct zok_process, op);

	process->is_closed = true;
	free_if_over(process);
}

static void tell_waiters(struct zok_process *process, int result)
{
	while (!zok_list_is_empty(&process->waiters)) {
		struct zok_process_wait *wait = ZOK_CONTAINER_OF(process->waiters.next, struct zok_process_wait, waiting);

		zok_list_remove(&wait->waiting);
		wait->how = process->how;
		zok_future_complete(&wait->future, result);
	}
}

static void watch_exit(struct zok_process *process);

/* A poll that was cancelled, by finish() alone, or that failed, looks all the same: what has ended is not left a zombie. */
static void pidfd_ready(struct zok_op *op, const struct zok_completion *completion)
{
	struct zok_process *process = ZOK_CONTAINER_OF(op, struct zok_process, op);
	int rc = zok__spawn_reap(process->spawn.pidfd, &process->how);

	if (rc == 0 && completion->result >= 0) {
		watch_exit(process);
		return;
	}
	process->has_ended = true;
	process->reaped = rc > 0 ? 0 : rc < 0 ? rc : completion->result;
	zok_future_cancel(&process->grace.future);
	tell_waiters(process, process->reaped);
	zok__op_prepare(op, ZOK_OP_CLOSE, process->spawn.pidfd);
	op->deliver = pidfd_closed;
	zok__op_start(op);
}

static void watch_exit(struct zok_process *process)
{
	zok__op_prepare(&process->op, ZOK_OP_POLL, process->spawn.pidfd);
	process->op.arg.poll_events = POLLIN;
	process->op.deliver = pidfd_ready;
	zok__op_start(&process->op);
}

/* ---- Spawning ---- */

static void let_go_of(struct zok_socket *socket)
{
	zok__sys_close(zok_socket_fd(socket)); /* the engine has not seen it */
	zok__socket_destroy(socket);
}

/* All of the sockets or none of them. */
static int adopt_streams(int ours[3], struct zok_socket *sockets[3])
{
	int rc = 0;

	for (int i = 0; rc == 0 && i < 3; i++) {
		rc = ours[i] >= 0 ? zok_socket_adopt(&sockets[i], ours[i]) : 0;
		if (rc == 0)
			ours[i] = -1;
	}
	for (int i = 0; rc < 0 && i < 3; i++) {
		if (sockets[i])
			let_go_of(sockets[i]);
		if (ours[i] >= 0)
			zok__sys_close(ours[i]);
	}
	return rc;
}

static void hand_over_streams(const struct zok_process_options *options, struct zok_socket *const sockets[3])
{
	const struct zok_process_stream *const streams[] = {&options->in, &options->out, &options->err};

	for (int i = 0; i < 3; i++)
		if (sockets[i])
			*streams[i]->socket = sockets[i];
}

static void forget(struct zok_process *process)
{
	zok_pool_put(&process->all->pool, process);
}

/* On the core again. A child that cannot be handed over is killed, and reaped like one that was left. */
static void spawn_came_back(struct zok_core *core, struct zok__message *message)
{
	struct zok_process *process = ZOK_CONTAINER_OF(message, struct zok_process, came_back);
	struct zok_process_spawn *spawner = process->spawner;
	struct zok_socket *sockets[3] = {NULL, NULL, NULL};
	int rc = process->spawned;

	zok__count(&core->counters->stats.wakes_remote, 1);
	if (rc < 0) {
		forget(process);
		zok_future_complete(&spawner->future, rc);
		return;
	}
	rc = adopt_streams(process->spawn.ours, sockets);
	zok_list_push_back(&process->all->open, &process->open);
	process->is_left = rc < 0;
	if (rc < 0)
		zok__spawn_signal(process->spawn.pidfd, SIGKILL);
	else
		hand_over_streams(process->spawn.options, sockets);
	spawner->process = rc < 0 ? NULL : process;
	watch_exit(process);
	zok_future_complete(&spawner->future, rc);
}

/* On a thread. */
static void spawn_run(struct zok__job *job)
{
	struct zok_process *process = ZOK_CONTAINER_OF(job, struct zok_process, job);

	process->spawned = zok__spawn(&process->spawn);
	/* The process is the core's from here on. */
	zok__mail_post(process->all->core, &process->came_back);
}

static int refuse(const char *why)
{
	zok__log(ZOK_LOG_ERROR, "zok_process_spawn: %s", why);
	return -EINVAL;
}

static int check_stream(const struct zok_process_stream *stream, bool is_err)
{
	if ((unsigned)stream->kind > (is_err ? ZOK_STREAM_AS_OUT : ZOK_STREAM_FD))
		return refuse("no such kind of stream; it takes enum zok_stream, ZOK_STREAM_AS_OUT for `err` alone");
	if (stream->kind == ZOK_STREAM_SOCKET && !stream->socket)
		return refuse("ZOK_STREAM_SOCKET without `socket`; it takes where to put the socket");
	return 0;
}

static int check(const struct zok_process_spawn *spawn)
{
	const struct zok_process_options *options = spawn->options;
	int rc;

	if (!spawn->argv || !spawn->argv[0])
		return refuse("no program; argv[0] names it");
	if ((unsigned)options->end > ZOK_PROCESS_LEAVE)
		return refuse("no such `end`; it takes enum zok_process_end");
	rc = check_stream(&options->in, false);
	rc = rc < 0 ? rc : check_stream(&options->out, false);
	return rc < 0 ? rc : check_stream(&options->err, true);
}

static void grace_is_over(struct zok_waker *waker)
{
	struct zok_process *process = ZOK_CONTAINER_OF(waker, struct zok_process, grace_waker);

	if (process->grace.future.result == 0 && !process->has_ended)
		zok__spawn_signal(process->spawn.pidfd, SIGKILL);
}

static void process_init(struct zok_process *process, struct processes *all, struct zok_process_spawn *spawn)
{
	*process = (struct zok_process){
		.all = all,
		.spawner = spawn,
		.job.run = spawn_run,
		.came_back.run = spawn_came_back,
		.spawn = {.argv = spawn->argv, .options = spawn->options},
		.end = spawn->options->end,
		.grace_ns = spawn->options->grace_ns ? spawn->options->grace_ns : GRACE_NS,
		.grace_waker.wake = grace_is_over,
	};
	zok_list_init(&process->waiters);
	zok_timer_prepare_at(&process->grace, ZOK_NEVER);
}

static int spawn_begin(struct zok_process_spawn *spawn)
{
	struct zok_core *core = zok__core();
	struct processes *all;
	int rc = check(spawn);

	if (rc < 0)
		return rc;
	if (!core->options.threads)
		return -ENOSYS;
	all = processes_of(core);
	spawn->process = all ? zok_pool_get(&all->pool) : NULL;
	if (!spawn->process)
		return -ENOMEM;
	process_init(spawn->process, all, spawn);
	rc = core->options.threads->start(&spawn->process->job);
	if (rc < 0)
		forget(spawn->process);
	return rc;
}

static bool spawn_poll(struct zok_future *future)
{
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	rc = spawn_begin(ZOK_CONTAINER_OF(future, struct zok_process_spawn, future));
	if (rc < 0)
		return end_in_poll(future, rc);
	future->state = ZOK_FUTURE_PENDING;
	return false;
}

static void spawn_cancel(struct zok_future *future)
{
	struct zok_process *process = ZOK_CONTAINER_OF(future, struct zok_process_spawn, future)->process;

	if (!zok__core()->options.threads->take_back(&process->job))
		return;
	forget(process);
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops spawn_ops = {.poll = spawn_poll, .cancel = spawn_cancel, .name = "the start of a process"};

void zok_process_spawn_prepare(struct zok_process_spawn *spawn, const char *const argv[], const struct zok_process_options *options)
{
	static const struct zok_process_options defaults;

	zok_future_prepare(&spawn->future, &spawn_ops);
	spawn->argv = argv;
	spawn->options = options ? options : &defaults;
	spawn->process = NULL;
}

int zok_process_spawn(struct zok_process **process, const char *const argv[], const struct zok_process_options *options)
{
	struct zok_process_spawn spawn;
	int rc;

	zok_process_spawn_prepare(&spawn, argv, options);
	rc = (int)zok_await(&spawn.future);
	if (rc == 0)
		*process = spawn.process;
	return rc;
}

/* ---- Waiting, and signals ---- */

static bool is_foreign(const struct zok_process *process)
{
	return zok__is_foreign(process->all->core, "a process");
}

static bool wait_poll(struct zok_future *future)
{
	struct zok_process_wait *wait = ZOK_CONTAINER_OF(future, struct zok_process_wait, future);
	struct zok_process *process = wait->process;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (is_foreign(process))
		return end_in_poll(future, -EXDEV);
	if (process->closer)
		return end_in_poll(future, -EBADF);
	if (process->has_ended) {
		wait->how = process->how;
		return end_in_poll(future, process->reaped);
	}
	future->state = ZOK_FUTURE_PENDING;
	zok_list_push_back(&process->waiters, &wait->waiting);
	return false;
}

static void wait_cancel(struct zok_future *future)
{
	zok_list_remove(&ZOK_CONTAINER_OF(future, struct zok_process_wait, future)->waiting);
	zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops wait_ops = {.poll = wait_poll, .cancel = wait_cancel, .name = "the end of a process"};

void zok_process_wait_prepare(struct zok_process_wait *wait, struct zok_process *process)
{
	zok_future_prepare(&wait->future, &wait_ops);
	wait->process = process;
}

int zok_process_wait(struct zok_process *process, struct zok_process_exit *how)
{
	struct zok_process_wait wait;
	int rc;

	zok_process_wait_prepare(&wait, process);
	rc = (int)zok_await(&wait.future);
	if (rc == 0 && how)
		*how = wait.how;
	return rc;
}

int zok_process_kill(struct zok_process *process, int signal_number)
{
	if (is_foreign(process))
		return -EXDEV;
	return process->has_ended ? -ESRCH : zok__spawn_signal(process->spawn.pidfd, signal_number);
}

int zok_process_id(const struct zok_process *process)
{
	return process->spawn.pid;
}

/* ---- Closing ---- */

/* It is still there. Its end completes the close. */
static void end_child(struct zok_process *process)
{
	zok__spawn_signal(process->spawn.pidfd, process->end == ZOK_PROCESS_KILL ? SIGKILL : SIGTERM);
	if (process->end == ZOK_PROCESS_KILL)
		return;
	zok_timer_prepare(&process->grace, process->grace_ns);
	zok_future_poll(&process->grace.future, &process->grace_waker);
}

static bool close_poll(struct zok_future *future)
{
	struct zok_process_close *close = ZOK_CONTAINER_OF(future, struct zok_process_close, future);
	struct zok_process *process = close->process;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	if (is_foreign(process))
		return end_in_poll(future, -EXDEV);
	if (process->closer)
		return end_in_poll(future, -EBADF);
	tell_waiters(process, -EBADF);
	if (process->end == ZOK_PROCESS_LEAVE || process->is_closed) {
		process->is_left = true;
		free_if_over(process);
		return end_in_poll(future, 0);
	}
	future->state = ZOK_FUTURE_PENDING;
	process->closer = close;
	if (!process->has_ended)
		end_child(process);
	return false;
}

/* A child that is half ended is nobody's. */
static void close_cancel(struct zok_future *future)
{
}

static const struct zok_future_ops close_ops = {.poll = close_poll, .cancel = close_cancel, .name = "the close of a process"};

void zok_process_close_prepare(struct zok_process_close *close, struct zok_process *process)
{
	zok_future_prepare(&close->future, &close_ops);
	close->future.is_shielded = true;
	close->process = process;
}

int zok_process_close(struct zok_process *process)
{
	struct zok_process_close close;

	if (!process)
		return 0;
	zok_process_close_prepare(&close, process);
	return (int)zok_await(&close.future);
}

int zok_process_run(const char *const argv[], const struct zok_process_options *options, struct zok_process_exit *how)
{
	struct zok_process *process;
	int rc;

	if (options &&
	    (options->in.kind == ZOK_STREAM_SOCKET || options->out.kind == ZOK_STREAM_SOCKET || options->err.kind == ZOK_STREAM_SOCKET))
		return refuse("ZOK_STREAM_SOCKET in zok_process_run(): nobody could use it; it takes the other kinds");
	rc = zok_process_spawn(&process, argv, options);
	if (rc != 0)
		return rc;
	rc = zok_process_wait(process, how);
	zok_process_close(process);
	return rc;
}
