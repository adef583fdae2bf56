#include "core/cpu_wait.h"

#include <cpuid.h>
#include <x86intrin.h>

/* Each function that needs them says so itself: the rest of the library is built for every x86-64, and nobody calls one without asking CPUID. */
#define WAITPKG	 __attribute__((target("waitpkg")))
#define MONITORX __attribute__((target("mwaitx")))

/* C0.1: less is saved than in C0.2, and it is left sooner. */
enum { UMWAIT_FAST = 1 };

/* Linux, arch/x86/include/asm/mwait.h: C0 and nothing deeper; the timer in EBX counts. */
enum { MWAITX_SHALLOW = 0xf0, MWAITX_HAS_TIMER = 2 };

enum { LEAF_MAX = 0, LEAF_FEATURES = 7, ECX = 2 };

#define LEAF_AMD_MAX	  0x80000000u
#define LEAF_AMD_FEATURES 0x80000001u

static bool has_bit(zok__cpuid_fn cpuid, uint32_t leaf_max_at, uint32_t leaf, unsigned bit)
{
	uint32_t registers[4];

	/* A leaf above the greatest answers with another's registers (Intel), not with zeros. */
	cpuid(leaf_max_at, 0, registers);
	if (registers[0] < leaf)
		return false;
	cpuid(leaf, 0, registers);
	return registers[ECX] >> bit & 1;
}

struct zok__cpu_waits zok__cpu_waits_of(zok__cpuid_fn cpuid)
{
	return (struct zok__cpu_waits){
		.has_waitpkg = has_bit(cpuid, LEAF_MAX, LEAF_FEATURES, 5),
		.has_monitorx = has_bit(cpuid, LEAF_AMD_MAX, LEAF_AMD_FEATURES, 29),
	};
}

static void cpuid_here(uint32_t leaf, uint32_t subleaf, uint32_t registers[4])
{
	__cpuid_count(leaf, subleaf, registers[0], registers[1], registers[2], registers[3]);
}

struct zok__cpu_waits zok__cpu_waits_here(void)
{
	return zok__cpu_waits_of(cpuid_here);
}

WAITPKG void zok__cpu_tpause(uint64_t until)
{
	_tpause(UMWAIT_FAST, until);
}

WAITPKG void zok__cpu_umonitor(const void *line)
{
	_umonitor((void *)(uintptr_t)line);
}

WAITPKG void zok__cpu_umwait(uint64_t until)
{
	_umwait(UMWAIT_FAST, until);
}

MONITORX void zok__cpu_monitorx(const void *line)
{
	_mm_monitorx((void *)(uintptr_t)line, 0, 0);
}

MONITORX void zok__cpu_mwaitx(uint32_t cycles)
{
	_mm_mwaitx(MWAITX_HAS_TIMER, MWAITX_SHALLOW, cycles);
}
