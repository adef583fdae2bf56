/*
 * Signals as something to await: reload on SIGHUP, an end of one's own on SIGTERM.
 *
 *	struct zok_signals *signals;
 *
 *	zok_signal_open(&signals, (const int[]){SIGHUP, 0});
 *	while (zok_signal_wait(signals) == SIGHUP)
 *		reload();
 *	zok_signal_close(signals);
 *
 * From open to close a signal has no other effect on the process: the handler that was there, the runtime's of SIGINT and SIGTERM among
 * them, is put back by the close of the last that has it open. Who opens SIGTERM ends the runtime itself (zok_runtime_cancel(), zok_runtime_drain()).
 *
 * As POSIX has it, a signal is pending or not: what comes again before it was taken is one. None is lost between two waits. Several that are pending
 * are given by their numbers, the lowest first. Of several tasks that wait on one struct zok_signals each signal goes to the one that has waited longest;
 * several structs, of any cores, each get it.
 */
#ifndef ZOKIO_SIGNAL_H
#define ZOKIO_SIGNAL_H

#include "zokio/base.h"
#include "zokio/future.h"
#include "zokio/list.h"

ZOK_BEGIN_DECLS

struct zok_signals;

/*
 * `numbers` of signals, 0 behind the last. On a core, whose struct it is. Does not suspend. -EINVAL: none, no such signal, or one that cannot be awaited (SIGKILL, SIGSTOP, what a fault raises,
 * one with a handler that takes more than its number, as the stall detector's; the log names it); -EMFILE: 64 are open in the process.
 */
ZOK_API int zok_signal_open(struct zok_signals **signals, const int *numbers);

/* Suspends until one of the signals has come, and takes it: its number. -ECANCELED, -ETIMEDOUT, -EBADF: closed meanwhile; -EXDEV: another core's. */
ZOK_API int zok_signal_wait(struct zok_signals *signals);

/* Ends other tasks' waits (-EBADF). What is pending is lost. Does not suspend. NULL is fine. One left open is closed when its core ends. 0, -EXDEV. */
ZOK_API int zok_signal_close(struct zok_signals *signals);

/* The same as a future: prepare, await. The struct is the library's until it is ready. */
struct zok_signal_wait {
	struct zok_future future; /* result: the signal's number, or negative */
	struct zok_signals *signals;
	struct zok_list waiting; /* private */
};

/* As zok_signal_wait(): the future's result is what that returns. */
ZOK_API void zok_signal_wait_prepare(struct zok_signal_wait *wait, struct zok_signals *signals);

ZOK_END_DECLS

#endif
