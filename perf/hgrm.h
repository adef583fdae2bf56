/*
 * The .hgrm text of HdrHistogram: value, percentile, count, 1/(1-percentile), and a footer; hdrhistogram.github.io/HdrHistogram/plotFiles.html
 * draws it.
 */
#ifndef PERF_HGRM_H
#define PERF_HGRM_H

#include "perf/histogram.h"

#include <stdio.h>

/*
 * Writes the percentiles of a histogram, values divided by `unit` (1000: a histogram of nanoseconds in microseconds). `note`, may be NULL, becomes
 * lines that start with "#" and stand first. Errors are the stream's.
 */
void perf_hgrm_write(FILE *out, const struct perf_histogram *histogram, double unit, const char *note);

#endif
