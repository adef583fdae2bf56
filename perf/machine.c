#include "perf/machine.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* Reads the first line of a small file; "" when there is none. */
static void read_line(const char *path, char *text, size_t size)
{
	FILE *file = fopen(path, "re");

	text[0] = '\0';
	if (!file)
		return;
	if (!fgets(text, (int)size, file))
		text[0] = '\0';
	text[strcspn(text, "\n")] = '\0';
	fclose(file);
}

static void read_cpu_model(char *text, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "re");
	char line[512];

	text[0] = '\0';
	while (file && !text[0] && fgets(line, sizeof line, file)) {
		char *colon = strchr(line, ':');

		if (colon && strncmp(line, "model name", 10) == 0) {
			colon[strcspn(colon, "\n")] = '\0';
			snprintf(text, size, "%s", colon + 1 + strspn(colon + 1, " "));
		}
	}
	if (file)
		fclose(file);
}

static void read_governor(char *text, size_t size, int cpu)
{
	char path[128];

	snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
	read_line(path, text, size);
}

/* Appends "3" or "3-5" to a list. */
static void append_range(char *text, size_t size, int first, int last)
{
	size_t used = strlen(text);
	const char *comma = used > 0 ? "," : "";

	if (first == last)
		snprintf(text + used, size - used, "%s%d", comma, first);
	else
		snprintf(text + used, size - used, "%s%d-%d", comma, first, last);
}

static void format_set(const cpu_set_t *set, char *text, size_t size)
{
	text[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int first = cpu;

		if (!CPU_ISSET(cpu, set))
			continue;
		while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, set))
			cpu++;
		append_range(text, size, first, cpu);
	}
}

static void allowed_set(cpu_set_t *set)
{
	CPU_ZERO(set);
	sched_getaffinity(getpid(), sizeof *set, set);
}

void perf_cpu_list_allowed(char *text, size_t size)
{
	cpu_set_t set;

	allowed_set(&set);
	format_set(&set, text, size);
}

static void format_list(const int *cpus, size_t count, char *text, size_t size)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (size_t i = 0; i < count; i++)
		CPU_SET(cpus[i], &set);
	format_set(&set, text, size);
}

/* Reads "3" or "3-5" at *text and moves past it and its comma. */
static int parse_range(const char **text, long *first, long *last)
{
	char *end;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	*first = *last = strtol(*text, &end, 10);
	if (*end == '-' && end[1] >= '0' && end[1] <= '9')
		*last = strtol(end + 1, &end, 10);
	if (*last < *first || *last >= CPU_SETSIZE || (*end && *end != ',') || (*end == ',' && !end[1]))
		return -EINVAL;
	*text = end + (*end == ',');
	return 0;
}

int perf_cpu_list_parse(const char *text, int *cpus, size_t room, char *why, size_t why_size)
{
	char allowed[128];
	cpu_set_t set;
	size_t count = 0;
	long first, last;

	allowed_set(&set);
	perf_cpu_list_allowed(allowed, sizeof allowed);
	do {
		if (parse_range(&text, &first, &last) < 0) {
			snprintf(why, why_size, "is no list of processors: give one like 1 or 0,2-3 (this process may use %s)", allowed);
			return -EINVAL;
		}
		for (; first <= last; first++) {
			if (!CPU_ISSET((size_t)first, &set) || count == room) {
				snprintf(why, why_size, "processor %ld is not there for this process, which may use %s", first, allowed);
				return -EINVAL;
			}
			cpus[count++] = (int)first;
		}
	} while (*text);
	return (int)count;
}

static bool is_wanted(int cpu, const int *cpus, size_t count, const cpu_set_t *allowed)
{
	for (size_t i = 0; i < count; i++)
		if (cpus[i] == cpu)
			return true;
	return count == 0 && CPU_ISSET((size_t)cpu, allowed);
}

/* Sums the ticks of the wanted processors: user nice system idle iowait irq softirq steal; guest time is in user's already. */
static void read_ticks(struct perf_machine_sample *sample, const int *cpus, size_t count)
{
	FILE *file = fopen("/proc/stat", "re");
	char line[512];
	cpu_set_t allowed;

	allowed_set(&allowed);
	*sample = (struct perf_machine_sample){0};
	while (file && fgets(line, sizeof line, file)) {
		unsigned long long ticks[8];
		int cpu;

		if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &ticks[0], &ticks[1], &ticks[2], &ticks[3],
			   &ticks[4], &ticks[5], &ticks[6], &ticks[7]) != 9 ||
		    cpu < 0 || cpu >= CPU_SETSIZE || !is_wanted(cpu, cpus, count, &allowed))
			continue;
		for (int i = 0; i < 8; i++)
			sample->total_ticks += ticks[i];
		sample->steal_ticks += ticks[7];
	}
	if (file)
		fclose(file);
}

void perf_machine_begin(struct perf_machine *machine, struct perf_machine_sample *sample, const int *cpus, size_t cpu_count)
{
	struct utsname name;
	double load[1];

	memset(machine, 0, sizeof *machine);
	if (uname(&name) == 0) {
		snprintf(machine->host, sizeof machine->host, "%.63s", name.nodename);
		snprintf(machine->kernel, sizeof machine->kernel, "%.40s %.40s %.40s", name.sysname, name.release, name.machine);
	}
	read_cpu_model(machine->cpu_model, sizeof machine->cpu_model);
	read_governor(machine->governor, sizeof machine->governor, cpu_count > 0 ? cpus[0] : 0);
	read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", machine->clocksource, sizeof machine->clocksource);
	perf_cpu_list_allowed(machine->cpus_allowed, sizeof machine->cpus_allowed);
	format_list(cpus, cpu_count, machine->cpus_pinned, sizeof machine->cpus_pinned);
	machine->cpu_count = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	machine->load_average = getloadavg(load, 1) == 1 ? load[0] : 0;
	read_ticks(sample, cpus, cpu_count);
}

void perf_machine_end(struct perf_machine *machine, const struct perf_machine_sample *sample, const int *cpus, size_t cpu_count)
{
	struct perf_machine_sample now;

	read_ticks(&now, cpus, cpu_count);
	if (now.total_ticks > sample->total_ticks && now.steal_ticks >= sample->steal_ticks)
		machine->steal_fraction = (double)(now.steal_ticks - sample->steal_ticks) / (double)(now.total_ticks - sample->total_ticks);
}

void perf_thread_sample_take(struct perf_thread_sample *sample)
{
	struct rusage usage;
	char line[128];
	unsigned long long cpu_ns = 0, wait_ns = 0;
	struct timespec now;

	getrusage(RUSAGE_THREAD, &usage);
	sample->involuntary_switches = (uint64_t)usage.ru_nivcsw;
	sample->voluntary_switches = (uint64_t)usage.ru_nvcsw;
	read_line("/proc/thread-self/schedstat", line, sizeof line);
	sscanf(line, "%llu %llu", &cpu_ns, &wait_ns);
	sample->cpu_ns = cpu_ns;
	sample->wait_ns = wait_ns;
	clock_gettime(CLOCK_MONOTONIC, &now);
	sample->wall_ns = (uint64_t)now.tv_sec * ZOK_S + (uint64_t)now.tv_nsec;
}

void perf_machine_add_thread(struct perf_machine *machine, const struct perf_thread_sample *before, const struct perf_thread_sample *after)
{
	machine->involuntary_switches += after->involuntary_switches - before->involuntary_switches;
	machine->voluntary_switches += after->voluntary_switches - before->voluntary_switches;
	machine->wait_ns += after->wait_ns - before->wait_ns;
	machine->cpu_ns += after->cpu_ns - before->cpu_ns;
	machine->wall_ns += after->wall_ns - before->wall_ns;
}
