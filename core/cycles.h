/*
 * The processor's free-running counter, raw: one header for each architecture, the same three names in all.
 *
 * zok__cycles()                 the counter now. Not ordered against the instructions around it: it may be read some nanoseconds early or late,
 *                               which is less than what a fence would cost, and none of its uses compares counters of two threads.
 * zok__cycles_are_invariant()   whether it runs at one rate in all power states
 * ZOK__CYCLES_CLOCKSOURCE       the name under which the kernel itself keeps time by it. The kernel's watchdog compares its clocksource with
 *                               another and drops it when it proves unstable, on which processor ever: a verdict that we cannot form.
 */
#ifndef CORE_CYCLES_H
#define CORE_CYCLES_H

#if defined(__x86_64__)
#include "core/cycles_x86_64.h"
#elif defined(__aarch64__)
#include "core/cycles_aarch64.h"
#else
#include "core/cycles_generic.h"
#endif

#endif
