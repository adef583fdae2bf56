#include "perf/bench/bench.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS_DEFAULT = 7, ROUNDS_MAX = 101, CASES_MAX = 16 };

static struct {
	bool json;
	unsigned rounds;
	const char *only;
} settings;

static void usage(const char *program, FILE *out)
{
	fprintf(out, "usage: %s [--json] [--rounds N] [--only TEXT]\n", program);
}

void bench_init(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			settings.json = true;
		} else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc && atoi(argv[i + 1]) > 0 && atoi(argv[i + 1]) <= ROUNDS_MAX) {
			settings.rounds = (unsigned)atoi(argv[++i]);
		} else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
			settings.only = argv[++i];
		} else if (strcmp(argv[i], "--help") == 0) {
			usage(argv[0], stdout);
			exit(0);
		} else {
			fprintf(stderr, "%s: %s: not understood (rounds: 1 to %d)\n", argv[0], argv[i], ROUNDS_MAX);
			usage(argv[0], stderr);
			exit(2);
		}
	}
}

static int compare_doubles(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

struct summary {
	double median, min, max;
	double low, high; /* the median lies between these with 95 % confidence, whatever the distribution */
};

/*
 * The ranks between which a median lies: each value is above it with probability one half, so the count of those above is binomial, here by its
 * normal approximation (Conover, Practical Nonparametric Statistics, 3.2). With seven rounds that is all of them.
 */
static unsigned median_rank_low(unsigned count)
{
	double rank = (count - 1.96 * sqrt(count)) / 2;

	return rank > 0 ? (unsigned)rank : 0;
}

static struct summary summarize(const double *values, unsigned count)
{
	double sorted[ROUNDS_MAX];

	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, compare_doubles);
	return (struct summary){
		.median = count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2,
		.min = sorted[0],
		.max = sorted[count - 1],
		.low = sorted[median_rank_low(count)],
		.high = sorted[count - 1 - median_rank_low(count)],
	};
}

/* Round by round, so that what slowed a whole round cancels out. */
static struct summary summarize_ratio(const double *above, const double *below, unsigned rounds)
{
	double ratios[ROUNDS_MAX];

	for (unsigned r = 0; r < rounds; r++)
		ratios[r] = above[r] / below[r];
	return summarize(ratios, rounds);
}

static int find_case(const struct bench_case *cases, size_t case_count, const char *name)
{
	for (size_t c = 0; name && c < case_count; c++)
		if (strcmp(cases[c].name, name) == 0)
			return (int)c;
	return -1;
}

static void print_last_ratio(const struct bench_question *question, const struct bench_case *cases, size_t case_count,
			     double figures[][ROUNDS_MAX], unsigned rounds)
{
	int above = find_case(cases, case_count, question->subject), below = find_case(cases, case_count, question->against);
	struct summary ratio;

	if (above < 0 || below < 0)
		return;
	ratio = summarize_ratio(figures[above], figures[below], rounds);
	printf("  %s / %s: %.3f (95 %% of the median: %.3f to %.3f; rounds: %.3f to %.3f)\n", question->subject, question->against,
	       ratio.median, ratio.low, ratio.high, ratio.min, ratio.max);
}

static void print_text(const struct bench_question *question, const struct bench_case *cases, size_t case_count,
		       double figures[][ROUNDS_MAX], unsigned rounds)
{
	printf("%s (%s, %s is better; %u rounds)\n", question->name, question->unit, question->is_higher_better ? "higher" : "lower",
	       rounds);
	printf("  %-28s %10s %10s %10s   %s\n", "", "median", "min", "max", "ratio to the first (95 %)");
	for (size_t c = 0; c < case_count; c++) {
		struct summary figure = summarize(figures[c], rounds), ratio = summarize_ratio(figures[c], figures[0], rounds);

		printf("  %-28s %10.2f %10.2f %10.2f   %.2f (%.2f to %.2f)\n", cases[c].name, figure.median, figure.min, figure.max,
		       ratio.median, ratio.low, ratio.high);
	}
	print_last_ratio(question, cases, case_count, figures, rounds);
	fflush(stdout);
}

static void print_json(const struct bench_question *question, const struct bench_case *cases, size_t case_count,
		       double figures[][ROUNDS_MAX], unsigned rounds)
{
	printf("{\"question\":\"%s\",\"unit\":\"%s\",\"higher_is_better\":%s,\"cases\":[", question->name, question->unit,
	       question->is_higher_better ? "true" : "false");
	for (size_t c = 0; c < case_count; c++) {
		struct summary figure = summarize(figures[c], rounds);

		printf("%s{\"name\":\"%s\",\"median\":%.4f,\"min\":%.4f,\"max\":%.4f,\"rounds\":[", c ? "," : "", cases[c].name,
		       figure.median, figure.min, figure.max);
		for (unsigned r = 0; r < rounds; r++)
			printf("%s%.4f", r ? "," : "", figures[c][r]);
		printf("]}");
	}
	printf("]");
	if (find_case(cases, case_count, question->subject) >= 0 && find_case(cases, case_count, question->against) >= 0)
		printf(",\"subject\":\"%s\",\"against\":\"%s\"", question->subject, question->against);
	printf("}\n");
	fflush(stdout);
}

void bench_ask(const struct bench_question *question, const struct bench_case *cases, size_t case_count)
{
	static double figures[CASES_MAX][ROUNDS_MAX];
	struct bench_case kept[CASES_MAX];
	unsigned rounds = settings.rounds ? settings.rounds : question->rounds ? question->rounds : ROUNDS_DEFAULT;
	size_t kept_count = 0;

	if (settings.only && !strstr(question->name, settings.only))
		return;
	/* The round that is thrown away warms the caches and finds the cases that cannot run here. */
	for (size_t c = 0; c < case_count && kept_count < CASES_MAX; c++) {
		if (isnan(cases[c].run(cases[c].arg)))
			fprintf(stderr, "  %s: %s could not run here\n", question->name, cases[c].name);
		else
			kept[kept_count++] = cases[c];
	}
	if (kept_count == 0)
		return;
	for (unsigned r = 0; r < rounds; r++)
		for (size_t c = 0; c < kept_count; c++)
			figures[c][r] = kept[c].run(kept[c].arg);
	(settings.json ? print_json : print_text)(question, kept, kept_count, figures, rounds);
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* The processors allowed when the program began: a thread that pinned itself must not hide the others from the next. */
static void allowed_at_start(cpu_set_t *allowed)
{
	static cpu_set_t first;
	static bool is_known;

	if (!is_known) {
		sched_getaffinity(0, sizeof first, &first);
		is_known = true;
	}
	*allowed = first;
}

unsigned bench_cpu_count(void)
{
	cpu_set_t allowed;

	allowed_at_start(&allowed);
	return (unsigned)CPU_COUNT(&allowed);
}

void bench_unpin(void)
{
	cpu_set_t allowed;

	allowed_at_start(&allowed);
	sched_setaffinity(0, sizeof allowed, &allowed);
}

int bench_pin(unsigned index)
{
	cpu_set_t allowed, one;
	unsigned nth;

	allowed_at_start(&allowed);
	nth = index % (unsigned)CPU_COUNT(&allowed);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || nth-- != 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof one, &one);
		return cpu;
	}
	return -1;
}
