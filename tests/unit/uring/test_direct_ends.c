/* The ring's file table: no slot outlives its descriptor's life, however that ends. */
#include "tests/unit/uring/direct_rig.h"

/* ---- Let go through the engine ---- */

/* It waits although other closes go on, and goes on although nothing else ends. */
static void lets_go_after_the_join(enum zok_op_kind kind)
{
	struct world world;
	struct probe_op op = {.result = 1};
	int fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	begin_to_join(&world, fds[0]);
	submit(&world, &op, kind, fds[0]);
	assert_ptr_equal(world.uring->closing.first, &op.op);
	zok__uring_close_go_on(world.uring);
	assert_ptr_equal(world.uring->closing.first, &op.op);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_JOINING);
	for (int i = 0; i < 10 && !op.is_ended; i++)
		world.engine->ops->wait(world.engine, ZOK_S);
	assert_true(op.is_ended);
	assert_int_equal(op.result, 0);
	assert_int_equal(world.counters.stats.direct_joins, 1);
	assert_int_equal(world.uring->direct.used_count, 0);
	if (kind == ZOK_OP_FORGET)
		close(fds[0]);
	assert_ended(fds[1]);
	close(fds[1]);
	close_world(&world);
}

static void test_a_close_and_a_forget_wait_for_a_join(void **state)
{
	lets_go_after_the_join(ZOK_OP_CLOSE);
	lets_go_after_the_join(ZOK_OP_FORGET);
}

/* Another engine's from then on: nothing here keeps its file open, and what is learned of the number begins anew. */
static void test_a_forget_empties_the_slot(void **state)
{
	struct world world;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	for (int life = 0; life < 3; life++) {
		get_in(&world, fds[0]);
		assert_int_equal(world.uring->direct.used_count, 1);
		assert_int_equal(run(&world, ZOK_OP_FORGET, fds[0]), 0);
		assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
		assert_int_equal(world.uring->direct.used_count, 0);
		do_ops(&world, fds[0], AFTER_OPS - 1);
		assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
		assert_int_equal(run(&world, ZOK_OP_FORGET, fds[0]), 0);
	}
	close(fds[0]);
	assert_ended(fds[1]);
	close(fds[1]);
	close_world(&world);
}

/* Nor does a place in the batch that nobody has handed over yet: who else is in it stays. */
static void test_who_is_let_go_leaves_the_batch(void **state)
{
	static const enum zok_op_kind kinds[] = {ZOK_OP_CLOSE, ZOK_OP_FORGET};
	struct world world;
	int first[2], second[2];

	open_world(&world, ZOK__MODE_PARK);
	for (int i = 0; i < 2; i++) {
		make_pair(first);
		make_pair(second);
		do_ops(&world, first[0], 1);
		do_ops(&world, second[0], 1);
		ask_for_a_slot(&world, first[0]);
		ask_for_a_slot(&world, second[0]);
		assert_int_equal(run(&world, kinds[i], second[0]), 0);
		if (kinds[i] == ZOK_OP_FORGET)
			close(second[0]);
		assert_ended(second[1]);
		assert_int_equal(world.uring->direct.used_count, 1);
		turn(&world);
		assert_int_equal(state_of(&world, first[0]), ZOK__DIRECT_IN);
		assert_int_equal(state_of(&world, second[0]), ZOK__DIRECT_OUT);
		assert_int_equal(world.counters.stats.direct_joins, i + 1);
		assert_int_equal(world.counters.stats.direct_refusals, 0);
		run(&world, ZOK_OP_CLOSE, first[0]);
		assert_ended(first[1]);
		close(first[1]);
		close(second[1]);
	}
	close_world(&world);
}

static bool is_full(const struct zok__uring *uring)
{
	const struct io_uring_sq *sq = &uring->ring.sq;

	return uring->sq_tail - __atomic_load_n(sq->khead, __ATOMIC_ACQUIRE) == sq->ring_entries; /* as make_room() asks */
}

/* The queue is full and the kernel takes nothing: the slot is emptied when there is room, before the file is closed. */
static void test_a_close_without_room_empties_its_slot_later(void **state)
{
	enum { FILLERS_MAX = 32768 };
	struct world world;
	struct probe_op *fillers = calloc(FILLERS_MAX, sizeof *fillers), closing = {.result = 1};
	int fds[2], count = 0;

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	is_enter_refused = true;
	while (count < FILLERS_MAX && !is_full(world.uring))
		submit(&world, &fillers[count++], ZOK_OP_NOP, -1);
	submit(&world, &closing, ZOK_OP_CLOSE, fds[0]);
	assert_ptr_equal(world.uring->waiting.first, &closing.op);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_IN);
	is_enter_refused = false;
	assert_int_equal(await(&world, &closing), 0);
	for (int i = 0; i < count; i++)
		await(&world, &fillers[i]);
	assert_int_equal(world.uring->direct.used_count, 0);
	assert_ended(fds[1]);
	close(fds[1]);
	close_world(&world);
	free(fillers);
}

/* One op short of a slot, then the number is another file's: what that one does is counted from the beginning. */
static void starts_anew(enum zok_op_kind kind)
{
	struct world world;
	int fds[2], again[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	do_ops(&world, fds[0], AFTER_OPS - 1);
	assert_int_equal(run(&world, kind, fds[0]), 0);
	if (kind == ZOK_OP_FORGET)
		close(fds[0]);
	make_pair(again);
	assert_int_equal(again[0], fds[0]);
	do_ops(&world, again[0], AFTER_OPS - 1);
	turn(&world);
	assert_int_equal(state_of(&world, again[0]), ZOK__DIRECT_OUT);
	assert_int_equal(world.counters.stats.direct_joins, 0);
	get_in(&world, again[0]);
	run(&world, ZOK_OP_CLOSE, again[0]);
	close(again[1]);
	close(fds[1]);
	close_world(&world);
}

static void test_a_number_starts_anew_after_its_life(void **state)
{
	starts_anew(ZOK_OP_CLOSE);
	starts_anew(ZOK_OP_FORGET);
}

/* ---- What is closed behind the engine's back ---- */

static int listen_somewhere(struct sockaddr_in *address)
{
	socklen_t len = sizeof *address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)address, sizeof *address), 0);
	return fd;
}

/* A multishot's first completion, then its end. */
static int accept_one(struct world *world, int listener)
{
	struct probe_op accept = {.result = -1};
	int fd;

	submit(world, &accept, ZOK_OP_ACCEPT, listener);
	for (int i = 0; i < 1000 && accept.result < 0; i++)
		world->engine->ops->wait(world->engine, ZOK_S);
	fd = accept.result;
	assert_true(fd >= 0);
	world->engine->ops->cancel(world->engine, &accept.op);
	await(world, &accept);
	return fd;
}

static void test_an_accept_ends_what_its_number_was(void **state)
{
	struct world world;
	struct sockaddr_in address;
	int listener = listen_somewhere(&address), client = connect_to(&address), fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	close(fds[0]);
	assert_open(fds[1]); /* the slot keeps it */
	assert_int_equal(accept_one(&world, listener), fds[0]);
	assert_ended(fds[1]);
	assert_int_equal(world.uring->direct.used_count, 0);
	get_in(&world, fds[0]);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	assert_ended(client);
	close(client);
	close(listener);
	close(fds[1]);
	close_world(&world);
}

static void test_a_connect_ends_what_its_number_was(void **state)
{
	struct world world;
	struct sockaddr_in address;
	struct probe_op connect_op = {.op.arg.address = {.addr = (const struct sockaddr *)(const void *)&address, .len = sizeof address}};
	int listener = listen_somewhere(&address), accepted, fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	close(fds[0]);
	assert_int_equal(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[0]);
	submit(&world, &connect_op, ZOK_OP_CONNECT, fds[0]);
	assert_ended(fds[1]);
	assert_int_equal(await(&world, &connect_op), 0);
	accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(accepted >= 0);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	assert_ended(accepted);
	close(accepted);
	close(listener);
	close(fds[1]);
	close_world(&world);
}

static void test_an_open_ends_what_its_number_was(void **state)
{
	struct world world;
	struct probe_op open_op = {.op.arg.path = {.path = "/dev/null", .flags = O_RDWR}};
	int fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	close(fds[0]);
	assert_open(fds[1]);
	submit(&world, &open_op, ZOK_OP_FILE_OPEN, AT_FDCWD);
	assert_int_equal(await(&world, &open_op), fds[0]);
	assert_ended(fds[1]);
	assert_int_equal(world.uring->direct.used_count, 0);
	get_in(&world, fds[0]);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	close(fds[1]);
	close_world(&world);
}

static void test_a_number_that_is_accepted_starts_anew(void **state)
{
	struct world world;
	struct sockaddr_in address;
	int listener = listen_somewhere(&address), client = connect_to(&address), fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	do_ops(&world, fds[0], AFTER_OPS - 1);
	close(fds[0]);
	assert_int_equal(accept_one(&world, listener), fds[0]);
	do_ops(&world, fds[0], AFTER_OPS - 1);
	turn(&world);
	assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
	assert_int_equal(world.counters.stats.direct_joins, 0);
	run(&world, ZOK_OP_CLOSE, fds[0]);
	close(client);
	close(listener);
	close(fds[1]);
	close_world(&world);
}

/* The batch is with the kernel, or about to be, when the number turns out to be another's. */
static void test_what_is_forgotten_on_its_way_in_gets_out_again(void **state)
{
	struct world world;
	struct probe_op last = {.op.arg.poll_events = POLLOUT};
	int fds[2];

	for (int is_handed_over = 0; is_handed_over < 2; is_handed_over++) {
		open_world(&world, ZOK__MODE_PARK);
		make_pair(fds);
		do_ops(&world, fds[0], AFTER_OPS - 1);
		submit(&world, &last, ZOK_OP_POLL, fds[0]);
		assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_QUEUED);
		if (is_handed_over)
			zok__uring_direct_hand_over(world.uring);
		zok__uring_direct_forget(world.uring, fds[0]);
		await(&world, &last);
		turn(&world);
		assert_int_equal(state_of(&world, fds[0]), ZOK__DIRECT_OUT);
		assert_int_equal(world.uring->direct.used_count, 0);
		close(fds[0]);
		assert_ended(fds[1]);
		close(fds[1]);
		close_world(&world);
	}
}

static void test_the_engines_end_lets_go_of_all(void **state)
{
	struct world world;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	get_in(&world, fds[0]);
	close(fds[0]);
	assert_open(fds[1]);
	tables_given_back = 0;
	close_world(&world);
	assert_int_equal(tables_given_back, 1); /* not left to the kernel, which takes down a ring some time after its last close */
	assert_ended(fds[1]);
	close(fds[1]);
}

/* The kernel has, or a poll thread may just be reading, the numbers that lie in the engine. */
static void test_the_engines_end_waits_for_a_batch(void **state)
{
	struct world world;
	int fds[2];

	open_world(&world, ZOK__MODE_PARK);
	make_pair(fds);
	begin_to_join(&world, fds[0]);
	tables_given_back = 0;
	watched = world.uring;
	close_world(&world);
	watched = NULL;
	assert_int_equal(tables_given_back, 1);
	assert_false(had_batch_when_given_back);
	close(fds[0]);
	assert_ended(fds[1]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_close_and_a_forget_wait_for_a_join),
		cmocka_unit_test(test_a_forget_empties_the_slot),
		cmocka_unit_test(test_who_is_let_go_leaves_the_batch),
		cmocka_unit_test(test_a_close_without_room_empties_its_slot_later),
		cmocka_unit_test(test_a_number_starts_anew_after_its_life),
		cmocka_unit_test(test_a_number_that_is_accepted_starts_anew),
		cmocka_unit_test(test_an_accept_ends_what_its_number_was),
		cmocka_unit_test(test_a_connect_ends_what_its_number_was),
		cmocka_unit_test(test_an_open_ends_what_its_number_was),
		cmocka_unit_test(test_what_is_forgotten_on_its_way_in_gets_out_again),
		cmocka_unit_test(test_the_engines_end_lets_go_of_all),
		cmocka_unit_test(test_the_engines_end_waits_for_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
