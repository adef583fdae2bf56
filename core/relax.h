/* What a spinning loop tells the processor: others on this physical core may run, and the loop's exit need not be predicted. */
#ifndef CORE_RELAX_H
#define CORE_RELAX_H

#if defined(__x86_64__)
static inline void zok__cpu_relax(void)
{
	__builtin_ia32_pause();
}
#elif defined(__aarch64__)
/* Not WFE: without an event it waits for the event stream, 100 us; not YIELD, which is a NOP on most. */
static inline void zok__cpu_relax(void)
{
	__asm__ volatile("isb" ::: "memory");
}
#else
static inline void zok__cpu_relax(void)
{
	__asm__ volatile("" ::: "memory");
}
#endif

#endif
