/* The ring's file table: who gets a slot and when, and what happens where there is none. */
#include "tests/unit/uring/direct_rig.h"

/* ---- In and out ---- */

static void in_and_out(enum zok__mode mode)
{
	struct world world;
	int fds[2];

	open_world(&world, mode);
	make_pair(fds);
	do_ops(&world, fds[0], AFTER_OPS - 1);
	turn(&world);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
	get_in(&world, fds[0]);
	assert_int_equal(world.counters.stats.direct_joins, 1);
	assert_int_equal(world.uring->direct.used_count, 1);
	do_ops(&world, fds[0], 100);
	assert_int_equal(world.counters.stats.direct_joins, 1);
	assert_int_equal(run(&world, ZOK_OP_CLOSE, fds[0]), 0);
	assert_ended(fds[1]);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
	assert_int_equal(world.uring->direct.used_count, 0);
	close(fds[1]);
	close_world(&world);
}

static void test_in_after_its_ops_and_out_with_its_close(void **state)
{
	in_and_out(ZOK__MODE_PARK);
}

static void test_in_and_out_by_a_poll_thread(void **state)
{
	in_and_out(ZOK__MODE_SQPOLL);
}

/* Without the polls that come before one that may wait: each end's own way is seen. */
static int32_t splice_now(struct world *world, int from, int to)
{
	struct probe_op splice_op = {.op.arg.splice = {.fd_out = to, .len = 1, .flags = SPLICE_F_NONBLOCK}};

	submit(world, &splice_op, ZOK_OP_SPLICE, from);
	return await(world, &splice_op);
}

/* The kernel itself is asked: through an empty slot an op fails, whatever its number says. */
static void test_ops_go_by_the_slot(void **state)
{
	struct world world;
	struct io_uring_files_update update = {0};
	int32_t none = -1;
	int fds[2], pipe[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	update.offset = world.uring->descriptors.table[fds[0]].slot;
	update.fds = (uintptr_t)&none;
	assert_int_equal(io_uring_register((unsigned)world.uring->ring.ring_fd, IORING_REGISTER_FILES_UPDATE, &update, 1), 1);
	assert_int_equal(run(&world, ZOK_OP_POLL, fds[0]), -EBADF);
	assert_int_equal(pipe2(pipe, O_CLOEXEC), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(splice_now(&world, fds[0], pipe[1]), -EBADF);
	assert_int_equal(splice_now(&world, pipe[0], fds[0]), -EBADF);
	world.uring->descriptors.table[fds[0]].direct_state = ZOK__DIRECT_OUT;
	assert_int_equal(splice_now(&world, fds[0], pipe[1]), 1);
	assert_int_equal(splice_now(&world, pipe[0], fds[0]), 1);
	assert_int_equal(run(&world, ZOK_OP_CLOSE, fds[0]), 0);
	close(fds[1]);
	close(pipe[0]);
	close(pipe[1]);
	close_world(&world);
}

/* All but one of a batch are told apart by what the kernel wrote back: each has its own file. */
static void test_a_batch_gets_its_own_slots(void **state)
{
	enum { COUNT = ZOK__DIRECT_BATCH_MAX + 10 };
	static struct probe_op probes[COUNT];
	struct world world;
	int fds[COUNT][2];

	open_world(&world, ZOK__MODE_PARK);
	for (int i = 0; i < COUNT; i++)
		make_pair(fds[i]);
	for (int op = 0; op < AFTER_OPS + 2; op++) {
		for (int i = 0; i < COUNT; i++) {
			probes[i].op.arg.poll_events = POLLOUT;
			submit(&world, &probes[i], ZOK_OP_POLL, fds[i][0]);
		}
		for (int i = 0; i < COUNT; i++)
			assert_true(await(&world, &probes[i]) > 0);
		turn(&world);
	}
	for (int i = 0; i < COUNT; i++)
		get_in(&world, fds[i][0]);
	for (int i = 0; i < COUNT; i++) {
		struct probe_op send = {.op.arg.buffer = {.base = &i, .len = sizeof i}};
		int got = -1;

		submit(&world, &send, ZOK_OP_SEND, fds[i][0]);
		assert_int_equal(await(&world, &send), sizeof i);
		assert_int_equal(read(fds[i][1], &got, sizeof got), sizeof got);
		assert_int_equal(got, i);
	}
	assert_int_equal(world.counters.stats.direct_joins, COUNT);
	for (int i = 0; i < COUNT; i++) {
		run(&world, ZOK_OP_CLOSE, fds[i][0]);
		close(fds[i][1]);
	}
	close_world(&world);
}

/* The kernel may yet read the batch: who comes meanwhile asks again with its next op. */
static void test_a_batch_under_way_stays_as_it_is(void **state)
{
	struct world world;
	int first[2], second[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(first);
	make_pair(second);
	do_ops(&world, second[0], 1);
	begin_to_join(&world, first[0]);
	ask_for_a_slot(&world, second[0]);
	assert_int_equal(state_of(&world, second[0]), ZOK__DIRECT_OUT);
	assert_int_equal(world.uring->direct.batch_count, 1);
	turn(&world);
	assert_int_equal(state_of(&world, first[0]), ZOK__DIRECT_IN);
	do_ops(&world, second[0], 1);
	turn(&world);
	assert_int_equal(state_of(&world, second[0]), ZOK__DIRECT_IN);
	run(&world, ZOK_OP_CLOSE, first[0]);
	run(&world, ZOK_OP_CLOSE, second[0]);
	close(first[1]);
	close(second[1]);
	close_world(&world);
}

/* ---- Where there is no slot ---- */

static void test_a_full_table_leaves_the_rest_as_they_are(void **state)
{
	struct world world;
	int first[2], second[2];

	open_world(&world, ZOK__MODE_PARK);
	world.uring->direct.size = 1;
	make_pair(first);
	make_pair(second);
	get_in(&world, first[0]);
	do_ops(&world, second[0], 4 * AFTER_OPS);
	assert_int_equal(state_of(&world, second[0]), ZOK__DIRECT_OUT);
	assert_int_equal(world.counters.stats.direct_joins, 1);
	assert_int_equal(world.counters.stats.direct_refusals, 4);
	run(&world, ZOK_OP_CLOSE, first[0]);
	get_in(&world, second[0]); /* there is room again */
	run(&world, ZOK_OP_CLOSE, second[0]);
	close(first[1]);
	close(second[1]);
	close_world(&world);
}

/*
 * Closed between its op and the hand-over, behind the engine's back: the kernel finds no file. Who stands before it in the batch is in; who stands
 * behind it asks again, after as many ops as the first time.
 */
static void one_is_refused(bool is_first)
{
	struct world world;
	struct probe_op ops[2] = {{.op.arg.poll_events = POLLOUT}, {.op.arg.poll_events = POLLOUT}};
	int fds[2][2], gone = !is_first, other = is_first;

	open_world(&world, ZOK__MODE_PARK);
	for (int i = 0; i < 2; i++) {
		make_pair(fds[i]);
		do_ops(&world, fds[i][0], AFTER_OPS - 1);
	}
	for (int i = 0; i < 2; i++)
		submit(&world, &ops[i], ZOK_OP_POLL, fds[i][0]);
	close(fds[gone][0]);
	assert_int_equal(await(&world, &ops[gone]), -EBADF);
	assert_true(await(&world, &ops[other]) > 0);
	turn(&world);
	assert_int_equal(state_of(&world, fds[gone][0]), ZOK__DIRECT_OUT);
	assert_int_equal(state_of(&world, fds[other][0]), is_first ? ZOK__DIRECT_OUT : ZOK__DIRECT_IN);
	assert_int_equal(world.counters.stats.direct_refusals, is_first ? 2 : 1);
	assert_int_equal(world.counters.stats.direct_joins, !is_first);
	assert_int_equal(world.uring->direct.used_count, !is_first);
	if (is_first) {
		do_ops(&world, fds[other][0], AFTER_OPS - 1);
		assert_int_equal(world.uring->direct.used_count, 0);
		get_in(&world, fds[other][0]);
	}
	run(&world, ZOK_OP_CLOSE, fds[other][0]);
	assert_ended(fds[other][1]);
	close(fds[0][1]);
	close(fds[1][1]);
	close_world(&world);
}

static void test_one_that_is_refused_does_not_stop_the_others(void **state)
{
	one_is_refused(true);
	one_is_refused(false);
}

static void test_without_a_table_all_stay_plain(void **state)
{
	struct world world;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK); /* the probe is over: its table is not what fails */
	close_world(&world);
	refused_opcode = IORING_REGISTER_FILES2;
	try_open(&world, ZOK__MODE_PARK, ZOK__DIRECT_ON);
	refused_opcode = 0;
	assert_false(feature_of(&world)->is_active);
	assert_string_equal(feature_of(&world)->reason, "no file table: Cannot allocate memory");
	make_pair(fds);
	do_ops(&world, fds[0], 10 * AFTER_OPS);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	close(fds[1]);
	close_world(&world);
}

static void test_off_is_off(void **state)
{
	struct world world;

	try_open(&world, ZOK__MODE_PARK, ZOK__DIRECT_OFF);
	assert_false(feature_of(&world)->is_active);
	assert_int_equal(world.uring->direct.size, 0);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_after_its_ops_and_out_with_its_close),
		cmocka_unit_test(test_in_and_out_by_a_poll_thread),
		cmocka_unit_test(test_ops_go_by_the_slot),
		cmocka_unit_test(test_a_batch_gets_its_own_slots),
		cmocka_unit_test(test_a_batch_under_way_stays_as_it_is),
		cmocka_unit_test(test_a_full_table_leaves_the_rest_as_they_are),
		cmocka_unit_test(test_one_that_is_refused_does_not_stop_the_others),
		cmocka_unit_test(test_without_a_table_all_stay_plain),
		cmocka_unit_test(test_off_is_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
