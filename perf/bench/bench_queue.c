/*
 * How many elements a second pass each queue, between cores and, for the deque, on its owner's own: one by one and in bursts of 32, beside
 * Boost.Lockfree, DPDK's rte_ring and Concurrency Kit where they are installed. Elements are 64-bit words, rings hold 1,024 of them. A side
 * that finds the queue full or empty executes one pause instruction and tries again, for all of them.
 */
#include "perf/bench/queue/subject.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "perf/bench/bench.h"
#include "zokio/deque.h"
#include "zokio/mpmc.h"
#include "zokio/mpsc.h"
#include "zokio/spsc.h"

ZOK_SPSC(spsc, uint64_t, QUEUE_CAPACITY);
ZOK_MPMC(mpmc, uint64_t, QUEUE_CAPACITY);
ZOK_DEQUE(deque, uint64_t, QUEUE_CAPACITY);

QUEUE_LOOPS_ONE(zok_spsc, spsc_push, spsc_pop)
QUEUE_LOOPS_BURST(zok_spsc, spsc_push_burst, spsc_pop_burst)
QUEUE_LOOPS_ONE(zok_mpmc, mpmc_push, mpmc_pop)
QUEUE_LOOPS_BURST(zok_mpmc, mpmc_push_burst, mpmc_pop_burst)

/* The dynamic queue: the same through function calls and copies of unknown size. */
QUEUE_LOOPS_BURST(zok_spsc_dynamic, zok_spsc_push, zok_spsc_pop)

static void *reset_spsc(void)
{
	static struct spsc queue;

	spsc_init(&queue);
	return &queue;
}

static void *reset_mpmc(void)
{
	static struct mpmc queue;

	mpmc_init(&queue);
	return &queue;
}

static void *reset_spsc_dynamic(void)
{
	static _Alignas(ZOK_FALSE_SHARING) unsigned char memory[QUEUE_CAPACITY * sizeof(uint64_t) + 1024];
	struct zok_spsc *queue = NULL;

	return zok_spsc_init(&queue, memory, sizeof memory, QUEUE_CAPACITY, sizeof(uint64_t)) == 0 ? queue : NULL;
}

/* The thief's side of a deque; the owner only pushes. */
static bool steal(void *queue, uint64_t *item)
{
	return deque_steal(queue, item) == ZOK_STOLEN;
}

#define DEQUE_PUSH(queue, item) deque_push(queue, *(item))
QUEUE_LOOPS_ONE(zok_deque, DEQUE_PUSH, steal)

static void *reset_deque(void)
{
	static struct deque queue;

	deque_init(&queue);
	return &queue;
}

/* An intrusive queue needs elements that live on; each producer uses its own in turn, none before the consumer is done with it. */
enum { LETTERS = QUEUE_CAPACITY, SENDERS_MAX = 4 };

struct letter {
	struct zok_mpsc_node link;
	uint64_t value;
	bool is_sent;
};

static struct post {
	struct zok_mpsc inbox;
	unsigned senders;
	struct letter letters[SENDERS_MAX][LETTERS] __attribute__((aligned(ZOK_FALSE_SHARING)));
} post;

static void *reset_post(void)
{
	zok_mpsc_init(&post.inbox);
	post.senders = 0;
	for (unsigned i = 0; i < SENDERS_MAX * LETTERS; i++)
		post.letters[i / LETTERS][i % LETTERS].is_sent = false;
	return &post;
}

static uint64_t post_produce(void *queue, uint64_t first, uint64_t count)
{
	struct letter *letters = post.letters[__atomic_fetch_add(&post.senders, 1, __ATOMIC_RELAXED) % SENDERS_MAX];
	uint64_t sum = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct letter *letter = &letters[i % LETTERS];

		while (__atomic_load_n(&letter->is_sent, __ATOMIC_ACQUIRE))
			queue_pause();
		letter->is_sent = true;
		letter->value = first + i;
		sum += first + i;
		zok_mpsc_push(&post.inbox, &letter->link);
	}
	return sum;
}

static uint64_t post_consume(void *queue, uint64_t count)
{
	uint64_t sum = 0;

	while (count > 0) {
		struct zok_mpsc_node *node = zok_mpsc_pop(&post.inbox);
		struct letter *letter;

		if (!node) {
			queue_pause();
			continue;
		}
		letter = ZOK_CONTAINER_OF(node, struct letter, link);
		sum += letter->value;
		__atomic_store_n(&letter->is_sent, false, __ATOMIC_RELEASE);
		count--;
	}
	return sum;
}

/* One run of a subject: threads on processors of their own that begin together. */
enum { SIDE_MAX = 2, COUNT = 1 << 21 };

struct transfer {
	const struct queue_subject *subject;
	unsigned sides; /* producers, and as many consumers */
};

struct worker {
	const struct queue_subject *subject;
	void *queue;
	pthread_barrier_t *start;
	unsigned index, sides;
	uint64_t sum, begun_ns, ended_ns;
};

static void *work(void *arg)
{
	struct worker *worker = arg;
	bool is_producer = worker->index < worker->sides;

	bench_pin(worker->index);
	pthread_barrier_wait(worker->start);
	worker->begun_ns = bench_now_ns();
	worker->sum = is_producer ? worker->subject->produce(worker->queue, (uint64_t)worker->index << 32, COUNT)
				  : worker->subject->consume(worker->queue, COUNT);
	worker->ended_ns = bench_now_ns();
	return NULL;
}

static double rate(const struct worker *workers, unsigned sides)
{
	uint64_t begun_ns = UINT64_MAX, ended_ns = 0, balance = 0;

	for (unsigned i = 0; i < 2 * sides; i++) {
		begun_ns = workers[i].begun_ns < begun_ns ? workers[i].begun_ns : begun_ns;
		ended_ns = workers[i].ended_ns > ended_ns ? workers[i].ended_ns : ended_ns;
		balance += i < sides ? workers[i].sum : -workers[i].sum;
	}
	if (balance != 0) {
		fprintf(stderr, "%s: what came out is not what went in\n", workers->subject->name);
		exit(1);
	}
	return (double)COUNT * sides / (double)(ended_ns - begun_ns) * 1e3;
}

/* Elements through the queue, in millions a second; NAN where the threads would have to share processors. */
static double transfer(void *arg)
{
	const struct transfer *run = arg;
	struct worker workers[2 * SIDE_MAX];
	pthread_t threads[2 * SIDE_MAX];
	pthread_barrier_t start;
	void *queue = run->subject->reset();

	if (bench_cpu_count() < 2 * run->sides || !queue)
		return NAN;
	pthread_barrier_init(&start, NULL, 2 * run->sides);
	for (unsigned i = 0; i < 2 * run->sides; i++) {
		workers[i] = (struct worker){.subject = run->subject, .queue = queue, .start = &start, .index = i, .sides = run->sides};
		pthread_create(&threads[i], NULL, work, &workers[i]);
	}
	for (unsigned i = 0; i < 2 * run->sides; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	return rate(workers, run->sides);
}

static const struct queue_subject zok_spsc_one = {"zokio", reset_spsc, zok_spsc_produce_one, zok_spsc_consume_one};
static const struct queue_subject zok_spsc_burst = {"zokio", reset_spsc, zok_spsc_produce_burst, zok_spsc_consume_burst};
static const struct queue_subject zok_spsc_dynamic = {"zokio, sized at run time", reset_spsc_dynamic, zok_spsc_dynamic_produce_burst,
						      zok_spsc_dynamic_consume_burst};
static const struct queue_subject zok_mpmc_one = {"zokio", reset_mpmc, zok_mpmc_produce_one, zok_mpmc_consume_one};
static const struct queue_subject zok_mpmc_burst = {"zokio", reset_mpmc, zok_mpmc_produce_burst, zok_mpmc_consume_burst};
static const struct queue_subject zok_post = {"zokio", reset_post, post_produce, post_consume};
static const struct queue_subject zok_thief = {"zokio", reset_deque, zok_deque_produce_one, zok_deque_consume_one};

/* Which peers were found when the program was built. */
#ifdef BENCH_QUEUE_BOOST
#define BOOST_SPSC_ONE	 &boost_spsc_one,
#define BOOST_SPSC_BURST &boost_spsc_burst,
#define BOOST_MPMC_ONE	 &boost_mpmc_one,
#else
#define BOOST_SPSC_ONE
#define BOOST_SPSC_BURST
#define BOOST_MPMC_ONE
#endif
#ifdef BENCH_QUEUE_DPDK
#define RTE_SPSC_ONE   &rte_spsc_one,
#define RTE_SPSC_BURST &rte_spsc_burst,
#define RTE_MPMC_ONE   &rte_mpmc_one,
#define RTE_MPMC_BURST &rte_mpmc_burst,
#else
#define RTE_SPSC_ONE
#define RTE_SPSC_BURST
#define RTE_MPMC_ONE
#define RTE_MPMC_BURST
#endif
#ifdef BENCH_QUEUE_CK
#define CK_SPSC_ONE &ck_spsc_one,
#define CK_MPMC_ONE &ck_mpmc_one,
#else
#define CK_SPSC_ONE
#define CK_MPMC_ONE
#endif

static const struct queue_subject *const spsc_one[] = {&zok_spsc_one, BOOST_SPSC_ONE RTE_SPSC_ONE CK_SPSC_ONE NULL};
static const struct queue_subject *const spsc_burst[] = {&zok_spsc_burst, &zok_spsc_dynamic, BOOST_SPSC_BURST RTE_SPSC_BURST NULL};
static const struct queue_subject *const mpmc_one[] = {&zok_mpmc_one, BOOST_MPMC_ONE RTE_MPMC_ONE CK_MPMC_ONE NULL};
static const struct queue_subject *const mpmc_burst[] = {&zok_mpmc_burst, RTE_MPMC_BURST NULL};
static const struct queue_subject *const mpsc[] = {&zok_post, NULL};
static const struct queue_subject *const thief[] = {&zok_thief, NULL};

static void ask(const char *name, const struct queue_subject *const *subjects, unsigned sides)
{
	struct bench_question question = {.name = name, .unit = "M/s", .is_higher_better = true};
	struct transfer transfers[8];
	struct bench_case cases[8];
	size_t count = 0;

	for (; subjects[count]; count++) {
		transfers[count] = (struct transfer){.subject = subjects[count], .sides = sides};
		cases[count] = (struct bench_case){.name = subjects[count]->name, .run = transfer, .arg = &transfers[count]};
	}
	bench_ask(&question, cases, count);
}

/* The owner alone: pushes a run and takes it back. A pair a turn; the arg is the length of the run. */
static double push_take(void *arg)
{
	const unsigned run = *(unsigned *)arg;
	struct deque *queue = reset_deque();
	uint64_t begun_ns, item = 0;

	bench_pin(0);
	begun_ns = bench_now_ns();
	for (unsigned i = 0; i < COUNT; i += run) {
		for (unsigned j = 0; j < run; j++)
			deque_push(queue, i + j);
		for (unsigned j = 0; j < run; j++)
			deque_take(queue, &item);
		BENCH_KEEP(item);
	}
	return (double)COUNT / (double)(bench_now_ns() - begun_ns) * 1e3;
}

int main(int argc, char **argv)
{
	unsigned one = 1, many = QUEUE_BURST;
	const struct bench_question owner = {.name = "deque_owner", .unit = "M/s", .is_higher_better = true};
	const struct bench_case lengths[] = {{"push 1, take 1", push_take, &one}, {"push 32, take 32", push_take, &many}};

	bench_init(argc, argv);
	ask("queue_spsc", spsc_one, 1);
	ask("queue_spsc_burst32", spsc_burst, 1);
	ask("queue_mpmc", mpmc_one, 1);
	ask("queue_mpmc_burst32", mpmc_burst, 1);
	ask("queue_mpmc_2x2", mpmc_one, 2);
	ask("queue_mpmc_2x2_burst32", mpmc_burst, 2);
	ask("queue_mpsc", mpsc, 1);
	ask("queue_deque_steal", thief, 1);
	bench_ask(&owner, lengths, 2);
	return 0;
}
