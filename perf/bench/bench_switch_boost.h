/* The peers of bench_switch that are C++. Each gives nanoseconds for one switch one way, of `round_trips` there and back. */
#ifndef PERF_BENCH_SWITCH_BOOST_H
#define PERF_BENCH_SWITCH_BOOST_H

#ifdef __cplusplus
extern "C" {
#endif

double bench_switch_boost_context(int round_trips);
double bench_switch_boost_coroutine(int round_trips);
double bench_switch_boost_fiber(int round_trips);

#ifdef __cplusplus
}
#endif

#endif
