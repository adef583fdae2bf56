/* Profiles fill in what was left at zero, and nothing else. */
#include "runtime/options.h"
#include "runtime/profile.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct zok_options filled(struct zok_options options)
{
	char error[256];

	assert_int_equal(zok__profile_fill(&options, error, sizeof error), 0);
	return options;
}

static void test_no_profile_is_balanced(void **state)
{
	struct zok_options options = filled((struct zok_options){0});

	assert_string_equal(options.mode, "park");
	assert_int_equal(options.budget_ns, 500 * ZOK_US);
	assert_int_equal(options.spin_ns_max, 50 * ZOK_US);
	assert_int_equal(options.sq_entries, 0);
	assert_string_equal(filled((struct zok_options){.profile = "balanced"}).mode, "park");
}

static void test_each_profile_has_its_figures(void **state)
{
	static const struct zok_options rows[] = {
		{.profile = "low-latency", .mode = "spin", .budget_ns = 100 * ZOK_US, .spin_ns_max = 200 * ZOK_US},
		{.profile = "balanced", .mode = "park", .budget_ns = 500 * ZOK_US, .spin_ns_max = 50 * ZOK_US},
		{.profile = "throughput",
		 .mode = "adaptive",
		 .budget_ns = 2 * ZOK_MS,
		 .spin_ns_max = 20 * ZOK_US,
		 .sq_entries = 4096,
		 .cq_entries = 32768},
		{.profile = "power-saving", .mode = "park", .budget_ns = 2 * ZOK_MS, .spin_ns_max = 5 * ZOK_US},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok_options options = filled((struct zok_options){.profile = rows[i].profile});

		assert_string_equal(options.mode, rows[i].mode);
		assert_int_equal(options.budget_ns, rows[i].budget_ns);
		assert_int_equal(options.spin_ns_max, rows[i].spin_ns_max);
		assert_int_equal(options.sq_entries, rows[i].sq_entries);
		assert_int_equal(options.cq_entries, rows[i].cq_entries);
	}
}

static void test_what_was_said_stands(void **state)
{
	struct zok_options options = filled(
		(struct zok_options){.profile = "throughput", .mode = "spin", .budget_ns = ZOK_MS, .spin_ns_max = 7, .sq_entries = 8});

	assert_string_equal(options.mode, "spin");
	assert_int_equal(options.budget_ns, ZOK_MS);
	assert_int_equal(options.spin_ns_max, 7);
	assert_int_equal(options.sq_entries, 8);
	assert_int_equal(options.cq_entries, 0); /* the two go together */
	options = filled((struct zok_options){.profile = "throughput", .cq_entries = 64});
	assert_int_equal(options.sq_entries, 0);
	assert_int_equal(options.cq_entries, 64);
}

static void test_an_unknown_profile_is_refused_with_those_there_are(void **state)
{
	struct zok_options options = {.profile = "fast"};
	struct zok__config config;
	char error[ZOK__CONFIG_ERROR_SIZE];

	assert_int_equal(zok__config_read(&config, &options, error, sizeof error), -EINVAL);
	assert_non_null(strstr(error, "profile: fast"));
	assert_non_null(strstr(error, "low-latency, balanced, throughput, power-saving"));
}

static void test_the_configuration_takes_it(void **state)
{
	struct zok_options options = {.profile = "low-latency"};
	struct zok__config config;
	char error[ZOK__CONFIG_ERROR_SIZE];

	assert_int_equal(zok__config_read(&config, &options, error, sizeof error), 0);
	assert_int_equal(config.core.mode, ZOK__MODE_SPIN);
	assert_int_equal(config.core.budget_ns, 100 * ZOK_US);
	zok__config_release(&config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_profile_is_balanced),
		cmocka_unit_test(test_each_profile_has_its_figures),
		cmocka_unit_test(test_what_was_said_stands),
		cmocka_unit_test(test_an_unknown_profile_is_refused_with_those_there_are),
		cmocka_unit_test(test_the_configuration_takes_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
