/* Addresses: which forms are taken, and that every other one is refused with a word about what would do. */
#include "perf/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static void test_forms_that_are_taken(void **state)
{
	struct perf_address a;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a.storage;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a.storage;
	const struct sockaddr_un *local = (const struct sockaddr_un *)&a.storage;
	char why[256];

	assert_int_equal(perf_address_parse("tcp://127.0.0.1:7000", &a, why, sizeof why), 0);
	assert_true(v4->sin_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK) && v4->sin_port == htons(7000));
	assert_int_equal(perf_address_parse("tcp://localhost:1", &a, why, sizeof why), 0);
	assert_true(v4->sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	assert_int_equal(perf_address_parse("tcp://[::1]:65535", &a, why, sizeof why), 0);
	assert_true(v6->sin6_family == AF_INET6 && v6->sin6_port == htons(65535) && a.length == sizeof *v6);
	assert_int_equal(perf_address_parse("unix:/tmp/x", &a, why, sizeof why), 0);
	assert_string_equal(local->sun_path, "/tmp/x");
}

static void test_forms_that_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"tcp://",
		"tcp://127.0.0.1",
		"tcp://127.0.0.1:",
		"tcp://127.0.0.1:0",
		"tcp://127.0.0.1:65536",
		"tcp://:80",
		"tcp://example:80",
		"tcp://127.0.0.1:8x",
		"tcp://[::1]",
		"tcp://[::1:80",
		"tcp://[::1]x80",
		"udp://1:1",
		"unix:",
		"127.0.0.1:80",
		"tcp://127.0.0.1:-80",
	};
	struct perf_address a;
	char why[256], long_path[300] = "unix:/";

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		why[0] = '\0';
		assert_int_equal(perf_address_parse(texts[i], &a, why, sizeof why), -EINVAL);
		assert_non_null(strstr(why, "tcp://"));
	}
	memset(long_path + 6, 'x', sizeof long_path - 7);
	assert_int_equal(perf_address_parse(long_path, &a, why, sizeof why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms_that_are_taken),
		cmocka_unit_test(test_forms_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
