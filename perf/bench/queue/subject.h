/*
 * What bench_queue.c and its peers share: a queue under test is a pair of loops, generated from its own calls so that they are inlined,
 * and a transfer runs them on threads of their own. Elements are 64-bit words; every loop returns the sum of what passed, which must agree.
 */
#ifndef PERF_BENCH_QUEUE_SUBJECT_H
#define PERF_BENCH_QUEUE_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { QUEUE_CAPACITY = 1024, QUEUE_BURST = 32 };

struct queue_subject {
	const char *name;
	void *(*reset)(void); /* an empty queue; the same memory every time */
	/* Both move `count` elements, in calls of one or of QUEUE_BURST, and return their sum. A producer's elements are first, first + 1… */
	uint64_t (*produce)(void *queue, uint64_t first, uint64_t count);
	uint64_t (*consume)(void *queue, uint64_t count);
};

/* The peers, by the list that each is measured in; a list ends with a subject without a name. */
extern const struct queue_subject boost_spsc_one, boost_spsc_burst, boost_mpmc_one;
extern const struct queue_subject rte_spsc_one, rte_spsc_burst, rte_mpmc_one, rte_mpmc_burst;
extern const struct queue_subject ck_spsc_one, ck_mpmc_one;

static inline void queue_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* Every subject's loops are these, so that what differs is the queue. PUSH and POP are expressions of (queue, item pointer), true on success. */
#define QUEUE_LOOPS_ONE(subject, PUSH, POP)                                                \
	static uint64_t subject##_produce_one(void *queue, uint64_t first, uint64_t count) \
	{                                                                                  \
		uint64_t sum = 0;                                                          \
                                                                                           \
		for (uint64_t item = first; item < first + count; item++) {                \
			while (!PUSH(queue, &item))                                        \
				queue_pause();                                             \
			sum += item;                                                       \
		}                                                                          \
		return sum;                                                                \
	}                                                                                  \
	static uint64_t subject##_consume_one(void *queue, uint64_t count)                 \
	{                                                                                  \
		uint64_t sum = 0, item = 0;                                                \
                                                                                           \
		while (count-- > 0) {                                                      \
			while (!POP(queue, &item))                                         \
				queue_pause();                                             \
			sum += item;                                                       \
		}                                                                          \
		return sum;                                                                \
	}

/* PUSH and POP are expressions of (queue, items, n) that give how many were moved. */
#define QUEUE_LOOPS_BURST(subject, PUSH, POP)                                                                         \
	static uint64_t subject##_produce_burst(void *queue, uint64_t first, uint64_t count)                          \
	{                                                                                                             \
		uint64_t items[QUEUE_BURST], sum = 0;                                                                 \
                                                                                                                      \
		for (uint64_t sent = 0; sent < count; sent += QUEUE_BURST) {                                          \
			size_t done = 0, pushed;                                                                      \
                                                                                                                      \
			for (size_t i = 0; i < QUEUE_BURST; i++)                                                      \
				sum += items[i] = first + sent + i;                                                   \
			do {                                                                                          \
				pushed = PUSH(queue, items + done, QUEUE_BURST - done);                               \
				if (pushed == 0)                                                                      \
					queue_pause();                                                                \
				done += pushed;                                                                       \
			} while (done < QUEUE_BURST);                                                                 \
		}                                                                                                     \
		return sum;                                                                                           \
	}                                                                                                             \
	static uint64_t subject##_consume_burst(void *queue, uint64_t count)                                          \
	{                                                                                                             \
		uint64_t items[QUEUE_BURST], sum = 0;                                                                 \
                                                                                                                      \
		while (count > 0) {                                                                                   \
			size_t popped = POP(queue, items, count < QUEUE_BURST ? (size_t)count : (size_t)QUEUE_BURST); \
                                                                                                                      \
			if (popped == 0)                                                                              \
				queue_pause();                                                                        \
			for (size_t i = 0; i < popped; i++)                                                           \
				sum += items[i];                                                                      \
			count -= popped;                                                                              \
		}                                                                                                     \
		return sum;                                                                                           \
	}

#ifdef __cplusplus
}
#endif

#endif
