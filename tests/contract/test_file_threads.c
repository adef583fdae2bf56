/* File ops that threads do, and many of either kind: cancels, closes, threads that are not to be had. */
#include "tests/contract/files.h"

/* Where an op waits for a thread it can be taken back; listing is what no engine does itself. */
static void waiting_for_a_thread_can_be_canceled(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call lists[3];
	_Alignas(8) char entries[3][512];

	place_open(&place);
	threads_hold(true);
	for (int i = 0; i < 3; i++) {
		prepare_data(&lists[i], rig, ZOK_OP_FILE_LIST, place.dir, entries[i], sizeof entries[i], 0);
		call_submit(&lists[i]);
	}
	rig_turn(rig, 0);
	assert_int_equal(threads_waiting_count(), 3);
	call_cancel(&lists[1]);
	call_cancel(&lists[1]); /* twice is as once */
	assert_int_equal(call_await(&lists[1]), -ECANCELED);
	assert_int_equal(threads_waiting_count(), 2);
	assert_false(lists[0].is_done);
	threads_hold(false);
	assert_true(call_await(&lists[0]) >= 0);
	assert_true(call_await(&lists[2]) >= 0);
	call_cancel(&lists[0]); /* it has ended: nothing happens */
	place_close(&place);
}

/* What a thread has begun is not forgotten: the result is the real one, and the buffers are the thread's until then. */
static void begun_by_a_thread_keeps_its_result(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call list;
	_Alignas(8) char entries[512];

	place_open(&place);
	prepare_data(&list, rig, ZOK_OP_FILE_LIST, place.dir, entries, sizeof entries, 0);
	call_submit(&list);
	threads_settle();
	call_cancel(&list);
	assert_true(call_await(&list) > 0);
	place_close(&place);
}

/* A close behind ops that wait for threads ends them first, and is done after the last of them. */
static void close_waits_for_threads(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call lists[2], closing;
	_Alignas(8) char entries[2][512];
	int fd;

	place_open(&place);
	fd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	threads_hold(true);
	for (int i = 0; i < 2; i++) {
		prepare_data(&lists[i], rig, ZOK_OP_FILE_LIST, fd, entries[i], sizeof entries[i], 0);
		call_submit(&lists[i]);
	}
	call_prepare(&closing, rig, ZOK_OP_CLOSE, fd);
	call_submit(&closing);
	assert_false(closing.is_done);
	assert_int_equal(call_await(&closing), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(lists[i].is_done);
		assert_int_equal(lists[i].result, -ECANCELED);
	}
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	threads_hold(false);
	place_close(&place);
}

static void no_thread_is_a_result(void **state)
{
	struct rig *rig = rig_of(state);
	struct place place;
	struct call lists[2];
	_Alignas(8) char entries[2][512];

	place_open(&place);
	threads_refuse(true);
	for (int i = 0; i < 2; i++) {
		prepare_data(&lists[i], rig, ZOK_OP_FILE_LIST, place.dir, entries[i], sizeof entries[i], 0);
		call_submit(&lists[i]);
	}
	call_cancel(&lists[1]); /* it has its result already */
	assert_int_equal(call_await(&lists[0]), -EAGAIN);
	assert_int_equal(call_await(&lists[1]), -EAGAIN);
	threads_refuse(false);
	assert_true(run_data(rig, ZOK_OP_FILE_LIST, place.dir, entries[0], sizeof entries[0], 0) > 0);
	place_close(&place);
}

/* More at once than there are queue entries, and more than the offload has ever had. */
static void many_at_once(void **state)
{
	enum { COUNT = 64, BLOCK = 512 };
	struct rig *rig = rig_of(state);
	static struct call calls[COUNT];
	static char blocks[COUNT][BLOCK], back[COUNT][BLOCK];
	struct place place;
	int fd;

	place_open(&place);
	fd = create(rig, &place, "a");
	for (int i = 0; i < COUNT; i++) {
		memset(blocks[i], i + 1, BLOCK);
		prepare_data(&calls[i], rig, i % 4 == 0 ? ZOK_OP_FILE_WRITE_SYNC : ZOK_OP_FILE_WRITE, fd, blocks[i], BLOCK,
			     (uint64_t)i * BLOCK);
		call_submit(&calls[i]);
	}
	rig_drain(rig);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(calls[i].result, i % 4 == 0 ? 0 : BLOCK);
		prepare_data(&calls[i], rig, ZOK_OP_FILE_READ, fd, back[i], BLOCK, (uint64_t)i * BLOCK);
		call_submit(&calls[i]);
	}
	rig_drain(rig);
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(calls[i].result, BLOCK);
		assert_memory_equal(back[i], blocks[i], BLOCK);
	}
	discard(rig, &place, fd, "a");
	place_close(&place);
}

static const struct CMUnitTest tests[] = {
	CONTRACT_TEST(waiting_for_a_thread_can_be_canceled),
	CONTRACT_TEST(begun_by_a_thread_keeps_its_result),
	CONTRACT_TEST(close_waits_for_threads),
	CONTRACT_TEST(no_thread_is_a_result),
	CONTRACT_TEST(many_at_once),
};

CONTRACT_MAIN(tests)
