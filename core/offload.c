/* Ops that threads do: jobs made of them, and their results brought home. */
#include "core/offload.h"

#include "core/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

void zok__offload_init(struct zok__offload *offload, struct zok__engine *engine, const struct zok__threads *threads)
{
	*offload = (struct zok__offload){.threads = threads, .engine = engine};
	zok_list_init(&offload->begun);
	pthread_mutex_init(&offload->lock, NULL);
}

/* Whoever still holds the lock is inside of run(), about to leave it; after it nobody comes. */
void zok__offload_finish(struct zok__offload *offload)
{
	assert(zok_list_is_empty(&offload->begun) && !offload->refused);
	pthread_mutex_lock(&offload->lock);
	pthread_mutex_unlock(&offload->lock);
	pthread_mutex_destroy(&offload->lock);
	while (offload->free) {
		struct zok__offload_job *job = offload->free;

		offload->free = job->next;
		free(job);
	}
}

/* Under the lock. */
static void append_ended(struct zok__offload *offload, struct zok__offload_job *job)
{
	job->next = NULL;
	if (offload->ended)
		offload->ended_last->next = job;
	else
		offload->ended = job;
	offload->ended_last = job;
	__atomic_store_n(&offload->has_ended, true, __ATOMIC_RELAXED);
}

/* On a thread. The wake-up is given under the lock: the engine may go once it has taken the job, but not before the lock is free. */
static void run(struct zok__job *link)
{
	struct zok__offload_job *job = ZOK_CONTAINER_OF(link, struct zok__offload_job, job);
	struct zok__offload *offload = job->offload;

	job->result = zok__file_call(job->op);
	pthread_mutex_lock(&offload->lock);
	append_ended(offload, job);
	offload->engine->ops->wake(offload->engine);
	pthread_mutex_unlock(&offload->lock);
}

static struct zok__offload_job *job_get(struct zok__offload *offload)
{
	struct zok__offload_job *job = offload->free;

	if (!job)
		return malloc(sizeof *job);
	offload->free = job->next;
	return job;
}

static void job_put(struct zok__offload *offload, struct zok__offload_job *job)
{
	job->next = offload->free;
	offload->free = job;
}

static void refuse(struct zok__offload *offload, struct zok_op *op, int32_t result)
{
	op->future.result = result;
	op->engine_next = NULL;
	if (offload->refused)
		offload->refused_last->engine_next = op;
	else
		offload->refused = op;
	offload->refused_last = op;
}

/* What begun jobs hang on to is their op's engine_next: no op is in two queues at a time. */
static void set_job(struct zok_op *op, struct zok__offload_job *job)
{
	op->engine_next = (struct zok_op *)(void *)job;
}

static struct zok__offload_job *job_of(const struct zok_op *op)
{
	return (struct zok__offload_job *)(void *)op->engine_next;
}

void zok__offload_begin(struct zok__offload *offload, struct zok_op *op)
{
	struct zok__offload_job *job;
	int rc;

	if (!offload->threads) {
		refuse(offload, op, -ENOSYS);
		return;
	}
	job = job_get(offload);
	if (!job) {
		refuse(offload, op, -ENOMEM);
		return;
	}
	*job = (struct zok__offload_job){.job.run = run, .op = op, .offload = offload};
	set_job(op, job);
	zok_list_push_back(&offload->begun, &job->begun);
	rc = offload->threads->start(&job->job);
	if (rc == 0)
		return;
	zok_list_remove(&job->begun);
	job_put(offload, job);
	refuse(offload, op, rc);
}

static bool is_refused(const struct zok__offload *offload, const struct zok_op *op)
{
	for (const struct zok_op *at = offload->refused; at; at = at->engine_next)
		if (at == op)
			return true;
	return false;
}

static void cancel_job(struct zok__offload *offload, struct zok__offload_job *job)
{
	if (!offload->threads->take_back(&job->job))
		return;
	job->result = -ECANCELED;
	pthread_mutex_lock(&offload->lock);
	append_ended(offload, job);
	pthread_mutex_unlock(&offload->lock);
}

void zok__offload_cancel(struct zok__offload *offload, struct zok_op *op)
{
	if (ZOK_UNLIKELY(is_refused(offload, op)))
		return;
	assert(job_of(op)->op == op);
	cancel_job(offload, job_of(op));
}

void zok__offload_cancel_on(struct zok__offload *offload, int fd)
{
	zok_list_for_each(link, &offload->begun) {
		struct zok__offload_job *job = ZOK_CONTAINER_OF(link, struct zok__offload_job, begun);

		if (job->op->fd == fd)
			cancel_job(offload, job);
	}
}

static struct zok__offload_job *take_ended(struct zok__offload *offload)
{
	struct zok__offload_job *job;

	pthread_mutex_lock(&offload->lock);
	job = offload->ended;
	offload->ended = NULL;
	__atomic_store_n(&offload->has_ended, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&offload->lock);
	return job;
}

static void end_job(struct zok__offload *offload, struct zok__offload_job *job, zok__offload_end_fn end)
{
	const struct zok_completion completion = {.result = job->result};
	struct zok_op *op = job->op;

	zok_list_remove(&job->begun);
	job_put(offload, job);
	op->engine_next = NULL;
	end(offload->engine, op, &completion);
}

/* Those that wait to be told stay in the queue, so that a cancel from within end() finds them there. */
static void end_refused(struct zok__offload *offload, zok__offload_end_fn end)
{
	struct zok_op *op = offload->refused;
	const struct zok_completion completion = {.result = (int32_t)op->future.result};

	offload->refused = op->engine_next;
	op->engine_next = NULL;
	end(offload->engine, op, &completion);
}

unsigned zok__offload_take(struct zok__offload *offload, zok__offload_end_fn end)
{
	struct zok__offload_job *job = take_ended(offload);
	unsigned count = 0, refused_count = 0;

	for (const struct zok_op *op = offload->refused; op; op = op->engine_next)
		refused_count++;
	while (job) {
		struct zok__offload_job *next = job->next;

		end_job(offload, job, end);
		job = next;
		count++;
	}
	for (; refused_count > 0; refused_count--, count++)
		end_refused(offload, end);
	return count;
}
