/*
 * What does a word from one core to another cost, one way? Half of a round trip through two mailboxes between two spinning cores, beside the
 * least that the machine can do: one cache line that goes back and forth between two bare threads, in the same run. First case: zok_tell(), whose
 * words lie in the mailbox; then a message that lies in its sender's memory, and calls that wait for their result.
 */
#include "core/core.h"
#include "perf/bench/bench.h"
#include "perf/bench/bench_cores.h"

#include <math.h>
#include <pthread.h>

enum { ROUND_TRIPS = 20000, CALLS = 5000, ROUNDS = 41 };

/* ---- The floor: a word on a line of its own ---- */

struct line {
	_Alignas(ZOK_FALSE_SHARING) uint64_t word;
};

static void *answer_line(void *arg)
{
	struct line *line = arg;

	bench_pin(1);
	for (uint64_t i = 1; i <= ROUND_TRIPS; i++) {
		while (__atomic_load_n(&line->word, __ATOMIC_ACQUIRE) != 2 * i - 1)
			;
		__atomic_store_n(&line->word, 2 * i, __ATOMIC_RELEASE);
	}
	return NULL;
}

static double line_one_way(void *arg)
{
	static struct line line;
	pthread_t thread;
	uint64_t began_ns;

	line.word = 0;
	bench_pin(0);
	if (pthread_create(&thread, NULL, answer_line, &line) != 0)
		return NAN;
	began_ns = bench_now_ns();
	for (uint64_t i = 1; i <= ROUND_TRIPS; i++) {
		__atomic_store_n(&line.word, 2 * i - 1, __ATOMIC_RELEASE);
		while (__atomic_load_n(&line.word, __ATOMIC_ACQUIRE) != 2 * i)
			;
	}
	began_ns = bench_now_ns() - began_ns;
	pthread_join(thread, NULL);
	return (double)began_ns / (2.0 * ROUND_TRIPS);
}

/* ---- A queue between bare threads ---- */

ZOK_SPSC(words, uint64_t, 256);

static struct words there, back;

static void *answer_queue(void *arg)
{
	uint64_t word;

	bench_pin(1);
	for (unsigned i = 0; i < ROUND_TRIPS; i++) {
		while (!words_pop(&there, &word))
			;
		words_push(&back, &word);
	}
	return NULL;
}

static double queue_one_way(void *arg)
{
	pthread_t thread;
	uint64_t began_ns, word = 0;

	words_init(&there);
	words_init(&back);
	bench_pin(0);
	if (pthread_create(&thread, NULL, answer_queue, NULL) != 0)
		return NAN;
	began_ns = bench_now_ns();
	for (unsigned i = 0; i < ROUND_TRIPS; i++) {
		words_push(&there, &word);
		while (!words_pop(&back, &word))
			;
	}
	began_ns = bench_now_ns() - began_ns;
	pthread_join(thread, NULL);
	return (double)began_ns / (2.0 * ROUND_TRIPS);
}

/* ---- Words between two cores ---- */

static double tell_one_way(void *arg)
{
	return bench_tell_one_way(ROUND_TRIPS);
}

struct ball {
	struct zok__message message;
	struct zok_core *cores[2];
	unsigned left;
	struct zok_event *event;
};

/* The same with a message, whose line crosses beside the mailbox's. */
static void hit(struct zok_core *core, struct zok__message *message)
{
	struct ball *ball = ZOK_CONTAINER_OF(message, struct ball, message);

	if (core == ball->cores[0] && ball->left-- == 0)
		zok_event_set(ball->event);
	else
		zok__mail_send(core, ball->cores[core == ball->cores[0]], message);
}

static double message_one_way(void *arg)
{
	struct zok_event event;
	struct ball ball = {.message.run = hit, .left = ROUND_TRIPS, .event = &event};
	uint64_t began_ns;

	ball.cores[0] = zok__core();
	ball.cores[1] = ball.cores[0]->options.peers[1];
	zok_event_init(&event, false);
	began_ns = bench_now_ns();
	zok__mail_send(ball.cores[0], ball.cores[1], &ball.message);
	zok_event_wait(&event);
	return (double)(bench_now_ns() - began_ns) / (2.0 * ROUND_TRIPS);
}

static int do_nothing(void *arg)
{
	return 0;
}

static double call_one_way(void *arg)
{
	uint64_t began_ns = bench_now_ns();

	for (unsigned i = 0; i < CALLS; i++)
		zok_call_on(1, do_nothing, NULL);
	return (double)(bench_now_ns() - began_ns) / (2.0 * CALLS);
}

static double spinning(double (*fn)(void *arg))
{
	return bench_on_two_cores((struct zok_options){.mode = "spin"}, fn, NULL);
}

static double ours_tell(void *arg)
{
	return spinning(tell_one_way);
}

static double ours_message(void *arg)
{
	return spinning(message_one_way);
}

static double ours_call(void *arg)
{
	return spinning(call_one_way);
}

static double ours_call_parked(void *arg)
{
	return bench_on_two_cores((struct zok_options){.mode = "park"}, call_one_way, NULL);
}

int main(int argc, char **argv)
{
	const struct bench_case cases[] = {
		{"zok_tell", ours_tell, NULL},
		{"one cache line", line_one_way, NULL},
		{"message of the sender's", ours_message, NULL},
		{"bare SPSC queue", queue_one_way, NULL},
		{"zok_call_on, spinning", ours_call, NULL},
		{"zok_call_on, parked", ours_call_parked, NULL},
	};

	bench_init(argc, argv);
	bench_ask(
		&(struct bench_question){
			.name = "mailbox", .unit = "ns one way", .rounds = ROUNDS, .subject = "zok_tell", .against = "one cache line"},
		cases, sizeof cases / sizeof *cases);
	return 0;
}
