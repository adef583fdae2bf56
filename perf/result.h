/* A result as JSON, and back; the words and the sums that all reports share are in harness.h. */
#ifndef PERF_RESULT_H
#define PERF_RESULT_H

#include "perf/harness.h"

#include <stdio.h>

/* Writes one JSON object. The histograms are in it whole (payload.h), so that a report loses nothing. -ENOMEM; the stream keeps its own errors. */
ZOK_NODISCARD int perf_result_write_json(FILE *out, const struct perf_result *result);

/*
 * Reads a result back; perf_result_finish it. -EBADMSG when it is none and -ENOMEM, with one line in `why` (PERF_TEXT_MAX bytes); -ENOTSUP when the
 * harness was built without jansson.
 */
ZOK_NODISCARD int perf_result_read_json(FILE *in, struct perf_result *result, char *why);

/* Whether perf_result_read_json works in this build. */
bool perf_result_can_read_json(void);

#endif
