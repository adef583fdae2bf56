/* The .hgrm text, line for line as the Java library (HdrHistogram 2.1.11) writes it for the same values. */
#include "perf/hgrm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 1000, 2000, … 1000000 once each, 5e9 three times, 0 twice; three digits, in thousands. */
static const char java_text[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n"
				"\n"
				"       0.000 0.000000000000          2           1.00\n"
				"      99.007 0.100000000000        101           1.11\n"
				"     199.039 0.200000000000        201           1.25\n"
				"     300.031 0.300000000000        302           1.43\n"
				"     400.127 0.400000000000        402           1.67\n"
				"     501.247 0.500000000000        503           2.00\n"
				"     551.423 0.550000000000        553           2.22\n"
				"     601.087 0.600000000000        603           2.50\n"
				"     652.287 0.650000000000        654           2.86\n"
				"     702.463 0.700000000000        704           3.33\n"
				"     752.127 0.750000000000        754           4.00\n"
				"     777.215 0.775000000000        779           4.44\n"
				"     802.303 0.800000000000        804           5.00\n"
				"     828.415 0.825000000000        830           5.71\n"
				"     853.503 0.850000000000        855           6.67\n"
				"     878.079 0.875000000000        880           8.00\n"
				"     890.367 0.887500000000        892           8.89\n"
				"     903.167 0.900000000000        905          10.00\n"
				"     916.479 0.912500000000        918          11.43\n"
				"     928.255 0.925000000000        930          13.33\n"
				"     941.055 0.937500000000        943          16.00\n"
				"     947.199 0.943750000000        949          17.78\n"
				"     953.343 0.950000000000        955          20.00\n"
				"     960.511 0.956250000000        962          22.86\n"
				"     966.143 0.962500000000        968          26.67\n"
				"     972.287 0.968750000000        974          32.00\n"
				"     975.359 0.971875000000        977          35.56\n"
				"     978.431 0.975000000000        980          40.00\n"
				"     982.015 0.978125000000        984          45.71\n"
				"     985.087 0.981250000000        987          53.33\n"
				"     988.159 0.984375000000        990          64.00\n"
				"     989.183 0.985937500000        991          71.11\n"
				"     991.231 0.987500000000        993          80.00\n"
				"     993.279 0.989062500000        995          91.43\n"
				"     994.303 0.990625000000        996         106.67\n"
				"     996.351 0.992187500000        998         128.00\n"
				"     996.351 0.992968750000        998         142.22\n"
				"     997.375 0.993750000000        999         160.00\n"
				"     998.399 0.994531250000       1000         182.86\n"
				"     999.423 0.995312500000       1001         213.33\n"
				"    1000.447 0.996093750000       1002         256.00\n"
				"    1000.447 0.996484375000       1002         284.44\n"
				"    1000.447 0.996875000000       1002         320.00\n"
				" 5003804.671 0.997265625000       1005         365.71\n"
				" 5003804.671 1.000000000000       1005\n"
				"#[Mean    =    15428.485, StdDeviation   =   272837.203]\n"
				"#[Max     =  5003804.671, Total count    =         1005]\n"
				"#[Buckets =           32, SubBuckets     =         2048]\n";

static char *write_steps(const char *note)
{
	struct perf_histogram h;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(perf_histogram_create(&h, 1, UINT64_C(3600000000000), 3), 0);
	for (uint64_t i = 1; i <= 1000; i++)
		perf_histogram_record(&h, i * 1000, 1);
	perf_histogram_record(&h, UINT64_C(5000000000), 3);
	perf_histogram_record(&h, 0, 2);
	perf_hgrm_write(out, &h, 1000, note);
	fclose(out);
	perf_histogram_destroy(&h);
	return text;
}

static void test_is_what_java_writes(void **state)
{
	char *text = write_steps(NULL);

	assert_string_equal(text, java_text);
	free(text);
}

static void test_note_stands_first_as_comment(void **state)
{
	char *text = write_steps("one\ntwo");

	assert_memory_equal(text, "# one\n# two\n", 12);
	assert_string_equal(text + 12, java_text);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_what_java_writes),
		cmocka_unit_test(test_note_stands_first_as_comment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
