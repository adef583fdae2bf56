/*
 * Sampling how long woken tasks wait until they run. Into which histogram: <zokio/latency.h>.
 *
 * A wake counts down to the next sample of its class. The task sampled carries a flag and the time, and the flag sends it through the loop
 * (fiber.c's switch to the next fiber takes only those without it), where the time is taken again. So a wake that is not sampled pays for
 * one decrement, and a switch for nothing.
 *
 * The time lies in the task, because a core may have many samples under way: with room for one only, none would be taken while that one waits,
 * and long waits would be the ones that are missed. The gaps between samples are random, because wakes often come in a pattern that would
 * otherwise meet the same task each time.
 */
#ifndef CORE_LATENCY_H
#define CORE_LATENCY_H

#include "zokio/task.h"

enum { ZOK__LATENCY_GAP_MAX = 1024 };

/* A class's. */
struct zok__sampler {
	uint32_t left; /* wakes up to and with the next that is sampled */
	uint32_t gap;  /* the mean of them: grows where samples come too fast, shrinks where they are rare */
	uint32_t random;
	uint64_t sampled_ns; /* when the last one was */
};

void zok__sampler_init(struct zok__sampler *sampler, uint32_t seed);

/* The countdown is over: this task, which was just woken, is timed. */
void zok__latency_mark(struct zok_core *core, struct zok_task *task);

/* A marked task is about to run. */
void zok__latency_record(struct zok_core *core, struct zok_task *task);

#endif
