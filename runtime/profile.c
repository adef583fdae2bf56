#include "runtime/profile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	struct zok_options options;
} profiles[] = {
	{"low-latency", {.mode = "spin", .budget_ns = 100 * ZOK_US, .spin_ns_max = 200 * ZOK_US}},
	{"balanced", {.mode = "park", .budget_ns = 500 * ZOK_US, .spin_ns_max = 50 * ZOK_US}},
	{"throughput", {.mode = "adaptive", .budget_ns = 2 * ZOK_MS, .spin_ns_max = 20 * ZOK_US, .sq_entries = 4096, .cq_entries = 32768}},
	{"power-saving", {.mode = "park", .budget_ns = 2 * ZOK_MS, .spin_ns_max = 5 * ZOK_US}},
};

static void fill(struct zok_options *options, const struct zok_options *from)
{
	options->mode = options->mode ? options->mode : from->mode;
	options->budget_ns = options->budget_ns ? options->budget_ns : from->budget_ns;
	options->spin_ns_max = options->spin_ns_max ? options->spin_ns_max : from->spin_ns_max;
	/* The two belong together: who gave one knows what the other's default is. */
	if (options->sq_entries == 0 && options->cq_entries == 0) {
		options->sq_entries = from->sq_entries;
		options->cq_entries = from->cq_entries;
	}
}

int zok__profile_fill(struct zok_options *options, char *error, size_t error_size)
{
	const char *name = options->profile ? options->profile : "balanced";

	for (size_t i = 0; i < sizeof profiles / sizeof *profiles; i++) {
		if (strcmp(name, profiles[i].name) == 0) {
			fill(options, &profiles[i].options);
			return 0;
		}
	}
	snprintf(error, error_size, "profile: %.40s: no such profile; there are low-latency, balanced, throughput, power-saving", name);
	return -EINVAL;
}
