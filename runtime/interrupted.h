/* Where the code was that a signal has interrupted. */
#ifndef RUNTIME_INTERRUPTED_H
#define RUNTIME_INTERRUPTED_H

#include <stddef.h>
#include <ucontext.h>

/* `context`: what a handler with SA_SIGINFO is given. NULL: not known on this machine. */
static inline const void *zok__interrupted_pc(const void *context);

#if defined(__x86_64__)
static inline const void *zok__interrupted_pc(const void *context)
{
	return (const void *)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}
#elif defined(__aarch64__)
static inline const void *zok__interrupted_pc(const void *context)
{
	return (const void *)((const ucontext_t *)context)->uc_mcontext.pc;
}
#else
static inline const void *zok__interrupted_pc(const void *context)
{
	return NULL;
}
#endif

#endif
