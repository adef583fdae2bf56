/* Intervals in a time that passes only while the core waits: the grid, what each policy makes of missed ticks, and that a cancel takes none. */
#include "zokio/timer.h"

#include "tests/unit/core/fake_engine.h"
#include "zokio/async.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PERIOD_NS (10 * ZOK_MS)

static struct zok__engine_ops engine_ops;
static uint64_t virtual_ns, start_ns;

static uint64_t read_virtual(void *context)
{
	return virtual_ns;
}

static const struct zok__clock_source virtual_time = {.name = "virtual", .now_ns = read_virtual};

static int wait_in_virtual_time(struct zok__engine *engine, uint64_t timeout_ns)
{
	if (timeout_ns == ZOK_NEVER)
		return fake_engine.wait(engine, ZOK_NEVER);
	virtual_ns += timeout_ns;
	return fake_engine.wait(engine, 0);
}

static int run_virtually(void *arg)
{
	int (*const *test)(void) = arg;

	virtual_ns = start_ns = zok_now_ns();
	zok__clock_start(&zok__core()->clock, &virtual_time);
	engine_ops = fake_engine;
	engine_ops.wait = wait_in_virtual_time;
	zok__core()->engine->ops = &engine_ops;
	return (*test)();
}

static void run(int (*test)(void))
{
	assert_int_equal(fake_run(run_virtually, &test), 0);
}

/* In periods since the start, rounded down; a tick is never early and at most a tick of the wheel late. */
static void check_at(uint64_t periods_x10)
{
	uint64_t due_ns = periods_x10 * (PERIOD_NS / 10);

	assert_in_range(virtual_ns - start_ns, due_ns, due_ns + 2 * ZOK__WHEEL_TICK_NS);
}

static int ticks_on_the_grid(void)
{
	struct zok_interval interval;

	assert_int_equal(zok_interval_init(&interval, 0, PERIOD_NS, ZOK_MISSED_SKIP), 0);
	for (unsigned i = 1; i <= 100; i++) {
		assert_int_equal(zok_interval_next(&interval), 1);
		check_at(i * 10);
		virtual_ns += i * PERIOD_NS / 200; /* the work of a tick moves none of the next */
	}
	return 0;
}

/* Three and a half periods pass between two waits. */
static void be_late(struct zok_interval *interval, enum zok_missed missed)
{
	assert_int_equal(zok_interval_init(interval, start_ns + PERIOD_NS, PERIOD_NS, missed), 0);
	assert_int_equal(zok_interval_next(interval), 1);
	virtual_ns = start_ns + 45 * (PERIOD_NS / 10);
}

static int bursts(void)
{
	struct zok_interval interval;

	be_late(&interval, ZOK_MISSED_BURST);
	for (int i = 2; i <= 4; i++) {
		assert_int_equal(zok_interval_next(&interval), 1);
		check_at(45);
	}
	assert_int_equal(zok_interval_next(&interval), 1);
	check_at(50);
	return 0;
}

static int skips(void)
{
	struct zok_interval interval;

	be_late(&interval, ZOK_MISSED_SKIP);
	assert_int_equal(zok_interval_next(&interval), 3);
	check_at(45);
	assert_int_equal(zok_interval_next(&interval), 1);
	check_at(50);
	return 0;
}

static int delays(void)
{
	struct zok_interval interval;

	be_late(&interval, ZOK_MISSED_DELAY);
	assert_int_equal(zok_interval_next(&interval), 1);
	check_at(45);
	assert_int_equal(zok_interval_next(&interval), 1);
	check_at(55);
	return 0;
}

static int a_cut_wait_takes_no_tick(void)
{
	struct zok_interval interval;
	struct zok_scope *scope;

	assert_int_equal(zok_interval_init(&interval, 0, PERIOD_NS, ZOK_MISSED_BURST), 0);
	scope = zok_scope_open(&(struct zok_scope_options){.timeout_ns = PERIOD_NS / 2});
	assert_int_equal(zok_interval_next(&interval), -ETIMEDOUT);
	assert_int_equal(zok_interval_next(&interval), -ETIMEDOUT); /* without having begun */
	zok_scope_close(scope, 0);
	assert_int_equal(zok__wheel_next_ns(&zok__core()->wheel), ZOK_NEVER);
	assert_int_equal(zok_interval_next(&interval), 1);
	check_at(10);
	return 0;
}

static int begins_when_told(void)
{
	struct zok_interval interval;

	assert_int_equal(zok_interval_init(&interval, start_ns + PERIOD_NS / 2, PERIOD_NS, ZOK_MISSED_SKIP), 0);
	assert_int_equal(zok_interval_next(&interval), 1);
	check_at(5);
	assert_int_equal(zok_interval_next(&interval), 1);
	check_at(15);
	return 0;
}

static int refuses(void)
{
	struct zok_interval interval;

	assert_int_equal(zok_interval_init(&interval, 0, 0, ZOK_MISSED_SKIP), -EINVAL);
	assert_int_equal(zok_interval_init(&interval, 0, 1, (enum zok_missed)3), -EINVAL);
	assert_int_equal(zok_interval_init(&interval, 0, UINT64_MAX, ZOK_MISSED_SKIP), 0);
	return 0;
}

struct ticking {
	struct zok_task task;
	struct zok_interval interval;
	int i, sum;
	ssize_t count;
};

static int ticks(struct zok_task *task)
{
	struct ticking *frame = ZOK_CONTAINER_OF(task, struct ticking, task);

	ZOK_BEGIN(&task->async);
	zok_interval_init(&frame->interval, start_ns + PERIOD_NS, PERIOD_NS, ZOK_MISSED_SKIP);
	for (frame->i = 0; frame->i < 3; frame->i++) {
		zok_interval_next_prepare(&frame->interval);
		ZOK_AWAIT(frame->count, &frame->interval.future);
		frame->sum += (int)frame->count;
		virtual_ns += 2 * PERIOD_NS;
	}
	ZOK_END(0);
}

static int in_a_stackless_task(void)
{
	static struct ticking ticking;
	struct zok_scope *scope = zok_scope_open(NULL);

	ticking = (struct ticking){0};
	assert_int_equal(zok_task_spawn(scope, &ticking.task, ticks, NULL), 0);
	assert_int_equal(zok_scope_close(scope, 0), 0);
	assert_int_equal(ticking.sum, 1 + 2 + 2);
	return 0;
}

#define TEST(name)                            \
	static void test_##name(void **state) \
	{                                     \
		run(name);                    \
	}

TEST(ticks_on_the_grid)
TEST(bursts)
TEST(skips)
TEST(delays)
TEST(a_cut_wait_takes_no_tick)
TEST(begins_when_told)
TEST(refuses)
TEST(in_a_stackless_task)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticks_on_the_grid),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_skips),
		cmocka_unit_test(test_delays),
		cmocka_unit_test(test_a_cut_wait_takes_no_tick),
		cmocka_unit_test(test_begins_when_told),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_in_a_stackless_task),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
