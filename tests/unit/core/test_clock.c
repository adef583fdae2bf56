/* The core's clock: close to CLOCK_MONOTONIC and never backwards, on this machine's counter and on made-up ones that drift, jitter and jump. */
#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_follows_the_system_clock(void **state)
{
	struct zok__clock clock;
	uint64_t end_ns, last_ns = 0, off_ns_min = UINT64_MAX;

	zok__clock_start(&clock, NULL);
	end_ns = zok__clock_os_ns() + 40 * ZOK_MS; /* several anchors */
	while (last_ns < end_ns) {
		uint64_t before_ns = zok__clock_os_ns(), now_ns = zok__clock_now_ns(&clock), after_ns = zok__clock_os_ns();
		uint64_t off_ns = now_ns < before_ns ? before_ns - now_ns : now_ns > after_ns ? now_ns - after_ns : 0;

		assert_true(now_ns >= last_ns);
		assert_true(off_ns < ZOK_MS); /* wide: an anchor may have been interrupted */
		if (off_ns < off_ns_min)
			off_ns_min = off_ns;
		last_ns = now_ns;
	}
	assert_true(off_ns_min < ZOK_US);
}

static void test_cycles_convert_both_ways(void **state)
{
	struct zok__clock clock;
	uint64_t cycles, ns;

	zok__clock_start(&clock, NULL);
	cycles = zok__clock_ns_to_cycles(&clock, ZOK_S);
	ns = zok__clock_cycles_to_ns(&clock, cycles);
	assert_true(ns <= ZOK_S && ns > ZOK_S - 2 * ZOK_US);
	assert_int_equal(zok__clock_cycles_to_ns(&clock, 0), 0);
	assert_true(zok__clock_ns_to_cycles(&clock, ZOK_NEVER) > ZOK_NEVER / 100);
	assert_true(zok__clock_cycles(&clock) <= zok__clock_cycles(&clock));
}

static uint64_t read_variable(void *context)
{
	return *(uint64_t *)context;
}

static void test_source_owns_all_time(void **state)
{
	uint64_t virtual_ns = 42;
	const struct zok__clock_source source = {.name = "virtual", .now_ns = read_variable, .context = &virtual_ns};
	struct zok__clock clock;

	zok__clock_start(&clock, &source);
	assert_string_equal(zok__clock_source_name(&clock), "virtual");
	assert_int_equal(zok__clock_now_ns(&clock), 42);
	virtual_ns = 1000 * ZOK_S;
	assert_int_equal(zok__clock_now_ns(&clock), 1000 * ZOK_S);
	assert_int_equal(zok__clock_cycles(&clock), 1000 * ZOK_S);
	assert_int_equal(zok__clock_cycles_to_ns(&clock, ZOK_MS), ZOK_MS);
	assert_int_equal(zok__clock_ns_to_cycles(&clock, ZOK_NEVER), ZOK_NEVER);
	virtual_ns = 7;
	assert_int_equal(zok__clock_now_ns(&clock), 1000 * ZOK_S);
}

/* A counter and a truth of our own, in steps of whole nanoseconds of the truth. */
struct machine {
	double cycles_per_ns;
	double cycles;
	uint64_t ns, random;
};

static uint64_t random_below(struct machine *machine, uint64_t bound)
{
	machine->random = machine->random * 6364136223846793005u + 1442695040888963407u;
	return (machine->random >> 33) % bound;
}

static void pass(struct machine *machine, uint64_t ns)
{
	machine->ns += ns;
	machine->cycles += (double)ns * machine->cycles_per_ns;
}

/* A reading that takes up to `width_ns`: the truth is from somewhere within, the cycles are those of its middle. */
static struct zok__clock_pair pair_of(struct machine *machine, uint64_t width_ns)
{
	uint64_t early_ns = random_below(machine, width_ns / 2 + 1), late_ns = random_below(machine, width_ns / 2 + 1);
	uint64_t before = (uint64_t)machine->cycles, ns;

	pass(machine, early_ns);
	ns = machine->ns;
	pass(machine, late_ns);
	return (struct zok__clock_pair){
		.cycles = before + ((uint64_t)machine->cycles - before) / 2,
		.ns = ns,
		.is_tight = width_ns < ZOK_US,
	};
}

/* What zok__clock_now_ns() does, on the made-up machine. */
static uint64_t read_clock(struct zok__clock *clock, struct machine *machine, uint64_t width_ns)
{
	uint64_t elapsed = (uint64_t)machine->cycles - clock->anchor_cycles;

	if (elapsed < clock->span_cycles)
		return zok__clock_after(clock, elapsed);
	zok__clock_anchor(clock, pair_of(machine, width_ns));
	return clock->anchor_ns;
}

/* A clock that believes in `cycles_per_ns`, whatever the machine's counter does. */
static void start_clock(struct zok__clock *clock, struct machine *machine, double cycles_per_ns)
{
	struct zok__clock_pair pair = pair_of(machine, 0);

	*clock = (struct zok__clock){.anchor_cycles = pair.cycles,
				     .anchor_ns = pair.ns,
				     .truth_cycles = pair.cycles,
				     .truth_ns = pair.ns,
				     .truth_rate = (uint64_t)(4294967296.0 / cycles_per_ns),
				     .span_ns = ZOK_MS / 2};
	zok__clock_anchor(clock, pair);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* Reads for some seconds of the machine's time, with pauses up to `pause_ns`; returns the greatest error after the first second. */
static uint64_t drive(struct zok__clock *clock, struct machine *machine, uint64_t pause_ns, uint64_t width_ns)
{
	uint64_t end_ns = machine->ns + 4 * ZOK_S, settled_ns = machine->ns + ZOK_S, last_ns = 0, error_ns_max = 0;

	while (machine->ns < end_ns) {
		uint64_t now_ns;

		pass(machine, 1 + random_below(machine, pause_ns));
		now_ns = read_clock(clock, machine, width_ns);

		assert_true(now_ns >= last_ns);
		last_ns = now_ns;
		if (machine->ns > settled_ns && distance(now_ns, machine->ns) > error_ns_max)
			error_ns_max = distance(now_ns, machine->ns);
	}
	return error_ns_max;
}

static void test_wrong_rate_is_mended(void **state)
{
	const double frequencies[] = {0.024, 1.0, 2.6, 5.0}, errors[] = {-0.005, -0.0001, 0.0001, 0.005};

	for (size_t f = 0; f < sizeof frequencies / sizeof *frequencies; f++) {
		for (size_t e = 0; e < sizeof errors / sizeof *errors; e++) {
			struct machine machine = {.cycles_per_ns = frequencies[f], .ns = 77 * ZOK_S, .random = f * 10 + e};
			struct zok__clock clock;

			start_clock(&clock, &machine, frequencies[f] * (1 + errors[e]));
			assert_true(drive(&clock, &machine, 50 * ZOK_US, 0) < 200);
		}
	}
}

static void test_jittered_anchors_never_take_time_back(void **state)
{
	struct machine machine = {.cycles_per_ns = 2.6, .ns = ZOK_S, .random = 3};
	struct zok__clock clock;

	start_clock(&clock, &machine, 2.6);
	assert_true(drive(&clock, &machine, 20 * ZOK_US, 60) < 500);
}

static void test_disturbed_anchors_do_not_spoil_the_rate(void **state)
{
	struct machine machine = {.cycles_per_ns = 2.6, .ns = ZOK_S, .random = 4};
	struct zok__clock clock;
	uint64_t rate;

	start_clock(&clock, &machine, 2.6);
	rate = clock.truth_rate;
	drive(&clock, &machine, 20 * ZOK_US, 5 * ZOK_MS);
	assert_int_equal(clock.truth_rate, rate);
	assert_true(drive(&clock, &machine, 20 * ZOK_US, 0) < 200);
}

static void test_long_waits_between_reads(void **state)
{
	struct machine machine = {.cycles_per_ns = 2.6, .ns = ZOK_S, .random = 5};
	struct zok__clock clock;

	start_clock(&clock, &machine, 2.605);
	assert_true(drive(&clock, &machine, 700 * ZOK_MS, 0) < 1000);
	pass(&machine, 100000 * ZOK_S);
	assert_int_equal(read_clock(&clock, &machine, 0), machine.ns);
}

/* A virtual machine that moved: the counter starts anew, or leaps. Time goes on, and the clock finds the truth again. */
static void test_jumping_counter_is_survived(void **state)
{
	const double jumps[] = {-4e12, -1e12, 1e6, 1e12};

	for (size_t j = 0; j < sizeof jumps / sizeof *jumps; j++) {
		struct machine machine = {.cycles_per_ns = 2.6, .cycles = 5e12, .ns = ZOK_S, .random = j};
		struct zok__clock clock;
		uint64_t before_ns;

		start_clock(&clock, &machine, 2.6);
		drive(&clock, &machine, 20 * ZOK_US, 0);
		before_ns = read_clock(&clock, &machine, 0);
		machine.cycles += jumps[j];
		pass(&machine, 1);
		assert_true(read_clock(&clock, &machine, 0) >= before_ns);
		assert_true(drive(&clock, &machine, 20 * ZOK_US, 0) < 200);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follows_the_system_clock),
		cmocka_unit_test(test_cycles_convert_both_ways),
		cmocka_unit_test(test_source_owns_all_time),
		cmocka_unit_test(test_wrong_rate_is_mended),
		cmocka_unit_test(test_jittered_anchors_never_take_time_back),
		cmocka_unit_test(test_disturbed_anchors_do_not_spoil_the_rate),
		cmocka_unit_test(test_long_waits_between_reads),
		cmocka_unit_test(test_jumping_counter_is_survived),
	};

	return cmocka_run_group_tests_name("core/clock", tests, NULL, NULL);
}
