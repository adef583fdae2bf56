/*
 * Boost.Asio: steady_timer, a binary heap. A cancelled wait still completes, with an error: running those completions belongs to its price.
 */
#include "perf/bench/timers/peer.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>

namespace
{

struct asio {
	boost::asio::io_context context{1};
	size_t fired = 0;
	std::deque<boost::asio::steady_timer> timers;
};

void *create(size_t count)
{
	asio *self = new asio;

	for (size_t i = 0; i < count; i++)
		self->timers.emplace_back(self->context);
	return self;
}

void insert(void *arg, const uint32_t *which, const uint64_t *delays_ns, size_t count)
{
	asio *self = static_cast<asio *>(arg);
	const auto now = std::chrono::steady_clock::now();

	for (size_t i = 0; i < count; i++) {
		boost::asio::steady_timer &timer = self->timers[which[i]];

		timer.expires_at(now + std::chrono::nanoseconds(delays_ns[which[i]]));
		timer.async_wait([self](const boost::system::error_code &error) { self->fired += !error; });
	}
}

void cancel(void *arg, const uint32_t *which, size_t count)
{
	asio *self = static_cast<asio *>(arg);

	for (size_t i = 0; i < count; i++)
		self->timers[which[i]].cancel();
	self->context.poll();
}

size_t fire(void *arg)
{
	asio *self = static_cast<asio *>(arg);

	self->context.restart();
	self->context.poll();
	return self->fired;
}

void destroy(void *arg)
{
	delete static_cast<asio *>(arg);
}

} // namespace

extern const struct timer_peer timer_asio = {"Boost.Asio", create, insert, cancel, fire, destroy};
