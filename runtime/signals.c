/* SIGINT and SIGTERM as a cancel of the root scope. */
#include "runtime/runtime.h"

#include "core/sanitizer.h"

#include <errno.h>
#include <signal.h>

static struct sigaction old_int, old_term;
static sigset_t old_mask;
static bool has_left_them;

/* Only what is async-signal-safe: an exchange, a store, perhaps a write to an eventfd. */
static void handle(int signal_number)
{
	struct zok_runtime *runtime = zok__runtime();
	int saved_errno = errno;

	if (runtime)
		zok__runtime_signal(runtime, signal_number);
	errno = saved_errno;
}

/*
 * Under ThreadSanitizer the cores, which inherit the mask, leave the signals to the tick's thread: it runs no fibers. Nowhere else, since what
 * a program starts inherits the mask too.
 */
static void leave_to_the_tick(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, &old_mask);
}

void zok__signals_take(bool has_tick)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

	has_left_them = ZOK__SANITIZER_KEEPS_SIGNALS && has_tick;
	if (has_left_them)
		leave_to_the_tick();
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, &old_int);
	sigaction(SIGTERM, &action, &old_term);
}

void zok__signals_give_back(void)
{
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	if (has_left_them)
		pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
}
