#include "perf/result.h"

#include "perf/json.h"
#include "perf/payload.h"

#include <stdlib.h>

static const char *const error_names[] = {"connect", "reset", "closed", "bad reply", "lost", "unanswered"};
_Static_assert(sizeof error_names / sizeof error_names[0] == PERF_ERROR_KINDS, "each error has a name");

const char *perf_error_name(enum perf_error error)
{
	return error_names[error];
}

const char *perf_verdict_name(enum perf_verdict verdict)
{
	static const char *const names[] = {"VALID", "SUSPECT", "INVALID"};

	return names[verdict];
}

const char *perf_loop_name(enum perf_loop loop)
{
	return loop == PERF_LOOP_OPEN ? "open" : "closed";
}

const char *perf_arrivals_name(enum perf_arrivals_kind arrivals)
{
	return arrivals == PERF_ARRIVALS_CONSTANT ? "constant" : "poisson";
}

const char *perf_wait_name(enum perf_wait wait)
{
	static const char *const names[] = {"default", "spin", "block"};

	return names[wait];
}

const struct perf_histogram *perf_result_headline(const struct perf_result *result)
{
	return &result->latency[result->loop == PERF_LOOP_OPEN ? PERF_CORRECTED : PERF_RAW];
}

double perf_result_rate(const struct perf_result *result)
{
	return result->duration_ns > 0 ? (double)result->in_window * 1e9 / (double)result->duration_ns : 0;
}

double perf_result_reached(const struct perf_result *result)
{
	if (result->loop == PERF_LOOP_CLOSED || result->planned == 0)
		return 1;
	return (double)result->in_window / (double)result->planned;
}

uint64_t perf_result_error_sum(const struct perf_result *result)
{
	uint64_t sum = 0;

	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		sum += result->errors[i];
	return sum;
}

static void write_load(struct perf_json *json, const struct perf_result *r)
{
	perf_json_open(json, "load", '{');
	perf_json_text(json, "target", r->target);
	perf_json_text(json, "protocol", r->protocol);
	perf_json_count(json, "size", r->size);
	perf_json_text(json, "loop", perf_loop_name(r->loop));
	perf_json_text(json, "arrivals", perf_arrivals_name(r->arrivals));
	perf_json_text(json, "wait", perf_wait_name(r->wait));
	perf_json_count(json, "connections", r->connections);
	perf_json_count(json, "depth", r->depth);
	perf_json_count(json, "threads", r->threads);
	perf_json_count(json, "seed", r->seed);
	perf_json_count(json, "warmup_ns", r->warmup_ns);
	perf_json_count(json, "duration_ns", r->duration_ns);
	perf_json_bool(json, "is_interrupted", r->is_interrupted);
	perf_json_close(json, '}');
}

static void write_rate(struct perf_json *json, const struct perf_result *r)
{
	perf_json_open(json, "rate", '{');
	perf_json_number(json, "asked", r->rate_asked);
	perf_json_number(json, "reached", perf_result_rate(r));
	perf_json_number(json, "reached_fraction", perf_result_reached(r));
	perf_json_count(json, "planned", r->planned);
	perf_json_count(json, "sent", r->sent);
	perf_json_count(json, "replies_in_window", r->in_window);
	perf_json_close(json, '}');
}

static void write_errors(struct perf_json *json, const struct perf_result *r)
{
	perf_json_open(json, "errors", '{');
	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		perf_json_count(json, perf_error_name((enum perf_error)i), r->errors[i]);
	perf_json_close(json, '}');
}

/* A percentile that too few samples support is null: a number there would be believed. */
static void write_percentiles(struct perf_json *json, const struct perf_histogram *h)
{
	static const char *const keys[PERF_PERCENTILES_SHOWN] = {"p50", "p90", "p99", "p99.9", "p99.99", "max"};

	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++) {
		double percentile = perf_percentiles_shown[i];

		if (perf_percentile_is_supported(h->total, percentile))
			perf_json_count(json, keys[i], perf_histogram_percentile(h, percentile));
		else
			perf_json_null(json, keys[i]);
	}
}

static int write_histogram(struct perf_json *json, const char *key, const struct perf_histogram *h)
{
	char *payload;
	int rc = perf_payload_encode(h, &payload);

	if (rc < 0)
		return rc;
	perf_json_open(json, key, '{');
	perf_json_count(json, "count", h->total);
	perf_json_count(json, "min", perf_histogram_min(h));
	perf_json_number(json, "mean", perf_histogram_mean(h));
	write_percentiles(json, h);
	perf_json_text(json, "histogram", payload);
	perf_json_close(json, '}');
	free(payload);
	return 0;
}

static void write_intervals(struct perf_json *json, const struct perf_result *r)
{
	perf_json_open(json, "intervals", '[');
	for (size_t i = 0; i < r->interval_count; i++) {
		const struct perf_interval_summary *interval = &r->intervals[i];

		perf_json_open(json, NULL, '{');
		perf_json_count(json, "start_ns", interval->start_ns);
		perf_json_count(json, "length_ns", interval->length_ns);
		perf_json_count(json, "count", interval->count);
		perf_json_count(json, "p50", interval->p50_ns);
		perf_json_count(json, "p99", interval->p99_ns);
		perf_json_count(json, "max", interval->max_ns);
		perf_json_close(json, '}');
	}
	perf_json_close(json, ']');
}

static void write_generator(struct perf_json *json, const struct perf_result *r)
{
	perf_json_open(json, "generator", '{');
	perf_json_count(json, "pause_ns_total", r->pause_ns_total);
	perf_json_count(json, "pause_ns_max", r->pause_ns_max);
	perf_json_count(json, "involuntary_switches", r->machine.involuntary_switches);
	perf_json_count(json, "voluntary_switches", r->machine.voluntary_switches);
	perf_json_count(json, "cpu_wait_ns", r->machine.wait_ns);
	perf_json_count(json, "cpu_used_ns", r->machine.cpu_ns);
	perf_json_count(json, "wall_ns", r->machine.wall_ns);
	perf_json_close(json, '}');
}

static void write_machine(struct perf_json *json, const struct perf_machine *m)
{
	perf_json_open(json, "machine", '{');
	perf_json_text(json, "host", m->host);
	perf_json_text(json, "kernel", m->kernel);
	perf_json_text(json, "cpu_model", m->cpu_model);
	perf_json_count(json, "cpus_online", m->cpu_count);
	perf_json_text(json, "cpus_allowed", m->cpus_allowed);
	perf_json_text(json, "cpus_pinned", m->cpus_pinned);
	perf_json_text(json, "governor", m->governor);
	perf_json_text(json, "clocksource", m->clocksource);
	perf_json_number(json, "load_average", m->load_average);
	perf_json_number(json, "steal_fraction", m->steal_fraction);
	perf_json_close(json, '}');
}

static void write_verdict(struct perf_json *json, const struct perf_result *r)
{
	perf_json_text(json, "verdict", perf_verdict_name(r->verdict));
	perf_json_open(json, "reasons", '[');
	for (size_t i = 0; i < r->reason_count; i++) {
		perf_json_open(json, NULL, '{');
		perf_json_text(json, "level", perf_verdict_name(r->reasons[i].level));
		perf_json_text(json, "text", r->reasons[i].text);
		perf_json_close(json, '}');
	}
	perf_json_close(json, ']');
}

int perf_result_write_json(FILE *out, const struct perf_result *result)
{
	struct perf_json json;
	int rc;

	perf_json_init(&json, out);
	perf_json_open(&json, NULL, '{');
	perf_json_text(&json, "format", "zok-perf 1");
	perf_json_text(&json, "version", result->version);
	perf_json_text(&json, "label", result->label);
	perf_json_number(&json, "started_s", result->started_s);
	write_verdict(&json, result);
	write_load(&json, result);
	write_rate(&json, result);
	write_errors(&json, result);
	perf_json_text(&json, "unit", "ns");
	rc = write_histogram(&json, "corrected", &result->latency[PERF_CORRECTED]);
	if (rc == 0)
		rc = write_histogram(&json, "raw", &result->latency[PERF_RAW]);
	if (rc == 0)
		rc = write_histogram(&json, "lateness", &result->lateness);
	write_intervals(&json, result);
	write_generator(&json, result);
	write_machine(&json, &result->machine);
	perf_json_close(&json, '}');
	return rc;
}
