/* Addresses: what is taken comes back as the same text; what is not is refused in words that name the part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/address.h"
#include "zokio/net.h"

static void round_trip(const char *text, const char *expected)
{
	struct zok__address address;
	char why[192] = "", again[ZOK_ADDRESS_SIZE];

	assert_int_equal(zok__address_parse(text, &address, why, sizeof why), 0);
	assert_string_equal(why, "");
	assert_int_equal(zok__address_format(&address, again, sizeof again), 0);
	assert_string_equal(again, expected);
}

static void good_ones_come_back(void **state)
{
	static const char *const rows[][2] = {
		{"tcp://127.0.0.1:7000", NULL},
		{"tcp://0.0.0.0:0", NULL},
		{"tcp://255.255.255.255:65535", NULL},
		{"tcp://[::1]:7000", NULL},
		{"tcp://[::]:1", NULL},
		{"tcp://[2001:0db8:0000:0000:0000:0000:0000:0001]:80", "tcp://[2001:db8::1]:80"},
		{"tcp://[fe80::1%2]:80", NULL},
		{"tcp://127.0.0.1:0080", "tcp://127.0.0.1:80"},
		{"unix:/run/door", NULL},
		{"unix:door", NULL},
		{"unix:@door", NULL},
		{"unix:@a", NULL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		round_trip(rows[i][0], rows[i][1] ? rows[i][1] : rows[i][0]);
}

static void bad_ones_say_which_part(void **state)
{
	static const char *const rows[][2] = {
		{NULL, "no address"},
		{"", "neither tcp:// nor unix:"},
		{"127.0.0.1:7000", "neither tcp:// nor unix:"},
		{"udp://127.0.0.1:7000", "neither tcp:// nor unix:"},
		{"tcp://", "port is missing"},
		{"tcp://127.0.0.1", "port is missing"},
		{"tcp://127.0.0.1:", "port is missing"},
		{"tcp://127.0.0.1:65536", "port is no number"},
		{"tcp://127.0.0.1:-1", "port is no number"},
		{"tcp://127.0.0.1:+1", "port is no number"},
		{"tcp://127.0.0.1: 1", "port is no number"},
		{"tcp://127.0.0.1:1x", "port is no number"},
		{"tcp://127.0.0.1:99999999999999999999", "port is no number"},
		{"tcp://localhost:80", "host is no numeric IPv4"},
		{"tcp://127.1:80", "host is no numeric IPv4"},
		{"tcp://256.0.0.1:80", "host is no numeric IPv4"},
		{"tcp://:80", "host is no numeric IPv4"},
		{"tcp://::1:80", "host is no numeric IPv4"},
		{"tcp://1111111111111111111111111111111111111111111111111111:80", "host is no numeric IPv4"},
		{"tcp://[::1:80", "] behind the IPv6"},
		{"tcp://[::1]", "port is missing"},
		{"tcp://[::1]80", "port is missing"},
		{"tcp://[::1]:", "port is missing"},
		{"tcp://[]:80", "host is no numeric IPv6"},
		{"tcp://[127.0.0.1]:80", "host is no numeric IPv6"},
		{"tcp://[fe80::1%]:80", "zone"},
		{"tcp://[fe80::1%eth0]:80", "zone"},
		{"unix:", "path is missing"},
		{"unix:@", "path is missing"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__address address = {.len = 42};
		char why[192] = "";

		assert_int_equal(zok__address_parse(rows[i][0], &address, why, sizeof why), -EINVAL);
		assert_non_null(strstr(why, rows[i][1]));
		assert_non_null(strstr(why, "it takes"));
		assert_null(strchr(why, '\n'));
		assert_int_equal(address.len, 42);
	}
}

static void a_path_fits_or_is_refused(void **state)
{
	char text[256] = "unix:/", why[192] = "";

	memset(text + 6, 'x', 106);
	text[6 + 106] = '\0';
	round_trip(text, text); /* 107 bytes and the NUL */
	text[6 + 106] = 'x';
	assert_int_equal(zok_address_check(text, why, sizeof why), -EINVAL);
	assert_non_null(strstr(why, "too long"));
}

static void a_small_text_is_refused_or_cut(void **state)
{
	struct zok__address address;
	char text[8], why[8] = "";

	assert_int_equal(zok__address_parse("tcp://127.0.0.1:7000", &address, why, sizeof why), 0);
	assert_int_equal(zok__address_format(&address, text, sizeof text), -ENOBUFS);
	assert_int_equal(zok_address_check("tcp://", why, sizeof why), -EINVAL);
	assert_int_equal(strlen(why), 7);
	assert_int_equal(zok_address_check("tcp://", NULL, 0), -EINVAL);
}

static void only_a_unix_file_has_a_path(void **state)
{
	struct zok__address address;
	char why[192];

	assert_int_equal(zok__address_parse("unix:/run/door", &address, why, sizeof why), 0);
	assert_string_equal(zok__address_path(&address), "/run/door");
	assert_int_equal(zok__address_parse("unix:@door", &address, why, sizeof why), 0);
	assert_null(zok__address_path(&address));
	assert_int_equal(zok__address_parse("tcp://127.0.0.1:1", &address, why, sizeof why), 0);
	assert_null(zok__address_path(&address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_come_back),	       cmocka_unit_test(bad_ones_say_which_part),
		cmocka_unit_test(a_path_fits_or_is_refused),   cmocka_unit_test(a_small_text_is_refused_or_cut),
		cmocka_unit_test(only_a_unix_file_has_a_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
