/* Making a runtime, putting its cores on threads, and taking it down. */
#include "runtime/runtime.h"

#include "core/alloc.h"
#include "core/log.h"
#include "core/tick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A thread of the blocking pool that has had nothing to do for so long ends. */
#define BLOCKING_IDLE_NS (2 * ZOK_S)

/* The one runtime that the process may have: claimed first, published when it is whole, withdrawn before it is taken apart. */
static bool is_claimed;
static struct zok_runtime *running;

struct zok_runtime *zok__runtime(void)
{
	/* Acquire pairs with the release in publish(): whoever finds a runtime finds its cores. */
	return __atomic_load_n(&running, __ATOMIC_ACQUIRE);
}

static void publish(struct zok_runtime *runtime)
{
	__atomic_store_n(&running, runtime, __ATOMIC_RELEASE);
}

static int claim(struct zok_runtime *runtime)
{
	/* Acquire pairs with the release in unclaim(): what the last runtime took down is down. */
	runtime->has_claim = !__atomic_exchange_n(&is_claimed, true, __ATOMIC_ACQ_REL);
	return runtime->has_claim ? 0 : -EBUSY;
}

static void unclaim(void)
{
	__atomic_store_n(&is_claimed, false, __ATOMIC_RELEASE);
}

/* ---- A core on its thread ---- */

/* Only "not to be had here" is a ground to fall back; a resource error is not (DESIGN: choice of engine). */
static bool may_fall_back(const struct zok__config *config, int rc)
{
	return config->fallback && (rc == -ENOSYS || rc == -EPERM);
}

static void open_core(struct zok__seat *seat)
{
	struct zok__config *config = &seat->runtime->config;
	struct zok_core *core = seat->core;

	zok__placement_begin(seat);
	zok__priority_begin(seat);
	zok__export_core(&seat->runtime->export, core->options.index)->thread = (uint64_t)gettid();
	seat->result = zok__core_open(core, seat->reason, sizeof seat->reason);
	if (!may_fall_back(config, seat->result))
		return;
	if (core->options.index == 0)
		zok__log(ZOK_LOG_WARN, "engine %s is not to be had: %s; going on with %s", config->engine->name, seat->reason,
			 config->fallback->name);
	core->options.engine = config->fallback;
	seat->result = zok__core_open(core, seat->reason, sizeof seat->reason);
}

/*
 * In the mode sqpoll: those whose poll thread others share are opened first, one gate earlier. Where a thread cannot be shared, because its ring could
 * not be made, the engine makes one of its own.
 */
static void open_after_leader(struct zok__seat *seat)
{
	struct zok_runtime *runtime = seat->runtime;
	unsigned index = seat->core->options.index, leader = runtime->sqpoll[index].leader;
	struct zok__engine *engine;
	struct zok__engine_report report = {0};

	if (leader == index)
		open_core(seat);
	zok__gate_pass(&runtime->gate);
	if (leader == index)
		return;
	engine = runtime->cores[leader]->engine;
	if (engine)
		engine->ops->report(engine, &report);
	seat->core->options.sqpoll_share_fd = report.sqpoll_share_fd;
	open_core(seat);
}

static void note_failure(struct zok_runtime *runtime, int rc)
{
	int none = 0;

	/* The first failure stands. Relaxed: the gate orders it before everybody's look at it. */
	if (rc < 0)
		__atomic_compare_exchange_n(&runtime->start_result, &none, rc, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool has_failed(const struct zok_runtime *runtime)
{
	return __atomic_load_n(&runtime->start_result, __ATOMIC_RELAXED) != 0;
}

/* What only the first core does once all are open. The conductor is spawned only where it will run. */
static void begin_main(struct zok_runtime *runtime)
{
	zok__report_take(runtime);
	note_failure(runtime, zok__conductor_spawn(runtime));
	zok__inject_open(runtime->inject);
}

/* When no task is alive on any core: whoever could still wake an engine is waited for. */
static void quiesce(struct zok_runtime *runtime)
{
	zok__blocking_stop();
	zok__cancels_wait(runtime);
}

/*
 * A core's whole time on its thread. It passes the gate three times: main begins only when all engines are there to be woken, no core runs
 * if main cannot begin, and no engine goes before all loops are over.
 */
static void *run_core(void *arg)
{
	struct zok__seat *seat = arg;
	struct zok_runtime *runtime = seat->runtime;
	struct zok_core *core = seat->core;
	bool is_first = core->options.index == 0;

	if (runtime->sqpoll)
		open_after_leader(seat);
	else
		open_core(seat);
	note_failure(runtime, seat->result);
	if (seat->result == 0)
		zok__stalls_watch(runtime->stalls, core);
	zok__overflow_watch(seat);
	zok__gate_pass(&runtime->gate);
	if (!has_failed(runtime))
		zok__calibrate(runtime, core->options.index);
	if (is_first && !has_failed(runtime))
		begin_main(runtime);
	zok__gate_pass(&runtime->gate);
	core->mail.wakes_by_ring = runtime->calibration.is_by_ring && core->engine && core->engine->ops->wake_by;
	if (!has_failed(runtime))
		zok__loop_run(core);
	zok__overflow_unwatch(seat);
	zok__stalls_unwatch(runtime->stalls, core);
	if (is_first)
		quiesce(runtime);
	zok__gate_pass(&runtime->gate);
	if (seat->result == 0)
		zok__core_close(core);
	return NULL;
}

/* ---- Life ---- */

static int make_seats(struct zok_runtime *runtime)
{
	runtime->cores = calloc(runtime->core_count, sizeof *runtime->cores);
	runtime->seats = calloc(runtime->core_count, sizeof *runtime->seats);
	runtime->victims = calloc((size_t)runtime->core_count * (runtime->core_count - 1) + 1, sizeof *runtime->victims);
	runtime->inject = aligned_alloc(_Alignof(struct zok__inject), sizeof *runtime->inject);
	if (!runtime->cores || !runtime->seats || !runtime->victims || !runtime->inject)
		return -ENOMEM;
	runtime->inject->injecting_count = 0;
	runtime->inject->is_open = false;
	zok__injected_queue_init(&runtime->inject->queue);
	return 0;
}

/* Whom core `thief` turns to when it is idle, nearest first. */
static const struct zok__victim *order_victims(struct zok_runtime *runtime, unsigned thief)
{
	const struct zok__core_set *set = &runtime->config.cores;
	struct zok__victim *victims = runtime->victims + (size_t)thief * (runtime->core_count - 1);

	zok__victims_order(set->place, runtime->core_count, &set->distances, thief, victims);
	return victims;
}

static int make_cores(struct zok_runtime *runtime)
{
	struct zok__core_options options = runtime->config.core;
	const struct zok__config *config = &runtime->config;
	int rc = make_seats(runtime);

	if (rc == 0)
		rc = zok__export_create(&runtime->export, config->export_folder, config->is_export_folder_given, runtime->core_count);
	options.peers = runtime->cores;
	options.housekeep = zok__placement_check;
	options.thieves = &runtime->thieves;
	options.threads = &zok__blocking_threads;
	options.inject = runtime->inject;
	for (unsigned i = 0; rc == 0 && i < runtime->core_count; i++) {
		struct zok__export_core *exported = zok__export_core(&runtime->export, i);

		exported->cpu = (uint64_t)config->cores.place[i].cpu;
		options.counters = &exported->counters;
		options.index = i;
		options.node = runtime->config.cores.place[i].node;
		options.victims = order_victims(runtime, i);
		options.sqpoll_cpu = runtime->sqpoll ? runtime->sqpoll[i].cpu : -1;
		rc = zok__core_create(&runtime->cores[i], &options);
		runtime->seats[i] = (struct zok__seat){.runtime = runtime, .core = runtime->cores[i]};
	}
	return rc;
}

static int read_options(struct zok__config *config, const struct zok_options *options)
{
	char error[ZOK__CONFIG_ERROR_SIZE];
	int rc = zok__log_start(NULL, error, sizeof error);

	if (rc == 0)
		rc = zok__config_read(config, options, error, sizeof error);
	if (rc < 0)
		zok__log(ZOK_LOG_ERROR, "%s", error);
	return rc;
}

int zok_runtime_create(struct zok_runtime **out, const struct zok_options *options)
{
	struct zok_runtime *runtime = aligned_alloc(_Alignof(struct zok_runtime), sizeof *runtime);
	int rc;

	if (!runtime)
		return -ENOMEM;
	memset(runtime, 0, sizeof *runtime);
	zok__gate_init(&runtime->gate);
	rc = read_options(&runtime->config, options);
	if (rc == 0)
		rc = claim(runtime);
	if (rc < 0)
		goto fail;
	runtime->core_count = runtime->config.core.core_count;
	zok__leak_begin();
	zok__allocator_set(runtime->config.allocator);
	sched_getaffinity(0, sizeof runtime->affinity, &runtime->affinity);
	if (runtime->config.core.mode == ZOK__MODE_SQPOLL)
		rc = zok__sqpoll_plan(&runtime->config.cores, &runtime->sqpoll);
	if (rc == 0)
		rc = make_cores(runtime);
	if (rc < 0)
		goto fail;
	zok__cancel_prepare(runtime);
	zok__placement_warn(&runtime->config.cores);
	publish(runtime);
	*out = runtime;
	return 0;
fail:
	zok_runtime_destroy(runtime);
	return rc;
}

void zok_runtime_destroy(struct zok_runtime *runtime)
{
	if (!runtime)
		return;
	if (runtime->has_claim)
		publish(NULL);
	for (unsigned i = 0; runtime->cores && i < runtime->core_count; i++)
		zok__core_destroy(runtime->cores[i]);
	zok__export_destroy(&runtime->export);
	if (runtime->has_claim) {
		zok__leaks_report();
		zok__allocator_set(NULL);
		unclaim();
	}
	zok__config_release(&runtime->config);
	zok__gate_finish(&runtime->gate);
	free(runtime->cores);
	free(runtime->seats);
	free(runtime->victims);
	free(runtime->inject);
	free(runtime->sqpoll);
	free(runtime);
}

/* Starts the threads of cores from `first` on. Those that started pass the gate also when a later one could not. */
static unsigned start_threads(struct zok_runtime *runtime, unsigned first)
{
	unsigned i;
	int rc;

	for (i = first; i < runtime->core_count; i++) {
		struct zok__seat *seat = &runtime->seats[i];
		char name[16];

		rc = pthread_create(&seat->thread, NULL, run_core, seat);
		if (rc != 0) {
			note_failure(runtime, -rc);
			break;
		}
		snprintf(name, sizeof name, "zok-core-%u", i % 10000);
		pthread_setname_np(seat->thread, name);
		seat->has_thread = true;
	}
	return i - first;
}

static void join_threads(struct zok_runtime *runtime)
{
	for (unsigned i = 0; i < runtime->core_count; i++) {
		if (runtime->seats[i].has_thread)
			pthread_join(runtime->seats[i].thread, NULL);
		runtime->seats[i].has_thread = false;
	}
}

static void start_stalls(struct zok_runtime *runtime)
{
	int rc = zok__stalls_start(&runtime->stalls, runtime->core_count, &runtime->config.stall);

	if (rc < 0)
		zok__log(ZOK_LOG_WARN, "stall detector: going on without: %s", strerror(-rc));
}

/* What runs beside the cores. Started before any thread is pinned, so that none of it inherits a core's CPU. */
static void start_helpers(struct zok_runtime *runtime)
{
	int rc = zok__tick_start(runtime->config.core.budget_ns / 2);

	if (rc < 0)
		zok__log(ZOK_LOG_WARN, "no thread for the tick (%s): zok_yield_if_due() reads the clock each time", strerror(-rc));
	start_stalls(runtime);
	if (!runtime->config.ignores_overflows)
		zok__overflow_start();
	zok__blocking_start(runtime->config.blocking_threads_max, BLOCKING_IDLE_NS, &runtime->affinity);
	if (!runtime->config.keeps_signals)
		zok__signals_take(rc == 0);
}

static void stop_helpers(struct zok_runtime *runtime)
{
	if (!runtime->config.keeps_signals)
		zok__signals_give_back();
	zok__overflow_stop();
	zok__stalls_stop(runtime->stalls);
	runtime->stalls = NULL;
	zok__tick_stop();
}

static int outcome(struct zok_runtime *runtime)
{
	int rc = __atomic_load_n(&runtime->start_result, __ATOMIC_RELAXED);

	if (rc == 0)
		return runtime->result;
	for (unsigned i = 0; i < runtime->core_count; i++) {
		if (runtime->seats[i].result < 0) {
			zok__log(ZOK_LOG_ERROR, "core %u: engine %s: %s", i, runtime->seats[i].core->options.engine->name,
				 runtime->seats[i].reason[0] ? runtime->seats[i].reason : strerror(-rc));
			break;
		}
	}
	return rc;
}

static void prepare_start(struct zok_runtime *runtime, int (*main_fn)(void *arg), void *arg)
{
	runtime->main_fn = main_fn;
	runtime->arg = arg;
	runtime->is_started = true;
	start_helpers(runtime);
}

int zok_runtime_start(struct zok_runtime *runtime, int (*main_fn)(void *arg), void *arg)
{
	unsigned started;

	if (runtime->is_started)
		return -EALREADY;
	prepare_start(runtime, main_fn, arg);
	started = start_threads(runtime, 0);
	if (started > 0)
		zok__gate_expect(&runtime->gate, started);
	if (started < runtime->core_count) {
		join_threads(runtime);
		stop_helpers(runtime);
		return outcome(runtime);
	}
	runtime->has_threads = true;
	return 0;
}

int zok_runtime_stop(struct zok_runtime *runtime)
{
	if (!runtime->has_threads)
		return -EINVAL;
	join_threads(runtime);
	runtime->has_threads = false;
	stop_helpers(runtime);
	zok__export_withdraw(&runtime->export);
	return outcome(runtime);
}

void zok_runtime_cancel(struct zok_runtime *runtime)
{
	zok__runtime_cancel(runtime);
}

int zok_runtime_drain(struct zok_runtime *runtime)
{
	runtime = runtime ? runtime : zok__runtime();
	if (!runtime)
		return -EINVAL;
	zok__runtime_drain(runtime);
	return 0;
}

int zok_run(const struct zok_options *options, int (*main_fn)(void *arg), void *arg)
{
	struct zok_runtime *runtime;
	int rc = zok_runtime_create(&runtime, options);

	if (rc < 0)
		return rc;
	prepare_start(runtime, main_fn, arg);
	zok__gate_expect(&runtime->gate, 1 + start_threads(runtime, 1));
	run_core(&runtime->seats[0]);
	zok__priority_end(&runtime->seats[0]);
	join_threads(runtime);
	stop_helpers(runtime);
	sched_setaffinity(0, sizeof runtime->affinity, &runtime->affinity);
	rc = outcome(runtime);
	zok_runtime_destroy(runtime);
	return rc;
}

unsigned zok_core_count(void)
{
	struct zok_runtime *runtime = zok__runtime();

	return runtime ? runtime->core_count : 0;
}

/* Each counter is read whole; all of them are not of one instant. */
static void copy_counters(void *to, const void *from, size_t size)
{
	for (size_t i = 0; i < size / sizeof(uint64_t); i++)
		((uint64_t *)to)[i] = __atomic_load_n(&((const uint64_t *)from)[i], __ATOMIC_RELAXED);
}

/* -EINVAL and -ENOENT as zok_stats() says. */
static int find_counters(unsigned index, const struct zok__counters **counters)
{
	struct zok_runtime *runtime = zok__runtime();

	if (!runtime)
		return -EINVAL;
	if (index >= runtime->core_count)
		return -ENOENT;
	*counters = runtime->cores[index]->counters;
	return 0;
}

int zok_latency(unsigned index, enum zok_class task_class, struct zok_latency *latency)
{
	const struct zok__counters *counters;
	int rc = find_counters(index, &counters);

	if (rc == 0 && (task_class < ZOK_CLASS_LATENCY || task_class > ZOK_CLASS_BULK))
		rc = -EINVAL;
	if (rc == 0)
		copy_counters(latency, &counters->latency[task_class - ZOK_CLASS_LATENCY], sizeof *latency);
	return rc;
}

int zok_stats(unsigned index, struct zok_core_stats *stats)
{
	const struct zok__counters *counters;
	int rc = find_counters(index, &counters);

	if (rc < 0)
		return rc;
	copy_counters(stats, &counters->stats, sizeof *stats);
	/* One may be newer than the other. */
	if (stats->tasks_spawned > stats->tasks_finished)
		stats->tasks_alive = stats->tasks_spawned - stats->tasks_finished;
	return 0;
}
