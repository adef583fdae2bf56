/*
 * Real-time priority of the cores' threads, where the program asks for it: sched(7). What they start (the blocking pool, the kernel's poll and worker
 * threads) does not inherit it. Where it is refused the cores run as they would without, which is said once.
 */
#include "runtime/runtime.h"

#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void tell_of_refusal(struct zok_runtime *runtime, int error)
{
	/* Relaxed: only that one of the cores says it. */
	if (__atomic_exchange_n(&runtime->has_told_of_priority, true, __ATOMIC_RELAXED))
		return;
	zok__log(ZOK_LOG_WARN, "realtime_priority: %d: %s: going on without (said once; zok doctor --only realtime tells how to get it)",
		 runtime->config.realtime_priority, strerror(error));
}

void zok__priority_begin(struct zok__seat *seat)
{
	const struct sched_param wanted = {.sched_priority = seat->runtime->config.realtime_priority};

	if (wanted.sched_priority == 0)
		return;
	seat->policy_before = sched_getscheduler(0);
	if (seat->policy_before < 0 || sched_getparam(0, &seat->param_before) < 0 ||
	    sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &wanted) < 0) {
		seat->priority_error = errno;
		tell_of_refusal(seat->runtime, errno);
		return;
	}
	seat->has_priority = true;
}

/* Who got it by RLIMIT_RTPRIO alone may give it back, but not the flag: that wants CAP_SYS_NICE (sched(7)). */
static bool go_back(const struct zok__seat *seat)
{
	if (sched_setscheduler(0, seat->policy_before, &seat->param_before) == 0)
		return true;
	return errno == EPERM && sched_setscheduler(0, seat->policy_before | SCHED_RESET_ON_FORK, &seat->param_before) == 0;
}

void zok__priority_end(struct zok__seat *seat)
{
	if (seat->has_priority && !go_back(seat))
		zok__log(ZOK_LOG_WARN, "realtime_priority: the thread keeps it: %s", strerror(errno));
	seat->has_priority = false;
}

bool zok__priority_describe(const struct zok__seat *seat, char *text, size_t size)
{
	int priority = seat->runtime->config.realtime_priority;

	if (seat->has_priority)
		snprintf(text, size, "SCHED_FIFO %d", priority);
	else if (priority != 0)
		snprintf(text, size, "SCHED_FIFO %d: %s", priority, strerror(seat->priority_error));
	else
		snprintf(text, size, "not asked for");
	return seat->has_priority;
}
