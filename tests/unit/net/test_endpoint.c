/* Addresses of datagrams: what parses, what is refused in words, what comes out again as text. */
#include "tests/unit/net/dgram_rig.h"

static void what_parses_comes_out_again(void **state)
{
	static const char *const texts[] = {"udp://127.0.0.1:7000",  "udp://[::1]:7000",    "udp://[fe80::1%3]:1",
					    "udp://239.1.2.3:65535", "unix-dgram:/run/box", "unix-dgram:@name"};
	char text[ZOK_ADDRESS_SIZE];
	struct zok_endpoint endpoint;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_int_equal(zok_endpoint_parse(&endpoint, texts[i], NULL, 0), 0);
		assert_int_equal(zok_endpoint_format(&endpoint, text, sizeof text), 0);
		assert_string_equal(text, texts[i]);
		assert_int_equal(zok_endpoint_format(&endpoint, text, strlen(texts[i])), -ENOBUFS);
	}
}

static void what_does_not_is_refused_in_words(void **state)
{
	static const char *const texts[][2] = {
		{"tcp://127.0.0.1:7000", "neither udp:// nor unix-dgram:"},
		{"unix:/run/box", "neither udp:// nor unix-dgram:"},
		{"udp://127.0.0.1", "the port is missing"},
		{"udp://localhost:1", "no numeric IPv4 address"},
		{"udp://[::1:7000", "the ] behind"},
		{"udp://1.2.3.4:65536", "no number from 0 to 65535"},
		{"unix-dgram:", "the path is missing"},
		{"", "neither"},
	};
	char why[192], lengthy[300] = "unix-dgram:/";
	struct zok_endpoint endpoint;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		assert_int_equal(zok_endpoint_parse(&endpoint, texts[i][0], why, sizeof why), -EINVAL);
		assert_non_null(strstr(why, texts[i][1]));
		assert_non_null(strstr(why, "it takes udp://IPv4:port"));
		assert_null(strstr(why, "tcp://"));
	}
	assert_int_equal(zok_endpoint_parse(&endpoint, NULL, why, sizeof why), -EINVAL);
	memset(lengthy + 12, 'x', sizeof lengthy - 13);
	assert_int_equal(zok_endpoint_parse(&endpoint, lengthy, why, sizeof why), -EINVAL);
	assert_int_equal(zok_endpoint_parse(&endpoint, "udp://", why, 0), -EINVAL);
}

static void equal_is_who_is_the_same(void **state)
{
	static const char *const texts[] = {"udp://1.2.3.4:5", "udp://1.2.3.4:6", "udp://1.2.3.5:5", "udp://[::1]:5",
					    "udp://[::2]:5",   "unix-dgram:/a",	  "unix-dgram:/b"};
	enum { COUNT = sizeof texts / sizeof *texts };
	struct zok_endpoint endpoints[COUNT], nameless = {0};

	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(zok_endpoint_parse(&endpoints[i], texts[i], NULL, 0), 0);
	for (size_t i = 0; i < COUNT; i++) {
		assert_false(zok_endpoint_is_equal(&endpoints[i], &nameless));
		for (size_t j = 0; j < COUNT; j++)
			assert_int_equal(zok_endpoint_is_equal(&endpoints[i], &endpoints[j]), i == j);
	}
	assert_true(zok_endpoint_is_equal(&nameless, &nameless));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_parses_comes_out_again),
		cmocka_unit_test(what_does_not_is_refused_in_words),
		cmocka_unit_test(equal_is_who_is_the_same),
	};

	return cmocka_run_group_tests_name("net/endpoint", tests, NULL, NULL);
}
