/*
 * What a fiber resumes from, and the switch between two of them.
 *
 * Saved are the stack pointer, the frame pointer and the address to go on at: nothing else. The switch is inlined and says that it destroys
 * every other register, so the compiler keeps around each call of it what is alive there, which is mostly nothing. It goes on with an indirect
 * jump: a `ret` would be predicted by the return stack, which knows only the stack that is left.
 *
 * Rules for whoever calls:
 * 1. `entry` never returns: its last act is a switch to another context. Returning traps.
 * 2. The floating-point environment (MXCSR and the x87 control word; FPCR) is not saved. It belongs to the core: whoever changes the rounding
 *    mode restores it before it suspends.
 * 3. A context resumes on the thread that suspended it, as long as the code around the switch holds thread-local addresses.
 * 4. No alloca, variable-length array or over-aligned local in a function that the switch is inlined into: compilers then keep a second
 *    frame pointer in a register that the switch destroys.
 * 5. The red zone needs no care. The switch stores nothing on the stack, and signals arrive on the stack that is current, below its red zone.
 * 6. Shadow stacks (CET SHSTK, GCS) are not switched: a process that enables them must not run fibers. Landing pads (IBT, BTI) are there.
 * 7. A context is neither moved nor copied from its initialization to its end: ucontext(3) keeps its address.
 */
#ifndef ZOK_CORE_CONTEXT_H
#define ZOK_CORE_CONTEXT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#if defined(ZOK_CONTEXT_UCONTEXT)
#include "core/context_ucontext.h"
#elif defined(__x86_64__) && defined(__LP64__)
#include "core/context_x86_64.h"
#elif defined(__aarch64__) && defined(__LP64__)
#include "core/context_aarch64.h"
#else
#include "core/context_ucontext.h"
#endif

/*
 * Every variant gives:
 *
 * zok__context_init(): the first switch to `context` calls entry(arg) on the stack [stack_base, stack_base + stack_size). A backtrace ends at
 * `entry`. Nothing is allocated; the stack is the caller's, and stays mapped until the context is left for the last time.
 *
 * zok__context_switch(): leaves `from`, which need not be initialized, and goes on in `to`. Returns when another switch goes to `from`.
 */

#endif
