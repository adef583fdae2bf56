/*
 * A histogram as text: HdrHistogram's V2 encoding, deflated, in base64 ("HISTFAAA…"), as in .hlog files and in our JSON results.
 *
 *   base64( cookie 0x1c849314, length, zlib( cookie 0x1c849313, length, 0, digits, lowest, highest, 1.0, counts ) )
 *
 * All big-endian. A count is a ZigZag LEB128 number of at most nine bytes; a negative one is a run of that many empty counters. Counters
 * behind the last one in use are left out.
 */
#ifndef PERF_PAYLOAD_H
#define PERF_PAYLOAD_H

#include "perf/histogram.h"

/* Encodes. *text is allocated, ends in NUL, and is freed by the caller. -ENOMEM. */
ZOK_NODISCARD int perf_payload_encode(const struct perf_histogram *histogram, char **text);

/*
 * Decodes `length` characters into a histogram that it creates (perf_histogram_destroy it). -EBADMSG when they are no V2 payload, are cut short, or
 * name counters that the layout does not have; -ENOMEM.
 */
ZOK_NODISCARD int perf_payload_decode(const char *text, size_t length, struct perf_histogram *histogram);

#endif
