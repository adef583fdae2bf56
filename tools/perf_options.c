#include "tools/perf_options.h"

#include "perf/address.h"
#include "perf/protocol.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One option: its reader gets the text behind it (NULL for a flag) and says in `why` what it would accept. */
struct option_row {
	const char *name, *value, *help;
	int (*read)(struct perf_tool_options *options, const char *text, char *why);
};

enum { WHY_SIZE = PERF_TEXT_MAX };

ZOK_PRINTF(2, 3) static int refuse(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, WHY_SIZE, format, args);
	va_end(args);
	return -EINVAL;
}

struct unit {
	const char *name;
	double factor;
};

static const struct unit time_units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9}, {NULL, 0}};
static const struct unit rate_units[] = {{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1}, {"k", 1024}, {"K", 1024}, {"M", 1048576}, {NULL, 0}};

/* Reads a number with a unit; NAN when the text is none. */
static double read_scaled(const char *text, const struct unit *units)
{
	char *end;
	double number;

	if ((*text < '0' || *text > '9') && *text != '.')
		return NAN;
	number = strtod(text, &end);
	for (; units->name; units++)
		if (strcmp(end, units->name) == 0)
			return number * units->factor;
	return NAN;
}

static int read_time(const char *text, uint64_t min_ns, uint64_t *ns, char *why)
{
	double value = read_scaled(text, time_units);

	if (!(value >= (double)min_ns && value <= 30 * 86400e9))
		return refuse(why, "'%.80s' is no time that will do: give one like 10s, 500ms or 2m", text);
	*ns = (uint64_t)value;
	return 0;
}

static int read_count(const char *text, const struct unit *units, double min, double max, double *count, char *why)
{
	double value = read_scaled(text, units);

	if (!(value >= min && value <= max) || value != floor(value))
		return refuse(why, "'%.80s' is not a whole number from %.0f to %.0f", text, min, max);
	*count = value;
	return 0;
}

static int read_unsigned(const char *text, double min, double max, unsigned *number, char *why)
{
	double value = 0;
	int rc = read_count(text, rate_units, min, max, &value, why);

	if (rc == 0)
		*number = (unsigned)value;
	return rc;
}

static int read_rate(struct perf_tool_options *o, const char *text, char *why)
{
	double rate = read_scaled(text, rate_units);

	if (!(rate > 0 && rate <= 1e8))
		return refuse(why, "'%.80s' is no rate: give requests a second, like 50000, 50k or 1.5M", text);
	o->load.rate = rate;
	return 0;
}

static int read_arrivals(struct perf_tool_options *o, const char *text, char *why)
{
	bool is_poisson = strcmp(text, "poisson") == 0;

	if (!is_poisson && strcmp(text, "constant") != 0)
		return refuse(why, "'%.80s' is neither constant nor poisson", text);
	o->load.arrivals = is_poisson ? PERF_ARRIVALS_POISSON : PERF_ARRIVALS_CONSTANT;
	return 0;
}

static int read_closed(struct perf_tool_options *o, const char *text, char *why)
{
	o->load.loop = PERF_LOOP_CLOSED;
	return 0;
}

static int read_wait(struct perf_tool_options *o, const char *text, char *why)
{
	bool is_spin = strcmp(text, "spin") == 0;

	if (!is_spin && strcmp(text, "block") != 0)
		return refuse(why, "'%.80s' is neither spin nor block", text);
	o->load.wait = is_spin ? PERF_WAIT_SPIN : PERF_WAIT_BLOCK;
	return 0;
}

static int read_protocol(struct perf_tool_options *o, const char *text, char *why)
{
	size_t used;

	o->load.protocol = text;
	if (perf_protocol_find(text))
		return 0;
	refuse(why, "'%.40s' is no protocol: give one of", text);
	for (size_t i = 0; i < perf_protocol_count; i++) {
		used = strlen(why);
		snprintf(why + used, WHY_SIZE - used, " %s", perf_protocols[i].name);
	}
	return -EINVAL;
}

static int read_size(struct perf_tool_options *o, const char *text, char *why)
{
	double size = 0;
	int rc = read_count(text, size_units, 1, 16 << 20, &size, why);

	if (rc == 0)
		o->load.size = (size_t)size;
	return rc;
}

static int read_connections(struct perf_tool_options *o, const char *text, char *why)
{
	return read_unsigned(text, 1, 1e6, &o->load.connections, why);
}

static int read_depth(struct perf_tool_options *o, const char *text, char *why)
{
	return read_unsigned(text, 1, 1024, &o->load.depth, why);
}

static int read_threads(struct perf_tool_options *o, const char *text, char *why)
{
	return read_unsigned(text, 1, PERF_THREADS_MAX, &o->load.threads, why);
}

static int read_cpus(struct perf_tool_options *o, const char *text, char *why)
{
	int count = perf_cpu_list_parse(text, o->cpus, PERF_CPUS_MAX, why, WHY_SIZE);

	if (count < 0)
		return count;
	o->load.cpus = o->cpus;
	o->load.cpu_count = (size_t)count;
	return 0;
}

static int read_warmup(struct perf_tool_options *o, const char *text, char *why)
{
	return read_time(text, 0, &o->load.warmup_ns, why);
}

static int read_duration(struct perf_tool_options *o, const char *text, char *why)
{
	return read_time(text, ZOK_MS, &o->load.duration_ns, why);
}

static int read_drain(struct perf_tool_options *o, const char *text, char *why)
{
	return read_time(text, ZOK_MS, &o->load.drain_ns, why);
}

static int read_interval(struct perf_tool_options *o, const char *text, char *why)
{
	return read_time(text, 10 * ZOK_MS, &o->load.interval_ns, why);
}

static int read_seed(struct perf_tool_options *o, const char *text, char *why)
{
	char *end;

	o->load.seed = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end)
		return refuse(why, "'%.80s' is no number", text);
	return 0;
}

static int read_digits(struct perf_tool_options *o, const char *text, char *why)
{
	unsigned digits;
	int rc = read_unsigned(text, 1, 5, &digits, why);

	if (rc == 0)
		o->load.significant_digits = (int)digits;
	return rc;
}

static int read_label(struct perf_tool_options *o, const char *text, char *why)
{
	o->load.label = text;
	return 0;
}

static int read_json(struct perf_tool_options *o, const char *text, char *why)
{
	o->json = text;
	return 0;
}

static int read_html(struct perf_tool_options *o, const char *text, char *why)
{
	o->html = text;
	return 0;
}

static int read_hgrm(struct perf_tool_options *o, const char *text, char *why)
{
	o->hgrm = text;
	return 0;
}

static int read_hlog(struct perf_tool_options *o, const char *text, char *why)
{
	o->hlog = text;
	return 0;
}

static int read_quiet(struct perf_tool_options *o, const char *text, char *why)
{
	o->is_quiet = true;
	return 0;
}

static int read_help(struct perf_tool_options *o, const char *text, char *why)
{
	o->wants_help = true;
	return 0;
}

static const struct option_row rows[] = {
	{"rate", "R", "open loop: requests a second over all connections (50000, 50k)", read_rate},
	{"arrivals", "constant|poisson", "how the open loop's requests are spaced (constant)", read_arrivals},
	{"closed", NULL, "closed loop: each connection sends again when it has its reply", read_closed},
	{"protocol", "NAME", "what is sent and expected (echo); the list is below", read_protocol},
	{"size", "BYTES", "payload of a message (64)", read_size},
	{"connections", "N", "connections (1)", read_connections},
	{"depth", "N", "requests in flight on one connection (1)", read_depth},
	{"duration", "TIME", "the measured window (10s)", read_duration},
	{"warmup", "TIME", "load before it that is not measured (1s)", read_warmup},
	{"drain", "TIME", "how long replies are waited for after it (5s)", read_drain},
	{"interval", "TIME", "of the log, of the plot over time and of the progress line (a twentieth, 100ms to 1s)", read_interval},
	{"cpu", "LIST", "processors to pin the generator's threads to", read_cpus},
	{"threads", "N", "generator threads (one, or one a processor named)", read_threads},
	{"wait", "spin|block", "how the generator waits (open loop: spin, closed: block)", read_wait},
	{"seed", "N", "of the Poisson arrivals (1)", read_seed},
	{"digits", "N", "significant digits of the histogram (3)", read_digits},
	{"label", "TEXT", "the run's name in reports (the address)", read_label},
	{"json", "FILE", "write the whole result", read_json},
	{"html", "FILE", "write a page with plots", read_html},
	{"hgrm", "FILE", "write the corrected percentiles for HdrHistogram's plotter, in microseconds", read_hgrm},
	{"hlog", "FILE", "write a histogram an interval: corrected, and with the tag raw", read_hlog},
	{"quiet", NULL, "no progress line and no text", read_quiet},
	{"help", NULL, "this", read_help},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

void perf_tool_options_print(FILE *out)
{
	for (int i = 0; i < ROW_COUNT; i++)
		fprintf(out, "  --%-11s %-17s %s\n", rows[i].name, rows[i].value ? rows[i].value : "", rows[i].help);
	fprintf(out, "\nprotocols:\n");
	for (size_t i = 0; i < perf_protocol_count; i++)
		fprintf(out, "  %-12s %s\n", perf_protocols[i].name, perf_protocols[i].summary);
}

static const struct option_row *find_row(const char *name, size_t length)
{
	for (int i = 0; i < ROW_COUNT; i++)
		if (strlen(rows[i].name) == length && memcmp(rows[i].name, name, length) == 0)
			return &rows[i];
	return NULL;
}

static int complain(const char *option, const char *why)
{
	fprintf(stderr, "zok perf tcp: %s%s%s\n", option, *option ? ": " : "", why);
	return -EINVAL;
}

/* Reads the option at argv[*at], "--name VALUE" or "--name=VALUE", and moves *at to its last word. */
static int read_option(struct perf_tool_options *options, int argc, char **argv, int *at)
{
	const char *option = argv[*at], *name = option + 2, *text = strchr(name, '=');
	const struct option_row *row = find_row(name, text ? (size_t)(text - name) : strlen(name));
	char why[WHY_SIZE] = "";

	if (!row)
		return complain(option, "there is no such option; zok perf tcp --help lists them");
	if (text)
		text++;
	else if (row->value && ++*at < argc)
		text = argv[*at];
	if (row->value && !text) {
		refuse(why, "needs a value: %s", row->value);
		return complain(option, why);
	}
	if (!row->value && text)
		return complain(option, "takes no value");
	return row->read(options, text, why) < 0 ? complain(option, why) : 0;
}

/* What only all options together can say. */
static int check_together(const struct perf_tool_options *o)
{
	struct perf_address address;
	char why[WHY_SIZE];

	if (!o->load.target)
		return complain("", "give the address to load, like tcp://127.0.0.1:7000");
	if (perf_address_parse(o->load.target, &address, why, sizeof why) < 0)
		return complain("", why);
	if (o->load.loop == PERF_LOOP_OPEN && !(o->load.rate > 0))
		return complain("--rate", "an open loop needs it: give requests a second like 50k, or --closed for a closed loop");
	if (o->load.loop == PERF_LOOP_CLOSED && o->load.rate > 0)
		return complain("--closed", "has no rate: give one of --closed and --rate");
	if (o->load.threads > o->load.connections)
		return complain("--threads", "is more than --connections: each thread needs one at least");
	return 0;
}

static const struct perf_load_options defaults = {
	.connections = 1,
	.depth = 1,
	.duration_ns = 10 * ZOK_S,
	.warmup_ns = ZOK_S,
	.seed = 1,
};

int perf_tool_options_read(struct perf_tool_options *options, int argc, char **argv)
{
	*options = (struct perf_tool_options){.load = defaults};
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "--", 2) == 0) {
			if (read_option(options, argc, argv, &i) < 0)
				return -EINVAL;
		} else if (options->load.target) {
			return complain(argv[i], "one address only");
		} else {
			options->load.target = argv[i];
		}
	}
	return options->wants_help ? 0 : check_together(options);
}
