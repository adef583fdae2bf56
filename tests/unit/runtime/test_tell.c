/* zok_tell(): in order, from whatever may tell, waiting for room where it can, and run before the runtime ends. */
#include "runtime/runtime.h"
#include "zokio/zokio.h"

#include "tests/unit/runtime/log_lines.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 5000 };

/* Two cores on whatever processors there are: on one they share it. */
static const struct zok_options *two_cores(void)
{
	static struct zok_options options = {.cores = "all", .engine = "epoll"};

	return &options;
}

static unsigned other(void)
{
	return zok_core_count() - 1;
}

struct diary {
	uint64_t next;
	bool is_out_of_order;
};

static void write_down(void *arg, uint64_t value)
{
	struct diary *diary = arg;

	if (value != diary->next++)
		diary->is_out_of_order = true;
}

static int is_written(void *arg)
{
	struct diary *diary = arg;

	return diary->next == MANY && !diary->is_out_of_order ? 1 : 0;
}

/* Far more than finds room: the fiber waits, and the call comes behind all that was told. */
static int tells_many(void *arg)
{
	struct diary diary = {0};

	for (uint64_t i = 0; i < MANY; i++) {
		int rc = zok_tell(other(), write_down, &diary, i);

		if (rc != 0)
			return rc;
	}
	return zok_call_on(other(), is_written, &diary);
}

static void test_what_is_told_arrives_in_order_and_before_a_call(void **state)
{
	assert_int_equal(zok_run(two_cores(), tells_many, NULL), 1);
}

static uint64_t told; /* atomic */

static void count_told(void *arg, uint64_t value)
{
	__atomic_fetch_add(&told, value, __ATOMIC_RELAXED);
}

static int tells_and_ends(void *arg)
{
	for (int i = 0; i < MANY; i++)
		zok_tell(other(), count_told, NULL, 1);
	return 0;
}

static void pass_on(void *arg, uint64_t left)
{
	__atomic_fetch_add(&told, 1, __ATOMIC_RELAXED);
	if (left > 0)
		zok_tell(left % zok_core_count(), pass_on, NULL, left - 1);
}

static int starts_a_chain(void *arg)
{
	return zok_tell(other(), pass_on, NULL, MANY - 1);
}

static void test_what_was_told_is_run_before_the_runtime_ends(void **state)
{
	told = 0;
	assert_int_equal(zok_run(two_cores(), tells_and_ends, NULL), 0);
	assert_int_equal(told, MANY);
	/* Also what those who are told tell, when no task is alive anywhere. */
	told = 0;
	assert_int_equal(zok_run(two_cores(), starts_a_chain, NULL), 0);
	assert_int_equal(told, MANY);
}

/* In a function that was told nothing can wait: it is told to try again. The core tells itself, so that nobody takes meanwhile. */
static void tell_too_much(void *arg, uint64_t value)
{
	int *counts = arg, rc;

	while ((rc = zok_tell((unsigned)zok_core_index(), count_told, NULL, 1)) == 0)
		counts[0]++;
	counts[1] = rc;
}

static int has_too_much_told(void *arg)
{
	return zok_tell((unsigned)zok_core_index(), tell_too_much, arg, 0);
}

static void test_who_cannot_wait_for_room_is_told_so(void **state)
{
	int counts[2] = {0};

	told = 0;
	assert_int_equal(zok_run(two_cores(), has_too_much_told, counts), 0);
	assert_int_equal(counts[1], -EAGAIN);
	assert_in_range(counts[0], ZOK__MAILBOX_CAPACITY - 8, ZOK__MAILBOX_CAPACITY + 1); /* the runtime has messages of its own */
	assert_int_equal(told, counts[0]);
}

/* A fiber that fills its own core's mailbox waits, for only the loop takes; a deadline ends that, and what was not sent is not run. */
static int tells_itself_until(void *arg)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "teller"});
	int rc = 0;

	zok_scope_cancel(scope);
	while (rc == 0) {
		rc = zok_tell((unsigned)zok_core_index(), count_told, NULL, 1);
		*(uint64_t *)arg += rc == 0;
	}
	zok_scope_close(scope, 0);
	return rc;
}

static void test_a_cancel_ends_the_wait_for_room(void **state)
{
	uint64_t sent = 0;

	told = 0;
	assert_int_equal(zok_run(two_cores(), tells_itself_until, &sent), -ECANCELED);
	assert_int_equal(sent, ZOK__MAILBOX_CAPACITY + 1);
	assert_int_equal(told, sent);
}

static int tells_nobody(void *arg)
{
	return zok_tell(zok_core_count(), count_told, NULL, 1);
}

static void test_an_impossible_core_is_refused(void **state)
{
	struct log_lines lines;

	log_lines_begin(&lines);
	assert_int_equal(zok_run(two_cores(), tells_nobody, NULL), -EINVAL);
	assert_non_null(strstr(lines.last, "no such core"));
	assert_int_equal(zok_tell(0, count_told, NULL, 1), -EINVAL);
	log_lines_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_told_arrives_in_order_and_before_a_call),
		cmocka_unit_test(test_what_was_told_is_run_before_the_runtime_ends),
		cmocka_unit_test(test_who_cannot_wait_for_room_is_told_so),
		cmocka_unit_test(test_a_cancel_ends_the_wait_for_room),
		cmocka_unit_test(test_an_impossible_core_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
