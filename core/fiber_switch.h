/*
 * The switch as the scheduler makes it: the context, what the sanitizers must hear of it, and errno.
 *
 * A fiber and the core's own stack have one zok__fiber_state each. A fiber's entry begins with zok__fiber_arrive() and ends with
 * zok__fiber_switch_last(); whoever runs next gives it to zok__fiber_state_finish() before its stack is released.
 */
#ifndef ZOK_CORE_FIBER_SWITCH_H
#define ZOK_CORE_FIBER_SWITCH_H

#include "core/context.h"
#include "core/sanitizer.h"

struct zok__fiber_state {
	struct zok__context context;
	struct zok__sanitizer_fiber sanitizer;
};

/* The core's own stack, by its own thread. */
static inline void zok__fiber_state_init_thread(struct zok__fiber_state *self)
{
	zok__sanitizer_thread_init(&self->sanitizer);
}

/* The first switch to `self` calls entry(arg) on the stack [base, base + size). */
static inline void zok__fiber_state_init(struct zok__fiber_state *self, void *base, size_t size, void (*entry)(void *arg), void *arg)
{
	zok__sanitizer_fiber_init(&self->sanitizer, base, size);
	zok__context_init(&self->context, base, size, entry, arg);
}

static inline void zok__fiber_state_finish(struct zok__fiber_state *self)
{
	zok__sanitizer_fiber_finish(&self->sanitizer);
}

static inline __attribute__((always_inline)) void zok__fiber_arrive(struct zok__fiber_state *self)
{
	zok__sanitizer_after_switch(&self->sanitizer);
}

static inline __attribute__((always_inline)) void zok__fiber_switch(struct zok__fiber_state *from, struct zok__fiber_state *to)
{
	zok__sanitizer_before_switch(&from->sanitizer, &to->sanitizer, false);
	zok__context_switch(&from->context, &to->context);
	zok__sanitizer_after_switch(&from->sanitizer);
}

/* `from` is not switched to again. */
static inline __attribute__((always_inline, noreturn)) void zok__fiber_switch_last(struct zok__fiber_state *from,
										   struct zok__fiber_state *to)
{
	zok__sanitizer_before_switch(&from->sanitizer, &to->sanitizer, true);
	zok__context_switch(&from->context, &to->context);
	__builtin_trap();
}

/*
 * As zok__fiber_switch(), and errno is after it what it was before. `errno_address_` is an expression that names the place in which the running
 * thread's core keeps &errno. It is evaluated again on resume, since the fiber may then be on another core; and errno itself is not named here,
 * since a compiler may keep its address over the switch. The int waits on the fiber's stack: a few loads and a store, and no call.
 */
#define ZOK__FIBER_SWITCH_ERRNO(from_, to_, errno_address_) \
	do {                                                \
		const int kept_ = *(errno_address_);        \
		zok__fiber_switch((from_), (to_));          \
		*(errno_address_) = kept_;                  \
	} while (0)

#endif
