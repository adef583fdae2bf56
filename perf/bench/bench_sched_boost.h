/* What Boost does for the scheduler's questions: one round each, as bench_case.run. NAN where it could not run. */
#ifndef PERF_BENCH_SCHED_BOOST_H
#define PERF_BENCH_SCHED_BOOST_H

#ifdef __cplusplus
extern "C" {
#endif

double boost_fiber_yield_ns(void *fiber_count); /* unsigned *: how many fibers yield in turn */
double boost_fiber_spawn_mps(void *arg);	/* millions of fibers launched and joined a second */
double boost_asio_post_mps(void *arg);		/* millions of handlers posted and run a second */
double boost_fiber_channel_ns(void *arg);	/* one item through a buffered_channel of 64 */

#ifdef __cplusplus
}
#endif

#endif
