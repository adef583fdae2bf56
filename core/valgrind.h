/*
 * Valgrind is told which memory is a stack: otherwise it takes a switch for one huge allocation on the stack that is left. Whether it watches is
 * found out when the program runs: outside of it a request is five instructions without effect, and only mapping and unmapping make one.
 */
#ifndef ZOK_CORE_VALGRIND_H
#define ZOK_CORE_VALGRIND_H

#include <stddef.h>

#if defined(ZOK_VALGRIND)

#include <valgrind/valgrind.h>

static inline unsigned zok__valgrind_stack_register(char *base, size_t size)
{
	return (unsigned)VALGRIND_STACK_REGISTER(base, base + size);
}

static inline void zok__valgrind_stack_deregister(unsigned id)
{
	VALGRIND_STACK_DEREGISTER(id);
}

#else

static inline unsigned zok__valgrind_stack_register(char *base, size_t size)
{
	return 0;
}

static inline void zok__valgrind_stack_deregister(unsigned id)
{
}

#endif

#endif
