#include "core/clock.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A rate is a fixed-point number with 32 bits behind the point. */
#define RATE_ONE (UINT64_C(1) << 32)

#define CALIBRATION_NS	  (500 * ZOK_US)
#define SPAN_NS_MIN	  (1 * ZOK_MS)
#define SPAN_NS_MAX	  (100 * ZOK_MS)
#define PAIR_NS_MAX	  ZOK_US /* a wider one was interrupted */
#define RATE_CHANGE_SHIFT 6	 /* a rate that differs by more than a 64th from the last is a jump of the counter, not a rate */

enum { PAIR_ATTEMPTS = 3 };

__extension__ typedef unsigned __int128 u128;

/* Written once, under pthread_once(), which every reader has passed: no atomics. */
static struct {
	pthread_once_t once;
	bool is_trusted;
	uint64_t rate;
} process = {.once = PTHREAD_ONCE_INIT};

uint64_t zok__clock_os_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

static uint64_t read_os(void *context)
{
	return zok__clock_os_ns();
}

static const struct zok__clock_source os_source = {.name = "clock_gettime", .now_ns = read_os};

static uint64_t rate_between(struct zok__clock_pair from, struct zok__clock_pair to)
{
	assert(to.cycles != from.cycles);
	return (uint64_t)(((u128)(to.ns - from.ns) << 32) / (to.cycles - from.cycles));
}

/* The narrowest of a few readings: the truth was somewhere between its two cycles. */
static struct zok__clock_pair read_pair(uint64_t rate)
{
	struct zok__clock_pair pair = {0};
	uint64_t window = UINT64_MAX;

	for (int attempt = 0; attempt < PAIR_ATTEMPTS; attempt++) {
		uint64_t before = zok__cycles(), ns = zok__clock_os_ns(), between = zok__cycles() - before;

		if (between >= window)
			continue;
		window = between;
		pair = (struct zok__clock_pair){.cycles = before + between / 2, .ns = ns};
	}
	pair.is_tight = (u128)window * rate < (u128)PAIR_NS_MAX * RATE_ONE;
	return pair;
}

/* Without /sys (a bare container) nobody vouches for the counter. */
static bool kernel_keeps_time_by(const char *clocksource)
{
	char name[32];
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, name, sizeof name - 1);

	if (fd >= 0)
		close(fd);
	if (length <= 0)
		return false;
	name[length] = '\0';
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, clocksource) == 0;
}

static uint64_t measure_rate(void)
{
	struct zok__clock_pair from = read_pair(RATE_ONE);

	while (zok__clock_os_ns() - from.ns < CALIBRATION_NS)
		;
	return rate_between(from, read_pair(RATE_ONE));
}

/* Between 100 GHz and 1 MHz: everything that the arithmetic is exact for, and any counter there is. */
static bool rate_is_plausible(uint64_t rate)
{
	return rate > RATE_ONE / 100 && rate < RATE_ONE * 1000;
}

static void init_process(void)
{
	if (!zok__cycles_are_invariant() || !kernel_keeps_time_by(ZOK__CYCLES_CLOCKSOURCE))
		return;
	process.rate = measure_rate();
	process.is_trusted = rate_is_plausible(process.rate);
}

void zok__clock_init(void)
{
	pthread_once(&process.once, init_process);
}

static uint64_t saturated(u128 value)
{
	return value > UINT64_MAX ? UINT64_MAX : (uint64_t)value;
}

uint64_t zok__clock_cycles_to_ns(const struct zok__clock *clock, uint64_t cycles)
{
	return saturated((u128)cycles * clock->truth_rate >> 32);
}

uint64_t zok__clock_ns_to_cycles(const struct zok__clock *clock, uint64_t ns)
{
	return saturated(((u128)ns << 32) / clock->truth_rate);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Takes the rate since the last anchor for the true one, unless one of the readings was disturbed or the counter jumped. */
static void follow_rate(struct zok__clock *clock, struct zok__clock_pair pair)
{
	struct zok__clock_pair last = {.cycles = clock->truth_cycles, .ns = clock->truth_ns};
	uint64_t rate, change;

	if (!pair.is_tight)
		return;
	/* Only tight pairs are kept: the rate is taken over the whole time between two of them. */
	clock->truth_cycles = pair.cycles;
	clock->truth_ns = pair.ns;
	if (pair.cycles <= last.cycles || pair.ns - last.ns < clock->span_ns / 2)
		return;
	rate = rate_between(last, pair);
	change = rate > clock->truth_rate ? rate - clock->truth_rate : clock->truth_rate - rate;
	if (change < clock->truth_rate >> RATE_CHANGE_SHIFT)
		clock->truth_rate = rate;
}

void zok__clock_anchor(struct zok__clock *clock, struct zok__clock_pair pair)
{
	/* What was read last is unknown, but it was within the span. */
	uint64_t read_ns_max = zok__clock_after(clock, smaller(pair.cycles - clock->anchor_cycles, clock->span_cycles));
	uint64_t ahead_ns = read_ns_max > pair.ns ? read_ns_max - pair.ns : 0;

	follow_rate(clock, pair);
	clock->anchor_cycles = pair.cycles;
	clock->anchor_ns = pair.ns + ahead_ns;
	clock->span_ns = smaller(clock->span_ns * 2, SPAN_NS_MAX);
	clock->span_cycles = zok__clock_ns_to_cycles(clock, clock->span_ns);
	/* To lose what it is ahead by within the span, but time must pass at half its rate at least. */
	clock->rate = clock->truth_rate - (uint64_t)((u128)clock->truth_rate * smaller(ahead_ns, clock->span_ns / 2) / clock->span_ns);
}

static uint64_t read_source(struct zok__clock *clock)
{
	uint64_t now_ns = clock->source->now_ns(clock->source->context);

	if (now_ns > clock->floor_ns)
		clock->floor_ns = now_ns;
	return clock->floor_ns;
}

uint64_t zok__clock_now_slowly(struct zok__clock *clock)
{
	if (clock->source)
		return read_source(clock);
	zok__clock_anchor(clock, read_pair(clock->truth_rate));
	return clock->anchor_ns;
}

void zok__clock_start(struct zok__clock *clock, const struct zok__clock_source *source)
{
	struct zok__clock_pair pair;

	zok__clock_init();
	*clock = (struct zok__clock){.rate = RATE_ONE, .truth_rate = RATE_ONE, .source = source};
	if (!source && !process.is_trusted)
		clock->source = &os_source;
	if (clock->source)
		return;
	pair = read_pair(process.rate);
	clock->truth_rate = process.rate;
	clock->truth_cycles = clock->anchor_cycles = pair.cycles;
	clock->truth_ns = clock->anchor_ns = pair.ns;
	clock->span_ns = SPAN_NS_MIN / 2;
	zok__clock_anchor(clock, pair);
}

const char *zok__clock_source_name(const struct zok__clock *clock)
{
	return clock->source ? clock->source->name : ZOK__CYCLES_CLOCKSOURCE;
}
