#include "perf/bench/bench_sched_boost.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/fiber/all.hpp>
#include <vector>

extern "C" {
#include "perf/bench/bench.h"
}

namespace
{

constexpr unsigned yields = 2000000, spawns = 200000, batch = 1000, posts = 5000000, items = 500000;

double per_ns(std::uint64_t began_ns, double count)
{
	return static_cast<double>(bench_now_ns() - began_ns) / count;
}

double mps(std::uint64_t began_ns, double count)
{
	return count * 1000 / static_cast<double>(bench_now_ns() - began_ns);
}

} // namespace

double boost_fiber_yield_ns(void *arg)
{
	const unsigned fiber_count = *static_cast<unsigned *>(arg), each = yields / fiber_count;
	std::vector<boost::fibers::fiber> fibers;
	std::uint64_t began_ns;

	bench_pin(1);
	began_ns = bench_now_ns();
	for (unsigned i = 0; i < fiber_count; i++)
		fibers.emplace_back([each] {
			for (unsigned n = 0; n < each; n++)
				boost::this_fiber::yield();
		});
	for (auto &fiber : fibers)
		fiber.join();
	return per_ns(began_ns, static_cast<double>(each) * fiber_count);
}

double boost_fiber_spawn_mps(void *)
{
	std::uint64_t began_ns;
	std::vector<boost::fibers::fiber> fibers;

	bench_pin(1);
	fibers.reserve(batch);
	began_ns = bench_now_ns();
	for (unsigned done = 0; done < spawns; done += batch) {
		for (unsigned i = 0; i < batch; i++)
			fibers.emplace_back([] {});
		for (auto &fiber : fibers)
			fiber.join();
		fibers.clear();
	}
	return mps(began_ns, spawns);
}

double boost_asio_post_mps(void *)
{
	boost::asio::io_context context{1};
	std::uint64_t began_ns, ran = 0;

	bench_pin(1);
	began_ns = bench_now_ns();
	for (unsigned done = 0; done < posts; done += batch) {
		for (unsigned i = 0; i < batch; i++)
			boost::asio::post(context, [&ran] { ran++; });
		context.run();
		context.restart();
	}
	BENCH_KEEP(ran);
	return mps(began_ns, posts);
}

double boost_fiber_channel_ns(void *)
{
	boost::fibers::buffered_channel<std::uint64_t> channel{64};
	std::uint64_t began_ns, sum = 0, item;

	bench_pin(1);
	began_ns = bench_now_ns();
	boost::fibers::fiber sender{[&channel] {
		for (std::uint64_t i = 0; i < items; i++)
			channel.push(i);
		channel.close();
	}};
	while (channel.pop(item) == boost::fibers::channel_op_status::success)
		sum += item;
	sender.join();
	BENCH_KEEP(sum);
	return per_ns(began_ns, items);
}
