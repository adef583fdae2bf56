/* Watches: events in order, also several of one read; one reader at a time; a deadline; destroyed under a reader. */
#include "tests/unit/fs/rig.h"

#include <sys/inotify.h>

RIG_CASE(events_in_order)
{
	struct zok_watch *watch = NULL;
	struct zok_watch_event event;
	int number;

	assert_int_equal(zok_watch_create(&watch), 0);
	assert_int_equal(zok_watch_add(watch, "/tmp/zokio/there/is/none", IN_CREATE), -ENOENT);
	number = zok_watch_add(watch, rig->path, IN_CREATE | IN_DELETE);
	assert_true(number > 0);
	rig_remove(rig_create("first", 0), "first");
	rig_remove(rig_create("second", 0), "second");
	for (int i = 0; i < 4; i++) {
		assert_int_equal(zok_watch_next(watch, &event), 0);
		assert_int_equal(event.watch, number);
		assert_int_equal(event.mask, i % 2 == 0 ? IN_CREATE : IN_DELETE);
		assert_string_equal(event.name, i < 2 ? "first" : "second");
	}
	assert_int_equal(zok_watch_remove(watch, number), 0);
	assert_int_equal(zok_watch_next(watch, &event), 0);
	assert_int_equal(event.mask, IN_IGNORED);
	assert_string_equal(event.name, "");
	assert_int_equal(zok_watch_remove(watch, number), -EINVAL);
	assert_int_equal(zok_watch_destroy(watch), 0);
	assert_int_equal(zok_watch_destroy(NULL), 0);
	return 0;
}

struct waiting {
	struct zok_watch *watch;
	int result;
};

static int waits(void *arg)
{
	struct waiting *waiting = arg;
	struct zok_watch_event event;

	waiting->result = zok_watch_next(waiting->watch, &event);
	return 0;
}

RIG_CASE(destroyed_under_a_reader)
{
	struct waiting waiting = {.result = 1};
	struct zok_watch_event event;
	struct zok_scope *scope = zok_scope_open(NULL);

	assert_int_equal(zok_watch_create(&waiting.watch), 0);
	assert_true(zok_watch_add(waiting.watch, rig->path, IN_CREATE) > 0);
	assert_int_equal(zok_spawn(scope, waits, &waiting, NULL), 0);
	zok_sleep(1);
	assert_int_equal(zok_watch_next(waiting.watch, &event), -EBUSY);
	assert_int_equal(zok_watch_destroy(waiting.watch), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(waiting.result, -EBADF);
	return 0;
}

RIG_CASE(deadline)
{
	struct zok_watch *watch = NULL;
	struct zok_watch_event event;
	struct zok_scope *scope;

	assert_int_equal(zok_watch_create(&watch), 0);
	assert_true(zok_watch_add(watch, rig->path, IN_CREATE) > 0);
	scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = ZOK_MS});
	assert_int_equal(zok_watch_next(watch, &event), -ETIMEDOUT);
	zok_scope_close(scope, 0);
	rig_remove(rig_create("late", 0), "late");
	assert_int_equal(zok_watch_next(watch, &event), 0);
	assert_string_equal(event.name, "late");
	assert_int_equal(zok_watch_destroy(watch), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {RIG_ROW(events_in_order), RIG_ROW(destroyed_under_a_reader), RIG_ROW(deadline)};

	return cmocka_run_group_tests_name("fs/watch", tests, NULL, NULL);
}
