/* `zok perf`: drives a load and reports it (tcp), shows what was recorded (show), puts several runs beside each other (report). */
#include "perf/harness.h"
#include "perf/hgrm.h"
#include "perf/hlog.h"
#include "perf/report.h"
#include "perf/result.h"
#include "tools/command.h"
#include "tools/perf_options.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { EXIT_SUSPECT = 3, EXIT_INVALID = 4 };

static volatile sig_atomic_t was_interrupted;

static void on_signal(int number)
{
	was_interrupted = 1;
}

static void catch_signals(void)
{
	/* Once is a request to end the run and report; the second time ends the process. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "zok perf: %s%s%s\n", what, *what ? ": " : "", why);
	return ZOK_EXIT_FAILED;
}

/* Closes a file that was written; a full disk shows only here. */
static int close_output(FILE *file, const char *path)
{
	bool is_bad = ferror(file) != 0;

	if (fclose(file) != 0 || is_bad)
		return fail(path, errno ? strerror(errno) : "cannot be written");
	return ZOK_EXIT_OK;
}

/* tcp */

struct tcp_run {
	struct perf_tool_options options;
	FILE *hlog;
	int hlog_rc;
	bool has_progress;
	uint64_t done_ns;
};

static void show_progress(struct tcp_run *run, const struct perf_interval *interval)
{
	const struct perf_load_options *o = &run->options.load;
	const struct perf_histogram *h = interval->latency[o->loop == PERF_LOOP_OPEN ? PERF_CORRECTED : PERF_RAW];
	char p50[PERF_DURATION_TEXT_MAX], p99[PERF_DURATION_TEXT_MAX], max[PERF_DURATION_TEXT_MAX];

	if (interval->is_warmup) {
		fprintf(stderr, "\r\033[Kwarming up");
		return;
	}
	fprintf(stderr, "\r\033[K%5.1f of %.1f s  %8.0f/s  p50 %s  p99 %s  max %s",
		(double)(interval->start_ns + interval->length_ns) / 1e9, (double)o->duration_ns / 1e9,
		(double)h->total * 1e9 / (double)(interval->length_ns + 1), perf_format_ns(p50, perf_histogram_percentile(h, 50)),
		perf_format_ns(p99, perf_histogram_percentile(h, 99)), perf_format_ns(max, perf_histogram_max(h)));
	if (interval->errors > 0)
		fprintf(stderr, "  %llu errors", (unsigned long long)interval->errors);
}

static double wall_clock_s(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static void log_interval(struct tcp_run *run, const struct perf_interval *interval)
{
	double start_s = (double)interval->start_ns / 1e9, length_s = (double)interval->length_ns / 1e9;

	if (interval->is_warmup || run->hlog_rc < 0)
		return;
	if (interval->start_ns == 0)
		perf_hlog_write_head(run->hlog, wall_clock_s() - length_s, "Logged with zok perf; untagged: corrected latency");
	if (run->options.load.loop == PERF_LOOP_OPEN)
		run->hlog_rc = perf_hlog_write(run->hlog, NULL, start_s, length_s, interval->latency[PERF_CORRECTED]);
	if (run->hlog_rc == 0)
		run->hlog_rc = perf_hlog_write(run->hlog, "raw", start_s, length_s, interval->latency[PERF_RAW]);
}

static void on_interval(void *arg, const struct perf_interval *interval)
{
	struct tcp_run *run = arg;

	if (run->hlog)
		log_interval(run, interval);
	if (run->has_progress)
		show_progress(run, interval);
}

static int write_json(FILE *out, const struct perf_result *result)
{
	return perf_result_write_json(out, result);
}

static int write_html(FILE *out, const struct perf_result *result)
{
	perf_report_html(out, result, 1);
	return 0;
}

static int write_hgrm(FILE *out, const struct perf_result *result)
{
	char note[3 * PERF_TEXT_MAX];

	snprintf(note, sizeof note, "zok perf: %s\n%s, %s latency in microseconds\nverdict: %s", result->label, result->target,
		 result->loop == PERF_LOOP_OPEN ? "corrected" : "raw", perf_verdict_name(result->verdict));
	perf_hgrm_write(out, perf_result_headline(result), 1000, note);
	return 0;
}

static int write_file(const char *path, const struct perf_result *result, int (*write)(FILE *, const struct perf_result *))
{
	FILE *file;
	int rc;

	if (!path)
		return ZOK_EXIT_OK;
	errno = 0;
	file = fopen(path, "we");
	if (!file)
		return fail(path, strerror(errno));
	rc = write(file, result);
	if (close_output(file, path) != ZOK_EXIT_OK)
		return ZOK_EXIT_FAILED;
	return rc < 0 ? fail(path, strerror(-rc)) : ZOK_EXIT_OK;
}

static int exit_code(enum perf_verdict verdict)
{
	static const int codes[] = {ZOK_EXIT_OK, EXIT_SUSPECT, EXIT_INVALID};

	return codes[verdict];
}

static int report(const struct tcp_run *run, const struct perf_result *result)
{
	const struct perf_tool_options *o = &run->options;
	int rc = 0;

	if (!o->is_quiet)
		perf_report_run(stdout, result);
	rc |= write_file(o->json, result, write_json);
	rc |= write_file(o->html, result, write_html);
	rc |= write_file(o->hgrm, result, write_hgrm);
	if (run->hlog_rc < 0)
		rc |= fail(o->hlog, strerror(-run->hlog_rc));
	return rc ? ZOK_EXIT_FAILED : exit_code(result->verdict);
}

static int run_load(struct tcp_run *run)
{
	struct perf_result result;
	char why[PERF_TEXT_MAX];
	int rc;

	catch_signals();
	rc = perf_load_run(&run->options.load, &result, why);
	if (run->has_progress)
		fprintf(stderr, "\r\033[K");
	if (rc < 0)
		return fail("", why);
	rc = report(run, &result);
	perf_result_finish(&result);
	return rc;
}

static int tcp(int argc, char **argv)
{
	struct tcp_run run = {0};
	int rc;

	if (perf_tool_options_read(&run.options, argc, argv) < 0)
		return ZOK_EXIT_USAGE;
	if (run.options.wants_help) {
		printf("usage: zok perf tcp ADDRESS --rate R | --closed [OPTIONS]\n\n");
		perf_tool_options_print(stdout);
		return ZOK_EXIT_OK;
	}
	if (run.options.hlog) {
		run.hlog = fopen(run.options.hlog, "we");
		if (!run.hlog)
			return fail(run.options.hlog, strerror(errno));
	}
	run.has_progress = !run.options.is_quiet && isatty(STDERR_FILENO);
	run.options.load.on_interval = on_interval;
	run.options.load.arg = &run;
	run.options.load.stop = &was_interrupted;
	rc = run_load(&run);
	if (run.hlog && close_output(run.hlog, run.options.hlog) != ZOK_EXIT_OK)
		rc = ZOK_EXIT_FAILED;
	return rc;
}

/* show */

struct tag_sum {
	char tag[64];
	struct perf_histogram histogram;
	uint64_t intervals;
};

enum { TAGS_MAX = 32 };

struct tag_sums {
	struct tag_sum list[TAGS_MAX];
	size_t count;
};

/* Adds an interval to its tag's sum: histograms are merged, for the mean of percentiles is not a percentile. */
static int add_line(struct tag_sums *sums, struct perf_hlog_line *line)
{
	size_t i = 0;

	while (i < sums->count && strcmp(sums->list[i].tag, line->tag) != 0)
		i++;
	if (i == TAGS_MAX) {
		perf_histogram_destroy(&line->histogram);
		return -ENOSPC;
	}
	if (i == sums->count) {
		memcpy(sums->list[i].tag, line->tag, sizeof line->tag);
		sums->list[i].histogram = line->histogram;
		sums->count++;
	} else {
		perf_histogram_add(&sums->list[i].histogram, &line->histogram);
		perf_histogram_destroy(&line->histogram);
	}
	sums->list[i].intervals++;
	return 0;
}

static int read_log(const char *path, struct tag_sums *sums)
{
	FILE *file = fopen(path, "re");
	struct perf_hlog_line line;
	unsigned line_number = 0;
	int rc;

	if (!file)
		return fail(path, strerror(errno));
	while ((rc = perf_hlog_read(file, &line, &line_number)) > 0 && (rc = add_line(sums, &line)) == 0)
		;
	fclose(file);
	if (rc == 0)
		return ZOK_EXIT_OK;
	fprintf(stderr, "zok perf: %s: line %u: %s\n", path, line_number,
		rc == -EBADMSG	? "no interval of an .hlog file"
		: rc == -ENOSPC ? "more tags than can be shown"
				: strerror(-rc));
	return ZOK_EXIT_FAILED;
}

static void show_sums(const struct tag_sums *sums)
{
	char text[PERF_DURATION_TEXT_MAX];

	printf("%-12s %9s %12s", "tag", "intervals", "count");
	for (int i = 0; i < PERF_PERCENTILES_SHOWN; i++)
		printf(" %9s", perf_percentile_name(i));
	putchar('\n');
	for (size_t i = 0; i < sums->count; i++) {
		const struct tag_sum *sum = &sums->list[i];

		printf("%-12s %9llu %12llu", sum->tag[0] ? sum->tag : "-", (unsigned long long)sum->intervals,
		       (unsigned long long)sum->histogram.total);
		for (int k = 0; k < PERF_PERCENTILES_SHOWN; k++)
			printf(" %9s", perf_format_percentile(text, &sum->histogram, perf_percentiles_shown[k]));
		putchar('\n');
	}
}

static int show(int argc, char **argv)
{
	struct tag_sums sums = {.count = 0};
	int rc = ZOK_EXIT_OK;

	if (argc < 2 || strncmp(argv[1], "--", 2) == 0) {
		fprintf(stderr, "zok perf show: give the .hlog files to add up: zok perf show FILE...\n");
		return ZOK_EXIT_USAGE;
	}
	for (int i = 1; i < argc && rc == ZOK_EXIT_OK; i++)
		rc = read_log(argv[i], &sums);
	if (rc == ZOK_EXIT_OK)
		show_sums(&sums);
	for (size_t i = 0; i < sums.count; i++)
		perf_histogram_destroy(&sums.list[i].histogram);
	return rc;
}

/* report */

struct report_run {
	const char *html;
	char **paths;
	size_t count;
	struct perf_result *results;
	size_t read; /* so many of them */
};

static int read_report_options(struct report_run *run, int argc, char **argv)
{
	int i = 1;

	if (i < argc && strcmp(argv[i], "--html") == 0) {
		run->html = i + 1 < argc ? argv[i + 1] : NULL;
		i += 2;
		if (!run->html) {
			fprintf(stderr, "zok perf report: --html: needs a value: FILE\n");
			return ZOK_EXIT_USAGE;
		}
	}
	if (i >= argc || strncmp(argv[i], "--", 2) == 0) {
		fprintf(stderr, "zok perf report: give the results of zok perf --json: zok perf report [--html FILE] FILE...\n");
		return ZOK_EXIT_USAGE;
	}
	run->paths = argv + i;
	run->count = (size_t)(argc - i);
	return ZOK_EXIT_OK;
}

static int read_result(const char *path, struct perf_result *result)
{
	FILE *file = fopen(path, "re");
	char why[PERF_TEXT_MAX];
	int rc;

	if (!file)
		return fail(path, strerror(errno));
	rc = perf_result_read_json(file, result, why);
	fclose(file);
	return rc < 0 ? fail(path, why) : ZOK_EXIT_OK;
}

static int read_results(struct report_run *run)
{
	int rc = ZOK_EXIT_OK;

	run->results = calloc(run->count, sizeof *run->results);
	if (!run->results)
		return fail("", strerror(ENOMEM));
	for (; run->read < run->count && rc == ZOK_EXIT_OK; run->read += rc == ZOK_EXIT_OK)
		rc = read_result(run->paths[run->read], &run->results[run->read]);
	return rc;
}

static int write_report(const struct report_run *run)
{
	FILE *file;

	perf_report_table(stdout, run->results, run->count);
	if (!run->html)
		return ZOK_EXIT_OK;
	errno = 0;
	file = fopen(run->html, "we");
	if (!file)
		return fail(run->html, strerror(errno));
	perf_report_html(file, run->results, run->count);
	return close_output(file, run->html);
}

static int report_runs(int argc, char **argv)
{
	struct report_run run = {0};
	int rc = read_report_options(&run, argc, argv);

	if (rc != ZOK_EXIT_OK)
		return rc;
	rc = read_results(&run);
	if (rc == ZOK_EXIT_OK)
		rc = write_report(&run);
	for (size_t i = 0; i < run.read; i++)
		perf_result_finish(&run.results[i]);
	free(run.results);
	return rc;
}

static const struct {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"tcp", "load a server over TCP or a Unix socket: zok perf tcp ADDRESS --rate R [OPTIONS]", tcp},
	{"show", "add up .hlog files: zok perf show FILE...", show},
	{"report", "several results in one table and one plot: zok perf report [--html FILE] FILE...", report_runs},
};

static void print_help(FILE *out)
{
	fprintf(out, "usage: zok perf COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fprintf(out, "\nexit code: 0 valid, 1 the run failed, 2 wrong usage, 3 suspect, 4 invalid\n");
}

int zok_command_perf(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return ZOK_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return ZOK_EXIT_OK;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "zok perf: there is no command '%s'; zok perf --help lists them\n", argv[1]);
	return ZOK_EXIT_USAGE;
}
