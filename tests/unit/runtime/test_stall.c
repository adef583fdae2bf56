/* The stall detector: names who keeps a core, shows where, and accuses nobody who yields, waits, polls or blocks. */
#include "runtime/stall.h"
#include "zokio/async.h"
#include "zokio/log.h"
#include "zokio/runtime.h"
#include "zokio/timer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define STALL_NS (4 * ZOK_MS)

/* ---- What is logged ---- */

static struct {
	pthread_mutex_t lock;
	char text[1 << 18];
	size_t used;
} lines = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep_line(void *arg, enum zok_log_level level, const char *text)
{
	pthread_mutex_lock(&lines.lock);
	if (lines.used + ZOK_LOG_LINE_SIZE < sizeof lines.text)
		lines.used += (size_t)snprintf(lines.text + lines.used, ZOK_LOG_LINE_SIZE, "%s\n", text);
	pthread_mutex_unlock(&lines.lock);
}

static bool was_logged(const char *words)
{
	bool was;

	pthread_mutex_lock(&lines.lock);
	was = strstr(lines.text, words) != NULL;
	pthread_mutex_unlock(&lines.lock);
	return was;
}

static unsigned count_logged(const char *words)
{
	unsigned count = 0;

	for (const char *at = lines.text; (at = strstr(at, words)) != NULL; at++)
		count++;
	return count;
}

static int begin(void **state)
{
	memset(lines.text, 0, sizeof lines.text);
	lines.used = 0;
	zok_log_set(keep_line, NULL);
	return 0;
}

static int end(void **state)
{
	zok_log_set(NULL, NULL);
	return 0;
}

/* ---- Programs ---- */

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

static struct zok_core_stats stats_here(void)
{
	struct zok_core_stats stats;

	assert_int_equal(zok_stats((unsigned)zok_core_index(), &stats), 0);
	return stats;
}

/* Keeps the core until the detector has seen it `count` times, or for much longer than it could need. */
static __attribute__((noinline)) void burn_until_seen(uint64_t count)
{
	uint64_t end_ns = cpu_ns() + 5 * ZOK_S;

	while (stats_here().stalls < count && cpu_ns() < end_ns)
		;
}

static int burns(void *arg)
{
	burn_until_seen(*(uint64_t *)arg);
	return 0;
}

static int spawns_a_burner(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	uint64_t one = 1;

	zok_spawn(scope, burns, &one, &(struct zok_spawn_options){.name = "cruncher", .task_class = ZOK_CLASS_BULK});
	zok_scope_close(scope, 0);
	assert_int_equal(stats_here().stalls, 1);
	assert_true(stats_here().stall_ns_max >= STALL_NS);
	return 0;
}

static void run_with(const char *detector, const char *mode, int (*fn)(void *arg), void *arg)
{
	const struct zok_options options = {.engine = "epoll", .mode = mode, .stall_ns = STALL_NS, .stall_detector = detector};

	assert_int_equal(zok_run(&options, fn, arg), 0);
}

/* ---- Who stalls ---- */

static void a_fiber_that_keeps_its_core_is_named(void **state)
{
	static const char *const detectors[] = {"auto", "timer"};

	for (int i = 0; i < 2; i++) {
		begin(NULL);
		run_with(detectors[i], NULL, spawns_a_burner, NULL);
		assert_true(was_logged("stall: core 0: fiber 'cruncher' (bulk) has run for "));
		assert_true(was_logged("; 4.0 ms are the limit\n"));
		/* Static functions, by the file's own table, and the command for their lines. The trace ends where the fiber began. */
		assert_true(was_logged(" burn_until_seen+0x"));
		assert_true(was_logged(" fiber_main+0x"));
		assert_true(was_logged("stall: core 0:   addr2line -Cfpie /"));
		assert_false(was_logged(" zok__loop_run+0x"));
	}
}

struct burner {
	struct zok_task task;
};

static int burner_run(struct zok_task *task)
{
	burn_until_seen(1);
	return 0;
}

static int spawns_a_task(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct burner burner;

	zok_task_spawn(scope, &burner.task, burner_run, &(struct zok_spawn_options){.name = "stackless one"});
	return zok_scope_close(scope, 0);
}

static void a_task_that_keeps_its_core_is_named(void **state)
{
	run_with(NULL, NULL, spawns_a_task, NULL);
	assert_true(was_logged("task 'stackless one' (normal) has run for "));
	assert_true(was_logged(" burner_run+0x"));
}

static int burns_on_both(void *arg)
{
	static uint64_t one = 1;
	struct zok_scope *scope = zok_scope_open(NULL);

	*(unsigned *)arg = zok_core_count();
	for (unsigned core = 0; core < zok_core_count(); core++)
		zok_spawn_on(core, scope, burns, &one, &(struct zok_spawn_options){.name = "twin"});
	return zok_scope_close(scope, 0);
}

static void each_core_has_its_own(void **state)
{
	const struct zok_options options = {.cores = "all", .engine = "epoll", .stall_ns = STALL_NS};
	unsigned core_count;
	char words[48];

	assert_int_equal(zok_run(&options, burns_on_both, &core_count), 0);
	for (unsigned core = 0; core < core_count; core++) {
		snprintf(words, sizeof words, "stall: core %u: fiber 'twin'", core);
		assert_true(was_logged(words));
	}
}

/* ---- Where the kernel keeps it ---- */

static bool is_kernel_shown(void)
{
	char report[ZOK_LOG_LINE_SIZE * 8];

	return zok_engine_report(report, sizeof report) > 0 && strstr(report, "with the kernel's part") != NULL;
}

static int populates(void *arg)
{
	enum { SIZE = 16 << 20 };
	char *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t end_ns = cpu_ns() + 5 * ZOK_S;
	bool *is_shown = arg;

	assert_true(memory != MAP_FAILED);
	*is_shown = is_kernel_shown();
	while (*is_shown && !was_logged("kernel #0 0x") && cpu_ns() < end_ns) {
		madvise(memory, SIZE, MADV_DONTNEED);
		for (size_t i = 0; i < SIZE; i += 4096)
			memory[i] = 1;
		if (stats_here().stalls > 0 && !was_logged("kernel #0 0x"))
			zok_yield(); /* a new run, to be told anew */
	}
	munmap(memory, SIZE);
	return 0;
}

static void the_kernels_part_is_shown_where_allowed(void **state)
{
	bool is_shown = false;

	run_with("perf", NULL, populates, &is_shown);
	if (!is_shown) {
		print_message("skipped: perf events that show the kernel are not allowed here\n");
		skip();
	}
	if (!was_logged("kernel #0 0x"))
		assert_true(was_logged("were not told") || count_logged("has run for") >= ZOK__STALL_REPORTS_A_MINUTE);
}

/* ---- Who does not ---- */

static int yields(void *arg)
{
	uint64_t end_ns = cpu_ns() + 20 * STALL_NS;

	while (cpu_ns() < end_ns)
		zok_yield();
	return 0;
}

struct yielder {
	struct zok_task task;
	uint64_t end_ns;
};

static int yielder_run(struct zok_task *task)
{
	struct yielder *self = ZOK_CONTAINER_OF(task, struct yielder, task);

	ZOK_BEGIN(&task->async);
	while (cpu_ns() < self->end_ns)
		ZOK_YIELD();
	ZOK_END(0);
}

/* Alone, so that the same fiber is found at each signal; in twos; and without a stack. */
static int yields_for_long(void *arg)
{
	struct zok_scope *scope = zok_scope_open(NULL);
	struct yielder yielder;

	yields(NULL);
	zok_spawn(scope, yields, NULL, NULL);
	zok_spawn(scope, yields, NULL, NULL);
	zok_scope_close(scope, 0);
	scope = zok_scope_open(NULL);
	yielder.end_ns = cpu_ns() + 20 * STALL_NS;
	zok_task_spawn(scope, &yielder.task, yielder_run, NULL);
	zok_scope_close(scope, 0);
	assert_int_equal(stats_here().stalls, 0);
	return 0;
}

static void who_yields_is_not_accused(void **state)
{
	run_with("auto", NULL, yields_for_long, NULL);
	run_with("timer", NULL, yields_for_long, NULL);
	assert_int_equal(lines.used, 0);
}

static int sleeps(void *arg)
{
	zok_sleep(20 * STALL_NS);
	assert_int_equal(stats_here().stalls, 0);
	return 0;
}

static void a_core_that_polls_is_not_accused(void **state)
{
	run_with("auto", "spin", sleeps, NULL);
	run_with("timer", "spin", sleeps, NULL);
	assert_int_equal(lines.used, 0);
}

static void burn_for(uint64_t ns)
{
	uint64_t end_ns = cpu_ns() + ns;

	while (cpu_ns() < end_ns)
		;
}

/* As a core that the host or another process has preempted: the clock on the wall goes on, the thread's time does not. Signals come on both sides. */
static int is_off_its_cpu(void *arg)
{
	for (int i = 0; i < 20; i++) {
		burn_for(STALL_NS * 3 / 8);
		poll(NULL, 0, 10);
		burn_for(STALL_NS * 3 / 8);
		zok_yield();
	}
	assert_int_equal(stats_here().stalls, 0);
	return 0;
}

static void time_off_the_cpu_does_not_count(void **state)
{
	run_with("auto", NULL, is_off_its_cpu, NULL);
	run_with("timer", NULL, is_off_its_cpu, NULL);
	assert_int_equal(lines.used, 0);
}

/* ---- How often it is told ---- */

static int stalls_often(void *arg)
{
	for (uint64_t i = 1; i <= ZOK__STALL_REPORTS_A_MINUTE + 3; i++) {
		burn_until_seen(i);
		assert_int_equal(stats_here().stalls, i);
		zok_yield();
	}
	return 0;
}

static void all_are_counted_and_few_are_told(void **state)
{
	run_with(NULL, NULL, stalls_often, NULL);
	assert_in_range(count_logged("has run for"), 1, ZOK__STALL_REPORTS_A_MINUTE);
}

static void a_minute_later_there_is_more_to_tell(void **state)
{
	struct zok__stall_limit limit = {0};
	uint64_t now_ns = 7 * ZOK_S;

	for (int i = 0; i < ZOK__STALL_REPORTS_A_MINUTE; i++)
		assert_true(zok__stall_may_tell(&limit, now_ns));
	assert_false(zok__stall_may_tell(&limit, now_ns + 59 * ZOK_S));
	assert_false(zok__stall_may_tell(&limit, now_ns + 59 * ZOK_S));
	assert_int_equal(limit.suppressed_count, 2);
	assert_true(zok__stall_may_tell(&limit, now_ns + 60 * ZOK_S));
}

/* ---- The signal ---- */

static void leave_alone(int number)
{
}

static int signal_in_use(void)
{
	struct sigaction action;

	for (int number = SIGRTMAX; number >= SIGRTMIN; number--)
		if (sigaction(number, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO))
			return number;
	return 0;
}

static int notes_the_signal(void *arg)
{
	*(int *)arg = signal_in_use();
	return 0;
}

static void the_signal_is_a_free_one_and_is_given_back(void **state)
{
	int number = 0;

	signal(SIGRTMAX - 1, leave_alone);
	run_with(NULL, NULL, notes_the_signal, &number);
	assert_int_equal(number, SIGRTMAX - 2);
	assert_int_equal(signal_in_use(), 0);
	assert_ptr_equal(signal(SIGRTMAX - 1, SIG_DFL), leave_alone);
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll", .stall_signal = SIGRTMIN + 3}, notes_the_signal, &number), 0);
	assert_int_equal(number, SIGRTMIN + 3);
	assert_int_equal(zok_run(&(struct zok_options){.engine = "epoll", .stall_detector = "off"}, notes_the_signal, &number), 0);
	assert_int_equal(number, 0);
}

/* The caller's thread is the first core: its signal stack and mask are the caller's again, and a signal that it blocks does come. */
static void the_callers_thread_is_as_it_was(void **state)
{
	sigset_t set, after;
	stack_t stack_before, stack_after;

	for (int is_blocked = 0; is_blocked < 2; is_blocked++) {
		begin(NULL);
		sigemptyset(&set);
		sigaddset(&set, SIGRTMAX - 1);
		pthread_sigmask(is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
		sigaltstack(NULL, &stack_before);
		run_with(NULL, NULL, spawns_a_burner, NULL);
		pthread_sigmask(SIG_BLOCK, NULL, &after);
		sigaltstack(NULL, &stack_after);
		assert_int_equal(sigismember(&after, SIGRTMAX - 1), is_blocked);
		assert_ptr_equal(stack_before.ss_sp, stack_after.ss_sp);
		assert_int_equal(stack_before.ss_flags, stack_after.ss_flags);
		assert_true(was_logged("fiber 'cruncher'"));
	}
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void options_that_are_wrong_are_named(void **state)
{
	struct zok_runtime *runtime;

	assert_int_equal(zok_runtime_create(&runtime, &(struct zok_options){.stall_signal = SIGALRM}), -EINVAL);
	assert_true(was_logged("stall_signal: 14: it takes a real-time signal, "));
	assert_int_equal(zok_runtime_create(&runtime, &(struct zok_options){.stall_detector = "on"}), -EINVAL);
	assert_true(was_logged("stall_detector: on: it takes auto, perf, timer or off"));
	assert_int_equal(zok_runtime_create(&runtime, &(struct zok_options){.stall_ns = 999}), -EINVAL);
	assert_true(was_logged("stall_ns: 999: must be from 1000000 to "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_fiber_that_keeps_its_core_is_named, begin, end),
		cmocka_unit_test_setup_teardown(a_task_that_keeps_its_core_is_named, begin, end),
		cmocka_unit_test_setup_teardown(each_core_has_its_own, begin, end),
		cmocka_unit_test_setup_teardown(the_kernels_part_is_shown_where_allowed, begin, end),
		cmocka_unit_test_setup_teardown(who_yields_is_not_accused, begin, end),
		cmocka_unit_test_setup_teardown(a_core_that_polls_is_not_accused, begin, end),
		cmocka_unit_test_setup_teardown(time_off_the_cpu_does_not_count, begin, end),
		cmocka_unit_test_setup_teardown(all_are_counted_and_few_are_told, begin, end),
		cmocka_unit_test(a_minute_later_there_is_more_to_tell),
		cmocka_unit_test_setup_teardown(the_signal_is_a_free_one_and_is_given_back, begin, end),
		cmocka_unit_test_setup_teardown(the_callers_thread_is_as_it_was, begin, end),
		cmocka_unit_test_setup_teardown(options_that_are_wrong_are_named, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
