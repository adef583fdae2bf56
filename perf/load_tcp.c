/*
 * One generator thread over stream sockets. A turn of its loop sends what is due and then takes what came in; both are bounded, so that neither makes the
 * other late. It looks at the clock before every send and after every receive, and records how late itself was.
 */
#include "perf/load.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SENDS_PER_TURN = 16,
	EVENTS_PER_TURN = 16,
	CONNECTING_MAX = 64, /* below the backlog that servers commonly ask for */
};

#define BUFFER_SIZE_MIN ((size_t)64 << 10)
#define RETRY_NS	(10 * ZOK_MS)
#define BLOCKED_NS_MAX	(5 * ZOK_MS) /* how long a blocking generator may overlook a flip or a stop */

static unsigned count_of_thread(const struct load_plan *plan, unsigned index)
{
	unsigned threads = plan->options.threads;

	return plan->options.connections / threads + (index < plan->options.connections % threads);
}

static int make_set(struct load_set *set, int digits)
{
	int rc = perf_histogram_create(&set->lateness, 1, 3600 * ZOK_S, digits);

	for (int i = 0; i < PERF_MEASURES && rc == 0; i++)
		rc = perf_histogram_create(&set->latency[i], 1, 3600 * ZOK_S, digits);
	return rc;
}

static void finish_set(struct load_set *set)
{
	perf_histogram_destroy(&set->lateness);
	for (int i = 0; i < PERF_MEASURES; i++)
		perf_histogram_destroy(&set->latency[i]);
}

static int make_connections(struct load_thread *t)
{
	unsigned depth = t->plan->options.depth;

	t->connection_count = count_of_thread(t->plan, t->index);
	t->down_count = t->connection_count;
	t->slot_room = (size_t)t->connection_count * depth;
	t->connections = calloc(t->connection_count, sizeof *t->connections);
	t->requests = calloc(t->slot_room, sizeof *t->requests);
	t->slots = calloc(t->slot_room, sizeof *t->slots);
	if (!t->connections || !t->requests || !t->slots)
		return -ENOMEM;
	for (unsigned i = 0; i < t->connection_count; i++) {
		t->connections[i].fd = -1;
		t->connections[i].flight = t->requests + (size_t)i * depth;
	}
	return 0;
}

int perf_load_thread_init(struct load_thread *thread, const struct load_plan *plan, unsigned index)
{
	const struct perf_load_options *o = &plan->options;
	size_t request_size = plan->exchange.request.size;
	int rc;

	*thread = (struct load_thread){.plan = plan, .index = index, .set = &thread->sets[0], .epoll_fd = -1, .cpu = -1};
	if (o->cpu_count > 0)
		thread->cpu = o->cpus[index % o->cpu_count];
	thread->buffer_size = request_size > BUFFER_SIZE_MIN ? request_size : BUFFER_SIZE_MIN;
	thread->buffer = malloc(thread->buffer_size);
	if (!thread->buffer)
		return -ENOMEM;
	rc = make_connections(thread);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = make_set(&thread->sets[i], o->significant_digits);
	if (rc < 0)
		return rc;
	thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return thread->epoll_fd < 0 ? -errno : 0;
}

void perf_load_thread_finish(struct load_thread *thread)
{
	for (unsigned i = 0; thread->connections && i < thread->connection_count; i++)
		if (thread->connections[i].fd >= 0)
			close(thread->connections[i].fd);
	if (thread->epoll_fd >= 0)
		close(thread->epoll_fd);
	for (int i = 0; i < 2; i++)
		finish_set(&thread->sets[i]);
	free(thread->connections);
	free(thread->requests);
	free(thread->slots);
	free(thread->buffer);
}

/* Free slots: first freed, first used, so that the load goes round all connections. */

static void push_slot(struct load_thread *t, const struct load_connection *c, uint64_t now)
{
	size_t at = t->slot_first + t->slot_count;

	assert(t->slot_count < t->slot_room);
	t->slots[at < t->slot_room ? at : at - t->slot_room] =
		(struct load_slot){.connection = (uint32_t)(c - t->connections), .free_ns = now};
	t->slot_count++;
}

static struct load_slot pop_slot(struct load_thread *t)
{
	struct load_slot slot = t->slots[t->slot_first];

	assert(t->slot_count > 0);
	t->slot_first = t->slot_first + 1 < t->slot_room ? t->slot_first + 1 : 0;
	t->slot_count--;
	return slot;
}

/* Drops the slots of a connection that is gone: rare, so it goes once round the ring. */
static void drop_slots(struct load_thread *t, const struct load_connection *gone)
{
	for (size_t left = t->slot_count; left > 0; left--) {
		struct load_slot slot = pop_slot(t);

		if (t->connections + slot.connection != gone)
			push_slot(t, t->connections + slot.connection, slot.free_ns);
	}
}

/* Connections. */

static void watch(struct load_thread *t, struct load_connection *c, int how, bool for_write)
{
	struct epoll_event event = {.events = EPOLLIN | (for_write ? EPOLLOUT : 0), .data.ptr = c};
	int rc = epoll_ctl(t->epoll_fd, how, c->fd, &event);

	assert(rc == 0); /* memory for a watch that exists is there; for a new one the connection is only just made */
	(void)rc;
	c->is_write_armed = for_write;
}

static void set_state(struct load_thread *t, struct load_connection *c, enum load_state state)
{
	unsigned *counts[] = {&t->down_count, &t->connecting_count, &t->up_count};

	--*counts[c->state];
	++*counts[state];
	c->state = state;
}

/* Ends a connection. What was in flight on it is lost, and it is tried again a little later. */
static void lose(struct load_thread *t, struct load_connection *c, enum perf_error error)
{
	t->set->errors[error]++;
	t->set->errors[PERF_ERROR_LOST] += c->in_flight;
	t->busy -= c->in_flight;
	drop_slots(t, c);
	close(c->fd);
	c->fd = -1;
	c->in_flight = c->unsent = 0;
	set_state(t, c, LOAD_DOWN);
	if (c - t->connections < t->down_first)
		t->down_first = (unsigned)(c - t->connections);
	t->retry_ns = t->turn_ns + RETRY_NS;
}

static void come_up(struct load_thread *t, struct load_connection *c, uint64_t now)
{
	set_state(t, c, LOAD_UP);
	c->oldest = c->in_flight = c->unsent = 0;
	c->reply = (struct perf_reply){0};
	for (unsigned i = 0; i < t->plan->options.depth; i++)
		push_slot(t, c, now);
}

/* Starts a connection. 0 also when it is still under way, or when the server's queue is full and it must be tried again. */
static int start_connecting(struct load_thread *t, struct load_connection *c)
{
	const struct perf_address *address = &t->plan->address;
	int one = 1, rc;

	c->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (address->storage.ss_family != AF_UNIX)
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	rc = connect(c->fd, (const struct sockaddr *)&address->storage, address->length) < 0 ? -errno : 0;
	if (rc < 0 && rc != -EINPROGRESS) {
		close(c->fd);
		c->fd = -1;
		return rc == -EAGAIN ? 0 : rc;
	}
	set_state(t, c, LOAD_CONNECTING);
	watch(t, c, EPOLL_CTL_ADD, true);
	return 0;
}

/* Starts those that are down, at most as many as a server's backlog takes. Returns the first failure. */
static int start_down(struct load_thread *t, uint64_t now)
{
	t->retry_ns = now + RETRY_NS;
	for (unsigned i = t->down_first; i < t->connection_count && t->connecting_count < CONNECTING_MAX; i++) {
		struct load_connection *c = t->connections + i;
		int rc = c->state == LOAD_DOWN ? start_connecting(t, c) : 0;

		if (rc < 0)
			return rc;
		t->down_first += i == t->down_first && c->state != LOAD_DOWN;
	}
	return 0;
}

static int finish_connecting(struct load_thread *t, struct load_connection *c, uint64_t now)
{
	int error = 0;
	socklen_t size = sizeof error;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
		error = errno;
	if (error)
		return -error;
	watch(t, c, EPOLL_CTL_MOD, false);
	come_up(t, c, now);
	return 0;
}

static int connect_some(struct load_thread *t)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int rc = start_down(t, perf_now_ns());
	int count = rc < 0 ? 0 : epoll_wait(t->epoll_fd, events, EVENTS_PER_TURN, 1);

	for (int i = 0; i < count && rc == 0; i++) {
		struct load_connection *c = events[i].data.ptr;

		if (c->state == LOAD_CONNECTING)
			rc = finish_connecting(t, c, perf_now_ns());
	}
	return rc;
}

int perf_load_connect(struct load_thread *thread)
{
	uint64_t deadline = perf_now_ns() + thread->plan->options.connect_timeout_ns;
	int rc = 0;

	while (rc == 0 && thread->up_count < thread->connection_count) {
		rc = connect_some(thread);
		if (rc == 0 && perf_now_ns() > deadline)
			rc = -ETIMEDOUT;
	}
	if (rc < 0)
		snprintf(thread->why, sizeof thread->why, "cannot connect to %.150s: %s (%u of %u connections were made)",
			 thread->plan->options.target, strerror(-rc), thread->up_count, thread->connection_count);
	return rc;
}

/* Sending. */

static struct load_request *flight_at(const struct load_thread *t, const struct load_connection *c, unsigned nth)
{
	unsigned depth = t->plan->options.depth, at = c->oldest + nth;

	return &c->flight[at < depth ? at : at - depth];
}

/*
 * Sends what is unsent on a connection. Unsent bytes are not kept: a request is made again from its number, so a connection needs no buffer.
 * Returns false when the connection was lost.
 */
static bool flush(struct load_thread *t, struct load_connection *c)
{
	const struct perf_exchange *exchange = &t->plan->exchange;

	while (c->unsent > 0) {
		const struct load_request *request = flight_at(t, c, c->in_flight - c->unsent);
		size_t size = exchange->request.size - c->sent_size;
		ssize_t sent;

		perf_exchange_request(exchange, request->number, c->sent_size, t->buffer, size);
		sent = send(c->fd, t->buffer, size, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno != EAGAIN && errno != EINTR) {
			lose(t, c, PERF_ERROR_RESET);
			return false;
		}
		c->sent_size += sent > 0 ? (size_t)sent : 0;
		if (c->sent_size < exchange->request.size)
			break;
		c->sent_size = 0;
		c->unsent--;
	}
	if ((c->unsent > 0) != c->is_write_armed)
		watch(t, c, EPOLL_CTL_MOD, c->unsent > 0);
	return true;
}

static bool is_measured(const struct load_plan *plan, uint64_t planned_ns)
{
	return planned_ns >= plan->window_ns && planned_ns < plan->end_ns;
}

/* Sends one request on the slot that has been free longest. */
static void send_one(struct load_thread *t, uint64_t planned_ns, uint64_t now)
{
	struct load_slot slot = pop_slot(t);
	struct load_connection *c = t->connections + slot.connection;
	uint64_t possible_ns = planned_ns > slot.free_ns ? planned_ns : slot.free_ns;

	c->in_flight++;
	c->unsent++;
	t->busy++;
	*flight_at(t, c, c->in_flight - 1) = (struct load_request){t->next_number++, planned_ns, now};
	if (is_measured(t->plan, planned_ns)) {
		t->set->sent++;
		if (t->plan->options.loop == PERF_LOOP_OPEN)
			perf_histogram_record(&t->set->lateness, now > possible_ns ? now - possible_ns : 0, 1);
	}
	flush(t, c);
}

/* Looks at the clock. A long way since the last look means that the generator itself was away, or is overloaded. */
static uint64_t look_at_clock(struct load_thread *t)
{
	uint64_t now = perf_now_ns(), since = now - t->turn_ns;

	if (ZOK_UNLIKELY(since > PERF_PAUSE_NS && t->turn_ns > t->plan->window_ns && now < t->plan->end_ns)) {
		t->pause_ns_total += since;
		t->pause_ns_max = since > t->pause_ns_max ? since : t->pause_ns_max;
	}
	t->turn_ns = now;
	return now;
}

/* Draws the next arrival; the plan ends where the window does. */
static void draw_due(struct load_thread *t)
{
	t->due_ns = t->plan->start_ns + perf_arrivals_next(&t->arrivals);
	if (t->due_ns >= t->plan->end_ns)
		t->due_ns = ZOK_NEVER;
	else if (t->due_ns >= t->plan->window_ns)
		t->planned++;
}

static void send_due_open(struct load_thread *t)
{
	for (int i = 0; i < SENDS_PER_TURN && t->slot_count > 0; i++) {
		uint64_t now = look_at_clock(t);

		if (t->due_ns > now)
			return;
		send_one(t, t->due_ns, now);
		draw_due(t);
	}
}

static void send_due_closed(struct load_thread *t)
{
	for (int i = 0; i < SENDS_PER_TURN && t->slot_count > 0; i++) {
		uint64_t now = look_at_clock(t);

		if (now >= t->plan->end_ns)
			return;
		t->planned += now >= t->plan->window_ns;
		send_one(t, now, now);
	}
}

/* Receiving. */

static void record(struct load_thread *t, const struct load_request *request, uint64_t now)
{
	if (!is_measured(t->plan, request->planned_ns))
		return;
	perf_histogram_record(&t->set->latency[PERF_RAW], now - request->sent_ns, 1);
	if (t->plan->options.loop == PERF_LOOP_OPEN)
		perf_histogram_record(&t->set->latency[PERF_CORRECTED], now - request->planned_ns, 1);
}

static void complete(struct load_thread *t, struct load_connection *c, uint64_t now)
{
	record(t, flight_at(t, c, 0), now);
	t->set->in_window += now >= t->plan->window_ns && now < t->plan->end_ns;
	c->oldest = c->oldest + 1 < t->plan->options.depth ? c->oldest + 1 : 0;
	c->in_flight--;
	t->busy--;
	c->reply = (struct perf_reply){0};
	push_slot(t, c, now);
}

/* Takes received bytes apart into replies. Returns false when they are not what was asked for. */
static bool digest(struct load_thread *t, struct load_connection *c, const uint8_t *bytes, size_t size, uint64_t now)
{
	while (size > 0) {
		ssize_t taken = c->in_flight == c->unsent
					? -EBADMSG
					: perf_exchange_consume(&t->plan->exchange, &c->reply, flight_at(t, c, 0)->number, bytes, size);

		if (taken < 0)
			return false;
		bytes += taken;
		size -= (size_t)taken;
		if (c->reply.is_done)
			complete(t, c, now);
	}
	return true;
}

static void receive(struct load_thread *t, struct load_connection *c)
{
	ssize_t size;

	do {
		size = recv(c->fd, t->buffer, t->buffer_size, MSG_DONTWAIT);
		if (size < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (size <= 0) {
			lose(t, c, size < 0 ? PERF_ERROR_RESET : PERF_ERROR_CLOSED);
			return;
		}
		if (!digest(t, c, t->buffer, (size_t)size, look_at_clock(t))) {
			lose(t, c, PERF_ERROR_REPLY);
			return;
		}
	} while ((size_t)size == t->buffer_size);
}

static void handle(struct load_thread *t, struct load_connection *c, uint32_t what)
{
	if (c->state == LOAD_CONNECTING) {
		if (finish_connecting(t, c, look_at_clock(t)) < 0)
			lose(t, c, PERF_ERROR_CONNECT);
		return;
	}
	if ((what & EPOLLOUT) && !flush(t, c))
		return;
	if (what & (EPOLLIN | EPOLLERR | EPOLLHUP))
		receive(t, c);
}

/* How long a blocking generator may wait: until the next request that has a free slot. */
static uint64_t wait_ns(const struct load_thread *t)
{
	uint64_t now;

	if (t->plan->options.wait == PERF_WAIT_SPIN)
		return 0;
	if (t->slot_count == 0 || (t->due_ns == ZOK_NEVER && t->busy > 0))
		return BLOCKED_NS_MAX;
	if (t->plan->options.loop == PERF_LOOP_CLOSED)
		return t->turn_ns < t->plan->end_ns ? 0 : BLOCKED_NS_MAX;
	now = perf_now_ns();
	if (t->due_ns <= now)
		return 0;
	return t->due_ns - now < BLOCKED_NS_MAX ? t->due_ns - now : BLOCKED_NS_MAX;
}

static void take_events(struct load_thread *t)
{
	struct epoll_event events[EVENTS_PER_TURN];
	uint64_t wait = wait_ns(t);
	struct timespec timeout = {.tv_nsec = (long)wait};
	int count = wait > 0 ? epoll_pwait2(t->epoll_fd, events, EVENTS_PER_TURN, &timeout, NULL)
			     : epoll_wait(t->epoll_fd, events, EVENTS_PER_TURN, 0);

	if (wait > 0)
		t->turn_ns = perf_now_ns(); /* it waited because it had nothing to do: no pause */
	for (int i = 0; i < count; i++)
		handle(t, events[i].data.ptr, events[i].events);
}

/* The controller wants the set that is being recorded into: hand it over and go on with the other, which it has emptied. */
static void obey_flip(struct load_thread *t)
{
	unsigned asked =
		__atomic_load_n(&t->flips_asked, __ATOMIC_ACQUIRE); /* pairs with the controller's release after it emptied the set */

	if (asked == t->flips_done)
		return;
	t->set = t->set == &t->sets[0] ? &t->sets[1] : &t->sets[0];
	__atomic_store_n(&t->flips_done, asked,
			 __ATOMIC_RELEASE); /* pairs with the controller's acquire: what was recorded is visible to it */
}

static bool is_over(const struct load_thread *t)
{
	const struct load_plan *plan = t->plan;

	if (__atomic_load_n(&t->must_stop, __ATOMIC_RELAXED)) /* nothing else is read because of it */
		return true;
	if (t->turn_ns < plan->end_ns)
		return false;
	if (t->turn_ns >= plan->end_ns + plan->options.drain_ns)
		return true;
	return t->busy == 0 && (plan->options.loop == PERF_LOOP_CLOSED || t->due_ns == ZOK_NEVER);
}

/* What is left at the end is recorded with the time that it has waited: a lower bound of its latency. */
static void record_unanswered(struct load_thread *t)
{
	uint64_t now = look_at_clock(t);

	for (unsigned i = 0; i < t->connection_count; i++)
		for (unsigned k = 0; k < t->connections[i].in_flight; k++) {
			const struct load_request *request = flight_at(t, t->connections + i, k);

			t->set->errors[PERF_ERROR_UNANSWERED] += is_measured(t->plan, request->planned_ns);
			record(t, request, now);
		}
	if (t->plan->options.loop == PERF_LOOP_CLOSED)
		return;
	for (; t->due_ns <= now; draw_due(t)) {
		if (!is_measured(t->plan, t->due_ns))
			continue;
		perf_histogram_record(&t->set->latency[PERF_CORRECTED], now - t->due_ns, 1);
		t->set->errors[PERF_ERROR_UNANSWERED]++;
	}
}

void perf_load_generate(struct load_thread *thread)
{
	const struct perf_load_options *o = &thread->plan->options;

	thread->due_ns = ZOK_NEVER;
	if (o->loop == PERF_LOOP_OPEN) {
		perf_arrivals_init(&thread->arrivals, o->arrivals, o->rate / o->threads, o->seed, thread->index, o->threads);
		draw_due(thread);
	}
	for (look_at_clock(thread); !is_over(thread); look_at_clock(thread)) {
		obey_flip(thread);
		if (ZOK_UNLIKELY(thread->down_count > 0) && thread->turn_ns >= thread->retry_ns && start_down(thread, thread->turn_ns) < 0)
			thread->set->errors[PERF_ERROR_CONNECT]++;
		if (o->loop == PERF_LOOP_OPEN)
			send_due_open(thread);
		else
			send_due_closed(thread);
		take_events(thread);
	}
	if (!__atomic_load_n(&thread->must_stop, __ATOMIC_RELAXED))
		record_unanswered(thread);
	__atomic_store_n(&thread->is_finished, true, __ATOMIC_RELEASE); /* pairs with the controller's acquire: both sets are its own now */
}
