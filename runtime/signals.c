/* SIGINT and SIGTERM as a cancel of the root scope. */
#include "runtime/runtime.h"

#include <errno.h>
#include <signal.h>

static struct sigaction old_int, old_term;

/* Only what is async-signal-safe: an exchange, a store, perhaps a write to an eventfd. */
static void handle(int signal_number)
{
	struct zok_runtime *runtime = zok__runtime();
	int saved_errno = errno;

	if (runtime)
		zok__runtime_signal(runtime, signal_number);
	errno = saved_errno;
}

void zok__signals_take(struct zok_runtime *runtime)
{
	struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, &old_int);
	sigaction(SIGTERM, &action, &old_term);
}

void zok__signals_give_back(void)
{
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
}
