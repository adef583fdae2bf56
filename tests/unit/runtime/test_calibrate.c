/* Which way of waking is the faster: measured on engines and a clock that are made up, and what is said where nothing is to be measured. */
#include "runtime/calibrate.h"

#include "runtime/runtime.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- A machine on which a wake-up of the second core takes as long as we say, and nothing else takes any time ---- */

static struct {
	uint64_t now_ns; /* atomic */
	uint64_t eventfd_ns, ring_ns;
	bool has_ring;
	struct zok__engine engines[2];
	struct zok_core *cores[2];
	struct zok_runtime *runtime;
} machine;

static uint64_t machine_now(void *context)
{
	return __atomic_load_n(&machine.now_ns, __ATOMIC_ACQUIRE);
}

static const struct zok__clock_source source = {.name = "made up", .now_ns = machine_now};

static void take(const struct zok__engine *engine, uint64_t ns)
{
	if (engine == &machine.engines[1])
		__atomic_fetch_add(&machine.now_ns, ns, __ATOMIC_RELEASE);
}

static void wake(struct zok__engine *engine)
{
	take(engine, machine.eventfd_ns);
}

static bool wake_by(struct zok__engine *engine, struct zok__engine *from)
{
	assert_ptr_not_equal(engine, from);
	take(engine, machine.ring_ns);
	return machine.has_ring;
}

static int wait_for_none(struct zok__engine *engine, uint64_t timeout_ns)
{
	sched_yield();
	return 0;
}

static const struct zok__engine_ops with_rings = {.name = "rings", .wait = wait_for_none, .wake = wake, .wake_by = wake_by};
static const struct zok__engine_ops without = {.name = "none", .wait = wait_for_none, .wake = wake};

static int make(void **state)
{
	memset(&machine, 0, sizeof machine);
	machine.now_ns = ZOK_S;
	machine.runtime = aligned_alloc(_Alignof(struct zok_runtime), sizeof(struct zok_runtime));
	assert_non_null(machine.runtime);
	memset(machine.runtime, 0, sizeof *machine.runtime);
	machine.runtime->cores = machine.cores;
	machine.runtime->core_count = 2;
	machine.has_ring = true;
	for (unsigned i = 0; i < 2; i++) {
		machine.engines[i].ops = &with_rings;
		machine.cores[i] = aligned_alloc(_Alignof(struct zok_core), sizeof(struct zok_core));
		assert_non_null(machine.cores[i]);
		memset(machine.cores[i], 0, sizeof(struct zok_core));
		machine.cores[i]->engine = &machine.engines[i];
		machine.cores[i]->options.index = i;
		zok__clock_start(&machine.cores[i]->clock, &source);
	}
	return 0;
}

static int drop(void **state)
{
	free(machine.cores[0]);
	free(machine.cores[1]);
	free(machine.runtime);
	return 0;
}

static void *second_core(void *arg)
{
	zok__calibrate(machine.runtime, 1);
	return NULL;
}

static void assert_chosen(bool is_by_ring, const char *text)
{
	assert_string_equal(machine.runtime->calibration.text, text);
	assert_int_equal(machine.runtime->calibration.is_by_ring, is_by_ring);
}

static void assert_measured(uint64_t eventfd_ns, uint64_t ring_ns, bool is_by_ring, const char *text)
{
	pthread_t thread;

	machine.eventfd_ns = eventfd_ns;
	machine.ring_ns = ring_ns;
	assert_int_equal(pthread_create(&thread, NULL, second_core, NULL), 0);
	zok__calibrate(machine.runtime, 0);
	pthread_join(thread, NULL);
	assert_chosen(is_by_ring, text);
}

/* ---- Measured ---- */

static void the_faster_one_is_chosen_rings(void **state)
{
	assert_measured(10000, 5000, true, "eventfd 5.0 us, msg-ring 2.5 us: msg-ring");
}

static void the_faster_one_is_chosen_eventfd(void **state)
{
	assert_measured(3000, 8000, false, "eventfd 1.5 us, msg-ring 4.0 us: eventfd");
}

static void of_equals_it_is_eventfd(void **state)
{
	assert_measured(4000, 4000, false, "eventfd 2.0 us, msg-ring 2.0 us: eventfd");
}

static void a_ring_that_refuses_is_not_chosen(void **state)
{
	machine.has_ring = false;
	assert_measured(10000, 1, false, "eventfd: too few wake-ups in the time for it to choose by");
}

static void nor_is_one_of_another_engine(void **state)
{
	static struct zok__engine_ops others;

	others = with_rings;
	machine.engines[1].ops = &others;
	assert_measured(10000, 1, false, "eventfd: too few wake-ups in the time for it to choose by");
}

/* Four milliseconds in all: that is two of each. */
static void it_ends_in_time(void **state)
{
	assert_measured(ZOK_MS, ZOK_MS / 2, false, "eventfd: too few wake-ups in the time for it to choose by");
	assert_in_range(machine.now_ns, ZOK_S + 4 * ZOK_MS, ZOK_S + 7 * ZOK_MS);
}

/* ---- Settled ---- */

static void assert_settled(bool is_by_ring, const char *text)
{
	machine.runtime->calibration.is_by_ring = !is_by_ring;
	zok__calibrate(machine.runtime, 1); /* says nothing, and does not wait for the first */
	assert_string_equal(machine.runtime->calibration.text, "");
	zok__calibrate(machine.runtime, 0);
	assert_chosen(is_by_ring, text);
	assert_int_equal(machine.now_ns, ZOK_S);
	machine.runtime->calibration.text[0] = '\0';
}

static void what_is_asked_for_is_not_measured(void **state)
{
	struct zok__config *config = &machine.runtime->config;

	machine.eventfd_ns = machine.ring_ns = 1000;
	zok__calibrate(machine.runtime, 2); /* only the first two have a part in it */
	config->wake = ZOK__WAKE_EVENTFD;
	assert_settled(false, "eventfd: asked for");
	config->wake = ZOK__WAKE_MSG_RING;
	assert_settled(true, "msg-ring: asked for, and eventfd where the kernel refuses it");
	config->wake = (enum zok__wake_way)0;
	config->core.mode = ZOK__MODE_SPIN;
	assert_settled(false, "eventfd: not measured in this mode");
	config->core.mode = ZOK__MODE_SQPOLL;
	assert_settled(false, "eventfd: not measured in this mode");
	config->wake = ZOK__WAKE_MSG_RING;
	machine.engines[0].ops = machine.engines[1].ops = &without;
	assert_settled(false, "eventfd: the engine has no rings");
}

static void one_core_has_nobody_to_wake(void **state)
{
	machine.runtime->core_count = 1;
	machine.runtime->config.wake = ZOK__WAKE_MSG_RING;
	zok__calibrate(machine.runtime, 0);
	assert_chosen(false, "eventfd: one core, which nobody's ring wakes");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_faster_one_is_chosen_rings),	 CASE(the_faster_one_is_chosen_eventfd), CASE(of_equals_it_is_eventfd),
		CASE(a_ring_that_refuses_is_not_chosen), CASE(nor_is_one_of_another_engine),	 CASE(it_ends_in_time),
		CASE(what_is_asked_for_is_not_measured), CASE(one_core_has_nobody_to_wake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
