/* What a firing leaves: the kernel's ring read record by record, also where it wraps or makes no sense; and which signals are the timer's. */
#include "runtime/stall.h"

#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAGE = 4096, FRAMES_MAX = 8 };

/* A ring as the kernel would fill it. */
struct ring {
	struct perf_event_mmap_page page;
	_Alignas(PAGE) char data[PAGE];
};

static _Alignas(PAGE) struct ring ring;
static struct zok__stall watched;
static uint64_t frames[FRAMES_MAX];
static unsigned frame_count;

static int set_up(void **state)
{
	memset(&ring, 0, sizeof ring);
	memset(&watched, 0, sizeof watched);
	watched.trigger = ZOK__STALL_PERF;
	watched.perf_ring = &ring;
	watched.page_size = PAGE;
	return 0;
}

static void put(const void *from, size_t size)
{
	for (size_t i = 0; i < size; i++)
		ring.data[(ring.page.data_head + i) % PAGE] = ((const char *)from)[i];
	ring.page.data_head += size;
}

static void put_header(uint32_t type, size_t size)
{
	put(&(struct perf_event_header){.type = type, .size = (uint16_t)size}, sizeof(struct perf_event_header));
}

static void put_sample(const uint64_t *addresses, uint64_t count)
{
	put_header(PERF_RECORD_SAMPLE, sizeof(struct perf_event_header) + (1 + count) * sizeof *addresses);
	put(&count, sizeof count);
	put(addresses, count * sizeof *addresses);
}

static unsigned take(void)
{
	memset(frames, 0, sizeof frames);
	frame_count = 99;
	return zok__stall_trigger_take(&watched, NULL, frames, FRAMES_MAX, &frame_count);
}

static void an_empty_ring_has_not_fired(void **state)
{
	assert_int_equal(take(), 0);
	assert_int_equal(frame_count, 0);
}

static void all_firings_count_and_the_last_is_shown_without_its_marks(void **state)
{
	const uint64_t first[] = {0x11}, second[] = {(uint64_t)PERF_CONTEXT_KERNEL, 0xffff800000000001, 0xffff800000000002};

	put_sample(first, 1);
	put_header(PERF_RECORD_LOST, 24);
	put((uint64_t[]){1, 2}, 16);
	put_sample(second, 3);
	assert_int_equal(take(), 2);
	assert_int_equal(frame_count, 2);
	assert_int_equal(frames[0], 0xffff800000000001);
	assert_int_equal(frames[1], 0xffff800000000002);
	assert_int_equal(ring.page.data_tail, ring.page.data_head);
	assert_int_equal(take(), 0); /* each once */
}

static void no_more_frames_than_there_is_room_for(void **state)
{
	uint64_t many[FRAMES_MAX + 3];

	for (uint64_t i = 0; i < FRAMES_MAX + 3; i++)
		many[i] = 100 + i;
	put_sample(many, FRAMES_MAX + 3);
	assert_int_equal(take(), 1);
	assert_int_equal(frame_count, FRAMES_MAX);
	assert_int_equal(frames[FRAMES_MAX - 1], 100 + FRAMES_MAX - 1);
}

/* At every place of a record the ring's end may lie. */
static void a_record_may_wrap_anywhere(void **state)
{
	const uint64_t chain[] = {0x1122334455667788, 0x99};

	for (uint64_t before = 4; before <= 32; before += 4) {
		ring.page.data_head = ring.page.data_tail = 5 * PAGE - before;
		put_sample(chain, 2);
		assert_int_equal(take(), 1);
		assert_int_equal(frame_count, 2);
		assert_int_equal(frames[0], chain[0]);
		assert_int_equal(frames[1], chain[1]);
	}
}

/* What makes no sense ends the look, and is not looked at again. */
static void a_record_of_a_wrong_size_ends_it(void **state)
{
	const uint64_t chain[] = {0x77};

	for (int is_too_large = 0; is_too_large < 2; is_too_large++) {
		put_sample(chain, 1);
		put_header(PERF_RECORD_SAMPLE, is_too_large ? 4000 : sizeof(struct perf_event_header) - 1);
		put(chain, sizeof chain);
		assert_int_equal(take(), 1);
		assert_int_equal(frames[0], 0x77);
		assert_int_equal(take(), 0);
	}
	put(chain, sizeof(struct perf_event_header) / 2); /* less than a header */
	assert_int_equal(take(), 0);
}

static void a_signal_of_the_timer_is_one_firing(void **state)
{
	siginfo_t info = {.si_code = SI_TIMER};

	watched.trigger = ZOK__STALL_TIMER;
	assert_int_equal(zok__stall_trigger_take(&watched, &info, frames, FRAMES_MAX, &frame_count), 1);
	assert_int_equal(frame_count, 0);
	info.si_code = SI_USER;
	assert_int_equal(zok__stall_trigger_take(&watched, &info, frames, FRAMES_MAX, &frame_count), 0);
	watched.trigger = ZOK__STALL_OFF;
	info.si_code = SI_TIMER;
	assert_int_equal(zok__stall_trigger_take(&watched, &info, frames, FRAMES_MAX, &frame_count), 0);
}

#define CASE(fn) cmocka_unit_test_setup(fn, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_empty_ring_has_not_fired),	     CASE(all_firings_count_and_the_last_is_shown_without_its_marks),
		CASE(no_more_frames_than_there_is_room_for), CASE(a_record_may_wrap_anywhere),
		CASE(a_record_of_a_wrong_size_ends_it),	     CASE(a_signal_of_the_timer_is_one_firing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
