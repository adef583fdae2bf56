#include "tests/soak/kinds.h"

#include "zokio/zokio.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORDS = 5,
	BURST_MAX = 600,
	INJECT_MAX = 24,
	BULK_MAX = 3,
	SCOPE_STEPS = 32,
	DAWDLE_SHIFT_MAX = 16,
	RETURN_SHIFT_MAX = 12,
	PATIENCE = 256
};

unsigned kinds_hold_shift_max = 8;

static struct {
	_Alignas(ZOK_FALSE_SHARING) uint64_t words; /* atomic, as the others: several cores count */
	_Alignas(ZOK_FALSE_SHARING) uint64_t burst;
	_Alignas(ZOK_FALSE_SHARING) uint64_t calls;
	_Alignas(ZOK_FALSE_SHARING) uint64_t injected;
	_Alignas(ZOK_FALSE_SHARING) uint64_t stolen;
} arrived;

/* Relaxed, as all counting here: what is handed over crosses in the mailboxes and queues under test, not by these words. */
static void count(uint64_t *counter, uint64_t amount)
{
	__atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

static uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

uint64_t kinds_progress(void)
{
	return counted(&arrived.words) + counted(&arrived.burst) + counted(&arrived.calls) + counted(&arrived.injected) +
	       counted(&arrived.stolen);
}

/* What cannot be handed over at all must not look like one that was lost. */
static void must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "handovers: %s: %s\n", what, strerror(-rc));
	exit(EXIT_FAILURE);
}

/* Any sequence without a pattern that a loop could fall into step with; each caller has a seed of its own. */
static uint64_t mix(uint64_t seed)
{
	return seed * 0x9e3779b97f4a7c15u >> 32;
}

/* Mostly nothing, sometimes long: the exponent is uniform. */
static void hold_for(uint64_t seed, unsigned shift_max)
{
	uint64_t steps = UINT64_C(1) << mix(seed) % (shift_max + 1);

	for (uint64_t i = 1; i < steps; i++)
		__asm__ volatile("");
}

static void hold(uint64_t seed)
{
	hold_for(seed, kinds_hold_shift_max);
}

static unsigned next_core(void)
{
	return ((unsigned)zok_core_index() + 1) % zok_core_count();
}

/* ---- Words: from core to core in a ring, the only thing that moves, or several at once ---- */

struct words {
	struct zok_event is_done;
	uint64_t seed;
	unsigned under_way;
};

/* On core 0. */
static void end_word(void *arg, uint64_t unused)
{
	struct words *words = arg;

	if (--words->under_way == 0)
		zok_event_set(&words->is_done);
}

static void hand_on(void *arg, uint64_t left)
{
	struct words *words = arg;

	if (left % 16 == 0)
		count(&arrived.words, 16);
	hold(words->seed + left);
	if (left == 0)
		must(zok_tell(0, end_word, words, 0), "a word");
	else
		must(zok_tell(next_core(), hand_on, words, left - 1), "a word");
}

static uint64_t round_of_words(unsigned word_count)
{
	static uint64_t seed;
	struct words words = {.seed = seed += ROUND_HANDOVERS, .under_way = word_count};
	uint64_t each = ROUND_HANDOVERS / word_count;

	zok_event_init(&words.is_done, false);
	for (unsigned i = 0; i < word_count; i++)
		must(zok_tell(i % zok_core_count(), hand_on, &words, each), "a word");
	zok_event_wait(&words.is_done);
	zok_event_finish(&words.is_done);
	return each * word_count;
}

static uint64_t one_word(void)
{
	return round_of_words(1);
}

static uint64_t five_words(void)
{
	return round_of_words(WORDS);
}

/* ---- Bursts: more than a mailbox holds, on all cores at once, each to the next ---- */

struct burst {
	uint64_t taken, seed; /* the next core's until the call behind the burst has returned */
};

/* On the next core, in the order of the sends. */
static void take_burst(void *arg, uint64_t number)
{
	struct burst *burst = arg;

	must(number == burst->taken ? 0 : -EPROTO, "the order of a burst");
	burst->taken++;
}

static int end_burst(void *arg)
{
	hold(((struct burst *)arg)->seed);
	return 0;
}

/* Keeps the sender's core while something waits there for room, so that the receiver may have come to its end and sleep when it is sent. */
static int dawdle(void *seed)
{
	hold_for(*(uint64_t *)seed + 3, DAWDLE_SHIFT_MAX);
	return 0;
}

/* A full mailbox suspends the fiber until there is room; the call is a message, and waits in the list of those for which there is none. */
static void send_burst(uint64_t seed)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct burst burst = {.seed = seed};
	uint64_t size = 1 + mix(seed) % BURST_MAX;
	unsigned there = next_core();

	must(scope ? zok_spawn(scope, dawdle, &burst.seed, NULL) : -ENOMEM, "a burst");
	for (uint64_t i = 0; i < size; i++)
		must(zok_tell(there, take_burst, &burst, i), "a burst");
	must(zok_call_on(there, end_burst, &burst), "the end of a burst");
	must(zok_scope_close(scope, burst.taken == size ? 0 : -EPROTO), "the whole of a burst");
	count(&arrived.burst, size + 2);
}

static int send_bursts(void *arg)
{
	uint64_t seed = *(uint64_t *)arg + (uint64_t)zok_core_index();

	for (unsigned i = 0; i < ROUND_HANDOVERS / BURST_MAX + 1; i++)
		send_burst(seed += 1000003);
	return 0;
}

static uint64_t bursts(void)
{
	static uint64_t seed;
	uint64_t before = counted(&arrived.burst);

	seed += 31;
	must(zok_broadcast(send_bursts, &seed), "bursts");
	return counted(&arrived.burst) - before;
}

/* ---- Calls: a fiber there, its result here ---- */

static int answer_call(void *arg)
{
	hold(*(uint64_t *)arg);
	return 0;
}

static uint64_t calls(void)
{
	static uint64_t seed;

	for (unsigned i = 0; i < ROUND_HANDOVERS / 2; i++) {
		seed++;
		must(zok_call_on(1 + i % (zok_core_count() - 1), answer_call, &seed), "a call");
		count(&arrived.calls, 2);
		hold(seed + 7);
	}
	return ROUND_HANDOVERS;
}

/* ---- Injected by a plain thread, few or more than a core takes at a turn ---- */

static struct {
	pthread_t thread;
	sem_t begin;
	struct zok_event is_over; /* core 0's */
	bool is_stopping;	  /* atomic */
} injector;

static int run_injected(void *arg)
{
	count(&arrived.injected, 1);
	return 0;
}

/* Looks, and lets others have the CPU now and then: the cores look as well. */
static void await_count(const uint64_t *counter, uint64_t target)
{
	for (unsigned looks = 1; counted(counter) < target; looks++)
		if (looks % PATIENCE == 0)
			sched_yield();
}

static void inject_some(uint64_t seed, unsigned some)
{
	uint64_t target = counted(&arrived.injected) + some;

	hold(seed);
	for (unsigned i = 0; i < some; i++)
		while (zok_inject(run_injected, NULL, NULL) != 0)
			;
	await_count(&arrived.injected, target);
}

static void end_injected(void *arg, uint64_t unused)
{
	zok_event_set(&injector.is_over);
}

static int tell_over(void *arg)
{
	return zok_tell(0, end_injected, NULL, 0);
}

static void *inject_rounds(void *arg)
{
	uint64_t seed = 0;

	for (;;) {
		while (sem_wait(&injector.begin) < 0)
			;
		/* Acquire pairs with the release in kinds_stop(). */
		if (__atomic_load_n(&injector.is_stopping, __ATOMIC_ACQUIRE))
			return NULL;
		for (unsigned done = 0, some; done < ROUND_HANDOVERS; done += some) {
			some = mix(++seed) % 2 ? 1 : 1 + (unsigned)(mix(seed + 9) % INJECT_MAX);
			inject_some(seed, some);
		}
		while (zok_inject(tell_over, NULL, NULL) != 0)
			;
	}
}

static uint64_t injections(void)
{
	uint64_t before = counted(&arrived.injected);

	zok_event_init(&injector.is_over, false);
	sem_post(&injector.begin);
	zok_event_wait(&injector.is_over);
	zok_event_finish(&injector.is_over);
	return counted(&arrived.injected) - before;
}

int kinds_start(void)
{
	sem_init(&injector.begin, 0, 0);
	return -pthread_create(&injector.thread, NULL, inject_rounds, NULL);
}

void kinds_stop(void)
{
	__atomic_store_n(&injector.is_stopping, true, __ATOMIC_RELEASE);
	sem_post(&injector.begin);
	pthread_join(injector.thread, NULL);
	sem_destroy(&injector.begin);
}

/* ---- Steals: the core that has the work keeps busy until others have taken all of it, then waits until it has come home ---- */

/* What holds comes after the count: so the home may wait and sleep already when this comes home. */
static int run_stolen(void *arg)
{
	count(&arrived.stolen, 1);
	hold_for(counted(&arrived.stolen), RETURN_SHIFT_MAX);
	return 0;
}

/* The fiber keeps its core: only a thief can do the work. */
static void share_and_wait(struct zok_scope *scope, uint64_t seed)
{
	static const struct zok_spawn_options bulk = {.name = "bulk", .task_class = ZOK_CLASS_BULK};
	unsigned some = 1 + (unsigned)(mix(seed) % BULK_MAX);
	uint64_t target = counted(&arrived.stolen) + some;

	hold(seed);
	for (unsigned i = 0; i < some; i++)
		must(zok_spawn(scope, run_stolen, NULL, &bulk), "work to share");
	await_count(&arrived.stolen, target);
}

static int share_round(void *arg)
{
	uint64_t seed = *(uint64_t *)arg, target = counted(&arrived.stolen) + ROUND_HANDOVERS / 2;

	while (counted(&arrived.stolen) < target) {
		struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "shared"});

		must(scope ? 0 : -ENOMEM, "a scope");
		for (unsigned i = 0; i < SCOPE_STEPS; i++)
			share_and_wait(scope, seed++);
		zok_scope_close(scope, 0);
	}
	return 0;
}

/* Each core in turn has the work. */
static uint64_t steals(void)
{
	static uint64_t seed;
	static unsigned core;
	uint64_t before = counted(&arrived.stolen);

	seed += ROUND_HANDOVERS;
	must(zok_call_on(core++ % zok_core_count(), share_round, &seed), "work to share");
	return counted(&arrived.stolen) - before;
}

const struct kind kinds[] = {
	{"one word", 1, false, one_word}, {"five words", 4, false, five_words}, {"bursts", 12, false, bursts},
	{"calls", 1, false, calls},	  {"injections", 1, true, injections},	{"steals", 1, false, steals},
};
const unsigned kind_count = sizeof kinds / sizeof *kinds;
