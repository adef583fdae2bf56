#include "runtime/stall.h"

#include "core/log.h"
#include "runtime/interrupted.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For the handler and the unwinder, beside what the kernel puts there (SIGSTKSZ of old knows nothing of AVX-512). Fibers' stacks are too small. */
enum { SIGNAL_STACK_ROOM = 64 << 10 };

/* The one that the handler serves. Release in start() pairs with the acquire in the handler. */
static struct zok__stalls *active;

/* ---- What the handler does: async-signal-safe, and the same thread as what it looks at ---- */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

bool zok__stall_may_tell(struct zok__stall_limit *limit, uint64_t now_ns)
{
	if (limit->minute_ns == 0 || now_ns - limit->minute_ns >= 60 * ZOK_S) {
		limit->minute_ns = now_ns;
		limit->count = 0;
	}
	if (limit->count >= ZOK__STALL_REPORTS_A_MINUTE) {
		limit->suppressed_count++;
		return false;
	}
	limit->count++;
	return true;
}

/* The frames from the interrupted instruction on: those above it are the handler's and the kernel's way in. */
static unsigned take_frames(void **frames, const void *context)
{
	void *all[ZOK__STALL_FRAMES_MAX + 8];
	int count = backtrace(all, ZOK__STALL_FRAMES_MAX + 8), first = 0;
	const void *pc = zok__interrupted_pc(context);

	for (int i = 0; i < count; i++)
		if (all[i] == pc)
			first = i;
	count = count - first < ZOK__STALL_FRAMES_MAX ? count - first : ZOK__STALL_FRAMES_MAX;
	memcpy(frames, all + first, (size_t)count * sizeof *frames);
	return (unsigned)count;
}

static void copy_name(char *to, const char *name)
{
	size_t length = strnlen(name, ZOK__STALL_NAME_SIZE - 1);

	memcpy(to, name, length);
	to[length] = '\0';
}

struct sighting {
	const void *context;
	uint64_t *kernel_frames;
	unsigned kernel_count;
};

static void write_down(struct zok__stall *self, struct zok__stalls *stalls, uint64_t ran_ns, const struct sighting *sighting)
{
	const struct zok_task *task = self->seen.task;
	unsigned head = self->head;
	struct zok__stall_report *report = &self->reports[head % ZOK__STALL_RING];

	/* Acquire pairs with the reporter's release: it has read what lay there. */
	if (head - __atomic_load_n(&self->tail, __ATOMIC_ACQUIRE) == ZOK__STALL_RING) {
		self->limit.suppressed_count++;
		return;
	}
	copy_name(report->task, zok_task_name(task));
	report->task_class = task->task_class;
	report->is_fiber = task->flags & ZOK__TASK_IS_FIBER;
	report->ran_ns = ran_ns;
	report->suppressed_count = self->limit.suppressed_count;
	self->limit.suppressed_count = 0;
	report->frame_count = take_frames(report->frames, sighting->context);
	report->kernel_count = sighting->kernel_count;
	memcpy(report->kernel_frames, sighting->kernel_frames, sighting->kernel_count * sizeof *sighting->kernel_frames);
	/* Release pairs with the reporter's acquire. */
	__atomic_store_n(&self->head, head + 1, __ATOMIC_RELEASE);
	sem_post(&stalls->written);
}

static bool is_same(const struct zok__run *a, const struct zok__run *b)
{
	return a->task == b->task && a->slice == b->slice && a->left == b->left;
}

/* Several firings at once were all in one stay in the kernel, so in this run: it is older by the time between them, if that was CPU time. */
static void see_new(struct zok__stall *self, const struct zok__run *run, unsigned fired, uint64_t cpu_ns)
{
	uint64_t before_ns = (fired - 1) * self->period_ns;

	if (before_ns > cpu_ns - self->seen_ns)
		before_ns = cpu_ns - self->seen_ns;
	self->seen = *run;
	self->began_ns = cpu_ns - before_ns;
	self->tell_at_ns = 2 * self->period_ns;
	self->is_counted = false;
}

static void count_stall(struct zok__stall *self, uint64_t ran_ns)
{
	struct zok_core_stats *stats = &self->core->counters->stats;

	if (!self->is_counted)
		zok__count(&stats->stalls, 1);
	self->is_counted = true;
	if (ran_ns > stats->stall_ns_max)
		zok__set(&stats->stall_ns_max, ran_ns);
}

static void look(struct zok__stall *self, struct zok__stalls *stalls, unsigned fired, const struct sighting *sighting)
{
	struct zok__run run = zok__core_run(self->core);
	uint64_t cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), ran_ns;

	if (!is_same(&run, &self->seen))
		see_new(self, &run, fired, cpu_ns);
	self->seen_ns = cpu_ns;
	ran_ns = cpu_ns - self->began_ns;
	if (!run.task || ran_ns < 2 * self->period_ns)
		return;
	count_stall(self, ran_ns);
	if (ran_ns < self->tell_at_ns)
		return;
	self->tell_at_ns = 2 * ran_ns;
	if (zok__stall_may_tell(&self->limit, clock_ns(CLOCK_MONOTONIC)))
		write_down(self, stalls, ran_ns, sighting);
}

static void handle(int signal_number, siginfo_t *info, void *context)
{
	struct zok__stalls *stalls = __atomic_load_n(&active, __ATOMIC_ACQUIRE);
	struct zok_core *core = zok__core();
	uint64_t kernel_frames[ZOK__STALL_KERNEL_FRAMES_MAX];
	struct sighting sighting = {.context = context, .kernel_frames = kernel_frames};
	int saved_errno = errno;
	unsigned fired;

	if (stalls && core) {
		struct zok__stall *self = &stalls->of[core->options.index];

		fired = zok__stall_trigger_take(self, info, kernel_frames, ZOK__STALL_KERNEL_FRAMES_MAX, &sighting.kernel_count);
		if (fired > 0)
			look(self, stalls, fired, &sighting);
	}
	errno = saved_errno;
}

/* ---- A core's thread ---- */

/* Said once a start, however many cores it is true for. */
static void warn_once(struct zok__stalls *stalls, enum zok_log_level level, const char *what, int error)
{
	if (!__atomic_exchange_n(&stalls->has_warned, true, __ATOMIC_RELAXED))
		zok__log(level, "stall detector: %s: %s", what, strerror(error));
}

static void set_mask(int how, int signal_number, sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	pthread_sigmask(how, &set, old);
}

static bool take_signal_stack(struct zok__stall *self)
{
	long least = sysconf(_SC_MINSIGSTKSZ);
	stack_t stack = {.ss_size = SIGNAL_STACK_ROOM + (least > 0 ? (size_t)least : 0)};

	self->signal_stack = malloc(stack.ss_size);
	stack.ss_sp = self->signal_stack;
	if (!stack.ss_sp)
		errno = ENOMEM;
	if (stack.ss_sp && sigaltstack(&stack, &self->old_stack) == 0)
		return true;
	self->error = errno;
	free(self->signal_stack);
	self->signal_stack = NULL;
	return false;
}

static void give_signal_stack_back(struct zok__stall *self)
{
	sigaltstack(&self->old_stack, NULL);
	free(self->signal_stack);
	self->signal_stack = NULL;
}

/* In the thread's time, not the handler's: the first backtrace loads the unwinder. */
static void prime_unwinder(void)
{
	void *frames[4];

	backtrace(frames, 4);
}

void zok__stalls_watch(struct zok__stalls *stalls, struct zok_core *core)
{
	struct zok__stall *self;

	if (!stalls)
		return;
	self = &stalls->of[core->options.index];
	self->core = core;
	self->period_ns = stalls->options.threshold_ns / 2;
	prime_unwinder();
	if (!take_signal_stack(self)) {
		warn_once(stalls, ZOK_LOG_WARN, "no stack for its signals, going on without", self->error);
		return;
	}
	set_mask(SIG_UNBLOCK, stalls->options.signal_number, &self->old_mask);
	if (!zok__stall_trigger_start(self, stalls->options.trigger, stalls->options.signal_number)) {
		warn_once(stalls, ZOK_LOG_WARN, "neither a perf event nor a timer, going on without", self->error);
		give_signal_stack_back(self);
		pthread_sigmask(SIG_SETMASK, &self->old_mask, NULL);
	} else if (self->error != 0) {
		warn_once(stalls, stalls->options.trigger == ZOK__STALL_PERF ? ZOK_LOG_WARN : ZOK_LOG_INFO,
			  "no perf event (see kernel.perf_event_paranoid), a timer without the kernel's part instead", self->error);
	}
}

/* The old disposition may be to end the process, so none of our signals may be pending when it comes back. */
static void take_pending(int signal_number)
{
	const struct timespec at_once = {0};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal_number);
	while (sigtimedwait(&set, NULL, &at_once) >= 0 || errno == EINTR)
		;
}

void zok__stalls_unwatch(struct zok__stalls *stalls, struct zok_core *core)
{
	struct zok__stall *self = stalls ? &stalls->of[core->options.index] : NULL;

	if (!self || !self->signal_stack)
		return;
	set_mask(SIG_BLOCK, stalls->options.signal_number, NULL);
	zok__stall_trigger_stop(self);
	take_pending(stalls->options.signal_number);
	give_signal_stack_back(self);
	pthread_sigmask(SIG_SETMASK, &self->old_mask, NULL);
}

/* ---- The whole ---- */

/* From the top: programs that number theirs begin at the bottom. SIGRTMAX itself is what Valgrind uses. */
static int free_signal(void)
{
	struct sigaction action;

	for (int number = SIGRTMAX - 1; number >= SIGRTMIN; number--)
		if (sigaction(number, NULL, &action) == 0 && !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL)
			return number;
	return 0;
}

static int take_signal(struct zok__stalls *stalls)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	int number = stalls->options.signal_number ? stalls->options.signal_number : free_signal();

	if (number == 0)
		return -EBUSY;
	stalls->options.signal_number = number;
	sigemptyset(&action.sa_mask);
	return sigaction(number, &action, &stalls->old_action) < 0 ? -errno : 0;
}

static int start_reporter(struct zok__stalls *stalls)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&stalls->reporter, NULL, zok__stall_reporter, stalls);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc == 0)
		pthread_setname_np(stalls->reporter, "zok-stall");
	return -rc;
}

int zok__stalls_start(struct zok__stalls **out, unsigned core_count, const struct zok__stall_options *options)
{
	struct zok__stalls *stalls;
	int rc;

	*out = NULL;
	if (options->trigger == ZOK__STALL_OFF)
		return 0;
	stalls = calloc(1, sizeof *stalls + core_count * sizeof stalls->of[0]);
	if (!stalls)
		return -ENOMEM;
	stalls->options = *options;
	stalls->core_count = core_count;
	sem_init(&stalls->written, 0, 0);
	rc = start_reporter(stalls);
	if (rc < 0)
		goto fail;
	__atomic_store_n(&active, stalls, __ATOMIC_RELEASE);
	rc = take_signal(stalls);
	if (rc < 0) {
		stalls->options.signal_number = 0;
		zok__stalls_stop(stalls);
		return rc;
	}
	*out = stalls;
	return 0;
fail:
	sem_destroy(&stalls->written);
	free(stalls);
	return rc;
}

void zok__stalls_stop(struct zok__stalls *stalls)
{
	if (!stalls)
		return;
	__atomic_store_n(&active, NULL, __ATOMIC_RELEASE);
	if (stalls->options.signal_number != 0)
		sigaction(stalls->options.signal_number, &stalls->old_action, NULL);
	__atomic_store_n(&stalls->is_ending, true, __ATOMIC_RELAXED);
	sem_post(&stalls->written);
	pthread_join(stalls->reporter, NULL);
	sem_destroy(&stalls->written);
	free(stalls);
}

bool zok__stalls_describe(const struct zok__stalls *stalls, unsigned index, char *text, size_t size)
{
	const struct zok__stall *self = stalls ? &stalls->of[index] : NULL;
	double threshold_ms = stalls ? (double)stalls->options.threshold_ns / (double)ZOK_MS : 0;

	if (!self)
		snprintf(text, size, "switched off, or its start failed");
	else if (self->trigger == ZOK__STALL_PERF)
		snprintf(text, size, "%.1f ms; perf event, signal %d, with the kernel's part", threshold_ms, stalls->options.signal_number);
	else if (self->trigger == ZOK__STALL_TIMER)
		snprintf(text, size, "%.1f ms; timer, signal %d, without the kernel's part%s%s", threshold_ms,
			 stalls->options.signal_number, self->error ? ": perf event: " : "", self->error ? strerror(self->error) : "");
	else
		snprintf(text, size, "neither a perf event nor a timer: %s", strerror(self->error));
	return self && self->trigger != ZOK__STALL_OFF;
}
