/*
 * Events, semaphores, mutexes, wait groups, oneshots: each is a line of waiters and a condition. What is common, the line, stands first.
 * Who gives serves the line at once, so that nobody who comes later can overtake; a waiter that is woken has what it waited for.
 */
#include "zokio/sync.h"

#include "core/core.h"
#include "core/owner.h"

#include "zokio/task.h"

#include <assert.h>
#include <errno.h>

/* ---- The line ---- */

static struct zok_wait *first_of(const struct zok_list *waiters)
{
	return zok_list_is_empty(waiters) ? NULL : ZOK_CONTAINER_OF(waiters->next, struct zok_wait, link);
}

static void serve(struct zok_wait *wait, ssize_t result)
{
	zok_list_remove(&wait->link);
	zok_future_complete(&wait->future, result);
}

static void serve_all(struct zok_list *waiters, ssize_t result)
{
	struct zok_wait *wait;

	while ((wait = first_of(waiters)) != NULL)
		serve(wait, result);
}

/* Ready at once, while it is being polled: nobody is to be woken. */
static bool pass(struct zok_future *future, ssize_t result)
{
	future->waker = NULL;
	zok_future_complete(future, result);
	return true;
}

static bool line_up(struct zok_wait *wait, struct zok_list *waiters)
{
	wait->future.state = ZOK_FUTURE_PENDING;
	zok_list_push_back(waiters, &wait->link);
	return false;
}

static struct zok_wait *wait_of(struct zok_future *future)
{
	return ZOK_CONTAINER_OF(future, struct zok_wait, future);
}

static void prepare(struct zok_wait *wait, const struct zok_future_ops *ops, void *object, uint32_t amount)
{
	zok_future_prepare(&wait->future, ops);
	wait->link = (struct zok_list){0};
	wait->object = object;
	wait->amount = amount;
}

static void leave_line(struct zok_future *future)
{
	serve(wait_of(future), -ECANCELED);
}

static void init_line(struct zok_list *waiters)
{
	zok_list_init(waiters);
}

static void finish_line(const struct zok_list *waiters)
{
	assert(zok_list_is_empty(waiters)); /* somebody still waits */
}

/* ---- Event ---- */

static bool event_poll(struct zok_future *future)
{
	struct zok_event *event = wait_of(future)->object;

	if (future->state == ZOK_FUTURE_PENDING)
		return false;
	if (zok__is_foreign(event->core, "an event"))
		return pass(future, -EXDEV);
	return event->is_set ? pass(future, 0) : line_up(wait_of(future), &event->waiters);
}

static const struct zok_future_ops event_ops = {.poll = event_poll, .cancel = leave_line, .name = "an event"};

void zok_event_init(struct zok_event *event, bool is_set)
{
	init_line(&event->waiters);
	event->core = zok__core();
	event->is_set = is_set;
}

void zok_event_finish(struct zok_event *event)
{
	finish_line(&event->waiters);
}

void zok_event_set(struct zok_event *event)
{
	zok__assert_own(event->core, "an event");
	event->is_set = true;
	serve_all(&event->waiters, 0);
}

void zok_event_reset(struct zok_event *event)
{
	zok__assert_own(event->core, "an event");
	event->is_set = false;
}

bool zok_event_is_set(const struct zok_event *event)
{
	return event->is_set;
}

void zok_event_wait_prepare(struct zok_wait *wait, struct zok_event *event)
{
	prepare(wait, &event_ops, event, 0);
}

int zok_event_wait(struct zok_event *event)
{
	struct zok_wait wait;

	zok_event_wait_prepare(&wait, event);
	return (int)zok_await(&wait.future);
}

/* ---- Semaphore ---- */

static bool semaphore_poll(struct zok_future *future)
{
	struct zok_wait *wait = wait_of(future);
	struct zok_semaphore *semaphore = wait->object;

	if (future->state == ZOK_FUTURE_PENDING)
		return false;
	if (zok__is_foreign(semaphore->core, "a semaphore or mutex"))
		return pass(future, -EXDEV);
	return zok_semaphore_try_acquire(semaphore, wait->amount) ? pass(future, 0) : line_up(wait, &semaphore->waiters);
}

static void serve_permits(struct zok_semaphore *semaphore)
{
	struct zok_wait *wait;

	while ((wait = first_of(&semaphore->waiters)) != NULL && wait->amount <= semaphore->available) {
		semaphore->available -= wait->amount;
		serve(wait, 0);
	}
}

/* The first in line may have been what kept smaller requests behind it waiting. */
static void semaphore_cancel(struct zok_future *future)
{
	struct zok_semaphore *semaphore = wait_of(future)->object;

	leave_line(future);
	serve_permits(semaphore);
}

static const struct zok_future_ops semaphore_ops = {.poll = semaphore_poll, .cancel = semaphore_cancel, .name = "a semaphore"};

void zok_semaphore_init(struct zok_semaphore *semaphore, uint32_t permits)
{
	init_line(&semaphore->waiters);
	semaphore->core = zok__core();
	semaphore->available = permits;
}

void zok_semaphore_finish(struct zok_semaphore *semaphore)
{
	finish_line(&semaphore->waiters);
}

bool zok_semaphore_try_acquire(struct zok_semaphore *semaphore, uint32_t permits)
{
	if (zok__is_foreign(semaphore->core, "a semaphore or mutex"))
		return false;
	if (!zok_list_is_empty(&semaphore->waiters) || semaphore->available < permits)
		return false;
	semaphore->available -= permits;
	return true;
}

void zok_semaphore_release(struct zok_semaphore *semaphore, uint32_t permits)
{
	zok__assert_own(semaphore->core, "a semaphore or mutex");
	assert(semaphore->available <= UINT32_MAX - permits);
	semaphore->available += permits;
	serve_permits(semaphore);
}

uint32_t zok_semaphore_available(const struct zok_semaphore *semaphore)
{
	return semaphore->available;
}

void zok_semaphore_acquire_prepare(struct zok_wait *wait, struct zok_semaphore *semaphore, uint32_t permits)
{
	prepare(wait, &semaphore_ops, semaphore, permits);
}

int zok_semaphore_acquire(struct zok_semaphore *semaphore, uint32_t permits)
{
	struct zok_wait wait;

	zok_semaphore_acquire_prepare(&wait, semaphore, permits);
	return (int)zok_await(&wait.future);
}

/* ---- Mutex: a semaphore of one ---- */

void zok_mutex_init(struct zok_mutex *mutex)
{
	zok_semaphore_init(&mutex->one, 1);
}

void zok_mutex_finish(struct zok_mutex *mutex)
{
	assert(mutex->one.available == 1); /* still locked */
	zok_semaphore_finish(&mutex->one);
}

void zok_mutex_lock_prepare(struct zok_wait *wait, struct zok_mutex *mutex)
{
	zok_semaphore_acquire_prepare(wait, &mutex->one, 1);
}

int zok_mutex_lock(struct zok_mutex *mutex)
{
	return zok_semaphore_acquire(&mutex->one, 1);
}

bool zok_mutex_try_lock(struct zok_mutex *mutex)
{
	return zok_semaphore_try_acquire(&mutex->one, 1);
}

void zok_mutex_unlock(struct zok_mutex *mutex)
{
	assert(mutex->one.available == 0); /* not locked */
	zok_semaphore_release(&mutex->one, 1);
}

/* ---- Wait group ---- */

static bool wait_group_poll(struct zok_future *future)
{
	struct zok_wait_group *group = wait_of(future)->object;

	if (future->state == ZOK_FUTURE_PENDING)
		return false;
	if (zok__is_foreign(group->core, "a wait group"))
		return pass(future, -EXDEV);
	return group->count == 0 ? pass(future, 0) : line_up(wait_of(future), &group->waiters);
}

static const struct zok_future_ops wait_group_ops = {.poll = wait_group_poll, .cancel = leave_line, .name = "a wait group"};

void zok_wait_group_init(struct zok_wait_group *group)
{
	init_line(&group->waiters);
	group->core = zok__core();
	group->count = 0;
}

void zok_wait_group_finish(struct zok_wait_group *group)
{
	finish_line(&group->waiters);
}

void zok_wait_group_add(struct zok_wait_group *group, uint32_t count)
{
	zok__assert_own(group->core, "a wait group");
	assert(group->count <= UINT32_MAX - count);
	group->count += count;
}

void zok_wait_group_done(struct zok_wait_group *group)
{
	zok__assert_own(group->core, "a wait group");
	assert(group->count > 0); /* more done than added */
	if (--group->count == 0)
		serve_all(&group->waiters, 0);
}

void zok_wait_group_wait_prepare(struct zok_wait *wait, struct zok_wait_group *group)
{
	prepare(wait, &wait_group_ops, group, 0);
}

int zok_wait_group_wait(struct zok_wait_group *group)
{
	struct zok_wait wait;

	zok_wait_group_wait_prepare(&wait, group);
	return (int)zok_await(&wait.future);
}

/* ---- Oneshot ---- */

static bool oneshot_poll(struct zok_future *future)
{
	struct zok_oneshot *oneshot = wait_of(future)->object;

	if (future->state == ZOK_FUTURE_PENDING)
		return false;
	if (zok__is_foreign(oneshot->core, "a oneshot"))
		return pass(future, -EXDEV);
	if (oneshot->is_sent)
		return pass(future, 0);
	return oneshot->is_closed ? pass(future, -EPIPE) : line_up(wait_of(future), &oneshot->waiters);
}

static const struct zok_future_ops oneshot_ops = {.poll = oneshot_poll, .cancel = leave_line, .name = "a oneshot"};

void zok_oneshot_init(struct zok_oneshot *oneshot)
{
	init_line(&oneshot->waiters);
	oneshot->core = zok__core();
	oneshot->value = NULL;
	oneshot->is_sent = oneshot->is_closed = false;
}

void zok_oneshot_finish(struct zok_oneshot *oneshot)
{
	finish_line(&oneshot->waiters);
}

int zok_oneshot_send(struct zok_oneshot *oneshot, void *value)
{
	if (zok__is_foreign(oneshot->core, "a oneshot"))
		return -EXDEV;
	if (oneshot->is_sent)
		return -EALREADY;
	if (oneshot->is_closed)
		return -EPIPE;
	oneshot->value = value;
	oneshot->is_sent = true;
	serve_all(&oneshot->waiters, 0);
	return 0;
}

void zok_oneshot_close(struct zok_oneshot *oneshot)
{
	zok__assert_own(oneshot->core, "a oneshot");
	oneshot->is_closed = true;
	if (!oneshot->is_sent)
		serve_all(&oneshot->waiters, -EPIPE);
}

void zok_oneshot_receive_prepare(struct zok_wait *wait, struct zok_oneshot *oneshot)
{
	prepare(wait, &oneshot_ops, oneshot, 0);
}

void *zok_oneshot_value(const struct zok_oneshot *oneshot)
{
	return oneshot->value;
}

int zok_oneshot_receive(struct zok_oneshot *oneshot, void **value)
{
	struct zok_wait wait;
	int rc;

	zok_oneshot_receive_prepare(&wait, oneshot);
	rc = (int)zok_await(&wait.future);
	if (rc == 0)
		*value = oneshot->value;
	return rc;
}
