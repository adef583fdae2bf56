/* core/sanitizer.h for AddressSanitizer: its bounds of the stack, its fake stack, and the poison that frames leave. */
#ifndef ZOK_CORE_SANITIZER_ADDRESS_H
#define ZOK_CORE_SANITIZER_ADDRESS_H

#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

enum { ZOK__SANITIZER_KEEPS_SIGNALS = 0 };

struct zok__sanitizer_fiber {
	void *fake_stack; /* while suspended */
	const void *base;
	size_t size;
};

static inline void zok__sanitizer_fiber_init(struct zok__sanitizer_fiber *self, void *base, size_t size)
{
	self->fake_stack = NULL;
	self->base = base;
	self->size = size;
}

static inline void zok__sanitizer_thread_init(struct zok__sanitizer_fiber *self)
{
	pthread_attr_t attributes;
	void *base = NULL;
	size_t size = 0;

	if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
		pthread_attr_getstack(&attributes, &base, &size);
		pthread_attr_destroy(&attributes);
	}
	zok__sanitizer_fiber_init(self, base, size);
}

static inline void zok__sanitizer_fiber_finish(struct zok__sanitizer_fiber *self)
{
}

/* NULL for the one that ended: its fake stack is freed. */
static inline void zok__sanitizer_before_switch(struct zok__sanitizer_fiber *from, struct zok__sanitizer_fiber *to, bool from_has_ended)
{
	__sanitizer_start_switch_fiber(from_has_ended ? NULL : &from->fake_stack, to->base, to->size);
}

static inline void zok__sanitizer_after_switch(struct zok__sanitizer_fiber *self)
{
	__sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
}

static inline void zok__sanitizer_stack_acquired(void *base, size_t size)
{
	__asan_unpoison_memory_region(base, size);
}

/* An access from now on is reported as use after poison: most often a pointer into a fiber that ended. */
static inline void zok__sanitizer_stack_released(void *base, size_t size)
{
	__asan_poison_memory_region(base, size);
}

#endif
