/* From options to a plan: defaults, checks with a word about what would do, and what the protocol wants done once before the run. */
#include "perf/load.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 1000000
#define FILES_SPARE	64

ZOK_PRINTF(3, 4) static int refuse(char *why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, PERF_TEXT_MAX, format, args);
	va_end(args);
	return error;
}

static uint64_t or_default(uint64_t value, uint64_t otherwise)
{
	return value ? value : otherwise;
}

/* A twentieth of the window makes a plot over time worth looking at; between 100 ms and 1 s. */
static uint64_t default_interval(uint64_t duration_ns)
{
	uint64_t interval = duration_ns / 20;

	return interval < 100 * ZOK_MS ? 100 * ZOK_MS : interval > ZOK_S ? ZOK_S : interval;
}

static void fill_defaults(struct perf_load_options *o)
{
	o->protocol = o->protocol ? o->protocol : "echo";
	o->connections = (unsigned)or_default(o->connections, 1);
	o->depth = (unsigned)or_default(o->depth, 1);
	o->threads = (unsigned)or_default(o->threads, or_default(o->cpu_count, 1));
	o->drain_ns = or_default(o->drain_ns, 5 * ZOK_S);
	o->interval_ns = or_default(o->interval_ns, default_interval(o->duration_ns));
	o->connect_timeout_ns = or_default(o->connect_timeout_ns, 10 * ZOK_S);
	o->significant_digits = (int)or_default((uint64_t)o->significant_digits, 3);
	o->label = o->label ? o->label : o->target;
	if (o->wait == PERF_WAIT_DEFAULT)
		o->wait = o->loop == PERF_LOOP_OPEN ? PERF_WAIT_SPIN : PERF_WAIT_BLOCK;
}

static int check_options(const struct perf_load_options *o, char *why)
{

	if (o->loop == PERF_LOOP_OPEN && !(o->rate > 0 && o->rate <= 1e8))
		return refuse(why, -EINVAL, "an open loop needs a rate above 0 and up to 1e8 requests a second");
	if (o->duration_ns == 0)
		return refuse(why, -EINVAL, "the duration is 0: give at least 1ms");
	if (o->threads > PERF_THREADS_MAX || o->threads > o->connections)
		return refuse(why, -EINVAL, "%u threads: give at most %d, and no more than connections (%u)", o->threads, PERF_THREADS_MAX,
			      o->connections);
	if (o->connections > CONNECTIONS_MAX || o->depth > 1024)
		return refuse(why, -EINVAL, "at most %d connections and a depth of 1024", CONNECTIONS_MAX);
	if (o->significant_digits < 1 || o->significant_digits > 5)
		return refuse(why, -EINVAL, "%d significant digits: give 1 to 5", o->significant_digits);
	return 0;
}

static int make_exchange(struct load_plan *plan, char *why)
{
	const struct perf_load_options *o = &plan->options;
	const struct perf_protocol *protocol = perf_protocol_find(o->protocol);
	const char *slashes = strstr(o->target, "//");
	int rc;

	if (!protocol)
		return refuse(why, -EINVAL, "there is no protocol '%.40s'", o->protocol);
	rc = perf_exchange_create(&plan->exchange, protocol, o->size, slashes ? slashes + 2 : "localhost");
	if (rc == -EINVAL)
		return refuse(why, rc, "%s takes a size of at most %zu bytes", protocol->name, protocol->size_max);
	return rc < 0 ? refuse(why, rc, "no memory for messages of %zu bytes", o->size) : 0;
}

/* Each connection is a file: ask for as many as are needed, and say so plainly when the hard limit is below. */
static int raise_file_limit(const struct perf_load_options *o, char *why)
{
	struct rlimit limit;
	rlim_t needed = (rlim_t)o->connections + FILES_SPARE;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
		return 0;
	if (limit.rlim_max < needed)
		return refuse(why, -EMFILE, "%u connections need %llu open files and the hard limit is %llu: raise it with ulimit -Hn",
			      o->connections, (unsigned long long)needed, (unsigned long long)limit.rlim_max);
	limit.rlim_cur = needed;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? refuse(why, -errno, "cannot raise the limit of open files: %s", strerror(errno)) : 0;
}

/* The set-up: one exchange on a connection of its own, before the threads start. */

static int wait_until_ready(int fd, short what, uint64_t deadline)
{
	struct pollfd entry = {.fd = fd, .events = what};
	uint64_t now = perf_now_ns();
	int timeout_ms = now < deadline ? (int)((deadline - now) / ZOK_MS) + 1 : 0;
	int rc = poll(&entry, 1, timeout_ms);

	return rc > 0 ? 0 : rc == 0 ? -ETIMEDOUT : -errno;
}

static int send_all(int fd, const struct perf_bytes *bytes, uint64_t deadline)
{
	for (size_t at = 0; at < bytes->size;) {
		ssize_t sent = send(fd, bytes->data + at, bytes->size - at, MSG_NOSIGNAL);
		int rc = sent < 0 && errno == EAGAIN ? wait_until_ready(fd, POLLOUT, deadline) : sent < 0 ? -errno : 0;

		if (rc < 0)
			return rc;
		at += sent > 0 ? (size_t)sent : 0;
	}
	return 0;
}

static int expect_all(int fd, const struct perf_bytes *bytes, uint64_t deadline)
{
	uint8_t got[256];

	for (size_t at = 0; at < bytes->size;) {
		size_t room = bytes->size - at < sizeof got ? bytes->size - at : sizeof got;
		int rc = wait_until_ready(fd, POLLIN, deadline);
		ssize_t size = rc < 0 ? rc : recv(fd, got, room, 0);

		if (rc < 0 || size < 0)
			return rc < 0 ? rc : -errno;
		if (size == 0 || memcmp(got, bytes->data + at, (size_t)size) != 0)
			return -EBADMSG;
		at += (size_t)size;
	}
	return 0;
}

static int talk_once(const struct load_plan *plan, int fd)
{
	uint64_t deadline = perf_now_ns() + plan->options.connect_timeout_ns;
	int rc = connect(fd, (const struct sockaddr *)&plan->address.storage, plan->address.length) < 0 ? -errno : 0;

	if (rc == -EINPROGRESS)
		rc = wait_until_ready(fd, POLLOUT, deadline);
	if (rc == 0)
		rc = send_all(fd, &plan->exchange.setup, deadline);
	return rc < 0 ? rc : expect_all(fd, &plan->exchange.setup_reply, deadline);
}

static int set_up(const struct load_plan *plan, char *why)
{
	int fd, rc;

	if (plan->exchange.setup.size == 0)
		return 0;
	fd = socket(plan->address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : talk_once(plan, fd);
	if (fd >= 0)
		close(fd);
	if (rc == -EBADMSG)
		return refuse(why, rc, "%.120s does not answer %s as expected", plan->options.target, plan->options.protocol);
	return rc < 0 ? refuse(why, rc, "cannot set up %.120s: %s", plan->options.target, strerror(-rc)) : 0;
}

int perf_load_plan_make(struct load_plan *plan, char *why)
{
	int rc;

	fill_defaults(&plan->options);
	rc = check_options(&plan->options, why);
	if (rc == 0)
		rc = perf_address_parse(plan->options.target, &plan->address, why, PERF_TEXT_MAX);
	if (rc == 0)
		rc = make_exchange(plan, why);
	if (rc == 0)
		rc = raise_file_limit(&plan->options, why);
	return rc < 0 ? rc : set_up(plan, why);
}
