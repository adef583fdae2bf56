/*
 * The blocking pool: threads for what would stop a core. It grows by a thread whenever a job finds nobody idle, up to its maximum, and a
 * thread that has had nothing to do for a while ends.
 *
 * A job is queued, begun or done; only a queued one can be taken back, which is how a cancel ends one. There are two kinds: a call of
 * zok_blocking(), which lies in its fiber's stack and whose end is posted to the fiber's core as a message, and what an engine cannot do without
 * blocking (core/offload.h).
 */
#include "runtime/runtime.h"

#include "core/offload.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct call {
	struct zok_future future;
	struct zok__message message;
	struct zok_core *core;
	ssize_t (*fn)(void *arg);
	void *arg;
	ssize_t result;
	struct zok__job job;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t work;   /* a job, or the end */
	pthread_cond_t nobody; /* the last thread has ended */
	struct zok_list queue; /* zok__job.link, which is linked while the job is only queued */
	unsigned queued_count, thread_count, idle_count, threads_max;
	uint64_t idle_ns;
	bool is_ending;
	cpu_set_t affinity;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .nobody = PTHREAD_COND_INITIALIZER};

/* ---- The threads ---- */

/* Waits for a job under the lock. NULL: the thread is to end. */
static struct zok__job *next_job(void)
{
	struct timespec until;
	struct zok_list *link;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)((pool.idle_ns + (uint64_t)until.tv_nsec) / ZOK_S);
	until.tv_nsec = (long)((pool.idle_ns + (uint64_t)until.tv_nsec) % ZOK_S);
	pool.idle_count++;
	while (zok_list_is_empty(&pool.queue) && !pool.is_ending && rc != ETIMEDOUT)
		rc = pthread_cond_clockwait(&pool.work, &pool.lock, CLOCK_MONOTONIC, &until);
	pool.idle_count--;
	link = zok_list_pop_front(&pool.queue);
	if (!link)
		return NULL;
	pool.queued_count--;
	return ZOK_CONTAINER_OF(link, struct zok__job, link);
}

static void *serve(void *arg)
{
	struct zok__job *job;

	pthread_mutex_lock(&pool.lock);
	while ((job = next_job()) != NULL) {
		pthread_mutex_unlock(&pool.lock);
		job->run(job);
		pthread_mutex_lock(&pool.lock);
	}
	if (--pool.thread_count == 0)
		pthread_cond_signal(&pool.nobody);
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

/* One more thread, on the processors that the process had before its cores were pinned. Under the lock. */
static int add_thread(void)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setaffinity_np(&attributes, sizeof pool.affinity, &pool.affinity);
	rc = pthread_create(&thread, &attributes, serve, NULL);
	pthread_attr_destroy(&attributes);
	if (rc == 0) {
		pool.thread_count++;
		pthread_setname_np(thread, "zok-blocking");
	}
	return -rc;
}

/* ---- Jobs ---- */

/* Queues it. An error only where there is no thread at all that will come to it. */
static int start(struct zok__job *job)
{
	int rc = 0;

	pthread_mutex_lock(&pool.lock);
	if (pool.queued_count >= pool.idle_count && pool.thread_count < pool.threads_max)
		rc = add_thread();
	if (pool.thread_count > 0) {
		zok_list_push_back(&pool.queue, &job->link);
		pool.queued_count++;
		pthread_cond_signal(&pool.work);
		rc = 0;
	}
	pthread_mutex_unlock(&pool.lock);
	return rc;
}

static bool take_back(struct zok__job *job)
{
	bool was_queued;

	pthread_mutex_lock(&pool.lock);
	was_queued = zok_list_is_linked(&job->link);
	if (was_queued) {
		zok_list_remove(&job->link);
		pool.queued_count--;
	}
	pthread_mutex_unlock(&pool.lock);
	return was_queued;
}

const struct zok__threads zok__blocking_threads = {.start = start, .take_back = take_back};

/* ---- zok_blocking() ---- */

static struct call *call_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct call, future);
}

static void call_came_back(struct zok_core *core, struct zok__message *message)
{
	struct call *call = ZOK_CONTAINER_OF(message, struct call, message);

	zok__count(&core->counters->stats.wakes_remote, 1);
	zok_future_complete(&call->future, call->result);
}

/* On a thread. */
static void call_run(struct zok__job *job)
{
	struct call *call = ZOK_CONTAINER_OF(job, struct call, job);

	call->result = call->fn(call->arg);
	/* The call is the core's from here on. */
	zok__mail_post(call->core, &call->message);
}

static bool call_poll(struct zok_future *future)
{
	int rc;

	if (future->state != ZOK_FUTURE_PREPARED)
		return false;
	future->state = ZOK_FUTURE_PENDING;
	rc = start(&call_of(future)->job);
	if (rc == 0)
		return false;
	future->waker = NULL;
	zok_future_complete(future, rc);
	return true;
}

static void call_cancel(struct zok_future *future)
{
	if (take_back(&call_of(future)->job))
		zok_future_complete(future, -ECANCELED);
}

static const struct zok_future_ops call_ops = {.poll = call_poll, .cancel = call_cancel, .name = "the blocking pool"};

ssize_t zok_blocking(ssize_t (*fn)(void *arg), void *arg)
{
	struct call call = {.message.run = call_came_back, .core = zok__core(), .fn = fn, .arg = arg, .job.run = call_run};

	zok_future_prepare(&call.future, &call_ops);
	return zok_await(&call.future);
}

/* ---- With the runtime ---- */

void zok__blocking_start(unsigned threads_max, uint64_t idle_ns, const cpu_set_t *affinity)
{
	zok_list_init(&pool.queue);
	pool.queued_count = pool.idle_count = 0;
	pool.threads_max = threads_max;
	pool.idle_ns = idle_ns;
	pool.affinity = *affinity;
	pool.is_ending = false;
}

unsigned zok__blocking_thread_count(void)
{
	unsigned count;

	pthread_mutex_lock(&pool.lock);
	count = pool.thread_count;
	pthread_mutex_unlock(&pool.lock);
	return count;
}

void zok__blocking_stop(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.is_ending = true;
	pthread_cond_broadcast(&pool.work);
	while (pool.thread_count > 0)
		pthread_cond_wait(&pool.nobody, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
}
