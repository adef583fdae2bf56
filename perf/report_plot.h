/* The plots of the HTML report, as inline SVG. Colours are CSS classes r0 to r7, one a run, in turn. */
#ifndef PERF_REPORT_PLOT_H
#define PERF_REPORT_PLOT_H

#include "perf/harness.h"

#include <stdio.h>

enum { PERF_PLOT_COLOURS = 8 };

/* Latency by percentile, the axis stretched towards 100 % so that each nine has the same width; all runs in one plot. */
void perf_plot_percentiles(FILE *out, const struct perf_result *results, size_t count);

/* Latency over time by interval, of run `index`; the latency axis is that of all runs, so that plots can be compared. */
void perf_plot_time(FILE *out, const struct perf_result *results, size_t count, size_t index);

/* Text with the characters that HTML reserves escaped; and a duration with its unit in proper letters. */
void perf_html_text(FILE *out, const char *text);
void perf_html_ns(FILE *out, uint64_t ns);

#endif
