/* Runs a load: checks the options, starts the generator's threads, collects what they record at each interval, and makes the result of it. */
#include "perf/load.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Where threads wait, connected, until the controller has decided whether the run begins. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned arrived;
	bool is_decided, is_open;
};

struct load {
	struct load_plan plan;
	struct load_thread *threads;
	unsigned thread_count; /* started */
	struct gate gate;
	struct perf_result result;
	struct load_set interval; /* the sum of all threads' sets of one interval */
	uint64_t interval_start_ns;
	char *why;
};

uint64_t perf_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

static double wall_clock_s(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

ZOK_PRINTF(3, 4) static int refuse(struct load *load, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(load->why, PERF_TEXT_MAX, format, args);
	va_end(args);
	return error;
}

/* Threads. */

/* Called by a thread: waits for the decision. Gives whether to go on. */
static bool pass_gate(struct gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	gate->arrived++;
	pthread_cond_broadcast(&gate->changed);
	while (!gate->is_decided)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
	return gate->is_open;
}

static void await_arrivals(struct gate *gate, unsigned count)
{
	pthread_mutex_lock(&gate->lock);
	while (gate->arrived < count)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
}

static void decide_gate(struct gate *gate, bool is_open)
{
	pthread_mutex_lock(&gate->lock);
	gate->is_decided = true;
	gate->is_open = is_open;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

static int pin_to(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

struct thread_argument {
	struct load *load;
	struct load_thread *thread;
};

static void *thread_main(void *arg)
{
	struct thread_argument *argument = arg;
	struct load *load = argument->load;
	struct load_thread *t = argument->thread;

	free(argument);
	t->rc = pin_to(t->cpu);
	if (t->rc < 0)
		snprintf(t->why, sizeof t->why, "cannot pin to processor %d: %s", t->cpu, strerror(-t->rc));
	else
		t->rc = perf_load_connect(t);
	if (!pass_gate(&load->gate))
		return NULL;
	prctl(PR_SET_TIMERSLACK, 1L); /* a blocking generator is woken when a request is due, and not up to 50 us later */
	perf_thread_sample_take(&t->before);
	perf_load_generate(t);
	perf_thread_sample_take(&t->after);
	return NULL;
}

static int start_thread(struct load *load, struct load_thread *thread)
{
	struct thread_argument *argument = malloc(sizeof *argument);
	int rc;

	if (!argument)
		return -ENOMEM;
	*argument = (struct thread_argument){load, thread};
	rc = -pthread_create(&thread->handle, NULL, thread_main, argument);
	if (rc < 0)
		free(argument);
	return rc;
}

/* Keeps the controller off the generator's processors where there are others. */
static void step_aside(const struct perf_load_options *o)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) < 0)
		return;
	for (size_t i = 0; i < o->cpu_count; i++)
		CPU_CLR((size_t)o->cpus[i], &set);
	if (CPU_COUNT(&set) > 0)
		sched_setaffinity(0, sizeof set, &set);
}

/* Collecting. */

static void add_set(struct load_set *into, struct load_set *from)
{
	for (int i = 0; i < PERF_MEASURES; i++) {
		perf_histogram_add(&into->latency[i], &from->latency[i]);
		perf_histogram_reset(&from->latency[i]);
	}
	perf_histogram_add(&into->lateness, &from->lateness);
	perf_histogram_reset(&from->lateness);
	into->sent += from->sent;
	into->in_window += from->in_window;
	from->sent = from->in_window = 0;
	for (int i = 0; i < PERF_ERROR_KINDS; i++) {
		into->errors[i] += from->errors[i];
		from->errors[i] = 0;
	}
}

static bool is_finished(const struct load_thread *t)
{
	return __atomic_load_n(&t->is_finished, __ATOMIC_ACQUIRE); /* pairs with the thread's release: its last records are visible */
}

static void nap(uint64_t ns)
{
	struct timespec rest = {.tv_sec = (time_t)(ns / ZOK_S), .tv_nsec = (long)(ns % ZOK_S)};

	nanosleep(&rest, NULL); /* a signal may end it early; the callers look at the clock again */
}

/* Takes what a thread recorded since the last time. A thread that is at its end will not obey, but then all is ours to read. */
static void take_from(struct load *load, struct load_thread *t)
{
	struct load_set *left = t->set;
	unsigned asked = t->flips_asked + 1;

	__atomic_store_n(&t->flips_asked, asked, __ATOMIC_RELEASE); /* pairs with the thread's acquire: the other set is empty */
	while (__atomic_load_n(&t->flips_done, __ATOMIC_ACQUIRE) != asked && !is_finished(t))
		nap(100 * ZOK_US);
	add_set(&load->interval, left);
	if (is_finished(t))
		add_set(&load->interval, t->set);
}

static void empty_set(struct load_set *set)
{
	for (int i = 0; i < PERF_MEASURES; i++)
		perf_histogram_reset(&set->latency[i]);
	perf_histogram_reset(&set->lateness);
	set->sent = set->in_window = 0;
	memset(set->errors, 0, sizeof set->errors);
}

static int keep_summary(struct perf_result *result, const struct perf_interval *interval)
{
	const struct perf_histogram *h = interval->latency[result->loop == PERF_LOOP_OPEN ? PERF_CORRECTED : PERF_RAW];

	if (result->interval_count == result->interval_room) {
		size_t room = result->interval_room ? 2 * result->interval_room : 64;
		void *grown = realloc(result->intervals, room * sizeof *result->intervals);

		if (!grown)
			return -ENOMEM;
		result->intervals = grown;
		result->interval_room = room;
	}
	result->intervals[result->interval_count++] = (struct perf_interval_summary){
		.start_ns = interval->start_ns,
		.length_ns = interval->length_ns,
		.count = h->total,
		.p50_ns = perf_histogram_percentile(h, 50),
		.p99_ns = perf_histogram_percentile(h, 99),
		.max_ns = perf_histogram_max(h),
	};
	return 0;
}

static void add_to_result(struct perf_result *result, const struct load_set *set)
{
	for (int i = 0; i < PERF_MEASURES; i++)
		perf_histogram_add(&result->latency[i], &set->latency[i]);
	perf_histogram_add(&result->lateness, &set->lateness);
	result->sent += set->sent;
	result->in_window += set->in_window;
	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		result->errors[i] += set->errors[i];
}

/* Closes an interval at `now`: takes all threads' records, shows them and adds them up. */
static int close_interval(struct load *load, uint64_t now)
{
	const struct perf_load_options *o = &load->plan.options;
	struct load_set *sum = &load->interval;
	struct perf_interval interval = {.is_warmup = load->interval_start_ns < load->plan.window_ns};
	int rc;

	for (unsigned i = 0; i < load->thread_count; i++)
		take_from(load, &load->threads[i]);
	interval.start_ns = interval.is_warmup ? 0 : load->interval_start_ns - load->plan.window_ns;
	interval.length_ns = now - load->interval_start_ns;
	interval.sent = sum->sent;
	for (int i = 0; i < PERF_ERROR_KINDS; i++)
		interval.errors += sum->errors[i];
	for (int i = 0; i < PERF_MEASURES; i++)
		interval.latency[i] = &sum->latency[i];
	if (o->on_interval)
		o->on_interval(o->arg, &interval);
	load->interval_start_ns = now;
	if (interval.is_warmup) /* what is measured is in the sum already when the threads are told late: it stays for the next interval */
		return 0;
	rc = keep_summary(&load->result, &interval);
	add_to_result(&load->result, sum);
	empty_set(sum);
	return rc;
}

static bool all_finished(const struct load *load)
{
	for (unsigned i = 0; i < load->thread_count; i++)
		if (!is_finished(&load->threads[i]))
			return false;
	return true;
}

static bool is_stop_wanted(const struct load *load)
{
	return load->plan.options.stop && *load->plan.options.stop;
}

static void tell_to_stop(struct load *load)
{
	for (unsigned i = 0; i < load->thread_count; i++)
		__atomic_store_n(&load->threads[i].must_stop, true, __ATOMIC_RELAXED); /* nothing is handed over with it */
}

/* Waits for the end of an interval, of all threads, or for the user's stop, whichever is first. */
static uint64_t wait_until(const struct load *load, uint64_t until)
{
	uint64_t now = perf_now_ns();

	while (now < until && !all_finished(load) && !is_stop_wanted(load)) {
		nap(until - now < 20 * ZOK_MS ? until - now : 20 * ZOK_MS);
		now = perf_now_ns();
	}
	return now;
}

/*
 * When the interval after `last` ends. Intervals count from the window's start, so that the first of the warm-up may be short; the one that ends with
 * the window is left open for half a length more, so that the last replies are part of it and not an interval of their own.
 */
static uint64_t interval_end(const struct load_plan *plan, uint64_t last)
{
	uint64_t length = plan->options.interval_ns;
	uint64_t end = last < plan->window_ns ? plan->window_ns - (plan->window_ns - last - 1) / length * length : last + length;

	return end >= plan->end_ns && last < plan->end_ns ? plan->end_ns + length / 2 : end;
}

static int collect(struct load *load)
{
	int rc = 0;

	load->interval_start_ns = load->plan.start_ns;
	while (rc == 0 && !all_finished(load) && !is_stop_wanted(load)) {
		uint64_t end = interval_end(&load->plan, load->interval_start_ns);

		if (wait_until(load, end) >= end)
			rc = close_interval(load, end);
	}
	load->result.is_interrupted = !all_finished(load);
	tell_to_stop(load);
	return rc;
}

/* The result. */

static int begin_result(struct load *load)
{
	const struct perf_load_options *o = &load->plan.options;
	struct perf_result *r = &load->result;
	int rc = perf_histogram_create(&r->lateness, 1, 3600 * ZOK_S, o->significant_digits);

	for (int i = 0; i < PERF_MEASURES && rc == 0; i++)
		rc = perf_histogram_create(&r->latency[i], 1, 3600 * ZOK_S, o->significant_digits);
	snprintf(r->label, sizeof r->label, "%s", o->label);
	snprintf(r->target, sizeof r->target, "%s", o->target);
	snprintf(r->protocol, sizeof r->protocol, "%s", o->protocol);
	snprintf(r->version, sizeof r->version, "%s", ZOK_VERSION);
	r->size = o->size > 0 ? o->size : load->plan.exchange.protocol->size_default;
	r->loop = o->loop;
	r->arrivals = o->arrivals;
	r->wait = o->wait;
	r->connections = o->connections;
	r->depth = o->depth;
	r->threads = o->threads;
	r->seed = o->seed;
	r->warmup_ns = o->warmup_ns;
	r->duration_ns = o->duration_ns;
	r->rate_asked = o->loop == PERF_LOOP_OPEN ? o->rate : 0;
	return rc;
}

static void end_result(struct load *load, uint64_t end_ns)
{
	struct perf_result *r = &load->result;

	for (unsigned i = 0; i < load->thread_count; i++) {
		const struct load_thread *t = &load->threads[i];

		r->planned += t->planned;
		perf_machine_add_thread(&r->machine, &t->before, &t->after);
		r->pause_ns_max = t->pause_ns_max > r->pause_ns_max ? t->pause_ns_max : r->pause_ns_max;
		r->pause_ns_total = t->pause_ns_total > r->pause_ns_total ? t->pause_ns_total : r->pause_ns_total;
	}
	if (r->is_interrupted)
		r->duration_ns = end_ns > load->plan.window_ns ? end_ns - load->plan.window_ns : 0;
}

void perf_result_finish(struct perf_result *result)
{
	for (int i = 0; i < PERF_MEASURES; i++)
		perf_histogram_destroy(&result->latency[i]);
	perf_histogram_destroy(&result->lateness);
	free(result->intervals);
	result->intervals = NULL;
}

/* The run. */

static int prepare(struct load *load)
{
	int rc = perf_load_plan_make(&load->plan, load->why);

	if (rc == 0)
		rc = begin_result(load);
	if (rc == 0)
		rc = perf_histogram_create(&load->interval.lateness, 1, 3600 * ZOK_S, load->plan.options.significant_digits);
	for (int i = 0; i < PERF_MEASURES && rc == 0; i++)
		rc = perf_histogram_create(&load->interval.latency[i], 1, 3600 * ZOK_S, load->plan.options.significant_digits);
	return rc;
}

static int make_threads(struct load *load)
{
	unsigned count = load->plan.options.threads;
	int rc = 0;

	load->threads = aligned_alloc(_Alignof(struct load_thread), count * sizeof *load->threads);
	if (!load->threads)
		return -ENOMEM;
	memset(load->threads, 0, count * sizeof *load->threads);
	for (unsigned i = 0; i < count; i++)
		load->threads[i].epoll_fd = -1;
	for (unsigned i = 0; i < count && rc == 0; i++)
		rc = perf_load_thread_init(&load->threads[i], &load->plan, i);
	return rc;
}

/* Starts all threads and waits until each is connected or has failed. */
static int connect_all(struct load *load)
{
	int rc = 0;

	for (unsigned i = 0; i < load->plan.options.threads && rc == 0; i++) {
		rc = start_thread(load, &load->threads[i]);
		load->thread_count += rc == 0;
	}
	if (rc < 0)
		refuse(load, rc, "cannot start thread %u: %s", load->thread_count, strerror(-rc));
	await_arrivals(&load->gate, load->thread_count);
	for (unsigned i = 0; i < load->thread_count && rc == 0; i++)
		if (load->threads[i].rc < 0)
			rc = refuse(load, load->threads[i].rc, "%s", load->threads[i].why);
	return rc;
}

static void join_all(struct load *load)
{
	for (unsigned i = 0; i < load->thread_count; i++)
		pthread_join(load->threads[i].handle, NULL);
}

static void set_times(struct load *load)
{
	struct load_plan *plan = &load->plan;

	plan->start_ns = perf_now_ns() + 2 * ZOK_MS; /* so that every thread is past the barrier */
	plan->window_ns = plan->start_ns + plan->options.warmup_ns;
	plan->end_ns = plan->window_ns + plan->options.duration_ns;
	load->result.started_s = wall_clock_s() + (double)plan->options.warmup_ns / 1e9;
}

/* From the threads' start to their end. The controller's own affinity is given back by the caller. */
static int run_threads(struct load *load)
{
	int rc = connect_all(load);

	set_times(load);
	decide_gate(&load->gate, rc == 0);
	if (rc == 0)
		rc = collect(load);
	join_all(load);
	return rc < 0 ? rc : close_interval(load, perf_now_ns());
}

static int run(struct load *load)
{
	const struct perf_load_options *o = &load->plan.options;
	struct perf_machine_sample sample;
	cpu_set_t affinity;
	bool has_affinity = sched_getaffinity(0, sizeof affinity, &affinity) == 0;
	int rc = make_threads(load);

	if (rc < 0)
		return refuse(load, rc, "no memory or files for %u threads: %s", o->threads, strerror(-rc));
	perf_machine_begin(&load->result.machine, &sample, o->cpus, o->cpu_count);
	step_aside(o);
	rc = run_threads(load);
	if (has_affinity)
		sched_setaffinity(0, sizeof affinity, &affinity);
	perf_machine_end(&load->result.machine, &sample, o->cpus, o->cpu_count);
	end_result(load, load->interval_start_ns);
	return rc;
}

static void finish(struct load *load)
{
	for (unsigned i = 0; load->threads && i < load->plan.options.threads; i++)
		perf_load_thread_finish(&load->threads[i]);
	free(load->threads);
	perf_exchange_destroy(&load->plan.exchange);
	for (int i = 0; i < PERF_MEASURES; i++)
		perf_histogram_destroy(&load->interval.latency[i]);
	perf_histogram_destroy(&load->interval.lateness);
}

int perf_load_run(const struct perf_load_options *options, struct perf_result *result, char *why)
{
	struct load load = {
		.plan.options = *options,
		.why = why,
		.gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER},
	};
	int rc;

	snprintf(why, PERF_TEXT_MAX, "out of memory");
	rc = prepare(&load);
	if (rc == 0)
		rc = run(&load);
	finish(&load);
	if (rc < 0) {
		perf_result_finish(&load.result);
		return rc;
	}
	perf_verdict_judge(&load.result);
	*result = load.result;
	return 0;
}
