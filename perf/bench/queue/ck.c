/* Concurrency Kit's ck_ring for bench_queue: one by one, for it has no bursts. */
#include "perf/bench/queue/subject.h"

#include <ck_ring.h>
#include <string.h>

static struct {
	ck_ring_t ring __attribute__((aligned(128)));
	ck_ring_buffer_t buffer[QUEUE_CAPACITY] __attribute__((aligned(128)));
} queue_memory;

static void *ring_reset(void)
{
	memset(&queue_memory, 0, sizeof queue_memory);
	ck_ring_init(&queue_memory.ring, QUEUE_CAPACITY);
	return &queue_memory;
}

#define SPSC_PUSH(queue, item) ck_ring_enqueue_spsc(&queue_memory.ring, queue_memory.buffer, (void *)(uintptr_t) * (item))
#define SPSC_POP(queue, item)  ck_ring_dequeue_spsc(&queue_memory.ring, queue_memory.buffer, (void **)(item))
#define MPMC_PUSH(queue, item) ck_ring_enqueue_mpmc(&queue_memory.ring, queue_memory.buffer, (void *)(uintptr_t) * (item))
#define MPMC_POP(queue, item)  ck_ring_dequeue_mpmc(&queue_memory.ring, queue_memory.buffer, (void **)(item))

QUEUE_LOOPS_ONE(spsc, SPSC_PUSH, SPSC_POP)
QUEUE_LOOPS_ONE(mpmc, MPMC_PUSH, MPMC_POP)

const struct queue_subject ck_spsc_one = {"Concurrency Kit ck_ring", ring_reset, spsc_produce_one, spsc_consume_one};
const struct queue_subject ck_mpmc_one = {"Concurrency Kit ck_ring", ring_reset, mpmc_produce_one, mpmc_consume_one};
