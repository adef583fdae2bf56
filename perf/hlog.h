/*
 * The .hlog interval log of HdrHistogram, in the layout of its Java writer and of HistogramLogProcessor:
 *
 *   [Tag=NAME,]start,length,max,payload      seconds since #[BaseTime:], seconds, milliseconds, see payload.h
 *
 * HdrHistogram_c's own writer puts the end of the interval where the length belongs; this one does not. The histograms hold nanoseconds.
 */
#ifndef PERF_HLOG_H
#define PERF_HLOG_H

#include "perf/histogram.h"

#include <stdio.h>

struct perf_hlog_line {
	char tag[64]; /* "" when untagged */
	double start_s;
	double length_s;
	struct perf_histogram histogram;
};

/* Writes the head of a log; `start_s` is the wall clock, in seconds since 1970, from which the intervals' starts count. */
void perf_hlog_write_head(FILE *out, double start_s, const char *note);

/* Writes one interval; `tag` may be NULL. -EINVAL when the tag holds a comma, a blank or a line end; -ENOMEM. */
ZOK_NODISCARD int perf_hlog_write(FILE *out, const char *tag, double start_s, double length_s, const struct perf_histogram *histogram);

/*
 * Reads the next interval. Returns 1 and fills *line, whose histogram the caller destroys; 0 at the end; -EBADMSG for a line that is none, with its
 * number in *line_number, which counts on from call to call and starts at 0; -ENOMEM, or -EIO.
 */
ZOK_NODISCARD int perf_hlog_read(FILE *in, struct perf_hlog_line *line, unsigned *line_number);

#endif
