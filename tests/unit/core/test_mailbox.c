/* Mail between cores: in order also over a full mailbox, from any thread, and never left to a core that sleeps. */
#include "core/mailbox.h"

#include "tests/unit/core/fake_engine.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

/* ROOM: what finds room between two cores, in the queue and in the line. */
enum { MANY = 100000, BURST_MAX = 2, ROOM = ZOK__MAILBOX_CAPACITY + 1, WATCHDOG_S = 50 };

/* Two cores without a loop: the tests turn them by hand. */
static struct zok_core *cores[2];

static int open_core(unsigned index)
{
	struct zok__core_options options = {
		.index = index,
		.core_count = 2,
		.peers = cores,
		.engine = &fake_engine,
		.budget_ns = ZOK_MS,
		.stack_size = 65536,
		.share = {[ZOK_CLASS_NORMAL] = 4, [ZOK_CLASS_BULK] = 1},
		.receive_buffers = 16,
		.receive_buffer_size = 64,
	};
	char reason[64];
	int rc = zok__core_create(&cores[index], &options);

	return rc < 0 ? rc : zok__core_open(cores[index], reason, sizeof reason);
}

static int open_cores(void **state)
{
	return open_core(0) == 0 && open_core(1) == 0 ? 0 : -1;
}

static int close_cores(void **state)
{
	for (int i = 0; i < 2; i++) {
		zok__core_close(cores[i]);
		zok__core_destroy(cores[i]);
	}
	return 0;
}

/* A letter knows who sent it and the how-manieth it is. */
struct letter {
	struct zok__message message;
	unsigned sender, number;
};

/* What a core has read: its own until its thread has ended, but for `received`. */
static struct {
	unsigned
		received; /* atomic: senders pace themselves by it. Release and acquire, for a letter that was read is its sender's again */
	unsigned next[2]; /* of each sender */
	bool is_out_of_order;
} readings[2];

static void read_letter(struct zok_core *core, struct zok__message *message)
{
	struct letter *letter = ZOK_CONTAINER_OF(message, struct letter, message);
	unsigned reader = core->options.index;

	if (letter->number != readings[reader].next[letter->sender]++)
		readings[reader].is_out_of_order = true;
	__atomic_fetch_add(&readings[reader].received, 1, __ATOMIC_RELEASE);
}

static unsigned received_by(unsigned reader)
{
	return __atomic_load_n(&readings[reader].received, __ATOMIC_ACQUIRE);
}

static struct letter *write_letters(unsigned sender, size_t count)
{
	struct letter *letters = calloc(count, sizeof *letters);

	assert_non_null(letters);
	for (size_t i = 0; i < count; i++)
		letters[i] = (struct letter){.message = {.run = read_letter}, .sender = sender, .number = (unsigned)i};
	for (int i = 0; i < 2; i++)
		readings[i].received = readings[i].next[sender] = readings[i].is_out_of_order = 0;
	return letters;
}

/* ---- By hand ---- */

static void test_a_full_mailbox_keeps_the_order(void **state)
{
	enum { COUNT = 2 * ZOK__MAILBOX_CAPACITY + 100 };
	struct letter *letters = write_letters(0, COUNT);
	unsigned sent = COUNT - 100;

	for (unsigned i = 0; i < sent; i++)
		zok__mail_send(cores[0], cores[1], &letters[i].message);
	assert_int_equal(cores[0]->mail.waiting_count, sent - ROOM);
	assert_true(zok__mail_take(cores[1]));
	assert_in_range(received_by(1), 1, ZOK__MAILBOX_CAPACITY);
	assert_int_equal(cores[1]->counters->stats.mail_depth, ROOM);
	/* There is room now; what comes later goes behind what waits all the same. */
	for (unsigned i = sent; i < COUNT; i++)
		zok__mail_send(cores[0], cores[1], &letters[i].message);
	assert_int_equal(cores[0]->mail.waiting_count, COUNT - ROOM);
	while (received_by(1) < COUNT) {
		assert_false(zok__mail_take(cores[0])); /* pushes what waits; runs nothing */
		assert_true(zok__mail_take(cores[1]));
	}
	assert_false(zok__mail_take(cores[1]));
	assert_int_equal(cores[1]->counters->stats.mail_depth, 0);
	assert_int_equal(cores[1]->counters->stats.mail_depth_max, ROOM);
	assert_int_equal(cores[0]->mail.waiting_count, 0);
	assert_null(cores[0]->mail.links[1].waiting.first);
	assert_null(cores[0]->mail.links[1].waiting.last);
	assert_false(readings[1].is_out_of_order);
	assert_int_equal(cores[0]->counters->stats.messages_sent, COUNT);
	assert_int_equal(cores[1]->counters->stats.messages_received, COUNT);
	free(letters);
}

/* The line and the queue behind it change places again and again, with one, two or many under way. */
static void test_the_order_stands_over_the_line_and_the_queue(void **state)
{
	enum { COUNT = 20000 };
	struct letter *letters = write_letters(0, COUNT);
	unsigned sent = 0, burst = 1;

	while (sent < COUNT) {
		for (unsigned i = 0; i < burst && sent < COUNT; i++)
			zok__mail_send(cores[0], cores[1], &letters[sent++].message);
		if (burst % 3 != 0)
			zok__mail_take(cores[1]);
		burst = burst % 7 + 1;
		zok__mail_take(cores[0]);
	}
	while (received_by(1) < COUNT) {
		zok__mail_take(cores[0]);
		zok__mail_take(cores[1]);
	}
	assert_false(readings[1].is_out_of_order);
	free(letters);
}

static void count_value(void *sum, uint64_t value)
{
	*(uint64_t *)sum += value;
}

static void test_a_note_carries_its_words(void **state)
{
	uint64_t sum = 0;
	struct zok__note note = {.fn = count_value, .arg = &sum, .value = 1};

	for (note.value = 1; note.value <= ROOM; note.value++)
		assert_true(zok__mail_note(cores[0], cores[1], &note));
	assert_false(zok__mail_note(cores[0], cores[1], &note)); /* full: nothing of it is kept */
	assert_int_equal(cores[0]->mail.waiting_count, 0);
	while (zok__mail_take(cores[1]))
		;
	assert_int_equal(sum, (uint64_t)ROOM * (ROOM + 1) / 2);
	assert_int_equal(cores[0]->mail.notes_sent, ROOM);
	assert_int_equal(cores[1]->mail.notes_run, ROOM);
	assert_int_equal(cores[1]->counters->stats.messages_received, ROOM);
}

static void test_a_note_does_not_overtake_what_waits(void **state)
{
	struct letter *letters = write_letters(0, ROOM + 1);
	uint64_t sum = 0;
	struct zok__note note = {.fn = count_value, .arg = &sum, .value = 1};

	for (unsigned i = 0; i <= ROOM; i++)
		zok__mail_send(cores[0], cores[1], &letters[i].message);
	zok__mail_take(cores[1]);
	assert_false(zok__mail_note(cores[0], cores[1], &note)); /* there is room, but a message waits for it */
	zok__mail_take(cores[0]);
	assert_true(zok__mail_note(cores[0], cores[1], &note));
	while (zok__mail_take(cores[1]))
		;
	assert_int_equal(sum, 1);
	free(letters);
}

static void test_a_waiting_note_goes_in_its_turn_and_can_be_cancelled(void **state)
{
	enum { WAITING = 3 };
	struct letter *letters = write_letters(0, ROOM + 1);
	struct zok__waiting_note waiting[WAITING];
	uint64_t sums[WAITING] = {0};

	for (unsigned i = 0; i < ROOM; i++)
		zok__mail_send(cores[0], cores[1], &letters[i].message);
	for (int i = 0; i < WAITING; i++) {
		zok__mail_wait_prepare(&waiting[i], cores[0], cores[1],
				       &(struct zok__note){.fn = count_value, .arg = &sums[i], .value = 1});
		waiting[i].room.ops->poll(&waiting[i].room);
	}
	zok__mail_send(cores[0], cores[1], &letters[ROOM].message);
	assert_int_equal(cores[0]->mail.waiting_count, WAITING + 1);
	zok_future_cancel(&waiting[0].room); /* the first, and one in the middle */
	zok_future_cancel(&waiting[1].room);
	assert_int_equal(waiting[0].room.result, -ECANCELED);
	assert_int_equal(waiting[1].room.result, -ECANCELED);
	assert_int_equal(cores[0]->mail.waiting_count, 2);
	assert_true(zok__mail_take(cores[1]));
	assert_true(zok__mail_take(cores[0])); /* a note that waited has gone */
	assert_true(zok_future_is_ready(&waiting[2].room));
	assert_int_equal(waiting[2].room.result, 0);
	while (zok__mail_take(cores[1]))
		;
	assert_int_equal(sums[0] + sums[1], 0);
	assert_int_equal(sums[2], 1);
	assert_int_equal(received_by(1), ROOM + 1);
	assert_false(readings[1].is_out_of_order);
	assert_null(cores[0]->mail.links[1].waiting.last);
	free(letters);
}

static void test_the_last_that_waits_can_be_cancelled(void **state)
{
	struct letter *letters = write_letters(0, ROOM + 2);
	struct zok__waiting_note waiting;

	for (unsigned i = 0; i <= ROOM; i++)
		zok__mail_send(cores[0], cores[1], &letters[i].message);
	zok__mail_wait_prepare(&waiting, cores[0], cores[1], &(struct zok__note){.fn = count_value});
	waiting.room.ops->poll(&waiting.room);
	zok_future_cancel(&waiting.room);
	zok__mail_send(cores[0], cores[1], &letters[ROOM + 1].message); /* behind what is the last now */
	while (received_by(1) < ROOM + 2) {
		zok__mail_take(cores[1]);
		zok__mail_take(cores[0]);
	}
	assert_int_equal(cores[0]->mail.waiting_count, 0);
	assert_false(readings[1].is_out_of_order);
	free(letters);
}

static void test_a_core_may_write_to_itself(void **state)
{
	enum { COUNT = ZOK__MAILBOX_CAPACITY + 10 };
	struct letter *letters = write_letters(0, COUNT);

	for (unsigned i = 0; i < COUNT; i++)
		zok__mail_send(cores[0], cores[0], &letters[i].message);
	assert_int_equal(received_by(0), 0); /* not from within the send */
	while (received_by(0) < COUNT)
		assert_true(zok__mail_take(cores[0]));
	assert_false(readings[0].is_out_of_order);
	free(letters);
}

static void test_nobody_sleeps_over_mail(void **state)
{
	struct letter *letters = write_letters(0, ROOM + 1);

	assert_true(zok__mail_park(cores[1]));
	zok__mail_unpark(cores[1]);
	zok__mail_post(cores[1], &letters[0].message);
	assert_false(zok__mail_park(cores[1])); /* the inbox */
	assert_false(cores[1]->mail.is_parked);
	zok__mail_take(cores[1]);
	assert_true(zok__mail_park(cores[1]));
	zok__mail_unpark(cores[1]);
	for (unsigned i = 0; i <= ROOM; i++)
		zok__mail_send(cores[0], cores[1], &letters[i].message);
	assert_false(zok__mail_park(cores[1])); /* a mailbox */
	assert_false(zok__mail_park(cores[0])); /* nor over what it has to push itself */
	while (zok__mail_take(cores[1]))
		zok__mail_take(cores[0]);
	assert_true(zok__mail_park(cores[0]));
	assert_true(zok__mail_park(cores[1]));
	free(letters);
}

static int engine_wakes;

/* The mail comes first: a core that was woken before it would go back to sleep over it. */
static void count_wake(struct zok__engine *engine)
{
	const struct zok__mail *mail = &cores[1]->mail;

	assert_true(!zok__mail_link_is_empty(&mail->links[0]) || !zok__inbox_is_empty(&mail->inbox));
	engine_wakes++;
}

static void test_only_a_parked_core_is_woken_and_then_finds_mail(void **state)
{
	struct letter *letters = write_letters(0, 4);
	static struct zok__engine_ops ops;

	ops = fake_engine;
	ops.wake = count_wake;
	cores[1]->engine->ops = &ops;
	engine_wakes = 0;
	zok__mail_send(cores[0], cores[1], &letters[0].message);
	zok__mail_post(cores[1], &letters[1].message);
	assert_int_equal(engine_wakes, 0);
	zok__mail_take(cores[1]);
	assert_true(zok__mail_park(cores[1]));
	zok__mail_send(cores[0], cores[1], &letters[2].message);
	assert_int_equal(engine_wakes, 1);
	zok__mail_unpark(cores[1]);
	zok__mail_take(cores[1]);
	assert_true(zok__mail_park(cores[1]));
	zok__mail_post(cores[1], &letters[3].message);
	assert_int_equal(engine_wakes, 2);
	zok__mail_unpark(cores[1]);
	zok__mail_take(cores[1]);
	cores[1]->engine->ops = &fake_engine;
	free(letters);
}

/* ---- With threads. A wake-up that is lost ends in the alarm. ---- */

/* What a core's loop does where it has no tasks. */
static void sleep_until_mail(struct zok_core *core)
{
	if (zok__mail_take(core))
		return;
	if (zok__mail_park(core)) {
		core->engine->ops->wait(core->engine, ZOK_NEVER);
		zok__mail_unpark(core);
	}
}

static void *read_all(void *arg)
{
	struct zok_core *core = arg;

	while (received_by(core->options.index) < MANY)
		sleep_until_mail(core);
	return NULL;
}

/* A moment that is another each time, so that sends meet the reader at every step on its way to sleep. */
static void wait_a_moment(unsigned length)
{
	for (unsigned i = 0; i < length; i++)
		__asm__ volatile("");
}

/* Short bursts, each after all before it has been read: the reader may park between any two. */
static void send_in_bursts(void (*send_one)(struct letter *letter), struct letter *letters)
{
	unsigned sent = 0;

	for (unsigned burst = 1; sent < MANY; burst = burst % BURST_MAX + 1) {
		for (unsigned i = 0; i < burst && sent < MANY; i++)
			send_one(&letters[sent++]);
		for (unsigned looks = 0; received_by(1) < sent; looks++)
			if (looks % 64 == 63)
				sched_yield();
		wait_a_moment(sent * 7 % 512);
	}
}

static void post(struct letter *letter)
{
	zok__mail_post(cores[1], &letter->message);
}

static void send_to_other(struct letter *letter)
{
	zok__mail_send(cores[0], cores[1], &letter->message);
}

static void stress(void (*send_one)(struct letter *letter))
{
	struct letter *letters = write_letters(0, MANY);
	pthread_t reader;

	assert_int_equal(pthread_create(&reader, NULL, read_all, cores[1]), 0);
	send_in_bursts(send_one, letters);
	assert_int_equal(pthread_join(reader, NULL), 0);
	assert_int_equal(received_by(1), MANY);
	assert_false(readings[1].is_out_of_order);
	free(letters);
}

static void test_no_post_is_left_to_a_core_that_sleeps(void **state)
{
	stress(post);
}

static void test_no_message_is_left_to_a_core_that_sleeps(void **state)
{
	stress(send_to_other);
}

struct flooder {
	struct zok_core *core;
	struct letter *letters;
};

/* Far more than the mailbox holds, taking from the other only now and then. */
static void *flood(void *arg)
{
	struct flooder *flooder = arg;
	unsigned self = flooder->core->options.index;

	for (unsigned i = 0; i < MANY; i++) {
		zok__mail_send(flooder->core, cores[1 - self], &flooder->letters[i].message);
		if (i % 1000 == 999)
			zok__mail_take(flooder->core);
	}
	while (received_by(self) < MANY || flooder->core->mail.waiting_count > 0)
		sleep_until_mail(flooder->core);
	return NULL;
}

static void test_two_cores_that_flood_each_other_both_end(void **state)
{
	struct flooder flooders[2];
	pthread_t threads[2];

	for (unsigned i = 0; i < 2; i++)
		flooders[i] = (struct flooder){.core = cores[i], .letters = write_letters(i, MANY)};
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, flood, &flooders[i]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(received_by(i), MANY);
		assert_false(readings[i].is_out_of_order);
		free(flooders[i].letters);
	}
}

/* A traveller goes to the other core each time it is run, until its journeys are over. */
struct traveller {
	struct zok__message message;
	unsigned left;
};

enum { TRAVELLERS = 4 * ROOM, JOURNEYS = 200 };

static unsigned arrived; /* atomic */

static void travel(struct zok_core *core, struct zok__message *message)
{
	struct traveller *traveller = ZOK_CONTAINER_OF(message, struct traveller, message);

	if (traveller->left-- > 0)
		zok__mail_send(core, cores[1 - core->options.index], message);
	else
		__atomic_fetch_add(&arrived, 1, __ATOMIC_RELAXED); /* a count: nothing is read after it */
}

struct tour {
	struct zok_core *core;
	struct traveller *travellers;
};

/* Filled to the brim before the first is taken, and again by each message that is run. */
static void *see_off(void *arg)
{
	struct tour *tour = arg;

	for (unsigned i = 0; i < TRAVELLERS; i++)
		zok__mail_send(tour->core, cores[1 - tour->core->options.index], &tour->travellers[i].message);
	while (__atomic_load_n(&arrived, __ATOMIC_RELAXED) < 2 * TRAVELLERS)
		zok__mail_take(tour->core);
	return NULL;
}

static void test_full_mailboxes_of_messages_that_send_messages_do_not_deadlock(void **state)
{
	static struct traveller travellers[2][TRAVELLERS];
	struct tour tours[2];
	pthread_t threads[2];

	arrived = 0;
	for (unsigned core = 0; core < 2; core++) {
		for (unsigned i = 0; i < TRAVELLERS; i++)
			travellers[core][i] = (struct traveller){.message.run = travel, .left = JOURNEYS};
		tours[core] = (struct tour){.core = cores[core], .travellers = travellers[core]};
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, see_off, &tours[i]), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(arrived, 2 * TRAVELLERS);
	for (int i = 0; i < 2; i++)
		assert_int_equal(cores[i]->mail.waiting_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_full_mailbox_keeps_the_order, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_a_core_may_write_to_itself, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_nobody_sleeps_over_mail, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_only_a_parked_core_is_woken_and_then_finds_mail, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_no_post_is_left_to_a_core_that_sleeps, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_no_message_is_left_to_a_core_that_sleeps, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_two_cores_that_flood_each_other_both_end, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_the_order_stands_over_the_line_and_the_queue, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_a_note_carries_its_words, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_a_note_does_not_overtake_what_waits, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_a_waiting_note_goes_in_its_turn_and_can_be_cancelled, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_the_last_that_waits_can_be_cancelled, open_cores, close_cores),
		cmocka_unit_test_setup_teardown(test_full_mailboxes_of_messages_that_send_messages_do_not_deadlock, open_cores,
						close_cores),
	};

	alarm(WATCHDOG_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
