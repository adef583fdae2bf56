/*
 * Checks that fail, and what becomes of the fiber that they fail in.
 *
 * ZOK_CHECK(condition) is an assertion that stays in every build. Where it fails, one line in the log names the fiber, its core, its scope and the
 * place; then the process ends by abort(), unless a scope that the fiber is under was opened with contains_faults. In that case only the fiber
 * ends, as if its function had returned -ENOTRECOVERABLE, and its core goes on:
 *
 *   1. The scopes that it has open are closed, innermost first: their children are cancelled and joined.
 *   2. What it gave to zok_defer() is called, the last first.
 *   3. Its stack is given up. Its parent scope has an error, as from any child that failed.
 *
 * C does not unwind: no function between the check and the fiber's own is returned to (so no destructor of C++ runs, no cleanup attribute, no lock
 * is released). What must be released is given to zok_defer(), or belongs to somebody else. Contained is what is said to zok_fail() and ZOK_CHECK()
 * by the code of a fiber: not a failed assert(3), not a signal; and not in a stackless task, in a function that a future calls, or while a future on
 * the fiber's stack is pending that the fiber does not await: there the process ends in any case, or must.
 */
#ifndef ZOKIO_FAULT_H
#define ZOKIO_FAULT_H

#include "zokio/base.h"

ZOK_BEGIN_DECLS

/* Goes on only if the condition, which is always evaluated, holds. In a fiber, a task, or outside of both. May suspend where it fails. */
#define ZOK_CHECK(condition_) (ZOK_LIKELY(condition_) ? (void)0 : zok_fail("check failed: %s, %s:%d", #condition_, __FILE__, __LINE__))

/* Ends the fiber, or the process: see above. The text, up to 255 bytes of it, goes into the log. Suspends. Any thread. Does not return. */
ZOK_API ZOK_NORETURN void zok_fail(const char *format, ...) ZOK_PRINTF(1, 2);

/*
 * Has fn(arg) called when the calling fiber ends, by its function's return or by a failed check; the last given is called first. fn runs in the
 * fiber, after the scopes that the fiber had opened have ended, and may suspend; where the fiber's parent scope is cancelled its awaits end at
 * once, unless shielded as zok_close() is. What fn was given must still be there: not on the stack of a function that has returned. -ENOMEM;
 * -EINVAL: not in a fiber. Then fn is not called.
 */
ZOK_API int zok_defer(void (*fn)(void *arg), void *arg);

/* Takes back the last fn(arg) that was given. Returns whether there was one. Does not suspend. */
ZOK_API bool zok_undefer(void (*fn)(void *arg), void *arg);

ZOK_END_DECLS

#endif
