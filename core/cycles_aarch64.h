/* The virtual count of the generic timer, which the architecture defines to run at one rate always. */
#ifndef CORE_CYCLES_AARCH64_H
#define CORE_CYCLES_AARCH64_H

#include <stdbool.h>
#include <stdint.h>

#define ZOK__CYCLES_CLOCKSOURCE "arch_sys_counter"

static inline uint64_t zok__cycles(void)
{
	uint64_t count;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
	return count;
}

static inline bool zok__cycles_are_invariant(void)
{
	return true;
}

#endif
