/*
 * Combinators: futures made of futures. Each polls its parts again when one of them wakes it, so a part may wake more often than it must; a join
 * of many alone knows which one it was.
 */
#include "zokio/future.h"
#include "zokio/timer.h"

#include <errno.h>

/* A combinator's own waker passes the wake on to whoever awaits the whole. */
static void pass_on(struct zok_future *whole)
{
	struct zok_waker *waker = whole->waker;

	if (whole->state == ZOK_FUTURE_PENDING && waker)
		waker->wake(waker);
}

/* ---- Join ---- */

static void join_wake(struct zok_waker *waker)
{
	pass_on(&ZOK_CONTAINER_OF(waker, struct zok_join, waker)->future);
}

static ssize_t first_error(struct zok_future *const *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (parts[i]->result < 0)
			return parts[i]->result;
	return 0;
}

static bool poll_parts(struct zok_future *const *parts, size_t count, struct zok_waker *waker)
{
	bool are_ready = true;

	for (size_t i = 0; i < count; i++)
		are_ready &= zok_future_poll(parts[i], waker);
	return are_ready;
}

static void cancel_parts(struct zok_future *const *parts, size_t count, ssize_t except)
{
	for (size_t i = 0; i < count; i++)
		if ((ssize_t)i != except)
			zok_future_cancel(parts[i]);
}

static bool join_poll(struct zok_future *future)
{
	struct zok_join *join = ZOK_CONTAINER_OF(future, struct zok_join, future);

	future->state = ZOK_FUTURE_PENDING;
	if (!poll_parts(join->parts, join->part_count, &join->waker))
		return false;
	future->waker = NULL; /* whoever polls knows already */
	zok_future_complete(future, first_error(join->parts, join->part_count));
	return true;
}

static void join_cancel(struct zok_future *future)
{
	struct zok_join *join = ZOK_CONTAINER_OF(future, struct zok_join, future);

	cancel_parts(join->parts, join->part_count, -1);
}

static const struct zok_future_ops join_ops = {.poll = join_poll, .cancel = join_cancel, .name = "a join"};

void zok_join_prepare(struct zok_join *join, struct zok_future *const *parts, size_t part_count)
{
	zok_future_prepare(&join->future, &join_ops);
	join->waker.wake = join_wake;
	join->parts = parts;
	join->part_count = part_count;
}

/* ---- Join of many ---- */

/* One wake of the whole is enough for all that wake until it is polled. */
static void seat_wake(struct zok_waker *waker)
{
	struct zok_join_seat *seat = ZOK_CONTAINER_OF(waker, struct zok_join_seat, waker);
	struct zok_join_many *join = seat->join;
	bool is_first = !join->woken;

	if (seat->is_woken || seat->is_ready)
		return;
	seat->is_woken = true;
	seat->next = join->woken;
	join->woken = seat;
	if (is_first)
		pass_on(&join->future);
}

static void poll_seat(struct zok_join_many *join, struct zok_join_seat *seat)
{
	seat->is_woken = false;
	if (!zok_future_poll(join->parts[seat - join->seats], &seat->waker))
		return;
	seat->is_ready = true;
	join->left--;
}

static void start_all(struct zok_join_many *join)
{
	join->left = join->part_count;
	for (size_t i = 0; i < join->part_count; i++)
		join->seats[i] = (struct zok_join_seat){.waker.wake = seat_wake, .join = join};
	for (size_t i = 0; i < join->part_count; i++)
		poll_seat(join, &join->seats[i]);
}

/* A part that wakes another while it is polled is met in the same turn. */
static bool join_many_poll(struct zok_future *future)
{
	struct zok_join_many *join = ZOK_CONTAINER_OF(future, struct zok_join_many, future);

	if (future->state == ZOK_FUTURE_PREPARED) {
		future->state = ZOK_FUTURE_PENDING;
		start_all(join);
	}
	while (join->woken) {
		struct zok_join_seat *seat = join->woken;

		join->woken = seat->next;
		if (!seat->is_ready)
			poll_seat(join, seat);
	}
	if (join->left > 0)
		return false;
	future->waker = NULL;
	zok_future_complete(future, first_error(join->parts, join->part_count));
	return true;
}

static void join_many_cancel(struct zok_future *future)
{
	struct zok_join_many *join = ZOK_CONTAINER_OF(future, struct zok_join_many, future);

	cancel_parts(join->parts, join->part_count, -1);
}

static const struct zok_future_ops join_many_ops = {.poll = join_many_poll, .cancel = join_many_cancel};

void zok_join_many_prepare(struct zok_join_many *join, struct zok_future *const *parts, size_t part_count, struct zok_join_seat *seats)
{
	zok_future_prepare(&join->future, &join_many_ops);
	join->parts = parts;
	join->part_count = part_count;
	join->seats = seats;
	join->woken = NULL;
	join->left = part_count;
}

/* ---- Race ---- */

/* The first part that is ready, however many became so before the race is polled again: called at each wake. */
static void note_winner(struct zok_race *race)
{
	for (size_t i = 0; i < race->part_count && race->winner < 0; i++)
		if (zok_future_is_ready(race->parts[i]))
			race->winner = (ssize_t)i;
}

static void race_wake(struct zok_waker *waker)
{
	struct zok_race *race = ZOK_CONTAINER_OF(waker, struct zok_race, waker);

	note_winner(race);
	pass_on(&race->future);
}

/* Polls in order until one is ready. Those behind it are not started. */
static ssize_t find_winner(struct zok_race *race)
{
	for (size_t i = 0; i < race->part_count; i++)
		if (zok_future_poll(race->parts[i], &race->waker))
			return (ssize_t)i;
	return -1;
}

static bool race_poll(struct zok_future *future)
{
	struct zok_race *race = ZOK_CONTAINER_OF(future, struct zok_race, future);

	if (race->part_count == 0) {
		zok_future_complete(future, -EINVAL);
		return true;
	}
	future->state = ZOK_FUTURE_PENDING;
	if (race->winner < 0)
		race->winner = find_winner(race);
	if (race->winner < 0)
		return false;
	cancel_parts(race->parts, race->part_count, race->winner);
	if (!poll_parts(race->parts, race->part_count, &race->waker))
		return false;
	future->waker = NULL;
	/* Cancelled as a whole, with nobody ready before: the winner is only the first to say so. */
	zok_future_complete(future, future->is_canceled && race->parts[race->winner]->result == -ECANCELED ? -ECANCELED : race->winner);
	return true;
}

static void race_cancel(struct zok_future *future)
{
	struct zok_race *race = ZOK_CONTAINER_OF(future, struct zok_race, future);

	note_winner(race);
	cancel_parts(race->parts, race->part_count, -1);
}

static const struct zok_future_ops race_ops = {.poll = race_poll, .cancel = race_cancel, .name = "a race"};

void zok_race_prepare(struct zok_race *race, struct zok_future *const *parts, size_t part_count)
{
	zok_future_prepare(&race->future, &race_ops);
	race->waker.wake = race_wake;
	race->parts = parts;
	race->part_count = part_count;
	race->winner = -1;
}

/* ---- Timeout ---- */

static void timeout_wake(struct zok_waker *waker)
{
	pass_on(&ZOK_CONTAINER_OF(waker, struct zok_timeout, waker)->future);
}

static bool timeout_poll(struct zok_future *future)
{
	struct zok_timeout *timeout = ZOK_CONTAINER_OF(future, struct zok_timeout, future);
	struct zok_future *part = timeout->part, *timer = &timeout->timer.future;
	ssize_t result;

	future->state = ZOK_FUTURE_PENDING;
	if (zok_future_poll(part, &timeout->waker))
		zok_future_cancel(timer);
	else if (zok_future_poll(timer, &timeout->waker))
		zok_future_cancel(part);
	if (!zok_future_is_ready(part) || !zok_future_is_ready(timer))
		return false;
	result = part->result;
	if (result == -ECANCELED && timer->result == 0 && !future->is_canceled)
		result = -ETIMEDOUT;
	future->waker = NULL;
	zok_future_complete(future, result);
	return true;
}

static void timeout_cancel(struct zok_future *future)
{
	zok_future_cancel(ZOK_CONTAINER_OF(future, struct zok_timeout, future)->part);
}

static const struct zok_future_ops timeout_ops = {.poll = timeout_poll, .cancel = timeout_cancel, .name = "a time-out"};

void zok_timeout_prepare(struct zok_timeout *timeout, struct zok_future *part, uint64_t timeout_ns)
{
	zok_future_prepare(&timeout->future, &timeout_ops);
	timeout->waker.wake = timeout_wake;
	timeout->part = part;
	zok_timer_prepare(&timeout->timer, timeout_ns);
}

/* ---- Map and then ---- */

static void map_wake(struct zok_waker *waker)
{
	pass_on(&ZOK_CONTAINER_OF(waker, struct zok_map, waker)->future);
}

static bool map_poll(struct zok_future *future)
{
	struct zok_map *map = ZOK_CONTAINER_OF(future, struct zok_map, future);

	future->state = ZOK_FUTURE_PENDING;
	if (!zok_future_poll(map->part, &map->waker))
		return false;
	future->waker = NULL;
	zok_future_complete(future, map->map(map->part->result, map->arg));
	return true;
}

static void map_cancel(struct zok_future *future)
{
	zok_future_cancel(ZOK_CONTAINER_OF(future, struct zok_map, future)->part);
}

static const struct zok_future_ops map_ops = {.poll = map_poll, .cancel = map_cancel, .name = "a map"};

void zok_map_prepare(struct zok_map *map, struct zok_future *part, ssize_t (*fn)(ssize_t result, void *arg), void *arg)
{
	zok_future_prepare(&map->future, &map_ops);
	map->waker.wake = map_wake;
	map->part = part;
	map->map = fn;
	map->arg = arg;
}

static void then_wake(struct zok_waker *waker)
{
	pass_on(&ZOK_CONTAINER_OF(waker, struct zok_then, waker)->future);
}

static bool then_poll(struct zok_future *future)
{
	struct zok_then *then = ZOK_CONTAINER_OF(future, struct zok_then, future);
	struct zok_future *next;
	ssize_t result;

	future->state = ZOK_FUTURE_PENDING;
	while (zok_future_poll(then->part, &then->waker)) {
		result = then->part->result;
		next = then->next(result, then->arg);
		if (!next) {
			future->waker = NULL;
			zok_future_complete(future, result);
			return true;
		}
		then->part = next;
		if (future->is_canceled)
			zok_future_cancel(next);
	}
	return false;
}

static void then_cancel(struct zok_future *future)
{
	zok_future_cancel(ZOK_CONTAINER_OF(future, struct zok_then, future)->part);
}

static const struct zok_future_ops then_ops = {.poll = then_poll, .cancel = then_cancel, .name = "a chain"};

void zok_then_prepare(struct zok_then *then, struct zok_future *part, struct zok_future *(*next)(ssize_t result, void *arg), void *arg)
{
	zok_future_prepare(&then->future, &then_ops);
	then->waker.wake = then_wake;
	then->part = part;
	then->next = next;
	then->arg = arg;
}
