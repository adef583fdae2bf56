/* A processor without such instructions: nothing is found, so nothing else is called. */
#include "core/cpu_wait.h"

#include "core/relax.h"

struct zok__cpu_waits zok__cpu_waits_of(zok__cpuid_fn cpuid)
{
	return (struct zok__cpu_waits){0};
}

struct zok__cpu_waits zok__cpu_waits_here(void)
{
	return (struct zok__cpu_waits){0};
}

void zok__cpu_tpause(uint64_t until)
{
	zok__cpu_relax();
}

void zok__cpu_umonitor(const void *line)
{
}

void zok__cpu_umwait(uint64_t until)
{
	zok__cpu_relax();
}

void zok__cpu_monitorx(const void *line)
{
}

void zok__cpu_mwaitx(uint32_t cycles)
{
	zok__cpu_relax();
}
