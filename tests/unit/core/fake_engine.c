#include "tests/unit/core/fake_engine.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct fake {
	struct zok__engine engine; /* first */
	int wake_fd;
	struct zok_op *first, **last; /* NOPs until the next wait */
};

static struct fake *fake_of(struct zok__engine *engine)
{
	return (struct fake *)(void *)engine;
}

static int fake_create(struct zok__engine **out, const struct zok__engine_options *options, char *reason, size_t reason_size)
{
	struct fake *fake = calloc(1, sizeof *fake);

	if (!fake)
		return -ENOMEM;
	fake->engine.ops = &fake_engine;
	fake->last = &fake->first;
	fake->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*out = &fake->engine;
	return 0;
}

static void fake_destroy(struct zok__engine *engine)
{
	if (!engine)
		return;
	close(fake_of(engine)->wake_fd);
	free(engine);
}

static void fake_submit(struct zok__engine *engine, struct zok_op *op)
{
	struct fake *fake = fake_of(engine);

	op->engine_next = NULL;
	*fake->last = op;
	fake->last = &op->engine_next;
}

static void fake_cancel(struct zok__engine *engine, struct zok_op *op)
{
	/* A NOP is about to complete anyway. */
}

static int deliver_all(struct fake *fake)
{
	struct zok_op *op = fake->first, *next;
	int count = 0;

	fake->first = NULL;
	fake->last = &fake->first;
	for (; op; op = next, count++) {
		next = op->engine_next;
		op->deliver(op, &(struct zok_completion){.result = op->future.is_canceled ? -ECANCELED : 0});
	}
	return count;
}

static int fake_wait(struct zok__engine *engine, uint64_t timeout_ns)
{
	struct fake *fake = fake_of(engine);
	struct pollfd pfd = {.fd = fake->wake_fd, .events = POLLIN};
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / ZOK_S), .tv_nsec = (long)(timeout_ns % ZOK_S)};
	uint64_t wakes;

	if (fake->first)
		return deliver_all(fake);
	if (timeout_ns == 0)
		return 0;
	ppoll(&pfd, 1, timeout_ns == ZOK_NEVER ? NULL : &timeout, NULL);
	if (read(fake->wake_fd, &wakes, sizeof wakes) < 0)
		wakes = 0;
	return 0;
}

static void fake_wake(struct zok__engine *engine)
{
	uint64_t one = 1;

	if (write(fake_of(engine)->wake_fd, &one, sizeof one) < 0)
		return;
}

static void fake_release(struct zok__engine *engine, struct zok_buf *buf)
{
}

static void fake_report(const struct zok__engine *engine, struct zok__engine_report *report)
{
	*report = (struct zok__engine_report){.engine = "fake", .mode = "park"};
}

const struct zok__engine_ops fake_engine = {
	.name = "fake",
	.create = fake_create,
	.destroy = fake_destroy,
	.submit = fake_submit,
	.cancel = fake_cancel,
	.wait = fake_wait,
	.wake = fake_wake,
	.release = fake_release,
	.report = fake_report,
};

struct start {
	int (*main_fn)(void *arg);
	void *arg;
	int result;
};

static int run_main(void *arg)
{
	struct start *start = arg;

	start->result = start->main_fn(start->arg);
	zok__core_stop(zok__core());
	return 0;
}

int fake_run_with(const struct zok__core_options *given, int (*main_fn)(void *arg), void *arg)
{
	struct zok__core_options options = *given;
	struct start start = {.main_fn = main_fn, .arg = arg};
	struct zok_core *core = NULL;
	char reason[64];
	int rc;

	options.core_count = 1;
	options.peers = (struct zok_core *const *)&core;
	options.engine = &fake_engine;
	options.budget_ns = options.budget_ns ? options.budget_ns : 500 * ZOK_US;
	options.stack_size = options.stack_size ? options.stack_size : 65536;
	options.share[ZOK_CLASS_NORMAL] = options.share[ZOK_CLASS_NORMAL] ? options.share[ZOK_CLASS_NORMAL] : 4;
	options.share[ZOK_CLASS_BULK] = options.share[ZOK_CLASS_BULK] ? options.share[ZOK_CLASS_BULK] : 1;
	options.receive_buffers = 16;
	options.receive_buffer_size = 4096;
	rc = zok__core_create(&core, &options);
	if (rc == 0)
		rc = zok__core_open(core, reason, sizeof reason);
	if (rc == 0)
		rc = zok_spawn(&core->root, run_main, &start, &(struct zok_spawn_options){.name = "main"});
	if (rc == 0) {
		zok__loop_run(core);
		rc = start.result;
	}
	if (core && core->engine)
		zok__core_close(core);
	zok__core_destroy(core);
	return rc;
}

int fake_run(int (*main_fn)(void *arg), void *arg)
{
	static const struct zok__core_options defaults;

	return fake_run_with(&defaults, main_fn, arg);
}
