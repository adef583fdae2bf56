/* As much of cmocka as test_context.c uses, for machines that it is cross-compiled for without a cmocka to link. */
#ifndef TESTS_CROSS_CMOCKA_H
#define TESTS_CROSS_CMOCKA_H

#include <stdio.h>

struct CMUnitTest {
	const char *name;
	void (*run)(void **state);
};

#define cmocka_unit_test(function)  \
	{                           \
#function, function \
	}
#define cmocka_run_group_tests(tests, start, stop) cross_run(tests, sizeof(tests) / sizeof *(tests))

#define assert_true(condition)                                                                  \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)
#define assert_false(condition)		    assert_true(!(condition))
#define assert_non_null(pointer)	    assert_true((pointer) != NULL)
#define assert_int_equal(a, b)		    assert_true((uint64_t)(a) == (uint64_t)(b))
#define assert_in_range(value, least, most) assert_true((value) >= (least) && (value) <= (most))

static inline int cross_run(const struct CMUnitTest *tests, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		tests[i].run(NULL);
		printf("ok %s\n", tests[i].name);
	}
	return 0;
}

#endif
