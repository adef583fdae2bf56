/* Reads a result back from JSON, with jansson. What a file of a later version has more is skipped; what is missing stays zero, save the histograms. */
#include "perf/result.h"

#include "perf/payload.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

bool perf_result_can_read_json(void)
{
	return true;
}

static void get_text(const json_t *object, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(object, key));

	snprintf(text, size, "%s", value ? value : "");
}

static uint64_t get_count(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static double get_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && strcmp(value, text) == 0;
}

static enum perf_verdict get_verdict(const json_t *object, const char *key)
{
	if (is_text(object, key, perf_verdict_name(PERF_VALID)))
		return PERF_VALID;
	return is_text(object, key, perf_verdict_name(PERF_SUSPECT)) ? PERF_SUSPECT : PERF_INVALID;
}

static void read_load(const json_t *load, struct perf_result *r)
{
	get_text(load, "target", r->target, sizeof r->target);
	get_text(load, "protocol", r->protocol, sizeof r->protocol);
	r->size = get_count(load, "size");
	r->loop = is_text(load, "loop", "closed") ? PERF_LOOP_CLOSED : PERF_LOOP_OPEN;
	r->arrivals = is_text(load, "arrivals", "poisson") ? PERF_ARRIVALS_POISSON : PERF_ARRIVALS_CONSTANT;
	r->wait = is_text(load, "wait", "block") ? PERF_WAIT_BLOCK : PERF_WAIT_SPIN;
	r->connections = (unsigned)get_count(load, "connections");
	r->depth = (unsigned)get_count(load, "depth");
	r->threads = (unsigned)get_count(load, "threads");
	r->seed = get_count(load, "seed");
	r->warmup_ns = get_count(load, "warmup_ns");
	r->duration_ns = get_count(load, "duration_ns");
	r->is_interrupted = json_is_true(json_object_get(load, "is_interrupted"));
}

static void read_sums(const json_t *root, struct perf_result *r)
{
	const json_t *rate = json_object_get(root, "rate"), *errors = json_object_get(root, "errors");

	r->rate_asked = get_number(rate, "asked");
	r->planned = get_count(rate, "planned");
	r->sent = get_count(rate, "sent");
	r->in_window = get_count(rate, "replies_in_window");
	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		r->errors[i] = get_count(errors, perf_error_name((enum perf_error)i));
}

static void read_generator(const json_t *generator, struct perf_result *r)
{
	r->pause_ns_total = get_count(generator, "pause_ns_total");
	r->pause_ns_max = get_count(generator, "pause_ns_max");
	r->machine.involuntary_switches = get_count(generator, "involuntary_switches");
	r->machine.voluntary_switches = get_count(generator, "voluntary_switches");
	r->machine.wait_ns = get_count(generator, "cpu_wait_ns");
	r->machine.cpu_ns = get_count(generator, "cpu_used_ns");
	r->machine.wall_ns = get_count(generator, "wall_ns");
}

static void read_machine(const json_t *machine, struct perf_machine *m)
{
	get_text(machine, "host", m->host, sizeof m->host);
	get_text(machine, "kernel", m->kernel, sizeof m->kernel);
	get_text(machine, "cpu_model", m->cpu_model, sizeof m->cpu_model);
	m->cpu_count = (unsigned)get_count(machine, "cpus_online");
	get_text(machine, "cpus_allowed", m->cpus_allowed, sizeof m->cpus_allowed);
	get_text(machine, "cpus_pinned", m->cpus_pinned, sizeof m->cpus_pinned);
	get_text(machine, "governor", m->governor, sizeof m->governor);
	get_text(machine, "clocksource", m->clocksource, sizeof m->clocksource);
	m->load_average = get_number(machine, "load_average");
	m->steal_fraction = get_number(machine, "steal_fraction");
}

static void read_verdict(const json_t *root, struct perf_result *r)
{
	const json_t *reasons = json_object_get(root, "reasons"), *reason;
	size_t i;

	r->verdict = get_verdict(root, "verdict");
	json_array_foreach(reasons, i, reason)
	{
		if (i == PERF_REASONS_MAX)
			break;
		r->reasons[i].level = get_verdict(reason, "level");
		get_text(reason, "text", r->reasons[i].text, sizeof r->reasons[i].text);
		r->reason_count++;
	}
}

static int read_intervals(const json_t *list, struct perf_result *r)
{
	const json_t *interval;
	size_t i;

	r->interval_room = json_array_size(list);
	if (r->interval_room == 0)
		return 0;
	r->intervals = calloc(r->interval_room, sizeof *r->intervals);
	if (!r->intervals)
		return -ENOMEM;
	json_array_foreach(list, i, interval)
	{
		r->intervals[r->interval_count++] = (struct perf_interval_summary){
			.start_ns = get_count(interval, "start_ns"),
			.length_ns = get_count(interval, "length_ns"),
			.count = get_count(interval, "count"),
			.p50_ns = get_count(interval, "p50"),
			.p99_ns = get_count(interval, "p99"),
			.max_ns = get_count(interval, "max"),
		};
	}
	return 0;
}

static int read_histogram(const json_t *root, const char *key, struct perf_histogram *h)
{
	const json_t *text = json_object_get(json_object_get(root, key), "histogram");

	if (!text || !json_is_string(text))
		return -EBADMSG;
	return perf_payload_decode(json_string_value(text), json_string_length(text), h);
}

static int read_result(const json_t *root, struct perf_result *r)
{
	int rc;

	get_text(root, "version", r->version, sizeof r->version);
	get_text(root, "label", r->label, sizeof r->label);
	r->started_s = get_number(root, "started_s");
	read_load(json_object_get(root, "load"), r);
	read_sums(root, r);
	read_generator(json_object_get(root, "generator"), r);
	read_machine(json_object_get(root, "machine"), &r->machine);
	read_verdict(root, r);
	rc = read_intervals(json_object_get(root, "intervals"), r);
	if (rc == 0)
		rc = read_histogram(root, "corrected", &r->latency[PERF_CORRECTED]);
	if (rc == 0)
		rc = read_histogram(root, "raw", &r->latency[PERF_RAW]);
	if (rc == 0)
		rc = read_histogram(root, "lateness", &r->lateness);
	return rc;
}

int perf_result_read_json(FILE *in, struct perf_result *result, char *why)
{
	json_error_t error;
	json_t *root = json_loadf(in, 0, &error);
	struct perf_result made = {0};
	int rc = -EBADMSG;

	if (!root) {
		snprintf(why, PERF_TEXT_MAX, "line %d: %.160s", error.line, error.text);
		return -EBADMSG;
	}
	if (is_text(root, "format", "zok-perf 1"))
		rc = read_result(root, &made);
	json_decref(root);
	if (rc < 0) {
		snprintf(why, PERF_TEXT_MAX, "%s", rc == -ENOMEM ? "out of memory" : "no result of zok perf --json");
		perf_result_finish(&made);
		return rc;
	}
	*result = made;
	return 0;
}
