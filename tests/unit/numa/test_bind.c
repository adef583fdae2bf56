/* Pinning the calling thread: done and read back, refused for CPUs that are not there. */
#include "numa/bind.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sched.h>

#include "numa/cpuset.h"

static void pins_to_each_allowed_cpu(void **state)
{
	struct zok__bitset before, after;

	assert_int_equal(zok__affinity_read(&before), 0);
	for (int cpu = -1; (cpu = zok__bitset_next(&before, cpu)) >= 0;) {
		assert_int_equal(zok__bind_thread(cpu), 0);
		assert_int_equal(sched_getcpu(), cpu);
		assert_int_equal(zok__affinity_read(&after), 0);
		assert_int_equal(zok__bitset_next(&after, -1), cpu);
		assert_int_equal(zok__bitset_next(&after, cpu), -1);
	}
	assert_int_equal(sched_setaffinity(0, sizeof before, (const cpu_set_t *)(const void *)&before), 0);
}

static void refuses_cpus_that_are_not_there(void **state)
{
	struct zok__bitset before, after;

	assert_int_equal(zok__affinity_read(&before), 0);
	assert_int_equal(zok__bind_thread(-1), -EINVAL);
	assert_int_equal(zok__bind_thread(ZOK__BITSET_MAX - 1), -EINVAL);
	assert_int_equal(zok__bind_thread(ZOK__BITSET_MAX), -EINVAL);
	assert_int_equal(zok__affinity_read(&after), 0);
	assert_memory_equal(&before, &after, sizeof before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pins_to_each_allowed_cpu),
		cmocka_unit_test(refuses_cpus_that_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
