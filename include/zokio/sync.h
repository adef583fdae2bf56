/*
 * Waiting for one another: event, mutex, semaphore, wait group, oneshot, channel.
 *
 * All are between tasks of one core: no lock, no atomic, no allocation (a channel's ring apart). Waiters are served in the order in which they
 * came. Every wait is a future (zok_…_prepare) and a call that suspends a fiber; both end with -ECANCELED or -ETIMEDOUT by the scope, and then
 * have taken nothing: no lock held, no permit used, no message lost. Fields are private; zeroes are not a valid object, call init. What
 * somebody waits on must stay until nobody does: finish asserts it.
 *
 * Stealing. An object is of the core that it was initialised on; one that was initialised on none is of no core. A task that may be stolen (task.h) and
 * touches one of another core is refused with a line in the log: waits, sends and receives give -EXDEV, try calls false; what cannot fail (set,
 * reset, release, unlock, add, done, close) is a fault of the program and aborts.
 *
 * Signalling calls (set, unlock, release, done, send without waiting) never suspend. They make waiters runnable; who was served already owns
 * what it waited for when it runs.
 */
#ifndef ZOKIO_SYNC_H
#define ZOKIO_SYNC_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"

ZOK_BEGIN_DECLS

/* Somebody who waits in a line of waiters. The future of every wait below. */
struct zok_wait {
	struct zok_future future;
	struct zok_list link;
	void *object; /* what it waits on */
	uint32_t amount;
};

/* ---- Event: set or not; waits pass while it is set ---- */

struct zok_event {
	struct zok_list waiters;
	struct zok_core *core; /* whose it is */
	bool is_set;
};

/* Before anything else. */
ZOK_API void zok_event_init(struct zok_event *event, bool is_set);

/* Nobody may wait on it. */
ZOK_API void zok_event_finish(struct zok_event *event);

/* All who wait pass, and all who come later, until it is reset. */
ZOK_API void zok_event_set(struct zok_event *event);

/* Later waits wait. */
ZOK_API void zok_event_reset(struct zok_event *event);

/* How it is now. */
ZOK_API bool zok_event_is_set(const struct zok_event *event);

/* Waits until it is set: 0. */
ZOK_API int zok_event_wait(struct zok_event *event);

/* The same as a future. */
ZOK_API void zok_event_wait_prepare(struct zok_wait *wait, struct zok_event *event);

/* ---- Semaphore: permits ---- */

struct zok_semaphore {
	struct zok_list waiters;
	struct zok_core *core; /* whose it is */
	uint32_t available;
};

/* With so many permits to begin with. */
ZOK_API void zok_semaphore_init(struct zok_semaphore *semaphore, uint32_t permits);

/* Nobody may wait for permits. */
ZOK_API void zok_semaphore_finish(struct zok_semaphore *semaphore);

/* Takes `permits` at once, when all can be had and nobody came before: 0. */
ZOK_API int zok_semaphore_acquire(struct zok_semaphore *semaphore, uint32_t permits);

/* The same as a future. */
ZOK_API void zok_semaphore_acquire_prepare(struct zok_wait *wait, struct zok_semaphore *semaphore, uint32_t permits);

/* Takes them now, or not at all. */
ZOK_API bool zok_semaphore_try_acquire(struct zok_semaphore *semaphore, uint32_t permits);

/* Gives permits, as many as the caller likes: it need not be who took them. */
ZOK_API void zok_semaphore_release(struct zok_semaphore *semaphore, uint32_t permits);

/* Permits that nobody holds. */
ZOK_API uint32_t zok_semaphore_available(const struct zok_semaphore *semaphore);

/* ---- Mutex: for what must not interleave over an await ---- */

struct zok_mutex {
	struct zok_semaphore one;
};

/* Unlocked. */
ZOK_API void zok_mutex_init(struct zok_mutex *mutex);

/* It must be unlocked. */
ZOK_API void zok_mutex_finish(struct zok_mutex *mutex);

/* Waits until it is held: 0. */
ZOK_API int zok_mutex_lock(struct zok_mutex *mutex);

/* The same as a future. */
ZOK_API void zok_mutex_lock_prepare(struct zok_wait *wait, struct zok_mutex *mutex);

/* Holds it now, or does not. */
ZOK_API bool zok_mutex_try_lock(struct zok_mutex *mutex);

/* The next in line holds it at once. Any task may unlock: it has no owner, only a state. */
ZOK_API void zok_mutex_unlock(struct zok_mutex *mutex);

/* ---- Wait group: until a count has come down to zero ---- */

struct zok_wait_group {
	struct zok_list waiters;
	struct zok_core *core; /* whose it is */
	uint32_t count;
};

/* With a count of zero. */
ZOK_API void zok_wait_group_init(struct zok_wait_group *group);

/* Nobody may wait on it. */
ZOK_API void zok_wait_group_finish(struct zok_wait_group *group);

/* So many more to wait for. */
ZOK_API void zok_wait_group_add(struct zok_wait_group *group, uint32_t count);

/* One fewer; the last one lets the waiters pass. More done than added is a fault and asserted. */
ZOK_API void zok_wait_group_done(struct zok_wait_group *group);

/* Waits until the count is zero: 0. */
ZOK_API int zok_wait_group_wait(struct zok_wait_group *group);

/* The same as a future. */
ZOK_API void zok_wait_group_wait_prepare(struct zok_wait *wait, struct zok_wait_group *group);

/* ---- Oneshot: one value, once, from one task to another ---- */

struct zok_oneshot {
	struct zok_list waiters;
	struct zok_core *core; /* whose it is */
	void *value;
	bool is_sent, is_closed;
};

/* Empty and open. */
ZOK_API void zok_oneshot_init(struct zok_oneshot *oneshot);

/* Nobody may wait on it. */
ZOK_API void zok_oneshot_finish(struct zok_oneshot *oneshot);

/* -EALREADY: sent before; -EPIPE: closed. */
ZOK_API int zok_oneshot_send(struct zok_oneshot *oneshot, void *value);

/* No value will come: waits end with -EPIPE. After a send it changes nothing. */
ZOK_API void zok_oneshot_close(struct zok_oneshot *oneshot);

/* Waits for the value, which stays: every receive gets it. 0, or -EPIPE. */
ZOK_API int zok_oneshot_receive(struct zok_oneshot *oneshot, void **value);

/* The value is zok_oneshot_value() once the result is 0. */
ZOK_API void zok_oneshot_receive_prepare(struct zok_wait *wait, struct zok_oneshot *oneshot);

/* The value; NULL before it was sent. */
ZOK_API void *zok_oneshot_value(const struct zok_oneshot *oneshot);

/*
 * ---- Channel: bounded, many senders, many receivers ----
 *
 * Messages are items of a size fixed at init, copied in and out, in order. A channel of capacity 0 hands over: a send waits for its receiver.
 * After close no send succeeds (-EPIPE), what was sent before is still received, and then receives end with -EPIPE. Both are cancel-safe: an
 * item is in exactly one place at any time; a cancelled send was not received, a cancelled receive has taken nothing.
 */
struct zok_channel {
	struct zok_list senders, receivers;
	struct zok_core *core; /* whose it is */
	uint8_t *ring;
	size_t item_size;
	uint32_t capacity, count, head;
	bool is_closed, owns_ring;
};

/* One send or receive as a future. */
struct zok_channel_wait {
	struct zok_future future;
	struct zok_list link;
	struct zok_channel *channel;
	void *item; /* the caller's: read by a send, written by a receive, before the future is ready */
};

/* The ring: capacity × item_size bytes of the caller's, or NULL to have it allocated. -ENOMEM; -EINVAL: item_size 0 or the product too large. */
ZOK_API int zok_channel_init(struct zok_channel *channel, void *ring, uint32_t capacity, size_t item_size);

/* Nobody may wait on it. What is still in the ring is forgotten. */
ZOK_API void zok_channel_finish(struct zok_channel *channel);

/* Ends it, see above. More than once is fine. */
ZOK_API void zok_channel_close(struct zok_channel *channel);

/* Whether it was closed. */
ZOK_API bool zok_channel_is_closed(const struct zok_channel *channel);

/* Items in the ring. */
ZOK_API uint32_t zok_channel_count(const struct zok_channel *channel);

/* Waits for room: 0, or -EPIPE. */
ZOK_API int zok_channel_send(struct zok_channel *channel, const void *item);

/* The same as a future. */
ZOK_API void zok_channel_send_prepare(struct zok_channel_wait *wait, struct zok_channel *channel, const void *item);

/* Waits for an item: 0, or -EPIPE. */
ZOK_API int zok_channel_receive(struct zok_channel *channel, void *item);

/* The same as a future. */
ZOK_API void zok_channel_receive_prepare(struct zok_channel_wait *wait, struct zok_channel *channel, void *item);

/* The same without waiting: -EAGAIN where it would have to. */
ZOK_API int zok_channel_try_send(struct zok_channel *channel, const void *item);

/* The same without waiting: -EAGAIN where it would have to. */
ZOK_API int zok_channel_try_receive(struct zok_channel *channel, void *item);

ZOK_END_DECLS

#endif
