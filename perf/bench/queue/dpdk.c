/* DPDK's rte_ring for bench_queue, on memory of our own, so that no EAL is needed. */
#include "perf/bench/queue/subject.h"

#include <rte_ring.h>
#include <stdlib.h>

static void *ring_reset(unsigned flags)
{
	static struct rte_ring *ring;
	/* EXACT_SZ would round up to 2,048 slots: as with Boost's, one of 1,024 stays empty. */
	ssize_t size = rte_ring_get_memsize(QUEUE_CAPACITY);

	if (!ring && size > 0)
		ring = aligned_alloc(RTE_CACHE_LINE_SIZE * 2, ((size_t)size + 127) & ~(size_t)127);
	return ring && rte_ring_init(ring, "bench", QUEUE_CAPACITY, flags) == 0 ? ring : NULL;
}

static void *spsc_reset(void)
{
	return ring_reset(RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void *mpmc_reset(void)
{
	return ring_reset(0);
}

#define SPSC_PUSH(queue, item)		 (rte_ring_sp_enqueue_elem(queue, item, sizeof(uint64_t)) == 0)
#define SPSC_POP(queue, item)		 (rte_ring_sc_dequeue_elem(queue, item, sizeof(uint64_t)) == 0)
#define SPSC_PUSH_BURST(queue, items, n) rte_ring_sp_enqueue_burst_elem(queue, items, sizeof(uint64_t), (unsigned)(n), NULL)
#define SPSC_POP_BURST(queue, items, n)	 rte_ring_sc_dequeue_burst_elem(queue, items, sizeof(uint64_t), (unsigned)(n), NULL)
#define MPMC_PUSH(queue, item)		 (rte_ring_mp_enqueue_elem(queue, item, sizeof(uint64_t)) == 0)
#define MPMC_POP(queue, item)		 (rte_ring_mc_dequeue_elem(queue, item, sizeof(uint64_t)) == 0)
#define MPMC_PUSH_BURST(queue, items, n) rte_ring_mp_enqueue_burst_elem(queue, items, sizeof(uint64_t), (unsigned)(n), NULL)
#define MPMC_POP_BURST(queue, items, n)	 rte_ring_mc_dequeue_burst_elem(queue, items, sizeof(uint64_t), (unsigned)(n), NULL)

QUEUE_LOOPS_ONE(spsc, SPSC_PUSH, SPSC_POP)
QUEUE_LOOPS_BURST(spsc, SPSC_PUSH_BURST, SPSC_POP_BURST)
QUEUE_LOOPS_ONE(mpmc, MPMC_PUSH, MPMC_POP)
QUEUE_LOOPS_BURST(mpmc, MPMC_PUSH_BURST, MPMC_POP_BURST)

const struct queue_subject rte_spsc_one = {"DPDK rte_ring SP/SC", spsc_reset, spsc_produce_one, spsc_consume_one};
const struct queue_subject rte_spsc_burst = {"DPDK rte_ring SP/SC", spsc_reset, spsc_produce_burst, spsc_consume_burst};
const struct queue_subject rte_mpmc_one = {"DPDK rte_ring MP/MC", mpmc_reset, mpmc_produce_one, mpmc_consume_one};
const struct queue_subject rte_mpmc_burst = {"DPDK rte_ring MP/MC", mpmc_reset, mpmc_produce_burst, mpmc_consume_burst};
