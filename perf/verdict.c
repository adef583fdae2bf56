/*
 * Whether a run's figures may be believed. Each rule looks at one thing and gives its reason in one sentence with the figures that made it speak;
 * the verdict is the worst of them. INVALID: the figures answer another question than the one asked. SUSPECT: they may hold, and something was
 * wrong that they may contain.
 */
#include "perf/harness.h"

#include <stdarg.h>
#include <stdio.h>

const double perf_percentiles_shown[] = {50, 90, 99, 99.9, 99.99, 100};

#define REACHED_MIN	   0.99 /* of what was planned */
#define REPLIES_SPARE	   2	/* at the window's edges: a short run is not invalid because of one reply */
#define ERRORS_INVALID	   0.01
#define LATE_SUSPECT	   0.10 /* of the p99 latency */
#define LATE_INVALID	   0.50
#define LATE_NS_MIN	   (20 * ZOK_US) /* the clock, a send and a turn of the loop take some of this anyway */
#define AWAY_SUSPECT	   0.001
#define AWAY_INVALID	   0.05
#define STEAL_SUSPECT	   0.001
#define STEAL_INVALID	   0.05
#define SAMPLES_BEYOND_MIN 10

ZOK_PRINTF(3, 4) static void find(struct perf_result *r, enum perf_verdict level, const char *format, ...)
{
	va_list args;

	if (level > r->verdict)
		r->verdict = level;
	if (r->reason_count == PERF_REASONS_MAX)
		return;
	va_start(args, format);
	vsnprintf(r->reasons[r->reason_count].text, PERF_TEXT_MAX, format, args);
	va_end(args);
	r->reasons[r->reason_count++].level = level;
}

bool perf_percentile_is_supported(uint64_t count, double percentile)
{
	if (percentile >= 100)
		return count > 0;
	return (double)count * (100 - percentile) >= 100.0 * SAMPLES_BEYOND_MIN - 1e-6; /* 99.9 is not exact in binary */
}

static void judge_completion(struct perf_result *r)
{
	if (perf_result_headline(r)->total == 0)
		find(r, PERF_INVALID, "nothing was measured: no request planned inside the window has a latency");
	if (r->is_interrupted)
		find(r, PERF_SUSPECT, "interrupted: only %.3f s of the window were measured", (double)r->duration_ns / 1e9);
}

static void judge_rate(struct perf_result *r)
{
	uint64_t missing = r->planned > r->in_window ? r->planned - r->in_window : 0;

	if (r->loop == PERF_LOOP_CLOSED || r->is_interrupted || missing <= REPLIES_SPARE || perf_result_reached(r) >= REACHED_MIN)
		return;
	find(r, PERF_INVALID, "rate missed: %.0f/s asked, %.0f/s reached (%.1f %% of what was planned)", r->rate_asked, perf_result_rate(r),
	     100 * perf_result_reached(r));
}

static void judge_errors(struct perf_result *r)
{
	uint64_t sum = perf_result_error_sum(r);

	if (sum > 0)
		find(r, (double)sum > ERRORS_INVALID * (double)r->planned ? PERF_INVALID : PERF_SUSPECT, "%llu errors in %llu requests",
		     (unsigned long long)sum, (unsigned long long)r->planned);
	if (r->errors[PERF_ERROR_UNANSWERED] > 0)
		find(r, PERF_SUSPECT, "%llu requests had no reply when the drain ended: their latency is a lower bound",
		     (unsigned long long)r->errors[PERF_ERROR_UNANSWERED]);
}

/* The generator's own lateness is inside every corrected latency: it may be a small part of it and no more. */
static void judge_lateness(struct perf_result *r)
{
	uint64_t late = perf_histogram_percentile(&r->lateness, 99);
	double share = (double)late / (double)(perf_histogram_percentile(perf_result_headline(r), 99) + 1);

	if (late < LATE_NS_MIN || share < LATE_SUSPECT)
		return;
	find(r, share < LATE_INVALID ? PERF_SUSPECT : PERF_INVALID,
	     "generator late: 1 %% of its sends were %.1f us or more behind the plan with a connection free; give it more threads or a "
	     "lower rate",
	     (double)late / 1e3);
}

static void judge_pauses(struct perf_result *r)
{
	double away = (double)r->pause_ns_total / ((double)r->duration_ns + 1);

	if (away < AWAY_SUSPECT)
		return;
	find(r, away < AWAY_INVALID ? PERF_SUSPECT : PERF_INVALID,
	     "generator paused: away for %.2f %% of the run, %.0f us at a time at most; percentiles beyond %.4g may be its own", 100 * away,
	     (double)r->pause_ns_max / 1e3, 100 * (1 - away));
}

static void judge_sharing(struct perf_result *r)
{
	const struct perf_machine *m = &r->machine;
	double away = (double)m->wait_ns / ((double)m->wall_ns + 1);

	if (away >= AWAY_SUSPECT)
		find(r, away < AWAY_INVALID ? PERF_SUSPECT : PERF_INVALID,
		     "core shared: the generator waited %.2f %% of the time for its processor (preempted %llu times)", 100 * away,
		     (unsigned long long)m->involuntary_switches);
	if (m->steal_fraction >= STEAL_SUSPECT)
		find(r, m->steal_fraction < STEAL_INVALID ? PERF_SUSPECT : PERF_INVALID,
		     "time stolen: the hypervisor took %.2f %% of the generator's processors", 100 * m->steal_fraction);
}

static void judge_range(struct perf_result *r)
{
	const struct perf_histogram *h = perf_result_headline(r);

	if (h->saturated > 0)
		find(r, PERF_SUSPECT, "%llu latencies were above %.0f s and are recorded as that", (unsigned long long)h->saturated,
		     (double)h->highest / 1e9);
}

void perf_verdict_judge(struct perf_result *result)
{
	result->verdict = PERF_VALID;
	result->reason_count = 0;
	judge_completion(result);
	judge_rate(result);
	judge_errors(result);
	judge_lateness(result);
	judge_pauses(result);
	judge_sharing(result);
	judge_range(result);
}
