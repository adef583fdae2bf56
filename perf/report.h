/* Results for people: text for a terminal, and one HTML page that needs nothing else. Both take one run or several. */
#ifndef PERF_REPORT_H
#define PERF_REPORT_H

#include "perf/harness.h"

#include <stdio.h>

/* Room for a duration as perf_format_ns writes it: "21.3 us". */
enum { PERF_DURATION_TEXT_MAX = 32 };

/* Writes a time with three significant digits in the unit that suits it, and returns `text`. */
const char *perf_format_ns(char text[PERF_DURATION_TEXT_MAX], uint64_t ns);

/* The same of a percentile: "-" when too few samples support it. */
const char *perf_format_percentile(char text[PERF_DURATION_TEXT_MAX], const struct perf_histogram *histogram, double percentile);

/* The column of a percentile: "p99.9", "max". */
const char *perf_percentile_name(int shown);

/* One run: what was done, the percentiles corrected and raw, rate, errors, verdict. */
void perf_report_run(FILE *out, const struct perf_result *result);

/* Several runs: a row each. */
void perf_report_table(FILE *out, const struct perf_result *results, size_t count);

/* The page: plots of latency by percentile and over time, the table, the verdicts with reasons, the machine's state. */
void perf_report_html(FILE *out, const struct perf_result *results, size_t count);

#endif
