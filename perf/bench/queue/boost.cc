// Boost.Lockfree for bench_queue: spsc_queue one by one and in bursts, queue (many to many) one by one: it has no bursts.
#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include "perf/bench/queue/subject.h"

namespace
{
// One slot of spsc_queue stays empty; the size of its ring is a run of 1,024 slots all the same.
using spsc = boost::lockfree::spsc_queue<uint64_t, boost::lockfree::capacity<QUEUE_CAPACITY - 1>>;
using mpmc = boost::lockfree::queue<uint64_t, boost::lockfree::capacity<QUEUE_CAPACITY>>;

void *spsc_reset()
{
	static spsc queue;

	queue.reset();
	return &queue;
}

void *mpmc_reset()
{
	static mpmc queue;
	uint64_t item;

	while (queue.pop(item)) {
	}
	return &queue;
}

#define SPSC_PUSH(queue, item)		 static_cast<spsc *>(queue)->push(*(item))
#define SPSC_POP(queue, item)		 static_cast<spsc *>(queue)->pop(*(item))
#define SPSC_PUSH_BURST(queue, items, n) static_cast<spsc *>(queue)->push(items, n)
#define SPSC_POP_BURST(queue, items, n)	 static_cast<spsc *>(queue)->pop(items, n)
#define MPMC_PUSH(queue, item)		 static_cast<mpmc *>(queue)->bounded_push(*(item))
#define MPMC_POP(queue, item)		 static_cast<mpmc *>(queue)->pop(*(item))

QUEUE_LOOPS_ONE(spsc, SPSC_PUSH, SPSC_POP)
QUEUE_LOOPS_BURST(spsc, SPSC_PUSH_BURST, SPSC_POP_BURST)
QUEUE_LOOPS_ONE(mpmc, MPMC_PUSH, MPMC_POP)
} // namespace

extern "C" {
const struct queue_subject boost_spsc_one = {"Boost.Lockfree spsc_queue", spsc_reset, spsc_produce_one, spsc_consume_one};
const struct queue_subject boost_spsc_burst = {"Boost.Lockfree spsc_queue", spsc_reset, spsc_produce_burst, spsc_consume_burst};
const struct queue_subject boost_mpmc_one = {"Boost.Lockfree queue", mpmc_reset, mpmc_produce_one, mpmc_consume_one};
}
