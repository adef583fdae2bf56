/* The context of core/context.h where there is no assembly for the machine: swapcontext(3), with its two system calls a switch. */
#ifndef ZOK_CORE_CONTEXT_UCONTEXT_H
#define ZOK_CORE_CONTEXT_UCONTEXT_H

#include <stdlib.h>
#include <ucontext.h>

struct zok__context {
	ucontext_t state;
	void (*entry)(void *arg);
	void *arg;
};

void zok__context_init(struct zok__context *context, void *stack_base, size_t stack_size, void (*entry)(void *arg), void *arg);

/* swapcontext(3) is a call like any other, so the compiler needs to be told nothing. It cannot fail on a context that was initialized. */
static inline void zok__context_switch(struct zok__context *from, struct zok__context *to)
{
	if (swapcontext(&from->state, &to->state) != 0)
		abort();
}

#endif
