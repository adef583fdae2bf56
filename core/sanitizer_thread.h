/*
 * core/sanitizer.h for ThreadSanitizer: each fiber is to it a thread of its own. A fiber's end leaves entries on the shadow call stack of its TSan
 * fiber, since its last switch does not return; so one is made for each fiber rather than kept with the stack, where it would fill up.
 */
#ifndef ZOK_CORE_SANITIZER_THREAD_H
#define ZOK_CORE_SANITIZER_THREAD_H

#include <sanitizer/tsan_interface.h>

/* A signal that finds its thread outside of a blocking call waits with the TSan fiber of that moment, and the others know nothing of it. */
enum { ZOK__SANITIZER_KEEPS_SIGNALS = 1 };

struct zok__sanitizer_fiber {
	void *fiber;
};

static inline void zok__sanitizer_thread_init(struct zok__sanitizer_fiber *self)
{
	self->fiber = __tsan_get_current_fiber();
}

static inline void zok__sanitizer_fiber_init(struct zok__sanitizer_fiber *self, void *base, size_t size)
{
	self->fiber = __tsan_create_fiber(0);
}

static inline void zok__sanitizer_fiber_finish(struct zok__sanitizer_fiber *self)
{
	__tsan_destroy_fiber(self->fiber);
	self->fiber = NULL;
}

/* 0: a switch orders what is before it with what is after it, as it does on a core. */
static inline void zok__sanitizer_before_switch(struct zok__sanitizer_fiber *from, struct zok__sanitizer_fiber *to, bool from_has_ended)
{
	__tsan_switch_to_fiber(to->fiber, 0);
}

static inline void zok__sanitizer_after_switch(struct zok__sanitizer_fiber *self)
{
}

static inline void zok__sanitizer_stack_acquired(void *base, size_t size)
{
}

static inline void zok__sanitizer_stack_released(void *base, size_t size)
{
}

#endif
