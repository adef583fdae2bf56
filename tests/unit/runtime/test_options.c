/* Every option that is wrong is refused with one line that names it and says what it would accept; every other has its default. */
#include "runtime/options.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- What is refused ---- */

static const struct refusal {
	struct zok_options options;
	const char *error; /* how the line begins; what follows depends on the machine or the build */
} refusals[] = {
	{{.budget_ns = 999}, "budget_ns: 999: must be from 1000 to 1000000000"},
	{{.budget_ns = ZOK_S + 1}, "budget_ns: 1000000001: must be from 1000 to 1000000000"},
	{{.budget_ns = UINT64_MAX}, "budget_ns: 18446744073709551615: must be from 1000 to 1000000000"},
	{{.spin_ns_max = ZOK_S + 1}, "spin_ns_max: 1000000001: must be from 1 to 1000000000"},
	{{.grace_ns = 3600 * ZOK_S + 1}, "grace_ns: 3600000000001: must be from 1 to 3600000000000"},
	{{.share_normal = 1001}, "share_normal: 1001: must be from 1 to 1000"},
	{{.share_bulk = (unsigned)-1}, "share_bulk: 4294967295: must be from 1 to 1000"},
	{{.stack_size = 4095}, "stack_size: 4095: must be from 4096 to 8388608"},
	{{.stack_size = ((size_t)8 << 20) + 1}, "stack_size: 8388609: must be from 4096 to 8388608"},
	{{.receive_buffers = 32769}, "receive_buffers: 32769: must be from 1 to 32768"},
	{{.receive_buffers = 1000}, "receive_buffers: 1000: must be a power of two"},
	{{.receive_buffer_size = 63}, "receive_buffer_size: 63: must be from 64 to 16777216"},
	{{.receive_buffer_size = (16 << 20) + 1}, "receive_buffer_size: 16777217: must be from 64 to 16777216"},
	{{.sq_entries = 32769}, "sq_entries: 32769: must be from 0 to 32768"},
	{{.cq_entries = 65537}, "cq_entries: 65537: must be from 0 to 65536"},
	{{.blocking_threads_max = 4097}, "blocking_threads_max: 4097: must be from 1 to 4096"},
	{{.realtime_priority = 100}, "realtime_priority: 100: must be from 0 to 99"},
	{{.spin = "wait"}, "spin: wait: it takes auto, pause, tpause, umwait or mwaitx"},
	{{.memory = "local"}, "memory: local: no such policy; there are preferred, strict, interleave"},
	{{.memory = ""}, "memory: : no such policy; there are preferred, strict, interleave"},
	{{.huge_pages = "2m"}, "huge_pages: 2m: no such size; there are auto, off, 2M, 1G"},
	{{.stuck_ns = 3600 * ZOK_S + 1}, "stuck_ns: 3600000000001: must be from 1 to 3600000000000"},
	{{.stealing = "always"}, "stealing: always: must be auto, off, one or half"},
	{{.mode = ""}, "mode: : no such mode; there are park, adaptive, spin, sqpoll"},
	{{.mode = "Park"}, "mode: Park: no such mode; there are park, adaptive, spin, sqpoll"},
	{{.mode = "0123456789012345678901234567890123456789CUT"},
	 "mode: 0123456789012345678901234567890123456789: no such mode; there are park, adaptive, spin, sqpoll"},
	{{.engine = "kqueue"}, "engine: kqueue: no such engine in this build; there are auto, "},
	{{.engine = "epol"}, "engine: epol: no such engine in this build; there are auto, "},
	{{.engine = "0123456789012345678901234567890123456789CUT"},
	 "engine: 0123456789012345678901234567890123456789: no such engine in this build; there are auto, "},
	{{.cores = "many"}, "cores: many: "},
	{{.cores = "0,"}, "cores: "},
	{{.cores = "1000000"}, "cores: 1000000: "},
	{{.cores = "!all"}, "cores: "},
	{{.cores = "node:1000000"}, "cores: node:1000000: no such node here; nodes are "},
};

static void test_what_is_wrong_is_named_in_one_line(void **state)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		const struct refusal *row = &refusals[i];
		char error[ZOK__CONFIG_ERROR_SIZE] = "";
		struct zok__config config, before;

		memset(&config, 0x5a, sizeof config);
		before = config;
		assert_int_equal(zok__config_read(&config, &row->options, error, sizeof error), -EINVAL);
		assert_memory_equal(&config, &before, sizeof config);
		error[strlen(row->error)] = '\0';
		assert_string_equal(error, row->error);
	}
}

static void test_a_refusal_is_one_line_that_fits(void **state)
{
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		struct zok__config config;
		char error[ZOK__CONFIG_ERROR_SIZE] = "", cut[8] = "";

		assert_true(zok__config_read(&config, &refusals[i].options, error, sizeof error) < 0);
		assert_null(strchr(error, '\n'));
		assert_in_range(strlen(error), strlen(refusals[i].error), sizeof error - 2);
		assert_true(zok__config_read(&config, &refusals[i].options, cut, sizeof cut) < 0);
		assert_memory_equal(cut, error, sizeof cut - 1);
		assert_int_equal(cut[sizeof cut - 1], '\0');
	}
}

/* ---- What is accepted ---- */

static struct zok__config config_of(const struct zok_options *options)
{
	struct zok__config config;
	char error[ZOK__CONFIG_ERROR_SIZE] = "";

	assert_int_equal(zok__config_read(&config, options, error, sizeof error), 0);
	assert_string_equal(error, "");
	return config;
}

static void check_defaults(const struct zok_options *options)
{
	struct zok__config config = config_of(options);

	assert_int_equal(config.cores.count, 1);
	assert_int_equal(config.core.core_count, 1);
	assert_ptr_equal(config.core.engine, config.engine);
	assert_int_equal(config.core.mode, ZOK__MODE_PARK);
	assert_int_equal(config.core.budget_ns, 500 * ZOK_US);
	assert_int_equal(config.core.spin_ns_max, 50 * ZOK_US);
	assert_int_equal(config.grace_ns, 5 * ZOK_S);
	assert_int_equal(config.core.share[ZOK_CLASS_NORMAL], 4);
	assert_int_equal(config.core.share[ZOK_CLASS_BULK], 1);
	assert_int_equal(config.core.stack_size, 64 << 10);
	assert_int_equal(config.core.receive_buffers, 1024);
	assert_int_equal(config.core.receive_buffer_size, 4096);
	assert_int_equal(config.core.sq_entries, 0);
	assert_int_equal(config.core.cq_entries, 0);
	assert_int_equal(config.blocking_threads_max, 64);
	assert_false(config.keeps_signals);
	assert_null(config.allocator);
	zok__config_release(&config);
}

static void test_zero_is_the_default_that_the_header_promises(void **state)
{
	check_defaults(NULL);
	check_defaults(&(struct zok_options){0});
	check_defaults(&(struct zok_options){.engine = "auto", .mode = "park"});
}

static void test_the_least_is_accepted(void **state)
{
	const struct zok_options options = {
		.budget_ns = 1000,
		.spin_ns_max = 1,
		.grace_ns = 1,
		.share_normal = 1,
		.share_bulk = 1,
		.stack_size = 4096,
		.receive_buffers = 1,
		.receive_buffer_size = 64,
		.sq_entries = 1,
		.cq_entries = 1,
		.blocking_threads_max = 1,
		.keep_signals = true,
	};
	struct zok__config config = config_of(&options);

	assert_int_equal(config.core.budget_ns, 1000);
	assert_int_equal(config.core.spin_ns_max, 1);
	assert_int_equal(config.grace_ns, 1);
	assert_int_equal(config.core.share[ZOK_CLASS_NORMAL], 1);
	assert_int_equal(config.core.share[ZOK_CLASS_BULK], 1);
	assert_int_equal(config.core.stack_size, 4096);
	assert_int_equal(config.core.receive_buffers, 1);
	assert_int_equal(config.core.receive_buffer_size, 64);
	assert_int_equal(config.core.sq_entries, 1);
	assert_int_equal(config.core.cq_entries, 1);
	assert_int_equal(config.blocking_threads_max, 1);
	assert_true(config.keeps_signals);
	zok__config_release(&config);
}

static void test_the_most_is_accepted(void **state)
{
	const struct zok_options options = {
		.budget_ns = ZOK_S,
		.spin_ns_max = ZOK_S,
		.grace_ns = 3600 * ZOK_S,
		.share_normal = 1000,
		.share_bulk = 1000,
		.stack_size = (size_t)8 << 20,
		.receive_buffers = 32768,
		.receive_buffer_size = 16 << 20,
		.sq_entries = 32768,
		.cq_entries = 65536,
		.blocking_threads_max = 4096,
	};
	struct zok__config config = config_of(&options);

	assert_int_equal(config.core.budget_ns, ZOK_S);
	assert_int_equal(config.core.spin_ns_max, ZOK_S);
	assert_int_equal(config.grace_ns, 3600 * ZOK_S);
	assert_int_equal(config.core.share[ZOK_CLASS_NORMAL], 1000);
	assert_int_equal(config.core.share[ZOK_CLASS_BULK], 1000);
	assert_int_equal(config.core.stack_size, 8 << 20);
	assert_int_equal(config.core.receive_buffers, 32768);
	assert_int_equal(config.core.receive_buffer_size, 16 << 20);
	assert_int_equal(config.core.sq_entries, 32768);
	assert_int_equal(config.core.cq_entries, 65536);
	assert_int_equal(config.blocking_threads_max, 4096);
	zok__config_release(&config);
}

static void test_each_mode_has_its_name(void **state)
{
	static const struct {
		const char *name;
		enum zok__mode mode;
	} rows[] = {
		{"park", ZOK__MODE_PARK},
		{"adaptive", ZOK__MODE_ADAPTIVE},
		{"spin", ZOK__MODE_SPIN},
		{"sqpoll", ZOK__MODE_SQPOLL},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__config config = config_of(&(struct zok_options){.mode = rows[i].name});

		assert_int_equal(config.core.mode, rows[i].mode);
		zok__config_release(&config);
	}
}

/* One core unless more are asked for. */
static void test_all_cores_are_as_many_as_are_allowed(void **state)
{
	struct zok__config config = config_of(&(struct zok_options){.cores = "all"});
	cpu_set_t allowed;

	assert_int_equal(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	assert_int_equal(config.cores.count, CPU_COUNT(&allowed));
	assert_int_equal(config.core.core_count, config.cores.count);
	zok__config_release(&config);
}

static enum zok__wake_way way_of(const char *wake)
{
	struct zok__config config = config_of(&(struct zok_options){.wake = wake});

	zok__config_release(&config);
	return config.wake;
}

static void test_the_way_of_waking_is_an_option_before_it_is_the_environments(void **state)
{
	struct zok__config config;
	char error[ZOK__CONFIG_ERROR_SIZE];

	assert_int_equal(way_of(NULL), ZOK__WAKE_AUTO);
	setenv("ZOK_WAKE", "msg-ring", 1);
	assert_int_equal(way_of("auto"), ZOK__WAKE_MSG_RING);
	assert_int_equal(way_of("eventfd"), ZOK__WAKE_EVENTFD);
	setenv("ZOK_WAKE", "bell", 1);
	assert_int_equal(zok__config_read(&config, NULL, error, sizeof error), -EINVAL);
	assert_string_equal(error, "ZOK_WAKE: bell: it takes auto, eventfd or msg-ring");
	unsetenv("ZOK_WAKE");
	assert_int_equal(zok__config_read(&config, &(struct zok_options){.wake = "futex"}, error, sizeof error), -EINVAL);
	assert_string_equal(error, "wake: futex: it takes auto, eventfd or msg-ring");
}

static enum zok__direct_choice direct_of(const char *direct)
{
	struct zok__config config = config_of(&(struct zok_options){.direct_descriptors = direct});

	zok__config_release(&config);
	return config.core.direct_descriptors;
}

static void test_direct_descriptors_are_an_option_before_they_are_the_environments(void **state)
{
	struct zok__config config;
	char error[ZOK__CONFIG_ERROR_SIZE];

	assert_int_equal(direct_of(NULL), ZOK__DIRECT_AUTO);
	setenv("ZOK_DIRECT", "on", 1);
	assert_int_equal(direct_of("auto"), ZOK__DIRECT_ON);
	assert_int_equal(direct_of("off"), ZOK__DIRECT_OFF);
	setenv("ZOK_DIRECT", "", 1);
	assert_int_equal(direct_of(NULL), ZOK__DIRECT_AUTO);
	setenv("ZOK_DIRECT", "maybe", 1);
	assert_int_equal(zok__config_read(&config, NULL, error, sizeof error), -EINVAL);
	assert_string_equal(error, "ZOK_DIRECT: maybe: it takes auto, on or off");
	unsetenv("ZOK_DIRECT");
	assert_int_equal(zok__config_read(&config, &(struct zok_options){.direct_descriptors = "yes"}, error, sizeof error), -EINVAL);
	assert_string_equal(error, "direct_descriptors: yes: it takes auto, on or off");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_wrong_is_named_in_one_line),
		cmocka_unit_test(test_a_refusal_is_one_line_that_fits),
		cmocka_unit_test(test_zero_is_the_default_that_the_header_promises),
		cmocka_unit_test(test_the_least_is_accepted),
		cmocka_unit_test(test_the_most_is_accepted),
		cmocka_unit_test(test_each_mode_has_its_name),
		cmocka_unit_test(test_all_cores_are_as_many_as_are_allowed),
		cmocka_unit_test(test_the_way_of_waking_is_an_option_before_it_is_the_environments),
		cmocka_unit_test(test_direct_descriptors_are_an_option_before_they_are_the_environments),
	};

	unsetenv("ZOK_ENGINE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
