/*
 * No wake-up is lost: things handed from core to core in each of the ways there are (kinds.c), in turn and again and again, by cores that park and are
 * woken all the time; a watchdog ends the program where nothing has arrived for a while. Ends after --count or --seconds, whichever comes first.
 * Prints a line now and then on stderr and at the end one of JSON; exit code 0: all arrived, 1: some did not, 2: usage, 77: there is one core only.
 *
 *	handovers [--count N] [--seconds S] [--mode park|adaptive] [--engine uring|epoll|bell] [--kind NAME] [--watchdog SECONDS]
 *
 * The engine bell (bell.c) leaves the kernel's sleep out: what is tried is what is ours, many times as often.
 */
#include "runtime/runtime.h"
#include "tests/soak/bell.h"
#include "tests/soak/kinds.h"
#include "zokio/zokio.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KINDS_MAX = 8, KERNEL_HOLD_SHIFT_MAX = 11, PROGRESS_S = 15, EXIT_LOST = 1, EXIT_USAGE = 2, EXIT_SKIPPED = 77 };

static struct {
	uint64_t count, seconds, watchdog_s;
	const char *mode, *engine, *kind;
} options = {.count = UINT64_MAX, .watchdog_s = 20, .mode = "adaptive", .engine = "uring"};

/* Core 0's, until it has ended. */
static struct result {
	uint64_t handovers, sleeps; /* sleeps: all cores' during its rounds; each was ended by a wake-up */
	double seconds;
} results[KINDS_MAX];

static unsigned current_kind;	/* atomic, for the report of a loss */
static bool is_over, has_ended; /* atomic */

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

static const char *read_word(const char *option, const char *text, const char *const *words, size_t word_count)
{
	char accepted[128] = "it takes";

	for (size_t i = 0; i < word_count; i++) {
		if (strcmp(text, words[i]) == 0)
			return words[i];
		snprintf(accepted + strlen(accepted), sizeof accepted - strlen(accepted), "%s %s", i == 0 ? "" : ",", words[i]);
	}
	usage(option, accepted);
}

static const char *read_kind(const char *option, const char *text)
{
	const char *names[KINDS_MAX];

	for (unsigned i = 0; i < kind_count; i++)
		names[i] = kinds[i].name;
	return read_word(option, text, names, kind_count);
}

static void read_option(const char *option, const char *value)
{
	static const char *const modes[] = {"park", "adaptive"}, *const engines[] = {"uring", "epoll", "bell"};

	if (strcmp(option, "--count") == 0)
		options.count = read_number(option, value);
	else if (strcmp(option, "--seconds") == 0)
		options.seconds = read_number(option, value);
	else if (strcmp(option, "--watchdog") == 0)
		options.watchdog_s = read_number(option, value);
	else if (strcmp(option, "--mode") == 0)
		options.mode = read_word(option, value, modes, sizeof modes / sizeof *modes);
	else if (strcmp(option, "--engine") == 0)
		options.engine = read_word(option, value, engines, sizeof engines / sizeof *engines);
	else if (strcmp(option, "--kind") == 0)
		options.kind = read_kind(option, value);
	else
		usage(option, "there are --count, --seconds, --mode, --engine, --kind and --watchdog");
}

static void read_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2)
		if (i + 1 == argc)
			usage(argv[i], "its value is missing");
		else
			read_option(argv[i], argv[i + 1]);
	if (options.seconds == 0)
		options.seconds = options.count == UINT64_MAX ? 10 : UINT64_MAX;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- On core 0 ---- */

static uint64_t sum_handed_over(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < kind_count; i++)
		sum += results[i].handovers;
	return sum;
}

static uint64_t sum_sleeps(void)
{
	struct zok_core_stats stats;
	uint64_t sum = 0;

	for (unsigned i = 0; zok_stats(i, &stats) == 0; i++)
		sum += stats.waits;
	return sum;
}

static bool is_due(void)
{
	return __atomic_load_n(&is_over, __ATOMIC_RELAXED) || sum_handed_over() >= options.count;
}

static void run_turn(unsigned kind)
{
	double began = seconds_now();
	uint64_t sleeps = sum_sleeps();

	/* Relaxed, as all counting here. */
	__atomic_store_n(&current_kind, kind, __ATOMIC_RELAXED);
	__atomic_store_n(&bell_looks, kinds[kind].has_plain_thread ? BELL_LOOKS_CROWDED : BELL_LOOKS_LONE, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < kinds[kind].rounds && !is_due(); i++)
		results[kind].handovers += kinds[kind].round();
	results[kind].sleeps += sum_sleeps() - sleeps;
	results[kind].seconds += seconds_now() - began;
}

/* The kinds by turns. */
static int run_rounds(void *arg)
{
	while (!is_due())
		for (unsigned i = 0; i < kind_count; i++)
			if (!options.kind || options.kind == kinds[i].name)
				run_turn(i);
	/* Release pairs with the acquire in watch(): the results are there. */
	__atomic_store_n(&has_ended, true, __ATOMIC_RELEASE);
	return 0;
}

/* ---- Watching ---- */

static void print_progress(double elapsed)
{
	fprintf(stderr, "handovers: %.0f s, %.1f million%s\n", elapsed, (double)kinds_progress() / 1e6,
		options.count == UINT64_MAX ? "" : " of those asked for");
}

/* Looks every tenth of a second; returns whether all went on to the end. */
static bool watch(double began, double *seen_at)
{
	uint64_t seen = 0, said = 0;

	*seen_at = began;
	while (!__atomic_load_n(&has_ended, __ATOMIC_ACQUIRE)) {
		double now = seconds_now();
		uint64_t progress = kinds_progress();

		if (now - began >= (double)options.seconds)
			__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
		if (progress != seen)
			*seen_at = now;
		else if (now - *seen_at > (double)options.watchdog_s)
			return false;
		seen = progress;
		if ((uint64_t)(now - began) / PROGRESS_S > said) {
			said++;
			print_progress(now - began);
		}
		poll(NULL, 0, 100);
	}
	return true;
}

/* A core that sleeps for ever cannot be stopped. */
static _Noreturn void report_loss(double seconds)
{
	printf("{\"handovers\": %llu, \"seconds\": %.1f, \"mode\": \"%s\", \"engine\": \"%s\", \"kind\": \"%s\", \"verdict\": \"WAKE-UP "
	       "LOST\"}\n",
	       (unsigned long long)kinds_progress(), seconds, options.mode, options.engine,
	       kinds[__atomic_load_n(&current_kind, __ATOMIC_RELAXED)].name);
	fflush(stdout);
	_Exit(EXIT_LOST);
}

static void report(double seconds)
{
	uint64_t sleeps = 0;

	printf("{\"kinds\": {");
	for (unsigned i = 0; i < kind_count; i++) {
		printf("%s\"%s\": {\"handovers\": %llu, \"seconds\": %.1f, \"sleeps\": %llu}", i == 0 ? "" : ", ", kinds[i].name,
		       (unsigned long long)results[i].handovers, results[i].seconds, (unsigned long long)results[i].sleeps);
		sleeps += results[i].sleeps;
	}
	printf("}, \"handovers\": %llu, \"seconds\": %.1f, \"sleeps\": %llu, \"mode\": \"%s\", \"engine\": \"%s\", \"verdict\": \"no "
	       "wake-up lost\"}\n",
	       (unsigned long long)sum_handed_over(), seconds, (unsigned long long)sleeps, options.mode, options.engine);
}

/* ---- Starting ---- */

/* The cores are made, their engines are not yet. */
static void give_bells(const struct zok_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->core_count; i++)
		runtime->cores[i]->options.engine = &bell_engine;
}

int main(int argc, char **argv)
{
	struct zok_options runtime_options = {
		.cores = "all", .spin_ns_max = 2 * ZOK_US, .stall_detector = "off", .stuck_ns = ZOK_S, .keep_signals = true};
	struct zok_runtime *runtime;
	double began, seen_at;

	read_options(argc, argv);
	runtime_options.mode = options.mode;
	if (strcmp(options.engine, "bell") != 0) {
		runtime_options.engine = options.engine;
		kinds_hold_shift_max = KERNEL_HOLD_SHIFT_MAX;
	}
	if (zok_runtime_create(&runtime, &runtime_options) < 0)
		return EXIT_USAGE;
	if (runtime->core_count < 2) {
		fprintf(stderr, "handovers: one core only: there is nobody to hand anything to\n");
		return EXIT_SKIPPED;
	}
	if (strcmp(options.engine, "bell") == 0)
		give_bells(runtime);
	began = seconds_now();
	if (kinds_start() < 0 || zok_runtime_start(runtime, run_rounds, NULL) < 0)
		return EXIT_USAGE;
	if (!watch(began, &seen_at))
		report_loss(seen_at - began);
	report(seconds_now() - began);
	zok_runtime_stop(runtime);
	zok_runtime_destroy(runtime);
	kinds_stop();
	return 0;
}
