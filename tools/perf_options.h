/* The options of `zok perf tcp`. */
#ifndef TOOLS_PERF_OPTIONS_H
#define TOOLS_PERF_OPTIONS_H

#include "perf/harness.h"

#include <stdio.h>

struct perf_tool_options {
	struct perf_load_options load;
	int cpus[PERF_CPUS_MAX]; /* what load.cpus points to */
	const char *json, *html, *hgrm, *hlog;
	bool is_quiet;
	bool wants_help;
};

/* Reads the arguments; argv[0] is skipped. -EINVAL after one line on stderr that names the option and what it would accept. */
ZOK_NODISCARD int perf_tool_options_read(struct perf_tool_options *options, int argc, char **argv);

void perf_tool_options_print(FILE *out);

#endif
