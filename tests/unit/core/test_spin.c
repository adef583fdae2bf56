/* What a spinning core waits with: found in leaves of CPUID that are made up, chosen by them and by the number of cores, said as it is; and bounded. */
#include "core/core.h"
#include "core/spin.h"

#include "zokio/runtime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- Found ---- */

#if defined(__x86_64__)

/* A processor: its greatest leaves, and what the two that count hold in ECX. */
static struct {
	uint32_t max, amd_max, features, amd_features;
} made_up;

/* As Intel's do: above the greatest leaf they answer with what is none of the leaf's. */
static void made_up_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t registers[4])
{
	memset(registers, leaf == 7 || leaf == 0x80000001 ? 0xff : 0, 4 * sizeof *registers);
	if (leaf == 0)
		registers[0] = made_up.max;
	else if (leaf == 0x80000000)
		registers[0] = made_up.amd_max;
	else if (leaf == 7 && leaf <= made_up.max)
		registers[2] = made_up.features;
	else if (leaf == 0x80000001 && leaf <= made_up.amd_max)
		registers[2] = made_up.amd_features;
}

static void test_the_bits_are_looked_for_in_leaves_that_are_there(void **state)
{
	static const struct {
		uint32_t max, amd_max, features, amd_features;
		bool has_waitpkg, has_monitorx;
	} rows[] = {
		{0x1f, 0x80000008, 1u << 5, 0, true, false},		   /* Tremont, Sapphire Rapids */
		{0x10, 0x80000020, 0, 1u << 29, false, true},		   /* Excavator, Zen */
		{0x1f, 0x80000008, ~(1u << 5), ~(1u << 29), false, false}, /* all but the two */
		{0x1f, 0x80000008, 1u << 5, 1u << 29, true, true},
		{6, 0x80000000, 1u << 5, 1u << 29, false, false}, /* leaves that are not there */
		{0, 0, 0, 0, false, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct zok__cpu_waits found;

		memcpy(&made_up, &rows[i], sizeof made_up);
		found = zok__cpu_waits_of(made_up_cpuid);
		assert_int_equal(found.has_waitpkg, rows[i].has_waitpkg);
		assert_int_equal(found.has_monitorx, rows[i].has_monitorx);
	}
}

#endif

/* ---- Chosen and said ---- */

static const struct zok__cpu_waits none = {0}, intel = {.has_waitpkg = true}, amd = {.has_monitorx = true};

static void test_what_is_chosen_is_there_and_makes_sense(void **state)
{
	static const struct {
		enum zok__spin_way asked;
		const struct zok__cpu_waits *has;
		unsigned core_count;
		enum zok__spin_way way;
		const char *text;
	} rows[] = {
		{ZOK__SPIN_AUTO, &none, 2, ZOK__SPIN_PAUSE, "pause: the processor has neither WAITPKG nor MONITORX"},
		{ZOK__SPIN_AUTO, &intel, 2, ZOK__SPIN_UMWAIT, "umwait, 250 ns at most, or until the other core writes"},
		{ZOK__SPIN_AUTO, &intel, 1, ZOK__SPIN_TPAUSE, "tpause, 250 ns at most, watching no line"},
		{ZOK__SPIN_AUTO, &intel, 3, ZOK__SPIN_TPAUSE, "tpause, 250 ns at most, watching no line"},
		{ZOK__SPIN_UMWAIT, &intel, 3, ZOK__SPIN_TPAUSE, "tpause, 250 ns at most, watching no line"},
		{ZOK__SPIN_TPAUSE, &intel, 2, ZOK__SPIN_TPAUSE, "tpause, 250 ns at most, watching no line"},
		{ZOK__SPIN_AUTO, &amd, 2, ZOK__SPIN_MWAITX, "mwaitx, 250 ns at most, or until the other core writes"},
		{ZOK__SPIN_AUTO, &amd, 4, ZOK__SPIN_MWAITX, "mwaitx, 250 ns at most, watching no line"},
		{ZOK__SPIN_MWAITX, &intel, 2, ZOK__SPIN_PAUSE, "pause: the processor has no mwaitx"},
		{ZOK__SPIN_UMWAIT, &amd, 2, ZOK__SPIN_PAUSE, "pause: the processor has no umwait"},
		{ZOK__SPIN_TPAUSE, &none, 2, ZOK__SPIN_PAUSE, "pause: the processor has no tpause"},
		{ZOK__SPIN_PAUSE, &intel, 2, ZOK__SPIN_PAUSE, "pause: asked for"},
	};
	char text[120];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(zok__spin_choose(rows[i].asked, *rows[i].has, rows[i].core_count), rows[i].way);
		zok__spin_describe(rows[i].asked, *rows[i].has, rows[i].core_count, text, sizeof text);
		assert_string_equal(text, rows[i].text);
	}
}

/* ---- A runtime that does it ---- */

static int talks(void *arg)
{
	const char *expected = arg;
	char report[8192];

	assert_true(zok_engine_report(report, sizeof report) > 0);
	if (!strstr(report, expected))
		fail_msg("no '%s' in\n%s", expected, report);
	return 0;
}

static int how_many(void *arg)
{
	return (int)zok_core_count();
}

static int answers(void *arg)
{
	return (int)(intptr_t)arg;
}

static int talks_across(void *arg)
{
	for (int i = 0; zok_core_count() > 1 && i < 1000; i++)
		assert_int_equal(zok_call_on(1, answers, (void *)(intptr_t)i), i);
	return talks(arg);
}

/* Every way that can be asked for runs on every processor: where it is not to be had as another. */
static void test_each_way_can_be_asked_for_and_is_reported(void **state)
{
	static const enum zok__spin_way ways[] = {ZOK__SPIN_AUTO, ZOK__SPIN_PAUSE, ZOK__SPIN_TPAUSE, ZOK__SPIN_UMWAIT, ZOK__SPIN_MWAITX};

	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		char described[120], line[160];
		struct zok_options options = {.cores = "all:2", .engine = "epoll", .mode = "adaptive", .spin = zok__spin_name(ways[i])};
		unsigned count = (unsigned)zok_run(&options, how_many, NULL);

		zok__spin_describe(ways[i], zok__cpu_waits_here(), count, described, sizeof described);
		snprintf(line, sizeof line, "%-24s %-4s %s\n", "spin", "on", described);
		assert_int_equal(zok_run(&options, talks_across, line), 0);
	}
}

static void test_a_mode_that_does_not_spin_says_so(void **state)
{
	char line[] = "spin                     off  ";

	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll"}, talks, line), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#if defined(__x86_64__)
		cmocka_unit_test(test_the_bits_are_looked_for_in_leaves_that_are_there),
#endif
		cmocka_unit_test(test_what_is_chosen_is_there_and_makes_sense),
		cmocka_unit_test(test_each_way_can_be_asked_for_and_is_reported),
		cmocka_unit_test(test_a_mode_that_does_not_spin_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
