#include "core/latency.h"

#include "core/core.h"

/* A task keeps the time in 32 bits of so many nanoseconds. */
enum { UNIT_SHIFT = 4 };

/* Samples that follow each other sooner double the gap, those that come later halve it. */
#define SOON_NS (250 * ZOK_US)
#define LATE_NS ZOK_MS

/* A task that was stolen runs by another clock, which may be behind the one that it was woken by. */
#define SKEW_MAX_UNITS ((uint32_t)(ZOK_MS >> UNIT_SHIFT))

void zok__sampler_init(struct zok__sampler *sampler, uint32_t seed)
{
	*sampler = (struct zok__sampler){.left = 1, .gap = 1, .random = seed ? seed : 1};
}

/* xorshift (Marsaglia, 2003): what it decides is which wake is looked at. */
static uint32_t next_random(struct zok__sampler *sampler)
{
	uint32_t x = sampler->random;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	sampler->random = x;
	return x;
}

static void learn_gap(struct zok__sampler *sampler, uint64_t since_ns)
{
	if (since_ns < SOON_NS && sampler->gap < ZOK__LATENCY_GAP_MAX)
		sampler->gap *= 2;
	else if (since_ns > LATE_NS && sampler->gap > 1)
		sampler->gap /= 2;
}

void zok__latency_mark(struct zok_core *core, struct zok_task *task)
{
	struct zok__sampler *sampler = &core->samplers[task->task_class];
	uint64_t now_ns = zok__clock_now_ns(&core->clock);

	learn_gap(sampler, now_ns - sampler->sampled_ns);
	sampler->sampled_ns = now_ns;
	sampler->left = 1 + next_random(sampler) % (2 * sampler->gap - 1);
	task->woken_at = (uint32_t)(now_ns >> UNIT_SHIFT);
	task->flags |= ZOK__TASK_IS_SAMPLED;
}

void zok__latency_record(struct zok_core *core, struct zok_task *task)
{
	struct zok_latency *latency = &core->counters->latency[task->task_class - ZOK_CLASS_LATENCY];
	uint32_t waited = (uint32_t)(zok__clock_now_ns(&core->clock) >> UNIT_SHIFT) - task->woken_at;

	if (waited > UINT32_MAX - SKEW_MAX_UNITS)
		waited = 0;
	task->flags &= (uint8_t)~ZOK__TASK_IS_SAMPLED;
	zok__count(&latency->counts[zok_latency_bucket((uint64_t)waited << UNIT_SHIFT)], 1);
}
