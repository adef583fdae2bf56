/* In the place of result_read.c where jansson is not to be had. */
#include "perf/result.h"

#include <errno.h>

bool perf_result_can_read_json(void)
{
	return false;
}

int perf_result_read_json(FILE *in, struct perf_result *result, char *why)
{
	snprintf(why, PERF_TEXT_MAX, "this zok was built without jansson (libjansson-dev) and cannot read results back");
	return -ENOTSUP;
}
