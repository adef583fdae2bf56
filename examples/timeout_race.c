/*
 * A deadline is a scope, and the first of several is a race: a slow answer is given up after 20 ms, and of two clocks the faster wins. What loses is
 * cancelled and awaited; nothing runs on behind our back.
 */
#include <stdio.h>
#include <zokio/zokio.h>

/* Every await under the scope ends in time, however deep it lies. */
static int slow_answer(void)
{
	struct zok_scope *scope = zok_scope_open(&(struct zok_scope_options){.name = "20 ms", .timeout_ns = 20 * ZOK_MS});

	if (!scope)
		return -ENOMEM;
	return zok_scope_close(scope, zok_sleep(10 * ZOK_S));
}

static ssize_t faster_clock(void)
{
	struct zok_timer slow, fast;
	struct zok_future *const clocks[] = {&slow.future, &fast.future};
	struct zok_race race;

	zok_timer_prepare(&slow, 10 * ZOK_S);
	zok_timer_prepare(&fast, 5 * ZOK_MS);
	zok_race_prepare(&race, clocks, 2);
	return zok_await(&race.future);
}

static int show(void *arg)
{
	printf("slow answer: %s\n", slow_answer() == -ETIMEDOUT ? "timed out, as it should" : "came?");
	printf("the race was won by clock %d\n", (int)faster_clock());
	return 0;
}

int main(void)
{
	return zok_run(NULL, show, NULL) != 0;
}
