/*
 * Naming a fiber that overflows its stack. The guard page below it makes that a SIGSEGV, which says nothing by itself; a handler on a stack of its own
 * looks whether the address lies in the running fiber's guard, says whose it is, and passes the signal on to whoever had it: a handler of the
 * program's, or the default, which then dumps the core where it happened. Frames that are larger than a page may step over the guard.
 */
#include "runtime/runtime.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for the handler that the signal is passed to. */
enum { SIGNAL_STACK_ROOM = 64 << 10, LINE_SIZE = 320 };

/* Written while no core runs; one runtime at a time. */
static struct sigaction old_action;
static bool is_taken;

/* What the thread passes on, and from where. Initial-exec: a handler may not be the first to touch a thread's storage. */
static _Thread_local __attribute__((tls_model("initial-exec"))) struct {
	const siginfo_t *info;
	const char *frame;
} passing;

/* ---- A line, without the library's formatting: async-signal-safe ---- */

struct line {
	char text[LINE_SIZE];
	size_t used;
};

static void add(struct line *line, const char *text)
{
	while (*text && line->used < sizeof line->text)
		line->text[line->used++] = *text++;
}

static void add_number(struct line *line, size_t number)
{
	char digits[24], *at = digits + sizeof digits - 1;

	*at = '\0';
	do
		*--at = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	add(line, at);
}

static void tell(const struct zok_core *core, const struct zok__fiber *fiber)
{
	ssize_t used = zok__stack_high_water(fiber->stack);
	struct line line = {.used = 0};

	add(&line, "zokio: error: core ");
	add_number(&line, core->options.index);
	add(&line, ": fiber ");
	add(&line, zok_task_name(&fiber->task));
	add(&line, " has overflowed its stack of ");
	add_number(&line, fiber->stack->size);
	add(&line, " bytes");
	if (used >= 0) {
		add(&line, ", of which ");
		add_number(&line, (size_t)used);
		add(&line, " were used");
	}
	add(&line, "; stack_size of its spawn or of the runtime's options gives it more\n");
	if (write(STDERR_FILENO, line.text, line.used) < 0)
		return; /* nobody to tell */
}

/* ---- The signal ---- */

static bool is_in_guard(const struct zok_core *core, const struct zok__fiber *fiber, const void *address)
{
	uintptr_t base = (uintptr_t)fiber->stack->base, at = (uintptr_t)address;

	return fiber->stack->is_guarded && at < base && at >= base - core->stacks.page_size;
}

static void look(const void *address)
{
	const struct zok_core *core = zok__core();
	struct zok_task *task = core ? core->current : NULL;

	if (task && (task->flags & ZOK__TASK_IS_FIBER) && zok__fiber_of(task)->stack && is_in_guard(core, zok__fiber_of(task), address))
		tell(core, zok__fiber_of(task));
}

/*
 * Whether whoever it was passed to has passed it back: a handler that was put in our place while a runtime ran, and took ours for its predecessor, is
 * ours in the next runtime. It is the same signal, deeper on the stack; after a handler that jumped out, the next signal is not deeper.
 */
static bool has_come_back(const siginfo_t *info, const char *frame)
{
	return passing.info == info && frame < passing.frame;
}

/* The default ends the process when the instruction is tried again; one that was sent must be sent again. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	if (old_action.sa_flags & SA_SIGINFO) {
		old_action.sa_sigaction(number, info, context);
	} else if (old_action.sa_handler != SIG_DFL && old_action.sa_handler != SIG_IGN) {
		old_action.sa_handler(number);
	} else if (old_action.sa_handler == SIG_DFL || info->si_code > 0) { /* one that was only sent is ignored as before */
		sigaction(number, &old_action, NULL);
		if (info->si_code <= 0)
			raise(number);
	}
}

static void end_chain(int number, const siginfo_t *info)
{
	const struct sigaction by_default = {.sa_handler = SIG_DFL};

	sigaction(number, &by_default, NULL);
	if (info->si_code <= 0)
		raise(number);
}

static void handle(int number, siginfo_t *info, void *context)
{
	const char *frame = __builtin_frame_address(0);
	int saved_errno = errno;

	if (has_come_back(info, frame)) {
		end_chain(number, info);
		return;
	}
	/* The kernel's own: somebody else's has no address. */
	if (info->si_code > 0)
		look(info->si_addr);
	errno = saved_errno;
	passing.info = info;
	passing.frame = frame;
	pass_on(number, info, context);
	passing.info = NULL;
}

void zok__overflow_start(void)
{
	struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};

	if (sigaction(SIGSEGV, NULL, &old_action) < 0)
		return;
	/* As the handler that it is passed to would run. */
	action.sa_mask = old_action.sa_mask;
	action.sa_flags |= old_action.sa_flags & (SA_NODEFER | SA_RESTART);
	is_taken = sigaction(SIGSEGV, &action, NULL) == 0;
}

/* Not where the program has put its own in the place of ours meanwhile. */
void zok__overflow_stop(void)
{
	struct sigaction now;

	if (is_taken && sigaction(SIGSEGV, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handle)
		sigaction(SIGSEGV, &old_action, NULL);
	is_taken = false;
}

/* ---- A core's thread ---- */

void zok__overflow_watch(struct zok__seat *seat)
{
	long least = sysconf(_SC_MINSIGSTKSZ);
	stack_t stack = {.ss_size = SIGNAL_STACK_ROOM + (least > 0 ? (size_t)least : 0)}, there;

	/* The stall detector's, a sanitizer's or the program's serves as well. */
	if (!is_taken || sigaltstack(NULL, &there) < 0 || !(there.ss_flags & SS_DISABLE))
		return;
	stack.ss_sp = malloc(stack.ss_size);
	if (stack.ss_sp && sigaltstack(&stack, NULL) == 0)
		seat->overflow_stack = stack.ss_sp;
	else
		free(stack.ss_sp); /* without one an overflow ends the process as it would have */
}

void zok__overflow_unwatch(struct zok__seat *seat)
{
	stack_t there;

	if (!seat->overflow_stack)
		return;
	/* The program may have put its own in the place of ours meanwhile. */
	if (sigaltstack(NULL, &there) == 0 && there.ss_sp == seat->overflow_stack)
		sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
	free(seat->overflow_stack);
	seat->overflow_stack = NULL;
}
