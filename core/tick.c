#include "core/tick.h"

#include <pthread.h>
#include <time.h>

enum { TICKS_UNWANTED_MAX = 64 };

struct zok__tick zok__tick = {.count = ZOK__TICK_STOPPED};

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t started_again;
	uint64_t period_ns;
	bool is_wanted; /* atomic, relaxed: a hint from the cores */
	bool is_asleep; /* atomic: see zok__tick_wanted() */
	bool is_ending; /* under the lock */
	bool is_running;
} ticker = {.lock = PTHREAD_MUTEX_INITIALIZER, .started_again = PTHREAD_COND_INITIALIZER};

static void set_count(uint64_t count)
{
	__atomic_store_n(&zok__tick.count, count, __ATOMIC_RELAXED);
}

/* Stops counting until somebody asks. Returns false when the thread is to end. */
static bool sleep_until_wanted(void)
{
	bool goes_on;

	pthread_mutex_lock(&ticker.lock);
	set_count(ZOK__TICK_STOPPED);
	__atomic_store_n(&ticker.is_asleep, true, __ATOMIC_RELAXED);
	while (!ticker.is_ending && __atomic_load_n(&ticker.is_asleep, __ATOMIC_RELAXED))
		pthread_cond_wait(&ticker.started_again, &ticker.lock);
	goes_on = !ticker.is_ending;
	pthread_mutex_unlock(&ticker.lock);
	return goes_on;
}

static bool wait_one_period(void)
{
	struct timespec until;
	bool goes_on;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)ticker.period_ns;
	until.tv_sec += until.tv_nsec / (long)ZOK_S;
	until.tv_nsec %= (long)ZOK_S;
	pthread_mutex_lock(&ticker.lock);
	if (!ticker.is_ending)
		pthread_cond_clockwait(&ticker.started_again, &ticker.lock, CLOCK_MONOTONIC, &until);
	goes_on = !ticker.is_ending;
	pthread_mutex_unlock(&ticker.lock);
	return goes_on;
}

static void *count_ticks(void *arg)
{
	unsigned unwanted = TICKS_UNWANTED_MAX;
	uint64_t count = 0;

	for (;;) {
		if (unwanted >= TICKS_UNWANTED_MAX) {
			if (!sleep_until_wanted())
				return NULL;
			unwanted = 0;
		}
		set_count(++count);
		if (!wait_one_period())
			return NULL;
		unwanted = __atomic_exchange_n(&ticker.is_wanted, false, __ATOMIC_RELAXED) ? 0 : unwanted + 1;
	}
}

void zok__tick_wanted(void)
{
	if (!__atomic_load_n(&ticker.is_wanted, __ATOMIC_RELAXED))
		__atomic_store_n(&ticker.is_wanted, true, __ATOMIC_RELAXED);
	if (!__atomic_load_n(&ticker.is_asleep, __ATOMIC_RELAXED))
		return;
	/* Once in a while, and the holder is only ever the ticker about to sleep: the core does not wait for work here. */
	if (pthread_mutex_trylock(&ticker.lock) != 0)
		return;
	__atomic_store_n(&ticker.is_asleep, false, __ATOMIC_RELAXED);
	pthread_cond_signal(&ticker.started_again);
	pthread_mutex_unlock(&ticker.lock);
}

int zok__tick_start(uint64_t period_ns)
{
	int rc;

	ticker.period_ns = period_ns;
	ticker.is_ending = false;
	rc = pthread_create(&ticker.thread, NULL, count_ticks, NULL);
	if (rc != 0)
		return -rc;
	pthread_setname_np(ticker.thread, "zok-tick");
	ticker.is_running = true;
	return 0;
}

void zok__tick_stop(void)
{
	if (!ticker.is_running)
		return;
	pthread_mutex_lock(&ticker.lock);
	ticker.is_ending = true;
	pthread_cond_signal(&ticker.started_again);
	pthread_mutex_unlock(&ticker.lock);
	pthread_join(ticker.thread, NULL);
	ticker.is_running = false;
	set_count(ZOK__TICK_STOPPED);
}
