/*
 * Waiting a moment with the processor's help: a hardware thread that waits so leaves the physical core to its sibling and draws less, and goes on
 * when a line is written or a counter is reached. By the processor's manual, chosen by which file is compiled (cpu_wait_x86_64.c, cpu_wait_none.c):
 *
 * WAITPKG  Intel's manual, volume 2: TPAUSE waits until the TSC reaches a value, UMWAIT also until the line that UMONITOR named is written. Both no
 *          longer than IA32_UMWAIT_CONTROL lets them (Linux: 100,000 cycles; /sys/devices/system/cpu/umwait_control).
 * MONITORX AMD64 manual, volume 3: MWAITX waits until the line that MONITORX named is written, and with ECX bit 1 at most EBX cycles of the TSC.
 *
 * AArch64 has WFE, whose only bound is the event stream (100 us in Linux: arch_timer), and WFET from Armv8.7 on. Neither is used: relax.h.
 */
#ifndef CORE_CPU_WAIT_H
#define CORE_CPU_WAIT_H

#include <stdbool.h>
#include <stdint.h>

struct zok__cpu_waits {
	bool has_waitpkg, has_monitorx;
};

/* Reads a leaf of CPUID: eax, ebx, ecx, edx into `registers`; all zero where there is none. */
typedef void (*zok__cpuid_fn)(uint32_t leaf, uint32_t subleaf, uint32_t registers[4]);

/* What leaves say that `cpuid` reads. Separate for the tests, which make them up. */
struct zok__cpu_waits zok__cpu_waits_of(zok__cpuid_fn cpuid);

/* What this processor has. */
struct zok__cpu_waits zok__cpu_waits_here(void);

/* With has_waitpkg: until the counter (cycles.h) reaches `until`. May return at any time. */
void zok__cpu_tpause(uint64_t until);

/* Names a line; then, unless it was written since, waits for that or until the counter reaches `until`. */
void zok__cpu_umonitor(const void *line);
void zok__cpu_umwait(uint64_t until);

/* The same with has_monitorx, for at most so many cycles. */
void zok__cpu_monitorx(const void *line);
void zok__cpu_mwaitx(uint32_t cycles);

#endif
