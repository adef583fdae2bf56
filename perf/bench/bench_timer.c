/*
 * What a timer costs with a million others pending: to arm, to cancel (in the order of arming, as requests that are answered in turn do, and
 * in random order, where every timer is a cache miss), and to fire.
 */
#include "core/clock.h"
#include "core/wheel.h"
#include "perf/bench/bench.h"
#include "perf/bench/timers/peer.h"

#include <stdlib.h>

enum { STANDING = 1000000, BATCH = 100000, COUNT = STANDING + BATCH };

struct ours {
	struct zok__clock clock;
	struct zok__wheel wheel;
	size_t fired;
	struct zok_timer_entry entries[];
};

static void *create(size_t count)
{
	struct ours *self = calloc(1, sizeof *self + count * sizeof *self->entries);

	zok__clock_start(&self->clock, NULL);
	zok__wheel_init(&self->wheel, zok__clock_now_ns(&self->clock));
	return self;
}

static size_t fire(void *arg)
{
	struct ours *self = arg;
	struct zok_list batch;

	zok_list_init(&batch);
	zok__wheel_expire(&self->wheel, zok__clock_now_ns(&self->clock), &batch);
	while (zok__wheel_pop(&batch))
		self->fired++;
	return self->fired;
}

static void insert(void *arg, const uint32_t *which, const uint64_t *delays_ns, size_t count)
{
	struct ours *self = arg;
	uint64_t now_ns = zok__clock_now_ns(&self->clock);

	for (size_t i = 0; i < count; i++)
		zok__wheel_insert(&self->wheel, &self->entries[which[i]], now_ns + delays_ns[which[i]]);
}

static void cancel(void *arg, const uint32_t *which, size_t count)
{
	struct ours *self = arg;

	for (size_t i = 0; i < count; i++)
		zok__wheel_cancel(&self->wheel, &self->entries[which[i]]);
}

static const struct timer_peer timer_zokio = {"zokio", create, insert, cancel, fire, free};

static uint32_t in_order[COUNT], shuffled[COUNT];
static uint64_t far_delays_ns[COUNT], near_delays_ns[COUNT];

/* splitmix64: Steele, Lea, Flood (OOPSLA 2014). The same numbers in each run. */
static uint64_t next_random(void)
{
	static uint64_t state;
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Far deadlines begin after what a round takes, so that nothing fires while it is armed and cancelled. */
static void prepare(void)
{
	for (uint32_t i = 0; i < COUNT; i++) {
		uint32_t other = (uint32_t)(next_random() % (i + 1));

		in_order[i] = i;
		shuffled[i] = shuffled[other];
		shuffled[other] = i;
		far_delays_ns[i] = 2 * ZOK_S + next_random() % (10 * ZOK_S);
		near_delays_ns[i] = next_random() % (50 * ZOK_MS);
	}
}

static void *create_standing(const struct timer_peer *peer)
{
	void *self = peer->create(COUNT);

	peer->insert(self, in_order, far_delays_ns, STANDING);
	return self;
}

static double run_insert(void *arg)
{
	const struct timer_peer *peer = arg;
	void *self = create_standing(peer);
	uint64_t start_ns = bench_now_ns(), end_ns;

	peer->insert(self, in_order + STANDING, far_delays_ns, BATCH);
	end_ns = bench_now_ns();
	peer->destroy(self);
	return (double)(end_ns - start_ns) / BATCH;
}

static double time_cancel(const struct timer_peer *peer, const uint32_t *which)
{
	void *self = create_standing(peer);
	uint64_t start_ns, end_ns;

	peer->insert(self, in_order + STANDING, far_delays_ns, BATCH);
	start_ns = bench_now_ns();
	peer->cancel(self, which, BATCH);
	end_ns = bench_now_ns();
	peer->destroy(self);
	return (double)(end_ns - start_ns) / BATCH;
}

static double run_cancel_in_order(void *arg)
{
	return time_cancel(arg, in_order + STANDING);
}

static double run_cancel_at_random(void *arg)
{
	return time_cancel(arg, shuffled);
}

static double run_fire(void *arg)
{
	const struct timer_peer *peer = arg;
	void *self = peer->create(STANDING);
	uint64_t start_ns = bench_now_ns(), end_ns;

	peer->insert(self, in_order, near_delays_ns, STANDING);
	/* All are due after this, also for a loop that counts in milliseconds and armed the last one late. */
	start_ns = bench_now_ns();
	while (bench_now_ns() - start_ns < 55 * ZOK_MS)
		;
	start_ns = bench_now_ns();
	while (peer->fire(self) < STANDING)
		;
	end_ns = bench_now_ns();
	peer->destroy(self);
	return STANDING * 1e3 / (double)(end_ns - start_ns);
}

static void ask(const struct bench_question *question, double (*run)(void *arg))
{
	const struct timer_peer *peers[] = {&timer_zokio, &timer_libev, &timer_libevent, &timer_libuv, &timer_asio};
	struct bench_case cases[sizeof peers / sizeof *peers];
	size_t count = 0;

	for (size_t i = 0; i < sizeof peers / sizeof *peers; i++)
		if (peers[i])
			cases[count++] = (struct bench_case){.name = peers[i]->name, .run = run, .arg = (void *)(uintptr_t)peers[i]};
	bench_ask(question, cases, count);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	bench_pin(1);
	prepare();
	ask(&(struct bench_question){.name = "timer_insert", .unit = "ns"}, run_insert);
	ask(&(struct bench_question){.name = "timer_cancel_in_order", .unit = "ns"}, run_cancel_in_order);
	ask(&(struct bench_question){.name = "timer_cancel_at_random", .unit = "ns"}, run_cancel_at_random);
	ask(&(struct bench_question){.name = "timer_fire", .unit = "M/s", .is_higher_better = true}, run_fire);
	return 0;
}
