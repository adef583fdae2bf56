#include "runtime/calibrate.h"

#include "runtime/runtime.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTFD, RING, WAYS, SAMPLES_MAX = 40, SAMPLES_MIN = 5 };

/* Together less than 5 ms, also where one wake-up does not come. */
#define BUDGET_NS (4 * ZOK_MS)
#define WAIT_NS	  (500 * ZOK_US)

struct samples {
	uint64_t ns[SAMPLES_MAX];
	size_t count;
};

static uint64_t now_ns(struct zok_core *core)
{
	return zok__clock_now_ns(&core->clock);
}

/* False: that way is not to be had. */
static bool wake(struct zok_core *from, struct zok_core *to, bool is_by_ring)
{
	const struct zok__engine_ops *ops = to->engine->ops;

	if (is_by_ring)
		return ops->wake_by && ops == from->engine->ops && ops->wake_by(to->engine, from->engine);
	ops->wake(to->engine);
	return true;
}

/* The second core: answers each question the way that it came. The question is published before the wake-up, so that it is found after it. */
static void answer(struct zok__calibration *calibration, struct zok_core *core, struct zok_core *first)
{
	uint32_t answered = 0;

	/* Acquire pairs with the releases in ask() and measure(). */
	while (!__atomic_load_n(&calibration->is_over, __ATOMIC_ACQUIRE)) {
		uint32_t ping = __atomic_load_n(&calibration->ping, __ATOMIC_ACQUIRE);

		if (ping == answered) {
			core->engine->ops->wait(core->engine, WAIT_NS);
			continue;
		}
		answered = ping;
		/* Release pairs with the acquire in ask(). */
		__atomic_store_n(&calibration->pong, ping, __ATOMIC_RELEASE);
		wake(core, first, ping % WAYS == RING);
	}
}

/* One question and its answer: false if there was none in time, or no such way. */
static bool ask(struct zok__calibration *calibration, struct zok_core *core, struct zok_core *second, uint32_t ping, uint64_t deadline_ns,
		struct samples *samples)
{
	uint64_t began_ns = now_ns(core);

	__atomic_store_n(&calibration->ping, ping, __ATOMIC_RELEASE);
	if (!wake(core, second, ping % WAYS == RING))
		return false;
	while (__atomic_load_n(&calibration->pong, __ATOMIC_ACQUIRE) != ping) {
		if (now_ns(core) >= deadline_ns)
			return false;
		core->engine->ops->wait(core->engine, WAIT_NS);
	}
	samples->ns[samples->count++] = (now_ns(core) - began_ns) / 2;
	return true;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* 0: too few to say. */
static uint64_t median(struct samples *samples)
{
	if (samples->count < SAMPLES_MIN)
		return 0;
	qsort(samples->ns, samples->count, sizeof *samples->ns, compare);
	return samples->ns[samples->count / 2];
}

/* By turns, so that a machine whose speed drifts drifts for both. The first of each warms up. */
static void measure(struct zok__calibration *calibration, struct zok_core *core, struct zok_core *second, uint64_t ns[WAYS])
{
	struct samples samples[WAYS] = {0};
	uint64_t deadline_ns = now_ns(core) + BUDGET_NS;

	for (uint32_t ping = WAYS; ping < WAYS * SAMPLES_MAX && now_ns(core) < deadline_ns; ping++) {
		if (!ask(calibration, core, second, ping, deadline_ns, &samples[ping % WAYS]))
			break;
		if (ping < 2 * WAYS)
			samples[ping % WAYS].count = 0;
	}
	/* Release: the second core sees the end with all before it. */
	__atomic_store_n(&calibration->is_over, true, __ATOMIC_RELEASE);
	wake(core, second, false);
	for (int way = 0; way < WAYS; way++)
		ns[way] = median(&samples[way]);
}

static void choose(struct zok__calibration *calibration, const uint64_t ns[WAYS])
{
	calibration->is_by_ring = ns[RING] != 0 && ns[RING] < ns[EVENTFD];
	if (ns[RING] == 0 || ns[EVENTFD] == 0)
		snprintf(calibration->text, sizeof calibration->text, "eventfd: too few wake-ups in the time for it to choose by");
	else
		snprintf(calibration->text, sizeof calibration->text, "eventfd %.1f us, msg-ring %.1f us: %s", (double)ns[EVENTFD] / 1e3,
			 (double)ns[RING] / 1e3, calibration->is_by_ring ? "msg-ring" : "eventfd");
}

static bool can_ring(const struct zok_core *core)
{
	return core->engine->ops->wake_by != NULL;
}

/* Where nothing is measured: what was asked for, or the one that there is. */
static bool is_settled(struct zok_runtime *runtime, const struct zok_core *core)
{
	struct zok__calibration *calibration = &runtime->calibration;
	const struct zok__config *config = &runtime->config;
	const char *why = NULL;

	if (runtime->core_count < 2)
		why = "eventfd: one core, which nobody's ring wakes";
	else if (!can_ring(core))
		why = "eventfd: the engine has no rings";
	else if (config->wake == ZOK__WAKE_EVENTFD)
		why = "eventfd: asked for";
	else if (config->wake == ZOK__WAKE_MSG_RING)
		why = "msg-ring: asked for, and eventfd where the kernel refuses it";
	else if (config->core.mode == ZOK__MODE_SPIN || config->core.mode == ZOK__MODE_SQPOLL)
		why = "eventfd: not measured in this mode";
	if (why && core->options.index == 0) {
		snprintf(calibration->text, sizeof calibration->text, "%s", why);
		calibration->is_by_ring = runtime->core_count > 1 && can_ring(core) && config->wake == ZOK__WAKE_MSG_RING;
	}
	return why != NULL;
}

void zok__calibrate(struct zok_runtime *runtime, unsigned index)
{
	struct zok__calibration *calibration = &runtime->calibration;
	uint64_t ns[WAYS];

	if (index > 1 || is_settled(runtime, runtime->cores[index]))
		return;
	if (index == 1) {
		answer(calibration, runtime->cores[1], runtime->cores[0]);
		return;
	}
	measure(calibration, runtime->cores[0], runtime->cores[1], ns);
	choose(calibration, ns);
}
