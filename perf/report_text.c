#include "perf/report.h"

#include <string.h>

const char *perf_format_ns(char text[PERF_DURATION_TEXT_MAX], uint64_t ns)
{
	static const struct {
		uint64_t size;
		const char *name;
	} units[] = {{ZOK_S, "s"}, {ZOK_MS, "ms"}, {ZOK_US, "us"}, {1, "ns"}};
	size_t i = 0;
	double value;

	while (units[i].size > 1 && (double)ns < 0.9995 * (double)units[i].size) /* what would be rounded up to a whole unit is one */
		i++;
	value = (double)ns / (double)units[i].size;
	snprintf(text, PERF_DURATION_TEXT_MAX, "%.*f %s",
		 units[i].size == 1 || value >= 99.95 ? 0
		 : value >= 9.995		      ? 1
						      : 2,
		 value, units[i].name);
	return text;
}

const char *perf_format_percentile(char text[PERF_DURATION_TEXT_MAX], const struct perf_histogram *histogram, double percentile)
{
	if (perf_percentile_is_supported(histogram->total, percentile))
		return perf_format_ns(text, perf_histogram_percentile(histogram, percentile));
	strcpy(text, "-");
	return text;
}

const char *perf_percentile_name(int shown)
{
	static const char *const names[PERF_PERCENTILES_SHOWN] = {"p50", "p90", "p99", "p99.9", "p99.99", "max"};

	return names[shown];
}

static void print_percentile_names(FILE *out)
{
	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++)
		fprintf(out, " %9s", perf_percentile_name(i));
	fputc('\n', out);
}

static void print_percentiles(FILE *out, const struct perf_histogram *h)
{
	char text[PERF_DURATION_TEXT_MAX];

	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++)
		fprintf(out, " %9s", perf_format_percentile(text, h, perf_percentiles_shown[i]));
	fputc('\n', out);
}

static void print_measure(FILE *out, const char *name, const struct perf_histogram *h)
{
	fprintf(out, "%-10s %10llu", name, (unsigned long long)h->total);
	print_percentiles(out, h);
}

static void print_load(FILE *out, const struct perf_result *r)
{
	fprintf(out, "%s: %s, %llu bytes, %u connection%s", r->target, r->protocol, (unsigned long long)r->size, r->connections,
		r->connections == 1 ? "" : "s");
	if (r->depth > 1)
		fprintf(out, " of depth %u", r->depth);
	if (r->loop == PERF_LOOP_OPEN)
		fprintf(out, ", open loop, %s %.0f/s", perf_arrivals_name(r->arrivals), r->rate_asked);
	else
		fprintf(out, ", closed loop");
	fprintf(out, ", %.4g s after %.4g s of warm-up\n", (double)r->duration_ns / 1e9, (double)r->warmup_ns / 1e9);
	fprintf(out, "generator: %u thread%s, %s, %s%s\n\n", r->threads, r->threads == 1 ? "" : "s",
		r->wait == PERF_WAIT_SPIN ? "busy polling" : "blocking in epoll", r->machine.cpus_pinned[0] ? "pinned to " : "not pinned",
		r->machine.cpus_pinned);
}

static void print_rate(FILE *out, const struct perf_result *r)
{
	if (r->loop == PERF_LOOP_OPEN)
		fprintf(out, "rate: %.0f/s asked, %.0f/s reached (%.2f %% of %llu planned)\n", r->rate_asked, perf_result_rate(r),
			100 * perf_result_reached(r), (unsigned long long)r->planned);
	else
		fprintf(out, "rate: %.0f/s\n", perf_result_rate(r));
}

static void print_errors(FILE *out, const struct perf_result *r)
{
	const char *comma = "";

	fprintf(out, "errors: ");
	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		if (r->errors[i] > 0) {
			fprintf(out, "%s%llu %s", comma, (unsigned long long)r->errors[i], perf_error_name((enum perf_error)i));
			comma = ", ";
		}
	fprintf(out, "%s\n", *comma ? "" : "none");
}

static void print_verdict(FILE *out, const struct perf_result *r)
{
	fprintf(out, "verdict: %s\n", perf_verdict_name(r->verdict));
	for (size_t i = 0; i < r->reason_count; i++)
		fprintf(out, "  %s: %s\n", perf_verdict_name(r->reasons[i].level), r->reasons[i].text);
}

void perf_report_run(FILE *out, const struct perf_result *result)
{
	print_load(out, result);
	fprintf(out, "%-10s %10s", "latency", "count");
	print_percentile_names(out);
	if (result->loop == PERF_LOOP_OPEN)
		print_measure(out, "corrected", &result->latency[PERF_CORRECTED]);
	print_measure(out, "raw", &result->latency[PERF_RAW]);
	if (result->loop == PERF_LOOP_OPEN)
		print_measure(out, "send late", &result->lateness);
	fputc('\n', out);
	print_rate(out, result);
	print_errors(out, result);
	print_verdict(out, result);
}

static int label_width(const struct perf_result *results, size_t count)
{
	size_t width = 5;

	for (size_t i = 0; i < count; i++)
		width = strlen(results[i].label) > width ? strlen(results[i].label) : width;
	return (int)(width < 40 ? width : 40);
}

void perf_report_table(FILE *out, const struct perf_result *results, size_t count)
{
	int width = label_width(results, count);

	fprintf(out, "%-*s %9s %9s", width, "run", "asked/s", "reached/s");
	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++)
		fprintf(out, " %9s", perf_percentile_name(i));
	fprintf(out, "  verdict\n");
	for (size_t i = 0; i < count; i++) {
		const struct perf_result *r = &results[i];
		char text[PERF_DURATION_TEXT_MAX];

		if (r->loop == PERF_LOOP_OPEN)
			fprintf(out, "%-*.*s %9.0f %9.0f", width, width, r->label, r->rate_asked, perf_result_rate(r));
		else
			fprintf(out, "%-*.*s %9s %9.0f", width, width, r->label, "closed", perf_result_rate(r));
		for (int k = 0; k < PERF_PERCENTILES_SHOWN; k++)
			fprintf(out, " %9s", perf_format_percentile(text, perf_result_headline(r), perf_percentiles_shown[k]));
		fprintf(out, "  %s\n", perf_verdict_name(r->verdict));
	}
}
