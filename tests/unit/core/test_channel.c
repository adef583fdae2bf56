/* The channel beside a model, under a random schedule of sends, receives, cancels and closes: no item is lost, doubled or reordered. */
#include "tests/unit/core/fake_engine.h"
#include "zokio/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { WAITS = 12, ITEMS_MAX = 4096, STEPS = 20000 };

/* What a wait of the test is about. */
struct slot {
	struct zok_channel_wait wait;
	enum { IDLE, SENDING, RECEIVING } kind;
	unsigned order; /* when it began to wait */
	uint32_t item;
};

/* The model: what was accepted and not yet received, in order. */
static uint32_t queue[ITEMS_MAX];
static size_t queue_first, queue_count;
static struct slot slots[WAITS];
static uint32_t seed, next_item;
static unsigned now;

static unsigned pick(unsigned count)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % count;
}

static void no_wake(struct zok_waker *waker)
{
}

static struct zok_waker waker = {.wake = no_wake};

static void model_push(uint32_t item)
{
	queue[(queue_first + queue_count++) % ITEMS_MAX] = item;
}

static void model_expect(uint32_t item)
{
	assert_true(queue_count > 0);
	assert_int_equal(item, queue[queue_first]);
	queue_first = (queue_first + 1) % ITEMS_MAX;
	queue_count--;
}

static struct slot *oldest(int kind)
{
	struct slot *found = NULL;

	for (size_t i = 0; i < WAITS; i++)
		if ((int)slots[i].kind == kind && zok_future_is_ready(&slots[i].wait.future) && slots[i].wait.future.result == 0 &&
		    (!found || slots[i].order < found->order))
			found = &slots[i];
	return found;
}

/* Takes note of everything that has become ready: sends first, for they feed the receives, each in the order in which they came. */
static void settle(void)
{
	struct slot *slot;

	while ((slot = oldest(SENDING)) != NULL) {
		model_push(slot->item);
		slot->kind = IDLE;
	}
	while ((slot = oldest(RECEIVING)) != NULL) {
		model_expect(slot->item);
		slot->kind = IDLE;
	}
	for (size_t i = 0; i < WAITS; i++)
		if (slots[i].kind != IDLE && zok_future_is_ready(&slots[i].wait.future))
			slots[i].kind = IDLE;
}

static void begin(struct zok_channel *channel, struct slot *slot, bool sends)
{
	slot->kind = sends ? SENDING : RECEIVING;
	slot->order = ++now;
	slot->item = sends ? ++next_item : UINT32_MAX;
	if (sends)
		zok_channel_send_prepare(&slot->wait, channel, &slot->item);
	else
		zok_channel_receive_prepare(&slot->wait, channel, &slot->item);
	zok_future_poll(&slot->wait.future, &waker);
}

static void step(struct zok_channel *channel)
{
	struct slot *slot = &slots[pick(WAITS)];
	uint32_t item;

	if (slot->kind != IDLE) {
		zok_future_cancel(&slot->wait.future);
		assert_true(zok_future_is_ready(&slot->wait.future));
		/* A cancelled receive has taken nothing. */
		if (slot->kind == RECEIVING && slot->wait.future.result == -ECANCELED)
			assert_int_equal(slot->item, UINT32_MAX);
	} else if (pick(4) == 0) {
		item = ++next_item;
		if (zok_channel_try_send(channel, &item) == 0)
			model_push(item);
	} else if (pick(4) == 0) {
		if (zok_channel_try_receive(channel, &item) == 0) {
			settle(); /* it may have come from a send that waited */
			model_expect(item);
		}
	} else {
		begin(channel, slot, pick(2) == 0);
	}
	settle();
	assert_true(zok_channel_count(channel) <= channel->capacity);
	assert_int_equal(queue_count, zok_channel_count(channel));
	/* Nobody waits without need, so nobody who comes later overtakes. */
	for (size_t i = 0; i < WAITS; i++)
		if (slots[i].kind != IDLE)
			assert_int_equal(queue_count, slots[i].kind == SENDING ? channel->capacity : 0);
}

static void close_and_drain(struct zok_channel *channel)
{
	uint32_t item = 0;

	zok_channel_close(channel);
	zok_channel_close(channel);
	settle();
	for (size_t i = 0; i < WAITS; i++)
		assert_int_equal(slots[i].kind, IDLE);
	assert_int_equal(zok_channel_try_send(channel, &item), -EPIPE);
	while (zok_channel_try_receive(channel, &item) == 0)
		model_expect(item);
	assert_int_equal(queue_count, 0);
	assert_int_equal(zok_channel_try_receive(channel, &item), -EPIPE);
}

static void run_schedule(uint32_t capacity)
{
	struct zok_channel channel;

	memset(slots, 0, sizeof slots);
	queue_first = queue_count = 0;
	assert_int_equal(zok_channel_init(&channel, NULL, capacity, sizeof(uint32_t)), 0);
	for (int i = 0; i < STEPS; i++)
		step(&channel);
	close_and_drain(&channel);
	zok_channel_finish(&channel);
}

static void test_a_random_schedule_keeps_to_the_model(void **state)
{
	static const uint32_t capacities[] = {0, 1, 2, 7};

	seed = 12345;
	for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++)
		run_schedule(capacities[i]);
}

static void test_bad_sizes_are_refused(void **state)
{
	struct zok_channel channel;

	assert_int_equal(zok_channel_init(&channel, NULL, 1, 0), -EINVAL);
	assert_int_equal(zok_channel_init(&channel, NULL, UINT32_MAX, SIZE_MAX / 2), -EINVAL);
}

/* ---- With fibers ---- */

enum { PASSED = 1000 };

static int sends_all(void *arg)
{
	for (int i = 0; i < PASSED; i++)
		assert_int_equal(zok_channel_send(arg, &i), 0);
	zok_channel_close(arg);
	return 0;
}

static int receives_all(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct zok_channel channel;
	int item, count = 0;

	assert_int_equal(zok_channel_init(&channel, NULL, (uint32_t)(intptr_t)arg, sizeof item), 0);
	zok_spawn(scope, sends_all, &channel, NULL);
	while (zok_channel_receive(&channel, &item) == 0)
		assert_int_equal(item, count++);
	assert_int_equal(count, PASSED);
	zok_channel_finish(&channel);
	return zok_scope_close(scope, 0);
}

static void test_fibers_pass_items_in_order(void **state)
{
	assert_int_equal(fake_run(receives_all, (void *)0), 0);
	assert_int_equal(fake_run(receives_all, (void *)3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_random_schedule_keeps_to_the_model),
		cmocka_unit_test(test_bad_sizes_are_refused),
		cmocka_unit_test(test_fibers_pass_items_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
