#include "tests/contract/threads.h"

#include <errno.h>

static struct {
	pthread_mutex_t lock;
	pthread_cond_t nobody;
	struct zok_list waiting;
	unsigned waiting_count, running_count;
	bool is_held, is_refused, is_ready;
} threads = {.lock = PTHREAD_MUTEX_INITIALIZER, .nobody = PTHREAD_COND_INITIALIZER};

static void *serve(void *arg)
{
	struct zok__job *job = arg;

	job->run(job);
	pthread_mutex_lock(&threads.lock);
	if (--threads.running_count == 0)
		pthread_cond_signal(&threads.nobody);
	pthread_mutex_unlock(&threads.lock);
	return NULL;
}

/* Under the lock. */
static int begin(struct zok__job *job)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int rc;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	rc = pthread_create(&thread, &attributes, serve, job);
	pthread_attr_destroy(&attributes);
	if (rc == 0)
		threads.running_count++;
	return -rc;
}

static int start(struct zok__job *job)
{
	int rc = 0;

	pthread_mutex_lock(&threads.lock);
	if (!threads.is_ready)
		zok_list_init(&threads.waiting);
	threads.is_ready = true;
	if (threads.is_refused) {
		rc = -EAGAIN;
	} else if (threads.is_held) {
		zok_list_push_back(&threads.waiting, &job->link);
		threads.waiting_count++;
	} else {
		rc = begin(job);
	}
	pthread_mutex_unlock(&threads.lock);
	return rc;
}

static bool take_back(struct zok__job *job)
{
	bool was_waiting;

	pthread_mutex_lock(&threads.lock);
	was_waiting = zok_list_is_linked(&job->link);
	if (was_waiting) {
		zok_list_remove(&job->link);
		threads.waiting_count--;
	}
	pthread_mutex_unlock(&threads.lock);
	return was_waiting;
}

const struct zok__threads test_threads = {.start = start, .take_back = take_back};

void threads_hold(bool is_held)
{
	struct zok_list *link;

	pthread_mutex_lock(&threads.lock);
	threads.is_held = is_held;
	while (!is_held && threads.is_ready && (link = zok_list_pop_front(&threads.waiting))) {
		threads.waiting_count--;
		begin(ZOK_CONTAINER_OF(link, struct zok__job, link));
	}
	pthread_mutex_unlock(&threads.lock);
}

unsigned threads_waiting_count(void)
{
	unsigned count;

	pthread_mutex_lock(&threads.lock);
	count = threads.waiting_count;
	pthread_mutex_unlock(&threads.lock);
	return count;
}

void threads_refuse(bool is_refused)
{
	pthread_mutex_lock(&threads.lock);
	threads.is_refused = is_refused;
	pthread_mutex_unlock(&threads.lock);
}

void threads_settle(void)
{
	pthread_mutex_lock(&threads.lock);
	while (threads.running_count > 0)
		pthread_cond_wait(&threads.nobody, &threads.lock);
	pthread_mutex_unlock(&threads.lock);
}
