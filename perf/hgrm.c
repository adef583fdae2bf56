#include "perf/hgrm.h"

#include <string.h>

#define TICKS_PER_HALF_DISTANCE 5

static void write_note(FILE *out, const char *note)
{
	while (note && *note) {
		int length = (int)strcspn(note, "\n");

		fprintf(out, "# %.*s\n", length, note);
		note += length;
		note += *note == '\n';
	}
}

void perf_hgrm_write(FILE *out, const struct perf_histogram *histogram, double unit, const char *note)
{
	struct perf_percentiles walk;
	struct perf_percentile_step step;

	write_note(out, note);
	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
	perf_percentiles_init(&walk, histogram, TICKS_PER_HALF_DISTANCE);
	while (perf_percentiles_next(&walk, &step)) {
		double level = step.percentile / 100;

		fprintf(out, "%12.*f %2.12f %10llu", histogram->significant_digits, (double)step.value / unit, level,
			(unsigned long long)step.count);
		if (step.percentile < 100)
			fprintf(out, " %14.2f", 1 / (1 - level));
		fputc('\n', out);
	}
	fprintf(out, "#[Mean    = %12.*f, StdDeviation   = %12.*f]\n", histogram->significant_digits, perf_histogram_mean(histogram) / unit,
		histogram->significant_digits, perf_histogram_deviation(histogram) / unit);
	fprintf(out, "#[Max     = %12.*f, Total count    = %12llu]\n", histogram->significant_digits,
		(double)perf_histogram_max(histogram) / unit, (unsigned long long)histogram->total);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n", histogram->bucket_count, histogram->sub_bucket_count);
}
