#include "perf/report_plot.h"

#include "perf/report.h"

#include <math.h>

/* The axes of one plot: data to the SVG's own units. Latency is always on a logarithmic scale, as tails span decades. */
struct plot {
	FILE *out;
	double width, height;
	double left, right, top, bottom; /* the frame */
	double x_min, x_max;
	double log_min, log_max; /* log10 of nanoseconds */
};

enum { NINES_MAX = 7, TICKS_PER_HALF_DISTANCE = 10 };

void perf_html_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '"')
			fputs("&quot;", out);
		else
			fputc(*text, out);
	}
}

void perf_html_ns(FILE *out, uint64_t ns)
{
	char text[PERF_DURATION_TEXT_MAX];

	for (const char *at = perf_format_ns(text, ns); *at; at++)
		fputs(*at == 'u' ? "µ" : *at == ' ' ? "\u202f" : (char[]){*at, '\0'}, out);
}

static double x_of(const struct plot *plot, double x)
{
	return plot->left + (x - plot->x_min) / (plot->x_max - plot->x_min) * (plot->right - plot->left);
}

static double y_of(const struct plot *plot, double ns)
{
	double at = (log10(fmax(ns, 1)) - plot->log_min) / (plot->log_max - plot->log_min);

	return plot->bottom - fmin(fmax(at, 0), 1) * (plot->bottom - plot->top);
}

/* Steps outwards to 1, 2 or 5 times a power of ten. */
static double nice_log(double ns, bool is_upper)
{
	static const double steps[] = {1, 2, 5, 10};
	double decade = pow(10, floor(log10(ns)));

	if (is_upper) {
		for (int i = 0; i < 4; i++)
			if (steps[i] * decade >= ns * 0.9999)
				return log10(steps[i] * decade);
	}
	for (int i = 3; i >= 0; i--)
		if (steps[i] * decade <= ns * 1.0001)
			return log10(steps[i] * decade);
	return log10(decade);
}

static void set_latency_range(struct plot *plot, double low, double high)
{
	plot->log_min = nice_log(fmax(low, 1), false);
	plot->log_max = nice_log(fmax(high, 10), true);
	if (plot->log_max - plot->log_min < 0.3)
		plot->log_max = plot->log_min + 0.3;
}

static void open_plot(const struct plot *plot, const char *title)
{
	fprintf(plot->out, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", plot->width, plot->height);
	perf_html_text(plot->out, title);
	fputs("\">\n", plot->out);
}

static void put_tick_ns(FILE *out, double ns)
{
	if (ns >= 0.999e9)
		fprintf(out, "%.4g s", ns / 1e9);
	else if (ns >= 0.999e6)
		fprintf(out, "%.4g ms", ns / 1e6);
	else if (ns >= 999)
		fprintf(out, "%.4g µs", ns / 1e3);
	else
		fprintf(out, "%.4g ns", ns);
}

/* Rules at 1, 2, 5 of each decade; only as many labels as stay apart. */
static void draw_latency_axis(const struct plot *plot)
{
	bool is_dense = plot->log_max - plot->log_min > 3.1;

	for (int decade = (int)floor(plot->log_min); decade <= (int)ceil(plot->log_max); decade++) {
		static const double steps[] = {1, 2, 5};

		for (int i = 0; i < 3; i++) {
			double ns = steps[i] * pow(10, decade), y = y_of(plot, ns);

			if (log10(ns) < plot->log_min - 1e-6 || log10(ns) > plot->log_max + 1e-6 || (is_dense && i > 0))
				continue;
			fprintf(plot->out, "<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
				i ? "rule faint" : "rule", plot->left, plot->right, y, y);
			fprintf(plot->out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", plot->left - 8, y + 4);
			put_tick_ns(plot->out, ns);
			fputs("</text>\n", plot->out);
		}
	}
}

static void draw_x_tick(const struct plot *plot, double x, const char *label)
{
	double at = x_of(plot, x);

	fprintf(plot->out, "<line class=\"rule\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", at, at, plot->top, plot->bottom);
	fprintf(plot->out, "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", at, plot->bottom + 18, label);
}

static void draw_x_title(const struct plot *plot, const char *title)
{
	fprintf(plot->out, "<text class=\"axis\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n", (plot->left + plot->right) / 2,
		plot->bottom + 38, title);
}

/* Latency by percentile. */

/* Where a percentile stands: the number of its nines. */
static double nines_of(double percentile)
{
	return -log10(1 - percentile / 100);
}

static double nines_needed(const struct perf_result *results, size_t count)
{
	uint64_t total = 1;

	for (size_t i = 0; i < count; i++)
		total = results[i].latency[PERF_RAW].total > total ? results[i].latency[PERF_RAW].total : total;
	return fmin(fmax(log10((double)total), 1), NINES_MAX);
}

static void draw_nines_axis(const struct plot *plot)
{
	static const char *const labels[] = {"0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %", "99.99999 %"};

	draw_x_tick(plot, nines_of(50), "50 %");
	for (int nines = 0; nines <= (int)plot->x_max; nines++)
		draw_x_tick(plot, nines, labels[nines]);
	draw_x_title(plot, "percentile");
}

/*
 * Draws one part of a curve: up to where ten samples lie beyond, or the rest, which so few samples make that it is drawn faint. The last point stands
 * where one sample is left, and not at an infinite distance.
 */
static void draw_curve(const struct plot *plot, const struct perf_histogram *h, const char *kind, size_t colour, bool is_supported)
{
	struct perf_percentiles walk;
	struct perf_percentile_step step;
	double end = log10((double)h->total), border = fmax(end - 1, 0), last_y = NAN;

	fprintf(plot->out, "<polyline class=\"curve %s%s r%zu\" points=\"", kind, is_supported ? "" : " few", colour % PERF_PLOT_COLOURS);
	perf_percentiles_init(&walk, h, TICKS_PER_HALF_DISTANCE);
	while (perf_percentiles_next(&walk, &step)) {
		double nines = step.percentile < 100 ? fmin(nines_of(step.percentile), end) : end;
		double y = y_of(plot, (double)step.value);

		if (is_supported ? nines <= border : nines >= border) {
			if (!is_supported && isfinite(last_y)) /* join the two parts */
				fprintf(plot->out, "%.1f,%.1f ", x_of(plot, fmin(border, plot->x_max)), last_y);
			fprintf(plot->out, "%.1f,%.1f ", x_of(plot, fmin(nines, plot->x_max)), y);
			last_y = NAN;
		} else {
			last_y = y;
		}
	}
	fputs("\"/>\n", plot->out);
}

static void draw_marks(const struct plot *plot, const struct perf_result *r, size_t colour)
{
	const struct perf_histogram *h = perf_result_headline(r);

	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++) {
		double percentile = perf_percentiles_shown[i];
		double nines = percentile < 100 ? nines_of(percentile) : log10((double)h->total);
		uint64_t ns = perf_histogram_percentile(h, percentile);

		if (!perf_percentile_is_supported(h->total, percentile))
			continue;
		fprintf(plot->out, "<circle class=\"mark r%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"><title>", colour % PERF_PLOT_COLOURS,
			x_of(plot, fmin(nines, plot->x_max)), y_of(plot, (double)ns));
		perf_html_text(plot->out, r->label);
		fprintf(plot->out, ": %s ", perf_percentile_name(i));
		perf_html_ns(plot->out, ns);
		fputs("</title></circle>\n", plot->out);
	}
}

static void draw_run(const struct plot *plot, const struct perf_result *r, size_t colour)
{
	if (r->loop == PERF_LOOP_OPEN && r->latency[PERF_CORRECTED].total > 0) {
		draw_curve(plot, &r->latency[PERF_CORRECTED], "corrected", colour, true);
		draw_curve(plot, &r->latency[PERF_CORRECTED], "corrected", colour, false);
	}
	if (r->latency[PERF_RAW].total > 0) {
		draw_curve(plot, &r->latency[PERF_RAW], "raw", colour, true);
		draw_curve(plot, &r->latency[PERF_RAW], "raw", colour, false);
	}
	if (perf_result_headline(r)->total > 0)
		draw_marks(plot, r, colour);
}

static void percentile_range(const struct perf_result *results, size_t count, double *low, double *high)
{
	*low = INFINITY;
	*high = 0;
	for (size_t i = 0; i < count; i++)
		for (int k = 0; k < PERF_MEASURES; k++) {
			const struct perf_histogram *h = &results[i].latency[k];

			if (h->total == 0)
				continue;
			*low = fmin(*low, (double)perf_histogram_min(h));
			*high = fmax(*high, (double)perf_histogram_max(h));
		}
	if (!isfinite(*low))
		*low = 1000;
}

void perf_plot_percentiles(FILE *out, const struct perf_result *results, size_t count)
{
	struct plot plot = {.out = out, .width = 1000, .height = 460, .left = 76, .right = 960, .top = 12, .bottom = 412};
	double low, high;

	plot.x_max = nines_needed(results, count);
	percentile_range(results, count, &low, &high);
	set_latency_range(&plot, low, high);
	open_plot(&plot, "Latency by percentile");
	draw_latency_axis(&plot);
	draw_nines_axis(&plot);
	for (size_t i = 0; i < count; i++)
		draw_run(&plot, &results[i], i);
	fputs("</svg>\n", out);
}

/* Latency over time. */

static void time_range(const struct perf_result *results, size_t count, double *low, double *high, double *end_s)
{
	*low = INFINITY;
	*high = *end_s = 0;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < results[i].interval_count; k++) {
			const struct perf_interval_summary *interval = &results[i].intervals[k];

			*end_s = fmax(*end_s, (double)(interval->start_ns + interval->length_ns) / 1e9);
			if (interval->count == 0)
				continue;
			*low = fmin(*low, (double)interval->p50_ns);
			*high = fmax(*high, (double)interval->max_ns);
		}
	if (!isfinite(*low))
		*low = 1000;
}

static void draw_seconds_axis(const struct plot *plot)
{
	double span = plot->x_max, step = pow(10, floor(log10(span / 4)));
	char label[32];

	if (span / step > 25)
		step *= 5;
	else if (span / step > 10)
		step *= 2;
	for (int i = 0; i * step <= span * 1.0001; i++) {
		snprintf(label, sizeof label, "%.4g", i * step);
		draw_x_tick(plot, i * step, label);
	}
	draw_x_title(plot, "seconds since the measured window began");
}

static uint64_t interval_value(const struct perf_interval_summary *interval, int which)
{
	return which == 0 ? interval->p50_ns : which == 1 ? interval->p99_ns : interval->max_ns;
}

/* An interval without a reply leaves a gap in the line: nothing is known of it. */
static void draw_series(const struct plot *plot, const struct perf_result *r, int which, size_t colour)
{
	static const char *const kinds[] = {"p50", "p99", "max"};
	bool is_down = false;

	fprintf(plot->out, "<path class=\"series %s r%zu\" d=\"", kinds[which], colour % PERF_PLOT_COLOURS);
	for (size_t i = 0; i < r->interval_count; i++) {
		const struct perf_interval_summary *interval = &r->intervals[i];
		double middle_s = ((double)interval->start_ns + (double)interval->length_ns / 2) / 1e9;

		if (interval->count > 0)
			fprintf(plot->out, "%c%.1f,%.1f ", is_down ? 'L' : 'M', x_of(plot, middle_s),
				y_of(plot, (double)interval_value(interval, which)));
		is_down = interval->count > 0;
	}
	fputs("\"/>\n", plot->out);
}

static void draw_series_marks(const struct plot *plot, const struct perf_result *r, int which, size_t colour)
{
	static const char *const names[] = {"p50", "p99", "max"};

	for (size_t i = 0; i < r->interval_count && r->interval_count <= 400; i++) {
		const struct perf_interval_summary *interval = &r->intervals[i];
		uint64_t ns = interval_value(interval, which);

		if (interval->count == 0)
			continue;
		fprintf(plot->out,
			"<circle class=\"dot r%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"><title>%s from %.4g s: ", colour % PERF_PLOT_COLOURS,
			x_of(plot, ((double)interval->start_ns + (double)interval->length_ns / 2) / 1e9), y_of(plot, (double)ns),
			names[which], (double)interval->start_ns / 1e9);
		perf_html_ns(plot->out, ns);
		fputs("</title></circle>", plot->out);
	}
}

void perf_plot_time(FILE *out, const struct perf_result *results, size_t count, size_t index)
{
	struct plot plot = {.out = out, .width = 1000, .height = 300, .left = 76, .right = 960, .top = 12, .bottom = 252};
	double low, high, end_s;

	time_range(results, count, &low, &high, &end_s);
	plot.x_max = fmax(end_s, 1e-3);
	set_latency_range(&plot, low, high);
	open_plot(&plot, "Latency over time");
	draw_latency_axis(&plot);
	draw_seconds_axis(&plot);
	for (int which = 0; which < 3; which++) {
		draw_series(&plot, &results[index], which, index);
		draw_series_marks(&plot, &results[index], which, index);
	}
	fputs("</svg>\n", out);
}
