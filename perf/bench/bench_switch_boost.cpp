#include "perf/bench/bench_switch_boost.h"

#include <boost/context/fiber.hpp>
#include <boost/coroutine2/all.hpp>
#include <boost/fiber/all.hpp>
#include <chrono>

namespace
{

using clock_type = std::chrono::steady_clock;

double one_way_ns(clock_type::time_point start, int round_trips)
{
	return std::chrono::duration<double, std::nano>(clock_type::now() - start).count() / (2.0 * round_trips);
}

} // namespace

double bench_switch_boost_context(int round_trips)
{
	bool is_over = false;
	boost::context::fiber fiber([&](boost::context::fiber &&back) {
		while (!is_over)
			back = std::move(back).resume();
		return std::move(back);
	});
	double ns;

	fiber = std::move(fiber).resume();
	auto start = clock_type::now();
	for (int i = 0; i < round_trips; i++)
		fiber = std::move(fiber).resume();
	ns = one_way_ns(start, round_trips);
	is_over = true;
	fiber = std::move(fiber).resume();
	return ns;
}

double bench_switch_boost_coroutine(int round_trips)
{
	bool is_over = false;
	boost::coroutines2::coroutine<void>::pull_type coroutine([&](boost::coroutines2::coroutine<void>::push_type &yield) {
		while (!is_over)
			yield();
	});
	double ns;

	auto start = clock_type::now();
	for (int i = 0; i < round_trips; i++)
		coroutine();
	ns = one_way_ns(start, round_trips);
	is_over = true;
	coroutine();
	return ns;
}

/* Two fibers that yield to each other through its scheduler: to be held against our yield, not against our bare switch. */
double bench_switch_boost_fiber(int round_trips)
{
	auto yield_often = [&] {
		for (int i = 0; i < round_trips; i++)
			boost::this_fiber::yield();
	};
	boost::fibers::fiber one(boost::fibers::launch::post, yield_often);
	boost::fibers::fiber two(boost::fibers::launch::post, yield_often);

	auto start = clock_type::now();
	one.join();
	two.join();
	return one_way_ns(start, round_trips);
}
