/*
 * The V2 encoding: payloads that the Java library (HdrHistogram 2.1.11) made decode to what was recorded there, and ours decode to what was encoded;
 * damaged ones are refused.
 */
#include "perf/payload.h"

#include "perf/base64.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 1 to 3.6e12, three digits: 1000, 2000, … 1000000 once each, 5e9 three times, 0 twice. */
static const char java_steps[] =
	"HISTFAAAAI14nJNpmSzMwMB+gQECmKE0I5DpZrBjAYP9B4gAy1l+JiCaysH0lJ1pIQvTR2YoWs7E9J0RC1rJyFTNVIkHZzNZA6EtmCSP1mWSZpIFQgRJfz4/"
	"Ey8TNxBDIIKFXXS4yrMzsYIhM5RGhcSLjuof+vqZmRjQIIYALki0QlqYOWr5qOUjw/LuI4xsAPyVPus=";

/* 1 to 3.6e9, two digits: 5000 values of a linear congruential generator, and 77 recorded 2^55 times. */
static const char java_random[] =
	"HISTFAAAAi54nD1PQW4UMRB0enodx2sc4xgzssxomAxhhaKwWlbDCoVkFa0QPID/cODGMSfufIGv8A6eQPUkwrLa3dXVVe36/f5Mqearejj0+B5J+HP/S93+"
	"fQB+Hn17PEf0hX5r+kF0S0t6gajonJ7TO3pCJ/SRXtFrZIre0nvUaJ3TMb0EcMrHiNTQghtCdoxxiUAaCUt6Sgs6QwaWKDyj5TyC7pLkCH8ulSg/JDLMDS9Y"
	"ixY0WZAFKZbGCZ0KCVfKJSvSks4eSjeMACIgpUkomo0gPDsqvYALVhAFdBcwEi4QlnENGrhqjlaLEs1EITUQbPixZrJ2fhqhkpbtFIulmRHFho2BMst2bCGp"
	"/1eatFAJBmTm6XlDWRuwcaSM1zpqrW1ka8AVKWO1txZczRYCFI0CZMkrkLVn9gYvXDU2d6St9fIHMCEIQ++Mxg2GsTpGDfro4qNgoHTGySIGP9NcUkoueB2D"
	"985jxBlO1uECsCYHF7FcCiHDxtm2Op9NtDaZ3M4Mk50D4Nm1xmE6eetRhuQd9Jx30bsQHMPDeZ1jSDnE4Fy0MRvf51TTOkff9yW1Q+jDaswVjLhqxxxzyW1t"
	"hzH1saTq2yHn0qU6DKvStfVN16Zx9G0ZcqgXJQ6xq1e17fLY5xLHUktXhr5gAiJd6vuutrUM2Nz1XSdFmtYf7obp5nK/nnab3c1qtz5M03ba7zfrw257vd1e"
	"Xx0O3fZ6d7gq+7vLw8Wnm830ecP/AJeENiI=";

static void record_steps(struct perf_histogram *h)
{
	assert_int_equal(perf_histogram_create(h, 1, UINT64_C(3600000000000), 3), 0);
	for (uint64_t i = 1; i <= 1000; i++)
		perf_histogram_record(h, i * 1000, 1);
	perf_histogram_record(h, UINT64_C(5000000000), 3);
	perf_histogram_record(h, 0, 2);
}

static void record_random(struct perf_histogram *h)
{
	uint64_t value = 12345;

	assert_int_equal(perf_histogram_create(h, 1, UINT64_C(3600000000), 2), 0);
	for (int i = 0; i < 5000; i++) {
		value = (value * 1103515245 + 12345) & 0x7fffffff;
		perf_histogram_record(h, value % 3000000, 1);
	}
	perf_histogram_record(h, 77, UINT64_C(1) << 55);
}

static void assert_same(const struct perf_histogram *a, const struct perf_histogram *b)
{
	assert_int_equal(a->counts_length, b->counts_length);
	assert_memory_equal(a->counts, b->counts, a->counts_length * sizeof *a->counts);
	assert_int_equal(a->total, b->total);
	assert_int_equal(perf_histogram_max(a), perf_histogram_max(b));
	assert_int_equal(perf_histogram_min(a), perf_histogram_min(b));
}

static void check_vector(const char *text, void (*record)(struct perf_histogram *))
{
	struct perf_histogram expected, decoded, again;
	char *ours;

	record(&expected);
	assert_int_equal(perf_payload_decode(text, strlen(text), &decoded), 0);
	assert_same(&expected, &decoded);
	assert_int_equal(perf_payload_encode(&expected, &ours), 0);
	assert_memory_equal(ours, "HISTFAAA", 8);
	assert_int_equal(perf_payload_decode(ours, strlen(ours), &again), 0);
	assert_same(&expected, &again);
	free(ours);
	perf_histogram_destroy(&again);
	perf_histogram_destroy(&decoded);
	perf_histogram_destroy(&expected);
}

static void test_decodes_what_java_encoded(void **state)
{
	check_vector(java_steps, record_steps);
	check_vector(java_random, record_random);
}

static void test_empty_goes_round(void **state)
{
	struct perf_histogram empty, back;
	char *text;

	assert_int_equal(perf_histogram_create(&empty, 1, 1000000, 2), 0);
	assert_int_equal(perf_payload_encode(&empty, &text), 0);
	assert_int_equal(perf_payload_decode(text, strlen(text), &back), 0);
	assert_int_equal(back.total, 0);
	free(text);
	perf_histogram_destroy(&back);
	perf_histogram_destroy(&empty);
}

static void test_largest_count_takes_nine_bytes(void **state)
{
	struct perf_histogram h, back;
	char *text;

	assert_int_equal(perf_histogram_create(&h, 1, 1000000, 2), 0);
	perf_histogram_record(&h, 5, INT64_MAX);
	perf_histogram_record(&h, 7, (UINT64_C(1) << 62) + 1);
	assert_int_equal(perf_payload_encode(&h, &text), 0);
	assert_int_equal(perf_payload_decode(text, strlen(text), &back), 0);
	assert_true(back.counts[5] == INT64_MAX);
	assert_true(back.counts[7] == (UINT64_C(1) << 62) + 1);
	free(text);
	perf_histogram_destroy(&back);
	perf_histogram_destroy(&h);
}

/* Each character of a payload changed in turn: the histogram is refused, or something is decoded; nothing is read out of bounds (sanitizers). */
static void test_damage_is_refused_or_harmless(void **state)
{
	size_t length = strlen(java_steps);
	char *text = strdup(java_steps);
	struct perf_histogram h;

	for (size_t i = 0; i < length; i++) {
		text[i] = text[i] == 'A' ? 'B' : 'A';
		if (perf_payload_decode(text, length, &h) == 0)
			perf_histogram_destroy(&h);
		text[i] = java_steps[i];
	}
	free(text);
	for (size_t cut = 0; cut < length; cut++)
		assert_int_equal(perf_payload_decode(java_steps, cut, &h), -EBADMSG);
	assert_int_equal(perf_payload_decode("no base64!!!", 12, &h), -EBADMSG);
}

static void test_base64_of_rfc_4648(void **state)
{
	static const char *const pairs[][2] = {{"", ""},
					       {"f", "Zg=="},
					       {"fo", "Zm8="},
					       {"foo", "Zm9v"},
					       {"foob", "Zm9vYg=="},
					       {"fooba", "Zm9vYmE="},
					       {"foobar", "Zm9vYmFy"}};

	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		const char *plain = pairs[i][0], *text = pairs[i][1];
		char encoded[16];
		uint8_t decoded[16];

		perf_base64_encode((const uint8_t *)plain, strlen(plain), encoded);
		assert_string_equal(encoded, text);
		assert_int_equal(perf_base64_decode(text, strlen(text), decoded), strlen(plain));
		assert_memory_equal(decoded, plain, strlen(plain));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decodes_what_java_encoded),
		cmocka_unit_test(test_empty_goes_round),
		cmocka_unit_test(test_largest_count_takes_nine_bytes),
		cmocka_unit_test(test_damage_is_refused_or_harmless),
		cmocka_unit_test(test_base64_of_rfc_4648),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
