/*
 * What AddressSanitizer and ThreadSanitizer must be told about fibers. In a build without them every function here is empty.
 * (Valgrind needs to know stacks only, not switches: core/valgrind.h.)
 *
 * struct zok__sanitizer_fiber is a part of every fiber, and one belongs to the core's own stack. The order of a switch:
 *
 *	zok__sanitizer_before_switch(&from->sanitizer, &to->sanitizer, from_has_ended);
 *	zok__context_switch(&from->context, &to->context);
 *	zok__sanitizer_after_switch(&from->sanitizer);
 *
 * in one function, with nothing between. A new fiber calls zok__sanitizer_after_switch() of its own as the first thing. One that ended is
 * given to zok__sanitizer_fiber_finish() by whoever runs next.
 *
 * void zok__sanitizer_thread_init(self)                   once on the core's own stack, before the first switch
 * void zok__sanitizer_fiber_init(self, base, size)        before the first switch to a fiber on the stack [base, base + size)
 * void zok__sanitizer_fiber_finish(self)                  after its last
 *
 * ZOK__SANITIZER_KEEPS_SIGNALS                             not 0: a signal that comes while a fiber runs waits until that fiber runs again
 *
 * Of stacks, called by core/stack.c only, and of free blocks, by core/heap.c:
 *
 * void zok__sanitizer_stack_acquired(base, size)          its memory may be used, or unmapped
 * void zok__sanitizer_stack_released(base, size)          it may not, and what frames left poisoned is forgotten
 */
#ifndef ZOK_CORE_SANITIZER_H
#define ZOK_CORE_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ZOK__SANITIZER_ADDRESS 1
#elif __has_feature(thread_sanitizer)
#define ZOK__SANITIZER_THREAD 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ZOK__SANITIZER_ADDRESS 1
#elif defined(__SANITIZE_THREAD__)
#define ZOK__SANITIZER_THREAD 1
#endif

#if defined(ZOK__SANITIZER_ADDRESS)
#include "core/sanitizer_address.h"
#elif defined(ZOK__SANITIZER_THREAD)
#include "core/sanitizer_thread.h"
#else
#include "core/sanitizer_none.h"
#endif

#endif
