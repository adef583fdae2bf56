/*
 * No wake-up is lost: words handed from core to core, again and again, by cores that park and are woken all the time; a watchdog ends the program
 * where none has arrived for a while. Prints one line of JSON; exit code 0: all arrived, 1: some did not, 2: usage.
 *
 *	handovers [--count N] [--seconds S] [--mode park|adaptive] [--engine uring|epoll] [--watchdog SECONDS]
 *
 * One to five words are under way at a time, each held for a few nanoseconds to microseconds before it goes on, so that it meets the other core at
 * every point on its way to sleep.
 */
#include "zokio/zokio.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WORDS_MAX = 5, HOLD_STEPS = 12, EXIT_LOST = 1, EXIT_USAGE = 2 };

static struct {
	uint64_t count, seconds, watchdog_s;
	const char *mode, *engine;
} options = {.count = UINT64_MAX, .seconds = 10, .watchdog_s = 20, .mode = "adaptive", .engine = "uring"};

static uint64_t handed_over __attribute__((aligned(ZOK_FALSE_SHARING))); /* atomic: several words are under way */
static bool is_over;							 /* atomic */

static _Noreturn void usage(const char *option, const char *accepted)
{
	fprintf(stderr, "handovers: %s: %s\n", option, accepted);
	exit(EXIT_USAGE);
}

static uint64_t read_number(const char *option, const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || number == 0)
		usage(option, "it takes a whole number from 1 on");
	return number;
}

static const char *read_word(const char *option, const char *text, const char *one, const char *other)
{
	char accepted[64];

	if (strcmp(text, one) == 0 || strcmp(text, other) == 0)
		return text;
	snprintf(accepted, sizeof accepted, "it takes %s or %s", one, other);
	usage(option, accepted);
}

static void read_option(const char *option, const char *value)
{
	if (strcmp(option, "--count") == 0)
		options.count = read_number(option, value), options.seconds = UINT64_MAX;
	else if (strcmp(option, "--seconds") == 0)
		options.seconds = read_number(option, value), options.count = UINT64_MAX;
	else if (strcmp(option, "--watchdog") == 0)
		options.watchdog_s = read_number(option, value);
	else if (strcmp(option, "--mode") == 0)
		options.mode = read_word(option, value, "park", "adaptive");
	else if (strcmp(option, "--engine") == 0)
		options.engine = read_word(option, value, "uring", "epoll");
	else
		usage(option, "there are --count, --seconds, --mode, --engine and --watchdog");
}

static void hold(uint64_t seed)
{
	uint64_t length = seed * 0x9e3779b97f4a7c15u >> 32;

	/* Mostly nothing, sometimes up to a few microseconds: the exponent is uniform. */
	for (uint64_t i = 0; i < (1u << length % HOLD_STEPS); i++)
		__asm__ volatile("");
}

struct round {
	struct zok_event is_done;
	unsigned left;
};

/* On core 0. */
static void end_word(void *arg, uint64_t value)
{
	struct round *round = arg;

	if (--round->left == 0)
		zok_event_set(&round->is_done);
}

static void hand_over(void *round, uint64_t seed)
{
	uint64_t now = __atomic_add_fetch(&handed_over, 1, __ATOMIC_RELAXED); /* a count; what is handed over crosses in the mailbox */

	if (__atomic_load_n(&is_over, __ATOMIC_RELAXED) || now >= options.count) {
		zok_tell(0, end_word, round, 0);
		return;
	}
	hold(seed);
	zok_tell(((unsigned)zok_core_index() + 1) % zok_core_count(), hand_over, round, seed + 1);
}

static int run_words(void *arg)
{
	struct round round = {.left = WORDS_MAX};

	zok_event_init(&round.is_done, false);
	for (unsigned i = 0; i < WORDS_MAX; i++)
		zok_tell(i % zok_core_count(), hand_over, &round, 1000003 * i);
	return (int)zok_event_wait(&round.is_done);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_result(double began, const char *verdict)
{
	struct zok_core_stats stats;
	uint64_t sleeps = 0;

	for (unsigned i = 0; zok_stats(i, &stats) == 0; i++)
		sleeps += stats.waits;
	printf("{\"handovers\": %llu, \"seconds\": %.1f, \"sleeps\": %llu, \"mode\": \"%s\", \"engine\": \"%s\", \"verdict\": \"%s\"}\n",
	       (unsigned long long)__atomic_load_n(&handed_over, __ATOMIC_RELAXED), seconds_now() - began, (unsigned long long)sleeps,
	       options.mode, options.engine, verdict);
	fflush(stdout);
}

/* Looks every tenth of a second; returns whether the words went on to the end. */
static bool watch(double began)
{
	uint64_t seen = 0;
	double seen_at = began;

	for (;;) {
		uint64_t now = __atomic_load_n(&handed_over, __ATOMIC_RELAXED);

		poll(NULL, 0, 100);
		if (now >= options.count || seconds_now() - began >= (double)options.seconds)
			return true;
		if (now != seen)
			seen_at = seconds_now();
		else if (seconds_now() - seen_at > (double)options.watchdog_s)
			return false;
		seen = now;
	}
}

int main(int argc, char **argv)
{
	struct zok_options runtime_options = {.cores = "all", .spin_ns_max = 2 * ZOK_US};
	struct zok_runtime *runtime;
	double began;
	bool is_whole;

	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc)
			usage(argv[i], "its value is missing");
		else
			read_option(argv[i], argv[i + 1]);
	runtime_options.mode = options.mode;
	runtime_options.engine = options.engine;
	if (zok_runtime_create(&runtime, &runtime_options) < 0)
		return EXIT_USAGE;
	began = seconds_now();
	if (zok_runtime_start(runtime, run_words, NULL) < 0)
		return EXIT_USAGE;
	is_whole = watch(began);
	print_result(began, is_whole ? "no wake-up lost" : "WAKE-UP LOST");
	/* A core that sleeps for ever cannot be stopped. */
	if (!is_whole)
		_Exit(EXIT_LOST);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	zok_runtime_stop(runtime);
	zok_runtime_destroy(runtime);
	return 0;
}
