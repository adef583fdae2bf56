/* core/sanitizer.h in a plain build. */
#ifndef ZOK_CORE_SANITIZER_NONE_H
#define ZOK_CORE_SANITIZER_NONE_H

enum { ZOK__SANITIZER_KEEPS_SIGNALS = 0 };

/* Takes no room in a fiber. */
__extension__ struct zok__sanitizer_fiber {
};

static inline void zok__sanitizer_thread_init(struct zok__sanitizer_fiber *self)
{
}

static inline void zok__sanitizer_fiber_init(struct zok__sanitizer_fiber *self, void *base, size_t size)
{
}

static inline void zok__sanitizer_fiber_finish(struct zok__sanitizer_fiber *self)
{
}

static inline void zok__sanitizer_before_switch(struct zok__sanitizer_fiber *from, struct zok__sanitizer_fiber *to, bool from_has_ended)
{
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
