/* The time-stamp counter. */
#ifndef CORE_CYCLES_X86_64_H
#define CORE_CYCLES_X86_64_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

#define ZOK__CYCLES_CLOCKSOURCE "tsc"

static inline uint64_t zok__cycles(void)
{
	return __builtin_ia32_rdtsc();
}

/* AMD64 manual, volume 3, CPUID Fn8000_0007; Intel's, volume 3, 18.17.1 "Invariant TSC": EDX bit 8. */
static inline bool zok__cycles_are_invariant(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(0x80000007, &eax, &ebx, &ecx, &edx) && (edx & 1u << 8);
}

#endif
