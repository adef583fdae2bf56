/* The timer wheel: its contract case by case, then random operations over all magnitudes of time against a plain array as the model. */
#include "core/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define TICK ZOK__WHEEL_TICK_NS

static uint64_t round_up(uint64_t ns)
{
	const uint64_t last = UINT64_MAX / TICK * TICK;

	return ns > last ? last : (ns + TICK - 1) / TICK * TICK;
}

/* Expires up to `now_ns` and says how many left; the batch is popped, so that they are not pending any more. */
static size_t expire_count(struct zok__wheel *wheel, uint64_t now_ns)
{
	struct zok_list batch;
	size_t count = 0;

	zok_list_init(&batch);
	zok__wheel_expire(wheel, now_ns, &batch);
	while (zok__wheel_pop(&batch))
		count++;
	return count;
}

static void test_empty_wheel_has_no_expiry(void **state)
{
	struct zok__wheel wheel;

	zok__wheel_init(&wheel, 5 * ZOK_S);
	assert_true(zok__wheel_next_ns(&wheel) == ZOK_NEVER);
	assert_int_equal(expire_count(&wheel, UINT64_MAX), 0);
	assert_true(zok__wheel_next_ns(&wheel) == ZOK_NEVER);
}

static void test_never_early_and_one_tick_late_at_most(void **state)
{
	struct zok__wheel wheel;
	struct zok_timer_entry entry = {0};
	const uint64_t deadline_ns = 100 * TICK + 1;

	zok__wheel_init(&wheel, 0);
	zok__wheel_insert(&wheel, &entry, deadline_ns);
	assert_int_equal(zok__wheel_next_ns(&wheel), 101 * TICK);
	assert_int_equal(expire_count(&wheel, deadline_ns), 0);
	assert_true(zok__wheel_is_pending(&entry));
	assert_int_equal(expire_count(&wheel, deadline_ns + TICK - 1), 1);
	assert_false(zok__wheel_is_pending(&entry));
}

static void test_past_deadline_expires_at_next_call(void **state)
{
	struct zok__wheel wheel;
	struct zok_timer_entry entries[2] = {0};

	zok__wheel_init(&wheel, ZOK_S);
	zok__wheel_insert(&wheel, &entries[0], 0);
	zok__wheel_insert(&wheel, &entries[1], ZOK_S - 1);
	assert_int_equal(zok__wheel_next_ns(&wheel), ZOK_S);
	assert_int_equal(expire_count(&wheel, ZOK_S), 2);
}

static void test_earlier_time_is_taken_as_the_last(void **state)
{
	struct zok__wheel wheel;
	struct zok_timer_entry entry = {0};

	zok__wheel_init(&wheel, ZOK_S);
	zok__wheel_insert(&wheel, &entry, 2 * ZOK_S);
	assert_int_equal(expire_count(&wheel, ZOK_MS), 0);
	assert_int_equal(zok__wheel_next_ns(&wheel), round_up(2 * ZOK_S));
	assert_int_equal(expire_count(&wheel, 3 * ZOK_S), 1);
}

static void test_farthest_deadline(void **state)
{
	struct zok__wheel wheel;
	struct zok_timer_entry far = {0}, near = {0};

	zok__wheel_init(&wheel, 12345);
	zok__wheel_insert(&wheel, &far, ZOK_NEVER - 1);
	zok__wheel_insert(&wheel, &near, UINT64_MAX / 2);
	assert_true(zok__wheel_next_ns(&wheel) == round_up(UINT64_MAX / 2));
	assert_int_equal(expire_count(&wheel, UINT64_MAX - 2 * TICK), 1);
	assert_true(zok__wheel_is_pending(&far));
	assert_true(zok__wheel_next_ns(&wheel) == round_up(UINT64_MAX - 1));
	assert_int_equal(expire_count(&wheel, UINT64_MAX - 1), 1);
}

static void test_cancel_says_whether_it_was_pending(void **state)
{
	struct zok__wheel wheel;
	struct zok_timer_entry entry = {0};

	zok__wheel_init(&wheel, 0);
	assert_false(zok__wheel_cancel(&wheel, &entry));
	zok__wheel_insert(&wheel, &entry, ZOK_MS);
	assert_true(zok__wheel_cancel(&wheel, &entry));
	assert_false(zok__wheel_cancel(&wheel, &entry));
	assert_true(zok__wheel_next_ns(&wheel) == ZOK_NEVER);
	zok__wheel_insert(&wheel, &entry, ZOK_MS);
	assert_int_equal(expire_count(&wheel, ZOK_S), 1);
	assert_false(zok__wheel_cancel(&wheel, &entry));
}

static void test_same_tick_keeps_order_of_insertion(void **state)
{
	struct zok__wheel wheel;
	struct zok_timer_entry entries[4] = {0};
	struct zok_list batch;

	zok_list_init(&batch);
	zok__wheel_init(&wheel, 0);
	/* The same tick from ever nearer: each is filed on another level. */
	for (int i = 0; i < 4; i++) {
		expire_count(&wheel, ZOK_S - ZOK_S / (1u << (i * 6)));
		zok__wheel_insert(&wheel, &entries[i], ZOK_S);
	}
	zok__wheel_expire(&wheel, 2 * ZOK_S, &batch);
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(zok__wheel_pop(&batch), &entries[i]);
	assert_null(zok__wheel_pop(&batch));
}

static void test_batch_survives_cancel_and_insert_by_its_handler(void **state)
{
	struct zok__wheel wheel;
	struct zok_timer_entry entries[4] = {0}, *entry;
	struct zok_list batch;
	size_t handled = 0;

	zok_list_init(&batch);
	zok__wheel_init(&wheel, 0);
	for (int i = 0; i < 4; i++)
		zok__wheel_insert(&wheel, &entries[i], ZOK_MS * (uint64_t)(i + 1));
	zok__wheel_expire(&wheel, ZOK_S, &batch);
	while ((entry = zok__wheel_pop(&batch)) != NULL) {
		if (handled++ > 0)
			continue;
		/* The first ends the next and the last, and arms itself again, long overdue. */
		assert_ptr_equal(entry, &entries[0]);
		assert_true(zok__wheel_cancel(&wheel, &entries[1]));
		assert_true(zok__wheel_cancel(&wheel, &entries[3]));
		zok__wheel_insert(&wheel, entry, ZOK_MS);
		zok__wheel_insert(&wheel, &entries[3], 2 * ZOK_S);
	}
	assert_int_equal(handled, 2);
	assert_true(zok__wheel_is_pending(&entries[0]));
	assert_int_equal(expire_count(&wheel, ZOK_S), 1);
	assert_int_equal(zok__wheel_next_ns(&wheel), round_up(2 * ZOK_S));
}

enum { CROWD = 2000 };

/* A slot with more entries than are searched: the answer may be early when the earliest was cancelled, never late, and it mends itself. */
static void test_crowded_slot_is_bounded_and_never_late(void **state)
{
	struct zok__wheel wheel;
	static struct zok_timer_entry entries[CROWD];
	const uint64_t base_ns = 60 * ZOK_S;
	uint64_t next_ns;
	unsigned empty_waits = 0;

	zok__wheel_init(&wheel, 0);
	for (unsigned i = 0; i < CROWD; i++)
		zok__wheel_insert(&wheel, &entries[i], base_ns + i * TICK);
	assert_int_equal(zok__wheel_next_ns(&wheel), round_up(base_ns));
	for (unsigned i = 0; i < CROWD / 2; i++) {
		assert_true(zok__wheel_cancel(&wheel, &entries[i]));
		assert_true(zok__wheel_next_ns(&wheel) <= round_up(entries[i + 1].deadline_ns));
	}
	while ((next_ns = zok__wheel_next_ns(&wheel)) < round_up(entries[CROWD / 2].deadline_ns)) {
		assert_int_equal(expire_count(&wheel, next_ns), 0);
		empty_waits++;
	}
	assert_true(empty_waits <= 1);
	assert_int_equal(next_ns, round_up(entries[CROWD / 2].deadline_ns));
	assert_int_equal(expire_count(&wheel, next_ns), 1);
	assert_int_equal(expire_count(&wheel, base_ns + CROWD * TICK), CROWD / 2 - 1);
}

enum { TIMERS = 200, SEEDS = 400, STEPS = 1500 };

/* What the wheel should know, in the order of insertion ids; searched from end to end each time. */
struct model {
	struct zok__wheel wheel;
	struct zok_timer_entry entries[TIMERS];
	struct {
		uint64_t due_ns; /* the time at which it must leave */
		uint64_t order;
		bool is_pending;
	} timers[TIMERS];
	uint64_t now_ns, order, random;
};

/* splitmix64: Steele, Lea, Flood (OOPSLA 2014). */
static uint64_t next_random(struct model *model)
{
	uint64_t z = model->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* A span of any magnitude below 2^bits_max. */
static uint64_t random_span(struct model *model, unsigned bits_max)
{
	uint64_t bits = next_random(model) % bits_max;

	return next_random(model) & ((UINT64_C(1) << bits) - 1);
}

static uint64_t later(uint64_t ns, uint64_t span_ns)
{
	return span_ns < ZOK_NEVER - 1 - ns ? ns + span_ns : ZOK_NEVER - 1;
}

/* The pending timer that leaves first, or -1. */
static int model_first(const struct model *model)
{
	int first = -1;

	for (int i = 0; i < TIMERS; i++) {
		if (!model->timers[i].is_pending)
			continue;
		if (first < 0 || model->timers[i].due_ns < model->timers[first].due_ns ||
		    (model->timers[i].due_ns == model->timers[first].due_ns && model->timers[i].order < model->timers[first].order))
			first = i;
	}
	return first;
}

static void insert_or_cancel(struct model *model)
{
	size_t i = next_random(model) % TIMERS;
	uint64_t deadline_ns, earlier_ns;

	assert_int_equal(zok__wheel_is_pending(&model->entries[i]), model->timers[i].is_pending);
	if (model->timers[i].is_pending) {
		assert_true(zok__wheel_cancel(&model->wheel, &model->entries[i]));
		model->timers[i].is_pending = false;
		return;
	}
	assert_false(zok__wheel_cancel(&model->wheel, &model->entries[i]));
	deadline_ns = later(model->now_ns, random_span(model, 64));
	earlier_ns = random_span(model, 40);
	if (next_random(model) % 16 == 0)
		deadline_ns = model->now_ns > earlier_ns ? model->now_ns - earlier_ns : 0;
	zok__wheel_insert(&model->wheel, &model->entries[i], deadline_ns);
	model->timers[i].due_ns = round_up(deadline_ns);
	/* What is past counts as the present tick. */
	if (deadline_ns <= model->now_ns)
		model->timers[i].due_ns = model->now_ns / TICK * TICK;
	model->timers[i].order = model->order++;
	model->timers[i].is_pending = true;
}

static void cancel_first(struct model *model)
{
	int first = model_first(model);

	if (first < 0)
		return;
	assert_true(zok__wheel_cancel(&model->wheel, &model->entries[first]));
	model->timers[first].is_pending = false;
}

static void advance_to(struct model *model, uint64_t now_ns)
{
	struct zok_list batch;
	struct zok_timer_entry *entry;
	int first;

	model->now_ns = now_ns;
	zok_list_init(&batch);
	zok__wheel_expire(&model->wheel, now_ns, &batch);
	while ((first = model_first(model)) >= 0 && model->timers[first].due_ns <= now_ns) {
		entry = zok__wheel_pop(&batch);
		assert_ptr_equal(entry, &model->entries[first]);
		model->timers[first].is_pending = false;
		/* Now and then the handler ends another, which may be in this very batch. */
		if (next_random(model) % 4 == 0)
			cancel_first(model);
	}
	assert_null(zok__wheel_pop(&batch));
}

static void advance(struct model *model)
{
	int first = model_first(model);

	switch (next_random(model) % 8) {
	case 0: advance_to(model, later(model->now_ns, random_span(model, 60))); return;
	case 1:
	case 2:
		if (first >= 0 && model->timers[first].due_ns > model->now_ns)
			advance_to(model, model->timers[first].due_ns - 1);
		return;
	case 3:
	case 4:
		if (first >= 0 && model->timers[first].due_ns > model->now_ns)
			advance_to(model, model->timers[first].due_ns);
		return;
	default: advance_to(model, later(model->now_ns, random_span(model, 36)));
	}
}

static void check_next(struct model *model)
{
	int first = model_first(model);
	uint64_t next_ns = zok__wheel_next_ns(&model->wheel);

	if (first < 0)
		assert_true(next_ns == ZOK_NEVER);
	else if (model->timers[first].due_ns <= model->now_ns)
		assert_true(next_ns == model->now_ns);
	else
		assert_true(next_ns == model->timers[first].due_ns);
}

static void run_seed(uint64_t seed)
{
	struct model *model = calloc(1, sizeof *model);

	assert_non_null(model);
	model->random = seed;
	model->now_ns = random_span(model, 50);
	zok__wheel_init(&model->wheel, model->now_ns);
	for (unsigned step = 0; step < STEPS && model->now_ns < UINT64_MAX - TICK; step++) {
		uint64_t what = next_random(model) % 16;

		if (what < 12)
			insert_or_cancel(model);
		else if (what < 14)
			cancel_first(model);
		else
			advance(model);
		/* Not at each step, so that several cancels in a row are seen by one search, too. */
		if (next_random(model) % 4 != 0)
			check_next(model);
	}
	advance_to(model, UINT64_MAX - 1);
	assert_int_equal(model_first(model), -1);
	check_next(model);
	free(model);
}

static void test_random_operations_against_the_model(void **state)
{
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_wheel_has_no_expiry),
		cmocka_unit_test(test_never_early_and_one_tick_late_at_most),
		cmocka_unit_test(test_past_deadline_expires_at_next_call),
		cmocka_unit_test(test_earlier_time_is_taken_as_the_last),
		cmocka_unit_test(test_farthest_deadline),
		cmocka_unit_test(test_cancel_says_whether_it_was_pending),
		cmocka_unit_test(test_same_tick_keeps_order_of_insertion),
		cmocka_unit_test(test_batch_survives_cancel_and_insert_by_its_handler),
		cmocka_unit_test(test_crowded_slot_is_bounded_and_never_late),
		cmocka_unit_test(test_random_operations_against_the_model),
	};

	return cmocka_run_group_tests_name("core/wheel", tests, NULL, NULL);
}
