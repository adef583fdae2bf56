/* Injected work under the model: core/inject.c itself. Nothing is left to cores that sleep, also what the core that was woken leaves behind. */
#include "tests/model/model.h"

#include "core/inject.c"

enum { CORES = 2, PUSHES = 2 };

static struct zok_core cores[CORES];
static struct zok_core *const peers[CORES] = {&cores[0], &cores[1]};
static struct zok__engine engines[CORES];
static struct zok__inject inject;
static int rings[CORES]; /* what the kernel holds for each sleeper */
static bool is_woken[CORES];
static unsigned core_count, pushed, spawned;
static bool is_asleep, is_second_asleep; /* at their ends */
static bool is_short_of_memory;

int zok_spawn(struct zok_scope *scope, int (*fn)(void *arg), void *arg, const struct zok_spawn_options *options)
{
	if (is_short_of_memory)
		return -ENOMEM;
	spawned++;
	return 0;
}

/* Relaxed: nothing may depend on what the system call orders. */
static void ring(struct zok__engine *engine)
{
	unsigned core = (unsigned)(engine - engines);

	if (zok__woken_raise(&is_woken[core]))
		(void)ZOK__EXCHANGE(&rings[core], 1, RELAXED);
}

static const struct zok__engine_ops ops = {.wake = ring};

static void begin(void)
{
	inject.injecting_count = 0;
	inject.is_open = true;
	zok__injected_queue_init(&inject.queue);
	for (unsigned i = 0; i < CORES; i++) {
		engines[i].ops = &ops;
		cores[i].engine = &engines[i];
		cores[i].counters = &cores[i].own_counters;
		cores[i].options.inject = &inject;
		cores[i].options.peers = peers;
		cores[i].options.core_count = core_count;
		cores[i].has_injected = false;
		cores[i].mail.is_parked = true;
		is_woken[i] = false;
		rings[i] = 0;
	}
	pushed = spawned = 0;
	is_short_of_memory = false;
	is_second_asleep = true;
}

static void begin_with_one(void)
{
	core_count = 1;
	begin();
	cores[0].mail.is_parked = is_asleep = false;
}

static void begin_with_two(void)
{
	core_count = 2;
	begin();
	is_asleep = true;
}

static void begin_with_one_awake(void)
{
	core_count = 2;
	begin();
	is_asleep = false;
}

static void begin_short_of_memory(void)
{
	begin_with_two();
	is_short_of_memory = true;
	cores[1].mail.is_parked = is_second_asleep = false;
}

static void push_one(void)
{
	pushed += zok__inject(&inject, peers, core_count, &(struct zok__injected){0}) == 0;
}

static void push_two(void)
{
	for (int i = 0; i < PUSHES; i++)
		push_one();
}

/* As the loop does. */
static bool take(void)
{
	return zok__inject_take(&cores[0]);
}

static void sleep(void)
{
	zok__park_announce(&cores[0].mail.is_parked);
	/* What waits for memory does not keep it awake. */
	is_asleep = cores[0].has_injected || !zok__inject_has_work(&inject);
}

static void wake_up(void)
{
	is_asleep = false;
	zok__park_retract(&cores[0].mail.is_parked);
	zok__inject_awake();
}

static void take_and_sleep(void)
{
	take();
	sleep();
}

/* Woken, it takes what is there, and runs that for longer than we look. */
static void sleep_and_take(void)
{
	for (int turns = 0; turns < 2 && ZOK__EXCHANGE(&rings[0], 0, RELAXED); turns++) {
		zok__woken_clear(&is_woken[0]);
		wake_up();
		if (take())
			return;
		sleep();
	}
}

/* Woken by something else, which it runs for longer than we look. */
static void wake_for_mail(void)
{
	wake_up();
	take();
}

static void sleep_second(void)
{
	zok__park_announce(&cores[1].mail.is_parked);
	is_second_asleep = !zok__inject_has_work(&inject);
}

static void end(void)
{
	bool is_left = zok__inject_has_work(&inject);

	MODEL_CHECK(!is_left || !is_asleep || rings[0] != 0);
}

/* The first core runs what it has taken, or sleeps: what is left is for whoever has been woken. */
static void end_with_sleeper(void)
{
	bool is_left = zok__inject_has_work(&inject);

	MODEL_CHECK(!is_left || !is_second_asleep || rings[1] != 0 || (is_asleep && rings[0] != 0));
	MODEL_CHECK(is_left || spawned + cores[0].has_injected == pushed);
}

int main(void)
{
	static const struct model_program programs[] = {
		{"a push, and a core that parks", begin_with_one, {push_one, take_and_sleep}, end, .has_blind_stores = true},
		{"what the woken core leaves", begin_with_two, {push_two, sleep_and_take}, end_with_sleeper, .has_blind_stores = true},
		{"a core that was woken for something else",
		 begin_with_one_awake,
		 {push_one, wake_for_mail},
		 end_with_sleeper,
		 .has_blind_stores = true},
		{"what a core without memory leaves",
		 begin_short_of_memory,
		 {push_two, sleep_and_take, sleep_second},
		 end_with_sleeper,
		 .has_blind_stores = true},
	};

	/* The queue and the parking have models of their own. */
	model_weaken_only("core/inject.");
	return model_main(programs, sizeof programs / sizeof *programs, NULL, 0);
}
